"""What the parts of a picture share: its width, the place of the crop, colours, and how numbers are written."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image as pillow
from PIL import ImageDraw

from wildtext.inference.evidence import Choice
from wildtext.types import Image

Colour = tuple[int, int, int]

WIDTH = 1200
"""Pixels; of every picture."""

MARGIN = 72
INNER = WIDTH - 2 * MARGIN
GAP = 18

PAPER: Colour = (255, 255, 255)
INK: Colour = (32, 33, 36)
FAINT: Colour = (112, 116, 122)
BAR: Colour = (236, 237, 240)

_TALLEST, _LEAST = 200, 32
"""Pixels that an enlarged crop is high at most, and at least; for pictures of no shape that text has."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the crop lies on the sheet, in pixels."""

    left: int
    width: int
    height: int

    @classmethod
    def of(cls, image: Image) -> Frame:
        """The place for an image, as large as fits."""
        height, width = image.shape[:2]
        scale = min(INNER / width, _TALLEST / height)
        shown = max(round(width * scale), _LEAST)
        return cls(MARGIN + (INNER - shown) // 2, shown, max(round(height * scale), _LEAST))

    def x(self, share: float) -> float:
        """Where a share of the width of the image lies."""
        return self.left + min(max(share, 0.0), 1.0) * self.width

    def scaled(self, image: Image) -> pillow.Image:
        """The image at the size that it has on the sheet."""
        return pillow.fromarray(image).resize((self.width, self.height), pillow.Resampling.BICUBIC)


def block(height: int) -> tuple[pillow.Image, ImageDraw.ImageDraw]:
    """A blank strip of the sheet, and what draws on it."""
    picture = pillow.new("RGB", (WIDTH, height), PAPER)
    return picture, ImageDraw.Draw(picture)


def mixed(ground: Colour, colour: Colour, share: float) -> Colour:
    """A colour laid over another, as thick as `share` in [0, 1] says."""
    red, green, blue = (round(low + share * (high - low)) for low, high in zip(ground, colour, strict=True))
    return red, green, blue


def percent(probability: float) -> str:
    """A probability for people, which is 0 or 100 % only where it is so."""
    if 0 < probability < 0.001:
        return "<0.1%"
    return ">99.9%" if 0.999 < probability < 1 else f"{probability:.1%}"


def named(choice: Choice) -> str:
    """What stands for a choice: its text, or a word for what cannot be seen."""
    return choice.special or visible(choice.text)


def visible(text: str) -> str:
    """A text that is not mistaken for none: blanks at its ends become open boxes."""
    inner = text.strip(" ")
    before = len(text) - len(text.lstrip(" "))
    return "␣" * before + inner + "␣" * (len(text) - before - len(inner)) if text else "nothing"
