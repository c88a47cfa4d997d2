"""Where samples come from."""

from __future__ import annotations

from typing import Protocol

from wildtext.types import Sample


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
    """A finite source whose labels can be had without decoding images."""

    @property
    def size(self) -> int:
        """Number of samples."""

    def text(self, index: int) -> str:
        """The label of sample `index` as it is stored."""
