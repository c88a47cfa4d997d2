"""`Preprocessing` as tensor operations, for pictures that are made on the device that the model is on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wildtext.images import opencv
from wildtext.images.effects import LUMA, Frames
from wildtext.images.preprocessing import Interpolation, Preprocessing


class _Places(NamedTuple):
    """Where pictures go: height and width of their canvas, and the columns (N,) of it that each fills."""

    height: int
    width: int
    contents: Tensor


def fit(frames: Frames, preprocessing: Preprocessing) -> Tensor:
    """Bring pictures to the canvas, as `Preprocessing.fit` does up to one grey level ("opencv-bilinear": exactly).

    Args:
        frames: pictures in whole grey levels, whose canvases have one size.
        preprocessing: decides canvas, colours and filter.

    Returns:
        (N, H, W, C) uint8; padding is zero.

    Raises:
        ValueError: the canvases have several sizes.
    """
    places = _places(frames, preprocessing)
    resize = _as_opencv if preprocessing.interpolation == "opencv-bilinear" else _as_pillow
    fitted = resize(frames, places, preprocessing)
    if preprocessing.color == "BGR":
        fitted = fitted.flip(1)
    beyond = torch.arange(places.width, device=fitted.device) >= places.contents[:, None]
    return fitted.masked_fill(beyond[:, None, None, :], 0).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def normalize(canvases: Tensor, valid_width: Sequence[float] | Tensor, preprocessing: Preprocessing) -> Tensor:
    """Turn canvases into model input, as `Preprocessing.normalize` does.

    Args:
        canvases: (N, H, W, C) uint8.
        valid_width: N shares.
        preprocessing: decides the numbers.

    Returns:
        (N, C, H, W) float32.
    """
    device = canvases.device
    mean = torch.tensor(preprocessing.mean, device=device)[:, None, None]
    std = torch.tensor(preprocessing.std, device=device)[:, None, None]
    # In place, as each new tensor costs more than the arithmetic.
    values = canvases.permute(0, 3, 1, 2).float().mul_(preprocessing.scale).sub_(mean).div_(std)
    width = canvases.shape[2]
    ends = (torch.as_tensor(valid_width, device=device) * width).round()
    if device.type == "cpu" and bool((ends >= width).all()):
        return values  # on a GPU it would take longer to ask than to fill
    beyond = torch.arange(width, device=device) >= ends[:, None]
    return values.masked_fill_(beyond[:, None, None, :], preprocessing.pad_value)


def _places(frames: Frames, preprocessing: Preprocessing) -> _Places:
    sizes = zip(frames.heights.tolist(), frames.widths.tolist(), strict=True)
    places = [preprocessing.canvas.place(int(height), int(width)) for height, width in sizes]
    canvases = {(place.height, place.width) for place in places}
    if len(canvases) != 1:
        raise ValueError(f"pictures that are fitted together need canvases of one size, not {sorted(canvases)}")
    (height, width), *_ = canvases
    return _Places(height, width, torch.tensor([place.content for place in places], device=frames.pixels.device))


def _as_pillow(frames: Frames, places: _Places, preprocessing: Preprocessing) -> Tensor:
    """Pictures in their places, with Pillow's filters: (N, C, H, W), BGR still as RGB."""
    pixels, (height, width, contents) = frames.pixels, places
    if preprocessing.color == "grey":
        luma = torch.tensor(LUMA, device=pixels.device)
        pixels = (pixels * luma[:, None, None]).sum(1, keepdim=True).round()
    full = torch.full_like(contents, height)
    across = _weights(frames.widths, contents, pixels.shape[3], width, preprocessing.interpolation)
    down = _weights(frames.heights, full, pixels.shape[2], height, preprocessing.interpolation)
    # Pillow rounds between the axes; like its version 13, first comes the one that leaves less to do for the other.
    down_first = (frames.heights > height) & (frames.widths < contents)
    fitted = torch.empty(len(pixels), pixels.shape[1], height, width, device=pixels.device)
    for chosen, order in ((down_first, (2, 3)), (~down_first, (3, 2))):
        part = pixels[chosen]
        for axis in order:
            part = _along(part, (down if axis == 2 else across)[chosen], axis).clamp(0, 255).round()
        fitted[chosen] = part
    return fitted


def _as_opencv(frames: Frames, places: _Places, preprocessing: Preprocessing) -> Tensor:
    """Pictures in their places, pixel for pixel as OpenCV's: (N, C, H, W), BGR still as RGB."""
    device, (height, width, contents) = frames.pixels.device, places

    def taps(sizes: Tensor, wanted: Tensor, count: int) -> list[Tensor]:
        size, goal = (line.cpu().numpy().astype(np.int64)[:, None] for line in (sizes, wanted))
        return [torch.from_numpy(part).to(device) for part in opencv.taps(size, goal, count)]

    left, right, across = taps(frames.widths, contents, width)
    upper, lower, down = taps(frames.heights, torch.full_like(contents, height), height)
    pixels = frames.pixels.to(torch.int32)
    first, second = (pixels.take_along_dim(places[:, None, None, :], 3) for places in (left, right))
    mixed = opencv.mix_columns(first, second, across[:, None, None, :])
    above, below = (mixed.take_along_dim(places[:, None, :, None], 2) for places in (upper, lower))
    fitted = opencv.mix_rows(above, below, down[:, None, :, None])
    return opencv.grey(*fitted.unbind(1))[:, None] if preprocessing.color == "grey" else fitted


def _along(planes: Tensor, weights: Tensor, axis: int) -> Tensor:
    """Apply weights (N, out, in) along the rows (2) or columns (3) of (N, C, H, W)."""
    return torch.matmul(weights[:, None], planes) if axis == 2 else torch.matmul(planes, weights[:, None].mT)


def _weights(sizes: Tensor, wanted: Tensor, length: int, count: int, interpolation: Interpolation) -> Tensor:
    """Pillow's filter along one axis, widened where it shrinks: (N, count, length)."""
    scale = sizes / wanted
    widened = scale.clamp(min=1.0)[:, None, None]
    centres = (torch.arange(count, device=sizes.device) + 0.5) * scale[:, None]
    places = torch.arange(length, device=sizes.device) + 0.5
    distance = ((places - centres[:, :, None]) / widened).abs()
    weights = _bicubic(distance) if interpolation == "bicubic" else (1 - distance).clamp(min=0)
    weights = weights * (places < sizes[:, None, None])
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)


def _bicubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution with a = -0.5."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, torch.zeros_like(far)))
