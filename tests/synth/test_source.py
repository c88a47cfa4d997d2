"""The synthetic source: the same sample for the same seed and index, with labels and boxes that are true."""

import hashlib
import multiprocessing
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.charset import Charset
from wildtext.errors import DataError, SampleError
from wildtext.synth import SyntheticWords
from wildtext.synth.corpus import SHIPPED as WORDS
from wildtext.synth.corpus import Corpus
from wildtext.synth.fonts import SHIPPED, FontLibrary, Typeface
from wildtext.synth.render import Line, Warp, draw_line, seen
from wildtext.types import Floats, Sample


@pytest.fixture(scope="module")
def source() -> SyntheticWords:
    return SyntheticWords(seed=3)


@pytest.fixture
def font() -> Path:
    return FontLibrary().paths[0]


def fingerprint(sample: Sample) -> str:
    boxes = b"" if sample.boxes is None else sample.boxes.tobytes()
    return hashlib.sha256(sample.image.tobytes() + sample.text.encode() + boxes).hexdigest()


def fingerprints(source: SyntheticWords, indices: list[int]) -> list[str]:
    return [fingerprint(source[index]) for index in indices]


# Determinism


def test_the_same_seed_and_index_give_the_same_sample(source: SyntheticWords) -> None:
    indices = [0, 1, 17, 10**9]
    backwards = fingerprints(SyntheticWords(seed=3), indices[::-1])
    assert fingerprints(source, indices) == backwards[::-1]


def test_another_process_draws_the_same_sample(source: SyntheticWords) -> None:
    # Spawned, as on Windows and macOS, so that nothing is inherited and the source itself has to travel.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(fingerprints, (source, [5, 6])) == fingerprints(source, [5, 6])


def test_a_source_survives_pickling_with_its_settings(tmp_path: Path, font: Path) -> None:
    shutil.copy(font, tmp_path)
    words = tmp_path / "words.txt"
    words.write_text("zebra\n", encoding="utf-8")
    original = SyntheticWords(9, fonts=tmp_path, words=words, charset=Charset.named("36"))
    assert fingerprints(pickle.loads(pickle.dumps(original)), [0, 1, 2]) == fingerprints(original, [0, 1, 2])


def test_other_seeds_and_indices_give_other_samples(source: SyntheticWords) -> None:
    seen_before = fingerprints(source, list(range(5))) + fingerprints(SyntheticWords(seed=4), list(range(5)))
    assert len(set(seen_before)) == 10


# Samples


def test_samples_are_labelled_rgb_pictures_with_a_box_for_each_character(source: SyntheticWords) -> None:
    for index in range(60):
        sample = source[index]
        assert sample.image.dtype == np.uint8
        assert sample.image.ndim == 3
        assert sample.image.shape[2] == 3
        assert sample.source == f"synth#{index}"
        assert sample.boxes is not None
        assert sample.boxes.dtype == np.float32
        assert sample.boxes.shape == (len(sample.text), 4, 2)
        for character, box in zip(sample.text, sample.boxes, strict=True):
            assert np.isnan(box).all() if character == " " else np.isfinite(box).all()


def test_the_source_is_endless_and_has_a_name(source: SyntheticWords) -> None:
    assert source.size is None
    assert source.name == "synth"


# Boxes


@pytest.fixture(scope="module")
def faces() -> list[Typeface]:
    library = FontLibrary()
    return [library[index] for index in range(len(library))]


def within(mask: Floats, boxes: list[Floats]) -> float:
    """The share of a mask's coverage that lies in one of the boxes, or at most 1.5 pixels outside."""
    height, width = mask.shape
    centres = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    inside = np.zeros(mask.shape, bool)
    for box in boxes:
        outside = np.full(mask.shape, -np.inf)
        for corner, after in zip(box, np.roll(box, -1, axis=0), strict=True):
            along = (after - corner) / max(float(np.hypot(*(after - corner))), 1e-6)
            outward: NDArray[np.float64] = (centres - corner) @ np.array([along[1], -along[0]])
            outside = np.maximum(outside, outward)
        inside |= outside <= 1.5
    return float(mask[inside].sum() / mask.sum())


