"""Light, and what stands between the camera and the text."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.images.corruptions.corruption import Corruption, Random, grey_levels
from wildtext.types import Floats, Image

_OCTAVES = 4
_DECAY = 2.0
"""Each octave of fog is so many times as weak as the one before."""
_SOFT = 0.1
"""Heights that the edge of a shadow is wide."""
_BAR_EVERY = 2
"""Heights of width for each bar."""
_SLANT = math.radians(30)
"""The most that edges and bars lean to either side."""


def _brightness(image: Image, amount: float, random: Random) -> Image:
    return grey_levels(image + 255 * amount)


def _contrast(image: Image, factor: float, random: Random) -> Image:
    mean = image.mean(axis=(0, 1))
    return grey_levels((image - mean) * factor + mean)


def _fog(image: Image, amount: float, random: Random) -> Image:
    """Half as thick at its thinnest place."""
    share = amount * (1 + _clouds(image.shape[0], image.shape[1], random)) / 2
    return grey_levels(image + (255 - image.astype(np.float32)) * share[..., None])


def _clouds(height: int, width: int, random: Random) -> Floats:
    """(height, width) in [0, 1]: noise of several sizes, of which the largest is as high as the picture."""
    total = np.zeros((height, width), np.float32)
    for octave in range(_OCTAVES):
        cells = 2**octave
        coarse = random.standard_normal((cells + 1, max(round(cells * width / height), 1) + 1)).astype(np.float32)
        fine = pillow.fromarray(coarse).resize((width, height), pillow.Resampling.BICUBIC)
        total += np.asarray(fine) / _DECAY**octave
    clouds: Floats = (total - total.min()) / max(float(np.ptp(total)), 1e-6)
    return clouds


def _shadow(image: Image, darkness: float, random: Random) -> Image:
    """Over one half of the picture or the other; the edge goes through its middle third."""
    height, width = image.shape[:2]
    side = 1 if random.random() < 0.5 else -1
    distance = side * _distance(height, width, random.uniform(1 / 3, 2 / 3) * width, random.uniform(-_SLANT, _SLANT))
    shade = np.clip(distance / (_SOFT * height) + 0.5, 0, 1)
    return grey_levels(image * (1 - darkness * shade[..., None]))


def _occlusion(image: Image, thickness: float, random: Random) -> Image:
    """Bars of one colour."""
    height, width = image.shape[:2]
    colour = random.uniform(0, 255, 3)
    count = max(round(width / (_BAR_EVERY * height)), 1)
    places = (np.arange(count) + random.random(count)) * width / count
    covered = np.zeros((height, width))
    for place, slant in zip(places, random.uniform(-_SLANT, _SLANT, count), strict=True):
        distance = abs(_distance(height, width, place, slant))
        covered = np.maximum(covered, np.clip(thickness * height / 2 + 0.5 - distance, 0, 1))
    return grey_levels(image + (colour - image) * covered[..., None])


def _distance(height: int, width: int, place: float, slant: float) -> NDArray[np.float64]:
    """(height, width) pixels to the right of a line that leans, and crosses the middle row at a place."""
    x = np.arange(width) + 0.5 - place
    y = np.arange(height)[:, None] + 0.5 - height / 2
    return x * math.cos(slant) + y * math.sin(slant)


SCENE = (
    Corruption(
        "brightness", "scene", "too much light; what is bright becomes white",
        (0.10, 0.25, 0.40, 0.55, 0.70), "light that is added, white is 1", _brightness,
    ),
    Corruption(
        "contrast", "scene", "less difference from the mean colour",
        (0.4, 0.3, 0.2, 0.1, 0.05), "factor", _contrast,
    ),
    Corruption(
        "fog", "scene", "uneven white haze",
        (0.45, 0.65, 0.80, 0.90, 0.95), "share of white at the thickest place", _fog,
    ),
    Corruption(
        "shadow", "scene", "one half in the dark",
        (0.40, 0.60, 0.75, 0.85, 0.92), "light that is lost there", _shadow,
    ),
    Corruption(
        "occlusion", "scene", "bars across the text, one for each two heights of its width",
        (0.02, 0.05, 0.09, 0.14, 0.20), "thickness in heights", _occlusion,
    ),
)  # fmt: skip
