"""The synthetic source: the same sample for the same seed and index, with labels and boxes that are true."""

import json
import multiprocessing
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.synth.chances import BUSY, EXTREME, PLAIN, chances, drawn
from wildtext.charset import Charset
from wildtext.config import AppearanceOptions, CaptureOptions, SynthOptions
from wildtext.data.source import BatchedSource
from wildtext.errors import SampleError
from wildtext.synth import SyntheticWords
from wildtext.synth.fonts import SHIPPED, FontLibrary
from wildtext.types import Sample


@pytest.fixture(scope="module")
def source() -> SyntheticWords:
    return SyntheticWords(seed=3)


@pytest.fixture(scope="module")
def busy() -> SyntheticWords:
    return SyntheticWords(seed=3, options=BUSY)


@pytest.fixture
def font() -> Path:
    return FontLibrary().paths[0]


def facts(sample: Sample) -> tuple[Any, ...]:
    """All but the pixels."""
    assert sample.boxes is not None
    assert sample.word is not None
    places = (sample.boxes.tobytes(), sample.word.tobytes())
    return sample.text, sample.source, sample.image.shape, places, json.dumps(sample.parameters)


def assert_same(one: Sample, other: Sample) -> None:
    assert facts(one) == facts(other)
    assert np.abs(one.image.astype(int) - other.image).max() <= 1


# Determinism


def test_a_sample_is_the_same_alone_in_any_batch_and_in_any_order(busy: SyntheticWords) -> None:
    together = drawn(busy, list(range(60)))
    order = np.random.default_rng(0).permutation(60).tolist()
    for index, sample in zip(order, drawn(busy, order), strict=True):
        assert_same(sample, together[index])
    for index in range(0, 60, 3):
        assert_same(busy[index], together[index])
    for far in (10**9, 2**40):
        assert_same(drawn(busy, [0, far])[1], busy[far])


def test_a_new_source_draws_the_same(busy: SyntheticWords) -> None:
    for one, other in zip(drawn(busy, [0, 1, 2]), drawn(SyntheticWords(3, BUSY), [0, 1, 2]), strict=True):
        assert_same(one, other)


def test_another_process_draws_the_same_sample(busy: SyntheticWords) -> None:
    # Spawned, as on Windows and macOS, so that nothing is inherited and the source itself has to travel.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(drawn, (busy, [5, 6, 7]))
    for one, other in zip(there, drawn(busy, [5, 6, 7]), strict=True):
        assert_same(one, other)


def test_a_source_survives_pickling_with_its_settings(tmp_path: Path, font: Path) -> None:
    shutil.copy(font, tmp_path)
    words = tmp_path / "words.txt"
    words.write_text("zebra\n", encoding="utf-8")
    options = replace(PLAIN, fonts=str(tmp_path), words=str(words))
    original = SyntheticWords(9, options, charset=Charset.named("36"))
    copy = pickle.loads(pickle.dumps(original))
    for one, other in zip(drawn(original, [0, 1, 2]), drawn(copy, [0, 1, 2]), strict=True):
        assert_same(one, other)


def test_other_seeds_and_indices_give_other_samples(source: SyntheticWords) -> None:
    samples = drawn(source, list(range(8))) + drawn(SyntheticWords(seed=4), list(range(8)))
    assert len({sample.image.tobytes() for sample in samples}) == 16
    assert len({facts(sample)[3:] for sample in samples}) == 16


def test_the_look_changes_neither_texts_nor_boxes() -> None:
    sources = [SyntheticWords(3, replace(BUSY, appearance=chances(AppearanceOptions, chance))) for chance in (0, 1)]
    for one, other in zip(*(drawn(each, list(range(12))) for each in sources), strict=True):
        assert facts(one)[:4] == facts(other)[:4]
        assert not np.array_equal(one.image, other.image)


