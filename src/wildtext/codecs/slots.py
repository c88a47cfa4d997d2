"""What decoders with one class per slot share: the best path through the slots, and the texts of the next best ones."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wildtext.types import Alternative

END = 0
"""The column of the end token in the scores that these functions take."""

_MOST_PATHS = 4096
"""Paths that are looked at for alternatives; only silent tokens can make many of them spell the same few texts."""

Path = tuple[int, ...]


def best_path(scores: NDArray[np.float64], *, stops: bool = True) -> Path:
    """The best column of each slot, up to and including the first end.

    Args:
        scores: (slots, columns) log probabilities, the end token in column `END`.
        stops: whether a text stops at an end; otherwise the path goes through all slots.
    """
    columns: list[int] = scores.argmax(axis=1).tolist()
    return tuple(columns[: columns.index(END) + 1] if stops and END in columns else columns)


def other_texts(
    scores: NDArray[np.float64], best: Path, text: Callable[[Path], str], count: int, *, stops: bool = True
) -> list[Alternative]:
    """The texts of the most probable paths that spell something else than the best one, most probable first.

    Args:
        scores: as for `best_path`.
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
                found.setdefault(spelled, float(np.exp(min(score, 0.0))))
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
