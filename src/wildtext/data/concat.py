"""Several labelled sources behind one index."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from wildtext.data.source import LabelledSource, fetch, texts
from wildtext.errors import SampleError
from wildtext.types import Floats, Sample


class ConcatSource:
    """The samples of several sources, one source after the other.

    Args:
        name: what messages call the whole, e.g. the folder that holds the parts.
        parts: the sources.
    """

    def __init__(self, name: str, parts: Sequence[LabelledSource]):
        self.name = name
        self.parts = tuple(parts)
        self._starts = [0, *accumulate(part.size for part in parts)]

    @property
    def size(self) -> int:
        """Number of samples of all parts together."""
        return self._starts[-1]

    def where(self, index: int) -> str:
        """What the part calls this sample."""
        part, inner = self._locate(index)
        return part.where(inner)

    def text(self, index: int) -> str:
        """Label of a sample, as it is stored.

        Raises:
            SampleError: there is none, or it is no text.
        """
        part, inner = self._locate(index)
        return part.text(inner)

    def content(self, index: int) -> bytes:
        """The encoded image file of a sample.

        Raises:
            SampleError: it cannot be read.
        """
        part, inner = self._locate(index)
        return part.content(inner)

    def boxes(self, index: int) -> Floats | None:
        """Character boxes (len(text), 4, 2) of a sample in pixels of its image, where they are known.

        Raises:
            SampleError: they are malformed.
        """
        part, inner = self._locate(index)
        return part.boxes(inner)

    def __getitem__(self, index: int) -> Sample:
        """Decode a sample.

        Raises:
            SampleError: it is broken.
        """
        part, inner = self._locate(index)
        return part[inner]

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        """Decode many samples, with the error in place of each that is broken."""
        return fetch([self._locate(index) for index in indices])

    def texts(self) -> Iterator[str | SampleError]:
        """The labels of all samples in order, with the error in place of each that cannot be read."""
        for part in self.parts:
            yield from texts(part)

    def _locate(self, index: int) -> tuple[LabelledSource, int]:
        if not 0 <= index < self.size:
            raise IndexError(f"{self.name} has samples 0 to {self.size - 1}, not {index}")
        number = bisect_right(self._starts, index) - 1
        return self.parts[number], index - self._starts[number]
