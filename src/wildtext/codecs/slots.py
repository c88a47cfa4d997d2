"""What heads with one class per slot share: target ids, the best path through the slots, and the next best texts."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

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
