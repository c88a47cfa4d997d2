"""Effects on the colour of each pixel by itself, given statistics of its picture.

Where Pillow jumps from one grey level to the next, these go there in a straight line, so that pixels between two levels
do not depend on the last digit: at whole levels both agree.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from wildtext.images.effects import LUMA, Amounts, Effect, Frames, spread

_LEVELS = 256


def _inside(frames: Frames) -> Tensor:
    """(N, 1, 1, W): whether a column belongs to the picture."""
    return frames.x < 1


def _autocontrast(frames: Frames, at: Amounts) -> Frames:
    """Spread each colour over all levels."""
    beyond = ~_inside(frames)[:, 0]
    darkest = frames.pixels.amin(2).masked_fill(beyond, _LEVELS).amin(2)
    brightest = frames.pixels.amax(2).masked_fill(beyond, -1).amax(2)
    reach = brightest - darkest
    gain = torch.where(reach < 1, 1.0, 255 / reach.clamp(min=1))
    offset = torch.where(reach < 1, 0.0, -darkest * gain)
    return replace(frames, pixels=(frames.pixels * spread(gain)).add_(spread(offset)))


def _equalize(frames: Frames, at: Amounts) -> Frames:
    """Give each level of each colour the share of the pixels that are darker; levels are whole numbers."""
    count, channels, height, width = frames.pixels.shape
    levels = frames.pixels.long().view(count, channels, -1)
    inside = _inside(frames).float().expand(count, channels, height, width).reshape(levels.shape)
    histogram = torch.zeros(count, channels, _LEVELS, device=levels.device).scatter_add_(2, levels, inside)
    # Whole numbers, for their running sums are the same in any order.
    darker = histogram.long().cumsum(2) - histogram
    most = (darker * (histogram > 0)).amax(2, keepdim=True)
    even = torch.arange(_LEVELS, device=levels.device)
    table = torch.where(most > 0, darker / most.clamp(min=1) * 255, even).clamp_(max=255)
    return replace(frames, pixels=table.gather(2, levels).view(frames.pixels.shape))


def _contrast(frames: Frames, at: Amounts) -> Frames:
    """Towards the mean grey of the picture, or away from it."""
    luma = torch.tensor(LUMA, device=frames.pixels.device)
    columns = (frames.pixels.mean(2) * luma[:, None]).sum(1)
    inside = _inside(frames)[:, 0, 0]
    mean = (columns * inside).sum(1) / inside.sum(1)
    factor = at["factor"]
    return replace(frames, pixels=frames.pixels * spread(factor) + spread(mean * (1 - factor)))


def _brightness(frames: Frames, at: Amounts) -> Frames:
    return replace(frames, pixels=frames.pixels * spread(at["factor"]))


def _posterize(frames: Frames, at: Amounts) -> Frames:
    """Keep the first `bits` of each level."""
    step = spread(2 ** (8 - at["bits"]))
    low = (frames.pixels / step).floor_().mul_(step)
    return replace(frames, pixels=(frames.pixels - low).sub_(step - 1).clamp_(min=0).mul_(step).add_(low))


def _solarize(frames: Frames, at: Amounts) -> Frames:
    """Invert what is at least as bright as a threshold."""
    bright = (frames.pixels - spread(at["threshold"] - 1)).clamp_(0, 1)
    return replace(frames, pixels=torch.lerp(frames.pixels, 255 - frames.pixels, bright))


def _solarize_add(frames: Frames, at: Amounts) -> Frames:
    """Brighten what is darker than 128."""
    dark = (128 - frames.pixels).clamp_(0, 1)
    return replace(frames, pixels=frames.pixels + dark * spread(at["amount"]))


def _invert(frames: Frames, at: Amounts) -> Frames:
    return replace(frames, pixels=255 - frames.pixels)


COUNTING = (Effect("equalize", None, _equalize),)
"""What needs whole grey levels, so must come first."""

COLOUR = (
    Effect("contrast", None, _contrast),
    Effect("brightness", None, _brightness),
    Effect("autocontrast", None, _autocontrast),
    Effect("posterize", None, _posterize),
    Effect("solarize", None, _solarize),
    Effect("solarize_add", None, _solarize_add),
    Effect("invert", None, _invert),
)
