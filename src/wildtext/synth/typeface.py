"""One font: its glyphs, its kerning, and what it can draw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageFont, features

from wildtext.errors import DataError

RAQM = features.check_feature("raqm")
"""Whether Pillow can kern as fonts of today want it; its wheels can where the system has FriBiDi."""

_GLYPHS = 256
_PAIRS = 1024
"""What a font keeps of both; 1,800 fonts take up to a gigabyte when all is filled."""
_TELLING = "aegrt"
"""Small letters that look least like their capitals."""
# Letters are drawn one by one, so a pair must not be measured as a ligature or with letters made for the pair.
_SINGLE = ["-liga", "-clig", "-calt"]


@dataclass(frozen=True, slots=True, eq=False)
class Glyph:
    """One character as a font draws it, cut to its ink.

    Attributes:
        ink: (h, w) uint8 coverage, read-only; (0, 0) for a blank.
        left: pixels from the pen to the left end of the ink; negative where it reaches back.
        top: pixels from the ascender line of the font down to the top of the ink; negative where it reaches above.
        advance: pixels from this pen to the next.
    """

    ink: NDArray[np.uint8]
    left: int
    top: int
    advance: float


class Typeface:
    """A font at one size.

    Args:
        path: a font file.
        size: em size in pixels.
        name: what messages and parameters call it; the path if empty.
        style: one of the keys of `wildtext.synth.fonts.SHARES`.

    Raises:
        DataError: the file cannot be opened as a font.
    """

    def __init__(self, path: Path, size: int, *, name: str = "", style: str = "unknown"):
        self.path = path
        self.size = size
        self.name = name or path.as_posix()
        self.style = style
        self.font = self._open(ImageFont.Layout.BASIC)
        self._shaping: ImageFont.FreeTypeFont | None = None
        self._glyphs: dict[str, Glyph] = {}
        self._kerning: dict[tuple[str, str], float] = {}
        self._lengths: dict[str, float] = {}
        self._missing = self._draw("\ufffe")
        self._covered = {" "}
        self._uncovered: set[str] = set()

    def covers(self, text: str) -> bool:
        """Whether every character of the text has a glyph with ink, or is a space."""
        return self._covered.issuperset(text) or all(self._covers(character) for character in text)

    @cached_property
    def capitals_only(self) -> bool:
        """Whether small letters are drawn as capitals, of whatever size."""
        return self.covers(_TELLING) and all(
            _likeness(self.glyph(letter).ink, self.glyph(letter.upper()).ink) > 0.85 for letter in _TELLING
        )

    def glyph(self, character: str) -> Glyph:
        """One character as the font draws it by itself; what the font shows for a missing one if it has none.

        Raises:
            DataError: the font is broken at this character.
        """
        known = self._glyphs.get(character)
        if known is None:
            if len(self._glyphs) >= _GLYPHS:
                del self._glyphs[next(iter(self._glyphs))]
            known = self._glyphs[character] = self._draw(character)
        return known

    def kerning(self, left: str, right: str) -> float:
        """Pixels to add between two neighbouring characters; negative brings them closer.

        Without Raqm in Pillow only the old kern tables count, which few fonts have.
        """
        pair = (left, right)
        known = self._kerning.get(pair)
        if known is None:
            if len(self._kerning) >= _PAIRS:
                del self._kerning[next(iter(self._kerning))]
            alone = self._length(left) + self._length(right)
            known = self._kerning[pair] = self._measure(left + right) - alone
        return known

    def _open(self, layout: ImageFont.Layout) -> ImageFont.FreeTypeFont:
        try:
            return ImageFont.truetype(self.path, self.size, layout_engine=layout)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: not a usable font: {error}") from error

    def _covers(self, character: str) -> bool:
        if character in self._covered:
            return True
        if character in self._uncovered:
            return False
        # Pillow does not tell a missing glyph from a present one, but all missing ones look the same.
        drawn = self.glyph(character)
        covered = drawn.ink.size > 0 and not np.array_equal(drawn.ink, self._missing.ink)
        (self._covered if covered else self._uncovered).add(character)
        return covered

    def _draw(self, character: str) -> Glyph:
        try:
            mask, (left, top) = self.font.getmask2(character, mode="L")
            advance = self.font.getlength(character)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: the font is broken at {character!r}: {error}") from error
        box = mask.getbbox()
        if box is None:
            return Glyph(np.zeros((0, 0), np.uint8), 0, 0, advance)
        width, height = mask.size
        coverage = np.frombuffer(bytes(mask), np.uint8).reshape(height, width)
        ink = coverage[box[1] : box[3], box[0] : box[2]].copy()
        ink.setflags(write=False)
        return Glyph(ink, int(left) + box[0], int(top) + box[1], advance)

    def _length(self, character: str) -> float:
        known = self._lengths.get(character)
        if known is None:
            known = self._lengths[character] = self._measure(character)
        return known

    def _measure(self, text: str) -> float:
        if not RAQM:
            return self.font.getlength(text)
        if self._shaping is None:
            self._shaping = self._open(ImageFont.Layout.RAQM)
        return self._shaping.getlength(text, features=_SINGLE)


def _likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of two glyphs at one size, at most 1."""
    first, second = (np.asarray(pillow.fromarray(ink).resize((16, 16)), np.float64) for ink in (one, other))
    first, second = first - first.mean(), second - second.mean()
    return float((first * second).sum() / max(np.sqrt((first**2).sum() * (second**2).sum()), 1e-6))
