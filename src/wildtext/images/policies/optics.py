"""Effects of lens, resolution and file."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from wildtext.images.augment import through_lens
from wildtext.images.effects import Amounts, Effect, Frames, blur, noise, resample, spread
from wildtext.images.jpeg import compress
from wildtext.images.policies.geometry import continued, look_up, on_canvas

_WIDEST = 5
"""Pixels; radius of the largest disc."""
_BLOCK = 16
"""Pixels; JPEG's blocks, with colours at half resolution."""


def _blurred(frames: Frames, at: Amounts) -> Frames:
    """A bell of width `sigma` in pixels."""
    return replace(frames, pixels=blur(frames.pixels, frames, at["sigma"]))


def _defocused(frames: Frames, at: Amounts) -> Frames:
    """A disc of a radius in pixels."""
    places = torch.arange(-_WIDEST, _WIDEST + 1, device=frames.pixels.device)
    distance = torch.hypot(places[:, None].float(), places.float())
    discs = (at["radius"][:, None, None] + 0.5 - distance).clamp(0, 1)
    discs = discs / discs.sum((1, 2), keepdim=True)
    planes = F.pad(continued(frames), (_WIDEST,) * 4, mode="replicate")
    # Pictures become channels, for each has a kernel of its own.
    pixels = F.conv2d(planes.transpose(0, 1), discs[:, None], groups=len(planes)).transpose(0, 1)
    return replace(frames, pixels=pixels.contiguous())


def _through_glass(frames: Frames, at: Amounts) -> Frames:
    """Each pixel comes from somewhere near, between two blurs."""
    soft = _blurred(frames, at)
    jumps = noise(frames.pixels[:, :2], at["seed"]) * spread(at["jump"])
    sizes = torch.stack([frames.widths, frames.heights], 1)
    jumps *= spread(2 / sizes)
    places = torch.cat([frames.x + jumps[:, :1], frames.y + jumps[:, 1:]], 1)
    grid = on_canvas(frames, places).permute(0, 2, 3, 1)
    return _blurred(replace(soft, pixels=look_up(soft, grid, None)), at)


def _moving(frames: Frames, at: Amounts) -> Frames:
    """The camera moves by (x, y) pixels while the shutter is open."""
    path = torch.stack([at["x"], at["y"]], 1)
    return replace(frames, pixels=smeared(continued(frames), frames, path, torch.ones_like(frames.widths)))


def _zooming(frames: Frames, at: Amounts) -> Frames:
    """The lens zooms by `amount` while the shutter is open."""
    path = frames.widths.new_zeros(len(frames.widths), 2)
    return replace(frames, pixels=smeared(continued(frames), frames, path, 1 + at["amount"]))


def smeared(planes: Tensor, frames: Frames, path: Tensor, zoom: Tensor) -> Tensor:
    """The mean of what is seen along a straight movement, half of it before and half after.

    Args:
        planes: (N, C, H, W).
        frames: tell where the centres of the pictures are.
        path: (N, 2) pixels, x and y.
        zoom: (N,), by how much all grows on the way.
    """
    # Two halves of a movement are like the whole, so each of these doubles the exposures.
    for share in (1 / 4, 1 / 8, 1 / 16):
        before = _seen(planes, frames, -share * path, zoom**-share)
        planes = _seen(planes, frames, share * path, zoom**share).add_(before).div_(2)
    return planes


def _seen(planes: Tensor, frames: Frames, shift: Tensor, zoom: Tensor) -> Tensor:
    """Planes from another place."""
    canvas = torch.tensor([planes.shape[3], planes.shape[2]], device=planes.device)
    centres = torch.stack([frames.widths, frames.heights], 1) / canvas - 1
    zooms = zoom[:, None].expand_as(centres)
    offsets = centres * (1 - zooms) + shift * 2 / canvas
    grid = F.affine_grid(torch.cat([zooms.diag_embed(), offsets[:, :, None]], 2), list(planes.shape), False)
    return F.grid_sample(planes, grid, padding_mode="border", align_corners=False)


def _at_low_resolution(frames: Frames, at: Amounts) -> Frames:
    """Seen by so many times fewer pixels, and enlarged again."""
    small = {"rows": frames.heights * at["share"], "columns": frames.widths * at["share"]}
    full = {"rows": frames.heights, "columns": frames.widths}
    sharp = torch.full_like(frames.heights, 0.3)
    seen = through_lens(frames, {**small, "aperture": sharp, "defocus": torch.zeros_like(sharp)})
    return through_lens(seen, {**full, "aperture": torch.zeros_like(sharp), "defocus": sharp * 2})


def _pixelated(frames: Frames, at: Amounts) -> Frames:
    """Blocks of one colour, `share` times as many as pixels along each axis."""
    height, width = frames.pixels.shape[-2:]
    pixels = resample(frames.pixels, _blocks(width, frames.widths, at), _blocks(height, frames.heights, at))
    return replace(frames, pixels=pixels)


def _blocks(length: int, sizes: Tensor, at: Amounts) -> Tensor:
    """(N, length, length): weights that give each place the mean of its block."""
    places = torch.arange(length, device=sizes.device)
    blocks = ((places + 0.5) * at["share"][:, None]).floor()
    blocks = blocks.where(places < sizes[:, None], -1.0)
    together = (blocks[:, :, None] == blocks[:, None, :]).float()
    return together / together.sum(2, keepdim=True)


def _compressed(frames: Frames, at: Amounts) -> Frames:
    height, width = frames.pixels.shape[-2:]
    planes = F.pad(continued(frames), (0, -width % _BLOCK, 0, -height % _BLOCK), mode="replicate")
    pixels = compress(planes, at["quality"])[..., :height, :width]
    return replace(frames, pixels=pixels)


LENS = (
    Effect("motion", None, _moving),
    Effect("zoom", None, _zooming),
    Effect("blur", None, _blurred),
    Effect("defocus", None, _defocused),
    Effect("glass", None, _through_glass),
    Effect("low_resolution", None, _at_low_resolution),
)

FILE = (
    Effect("jpeg", None, _compressed),
    Effect("pixelate", None, _pixelated),
)
