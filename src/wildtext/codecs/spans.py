"""Where in an image the columns of a network look."""

from __future__ import annotations

from wildtext.types import Floats


def span(
    first: int, last: int, columns: int, valid_width: float, column_x: Floats | None = None
) -> tuple[float, float]:
    """The part of an image that neighbouring columns look at, half a column beyond the middles of the outer ones.

    Args:
        first: the leftmost column.
        last: the rightmost column, included.
        columns: how many columns the canvas has.
        valid_width: share of the canvas width that holds the image, in (0, 1].
        column_x: (columns,) where in the canvas the middle of each column looks, as a share of its width; None where
            columns lie side by side.

    Returns:
        Start and end as shares of the image's width, in [0, 1].
    """
    if column_x is None:
        return _in_image(first / columns, valid_width), _in_image((last + 1) / columns, valid_width)
    left, right = sorted((float(column_x[first]), float(column_x[last])))  # a rectified column may look further left
    half = 0.5 / columns
    return _in_image(left - half, valid_width), _in_image(right + half, valid_width)


def _in_image(place: float, valid_width: float) -> float:
    return min(max(place / valid_width, 0.0), 1.0)
