"""Where samples come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from wildtext.errors import SampleError
from wildtext.types import Floats, Sample

Progress = Callable[[int, int], None]
"""Told, while a source is gone through, how many samples are done and how many there are."""


class Source(Protocol):
    """An indexable collection of labelled images; finite, or endless like the synthetic one."""

    @property
    def name(self) -> str:
        """For messages, e.g. the path."""

    @property
    def size(self) -> int | None:
        """Number of samples; None where it is endless."""

    def __getitem__(self, index: int) -> Sample:
        """Sample `index`, from 0.

        Raises:
            SampleError: this sample is broken; the message names it.
        """


@runtime_checkable
class BatchedSource(Protocol):
    """A source that makes many samples at once faster than one by one."""

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        """The samples of the given indices, in order, with the error in place of each that is broken."""


def fetch(draws: Sequence[tuple[Source, int]]) -> list[Sample | SampleError]:
    """Get samples of several sources, in order, with the error in place of each that is broken."""
    places: dict[int, list[int]] = {}
    for place, (source, _) in enumerate(draws):
        places.setdefault(id(source), []).append(place)
    fetched: dict[int, Sample | SampleError] = {}
    for chosen in places.values():
        source = draws[chosen[0]][0]
        indices = [draws[place][1] for place in chosen]
        samples = source.samples(indices) if isinstance(source, BatchedSource) else _one_by_one(source, indices)
        fetched.update(zip(chosen, samples, strict=True))
    return [fetched[place] for place in range(len(draws))]


def _one_by_one(source: Source, indices: Sequence[int]) -> list[Sample | SampleError]:
    samples: list[Sample | SampleError] = []
    for index in indices:
        try:
            samples.append(source[index])
        except SampleError as error:
            samples.append(error)
    return samples


class LabelledSource(Source, Protocol):
    """A finite source whose labels can be had without decoding images, and whose images are stored files."""

    @property
    def size(self) -> int:
        """Number of samples."""

    def where(self, index: int) -> str:
        """What messages call sample `index`, e.g. the path of its image. Messages of a SampleError begin with it."""

    def text(self, index: int) -> str:
        """The label of sample `index` as it is stored.

        Raises:
            SampleError: the label is missing or is no text.
        """

    def content(self, index: int) -> bytes:
        """The encoded image file of sample `index`, as it is stored.

        Raises:
            SampleError: the image is missing or cannot be read.
        """

    def boxes(self, index: int) -> Floats | None:
        """Character boxes of sample `index`, (len(text), 4, 2) in pixels of its image; None where nothing is known.

        Raises:
            SampleError: the boxes are malformed.
        """


@runtime_checkable
class ScannedSource(Protocol):
    """A source that reads all labels in a row faster than one by one."""

    def texts(self) -> Iterator[str | SampleError]:
        """The labels of all samples in order, with the error in place of each that cannot be read."""


def texts(source: LabelledSource) -> Iterator[str | SampleError]:
    """The labels of all samples of a source in order, with the error in place of each that cannot be read."""
    return source.texts() if isinstance(source, ScannedSource) else _texts_one_by_one(source)


def _texts_one_by_one(source: LabelledSource) -> Iterator[str | SampleError]:
    for index in range(source.size):
        try:
            yield source.text(index)
        except SampleError as error:
            yield error


def reason_of(error: SampleError, where: str) -> str:
    """The message of an error without the name of the sample that it begins with."""
    return str(error).removeprefix(f"{where}: ")


def kind_of(reason: str) -> str:
    """A reason without what differs from sample to sample, which stands after a colon or in parentheses.

    >>> kind_of("too small: 1 x 30 pixels; text needs at least 2 in both directions")
    'too small'
    """
    return re.split(r":|\(", reason, maxsplit=1)[0].strip()
