"""Fog, frost, snow, rain and a shadow."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from wildtext.images.effects import LUMA, Amounts, Effect, Frames, noise, spread
from wildtext.images.policies.optics import smeared

_OCTAVES = ((3, 5), (5, 9), (9, 17), (17, 33))
_ICE = (0.88, 0.95, 1.0)
"""Colour of frost."""
_RARE = 2.2
"""Noise above this is a speck."""
_BRIGHT = 8
"""Exposures that a speck is spread over."""


def _clouds(frames: Frames, seeds: Tensor, decay: Tensor) -> Tensor:
    """(N, 1, H, W) in [0, 1]: noise of several sizes, each `decay` times as weak as the next larger."""
    height, width = frames.pixels.shape[-2:]
    total = torch.zeros_like(frames.pixels[:, :1])
    for number, (rows, columns) in enumerate(_OCTAVES):
        coarse = noise(total.new_empty(len(total), 1, rows, columns), (seeds + number / len(_OCTAVES)) % 1)
        fine = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
        total = total + fine * spread(decay**-number)
    low, high = total.amin((2, 3), keepdim=True), total.amax((2, 3), keepdim=True)
    return (total - low) / (high - low)


def _fog(frames: Frames, at: Amounts) -> Frames:
    """Light added in clouds, then all darkened so that white stays white."""
    amount = spread(at["amount"])
    light = _clouds(frames, at["seed"], at["decay"]) * amount * 255
    return replace(frames, pixels=(frames.pixels + light) / (1 + amount))


def _frost(frames: Frames, at: Amounts) -> Frames:
    """Pale needles of ice: the crests of clouds."""
    crests = 1 - (_clouds(frames, at["seed"], torch.full_like(at["seed"], 1.3)) * 2 - 1).abs()
    ice = crests**3 * 255 * torch.tensor(_ICE, device=frames.pixels.device)[:, None, None]
    return replace(frames, pixels=torch.lerp(frames.pixels, ice, spread(at["amount"])))


def _snow(frames: Frames, at: Amounts) -> Frames:
    """Paler colours, and flakes drawn out along their fall."""
    luma = torch.tensor(LUMA, device=frames.pixels.device)[:, None, None]
    pale = torch.maximum(frames.pixels, (frames.pixels * luma).sum(1, keepdim=True) * 1.5 + 128)
    pixels = torch.lerp(frames.pixels, pale, spread(at["pale"]))
    return _rain(replace(frames, pixels=pixels), at)


def _rain(frames: Frames, at: Amounts) -> Frames:
    """Bright specks drawn out along (x, y) pixels."""
    specks = (noise(frames.pixels[:, :1], at["seed"]) - _RARE).clamp_(min=0)
    drops = smeared(specks, frames, torch.stack([at["x"], at["y"]], 1), torch.ones_like(frames.widths))
    return replace(frames, pixels=frames.pixels + drops * spread(at["amount"] * _BRIGHT))


def _shadow(frames: Frames, at: Amounts) -> Frames:
    """A dark band from top to bottom: `left` and `right` are its ends there, in [-1, 1]."""
    down = (frames.y + 1) / 2
    left, right = (spread(at[side][:, :1]).lerp(spread(at[side][:, 1:]), down) for side in ("left", "right"))
    half = spread(frames.widths / 2)
    shade = ((frames.x - left) * half).clamp(0, 1) * ((right - frames.x) * half).clamp(0, 1)
    return replace(frames, pixels=frames.pixels * (1 - shade * spread(at["dark"])))


WEATHER = (
    Effect("fog", None, _fog),
    Effect("frost", None, _frost),
    Effect("snow", None, _snow),
    Effect("rain", None, _rain),
    Effect("shadow", None, _shadow),
)
