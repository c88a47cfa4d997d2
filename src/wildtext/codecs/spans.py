"""Where in an image the characters are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from wildtext.types import Floats

Span = tuple[float, float]


def centre(first: int, last: int, columns: int, valid_width: float, column_x: Floats | None = None) -> float:
    """The middle of what neighbouring columns look at.

    Args:
        first: the leftmost column.
        last: the rightmost column, included.
        columns: how many columns the canvas has.
        valid_width: share of the canvas width that holds the image, in (0, 1].
        column_x: (columns,) where in the canvas the middle of each column looks, as a share of its width; None where
            columns lie side by side.

    Returns:
        A share of the image's width, in [0, 1].
    """
    place = (first + last + 1) / (2 * columns) if column_x is None else float(column_x[first] + column_x[last]) / 2
    return min(max(place / valid_width, 0.0), 1.0)


def between(centres: Sequence[float]) -> list[Span]:
    """Spans of characters of which only the middles are known: borders lie half-way between neighbours.

    The first and the last character reach out as far as they reach in; a single one has the whole width.
    """
    if len(centres) < 2:
        return [(0.0, 1.0)] * len(centres)
    borders = [(left + right) / 2 for left, right in pairwise(centres)]
    outer = 2 * centres[0] - borders[0], 2 * centres[-1] - borders[-1]
    edges = [min(max(edge, 0.0), 1.0) for edge in (outer[0], *borders, outer[1])]
    return [(min(span), max(span)) for span in pairwise(edges)]  # a rectified column may look left of the one before


def attention_spans(maps: Mapping[str, Floats], slots: Sequence[int], valid_width: float) -> list[Span]:
    """Where the characters of slots were looked for: the columns around the peak that hold at least half of it.

    Args:
        maps: ``attention`` (T, h, w) of all slots, and ``column_x`` (w,) as for `centre`; without attention a span is
            the whole width.
        slots: the rows of the attention that are asked for.
        valid_width: share of the canvas width that holds the image, in (0, 1].
    """
    if "attention" not in maps:
        return [(0.0, 1.0)] * len(slots)
    columns = maps["attention"].sum(axis=1)
    width = columns.shape[1]
    spans: list[Span] = []
    for weights in columns[list(slots)]:
        peak = int(weights.argmax())
        strong = weights >= weights[peak] / 2
        first = peak - int(np.argmin(strong[peak::-1])) + 1 if not strong[: peak + 1].all() else 0
        last = peak + int(np.argmin(strong[peak:])) - 1 if not strong[peak:].all() else width - 1
        column_x, half = maps.get("column_x"), 0.5 / (width * valid_width)
        left, right = (centre(column, column, width, valid_width, column_x) for column in (first, last))
        spans.append((max(min(left, right) - half, 0.0), min(max(left, right) + half, 1.0)))
    return spans