def test_the_camera_changes_neither_texts_nor_layouts() -> None:
    sources = [SyntheticWords(3, replace(BUSY, capture=chances(CaptureOptions, chance, clean=0))) for chance in (0, 1)]
    for index in range(12):
        one, other = (each.draft(index) for each in sources)
        assert one.text == other.text
        assert one.look == other.look
        assert np.array_equal(one.layout.mask, other.layout.mask)
        assert np.array_equal(one.layout.boxes, other.layout.boxes, equal_nan=True)


# Samples


@pytest.mark.parametrize("options", [SynthOptions(), PLAIN, BUSY, EXTREME], ids=["usual", "plain", "busy", "extreme"])
def test_samples_are_labelled_rgb_pictures_with_a_box_for_each_character(options: SynthOptions) -> None:
    for index, sample in enumerate(drawn(SyntheticWords(3, options), list(range(48)))):
        assert sample.image.dtype == np.uint8
        assert sample.image.flags.c_contiguous
        assert sample.image.ndim == 3
        assert sample.image.shape[2] == 3
        assert sample.image.std() > 0.5
        assert sample.source == f"synth#{index}"
        assert sample.word is not None
        assert sample.word.shape == (4, 2)
        assert np.isfinite(sample.word).all()
        assert sample.boxes is not None
        assert sample.boxes.dtype == sample.word.dtype == np.float32
        assert sample.boxes.shape == (len(sample.text), 4, 2)
        for character, box in zip(sample.text, sample.boxes, strict=True):
            assert np.isnan(box).all() if character == " " else np.isfinite(box).all()


def test_parameters_tell_in_plain_values_how_a_sample_was_made(busy: SyntheticWords) -> None:
    for index, sample in enumerate(drawn(busy, list(range(20)))):
        told = sample.parameters
        assert json.loads(json.dumps(told)) == told
        assert list(told) == ["kind", "font", "style", "seed", "index", "layout", "appearance", "capture"]
        assert (told["seed"], told["index"]) == (3, index)
        assert (SHIPPED / told["font"]).is_file()
        assert {"margins", "view"} <= told["layout"].keys()
        assert {"ink", "colour", "opacity"} <= told["appearance"]["paint"].keys()
        assert {"rows", "columns", "defocus"} <= told["capture"]["camera"].keys()


def test_the_source_is_endless_and_has_a_name(source: SyntheticWords) -> None:
    assert source.size is None
    assert source.name == "synth"
    assert isinstance(source, BatchedSource)
    assert source.samples([]) == []


@pytest.mark.parametrize("height", [16, 48, 80])
def test_pictures_have_as_many_rows_as_the_scene_unless_they_are_small(height: int) -> None:
    layout = replace(PLAIN.layout, height=height)
    whole = drawn(SyntheticWords(3, replace(PLAIN, layout=layout)), list(range(10)))
    assert {sample.image.shape[0] for sample in whole} == {height}
    small = replace(PLAIN, layout=layout, capture=replace(PLAIN.capture, low_resolution=1, enlarging=0.5))
    rows = {sample.image.shape[0] for sample in drawn(SyntheticWords(3, small), list(range(60)))}
    assert min(rows) >= 8
    assert max(rows) <= height
    assert len(rows) > 2


def test_labels_can_be_held_to_a_charset() -> None:
    charset = Charset.named("36")
    source = SyntheticWords(1, charset=charset)
    texts = [source.draft(index).text for index in range(150)]
    assert not {character for text in texts for character in charset.unknown(charset.normalize(text))}


def test_a_charset_that_no_label_fits_is_named() -> None:
    with pytest.raises(SampleError, match="no label of the corpus fits charset hatch"):
        SyntheticWords(1, charset=Charset("hatch", ("#",)), options=replace(PLAIN, words=""))[0]


@pytest.mark.parametrize("text", ["Open 24h", "x", "a  b", " padded ", "|", "-", "W" * 25, "i" * 25])
def test_a_given_text_is_drawn(text: str, busy: SyntheticWords) -> None:
    one, again, other = (busy.render(text, index) for index in (3, 3, 4))
    assert one.text == text
    assert one.boxes is not None
    assert one.boxes.shape == (len(text), 4, 2)
    assert one.parameters["kind"] == "given"
    assert_same(one, again)
    assert facts(one) != facts(other)
