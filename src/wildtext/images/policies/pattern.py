"""Thin black lines over the picture, as in GridMask (Chen et al., arXiv:2001.04086)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from wildtext.images.effects import Amounts, Effect, Frames, spread


def _stripes(count: int, period: Tensor) -> Tensor:
    """(N, count): 1 at every last pixel of a period, else 0."""
    return (torch.arange(count, device=period.device) % period[:, None] >= period[:, None] - 1).float()


def _lines(frames: Frames, at: Amounts) -> Frames:
    """Every `columns`-th column and `rows`-th row is black; 0 leaves them out."""
    height, width = frames.pixels.shape[-2:]
    # With a period of more than all pixels there is no line.
    columns = at["columns"] + (at["columns"] < 1) * (width + 1)
    rows = at["rows"] + (at["rows"] < 1) * (height + 1)
    free = (1 - _stripes(width, columns))[:, None, None, :] * (1 - _stripes(height, rows))[:, None, :, None]
    return replace(frames, pixels=frames.pixels * free)


def _rings(frames: Frames, at: Amounts) -> Frames:
    """Rectangles about the centre, ellipses where `round` is 1: one every `period` pixels of the height."""
    x, y = frames.x.abs(), frames.y.abs()
    flat = spread(frames.heights / frames.widths)
    circle = torch.hypot(x, y)
    reach = torch.lerp(torch.maximum(x, y), circle, spread(at["round"])) * spread(frames.heights / 2)
    # How fast that grows from one pixel to the next.
    straight = torch.where(x > y, flat, torch.ones_like(flat))
    bent = torch.hypot(x * flat, y) / circle.clamp(min=1e-3)
    slope = torch.lerp(straight, bent, spread(at["round"]))
    period = spread(at["period"])
    away = (torch.remainder(reach, period) - period / 2).abs() / slope
    return replace(frames, pixels=frames.pixels * away.clamp(0, 1))


PATTERN = (
    Effect("lines", None, _lines),
    Effect("rings", None, _rings),
)
