"""From drawn samples to a batch: nothing is replaced, nothing vanishes unnamed."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildtext.charset import Charset
from wildtext.codecs import CTC, Codec
from wildtext.data import open_source
from wildtext.data.collate import collate, usable
from wildtext.data.files import Entry, FileSource
from wildtext.data.source import fetch, kind_of
from wildtext.errors import DataError, SampleError
from wildtext.images import Buckets, Fixed, Padded, Preprocessing
from wildtext.types import Batch, Floats, Sample

Folder = Callable[..., FileSource]

LOWER = CTC(Charset.named("36"), steps=8)
ANY = CTC(Charset("any", tuple("AEaeéfiß\u0301"), normalization="NFC"))
FIXED = Preprocessing(Fixed(32, 100))


class Samples:
    """Samples in memory; None stands for a broken one."""

    name = "samples"

    def __init__(self, *samples: Sample | None):
        self.kept = samples
        self.size = len(samples)

    def __getitem__(self, index: int) -> Sample:
        sample = self.kept[index]
        if sample is None:
            raise SampleError(f"samples#{index}: not an image")
        return sample


def sample(text: str, boxes: Floats | None = None, size: tuple[int, int] = (10, 20)) -> Sample:
    return Sample(np.full((*size, 3), 128, np.uint8), text, boxes, f"{text}.png")


def numbered_boxes(text: str) -> Floats:
    """Boxes whose coordinates are all the number of their character."""
    return np.broadcast_to(np.arange(len(text), dtype=np.float32)[:, None, None], (len(text), 4, 2)).copy()


def only(samples: Sequence[Sample | SampleError], preprocessing: Preprocessing, codecs: Sequence[Codec]) -> Batch:
    """The batch of samples that have canvases of one size and can all be used."""
    collated = collate(samples, preprocessing, codecs)
    (batch,) = collated.batches
    assert collated.skipped == ()
    return batch


def relabelled(text: str, codec: Codec) -> tuple[str, list[float] | None]:
    """Label and, for each of its boxes, the number of the character that it came from, after `collate`."""
    preprocessing = Preprocessing(Fixed(10, 20))
    batch = only(fetch([(Samples(sample(text, numbered_boxes(text))), 0)]), preprocessing, [codec])
    boxes = batch.boxes[0]
    return batch.texts[0], None if boxes is None else [float(box[0, 0]) for box in boxes]


def test_a_batch_has_one_canvas_and_normalised_labels() -> None:
    source = Samples(sample("Hello"), sample("Café", size=(30, 40)))
    batch = only(fetch([(source, 1), (source, 0), (source, 1)]), FIXED, [LOWER])
    assert batch.images.shape == (3, 32, 100, 3)
    assert batch.images.dtype == np.uint8
    assert batch.texts == ("cafe", "hello", "cafe")
    assert batch.sources == ("Café.png", "Hello.png", "Café.png")
    assert batch.valid_width.tolist() == [1, 1, 1]


def test_unusable_samples_are_left_out_and_named() -> None:
    source = Samples(sample("fine"), None, sample("a b"), sample("aabbccdd"), sample(""), sample("abcdefgh"))
    collated = collate(fetch([(source, index) for index in range(6)]), FIXED, [LOWER])
    (batch,) = collated.batches
    assert batch.texts == ("fine", "abcdefgh")
    assert len(batch) == len(batch.images) == len(batch.boxes) == 2
    assert collated.skipped == (
        "samples#1: not an image",
        "a b.png: 'a b': characters outside charset 36: ' '",
        "aabbccdd.png: 'aabbccdd': needs 12 CTC columns, the model has 8",
        ".png: '': empty label",
    )


def test_a_batch_of_nothing_is_an_error() -> None:
    with pytest.raises(DataError, match="none of 2 samples could be used; the first: samples#0: not an image"):
        collate(fetch([(Samples(None, None), 0), (Samples(None, None), 1)]), FIXED, [LOWER])
    with pytest.raises(ValueError, match="at least one sample"):
        collate([], FIXED, [LOWER])


def test_boxes_follow_the_image_onto_the_canvas() -> None:
    boxes = np.array([[[0, 0], [10, 0], [10, 10], [0, 10]], np.full((4, 2), np.nan)], np.float32)
    source = Samples(sample("ab", boxes), sample("cd"))
    batch = only(fetch([(source, 0), (source, 1)]), FIXED, [LOWER])
    assert batch.boxes[0] is not None
    assert batch.boxes[0][0].tolist() == [[0, 0], [50, 0], [50, 32], [0, 32]]
    assert np.isnan(batch.boxes[0][1]).all()
    assert batch.boxes[1] is None
    assert boxes[0, 2].tolist() == [10, 10]


def test_boxes_follow_the_image_onto_a_padded_canvas() -> None:
    boxes = np.array([[[0, 0], [20, 0], [20, 10], [0, 10]]], np.float32)
    batch = only(fetch([(Samples(sample("a", boxes)), 0)]), Preprocessing(Padded(32, 128, 16)), [LOWER])
    assert batch.valid_width.tolist() == [0.5]
    assert batch.boxes[0] is not None
    assert batch.boxes[0][0, 2].tolist() == [64, 32]


BUCKETS = Preprocessing(Buckets(((64, 64), (48, 96), (32, 128))))


def test_samples_get_a_batch_for_each_size_of_canvas() -> None:
    sizes = {"a": (20, 60), "b": (20, 20), "c": (20, 70), "d": (20, 40), "e": (90, 10)}
    samples = [sample(text, size=size) for text, size in sizes.items()]
    collated = collate(samples, replace(BUCKETS, vertical="none"), [LOWER])
    assert [batch.images.shape for batch in collated.batches] == [(2, 32, 128, 3), (1, 48, 96, 3), (2, 64, 64, 3)]
    assert [batch.texts for batch in collated.batches] == [("a", "c"), ("d",), ("b", "e")]
    assert [batch.sources[-1] for batch in collated.batches] == ["c.png", "d.png", "e.png"]


def test_boxes_follow_each_image_onto_its_canvas() -> None:
    box = np.array([[[0, 0], [10, 0], [10, 20], [0, 20]]], np.float32)
    collated = collate([sample("a", box, (20, 20)), sample("b", box, (20, 40))], BUCKETS, [LOWER])
    corners = [batch.boxes[0][0, 2].tolist() for batch in collated.batches if batch.boxes[0] is not None]
    assert corners == [[24, 48], [32, 64]]


def test_labels_that_do_not_fit_the_canvas_of_their_image_are_named() -> None:
    codec = CTC(Charset.named("36"), stride=16)
    samples: list[Sample | SampleError] = [sample("abcde", size=(20, 20)), sample("abcde", size=(20, 40))]
    samples.append(SampleError("x: broken"))
    collated = collate(samples, BUCKETS, [codec])
    assert [batch.images.shape for batch in collated.batches] == [(1, 48, 96, 3)]
    assert collated.skipped == (
        "abcde.png: 'abcde': needs 5 CTC columns, a canvas 64 pixels wide has 4",
        "x: broken",
    )
    with pytest.raises(DataError, match=r"none of 1 samples could be used; the first: abcde\.png: .*64 pixels wide"):
        collate(samples[:1], BUCKETS, [codec])


def test_labels_that_fit_no_canvas_are_not_drawn_at_all(folder: Folder) -> None:
    source = folder(["abcd", "abcdefgh", "abcdefghi"])
    result = usable(source, [CTC(Charset.named("36"), stride=16)], canvas_width=128)
    assert result.indices.tolist() == [0, 1]
    assert result.dropped == {"needs 9 CTC columns, a canvas 128 pixels wide has 8": 1}


@pytest.mark.parametrize(
    ("text", "codec", "expected"),
    [
        ("AbC", LOWER, ("abc", [0, 1, 2])),
        ("éa", LOWER, ("ea", [0, 1])),
        ("e\u0301a", LOWER, ("ea", [0, 2])),
        ("ﬁe\u0301a", LOWER, ("fiea", [np.nan, np.nan, 1, 3])),
        ("e\u0301a", ANY, ("éa", None)),
        ("éa", ANY, ("éa", [0, 1])),
    ],
)
def test_boxes_stay_with_their_characters(text: str, codec: Codec, expected: tuple[str, list[float] | None]) -> None:
    found = relabelled(text, codec)
    assert found[0] == expected[0]
    np.testing.assert_equal(found[1], expected[1])


def test_samples_of_several_sources_keep_their_places_and_errors() -> None:
    one, other = Samples(sample("a"), None), Samples(sample("b"), sample("c"))
    got = fetch([(other, 1), (one, 1), (one, 0), (other, 0), (other, 1)])
    assert [each.text if isinstance(each, Sample) else str(each) for each in got] == [
        "c",
        "samples#1: not an image",
        "a",
        "b",
        "c",
    ]
    assert fetch([]) == []


class Together(Samples):
    """Samples that are made at once."""

    def __init__(self, *samples: Sample | None):
        super().__init__(*samples)
        self.asked: list[list[int]] = []

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        self.asked.append(list(indices))
        return [self.kept[index] or SampleError(f"together#{index}: not an image") for index in indices]

    def __getitem__(self, index: int) -> Sample:
        raise AssertionError("asked for a single sample")


def test_a_source_that_makes_many_at_once_is_asked_once() -> None:
    together, single = Together(sample("a"), sample("b"), None), Samples(sample("c"))
    got = fetch([(together, 1), (single, 0), (together, 2), (together, 1), (together, 0)])
    assert together.asked == [[1, 2, 1, 0]]
    assert [each.text for each in got if isinstance(each, Sample)] == ["b", "c", "b", "a"]
    assert str(got[2]) == "together#2: not an image"


def running(down: int, size: tuple[int, int] = (40, 10), text: str = "ab") -> Sample:
    """A picture of black above white with a word that runs down (1), up (-1) or across (0), and boxes that say so."""
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 2 :] = 255
    word = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    # The word begins at the corner where its first letter has its top left.
    word = np.roll(word, {0: 0, 1: -1, -1: 1}[down], axis=0)
    along, across = word[1] - word[0], word[3] - word[0]
    corners = word[0] + np.array([0 * along, along / 2, along / 2 + across, across])
    boxes = np.stack([corners + along / 2 * place for place in range(len(text))]).astype(np.float32)
    return Sample(image, text, boxes, "tall", word=word)


@pytest.mark.parametrize(("down", "dark"), [(1, "left"), (-1, "right")])
def test_words_that_run_down_or_up_are_turned_as_reading_would_turn_them(down: int, dark: str) -> None:
    batch = only([running(down)], Preprocessing(Fixed(16, 32)), [LOWER])
    left, right = batch.images[0, :, :12].mean(), batch.images[0, :, 20:].mean()
    assert (left < right) == (dark == "left")
    assert abs(left - right) > 200
    assert batch.boxes[0] is not None
    np.testing.assert_allclose(batch.boxes[0][0], [[0, 0], [16, 0], [16, 16], [0, 16]], atol=1e-4)
    np.testing.assert_allclose(batch.boxes[0][1], [[16, 0], [32, 0], [32, 16], [16, 16]], atol=1e-4)


@pytest.mark.parametrize(
    ("given", "preprocessing"),
    [
        pytest.param(running(0), Preprocessing(Fixed(16, 32)), id="reads across"),
        pytest.param(running(1, (20, 15)), Preprocessing(Fixed(16, 32)), id="not tall enough to be turned"),
        pytest.param(running(1), Preprocessing(Fixed(16, 32), vertical="none"), id="nothing is turned"),
        pytest.param(running(-1), Preprocessing(Fixed(16, 32), vertical="rotate"), id="turned the other way only"),
        pytest.param(replace(running(1), word=None), Preprocessing(Fixed(16, 32)), id="nothing is known"),
        pytest.param(running(1, text="i"), Preprocessing(Fixed(16, 32)), id="a single character"),
    ],
)
def test_other_pictures_are_left_as_they_are(given: Sample, preprocessing: Preprocessing) -> None:
    (image,) = only([given], preprocessing, [LOWER]).images
    assert image[:6].max() < 60
    assert image[-6:].min() > 195


def test_with_rotate_words_that_run_down_are_turned() -> None:
    (image,) = only([running(1)], Preprocessing(Fixed(16, 32), vertical="rotate"), [LOWER]).images
    assert image[:, :12].max() < 60
    assert image[:, 20:].min() > 195


def test_usable_samples_and_why_others_are_not(folder: Folder) -> None:
    source = folder(["fine", "tschüß", "", "a b", "Also Fine", "AlsoFine", "c-d", "toolongforit"])
    result = usable(source, [LOWER])
    assert result.indices.tolist() == [0, 5]
    assert result.indices.dtype == np.int64
    assert result.total == 8
    assert result.dropped == {
        "characters outside charset 36": 4,
        "empty label": 1,
        "needs 13 CTC columns, the model has 8": 1,
    }
    assert result.examples["characters outside charset 36"][0] == f"{source.where(1)}: 'tschüß'"
    assert len(result.examples["characters outside charset 36"]) == 4


def slow_problem(text: str, codec: CTC) -> str | None:
    """What is wrong with a label, with nothing taken as known about it."""
    charset = codec.charset
    if charset.normalization == "ascii":
        text = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    elif charset.normalization != "none":
        text = unicodedata.normalize(charset.normalization, text)
    text = text.lower() if charset.fold_case else text
    outside = "".join(dict.fromkeys(one for one in text if one not in charset.characters))
    columns = len(text) + sum(left == right for left, right in pairwise(text))
    if not text:
        return "empty label"
    if outside:
        return f"characters outside charset {charset.name}: {outside!r}"
    if codec.steps and columns > codec.steps:
        return f"needs {columns} CTC columns, the model has {codec.steps}"
    return None


LABELS = st.lists(st.text(st.sampled_from("abzAZ09 -'éßﬁİ\u0301\u212b中，"), max_size=7), max_size=12)  # noqa: RUF001
CHARSETS = [
    Charset.named("36"),
    Charset.named("94+space"),
    Charset("compatible", tuple("abzfi09é"), normalization="NFKC"),
    Charset("as it is", tuple("abzAZé\u0301中"), normalization="none"),
    ANY.charset,
]


@given(LABELS, st.sampled_from(CHARSETS))
def test_labels_are_checked_as_if_one_by_one(labels: list[str], charset: Charset) -> None:
    source = FileSource(Path("list"), [Entry(f"{number}.png", label) for number, label in enumerate(labels)])
    codec = CTC(charset, steps=5)
    problems = [slow_problem(label, codec) for label in labels]
    result = usable(source, [codec, CTC(charset)])
    assert result.indices.tolist() == [index for index, problem in enumerate(problems) if problem is None]
    assert result.dropped == Counter(kind_of(problem) for problem in problems if problem)
    for kind, examples in result.examples.items():
        named = [source.where(i) for i, problem in enumerate(problems) if problem and kind_of(problem) == kind]
        assert [example.partition(":")[0] for example in examples] == named[:5]


def test_a_label_must_suit_every_codec(folder: Folder) -> None:
    assert usable(folder(["ab", "fie"]), [LOWER, ANY]).indices.tolist() == [1]


def test_a_label_that_cannot_be_read_is_dropped(tmp_path: Path, write_lmdb: Callable[..., Path]) -> None:
    items = {"num-samples": b"3", "label-000000001": b"\xff", "label-000000003": b"word"}
    result = usable(open_source(write_lmdb(tmp_path / "words", items)), [LOWER])
    assert result.indices.tolist() == [2]
    assert result.dropped == {"label that cannot be read": 2}
    assert "the label is missing" in result.examples["label that cannot be read"][1]
