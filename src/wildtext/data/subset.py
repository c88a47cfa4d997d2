"""Some samples of a source, as a source of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from wildtext.data.source import LabelledSource, fetch
from wildtext.errors import SampleError
from wildtext.types import Floats, Sample

Items = TypeVar("Items", bound="Sequence[Any] | NDArray[np.int64]")


def spread(items: Items, most: int) -> Items:
    """All items, or so many at even distances, the first and the last among them."""
    if len(items) <= most:
        return items
    places = np.linspace(0, len(items) - 1, most).round().astype(int)
    return cast(Items, items[places] if isinstance(items, np.ndarray) else [items[place] for place in places])


class Subset:
    """The samples of a source that have the given indices, in their order.

    Args:
        source: all samples.
        indices: those that count.
    """

    def __init__(self, source: LabelledSource, indices: Sequence[int] | NDArray[np.int64]):
        self.source = source
        self.indices = np.asarray(indices, np.int64)
        self.name = source.name

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.indices)

    def where(self, index: int) -> str:
        """What the source calls this sample."""
        return self.source.where(self._inner(index))

    def text(self, index: int) -> str:
        """Label of a sample, as it is stored.

        Raises:
            SampleError: there is none, or it is no text.
        """
        return self.source.text(self._inner(index))

    def content(self, index: int) -> bytes:
        """The encoded image file of a sample.

        Raises:
            SampleError: it cannot be read.
        """
        return self.source.content(self._inner(index))

    def boxes(self, index: int) -> Floats | None:
        """Character boxes (len(text), 4, 2) of a sample in pixels of its image, where they are known.

        Raises:
            SampleError: they are malformed.
        """
        return self.source.boxes(self._inner(index))

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        """The samples of the given indices, in order, with the error in place of each that is broken."""
        return fetch([(self.source, self._inner(index)) for index in indices])

    def __getitem__(self, index: int) -> Sample:
        """Decode a sample.

        Raises:
            SampleError: it is broken.
        """
        return self.source[self._inner(index)]

    def _inner(self, index: int) -> int:
        return int(self.indices[index])