def alone(line: Line, index: int) -> Line:
    """The same line, of which only what lies in one character's box is drawn."""
    left, top = np.floor(line.boxes[index].min(axis=0)).astype(int) - 1
    right, bottom = np.ceil(line.boxes[index].max(axis=0)).astype(int) + 1
    area = (int(left), int(top), int(right), int(bottom))
    mask = pillow.new("L", line.mask.size)
    mask.paste(line.mask.crop(area), area)
    return replace(line, mask=mask)


def test_boxes_hold_the_ink_of_a_straight_line(faces: list[Typeface]) -> None:
    for number, face in enumerate(faces):
        line = draw_line("Ag|j.W_f", face, np.random.default_rng(number), neighbours=False)
        assert within(np.asarray(line.mask, np.float32), list(line.boxes)) > 0.995


def share_in_boxes(text: str, faces: list[Typeface], number: int) -> float:
    random = np.random.default_rng((number, len(text)))
    line = draw_line(text, faces[number % len(faces)], random, neighbours=False)
    mask, boxes = seen(line, random)
    return within(mask, [box for box in boxes if np.isfinite(box).all()])


@pytest.mark.parametrize("text", ["Hello", "j", "A-b.c", "two words", "WIDE_word,1234567890"])
def test_boxes_hold_the_ink_of_a_line_seen_at_an_angle(
    text: str, faces: list[Typeface], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Warp, "bent", property(lambda self: False))
    monkeypatch.setattr(Warp, "_offset", lambda self, x: 0 * x)
    assert min(share_in_boxes(text, faces, number) for number in range(30)) >= 0.97


@pytest.mark.parametrize("text", ["Hello", "two words", "WIDE_word,1234567890"])
def test_boxes_hold_nearly_all_ink_of_bent_lines(text: str, faces: list[Typeface]) -> None:
    # Cells of the mesh that bends a line are flat, so very few lines that are strongly bent and tilted stray a little.
    shares = [share_in_boxes(text, faces, number) for number in range(60)]
    assert np.mean(shares) >= 0.99
    assert np.mean(np.array(shares) < 0.97) <= 0.02


def test_each_box_holds_its_own_character(faces: list[Typeface]) -> None:
    text = "Wi j2"
    for number in range(24):
        line = draw_line(text, faces[number % len(faces)], np.random.default_rng(number), neighbours=False)
        for index, character in enumerate(text):
            if character != " ":
                mask, boxes = seen(alone(line, index), np.random.default_rng((1, number)))
                assert within(mask, [boxes[index]]) >= 0.97


def test_corners_run_clockwise_from_the_top_left(faces: list[Typeface]) -> None:
    for number in range(200):
        random = np.random.default_rng(number)
        text = "Il|1.'!-W"[number % 9]
        _, (box,) = seen(draw_line(text, faces[number % len(faces)], random, neighbours=False), random)
        x, y = box[:, 0], box[:, 1]
        assert float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) > 0
        assert x[0] + y[0] < x[2] + y[2]


def test_neighbours_add_ink_but_no_boxes(faces: list[Typeface]) -> None:
    plain, crowded = (
        draw_line("word", faces[0], np.random.default_rng(5), neighbours=neighbours) for neighbours in (False, True)
    )
    assert np.array_equal(plain.boxes, crowded.boxes)
    assert np.asarray(crowded.mask).sum() > np.asarray(plain.mask).sum()


# Labels


def test_labels_are_1_to_25_characters_of_the_94_and_space_without_blanks_at_the_ends() -> None:
    corpus, random = Corpus(), np.random.default_rng(0)
    charset = Charset.named("94+space")
    texts = [corpus.sample(random) for _ in range(5000)]
    assert not {character for text in texts for character in charset.unknown(text)}
    assert all(1 <= len(text) <= 25 for text in texts)
    assert all(text == text.strip() for text in texts)


def test_labels_hold_every_character_of_the_94_and_space() -> None:
    corpus, random = Corpus(), np.random.default_rng(0)
    characters = {character for _ in range(20_000) for character in corpus.sample(random)}
    assert characters == set(Charset.named("94+space").characters)


def test_shipped_words_are_ascii() -> None:
    for path in sorted(WORDS.glob("*.txt")):
        assert path.read_text(encoding="utf-8").isascii()


