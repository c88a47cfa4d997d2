"""Mistakes are the wrong readings that a model is most sure of, and they show where it looked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import grey_image
from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.data import open_source
from wildtext.errors import SampleError, TrainingError
from wildtext.images import Fixed, Padded, Preprocessing, decode
from wildtext.inference.overlay import attention_overlay
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.runtimes import Raw
from wildtext.inference.torch_runtime import TorchRuntime
from wildtext.models import MODELS, build
from wildtext.training.mistakes import Mistake, find_mistakes, load_mistakes, save_mistakes
from wildtext.types import Floats, Sample
from wildtext.weights.bundle import Bundle

LETTERS = Charset("letters", ("a", "b"))


@dataclass
class Greys:
    """Flat pictures, all labelled alike; `broken` ones cannot be had."""

    size: int
    label: str = "0"
    level: int = 7
    broken: frozenset[int] = frozenset()
    name: str = "somewhere/greys"
    asked: list[int] = field(default_factory=list)

    def __getitem__(self, index: int) -> Sample:
        self.asked.append(index)
        if index in self.broken:
            raise SampleError(f"{self.where(index)}: broken")
        return Sample(np.asarray(grey_image(self.level)), self.label)

    def where(self, index: int) -> str:
        return f"greys#{index}"

    def text(self, index: int) -> str:
        return self.label

    def content(self, index: int) -> bytes:
        raise NotImplementedError

    def boxes(self, index: int) -> Floats | None:
        return None


class Attentive:
    """A stand-in for a network that reads "ab" in its first two slots, wherever it is said to look.

    The third has the end token, and the fourth "a" again.

    Args:
        maps: what it shows beside its logits, without the axis of images.
    """

    name = "fake"

    def __init__(self, maps: dict[str, Floats]):
        self.maps = maps

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        logits = np.full((len(images), 4, 4), -9.0, np.float32)
        logits[:, [0, 1, 2, 3], [2, 3, 1, 2]] = 9
        return Raw({"text": logits}, {name: np.stack([values] * len(images)) for name, values in self.maps.items()})


def attentive(maps: dict[str, Floats], preprocessing: Preprocessing | None = None) -> Recognizer:
    codec = Sequence.dtrb(LETTERS, 3)
    bundle = Bundle("fake", {}, LETTERS, {"text": codec}, "text", preprocessing or Preprocessing(Fixed(8, 32)))
    return Recognizer(bundle, Attentive(maps))


def looking_at(*columns: int, width: int = 8) -> Floats:
    """Attention (T, 1, width), each slot at one column."""
    attention = np.zeros((len(columns), 1, width), np.float32)
    attention[np.arange(len(columns)), 0, columns] = 1
    return attention


def redness(picture: Image.Image) -> Floats:
    """How much redder than green the columns of a picture are."""
    pixels = np.asarray(picture, np.float32)
    columns: Floats = (pixels[..., 0] - pixels[..., 1]).mean(axis=0)
    return columns


def places_of(recognizer: Recognizer, image: Image.Image) -> Image.Image:
    """The picture of places of the only mistake."""

    class One(Greys):
        def __getitem__(self, index: int) -> Sample:
            return Sample(np.asarray(image), "wrong")

    (mistake,) = find_mistakes(recognizer, [One(1)], protocol="36", count=1)
    return Image.fromarray(decode(mistake.places))


# Which


def test_only_wrong_readings_are_mistakes(recognizer: Recognizer, labelled_folder: Path) -> None:
    source = open_source(labelled_folder)
    assert find_mistakes(recognizer, [source], protocol="36", count=20) == []
    labels = (labelled_folder / "labels.tsv").read_text().replace("4.png\t4", "4.png\t9")
    (labelled_folder / "labels.tsv").write_text(labels)
    (mistake,) = find_mistakes(recognizer, [open_source(labelled_folder)], protocol="36", count=20)
    assert (mistake.truth, mistake.reading) == ("9", "4")
    assert mistake.source == Path(source.name).name
    assert np.allclose(decode(mistake.image), np.asarray(grey_image(4)), atol=2)


def test_what_the_protocol_leaves_out_is_no_mistake(recognizer: Recognizer) -> None:
    assert find_mistakes(recognizer, [Greys(3, "7!")], protocol="36", count=9) == []
    assert len(find_mistakes(recognizer, [Greys(3, "7!")], protocol="94", count=9)) == 3


def test_the_most_confident_come_first_whatever_their_source(recognizer: Recognizer) -> None:
    sure = np.tile(np.linspace(100, 130, 40, dtype=np.uint8)[None, :, None], (20, 1, 3))

    class Rising(Greys):
        def __getitem__(self, index: int) -> Sample:
            return Sample(sure, "0")

    mistakes = find_mistakes(recognizer, [Greys(4), Rising(2, name="x/rising"), Greys(4)], protocol="36", count=5)
    assert [mistake.source for mistake in mistakes] == ["rising"] * 2 + ["greys"] * 3
    assert [one.confidence for one in mistakes] == sorted((one.confidence for one in mistakes), reverse=True)
    assert mistakes[0].confidence > mistakes[-1].confidence


def test_only_some_hundred_images_are_read_from_all_over_the_sources(recognizer: Recognizer) -> None:
    sources = [Greys(100_000), Greys(5), Greys(100_000)]
    find_mistakes(recognizer, sources, protocol="36", count=3)
    assert sum(len(source.asked) for source in sources) <= 384
    assert sources[1].asked == [0, 1, 2, 3, 4]
    assert len(sources[0].asked) > 100
    assert sources[0].asked[0] == 0
    assert sources[0].asked[-1] == 99_999
    assert max(np.diff(sources[0].asked)) < 1000


def test_broken_images_are_passed_over(recognizer: Recognizer) -> None:
    assert len(find_mistakes(recognizer, [Greys(5, broken=frozenset({0, 3}))], protocol="36", count=9)) == 3


@pytest.mark.parametrize("protocol", ["36", "all"])
def test_without_data_there_are_no_mistakes(recognizer: Recognizer, protocol: str) -> None:
    assert find_mistakes(recognizer, [], protocol=protocol, count=9) == []


# Where


def test_each_character_has_its_colour_where_it_was_looked_for() -> None:
    picture = attention_overlay(Image.new("RGB", (80, 20), "gray"), looking_at(1, 6))
    first, last = picture.getpixel((15, 10)), picture.getpixel((65, 10))
    assert isinstance(first, tuple)
    assert isinstance(last, tuple)
    assert first[0] > max(first[1], first[2]) + 50, "red first"
    assert last[2] > last[1] + 50, "violet last"
    assert picture.getpixel((40, 10)) == (128, 128, 128), "nothing between"


def test_faint_attention_shows_as_well_as_strong_one() -> None:
    image = Image.new("RGB", (80, 20), "gray")
    attention = looking_at(1, 6)
    assert attention_overlay(image, attention * np.float32(0.01)) == attention_overlay(image, attention)
    assert attention_overlay(image, 0 * attention) == image


def test_places_come_from_the_attention_of_the_slots_that_wrote() -> None:
    places = places_of(attentive({"attention": looking_at(6, 1, 4, 3)}), Image.new("RGB", (128, 32), "gray"))
    assert np.argmax(redness(places)) == pytest.approx(6.5 * 16, abs=8), "the first character is red"
    assert np.abs(redness(places)[48:80]).max() < 10, "where the other slots looked is of no interest"


def test_slots_that_are_not_read_have_no_place() -> None:
    # The first slot of this codec is passed over, so that the reading is "ba" of the second and the fourth.
    codec = replace(Sequence.mgp(LETTERS, 3), silent=(0, 1))
    recognizer = attentive({"attention": looking_at(6, 1, 4, 3)})
    silent = Recognizer(replace(recognizer.bundle, codecs={"text": codec}), recognizer.runtime)
    places = places_of(silent, Image.new("RGB", (128, 32), "gray"))
    assert np.argmax(redness(places)) == pytest.approx(1.5 * 16, abs=8)
    assert np.abs(redness(places)[72:]).max() < 10


def test_padding_is_no_part_of_the_places() -> None:
    # 64 x 32 pixels fill the left half of the canvas, which has columns 0 to 3 of the attention.
    padded = Preprocessing(Padded(8, 32, min_width=1))
    places = places_of(attentive({"attention": looking_at(3, 0, 0, 0)}, padded), Image.new("RGB", (64, 32), "gray"))
    assert np.argmax(redness(places)) == pytest.approx(3.5 * 16, abs=8)


def test_columns_that_a_network_moves_are_shown_where_they_look() -> None:
    # Column 2 of 8 looks where column 6 would lie, and the other way about.
    column_x = ((np.arange(8) + 0.5) / 8)[::-1].astype(np.float32)
    maps = {"attention": looking_at(1, 4, 0, 0), "column_x": column_x}
    places = places_of(attentive(maps), Image.new("RGB", (128, 32), "gray"))
    assert np.argmax(redness(places)) == pytest.approx(6.5 * 16, abs=10)


def test_places_are_in_the_picture_as_it_was_read() -> None:
    upright = attentive({"attention": looking_at(0, 7, 0, 0)}, Preprocessing(Fixed(8, 32), vertical="rotate"))
    places = places_of(upright, Image.new("RGB", (30, 120), "gray"))
    assert places.width > places.height
    assert np.argmax(redness(places)) < places.width / 4


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("wildnet", {"channels": [8, 8, 16, 16], "layers": 1, "heads": 2}),
        ("crnn", {"channels": 16, "hidden": 8}),
        ("rare", {"channels": 16, "hidden": 8}),
        ("parseq-tiny", {"features": 24, "layers": 1, "heads": 3, "decoder_heads": 3}),
        ("svtrv2-tiny", {}),
    ],
)
def test_every_kind_of_model_shows_places(name: str, sizes: dict[str, object]) -> None:
    torch.manual_seed(3)
    # Of 36 characters and few other tokens, an untrained network is likely to write a character.
    model = build(name, Charset.named("36"), sizes)
    bundle = Bundle.of(name, model, MODELS[name].preprocessing)
    mistakes = find_mistakes(Recognizer(bundle, TorchRuntime(model)), [Greys(2, "neither")], protocol="36", count=2)
    assert len(mistakes) == 2
    for mistake in mistakes:
        assert mistake.reading
        assert decode(mistake.places).shape == decode(mistake.image).shape


# The file


def noise(count: int) -> list[Mistake]:
    """Mistakes with pictures that JPEG can do nothing with."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 320, 3), np.uint8)

    class Noise(Greys):
        def __getitem__(self, index: int) -> Sample:
            return Sample(pixels, "wrong")

    return find_mistakes(attentive({"attention": looking_at(1, 2, 3, 4)}), [Noise(count)], protocol="36", count=count)


