"""How a word looks before the camera: ground, paint and what makes letters stand out.

Everything is drawn for one word with numpy (`draw_look`) and painted for many words at once with torch (`paint`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wildtext.config import AppearanceOptions
from wildtext.images.effects import (
    LUMA,
    Drawn,
    Random,
    apply,
    draw,
    rows_of,
    spread,
    tensors,
)
from wildtext.synth.lettering import EFFECTS, Colour, Scene, some_colour
from wildtext.synth.textures import HEIGHT, WIDTH, Textures


def draw_look(options: AppearanceOptions, known: Textures, random: Random) -> Drawn:
    """How one word looks: amounts by effect, with the basic colours as `paint`."""
    drawn = draw(EFFECTS, options, random)
    ground = _draw_ground(options, known, random)
    dark = "neon" in drawn
    if dark:
        ground["colour"] = (0.25 * np.asarray(ground["colour"])).round(2).tolist()
    colour = _contrasting(np.asarray(ground["colour"]), random, bright=dark)
    opaque = random.random() >= options.transparency
    surface = {f"surface_{name}": value for name, value in _piece(known, random).items()}
    drawn["paint"] = {
        **ground,
        **surface,
        "ink": colour.round(2).tolist(),
        "opacity": 1.0 if opaque else round(random.uniform(0.65, 1.0), 3),
    }
    return drawn


def _draw_ground(options: AppearanceOptions, known: Textures, random: Random) -> dict[str, Any]:
    photographs = len(known.kinds) - known.painted
    kind = random.random(2) < (options.photo if photographs else 0.0, options.texture)
    piece = _piece(known, random, photo=bool(kind[0]))
    # Streets are darker than paper.
    colour = some_colour(255 * random.random() ** 1.25, random)
    amount = 0.0
    if kind.any():
        amount = random.uniform(0.2, 1.0) if random.random() < 0.6 else 1.0
        if random.random() < 0.6:
            # The surface as it is, rather than tinted.
            colour = known.means[int(piece["texture"])].round()
    elif random.random() < options.texture:
        # Nothing in a street is perfectly flat.
        amount = 0.15 * random.random()
    gradient = random.normal(0, 40) + random.normal(0, 8, 3) if random.random() < options.gradient else np.zeros(3)
    return {
        **piece,
        "amount": round(amount, 4),
        "colour": np.round(colour, 2).tolist(),
        "gradient": gradient.round(2).tolist(),
        "angle": round(random.uniform(0, 2 * math.pi), 4),
    }


def _piece(known: Textures, random: Random, *, photo: bool = False) -> dict[str, Any]:
    """A place on one of the surfaces."""
    first, last = (known.painted, len(known.kinds)) if photo else (0, known.painted)
    texture, left, top = random.random(3).tolist()
    return {
        "texture": first + int(texture * (last - first)),
        "left": int(left * WIDTH / 2),
        "top": int(top * HEIGHT),
    }


def _contrasting(ground: Colour, random: Random, *, bright: bool = False) -> Colour:
    """A colour that differs from the ground as paint and ground of real signs do.

    In photographs of streets the difference of brightness has a median of about 65 and is log-normal; signs that are
    the subject of their picture, and print, have twice that.
    """
    level = float(ground @ np.array(LUMA))
    strong = random.random() < 0.5
    difference = random.normal(170, 40) if strong else 75 * math.exp(0.5 * random.normal())
    difference = min(max(difference, 20.0), 250.0)
    lighter = bright or random.random() < 0.58
    if bright:
        difference = max(difference, 130.0)
    room = 255 - level if lighter else level
    if room < difference and max(level, 255 - level) > room:
        lighter = not lighter or bright
    wanted = level + difference if lighter else level - difference
    return some_colour(min(max(wanted, 4.0), 251.0), random)


def paint(masks: Sequence[NDArray[np.uint8]], looks: Sequence[Drawn], known: Textures, device: torch.device) -> Scene:
    """Paint words.

    Args:
        masks: coverage of each word's letters, (h, w) uint8.
        looks: from `draw_look`, for each.
        known: the surfaces that the looks were drawn for.
        device: where to paint.

    Returns:
        Scenes in frames whose height and width are the largest of the masks, rounded up to multiples of 16.
    """
    frame = _frame(masks).to(device)
    heights = torch.tensor([mask.shape[0] for mask in masks], dtype=torch.float32, device=device)
    widths = torch.tensor([mask.shape[1] for mask in masks], dtype=torch.float32, device=device)
    amounts = tensors([look["paint"] for look in looks], device)
    bank = _on_device(known, device)
    size = (frame.shape[2], frame.shape[3])
    ground = bank.pieces(amounts["texture"], amounts["left"], amounts["top"], size)
    ground = ground * spread(amounts["amount"]) + spread(amounts["colour"])
    surface = bank.pieces(amounts["surface_texture"], amounts["surface_left"], amounts["surface_top"], size)
    ink = amounts["ink"]
    plain = spread(ink).expand_as(ground).contiguous()
    scene = Scene(ground, heights, widths, frame.float() / 255, ink, plain, surface)
    ramp = scene.along(amounts["angle"]) * spread(amounts["gradient"])
    scene = apply(EFFECTS, replace(scene, pixels=(ground + ramp).clamp(0, 255)), looks)
    alpha = scene.mask * spread(amounts["opacity"])
    return replace(scene, pixels=torch.lerp(scene.pixels, scene.paint.clamp(0, 255), alpha))


def _frame(masks: Sequence[NDArray[np.uint8]]) -> Tensor:
    # A few columns beyond the widest make every word end before its frame: it looks the same alone and in a batch.
    height = -(-max(mask.shape[0] for mask in masks) // 16) * 16
    width = -(-max(mask.shape[1] + 4 for mask in masks) // 16) * 16
    frame = np.zeros((len(masks), 1, height, width), np.uint8)
    for row, mask in enumerate(masks):
        frame[row, 0, : mask.shape[0], : mask.shape[1]] = mask
    return torch.from_numpy(frame)


@dataclass(frozen=True)
class _Bank:
    """Surfaces on a device."""

    flat: Tensor
    means: Tensor

    def pieces(self, texture: Tensor, left: Tensor, top: Tensor, size: tuple[int, int]) -> Tensor:
        """(N, 3, H, W): a part of each named surface, without its mean; surfaces go on mirrored where they end."""
        height, width = size
        y = _mirrored(top.long()[:, None] + torch.arange(height, device=top.device), HEIGHT)
        channels = torch.arange(3, device=top.device)[None, :, None]
        starts = ((texture.long()[:, None, None] * 3 + channels) * HEIGHT + y[:, None]) * WIDTH
        if width <= WIDTH // 2:
            pieces = rows_of(self.flat, starts + left.long()[:, None, None], width)
        else:
            x = _mirrored(left.long()[:, None] + torch.arange(width, device=top.device), WIDTH)
            pieces = self.flat[starts[..., None] + x[:, None, None, :]]
        return pieces.float() - self.means[texture.long()][:, :, None, None]


def _mirrored(places: Tensor, length: int) -> Tensor:
    places = places % (2 * length)
    return torch.minimum(places, 2 * length - 1 - places)


@lru_cache(maxsize=4)
def _on_device(known: Textures, device: torch.device) -> _Bank:
    flat = torch.from_numpy(known.pieces).to(device).reshape(-1)
    return _Bank(flat, torch.from_numpy(known.means).to(device))
