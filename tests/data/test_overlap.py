"""Validation images are found again among training images, changed a little or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from wildtext.data import LabelledSource, open_source
from wildtext.data.overlap import look, overlap

WriteLmdb = Callable[[Path, Mapping[str, bytes]], Path]
Make = Callable[..., LabelledSource]

WORDS = ["north", "Exit", "of", "coffee", "42", "Market", "of", "of"]


def crop(text: str, number: int) -> Image.Image:
    """A bright word in its own place and colours on a dark ground that gets brighter towards a corner."""
    random = np.random.default_rng(number)
    ground, ink = random.integers(0, 100, 3), random.integers(160, 256, 3)
    down, right = np.indices((40, 100)) / 100 * random.integers(-60, 60, (2, 1, 1))
    picture = Image.fromarray(np.clip(ground + (down + right)[..., None], 0, 255).astype(np.uint8))
    place, size = random.integers(1, 12, 2).tolist(), int(random.integers(20, 28))
    ImageDraw.Draw(picture).text(place, text, fill=tuple(ink.tolist()), font=ImageFont.load_default(size))
    return picture


def stored(picture: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def altered(picture: Image.Image) -> bytes:
    """The same picture as other projects hand it on: a little smaller and compressed."""
    width, height = picture.size
    return stored(picture.resize((width * 9 // 10, height * 8 // 10)), "JPEG", quality=60)


@pytest.fixture
def make(tmp_path: Path, write_lmdb: WriteLmdb) -> Make:
    """Make an LMDB of images and their labels, and open it."""

    def write(name: str, images: Sequence[bytes], labels: Sequence[str] = WORDS) -> LabelledSource:
        items = {"num-samples": str(len(images)).encode()}
        for number, (image, label) in enumerate(zip(images, labels, strict=True), start=1):
            items |= {f"image-{number:09d}": image, f"label-{number:09d}": label.encode()}
        return open_source(write_lmdb(tmp_path / name, items))

    return write


PICTURES = [crop(text, number) for number, text in enumerate(WORDS)]
FILES = [stored(picture) for picture in PICTURES]
OTHERS = [stored(crop(text, number)) for number, text in enumerate(WORDS, start=100)]


def test_the_same_files_are_found_wherever_they_lie(make: Make) -> None:
    training = [make("one", OTHERS), make("two", FILES[::-1], WORDS[::-1])]
    found = overlap(training, [make("held", FILES)])
    assert (found.checked, found.same, found.similar) == (8, 8, 0)
    twin = found.examples[0]
    assert (twin.text, twin.same) == ("north", True)
    assert twin.validation.endswith("held#image-000000001")
    assert twin.training.endswith("two#image-000000008")


def test_images_that_were_scaled_and_compressed_are_found(make: Make) -> None:
    training = [make("train", [altered(picture) for picture in PICTURES] + OTHERS, WORDS + WORDS)]
    found = overlap(training, [make("held", FILES)])
    assert (found.checked, found.same, found.similar) == (8, 0, 8)
    assert len(found.examples) == 5
    assert all(twin.validation[-9:] == twin.training[-9:] for twin in found.examples)


def test_other_images_of_the_same_words_are_no_twins(make: Make) -> None:
    found = overlap([make("train", OTHERS)], [make("held", FILES)])
    assert (found.checked, found.same, found.similar, found.examples) == (8, 0, 0, ())


def test_words_in_other_colours_are_no_twins(make: Make) -> None:
    inverted = [stored(Image.fromarray(np.asarray(picture)[..., ::-1])) for picture in PICTURES[:1]]
    assert overlap([make("train", inverted, ["north"])], [make("held", FILES)]).similar == 0


def test_images_that_look_the_same_need_the_same_label(make: Make) -> None:
    blank = stored(Image.new("RGB", (60, 20), "white"))
    held = make("held", [blank, blank], ["one", "two"])
    assert overlap([make("train", [blank], ["three"])], [held]).same == 0
    assert overlap([make("other", [blank], ["two"])], [held]).same == 1


def test_labels_may_differ_in_case_and_punctuation(make: Make) -> None:
    found = overlap([make("train", FILES[:2], ["NORTH", "exit"])], [make("held", FILES[:2], ["North,", "ex it"])])
    assert (found.same, found.examples[0].text) == (2, "North,")


def test_what_cannot_be_read_is_passed_over(make: Make, tmp_path: Path, write_lmdb: WriteLmdb) -> None:
    holes = {"num-samples": b"3", "label-000000001": b"\xff", "label-000000002": b"north", "label-000000003": b"exit"}
    broken = open_source(write_lmdb(tmp_path / "broken", {**holes, "image-000000003": b"no image"}))
    held = make("held", FILES)
    assert overlap([broken], [held]).same == 0
    found = overlap([held], [broken])
    assert (found.checked, found.same, found.similar) == (2, 0, 0)


def test_a_limit_bounds_what_is_looked_at(make: Make) -> None:
    held, training = make("held", FILES), make("train", FILES)
    some = overlap([training], [held], limit=3)
    assert (some.checked, some.same) == (3, 3)
    assert [twin.validation[-1] for twin in some.examples] == ["1", "5", "8"]
    assert some == overlap([training], [held], limit=3)
    assert overlap([make("small", [altered(picture) for picture in PICTURES])], [held], limit=1).checked == 1


def test_nothing_overlaps_with_nothing(make: Make) -> None:
    empty = make("empty", [], [])
    assert overlap([], [empty]) == overlap([make("train", FILES)], []) == overlap([empty], [])


def test_the_hash_tells_pictures_apart_and_stays_with_each() -> None:
    hashes = [look(np.asarray(picture))[0] for picture in PICTURES]
    again = [look(np.asarray(Image.open(io.BytesIO(altered(picture)))))[0] for picture in PICTURES]
    apart = [[(one ^ other).bit_count() for other in again] for one in hashes]
    assert all(row[number] <= 4 for number, row in enumerate(apart))
    assert all(bits > 4 for number, row in enumerate(apart) for place, bits in enumerate(row) if place != number)
    assert max(hashes) < 2**64
