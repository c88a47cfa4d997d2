"""Draw many samples of the synthetic source, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from wildtext.data.source import Progress
from wildtext.errors import DataError, SampleError
from wildtext.types import Sample

BLOCK = 64
"""Samples that are drawn together."""


class Drawable(Protocol):
    """An endless source that draws several samples at once, such as `SyntheticWords`."""

    @property
    def name(self) -> str:
        """For messages."""

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        """The samples of the given indices, in order, with the error in place of each that cannot be drawn."""


def check_count(count: int, start: int = 0) -> None:
    """Refuse to draw nothing.

    Raises:
        DataError: the count is below 1 or the start below 0.
    """
    if count < 1:
        raise DataError(f"the count is {count}, but at least 1 sample must be drawn")
    if start < 0:
        raise DataError(f"the start is {start}, but the first sample has index 0")


def blocks(start: int, stop: int) -> Iterator[range]:
    """The indices from `start` to `stop - 1`, in ranges of at most `BLOCK`."""
    for first in range(start, stop, BLOCK):
        yield range(first, min(first + BLOCK, stop))


def draw(
    source: Drawable, count: int, *, start: int = 0, progress: Progress | None = None
) -> tuple[list[Sample], list[SampleError]]:
    """Draw samples `start` to `start + count - 1`.

    Returns:
        Those that could be drawn, and the errors of the others.

    Raises:
        DataError: the count is below 1, the start below 0, or no sample could be drawn.
    """
    check_count(count, start)
    samples: list[Sample] = []
    errors: list[SampleError] = []
    for block in blocks(start, start + count):
        for drawn in source.samples(block):
            if isinstance(drawn, SampleError):
                errors.append(drawn)
            else:
                samples.append(drawn)
        if progress is not None:
            progress(len(samples) + len(errors), count)
    if not samples:
        raise DataError(f"{source.name}: none of {count} samples could be drawn; the first: {errors[0]}")
    return samples, errors
