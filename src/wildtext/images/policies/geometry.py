"""Effects that move what is in a picture, and the character boxes with it.

Each says, for places of the new picture, where in the old one to look: a map is a batch of `Frames` whose two planes
are x and y in [-1, 1], -1 the left or upper edge of the picture. Maps that follow each other hence become one, and the
picture is sampled once. They are smooth, so a coarse lattice of places is enough; in between it is interpolated.

What would leave the canvas is squeezed in, as by `expand` of Pillow's `rotate`, unless amounts enlarge the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wildtext.images.effects import Amounts, Effect, Frames, apply, spread

_FINE, _COARSE = (17, 65), (2, 2)
"""Rows and columns of the lattice; a place in between is less than a tenth of a pixel off."""

_STEPS = 8
_STEP = 1e-3
"""Of Newton's method: how many, and how far apart derivatives are taken."""
_FARTHEST = 4.0
"""Half widths or heights; where a search for a place ends."""

_CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))
_HORIZON = 0.05


def _turned(frames: Frames, at: Amounts) -> Frames:
    """Turn by `angle` in radians; where `square` is 1, as if the picture were stretched to a square before."""
    aspect = spread(torch.lerp(frames.widths / frames.heights, torch.ones_like(frames.widths), at["square"]))
    cos, sin = spread(torch.cos(at["angle"])), spread(torch.sin(at["angle"]))
    x, y = frames.pixels.chunk(2, 1)
    across = x * (aspect * cos.abs() + sin.abs())
    down = y * (aspect * sin.abs() + cos.abs())
    return replace(frames, pixels=torch.cat([(cos * across + sin * down) / aspect, cos * down - sin * across], 1))


def _sheared_x(frames: Frames, at: Amounts) -> Frames:
    """Move rows, by so many pixels for each pixel from the middle."""
    x, y = frames.pixels.chunk(2, 1)
    shear = spread(at["amount"] * frames.heights / frames.widths)
    return replace(frames, pixels=torch.cat([x * (1 + shear.abs()) + y * shear, y], 1))


def _sheared_y(frames: Frames, at: Amounts) -> Frames:
    """Move columns, by so many pixels for each pixel from the middle."""
    x, y = frames.pixels.chunk(2, 1)
    shear = spread(at["amount"] * frames.widths / frames.heights)
    return replace(frames, pixels=torch.cat([x, y * (1 + shear.abs()) + x * shear], 1))


def _placed(frames: Frames, at: Amounts) -> Frames:
    """Scale about the centre, then move: (x, y) each, in half widths and heights."""
    return replace(frames, pixels=(frames.pixels - spread(at["shift"])) / spread(at["scale"]))


def to_corners(corners: Sequence[tuple[float, float]]) -> list[float]:
    """The projective map that brings the corners of a picture to places in [-1, 1], clockwise from the upper left.

    Returns:
        Nine numbers, row by row; they lead back from the places to the corners.
    """
    equations, values = [], []
    for (x, y), (u, v) in zip(corners, _CORNERS, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return [*np.linalg.solve(equations, values).tolist(), 1.0]


def _tilted(frames: Frames, at: Amounts) -> Frames:
    """A projective map, from `to_corners`."""
    x, y = frames.pixels.flatten(2).unbind(1)
    across, down, depth = (at["matrix"].view(-1, 3, 3) @ torch.stack([x, y, torch.ones_like(x)], 1)).unbind(1)
    # At the horizon and beyond there is nothing to see.
    places = torch.stack([across, down], 1) / depth.clamp(min=_HORIZON)[:, None]
    return replace(frames, pixels=places.view(frames.pixels.shape))


def _curved(frames: Frames, at: Amounts) -> Frames:
    """Lay the picture on an arc of a circle, as if it were a square of side 1 before.

    `radius` is that of the outer edge, `thickness` the height of the band; the ends hang down where `up` is 1, and
    point up where it is -1.
    """
    radius, thickness, up = spread(at["radius"]), spread(at["thickness"]), spread(at["up"])
    widest = torch.asin(0.5 / radius)
    x, y = frames.pixels.chunk(2, 1)
    lowest = radius - (radius - thickness) * torch.cos(widest)
    across, above = x / 2, radius - (y * up + 1) / 2 * lowest
    depth = (radius - torch.hypot(across, above)) / thickness
    return replace(frames, pixels=torch.cat([torch.atan2(across, above) / widest, (2 * depth - 1) * up], 1))


def _bent(frames: Frames, at: Amounts) -> Frames:
    """Free-form deformation (Sederberg and Parry, SIGGRAPH 1986): four points along each long side pull.

    `top` and `bottom` are how far each pulls to the right and down, x and y in turn. As long as neighbours differ by
    less than 2/3, nothing folds.
    """
    x, y = frames.pixels.chunk(2, 1)
    s, q = ((x + 1) / 2).clamp(0, 1), ((y + 1) / 2).clamp(0, 1)
    weights = ((1 - s) ** 3, 3 * s * (1 - s) ** 2, 3 * s**2 * (1 - s), s**3)
    upper, lower = (at[name].view(-1, 4, 2).unbind(1) for name in ("top", "bottom"))
    pulls = (torch.lerp(spread(a), spread(b), q) for a, b in zip(upper, lower, strict=True))
    moved = [weight * pull for weight, pull in zip(weights, pulls, strict=True)]
    return replace(frames, pixels=frames.pixels - torch.stack(moved).sum(0))


GEOMETRY = (
    Effect("curve", None, _curved),
    Effect("distort", None, _bent),
    Effect("stretch", None, _bent),
    Effect("perspective", None, _tilted),
    Effect("shear_x", None, _sheared_x),
    Effect("shear_y", None, _sheared_y),
    Effect("rotate", None, _turned),
    Effect("shrink", None, _placed),
    Effect("translate_x", None, _placed),
    Effect("translate_y", None, _placed),
)
"""In the order in which they happen to a picture."""

_NAMES = frozenset(effect.name for effect in GEOMETRY)
_BENDING = frozenset({"curve", "distort", "stretch", "perspective"})
"""The others are affine, so that a coarse lattice is exact."""

Chosen = Sequence[Mapping[str, dict[str, Any]]]


def moves(effects: Iterable[str]) -> bool:
    """Whether an effect of one of these names moves anything."""
    return not _NAMES.isdisjoint(effects)


def bends(effects: Iterable[str]) -> bool:
    """Whether an effect of one of these names makes a straight line crooked, or parallels meet."""
    return not _BENDING.isdisjoint(effects)


def _origins(places: Frames, drawn: Chosen) -> Tensor:
    """Where in the old pictures to look for places of the new ones."""
    # The last effect is the first to be undone.
    return apply(GEOMETRY[::-1], places, drawn).pixels


def warp(frames: Frames, drawn: Chosen, fill: float | None) -> Frames:
    """Move what is in the pictures; faster where none of the effects bends anything.

    Args:
        frames: the pictures; each fills the full height of its frame.
        drawn: amounts by effect, for each.
        fill: the grey level of what comes into sight; None goes on with the pixels of the edge.
    """
    count, device = len(frames.pixels), frames.pixels.device
    rows, columns = _FINE if any(map(bends, drawn)) else _COARSE
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, rows, device=device), torch.linspace(-1, 1, columns, device=device), indexing="ij"
    )
    nodes = torch.stack([x, y]).expand(count, 2, rows, columns)
    lattice = on_canvas(frames, _origins(Frames(nodes, frames.heights, frames.widths), drawn))
    across = torch.bmm(lattice.reshape(count, 2 * rows, columns), _hats(frames.x, columns).mT)
    lines = across.view(count, 2, rows, -1).permute(0, 2, 3, 1).reshape(count, rows, -1)
    grid = torch.bmm(_hats(frames.y, rows), lines).view(count, *frames.pixels.shape[2:], 2)
    return replace(frames, pixels=look_up(frames, grid, fill))


