"""What is lost in files."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.images.corruptions.corruption import Corruption, Random, as_if_small, resized
from wildtext.images.encode import encode
from wildtext.types import Image


def _jpeg(image: Image, quality: float, random: Random) -> Image:
    def compressed(copy: Image) -> NDArray[np.floating]:
        file = io.BytesIO(encode(pillow.fromarray(copy), "JPEG", quality=int(quality)))
        return np.asarray(pillow.open(file)).astype(np.float32)

    return as_if_small(image, compressed)


def _pixelate(image: Image, rows: float, random: Random) -> Image:
    return _through(image, int(rows), pillow.Resampling.NEAREST)


def _low_resolution(image: Image, rows: float, random: Random) -> Image:
    return _through(image, int(rows), pillow.Resampling.BICUBIC)


def _through(image: Image, rows: int, enlarging: pillow.Resampling) -> Image:
    """A picture of few rows, enlarged again; one that has no more than these stays as it is."""
    height, width = image.shape[:2]
    if height <= rows:
        return image
    return resized(resized(image, rows, round(width * rows / height), pillow.Resampling.BOX), height, width, enlarging)


DIGITAL = (
    Corruption(
        "jpeg", "digital", "compression of a small copy",
        (40, 25, 15, 10, 6), "quality of libjpeg", _jpeg,
    ),
    Corruption(
        "pixelate", "digital", "blocks of one colour",
        (20, 16, 13, 11, 9), "rows of blocks", _pixelate,
    ),
    Corruption(
        "low-resolution", "digital", "few pixels, enlarged smoothly",
        (20, 15, 12, 10, 8), "rows", _low_resolution,
    ),
)  # fmt: skip
