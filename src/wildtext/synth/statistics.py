"""Plain numbers about one labelled crop, by which sets of crops can be compared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.images.brightness import split_level
from wildtext.types import Image, Sample

_ROWS = 32
"""Every crop is as high as this when its sharpness is measured."""

_LUMA = np.array([0.299, 0.587, 0.114])

Grey = NDArray[np.float64]


def luma(image: Image) -> Grey:
    """Brightness of each pixel of an RGB image, (H, W) in [0, 255] (ITU-R 601)."""
    grey: Grey = image @ _LUMA
    return grey


def brightness(image: Image) -> float:
    """Mean luma, in [0, 255]."""
    return float(luma(image).mean())


def saturation(image: Image) -> float:
    """Mean difference between the largest and the smallest of red, green and blue, in [0, 255]."""
    return float((image.max(axis=2).astype(np.int16) - image.min(axis=2)).mean())


def split(grey: Grey) -> float:
    """The luma that parts the pixels into a dark cluster, at or below it, and a bright one; see `split_level`."""
    return split_level(np.bincount(np.rint(grey).astype(np.intp).ravel(), minlength=256)) + 0.5


def contrast(image: Image) -> float:
    """Difference between the mean lumas of the bright and the dark cluster, in [0, 255]; 0 where there is only one."""
    grey = luma(image)
    bright = grey > split(grey)
    return float(grey[bright].mean() - grey[~bright].mean()) if bright.any() and not bright.all() else 0.0


def light_on_dark(image: Image) -> float:
    """1 where the text seems to be brighter than its ground, else 0.

    The outermost pixels are mostly ground, so the cluster that they have less of than the inside is taken for the text.
    """
    grey = luma(image)
    bright = grey > split(grey)
    rim = np.ones(bright.shape, bool)
    rim[1:-1, 1:-1] = False
    inside = bright[~rim]
    return float(inside.mean() > bright[rim].mean()) if inside.size else 0.0


def sharpness(image: Image) -> float:
    """Logarithm to base 10 of 1 + the variance of the Laplacian of luma, after scaling to 32 rows."""
    width = max(round(image.shape[1] * _ROWS / image.shape[0]), 3)
    small = pillow.fromarray(image).resize((width, _ROWS), pillow.Resampling.BILINEAR)
    grey = luma(np.asarray(small))
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    return float(np.log10(1 + laplacian.var()))


def height(image: Image) -> float:
    """Rows of the image."""
    return float(image.shape[0])


STATISTICS: dict[str, Callable[[Sample], float]] = {
    "brightness": lambda sample: brightness(sample.image),
    "contrast": lambda sample: contrast(sample.image),
    "light on dark": lambda sample: light_on_dark(sample.image),
    "saturation": lambda sample: saturation(sample.image),
    "sharpness": lambda sample: sharpness(sample.image),
    "height": lambda sample: height(sample.image),
    "width per character": lambda sample: sample.image.shape[1] / sample.image.shape[0] / len(sample.text),
    "label length": lambda sample: float(len(sample.text)),
}
"""What is measured of each sample, by its name; labels must not be empty."""


def wasserstein(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """How far, on average, values have to be moved to turn one distribution into the other (Wasserstein-1).

    >>> wasserstein(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    2.0
    """
    values = np.sort(np.concatenate([first, second]))
    below = [np.searchsorted(np.sort(one), values[:-1], side="right") / len(one) for one in (first, second)]
    return float((np.abs(below[0] - below[1]) * np.diff(values)).sum())
