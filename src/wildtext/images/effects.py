"""Effects on batches of pictures: drawn one picture at a time with numpy, applied to many at once with torch.

What an effect does to a picture is decided by plain numbers, so that it can be stored and repeated; applying it needs
no randomness, hence gives the same pixels on any device, up to rounding. Effects therefore use no hard thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to brightness (ITU-R BT.601, as in Pillow)."""

Random = np.random.Generator
Amounts = dict[str, Tensor]
"""Of several pictures, (N,) or (N, k) float32 by name."""
Drawn = dict[str, dict[str, Any]]
"""By name of effect, its amounts as plain values for JSON."""


@dataclass(frozen=True)
class Frames:
    """A batch of pictures of one tensor size; each fills the upper left part of its frame.

    Attributes:
        pixels: (N, 3, H, W) float32, 0 black, 255 white. What lies beyond a picture is of no account.
        heights: (N,) float32, rows of each picture.
        widths: (N,) float32, columns of each picture.
    """

    pixels: Tensor
    heights: Tensor
    widths: Tensor

    @property
    def x(self) -> Tensor:
        """(N, 1, 1, W): place of each column, -1 at the left edge of the picture, 1 at its right edge."""
        columns = torch.arange(self.pixels.shape[-1], device=self.pixels.device)
        return ((columns + 0.5) / self.widths[:, None] * 2 - 1)[:, None, None, :]

    @property
    def y(self) -> Tensor:
        """(N, 1, H, 1): place of each row, -1 at the top, 1 at the bottom."""
        rows = torch.arange(self.pixels.shape[-2], device=self.pixels.device)
        return ((rows + 0.5) / self.heights[:, None] * 2 - 1)[:, None, :, None]

    def along(self, angle: Tensor) -> Tensor:
        """(N, 1, H, W): place along a direction, in half picture heights or widths."""
        return self.x * spread(torch.cos(angle)) + self.y * spread(torch.sin(angle))

    def distance(self, angle: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """(N, 1, H, W): pixels from the line through (x, y) in [-1, 1] that runs at an angle, positive below it."""
        across = (self.x - spread(x)) * spread(self.widths * torch.sin(angle) / 2)
        return (self.y - spread(y)) * spread(self.heights * torch.cos(angle) / 2) - across


AnyFrames = TypeVar("AnyFrames", bound=Frames)


@dataclass(frozen=True)
class Effect:
    """One thing that may happen to a picture.

    Attributes:
        name: the field of the options that holds its chance.
        draw: its amounts, as floats or lists of floats; None where they are drawn with those of others.
        apply: from frames and their amounts, (N,) or (N, k) float32 tensors, to the frames after the effect.
    """

    name: str
    draw: Callable[[Random], dict[str, Any]] | None
    apply: Callable[[Any, Amounts], Any]


def draw(effects: Sequence[Effect], options: object, random: Random) -> Drawn:
    """Which effects befall one picture, and how strongly."""
    chances = random.random(len(effects))
    return {
        effect.name: _plain(effect.draw(random))
        for effect, chance in zip(effects, chances, strict=True)
        if effect.draw is not None and chance < getattr(options, effect.name)
    }


def _plain(amounts: Mapping[str, Any]) -> dict[str, Any]:
    """Python's own numbers, rounded so far that all machines agree."""
    return {
        name: [round(float(part), 4) for part in value] if isinstance(value, list) else round(float(value), 4)
        for name, value in amounts.items()
    }


def apply(effects: Sequence[Effect], frames: AnyFrames, drawn: Sequence[Mapping[str, dict[str, Any]]]) -> AnyFrames:
    """Let each picture have its effects, in the order of `effects`."""
    for effect in effects:
        rows = [row for row, values in enumerate(drawn) if effect.name in values]
        if rows:
            amounts = tensors([drawn[row][effect.name] for row in rows], frames.pixels.device)
            frames = _change(frames, rows, effect, amounts)
    return frames


def tensors(values: Sequence[Mapping[str, Any]], device: torch.device) -> Amounts:
    """The same amounts of several pictures, (N,) or (N, k) float32 each; they reach the device in one copy."""
    if not values[0]:
        return {}
    columns = {name: np.array([value[name] for value in values], np.float32) for name in values[0]}
    flat = np.concatenate([column.reshape(len(values), -1) for column in columns.values()], axis=1)
    widths = [column[0].size for column in columns.values()]
    pieces = torch.split(torch.from_numpy(flat).to(device), widths, dim=1)
    return {name: piece.reshape(column.shape) for (name, column), piece in zip(columns.items(), pieces, strict=True)}


def _change(frames: AnyFrames, rows: Sequence[int], effect: Effect, amounts: Amounts) -> AnyFrames:
    """Apply an effect to some pictures of a batch."""
    if len(rows) == len(frames.pixels):
        return cast(AnyFrames, effect.apply(frames, amounts))
    chosen = torch.tensor(rows, device=frames.pixels.device)
    names = [field.name for field in fields(frames)]
    part = replace(frames, **{name: getattr(frames, name).index_select(0, chosen) for name in names})
    changed = effect.apply(part, amounts)
    moved = {name: getattr(changed, name) for name in names if getattr(changed, name) is not getattr(part, name)}
    return replace(frames, **{name: getattr(frames, name).index_copy(0, chosen, new) for name, new in moved.items()})


def spread(values: Tensor) -> Tensor:
    """(N,) or (N, C) to a shape that broadcasts over the pixels of N pictures."""
    return values.reshape(len(values), -1, 1, 1)


def cover(frames: AnyFrames, colour: Tensor, alpha: Tensor) -> AnyFrames:
    """Paint the pixels with a colour (N, 3), as far as alpha (N, 1, H, W) says."""
    return replace(frames, pixels=torch.lerp(frames.pixels, spread(colour).expand_as(frames.pixels), alpha))


def blur(planes: Tensor, frames: Frames, sigma: Tensor, shift: Tensor | None = None) -> Tensor:
    """Blur each picture on its own, and shift it; beyond its edges it is taken to go on as at them.

    Args:
        planes: (N, C, H, W).
        frames: tell what belongs to each picture.
        sigma: (N,) in pixels.
        shift: (N, 2) how far to move the content, in pixels (x, y).
    """
    height, width = planes.shape[-2:]
    x = torch.arange(width, device=planes.device).expand(len(planes), width)
    y = torch.arange(height, device=planes.device).expand(len(planes), height)
    if shift is not None:
        x, y = x - shift[:, :1], y - shift[:, 1:]
    return resample(planes, kernel(x, frames.widths, width, sigma), kernel(y, frames.heights, height, sigma))


def kernel(places: Tensor, sizes: Tensor, length: int, sigma: Tensor) -> Tensor:
    """Weights to take values at fractional places along one axis, seen through a bell of width sigma.

    The bell is the biweight (1 - (d / r)^2)^2 with the standard deviation of a Gaussian, for exponentials are slow.

    Args:
        places: (N, out) in pixels of the axis.
        sizes: (N,) how much of the axis belongs to the picture; places beyond see the edge.
        length: of the axis.
        sigma: (N,) in pixels of the axis.

    Returns:
        (N, out, length), rows that sum to one.
    """
    narrowness = 1 / (sigma * 7**0.5).clamp(min=1.0)[:, None]
    grid = torch.arange(length, device=places.device)
    nearest = torch.minimum(places.clamp(min=0), sizes[:, None] - 1)
    relative = (nearest * narrowness)[:, :, None] - (grid * narrowness)[:, None, :]
    # In place, for this is as large as the picture and among the most frequent operations.
    weights = torch.addcmul(torch.ones_like(grid, dtype=torch.float32), relative, relative, value=-1)
    weights.clamp_(min=0).square_().mul_((grid < sizes[:, None])[:, None, :])
    return weights.div_(weights.sum(-1, keepdim=True))


def resample(planes: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Apply `kernel` weights along both axes.

    Args:
        planes: (N, C, H, W).
        columns: (N, W', W).
        rows: (N, H', H).

    Returns:
        (N, C, H', W').
    """
    count, channels, height, width = planes.shape
    across = torch.bmm(planes.reshape(count, channels * height, width), columns.transpose(1, 2))
    across = across.view(count, channels, height, -1)
    return torch.matmul(rows[:, None], across)


_MOST_GROWTH = 3


def grown(mask: Tensor, pixels: Tensor) -> Tensor:
    """Let what is white grow to all sides.

    Args:
        mask: (N, 1, H, W).
        pixels: (N,) by how much, in [0, 3].
    """
    amount = spread(pixels)
    # Always as far as any may grow: to ask a GPU for the largest would make it wait.
    for step in range(_MOST_GROWTH):
        mask = mask + (_maximum(mask) - mask) * (amount - step).clamp(0, 1)
    return mask


def _maximum(mask: Tensor) -> Tensor:
    """Largest value among the neighbours, a round one in both directions (max_pool2d is far slower on CPUs)."""
    wide = mask.clone()
    wide[..., 1:] = torch.maximum(wide[..., 1:], mask[..., :-1])
    wide[..., :-1] = torch.maximum(wide[..., :-1], mask[..., 1:])
    high = wide.clone()
    high[..., 1:, :] = torch.maximum(high[..., 1:, :], wide[..., :-1, :])
    high[..., :-1, :] = torch.maximum(high[..., :-1, :], wide[..., 1:, :])
    return high


_NOISE, _PLANE, _LINE = 1 << 20, 131_071, 1_009
"""Length of the stored noise, and how far apart planes and lines of a picture begin in it."""


@cache
def _noise(device: torch.device) -> Tensor:
    values = np.random.default_rng(1).standard_normal(_NOISE, dtype=np.float32)
    return torch.from_numpy(values).to(device)


def noise(like: Tensor, seeds: Tensor) -> Tensor:
    """Normal noise that is the same on every device, whatever the size of the frame.

    Args:
        like: (N, C, H, W), gives shape and device.
        seeds: (N,) in [0, 1); pictures with the same seed get the same noise.
    """
    channels, height, width = like.shape[1:]
    planes = torch.arange(channels, device=like.device)[:, None] * _PLANE
    lines = torch.arange(height, device=like.device) * _LINE
    first = (seeds * _NOISE).long()[:, None, None]
    starts = (first + planes + lines) % (_NOISE - _LINE)
    return rows_of(_noise(like.device), starts, width)


def rows_of(values: Tensor, starts: Tensor, length: int) -> Tensor:
    """Pieces of a flat tensor: (N, R) places where they begin to (N, R, length)."""
    return values.unfold(0, length, 1).index_select(0, starts.reshape(-1)).view(*starts.shape, length)