def _hats(places: Tensor, nodes: int) -> Tensor:
    """(N, count, nodes): weights of linear interpolation at `count` places in [-1, 1] between evenly spaced nodes."""
    steps = (places.flatten(1).clamp(-1, 1) + 1) * ((nodes - 1) / 2)
    return (steps[:, :, None] - torch.arange(nodes, device=places.device)).abs_().neg_().add_(1).clamp_(min=0)


def on_canvas(frames: Frames, places: Tensor) -> Tensor:
    """From places (N, 2, ...) in pictures to places in their frames, [-1, 1] from edge to edge."""
    height, width = frames.pixels.shape[2:]
    return (places + 1) * spread(torch.stack([frames.widths / width, frames.heights / height], 1)) - 1


def look_up(frames: Frames, grid: Tensor, fill: float | None) -> Tensor:
    """The pixels (N, C, H, W) that lie at places (N, H, W, 2) of the frames, interpolated linearly.

    What lies outside a picture is as for `warp`.
    """
    if fill is None:
        return F.grid_sample(continued(frames), grid, padding_mode="border", align_corners=False)
    pixels = (frames.pixels - fill).mul_(frames.x < 1)
    return F.grid_sample(pixels, grid, align_corners=False).add_(fill)


def continued(frames: Frames) -> Tensor:
    """The pixels, with those of the right edge beyond it."""
    last = (frames.widths.long() - 1)[:, None, None, None].expand(*frames.pixels.shape[:3], 1)
    return torch.lerp(frames.pixels.gather(3, last), frames.pixels, (frames.x < 1).float())


def follow(points: Tensor, frames: Frames, drawn: Chosen) -> Tensor:
    """Where points of the pictures are after the effects, found by Newton's method.

    Args:
        points: (N, 2, P) float32, x and y in pixels of the frames; numbers that are not finite stay as they are.
        frames: the pictures before.
        drawn: amounts by effect, for each.

    Returns:
        (N, 2, P).
    """
    sizes = torch.stack([frames.widths, frames.heights], 1)[:, :, None]
    known = points.isfinite().all(1, keepdim=True)
    wanted = torch.where(known, points / sizes * 2 - 1, 0.0)
    found = wanted.clone()
    nudges = torch.tensor([[0.0, _STEP, 0.0], [0.0, 0.0, _STEP]])[:, :, None]
    for _ in range(_STEPS):
        probes = Frames(found[:, :, None] + nudges, frames.heights, frames.widths)
        reached, right, below = _origins(probes, drawn).unbind(2)
        (a, c), (b, d) = ((part - reached).div(_STEP).unbind(1) for part in (right, below))
        x, y = (wanted - reached).unbind(1)
        determinant = a * d - b * c
        determinant = torch.where(determinant.abs() < 1e-3, 1e-3, determinant)
        step = torch.stack([d * x - b * y, a * y - c * x], 1) / determinant[:, None]
        found = (found + step.clamp(-1, 1)).clamp(-_FARTHEST, _FARTHEST)
    return torch.where(known, (found + 1) / 2 * sizes, points)
