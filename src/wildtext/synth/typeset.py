"""Glyphs on a straight line or one below the other, with parts of other words around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.errors import DataError
from wildtext.images.effects import Drawn, Random
from wildtext.synth.typeface import Glyph, Typeface
from wildtext.types import Floats

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_EDGE = 2
"""Empty pixels around all ink, so that it can be resampled."""


@dataclass(frozen=True, eq=False)
class Line:
    """Glyphs before they are seen by anybody.

    Attributes:
        mask: (h, w) uint8 coverage.
        boxes: (len(text), 4, 2) ink of each character in pixels of the mask, clockwise from the character's own top
            left; NaN for blanks.
        ink: rectangle around the ink of the text, without what stands around it.
    """

    mask: NDArray[np.uint8]
    boxes: Floats
    ink: Rectangle


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    ink: NDArray[np.uint8]
    x: int
    y: int

    @property
    def rectangle(self) -> Rectangle:
        height, width = self.ink.shape
        return self.x, self.y, self.x + width, self.y + height


def typeset(text: str, face: Typeface, drawn: Drawn, random: Random) -> Line:
    """Set a text in one font.

    Args:
        text: a label; blanks leave a gap.
        face: must cover the text.
        drawn: amounts of `tracking`, `jitter` and `stacked`, and `neighbours` if there are any.
        random: places letters and neighbours.

    Raises:
        DataError: the text has no ink.
    """
    stacked = "stacked" in drawn
    placed = list(_stack(text, face, drawn["stacked"]["gap"]) if stacked else _run(text, face, drawn, random))
    inked = [glyph for glyph in placed if glyph is not None]
    if not inked:
        raise DataError(f"there is nothing to draw in {text!r}")
    ink = _around(inked)
    if "neighbours" in drawn:
        inked += _neighbours(text, face, ink, drawn["neighbours"]["sides"], random)
    boxes = np.full((len(text), 4, 2), np.nan, np.float32)
    left, top, right, bottom = (round(value) for value in _around(inked))
    x, y = _EDGE - left, _EDGE - top
    mask = np.zeros((bottom + y + _EDGE, right + x + _EDGE), np.uint8)
    for glyph in inked:
        height, width = glyph.ink.shape
        there = mask[glyph.y + y : glyph.y + y + height, glyph.x + x : glyph.x + x + width]
        np.maximum(there, glyph.ink, out=there)
    for index, own in enumerate(placed):
        if own is not None:
            boxes[index] = corners(_moved(own.rectangle, x, y), lying=stacked)
    return Line(mask, boxes, _moved(ink, x, y))


def _run(text: str, face: Typeface, drawn: Drawn, random: Random) -> Iterator[_Placed | None]:
    """From left to right."""
    tracking = face.size * drawn["tracking"]["em"]
    jitter = drawn.get("jitter", {"em": 0.0, "degrees": 0.0})
    lifts, turns = random.standard_normal((2, len(text))) if "jitter" in drawn else np.zeros((2, len(text)))
    pen, before = 0.0, ""
    for index, character in enumerate(text):
        glyph = face.glyph(character)
        if before:
            pen += face.kerning(before, character) + tracking
        lift = jitter["em"] * face.size * float(lifts[index])
        degrees = jitter["degrees"] * float(turns[index])
        yield _placed(glyph, pen, lift, degrees) if glyph.ink.size else None
        pen += glyph.advance
        before = character


def _placed(glyph: Glyph, pen: float, lift: float, degrees: float) -> _Placed:
    x, y = pen + glyph.left, glyph.top + lift
    if not degrees:
        return _Placed(glyph.ink, round(x), round(y))
    picture = pillow.fromarray(glyph.ink).rotate(degrees, pillow.Resampling.BILINEAR, expand=True)
    left, top, right, bottom = picture.getbbox() or (0, 0, *picture.size)
    height, width = glyph.ink.shape
    x, y = x + (width - picture.width) / 2 + left, y + (height - picture.height) / 2 + top
    return _Placed(np.asarray(picture)[top:bottom, left:right], round(x), round(y))


def _stack(text: str, face: Typeface, gap: float) -> Iterator[_Placed | None]:
    """From top to bottom, but lying on its side: turned by a quarter counter-clockwise, as readers turn tall crops."""
    pen = 0.0
    for character in text:
        ink = np.rot90(face.glyph(character).ink)
        if not ink.size:
            pen += face.size / 2
            yield None
            continue
        height, width = ink.shape
        yield _Placed(ink, round(pen), -height // 2)
        pen += width + gap * face.size


def _neighbours(text: str, face: Typeface, ink: Rectangle, sides: Sequence[float], random: Random) -> Iterator[_Placed]:
    """Words to the left and right, and lines above and below, as they reach into crops of real signs."""
    size = face.size
    letters = [letter for letter in f"{text}{'EARTNOLS' if text.isupper() else 'eartnols'}" if letter != " "]
    letters = [letter for letter in letters if face.covers(letter)]
    baseline = {"x": size * random.uniform(0.28, 0.6), "y": size * random.uniform(0.85, 1.3)}
    shift = ink[0] + size * random.uniform(-1, 1)
    starts = (
        (ink[0] - baseline["x"] - 1.5 * size, 0.0, 3),
        (ink[2] + baseline["x"], 0.0, 3),
        (shift, -baseline["y"], 9),
        (shift, baseline["y"], 9),
    )
    for (x, y, count), wanted in zip(starts, sides, strict=True):
        pen = x
        for choice in random.integers(len(letters), size=count if wanted else 0):
            glyph = face.glyph(letters[choice])
            placed = _Placed(glyph.ink, round(pen + glyph.left), round(y + glyph.top))
            pen += glyph.advance
            if glyph.ink.size and _near(placed.rectangle, ink, size):
                yield placed


def _near(one: Rectangle, other: Rectangle, reach: float) -> bool:
    apart = max(one[0] - other[2], other[0] - one[2], one[1] - other[3], other[1] - one[3])
    return apart < reach and not _beside_itself(one, other)


def _beside_itself(one: Rectangle, other: Rectangle) -> bool:
    """Whether two rectangles overlap in both directions: a neighbour must not hide the word."""
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])


def _around(glyphs: Sequence[_Placed]) -> Rectangle:
    left, top, right, bottom = zip(*(glyph.rectangle for glyph in glyphs), strict=True)
    return min(left), min(top), max(right), max(bottom)


def _moved(rectangle: Rectangle, x: float, y: float) -> Rectangle:
    return rectangle[0] + x, rectangle[1] + y, rectangle[2] + x, rectangle[3] + y


def corners(rectangle: Rectangle, *, lying: bool = False) -> list[tuple[float, float]]:
    """Clockwise from the top left; of what lies on its left side, from where its top left has come to be."""
    left, top, right, bottom = rectangle
    around = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return [around[3], *around[:3]] if lying else around
