"""Where the camera and the box around the word stand. What comes into sight repeats the pixels of the edge."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image as pillow

from wildtext.images.corruptions.corruption import Corruption, Random, bilinear, resized
from wildtext.types import Image

_MARGIN = 4
"""Sides that are not cut off get a margin so many times as wide."""

_LEAST = 2
"""Columns; fewer are no picture of text to a recogniser."""


def _rotation(image: Image, degrees: float, random: Random) -> Image:
    """All of the picture stays in sight, as in the upright box around a word that is not."""
    height, width = image.shape[:2]
    angle = math.radians(degrees) * _sign(random)
    cos, sin = math.cos(angle), math.sin(angle)
    rows = max(round(height * cos + width * abs(sin)), 1)
    columns = max(round(width * cos + height * abs(sin)), 1)
    x = (np.arange(columns, dtype=np.float32) - (columns - 1) / 2)[None, :]
    y = (np.arange(rows, dtype=np.float32) - (rows - 1) / 2)[:, None]
    return bilinear(image, cos * x + sin * y + (width - 1) / 2, cos * y - sin * x + (height - 1) / 2)


def _perspective(image: Image, share: float, random: Random) -> Image:
    """One end is farther away and less high by a share; the other fills the picture."""
    mirrored = random.random() < 0.5
    upper = share * random.random()
    height, width = image.shape[:2]
    x = (np.arange(width, dtype=np.float32) + 0.5) / width
    seen = 1 - share * x
    y = ((np.arange(height, dtype=np.float32) + 0.5)[:, None] / height - upper * x) / seen
    # A projective map that leaves vertical lines vertical and squeezes the far end as it does its height.
    across = np.broadcast_to(x * (1 - share) / seen, y.shape)
    near_left = image[:, ::-1] if mirrored else image
    moved = bilinear(near_left, across * width - 0.5, y * height - 0.5)
    return np.ascontiguousarray(moved[:, ::-1] if mirrored else moved)


def _crop_shift(image: Image, amount: float, random: Random) -> Image:
    height, width = image.shape[:2]
    shares = np.where(random.random(4) < 0.5, -amount, _MARGIN * amount)
    top, bottom, left, right = (shares * height).astype(int).tolist()
    kept = image[max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0)]
    return np.pad(kept, ((max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)), (0, 0)), mode="edge")


def _aspect(image: Image, factor: float, random: Random) -> Image:
    height, width = image.shape[:2]
    columns = max(round(width * factor ** _sign(random)), _LEAST)
    return resized(image, height, columns, pillow.Resampling.BICUBIC)


def _sign(random: Random) -> int:
    return 1 if random.random() < 0.5 else -1


GEOMETRY = (
    Corruption(
        "rotation", "geometry", "turned either way; all of the picture stays in sight",
        (5, 10, 15, 22, 30), "degrees", _rotation,
    ),
    Corruption(
        "perspective", "geometry", "one end farther away than the other",
        (0.2, 0.35, 0.5, 0.6, 0.7), "height that is lost there", _perspective,
    ),
    Corruption(
        "crop-shift", "geometry", "each side cut off, or given a margin four times as wide",
        (0.03, 0.06, 0.09, 0.13, 0.18), "heights cut off", _crop_shift,
    ),
    Corruption(
        "aspect", "geometry", "narrower or wider",
        (1.5, 2.0, 2.5, 3.5, 5.0), "factor", _aspect,
    ),
)  # fmt: skip
