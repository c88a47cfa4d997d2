"""What JPEG does to pictures, as batched tensor operations (ITU-T T.81)."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from wildtext.images.effects import spread

# ITU-T T.81, tables K.1 and K.2.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
_FROM_RGB = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def compress(pixels: Tensor, quality: Tensor) -> Tensor:
    """Compress with chroma at half resolution, and decompress.

    Coefficients are rounded smoothly, so that rounding errors of a processor stay as small as they are.

    Args:
        pixels: (N, 3, H, W) in [0, 255]; H and W are multiples of 16.
        quality: (N,) in [1, 100], as libjpeg counts it.
    """
    colours = _mix(pixels, _FROM_RGB)
    luma = _quantised(colours[:, :1] - 128, _LUMINANCE, quality) + 128
    chroma = torch.nn.functional.avg_pool2d(colours[:, 1:], 2)
    chroma = _quantised(chroma, _CHROMINANCE, quality)
    chroma = chroma.repeat_interleave(2, -1).repeat_interleave(2, -2)
    return _mix(torch.cat([luma, chroma], 1), _TO_RGB)


def _mix(planes: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    weights = torch.tensor(matrix, device=planes.device)
    return torch.matmul(weights, planes.flatten(2)).view(planes.shape)


def _quantised(planes: Tensor, table: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Round the cosine transform of each block of 8 x 8 to multiples of the table's steps."""
    count, channels, height, width = planes.shape
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    steps = (torch.tensor(table, device=planes.device) * spread(scale)).clamp(1, 255)[:, :, None]
    basis = _cosines(planes.device)
    # Blocks of 8 lie side by side along each axis, so one product per axis transforms them all.
    blocks = planes.reshape(count, channels * height // 8, 8, width // 8, 8).transpose(2, 3)
    coefficients = basis @ blocks @ basis.T / steps
    turns = coefficients * (2 * math.pi)
    rounded = (coefficients - torch.sin(turns) / (2 * math.pi)) * steps
    return (basis.T @ rounded @ basis).transpose(2, 3).reshape(planes.shape)


@cache
def _cosines(device: torch.device) -> Tensor:
    """(8, 8) orthonormal cosine basis, one frequency a row."""
    places = torch.arange(8, dtype=torch.float64)
    basis = torch.cos((2 * places + 1) * places[:, None] * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis.float().to(device)
