"""Words that are cut out of photographs.

A crop is the upright rectangle around the word, so its pixels are those of the photograph and boxes of characters only
move. Crops are stored as JPEG of quality 95 with colour in full resolution: crops of IC15 and SVT then are 45 dB away
from the photograph, which is a JPEG itself, and take 4 KB each where PNG takes 11 KB and twice the time to decode.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.errors import ImageError, SampleError
from wildtext.images import decode, read_file
from wildtext.images.decode import MIN_SIDE
from wildtext.images.encode import encode
from wildtext.types import Floats, Image, Sample

_VISIBLE = 0.5
"""The share of a box that must lie in the photograph; less of a word cannot be read."""

_AREA = 1.0
"""Square pixels; the box of a character that has less is a line or a point."""


@dataclass(frozen=True, eq=False)
class Word:
    """A word in a photograph.

    Attributes:
        photograph: the file that shows it.
        text: what it says.
        outline: (N, 2) float, corners of its box as (x, y) in pixels of the photograph.
        characters: (len(text), 4, 2) float, boxes of its characters likewise, clockwise from their top left; None where
            nothing is known.
    """

    photograph: Path
    text: str
    outline: NDArray[np.floating]
    characters: NDArray[np.floating] | None = None


class Words(Protocol):
    """What a release says of the words in its photographs."""

    @property
    def name(self) -> str:
        """For messages, e.g. the path of the ground truth."""

    @property
    def size(self) -> int:
        """Number of words."""

    def where(self, index: int) -> str:
        """What messages call word `index`, from 0."""

    def word(self, index: int) -> Word:
        """Word `index`.

        Raises:
            ValueError: there is none to be read; the message is the reason.
        """


class CropSource:
    """The words of a release as samples. Words of one photograph should follow each other: it is then decoded once."""

    def __init__(self, words: Words):
        self.words = words
        self._decoded: tuple[Path, Image] | None = None

    @property
    def name(self) -> str:
        """What the release is called."""
        return self.words.name

    @property
    def size(self) -> int:
        """Number of words."""
        return self.words.size

    def where(self, index: int) -> str:
        """What the release calls a word."""
        return self.words.where(index)

    def text(self, index: int) -> str:
        """Label of a word.

        Raises:
            SampleError: there is none to be read.
        """
        return self._word(index).text

    def content(self, index: int) -> bytes:
        """The crop of a word as a JPEG file.

        Raises:
            SampleError: the photograph cannot be read, or has too little of the word.
        """
        return encode(pillow.fromarray(self._cut(index)), "JPEG", quality=95, subsampling=0)

    def boxes(self, index: int) -> Floats | None:
        """Character boxes (len(text), 4, 2) of a word in pixels of its crop, where they are known.

        They are rounded to hundredths. A character whose box has no area has none.

        Raises:
            SampleError: there is no word to be read.
        """
        word = self._word(index)
        if word.characters is None:
            return None
        moved: Floats = np.round(word.characters - np.maximum(_bounds(word.outline)[0], 0), 2).astype(np.float32)
        moved[~(_areas(moved) >= _AREA)] = np.nan
        return moved

    def __getitem__(self, index: int) -> Sample:
        """The crop of a word as it is in the photograph.

        Raises:
            SampleError: the photograph cannot be read, or has too little of the word.
        """
        return Sample(self._cut(index), self.text(index), self.boxes(index), self.where(index))

    def _word(self, index: int) -> Word:
        try:
            return self.words.word(index)
        except ValueError as error:
            raise SampleError(f"{self.where(index)}: {error}") from error

    def _cut(self, index: int) -> Image:
        word = self._word(index)
        try:
            photograph = self._photograph(word.photograph)
        except ImageError as error:
            raise SampleError(f"{self.where(index)}: {error}: {word.photograph}") from error
        try:
            left, top, right, bottom = frame(word.outline, photograph.shape[1], photograph.shape[0])
        except ValueError as error:
            raise SampleError(f"{self.where(index)}: {error}") from error
        return np.ascontiguousarray(photograph[top:bottom, left:right])

    def _photograph(self, path: Path) -> Image:
        if self._decoded is None or self._decoded[0] != path:
            self._decoded = path, decode(read_file(path))
        return self._decoded[1]


def frame(outline: NDArray[np.floating], width: int, height: int) -> tuple[int, int, int, int]:
    """The upright rectangle around a word as far as it lies in a photograph of this size: left, top, right, bottom.

    Raises:
        ValueError: too little of the word lies there.
    """
    if not np.isfinite(outline).all():
        raise ValueError("the box has no finite coordinates")
    low, high = _bounds(outline)
    inner_low, inner_high = np.maximum(low, 0), np.minimum(high, (width, height))
    full, inner = high - low, inner_high - inner_low
    described = f"from {low.tolist()} to {high.tolist()} in a picture of {width} x {height} pixels"
    if full.min() < MIN_SIDE:
        raise ValueError(f"the box is degenerate: {described}")
    if inner.min() <= 0:
        raise ValueError(f"the box lies outside the picture: {described}")
    if inner.min() < MIN_SIDE or inner.prod() < _VISIBLE * full.prod():
        raise ValueError(f"the box lies mostly outside the picture: {described}")
    left, top, right, bottom = (int(value) for value in (*inner_low, *inner_high))
    return left, top, right, bottom


def rectangle(left: float, top: float, width: float, height: float) -> NDArray[np.float64]:
    """The corners (4, 2) of an upright rectangle, clockwise from the top left."""
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def _bounds(outline: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The smallest and largest coordinates (x, y) of whole pixels that a box touches."""
    return np.floor(outline.min(axis=0)), np.ceil(outline.max(axis=0))


def _areas(quads: Floats) -> NDArray[np.floating]:
    """Areas of quadrilaterals (N, 4, 2) by the shoelace formula."""
    x, y = quads[..., 0], quads[..., 1]
    doubled = (x * np.roll(y, -1, axis=-1) - y * np.roll(x, -1, axis=-1)).sum(axis=-1)
    return np.asarray(np.abs(doubled) / 2)
