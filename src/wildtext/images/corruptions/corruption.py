"""What a corruption is, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.types import Floats, Image

Random = np.random.Generator

STRENGTHS = (1, 2, 3, 4, 5)
"""From barely seen to hard, though most words can still be read by a person."""

ROWS = 32
"""Rows of the copy that grain and compression belong to; recognisers look at pictures with about so many."""


@dataclass(frozen=True)
class Corruption:
    """One way in which pictures of text get worse.

    Attributes:
        name: for people and on the command line.
        group: noise, blur, scene, digital or geometry.
        description: what happens, in a line.
        amounts: at strengths 1 to 5.
        unit: of the amounts. Heights are those of the picture as it lies, of which the height is the shorter side.
        apply: changes a lying picture by an amount; what is random about it comes from the generator.
    """

    name: str
    group: str
    description: str
    amounts: tuple[float, float, float, float, float]
    unit: str
    apply: Callable[[Image, float, Random], Image]

    @property
    def moves(self) -> bool:
        """Whether characters are elsewhere afterwards, so that their boxes are lost."""
        return self.group == "geometry"


def grey_levels(values: NDArray[np.floating]) -> Image:
    """Values in any range as whole grey levels."""
    levels: Image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return levels


def resized(image: Image, height: int, width: int, filter: pillow.Resampling) -> Image:
    """A picture at another size, which is at least 1 x 1."""
    return np.asarray(pillow.fromarray(image).resize((max(width, 1), max(height, 1)), filter))


def as_if_small(image: Image, change: Callable[[Image], NDArray[np.floating]]) -> Image:
    """Change a copy of at most `ROWS` rows, and add what that did to it to the picture.

    Noise on single pixels of a large crop is gone once a recogniser has made it smaller; so grain is as large as it is
    in a crop of few rows, and does the same harm, while details of the picture stay.

    Args:
        image: (H, W, 3).
        change: gives the new values of the copy, in any range.
    """
    height, width = image.shape[:2]
    rows = min(height, ROWS)
    copy = resized(image, rows, round(width * rows / height), pillow.Resampling.BOX)
    harm = (change(copy) - copy).astype(np.float32)
    return grey_levels(image + harm[_nearest(height, len(harm))][:, _nearest(width, harm.shape[1])])


def _nearest(length: int, count: int) -> NDArray[np.int64]:
    return np.arange(length) * count // length


def bilinear(image: Image, x: Floats, y: Floats) -> Image:
    """Look up places of a picture; beyond its edges, the pixels there go on.

    Args:
        image: (H, W, 3).
        x: (h, w) columns; whole numbers are the middles of pixels.
        y: (h, w) rows, likewise.

    Returns:
        (h, w, 3)
    """
    x, y = np.clip(x, 0, image.shape[1] - 1), np.clip(y, 0, len(image) - 1)
    across, down = (x - np.floor(x))[..., None], (y - np.floor(y))[..., None]
    left, top = x.astype(int), y.astype(int)
    right, bottom = np.minimum(left + 1, image.shape[1] - 1), np.minimum(top + 1, len(image) - 1)
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[bottom, left] * (1 - across) + image[bottom, right] * across
    return grey_levels(upper * (1 - down) + lower * down)
