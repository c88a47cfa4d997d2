"""Mixtures: a pure function of the batch number that treats every sample alike."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildtext.data.mixture import Ingredient, Mixture
from wildtext.errors import ConfigError
from wildtext.types import Sample


@dataclass(frozen=True)
class Numbers:
    """A source of which only the size matters."""

    name: str
    size: int | None

    def __getitem__(self, index: int) -> Sample:
        raise NotImplementedError


def mixture(sizes: list[int | None], shares: list[float], batch_size: int, seed: int = 0) -> Mixture:
    sources = [Numbers(f"source {number}", size) for number, size in enumerate(sizes)]
    return Mixture([Ingredient(source, share) for source, share in zip(sources, shares, strict=True)], batch_size, seed)


def drawn(mix: Mixture, batches: range) -> dict[str, list[int]]:
    """Indices by source, in the order they come."""
    found: dict[str, list[int]] = {}
    for batch in batches:
        for source, index in mix.draws(batch):
            found.setdefault(source.name, []).append(index)
    return found


@given(size=st.integers(1, 40), batch_size=st.integers(1, 60), seed=st.integers(0, 3))
def test_every_sample_once_before_any_comes_again(size: int, batch_size: int, seed: int) -> None:
    indices = drawn(mixture([size], [1.0], batch_size, seed), range(2 * size + 1))["source 0"]
    for start in range(0, len(indices) - size, size):
        assert sorted(indices[start : start + size]) == list(range(size))


def test_each_epoch_has_another_order() -> None:
    indices = drawn(mixture([50], [1.0], 10), range(15))["source 0"]
    assert indices[:50] != indices[50:100] != indices[100:]
    assert indices[:50] != sorted(indices[:50])


def test_seeds_and_sources_have_orders_of_their_own() -> None:
    both = drawn(mixture([50, 50], [1.0, 1.0], 100), range(1))
    assert both["source 0"] != both["source 1"]
    assert drawn(mixture([50], [1.0], 50, seed=1), range(1)) != drawn(mixture([50], [1.0], 50, seed=2), range(1))


@given(
    shares=st.lists(st.floats(0.5, 10), min_size=1, max_size=5),
    batch_size=st.integers(110, 300),
)
def test_batches_are_full_and_in_proportion(shares: list[float], batch_size: int) -> None:
    mix = mixture([7] * len(shares), shares, batch_size)
    for batch in (0, 5):
        counts = Counter(source.name for source, _ in mix.draws(batch))
        assert counts.total() == batch_size
        for number, share in enumerate(shares):
            assert abs(counts[f"source {number}"] - batch_size * share / sum(shares)) < 1


def test_the_same_number_gives_the_same_batch() -> None:
    mix = mixture([13, None, 200], [1, 2, 3], 30)
    once = [mix.draws(batch) for batch in range(20)]
    other = pickle.loads(pickle.dumps(mixture([13, None, 200], [1, 2, 3], 30)))
    for batch in (19, 3, 11, 0, 12):
        assert mix.draws(batch) == other.draws(batch) == once[batch]


def test_an_endless_source_is_read_from_its_start() -> None:
    assert drawn(mixture([None], [1.0], 4), range(3))["source 0"] == list(range(12))


def test_only_usable_samples_are_drawn() -> None:
    usable = np.array([2, 5, 11])
    mix = Mixture([Ingredient(Numbers("some", 20), usable=usable)], 6)
    assert Counter(index for _, index in mix.draws(4)) == {2: 2, 5: 2, 11: 2}


@pytest.mark.parametrize(
    ("sizes", "shares", "batch_size", "message"),
    [
        ([], [], 8, "no source"),
        ([5], [0.0], 8, "share 0.0 must be above 0"),
        ([5], [-1.0], 8, "must be above 0"),
        ([5], [float("nan")], 8, "must be above 0"),
        ([5], [float("inf")], 8, "finite"),
        ([0], [1.0], 8, "source 0: no usable samples"),
        ([5, 5], [1.0, 1000.0], 8, "no place for source 0"),
        ([5], [1.0], 0, "a batch of 0 has no place"),
        ([5], [1.0], -3, "a batch of -3 has no place"),
    ],
)
def test_what_makes_no_sense_is_refused(
    sizes: list[int | None], shares: list[float], batch_size: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        mixture(sizes, shares, batch_size)
