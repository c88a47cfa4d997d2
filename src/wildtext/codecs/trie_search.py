"""How probable each word of a lexicon is: all of them at once, along the trie that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from wildtext.codecs.lexicon import Letters, Lexicon, Speller, Trie
from wildtext.types import Alternative, Character, Prediction

_FEW = 8192
"""Nodes of a trie that is gone through once. In a larger one a first look tells what cannot matter."""

_NARROW = 64
"""Nodes of each level that the first look keeps."""

_NEGLIGIBLE = 1e-9
"""A beginning is not followed if its probability is below this share of that of the `count`-th best word."""

Profile = NDArray[np.float64]
"""(..., L) of L prefixes: how probable it is that a model has written each when it has come to some place."""


class Steps(Protocol):
    """The probabilities of one image, as a search along a trie needs them. Profiles may be scaled."""

    @property
    def offset(self) -> float:
        """Natural logarithm of what `end` leaves out, the same for all texts."""

    def start(self) -> Profile:
        """Of the empty prefix, (..., 1)."""

    def extend(
        self, parents: Profile, letters: NDArray[np.int64], repeats: NDArray[np.bool_]
    ) -> tuple[Profile, NDArray[np.float64]]:
        """Of prefixes with one letter more.

        Args:
            parents: (..., L) of what they begin with.
            letters: (L,) those that are added.
            repeats: (L,) whether the letter before is the same.

        Returns:
            (..., L), and (L,) the probability that the text begins so.
        """

    def end(self, profile: Profile) -> NDArray[np.float64]:
        """(L,) probability that the text is exactly that, but for `offset`."""


def word_scores(trie: Trie, steps: Steps, count: int) -> NDArray[np.float64]:
    """The natural-log probability of each word.

    They are exact for the `count` best. Words that begin with something so improbable that they cannot be among those,
    by a factor of a billion, are not looked at.

    Returns:
        (words,) with -inf for words that are impossible, or were not looked at.
    """
    floor = -np.inf
    if trie.size > _FEW:
        floor = _floor(_descend(trie, steps, keep=_NARROW), count)
    return _descend(trie, steps, floor=floor, count=count)


def _floor(scores: NDArray[np.float64], count: int) -> float:
    """The natural-log probability below which nothing matters, if these are known already."""
    return float(np.partition(scores, -count)[-count] + np.log(_NEGLIGIBLE)) if count <= len(scores) else -np.inf


def _descend(
    trie: Trie, steps: Steps, *, keep: int | None = None, floor: float = -np.inf, count: int = 0
) -> NDArray[np.float64]:
    """Go down a trie level by level.

    Args:
        trie: of the words.
        steps: of the image.
        keep: nodes of a level that are followed, the most probable ones; None follows all.
        floor: natural-log probability below which a node is not followed.
        count: where it is above 0, and the trie small, the best of so many words that were found raise the floor.
    """
    scores = np.full(trie.entries, -np.inf)
    profile, scale = steps.start(), np.zeros(1)
    places = np.zeros(1, np.int64)  # where in the profile the nodes of the level before are, -1 where they are dropped
    for level in trie.levels:
        nodes = np.flatnonzero(places[level.parents] >= 0)
        origins = places[level.parents[nodes]]
        profile, reached = steps.extend(profile[..., origins], level.letters[nodes], level.repeats[nodes])
        with np.errstate(divide="ignore"):
            chances = scale[origins] + np.log(reached)
        followed = np.flatnonzero(np.isfinite(chances) & (chances >= floor))
        if keep is not None and len(followed) > keep:
            followed = followed[np.argpartition(-chances[followed], keep)[:keep]]
        if not len(followed):
            break
        profile = profile[..., followed]
        # Each has a scale of its own, so that long words do not sink below what a float can hold.
        largest = profile.max(axis=tuple(range(profile.ndim - 1)))
        profile, scale = profile / largest, scale[origins[followed]] + np.log(largest)
        places = np.full(len(level.letters), -1)
        places[nodes[followed]] = np.arange(len(followed))
        ends = places[level.ends]
        if (ends >= 0).any():
            with np.errstate(divide="ignore"):
                final = (scale + np.log(steps.end(profile)) + steps.offset)[ends[ends >= 0]]
            np.logaddexp.at(scores, level.entries[ends >= 0], final)
            if count and trie.size <= _FEW:
                floor = max(floor, _floor(scores, count))
    return scores


@dataclass(frozen=True)
class Found:
    """The best words for an image.

    Attributes:
        word: the best one.
        letters: how it is spelled, see `Trie.spelling`.
        ranked: the best words with their probabilities, the best first.
        scores: see `best_words`.
    """

    word: str
    letters: Letters
    ranked: tuple[Alternative, ...]
    scores: dict[str, float]

    @property
    def possible(self) -> bool:
        """Whether the model gives the word any probability."""
        return self.ranked[0].confidence > 0

    def prediction(self, characters: tuple[Character, ...]) -> Prediction:
        """The reading that this is, with the characters of the word."""
        best, *others = self.ranked
        return Prediction(best.text, best.confidence, characters, tuple(others), self.scores)


def find_words(lexicon: Lexicon, codec: Speller, steps: Steps, top: int, free: Callable[[], str]) -> Found:
    """Look for the most probable words of a lexicon.

    Args:
        lexicon: the words.
        codec: of the head that is read.
        steps: the probabilities that it gives.
        top: how many to return.
        free: gives what would be read without a lexicon; where all words are impossible, the nearest to it is taken.

    Returns:
        The best words. Among the scores are ``lexicon.share``, the probability of the best word over that of all words
        together, and ``lexicon.margin``, the natural logarithm of its ratio to the next best; neither where the model
        gives no word any probability, and no margin where it gives one to no other.
    """
    trie = lexicon.trie(codec)
    return best_words(lexicon, trie, word_scores(trie, steps, max(top, 2)), top, free)


def best_words(lexicon: Lexicon, trie: Trie, scores: NDArray[np.float64], top: int, free: Callable[[], str]) -> Found:
    """See `find_words`; `scores` (words,) are natural-log probabilities."""
    order = _order(scores, max(top, 2))
    if not order:
        nearest = _nearest(lexicon, trie, free())
        word = lexicon.words[nearest]
        return Found(word, trie.spelling[nearest], (Alternative(word, 0.0),), {})
    best = order[0]
    told = {"lexicon.share": min(float(1 / np.exp(scores - scores[best]).sum()), 1.0)}
    if len(order) > 1:
        told["lexicon.margin"] = float(scores[best] - scores[order[1]])
    chances = np.exp(np.minimum(scores[order], 0.0)).tolist()
    ranked = tuple(Alternative(lexicon.words[entry], chance) for entry, chance in zip(order, chances, strict=True))
    return Found(ranked[0].text, trie.spelling[best], ranked[:top], told)


def _order(scores: NDArray[np.float64], count: int) -> list[int]:
    """The places of the `count` highest scores, the highest first, the first of equal ones; none that is infinite."""
    count = min(count, len(scores))
    high = np.flatnonzero((scores >= np.partition(scores, -count)[-count]) & np.isfinite(scores))
    order: list[int] = high[np.argsort(-scores[high], kind="stable")][:count].tolist()
    return order


def _nearest(lexicon: Lexicon, trie: Trie, text: str) -> int:
    """The word, of those that the codec can write, that the fewest edits make of a text."""
    fold = str.lower if lexicon.fold_case else str
    return min(trie.spelling, key=lambda entry: Levenshtein.distance(fold(lexicon.words[entry]), fold(text)))
