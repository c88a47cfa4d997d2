"""Noise of the four kinds of ImageNet-C (Hendrycks and Dietterich, ICLR 2019), on the grain of a small picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wildtext.images.corruptions.corruption import Corruption, Random, as_if_small
from wildtext.types import Image

_WHITE = 255


def _gaussian(image: Image, deviation: float, random: Random) -> Image:
    return as_if_small(image, lambda copy: copy + random.standard_normal(copy.shape) * deviation * _WHITE)


def _shot(image: Image, photons: float, random: Random) -> Image:
    return as_if_small(image, lambda copy: random.poisson(copy / _WHITE * photons) * (_WHITE / photons))


def _impulse(image: Image, share: float, random: Random) -> Image:
    def with_extremes(copy: Image) -> NDArray[np.floating]:
        chance, white = random.random(copy.shape), random.random(copy.shape) < 0.5
        return np.where(chance < share, white * _WHITE, copy).astype(np.float32)

    return as_if_small(image, with_extremes)


def _speckle(image: Image, deviation: float, random: Random) -> Image:
    return as_if_small(image, lambda copy: copy * (1 + random.standard_normal(copy.shape) * deviation))


NOISE = (
    Corruption(
        "gaussian-noise", "noise", "normal noise, as in little light",
        (0.05, 0.08, 0.12, 0.18, 0.26), "standard deviation, white is 1", _gaussian,
    ),
    Corruption(
        "shot-noise", "noise", "Poisson noise of single photons",
        (100, 60, 25, 12, 6), "photons of a white pixel", _shot,
    ),
    Corruption(
        "impulse-noise", "noise", "values that are fully on or off",
        (0.01, 0.03, 0.06, 0.10, 0.17), "share of the values", _impulse,
    ),
    Corruption(
        "speckle-noise", "noise", "noise in proportion to the brightness",
        (0.10, 0.15, 0.25, 0.35, 0.50), "standard deviation, the brightness is 1", _speckle,
    ),
)  # fmt: skip
