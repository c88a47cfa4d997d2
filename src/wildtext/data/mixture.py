"""Which samples make up which batch: several sources in fixed proportions, as a pure function of the batch number.

Nothing has to be remembered to resume: batch b is the same whenever and wherever it is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wildtext.data.source import Source
from wildtext.errors import ConfigError

REUSE_AFTER = 16
"""Batches between two uses of a sample of an endless source."""


@dataclass(frozen=True, eq=False)
class Ingredient:
    """A source within a mixture.

    Attributes:
        source: the samples.
        share: its part of every batch, relative to the other shares.
        usable: the samples to draw from, where not all of the source can be used.
        reuse: how often each sample of an endless source is trained on. Once `REUSE_AFTER` batches have filled a
            buffer with its samples, only one in so many is new; the buffer gives the others.
    """

    source: Source
    share: float = 1.0
    usable: NDArray[np.int64] | None = None
    reuse: int = 1

    @property
    def size(self) -> int | None:
        """Samples to draw from; None where there is no end."""
        return self.source.size if self.usable is None else len(self.usable)


class Mixture:
    """Batches drawn from several sources.

    Every batch holds the same number of samples of each source. A finite source is gone through in a new random order
    each time, every sample once before any comes again; an endless one is read from its start.

    Args:
        ingredients: the sources and their shares.
        batch_size: samples in a batch.
        seed: decides the orders.

    Raises:
        ConfigError: there is no source, a share is not positive, a source is empty, or the batch is too small to hold
            each source.
    """

    def __init__(self, ingredients: Sequence[Ingredient], batch_size: int, seed: int = 0):
        self.ingredients = tuple(ingredients)
        self.batch_size = batch_size
        self.seed = seed
        # The order of each source in the epoch that was drawn from last: orders of large sources take much memory.
        self._orders: dict[int, tuple[int, NDArray[np.int64]]] = {}
        if not ingredients:
            raise ConfigError("there is no source of samples to train on")
        for ingredient in ingredients:
            if not 0 < ingredient.share < math.inf:
                raise ConfigError(f"{ingredient.source.name}: share {ingredient.share} must be above 0 and finite")
            if ingredient.size == 0:
                raise ConfigError(f"{ingredient.source.name}: no usable samples to train on")
        self.counts = _apportion([ingredient.share for ingredient in ingredients], batch_size)
        for ingredient, count in zip(ingredients, self.counts, strict=True):
            if count < 1:
                raise ConfigError(
                    f"a batch of {batch_size} has no place for {ingredient.source.name} with share {ingredient.share}; "
                    f"raise the batch size or the share"
                )

    def draws(self, batch: int) -> list[tuple[Source, int]]:
        """The samples of batch number `batch`, as (source, index)."""
        chosen = []
        for number, (ingredient, count) in enumerate(zip(self.ingredients, self.counts, strict=True)):
            for position in self._positions(batch, ingredient, count):
                chosen.append((ingredient.source, self._index(number, ingredient, position)))
        return chosen

    def _positions(self, batch: int, ingredient: Ingredient, count: int) -> range:
        """Where in the sequence of its samples a batch finds those of an ingredient."""
        reuse = 1 if ingredient.size is not None else ingredient.reuse
        filling = REUSE_AFTER * (reuse - 1)
        if batch < filling:
            return range(batch * count, (batch + 1) * count)
        start = filling * count - _fresh_before(filling, count, reuse)
        return range(start + _fresh_before(batch, count, reuse), start + _fresh_before(batch + 1, count, reuse))

    def _index(self, number: int, ingredient: Ingredient, position: int) -> int:
        if ingredient.size is None:
            return position
        epoch, place = divmod(position, ingredient.size)
        index = int(self._order(number, epoch, ingredient.size)[place])
        return index if ingredient.usable is None else int(ingredient.usable[index])

    def _order(self, number: int, epoch: int, size: int) -> NDArray[np.int64]:
        known, order = self._orders.get(number, (-1, None))
        if order is None or known != epoch:
            order = np.random.default_rng((self.seed, number, epoch)).permutation(size)
            self._orders[number] = epoch, order
        return order


def fresh(batch: int, count: int, reuse: int) -> int:
    """How many of the `count` samples that a batch has of an endless source are new, once its buffer is full.

    Where `reuse` does not divide the count, some blocks of `REUSE_AFTER` batches have one more than others. A batch
    gets samples from `reuse` such blocks in a row, which together have the count.
    """
    return _fresh_before(batch + 1, count, reuse) - _fresh_before(batch, count, reuse)


def _fresh_before(batch: int, count: int, reuse: int) -> int:
    """The sum of `fresh` over the batches before one."""
    blocks, rest = divmod(batch, REUSE_AFTER)
    rounds, place = divmod(blocks, reuse)
    fewest, more = divmod(count, reuse)
    return REUSE_AFTER * (rounds * count + place * fewest + min(place, more)) + rest * (fewest + (place < more))


def _apportion(shares: list[float], total: int) -> list[int]:
    """Whole numbers in proportion to the shares that add up to the total (largest remainders)."""
    exact = np.array(shares) / sum(shares) * total
    counts = np.floor(exact).astype(int)
    missing = total - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
    return [int(count) for count in counts]
