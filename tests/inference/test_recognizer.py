"""The path from images to predictions, with a stand-in for the network."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import BrightnessRuntime, grey_image
from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.errors import ConfigError, ImageError
from wildtext.images import Buckets
from wildtext.inference import console
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.runtimes import Raw
from wildtext.types import Floats, Prediction
from wildtext.weights.bundle import Bundle


def test_every_kind_of_image_gives_a_list_with_one_prediction(recognizer: Recognizer, tmp_path: Path) -> None:
    picture = grey_image(7)
    path = tmp_path / "seven.png"
    picture.save(path)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    for image in (str(path), path, buffer.getvalue(), picture, np.asarray(picture)):
        assert [prediction.text for prediction in recognizer.read(image)] == ["7"]


def test_many_images_come_back_in_order(recognizer: Recognizer) -> None:
    levels = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    predictions = recognizer.read([grey_image(level) for level in levels], batch_size=4)
    assert [prediction.text for prediction in predictions] == [str(level) for level in levels]


def test_the_batch_size_bounds_what_goes_through_the_network_together(recognizer: Recognizer) -> None:
    list(recognizer.stream((grey_image(index % 10) for index in range(10)), batch_size=4))
    assert isinstance(recognizer.runtime, BrightnessRuntime)
    assert recognizer.runtime.calls == [4, 4, 2]


def test_images_are_drawn_only_as_they_are_needed(recognizer: Recognizer) -> None:
    drawn = []

    def endless() -> Iterator[Image.Image]:
        while True:
            drawn.append(1)
            yield grey_image(5)

    next(recognizer.stream(endless(), batch_size=8))
    assert len(drawn) == 8


def test_a_broken_image_stops_read_and_is_named(recognizer: Recognizer) -> None:
    with pytest.raises(ImageError, match="image 1: the file is empty"):
        recognizer.read([grey_image(1), b""])


def test_a_broken_image_is_one_record_of_a_stream(recognizer: Recognizer) -> None:
    results = list(recognizer.stream([grey_image(1), b"no image", grey_image(2)]))
    assert [type(result) for result in results] == [Prediction, ImageError, Prediction]


def test_nothing_to_read_is_no_error(recognizer: Recognizer) -> None:
    assert recognizer.read([]) == []


@pytest.mark.parametrize("wrong", [{"top": 0}, {"batch_size": 0}])
def test_wrong_numbers_are_refused(recognizer: Recognizer, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        recognizer.read(grey_image(1), **wrong)


MIXED = [(40, 20), (20, 20), (100, 20), (20, 60), (44, 20), (20, 100), (96, 20), (18, 20)]
"""Width and height of images of several aspects, some of them tall."""


@pytest.fixture
def sorting(digits_bundle: Bundle) -> Recognizer:
    """A recogniser whose canvases have several sizes."""
    canvas = Buckets(((16, 16), (12, 24), (8, 24), (8, 32)))
    return Recognizer(
        replace(digits_bundle, preprocessing=replace(digits_bundle.preprocessing, canvas=canvas)), BrightnessRuntime()
    )


def test_images_of_several_sizes_come_back_in_order(sorting: Recognizer) -> None:
    images = [grey_image(level, size) for level, size in enumerate(MIXED)]
    predictions = sorting.read(images)
    assert [prediction.text for prediction in predictions] == [str(level) for level in range(len(MIXED))]
    assert predictions == [sorting.read(image)[0] for image in images]
    for batch_size in (1, 3):
        assert sorting.read(images, batch_size=batch_size) == predictions
    assert sorting.read(images[::-1]) == predictions[::-1]


def test_only_canvases_of_one_size_go_through_the_network_together(sorting: Recognizer) -> None:
    sizes = [(40, 20), (20, 20), (38, 20), (20, 20), (42, 20), (60, 20)]
    sorting.read([grey_image(5, size) for size in sizes], batch_size=2)
    assert isinstance(sorting.runtime, BrightnessRuntime)
    assert sorting.runtime.calls == [1, 1, 1, 1, 1, 1]
    sorting.runtime.calls.clear()
    sorting.read([grey_image(5, size) for size in sizes], batch_size=6)
    assert sorting.runtime.calls == [3, 2, 1]


def test_among_equal_views_the_upright_one_wins_whatever_was_read_before(sorting: Recognizer) -> None:
    tall, wide = grey_image(5, (20, 60)), grey_image(5, (60, 20))
    alone = sorting.read(tall)[0]
    assert alone.rotation == 0
    assert sorting.read([wide, tall])[1] == sorting.read([tall, wide])[0] == alone


def tall_image(*, dark_end: str) -> NDArray[np.uint8]:
    """A crop three times as high as wide, dark at its top or bottom."""
    image = np.full((48, 16, 3), 255, np.uint8)
    image[: 24 if dark_end == "top" else None, :] = 0 if dark_end == "top" else 255
    if dark_end == "bottom":
        image[24:, :] = 0
    return image


@pytest.mark.parametrize(("dark_end", "rotation"), [("top", 90), ("bottom", 270)])
def test_tall_crops_are_turned_the_way_that_reads_best(recognizer: Recognizer, dark_end: str, rotation: int) -> None:
    (prediction,) = recognizer.read(tall_image(dark_end=dark_end))
    assert prediction.rotation == rotation


def test_tall_crops_stay_upright_where_the_bundle_says_so(recognizer: Recognizer) -> None:
    upright = replace(recognizer.bundle, preprocessing=replace(recognizer.bundle.preprocessing, vertical="none"))
    (prediction,) = Recognizer(upright, recognizer.runtime).read(tall_image(dark_end="top"))
    assert prediction.rotation == 0


def test_some_text_wins_over_a_more_confident_nothing(recognizer: Recognizer) -> None:
    class Blind(BrightnessRuntime):
        def run(self, images: Floats, valid_width: Floats) -> Raw:
            raw = super().run(images, valid_width)
            raw.logits["text"][0] = 0
            raw.logits["text"][0, :, 0] = 30  # the upright view: surely blank
            return raw

    (prediction,) = Recognizer(recognizer.bundle, Blind()).read(tall_image(dark_end="top"))
    assert prediction.text


def test_temperature_lowers_confidence_and_keeps_the_text(recognizer: Recognizer) -> None:
    (plain,) = recognizer.read(grey_image(4))
    (cooler,) = Recognizer(replace(recognizer.bundle, temperature=2.0), recognizer.runtime).read(grey_image(4))
    assert cooler.text == plain.text
    assert cooler.confidence < plain.confidence


def test_threads_may_share_a_recogniser(recognizer: Recognizer) -> None:
    levels = [index % 10 for index in range(40)]
    with ThreadPoolExecutor(4) as pool:
        texts = pool.map(lambda level: recognizer.read(grey_image(level))[0].text, levels)
    assert list(texts) == [str(level) for level in levels]


class TwoOpinions:
    """A stand-in for a network with two competing heads: slots of the letters a and b, an end at 0."""

    name = "fake"

    def __init__(self, **texts: tuple[str, float]) -> None:
        self.texts = texts

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        """Each head writes its text; the first character has the given probability."""
        logits = {}
        for head, (text, chance) in self.texts.items():
            rows = np.full((4, 3), -30, np.float32)
            rows[range(4), [" ab".index(letter) for letter in text.ljust(4)]] = 0
            rows[0] = [-30, np.log(chance), np.log(1 - chance)]
            logits[head] = np.tile(rows, (len(images), 1, 1))
        return Raw(logits)


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        (("ab", 0.6), ("aab", 0.9), "aab"),
        (("ab", 0.9), ("aab", 0.9), "ab"),
        (("abab", 0.9), ("aab", 0.6), "aab"),
    ],
    ids=["the more confident", "the first among equals", "one that came to its end"],
)
def test_the_most_confident_head_is_read(
    first: tuple[str, float], second: tuple[str, float], winner: str, digits_bundle: Bundle
) -> None:
    codec = Sequence(Charset("letters", ("a", "b")), 3, classes=3, first=1, begin=None, end=0, pad=0)
    bundle = replace(digits_bundle, codecs={"one": codec, "two": codec}, primary="one", fused=("one", "two"))
    recognizer = Recognizer(bundle, TwoOpinions(one=first, two=second))
    (prediction,) = recognizer.read(grey_image(5))
    assert prediction.text == winner
    assert prediction.scores == {"one": pytest.approx(first[1]), "two": pytest.approx(second[1])}


def test_only_words_that_no_head_can_write_are_told_as_never_read(
    digits_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short, long = (
        Sequence(Charset("letters", ("a", "b")), length, classes=3, first=1, begin=None, end=0, pad=0)
        for length in (2, 3)
    )
    bundle = replace(digits_bundle, codecs={"short": short, "long": long}, primary="short", fused=("short", "long"))
    recognizer = Recognizer(bundle, TwoOpinions(short=("ab", 0.9), long=("aab", 0.6)))
    monkeypatch.setattr(console, "load", lambda *_, **__: recognizer)
    (tmp_path / "words.txt").write_text("ab\naabb\nbc\nababab\n")
    grey_image(5).save(tmp_path / "image.png")
    console.read_paths(
        [str(tmp_path / "image.png")],
        model="fake",
        form="csv",
        top=1,
        batch_size=1,
        threads=0,
        device="cpu",
        lexicon=tmp_path / "words.txt",
    )
    told = capsys.readouterr().err
    assert "2 of 4 words are never read" in told
    assert told.endswith("or too many: bc, ababab\n")


def test_an_imported_model_tells_its_own_score(digits_bundle: Bundle) -> None:
    recognizer = Recognizer(replace(digits_bundle, scores={"clovaai": "steps"}), BrightnessRuntime())
    (prediction,) = recognizer.read(grey_image(7))
    assert 0 < prediction.scores["clovaai"] < prediction.confidence, "the best path alone is less than all of them"
