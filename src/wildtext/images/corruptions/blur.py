"""Blurs of lens and movement."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageFilter

from wildtext.images.corruptions.corruption import Corruption, Random, grey_levels
from wildtext.types import Image

_DOTS = 4
"""Exposures for each pixel of a movement."""


def _gaussian(image: Image, sigma: float, random: Random) -> Image:
    return np.asarray(pillow.fromarray(image).filter(ImageFilter.GaussianBlur(sigma * len(image))))


def _defocus(image: Image, radius: float, random: Random) -> Image:
    return _convolved(image, _disc(radius * len(image)))


def _motion(image: Image, length: float, random: Random) -> Image:
    return _convolved(image, _line(length * len(image), random.uniform(0, math.pi)))


def _disc(radius: float) -> NDArray[np.float64]:
    reach = math.ceil(radius)
    places = np.arange(-reach, reach + 1)
    return np.clip(radius + 0.5 - np.hypot(places[:, None], places), 0, 1)


def _line(length: float, angle: float) -> NDArray[np.float64]:
    """A straight movement about the middle; each exposure is shared by the four pixels around its place."""
    reach = math.ceil(length / 2) + 1
    kernel = np.zeros((2 * reach + 1,) * 2)
    along = np.linspace(-length / 2, length / 2, max(math.ceil(_DOTS * length), 2))
    x, y = reach + along * math.cos(angle), reach + along * math.sin(angle)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for rows, columns in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        np.add.at(kernel, (rows, columns), (1 - abs(y - rows)) * (1 - abs(x - columns)))
    return kernel


def _convolved(image: Image, kernel: NDArray[np.float64]) -> Image:
    """A square kernel of odd size, scaled to a sum of 1; beyond the edges, the pixels there go on."""
    reach = len(kernel) // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    size = padded.shape[:2]
    spectrum = np.fft.rfft2(kernel / kernel.sum(), size)[..., None] * np.fft.rfft2(padded, axes=(0, 1))
    return grey_levels(np.fft.irfft2(spectrum, size, axes=(0, 1))[2 * reach :, 2 * reach :])


BLUR = (
    Corruption(
        "gaussian-blur", "blur", "a soft picture",
        (0.02, 0.035, 0.05, 0.065, 0.08), "sigma in heights", _gaussian,
    ),
    Corruption(
        "defocus-blur", "blur", "points become discs",
        (0.04, 0.06, 0.08, 0.10, 0.125), "radius in heights", _defocus,
    ),
    Corruption(
        "motion-blur", "blur", "a straight movement, in any direction",
        (0.06, 0.11, 0.16, 0.22, 0.30), "length in heights", _motion,
    ),
)  # fmt: skip
