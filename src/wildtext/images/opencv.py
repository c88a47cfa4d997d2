"""OpenCV's bilinear resizing and its grey, for weights that were trained behind them; no OpenCV is needed.

`cv2.resize` with its default `INTER_LINEAR` mixes the two nearest pixels along each axis, however much it shrinks, so
large pictures come out jagged where Pillow's filters make them smooth. The weights of PaddleOCR, mmocr and others were
trained on such pictures, and read as their authors measured only with the same.

On 8-bit pictures OpenCV computes in whole numbers, with shares in 1/2048 and values cut off on the way. The functions
here do the same step by step, so every pixel is the same (as of OpenCV 4.5.5 to 4.13 on x86-64; builds for other
processors may round otherwise), with numpy as with torch. OpenCV's two special cases need none here: a picture that
keeps its size comes out as it is, and one that is halved both ways as means of 2 x 2 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from wildtext.types import Image

if TYPE_CHECKING:
    from torch import Tensor

Whole = TypeVar("Whole", "NDArray[np.int32]", "Tensor")
"""Whole numbers of 32 bits, in an array or a tensor."""

_ONE = 2048


def resize(image: Image, height: int, width: int) -> Image:
    """What `cv2.resize(image, (width, height))` gives.

    Args:
        image: (h, w, 3) uint8.
        height: rows to bring it to.
        width: columns to bring it to.

    Returns:
        (height, width, 3) uint8.
    """
    left, right, across = taps(image.shape[1], width, width)
    upper, lower, down = taps(image.shape[0], height, height)
    needed, places = np.unique(np.stack([upper, lower]), return_inverse=True)
    rows = image[needed]
    first, second = (rows.take(pixels, 1).astype(np.int32).reshape(len(needed), -1) for pixels in (left, right))
    above, below = mix_columns(first, second, across.repeat(3))[places.reshape(2, height)]
    resized: NDArray[np.int32] = mix_rows(above, below, down[:, None])
    return resized.astype(np.uint8).reshape(height, width, 3)


def grey(red: Whole, green: Whole, blue: Whole) -> Whole:
    """Brightness (ITU-R 601) as in `cv2.cvtColor`, in 15 bits: whole numbers in [0, 255]."""
    return (red * 9798 + green * 19235 + blue * 3735 + (1 << 14)) >> 15


def taps(
    size: int | NDArray[np.int64], wanted: int | NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Which two pixels of a line of `size` each pixel of a line of `wanted` mixes.

    Args:
        size: pixels of the line as it is; (N, 1) for N lines at once.
        wanted: pixels that it should have; likewise.
        count: pixels to answer for, from the first; those beyond `wanted` repeat the edge.

    Returns:
        The first pixel, the second, and the share of the second in 1/2048, each (count,) or (N, count).
    """
    # OpenCV divides twice and goes through single precision, and so do the shares.
    scale = 1 / (wanted / size)
    centres = ((np.arange(count) + 0.5) * scale - 0.5).astype(np.float32)
    before = np.floor(centres)
    # OpenCV rounds the share of the first as well; up to 4096 pixels both always add up to one.
    share = np.rint((centres - before) * _ONE).astype(np.int32)
    first = before.astype(np.int64)
    return np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1), share


def mix_columns(left: Whole, right: Whole, share: Whole) -> Whole:
    """The horizontal step: from whole grey levels to grey levels in 1/128, cut off so that 16 bits hold them."""
    return (left * (_ONE - share) + right * share) >> 4


def mix_rows(above: Whole, below: Whole, share: Whole) -> Whole:
    """The vertical step: from grey levels in 1/128 to whole ones; each product is cut off at a quarter."""
    return (((above * (_ONE - share)) >> 16) + ((below * share) >> 16) + 2) >> 2
