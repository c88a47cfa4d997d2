"""Batches that are painted where the model is are those that are painted where they are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as pillow

from wildtext.charset import Charset
from wildtext.codecs import CTC
from wildtext.config import CaptureOptions, LayoutOptions, SynthOptions
from wildtext.data import open_source
from wildtext.data.mixture import Ingredient, Mixture
from wildtext.data.source import Source
from wildtext.errors import DataError
from wildtext.images import Buckets, Fixed, Padded, Preprocessing
from wildtext.synth import SyntheticWords
from wildtext.synth.fonts import SHIPPED
from wildtext.training.canvas import paint
from wildtext.training.loader import Delivery, Part, deliveries

CODEC = CTC(Charset.named("94+space"), steps=64)
CPU = torch.device("cpu")
# Words that run down or up come as whole samples among the drafts.
OPTIONS = SynthOptions(layout=LayoutOptions(turned=0.2, stacked=0.2, oblique=0.8))


@pytest.fixture(scope="module")
def words() -> SyntheticWords:
    return SyntheticWords(11, OPTIONS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten noisy pictures with labels of one digit."""
    folder = tmp_path_factory.mktemp("real")
    for number in range(10):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 50 + number, 3), np.uint8)
        pillow.fromarray(pixels).save(folder / f"{number}.png")
    lines = "".join(f"{number}.png\t{number}\n" for number in range(10))
    (folder / "labels.tsv").write_text(lines, encoding="utf-8")
    return folder


def delivered(
    sources: list[Source], preprocessing: Preprocessing, *, two_stages: bool, workers: int = 0, stop: int = 2
) -> list[Delivery]:
    mixture = Mixture([Ingredient(source) for source in sources], 40)
    drawn = deliveries(mixture, preprocessing, [CODEC], start=0, stop=stop, workers=workers, two_stages=two_stages)
    return list(drawn)


def parts_of(one: Delivery, other: Delivery) -> Iterator[tuple[Part, Part]]:
    """The parts of two deliveries side by side, which must tell the same."""
    assert one.skipped == other.skipped
    assert len(one) == len(other)
    for pair in zip(one.parts, other.parts, strict=True):
        assert_same_facts(*pair)
        yield pair


def assert_same_facts(one: Part, other: Part) -> None:
    assert one.batch.images.shape == other.batch.images.shape
    assert one.batch.texts == other.batch.texts
    assert one.batch.sources == other.batch.sources
    assert np.array_equal(one.batch.valid_width, other.batch.valid_width)
    for mine, theirs in zip(one.batch.boxes, other.batch.boxes, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            np.testing.assert_allclose(mine, theirs, atol=1e-3)


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(Fixed(32, 128)),
        Preprocessing(Padded(32, 256, min_width=16, multiple=4)),
        Preprocessing(Fixed(32, 100), color="grey", interpolation="bilinear"),
        Preprocessing(Padded(48, 320, min_width=0), color="BGR", vertical="rotate", pad_value=-1.0),
        Preprocessing(Fixed(32, 128), vertical="none"),
        Preprocessing(Buckets(((64, 64), (48, 96), (40, 112), (32, 128), (32, 160), (32, 192)))),
    ],
    ids=["fixed", "padded", "grey", "large", "upright", "buckets"],
)
def test_both_ways_to_paint_give_the_same_model_input(
    preprocessing: Preprocessing, words: SyntheticWords, folder: Path
) -> None:
    sources: list[Source] = [words, open_source(folder)]
    pairs = list(zip(*(delivered(sources, preprocessing, two_stages=way) for way in (False, True)), strict=True))
    step = preprocessing.scale / min(preprocessing.std)
    for _, staged in pairs:
        assert sum(len(part.drafts) for part in staged.parts) > 5
        kept = [name for part in staged.parts for row, name in enumerate(part.batch.sources) if row not in part.drafts]
        assert any(name.startswith("synth#") for name in kept), "none was turned"
    for whole, staged in (parts for pair in pairs for parts in parts_of(*pair)):
        assert whole.drafts == {}
        assert all(row < len(staged) for row in staged.drafts)
        one, other = (
            paint(each, preprocessing, words.textures, CPU).normalized(preprocessing) for each in (whole, staged)
        )
        assert one.shape == other.shape == (len(whole), preprocessing.channels, *one.shape[2:])
        assert tuple(one.shape[2:]) in preprocessing.canvas.sizes
        levels = (one - other).abs() / step
        assert not (levels[[row not in staged.drafts for row in range(len(whole))]] > 1e-3).any()
        assert float(levels.max()) < 2.01
        assert float((levels > 1.01).float().mean()) < 1e-3
        wanted = preprocessing.normalize(whole.batch.images, whole.batch.valid_width)
        np.testing.assert_allclose(one.numpy(), wanted, atol=1e-5)