def test_every_shipped_font_has_the_94_characters(faces: list[Typeface]) -> None:
    text = "".join(Charset.named("94+space").characters)
    assert [face.path.name for face in faces if not face.covers(text)] == []


@pytest.mark.parametrize("content", ["zebra\n\n  okapi \n", "zebra\r\nokapi\r\n", "\ufeffzebra\nokapi\n"])
def test_a_word_list_of_ones_own_is_drawn_from(tmp_path: Path, content: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content.encode())
    corpus, random = Corpus(path), np.random.default_rng(0)
    drawn = [corpus.sample(random).lower() for _ in range(400)]
    assert drawn.count("zebra") + drawn.count("okapi") > 200
    assert not any("\ufeff" in text for text in drawn)


def test_words_longer_than_a_label_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("a" * 24 + " b\n", encoding="utf-8")
    corpus, random = Corpus(path), np.random.default_rng(0)
    texts = [corpus.sample(random) for _ in range(200)]
    assert all(1 <= len(text) <= 25 and text == text.strip() for text in texts)


@pytest.mark.parametrize("text", ["Open 24h", "x", "a  b", " padded "])
def test_a_given_text_is_drawn(text: str, source: SyntheticWords) -> None:
    sample = source.render(text, 3)
    assert sample.text == text
    assert sample.boxes is not None
    assert sample.boxes.shape == (len(text), 4, 2)
    assert fingerprint(source.render(text, 3)) == fingerprint(sample) != fingerprint(source.render(text, 4))


@pytest.mark.parametrize("text", ["", " ", "   "])
def test_a_text_without_ink_is_refused(text: str, source: SyntheticWords) -> None:
    with pytest.raises(SampleError, match="nothing to draw"):
        source.render(text)


# What is missing or broken


def test_a_folder_without_fonts_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="no fonts") as caught:
            SyntheticWords(fonts=folder)
        assert str(folder) in str(caught.value)


def test_a_folder_without_photographs_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="no photographs") as caught:
            SyntheticWords(backgrounds=folder)
        assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"", "is empty"), (b" \n\t\n", "is empty"), (b"caf\xe9\n", "utf-8")],
)
def test_a_word_list_without_words_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        SyntheticWords(words=path)
    assert str(path) in str(caught.value)


def outcomes(source: SyntheticWords, count: int) -> tuple[int, list[str]]:
    """How many of the first samples could be drawn, and what the others said."""
    messages = []
    for index in range(count):
        try:
            source[index]
        except SampleError as error:
            messages.append(str(error))
    return count - len(messages), messages


def test_a_broken_font_spoils_only_its_own_samples(tmp_path: Path, font: Path) -> None:
    shutil.copy(font, tmp_path)
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    drawn, messages = outcomes(SyntheticWords(fonts=tmp_path), 20)
    assert drawn > 0
    assert messages
    assert all(message.startswith("synth#") and "broken.ttf: not a usable font" in message for message in messages)


@pytest.mark.parametrize("content", [b"not a photograph", b"\xff\xd8\xff\xe0"])
def test_a_broken_photograph_spoils_only_its_own_samples(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.jpg").write_bytes(content)
    drawn, messages = outcomes(SyntheticWords(backgrounds=tmp_path), 20)
    assert drawn > 0
    assert messages
    assert all("broken.jpg: not a usable photograph" in message for message in messages)


def test_photographs_are_used_as_backgrounds(tmp_path: Path) -> None:
    pillow.new("RGB", (50, 40), (250, 0, 250)).save(tmp_path / "pink.PNG")
    plain, pink = SyntheticWords(1), SyntheticWords(1, backgrounds=tmp_path)
    assert fingerprints(plain, list(range(8))) != fingerprints(pink, list(range(8)))


def test_fonts_that_can_draw_nothing_are_named(monkeypatch: pytest.MonkeyPatch, source: SyntheticWords) -> None:
    monkeypatch.setattr(Typeface, "covers", lambda self, text: False)
    with pytest.raises(SampleError, match=rf"^synth#0: none of 20 fonts from {SHIPPED} has all of"):
        source[0]
