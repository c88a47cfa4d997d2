"""Where samples come from."""

from __future__ import annotations

from typing import Protocol

from wildtext.types import Floats, Sample


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
