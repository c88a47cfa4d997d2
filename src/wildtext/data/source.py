"""Where samples come from."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

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


def reason_of(error: SampleError, where: str) -> str:
    """The message of an error without the name of the sample that it begins with."""
    return str(error).removeprefix(f"{where}: ")


def kind_of(reason: str) -> str:
    """A reason without what differs from sample to sample, which stands after a colon or in parentheses.

    >>> kind_of("too small: 1 x 30 pixels; text needs at least 2 in both directions")
    'too small'
    """
    return re.split(r":|\(", reason, maxsplit=1)[0].strip()
