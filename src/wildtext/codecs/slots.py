"""What heads with one class per slot share: target ids, the best path through the slots, and the next best texts."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wildtext.codecs.places import Place
from wildtext.codecs.trie_search import Profile
from wildtext.types import Alternative

END = 0
"""The column of the end token in the scores that these functions take."""

_MOST_PATHS = 4096
"""Paths that are looked at for alternatives; only silent tokens can make many of them spell the same few texts."""

Path = tuple[int, ...]


def target_ids(
    labels: Sequence[Sequence[int]], *, begin: int | None, end: int, pad: int, slots: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``[begin] label [end] padding`` for each label, and how many of these ids count.

    Args:
        labels: the ids of each, at most as many as there are slots; one that fills all slots has no end.
        begin: id in front of the slots; None for none.
        end: id behind a label.
        pad: id that fills up; where it is the same as the end, padding counts.
        slots: how many each label has.

    Returns:
        Ids (N, slots, and 1 with a begin) and lengths (N,).
    """
    lead = [] if begin is None else [begin]
    ids = np.full((len(labels), len(lead) + slots), pad, np.int64)
    lengths = np.full(len(labels), ids.shape[1], np.int64)
    for number, label in enumerate(labels):
        framed = [*lead, *label, end][: ids.shape[1]]
        ids[number, : len(framed)] = framed
        if pad != end:
            lengths[number] = len(framed)
    return ids, lengths


def best_path(scores: NDArray[np.float64], *, stops: bool = True) -> Path:
    """The best column of each slot, up to and including the first end.

    Args:
        scores: (slots, columns) log probabilities, the end token in column `END`.
        stops: whether a text stops at an end; otherwise the path goes through all slots.
    """
    columns: list[int] = scores.argmax(axis=1).tolist()
    return tuple(columns[: columns.index(END) + 1] if stops and END in columns else columns)


def path_probabilities(scores: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Probability of each step of a path through (slots, columns) log probabilities."""
    steps: NDArray[np.float64] = np.exp(np.minimum(scores[np.arange(len(path)), list(path)], 0.0))
    return steps


def end_place(path: Path, *, skip: int, end: int) -> Place | None:
    """The slot that ends a path; None if it goes through all slots.

    Args:
        path: see `best_path`.
        skip: rows of the head's output in front of the slots.
        end: id of the end token.
    """
    row = skip + len(path) - 1
    return Place(range(row, row + 1), row, end) if path[-1] == END else None


def other_texts(
    scores: NDArray[np.float64],
    told: NDArray[np.float64],
    best: Path,
    text: Callable[[Path], str],
    count: int,
    *,
    stops: bool = True,
) -> list[Alternative]:
    """The texts of the most probable paths that spell something else than the best one, most probable first.

    Args:
        scores: as for `best_path`; texts are ranked by them.
        told: the same at a calibration temperature, for the probabilities of the alternatives.
        best: what that gave.
        text: what a path spells.
        count: how many to find at most.
        stops: as for `best_path`.
    """
    found: dict[str, float] = {}
    if count <= 0:
        return []
    # Best-first search is exact when a prefix is scored with the best that could still follow it.
    best_after = [0.0]
    for row in scores[::-1]:
        onward = float(row[END + 1 :].max()) + best_after[0]
        best_after.insert(0, max(float(row[END]) + (0.0 if stops else best_after[0]), onward))
    heap: list[tuple[float, float, Path]] = [(-best_after[0], 0.0, ())]
    known, looked = text(best), 0
    while heap and len(found) < count and looked < _MOST_PATHS:
        _, score, path = heapq.heappop(heap)
        slot, looked = len(path), looked + 1
        if slot == len(scores) or (stops and path and path[-1] == END):
            if (spelled := text(path)) != known:
                found.setdefault(spelled, float(path_probabilities(told, path).prod()))
            continue
        # The n-th best path needs no column beyond a slot's n-th best; an end it may need wherever it ranks, as it
        # spares all slots that follow.
        likely = np.argsort(-scores[slot, END + 1 :], kind="stable")[: count + 1] + 1
        for column in (END, *likely.tolist()):
            grown = score + float(scores[slot, column])
            rest = 0.0 if stops and column == END else best_after[slot + 1]
            if np.isfinite(grown + rest):
                heapq.heappush(heap, (-(grown + rest), grown, (*path, column)))
    return [Alternative(spelled, probability) for spelled, probability in found.items()]


@dataclass(frozen=True, eq=False)
class Slots:
    """Slots of one image for a search among words. A slot that may be silent is summed over being so or not.

    A profile is (slots + 1, L): how probable it is that the first 0, 1, ... slots write a prefix and no end.

    Attributes:
        emitted: (slots, variants, letters) probability of each variant of each letter.
        stop: (slots,) of the token that ends the text.
        silent: (slots,) of writing nothing.
    """

    emitted: NDArray[np.float64]
    stop: NDArray[np.float64]
    silent: NDArray[np.float64]

    @property
    def offset(self) -> float:
        """See `wildtext.codecs.trie_search.Steps`."""
        return 0.0

    def start(self) -> Profile:
        """See `wildtext.codecs.trie_search.Steps`."""
        return np.cumprod([1.0, *self.silent])[:, None]

    def extend(
        self, parents: Profile, letters: NDArray[np.int64], repeats: NDArray[np.bool_]
    ) -> tuple[Profile, NDArray[np.float64]]:
        """See `wildtext.codecs.trie_search.Steps`."""
        profile = np.zeros(parents.shape)
        profile[1:] = self.emitted[:, :, letters].sum(axis=1) * parents[:-1]
        reached = profile.sum(axis=0)
        if self.silent.any():
            for slot, silent in enumerate(self.silent):
                profile[slot + 1] += silent * profile[slot]
        return profile, reached

    def end(self, profile: Profile) -> NDArray[np.float64]:
        """See `wildtext.codecs.trie_search.Steps`."""
        ended: NDArray[np.float64] = self.stop @ profile[:-1] + profile[-1]
        return ended

    def places(self, letters: Sequence[int]) -> list[int]:
        """The slots that hold the letters of a word, if it is written in the most probable way; else the first ones."""
        with np.errstate(divide="ignore"):
            write = np.log(self.emitted[:, :, letters].sum(axis=1))
            wait = np.repeat(np.log(self.silent)[:, None], len(letters) + 1, axis=1)
        if self.stop.any():
            wait[:, -1] = 0.0  # behind the last letter the text may have ended
        score = np.array([0.0] + [-np.inf] * len(letters))
        wrote = []
        for waiting, writing in zip(wait, write, strict=True):
            stay, step = score + waiting, np.concatenate([[-np.inf], score[:-1] + writing])
            wrote.append(step > stay)
            score = np.maximum(stay, step)
        if not np.isfinite(score[-1]):
            return list(range(len(letters)))
        places: list[int] = []
        for slot in reversed(range(len(wrote))):
            if wrote[slot][len(letters) - len(places)]:
                places.append(slot)
        return places[::-1]