def test_a_delivery_has_a_part_for_each_size_of_canvas(words: SyntheticWords, folder: Path) -> None:
    sources: list[Source] = [words, open_source(folder)]
    (fixed,) = delivered(sources, Preprocessing(Fixed(32, 128)), two_stages=False, stop=1)
    buckets = Buckets(((64, 64), (48, 96), (40, 112), (32, 128), (32, 160), (32, 192)))
    (split,) = delivered(sources, Preprocessing(buckets), two_stages=False, stop=1)
    assert len(fixed.parts) == 1
    sizes = [part.batch.images.shape[1:3] for part in split.parts]
    assert len(sizes) > 3
    assert sizes == sorted(set(sizes))
    assert len(split) == len(fixed) == sum(len(part) for part in split.parts)
    assert sorted(split.sources) == sorted(fixed.sources), "each sample that was drawn is there once"


def test_narrow_characters_seen_at_an_angle_are_painted_the_same_way_up() -> None:
    """Whether a tall crop is turned must not depend on where it is painted."""
    steep: dict[str, Any] = {field.name: 0.0 for field in fields(LayoutOptions) if field.type == "float"}
    nothing: dict[str, Any] = {field.name: 0.0 for field in fields(CaptureOptions)}
    source = Single(
        11, SynthOptions(layout=LayoutOptions(**{**steep, "oblique": 1.0}), capture=CaptureOptions(**nothing))
    )
    preprocessing = Preprocessing(Fixed(32, 32))
    found = 0
    for index in range(4000):
        draft = source.draft(index)
        x, y = draft.layout.word[1] - draft.layout.word[0]
        height, width = draft.layout.mask.shape
        if abs(y) > abs(x) and height >= 2 * width:
            found += 1
            first, second = (delivered_one(source, index, preprocessing, two_stages=way) for way in (False, True))
            (pair,) = parts_of(first, second)
            one, other = (paint(each, preprocessing, source.textures, CPU).normalized(preprocessing) for each in pair)
            assert float((one - other).abs().max()) < 0.05
    assert found > 0


class Single(SyntheticWords):
    """Draws exclamation marks only."""

    def _label(self, random: np.random.Generator) -> tuple[str, str]:
        return "characters", "!"


def delivered_one(source: SyntheticWords, index: int, preprocessing: Preprocessing, *, two_stages: bool) -> Delivery:
    mixture = Mixture([Ingredient(source)], 1)
    drawn = deliveries(mixture, preprocessing, [CODEC], start=index, stop=index + 1, workers=0, two_stages=two_stages)
    return next(drawn)


@pytest.mark.parametrize("two_stages", [False, True])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 warns of threads
def test_worker_processes_deliver_the_same(two_stages: bool, words: SyntheticWords) -> None:
    preprocessing = Preprocessing(Buckets(((48, 96), (32, 128))))
    here, there = (
        delivered([words], preprocessing, two_stages=two_stages, workers=workers, stop=3) for workers in (0, 2)
    )
    for one, other in (parts for pair in zip(here, there, strict=True) for parts in parts_of(*pair)):
        assert one.drafts.keys() == other.drafts.keys()
        inputs = [paint(each, preprocessing, words.textures, CPU).normalized(preprocessing) for each in (one, other)]
        assert float((inputs[0] - inputs[1]).abs().max()) <= 2.01 / 127.5


def test_what_cannot_be_learnt_or_drawn_is_named_both_ways(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    for font in sorted((SHIPPED / "anton").glob("*.woff*"))[:1]:
        (tmp_path / font.name).write_bytes(font.read_bytes())
    broken = SyntheticWords(1, replace(OPTIONS, fonts=str(tmp_path)))
    sources: list[Source] = [broken]
    whole, staged = (delivered(sources, Preprocessing(Fixed(32, 100)), two_stages=way, stop=1) for way in (False, True))
    assert list(parts_of(whole[0], staged[0]))
    assert any("broken.ttf" in message for message in whole[0].skipped)
    assert len(whole[0]) + len(whole[0].skipped) == 40


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_that_cannot_be_made_ends_with_its_own_message(workers: int, tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    source = SyntheticWords(1, replace(OPTIONS, fonts=str(tmp_path)))
    with pytest.raises(DataError, match=r"^none of 40 samples could be used; the first: synth#0: .*broken.ttf"):
        delivered([source], Preprocessing(Fixed(32, 128)), two_stages=False, workers=workers)