def test_mistakes_come_back_as_they_were(tmp_path: Path) -> None:
    mistakes = [*noise(2), Mistake(b"x", b"", "Straße \u2028", "", 1 / 3, "ä")]
    assert load_mistakes(tmp_path) == []
    save_mistakes(tmp_path, mistakes)
    assert load_mistakes(tmp_path) == mistakes
    assert [path.name for path in tmp_path.iterdir()] == ["mistakes.json"]


def test_the_file_stays_small_and_keeps_the_first(tmp_path: Path) -> None:
    mistakes = noise(100)
    save_mistakes(tmp_path, mistakes)
    assert 500_000 < (tmp_path / "mistakes.json").stat().st_size < 1_000_000
    kept = load_mistakes(tmp_path)
    assert 10 < len(kept) < 100
    assert kept == mistakes[: len(kept)]


def test_large_pictures_are_stored_small() -> None:
    assert all(decode(one.image).shape == (64, 320, 3) for one in noise(1))
    huge = places_of(attentive({"attention": looking_at(1, 2, 3, 4)}), Image.new("RGB", (2000, 1000), "gray"))
    assert huge.size == (128, 64)


@pytest.mark.parametrize("content", ["[", "[{}]", '[{"image": 3}]', "{}", "7"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "mistakes.json").write_text(content)
    with pytest.raises(TrainingError, match=r"mistakes\.json cannot be read"):
        load_mistakes(tmp_path)


def test_where_mistakes_cannot_be_saved_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot write"):
        save_mistakes(tmp_path / "missing", [])
