"""Connectionist temporal classification for a search among words: the forward algorithm, for all prefixes at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wildtext.codecs.trie_search import Profile


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of one image.

    A profile is (T + 1, 1 + variants, L): how probable it is that the first 0, 1, ..., T columns write a prefix and end
    in a blank, or in a variant of its last letter (Graves et al., ICML 2006, section 4.1).

    Attributes:
        blank: (T,) probability of the blank, as a share of `largest`.
        emitted: (T, variants, letters) of each variant of each letter, likewise.
        largest: (T,) the largest probability of each column.
    """

    blank: NDArray[np.float64]
    emitted: NDArray[np.float64]
    largest: NDArray[np.float64]

    @property
    def offset(self) -> float:
        """See `wildtext.codecs.trie_search.Steps`."""
        return float(np.log(self.largest).sum())

    def start(self) -> Profile:
        """See `wildtext.codecs.trie_search.Steps`."""
        columns, variants, _ = self.emitted.shape
        profile = np.zeros((columns + 1, 1 + variants, 1))
        profile[:, 0, 0] = np.cumprod([1.0, *self.blank])
        return profile

    def extend(
        self, parents: Profile, letters: NDArray[np.int64], repeats: NDArray[np.bool_]
    ) -> tuple[Profile, NDArray[np.float64]]:
        """See `wildtext.codecs.trie_search.Steps`."""
        arriving = parents[:-1].sum(axis=1, keepdims=True)
        # The n-th letter cannot stand in the first n - 1 columns.
        first = int(arriving.any(axis=(1, 2)).argmax())
        emitted = self.emitted[first:, :, letters]
        entering = emitted * arriving[first:]
        # Behind the same letter a variant is entered past a blank, or from the other variants.
        for variant in range(emitted.shape[1]):
            others = np.delete(parents[first:-1, :, repeats], 1 + variant, axis=1)
            entering[:, variant, repeats] = emitted[:, variant, repeats] * others.sum(axis=1)
        profile = np.zeros(parents.shape)
        # In place, as with few words most of the time goes into calling numpy.
        steps = zip(profile[first:-1], profile[first + 1 :], self.blank[first:], emitted, entering, strict=True)
        for before, after, blank, row, new in steps:
            np.add.reduce(before, axis=0, out=after[0])
            after[0] *= blank
            np.multiply(row, before[1:], out=after[1:])
            after[1:] += new
        return profile, np.cumprod(self.largest)[first:] @ entering.sum(axis=1)

    def end(self, profile: Profile) -> NDArray[np.float64]:
        """See `wildtext.codecs.trie_search.Steps`."""
        reached: NDArray[np.float64] = profile[-1].sum(axis=0)
        return reached
