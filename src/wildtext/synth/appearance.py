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
    Drawn,
    Effect,
    Frames,
    Random,
    apply,
    blur,
    draw,
    grown,
    noise,
    rows_of,
    spread,
    tensors,
)
from wildtext.synth.textures import HEIGHT, WIDTH, Textures

Amounts = dict[str, Tensor]
Colour = NDArray[np.floating[Any]]

_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Scene(Frames):
    """Words that are being painted.

    Attributes:
        mask: (N, 1, H, W) where the paint goes, in [0, 1].
        colour: (N, 3) of the paint.
        paint: (N, 3, H, W) the paint at each pixel; starts as `colour`.
        surface: (N, 3, H, W) a second piece of a texture for each word, without its mean.
    """

    mask: Tensor
    colour: Tensor
    paint: Tensor
    surface: Tensor


def draw_look(options: AppearanceOptions, known: Textures, random: Random) -> Drawn:
    """How one word looks: amounts by effect, with the basic colours as `paint`."""
    drawn = draw(_EFFECTS, options, random)
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
    colour = _some_colour(255 * random.random() ** 1.25, random)
    amount = 0.0
    if kind.any():
        amount = random.uniform(0.2, 1.0) if random.random() < 0.6 else 1.0
        if random.random() < 0.6:
            # The surface as it is, rather than tinted.
            colour = known.means[int(piece["texture"])]
    elif random.random() < 0.5:
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


def _some_colour(luma: float, random: Random) -> Colour:
    """A colour of about this brightness: most are nearly grey, few are pure."""
    vividness = (6, 6, 25, 70)[int(4 * random.random())]
    offset = vividness * random.standard_normal(3)
    return np.asarray(np.clip(luma + offset - offset @ _LUMA, 0, 255))


def _contrasting(ground: Colour, random: Random, *, bright: bool = False) -> Colour:
    """A colour that differs from the ground as paint and ground of real signs do.

    In photographs of streets the difference of brightness has a median of about 65 and is log-normal; signs that are
    the subject of their picture, and print, have twice that.
    """
    level = float(ground @ _LUMA)
    strong = random.random() < 0.5
    difference = random.normal(170, 40) if strong else 75 * math.exp(0.5 * random.normal())
    difference = min(max(difference, 14.0), 250.0)
    lighter = bright or random.random() < 0.58
    if bright:
        difference = max(difference, 130.0)
    room = 255 - level if lighter else level
    if room < difference and max(level, 255 - level) > room:
        lighter = not lighter or bright
    wanted = level + difference if lighter else level - difference
    return _some_colour(min(max(wanted, 4.0), 251.0), random)


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
    scene = apply(_EFFECTS, replace(scene, pixels=(ground + ramp).clamp(0, 255)), looks)
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


def _over(scene: Scene, colour: Tensor, alpha: Tensor) -> Scene:
    """Paint the ground with a colour, (N, 3) or (N, 3, H, W), as far as alpha (N, 1, H, W) says."""
    cover = spread(colour) if colour.dim() == 2 else colour
    return replace(scene, pixels=torch.lerp(scene.pixels, cover.expand_as(scene.pixels), alpha))


def _draw_borders(random: Random) -> dict[str, Any]:
    upright = random.random() < 0.3
    return {
        "angle": random.normal(0, 0.08) + (math.pi / 2 if upright else 0.0),
        "x": random.uniform(-1, 1) if upright else 0.0,
        # Most borders run above or below the text rather than through it.
        "y": random.uniform(0.5, 1.0) * (1 if random.random() < 0.5 else -1),
        "width": random.uniform(1.0, 6.0) if random.random() < 0.5 else 200.0,
        "colour": (random.normal(0, 55) + random.normal(0, 20, 3)).tolist(),
    }


def _borders(scene: Scene, at: Amounts) -> Scene:
    """The edge of a sign, or a stripe: the ground is of another colour on one side of a line, or along it."""
    distance = scene.distance(at["angle"], at["x"], at["y"])
    beyond = torch.sigmoid(3 * distance) * torch.sigmoid(3 * (spread(at["width"]) - distance))
    return replace(scene, pixels=(scene.pixels + beyond * spread(at["colour"])).clamp(0, 255))


def _draw_bold(random: Random) -> dict[str, Any]:
    return {"pixels": random.uniform(0.3, 1.2)}


def _bold(scene: Scene, at: Amounts) -> Scene:
    return replace(scene, mask=grown(scene.mask, at["pixels"]))


def _draw_hollow(random: Random) -> dict[str, Any]:
    return {"pixels": random.uniform(0.9, 1.6)}


def _hollow(scene: Scene, at: Amounts) -> Scene:
    """Letters of which only the outline is painted."""
    inside = 1 - grown(1 - scene.mask, at["pixels"])
    return replace(scene, mask=(grown(scene.mask, at["pixels"] / 2) - inside).clamp(0, 1))


def _draw_stencil(random: Random) -> dict[str, Any]:
    return {"y": random.uniform(-0.25, 0.25), "width": random.uniform(1.5, 3.5), "angle": random.normal(0, 0.03)}


def _stencil(scene: Scene, at: Amounts) -> Scene:
    """The bridges of a stencil break the letters."""
    distance = scene.distance(at["angle"], torch.zeros_like(at["y"]), at["y"]).abs()
    return replace(scene, mask=scene.mask * torch.sigmoid(3 * (distance - spread(at["width"] / 2))))


def _draw_worn(random: Random) -> dict[str, Any]:
    return {"threshold": random.uniform(0.9, 1.8), "grain": random.uniform(0.8, 2.5), "seed": random.random()}


def _worn(scene: Scene, at: Amounts) -> Scene:
    """Paint has come off in flakes."""
    flakes = blur(noise(scene.mask, at["seed"]), scene, at["grain"])
    # Blurring white noise divides its deviation by about 3.5 times the width of the blur.
    flakes = flakes * spread(3.5 * at["grain"].clamp(min=0.5))
    return replace(scene, mask=scene.mask * torch.sigmoid(4 * (spread(at["threshold"]) - flakes)))


def _draw_shadow(random: Random) -> dict[str, Any]:
    x, y = random.uniform(-4, 4, 2)
    dark = random.random() < 0.75
    return {
        "x": x,
        "y": y,
        "soft": random.uniform(0.3, 2.5),
        "dense": random.uniform(0.3, 1.0),
        "level": 40 * random.random() if dark else 255 * random.random(),
    }


def _shadow(scene: Scene, at: Amounts) -> Scene:
    """A soft copy of the letters under them."""
    copy = blur(scene.mask, scene, at["soft"], torch.stack([at["x"], at["y"]], 1))
    return _over(scene, at["level"][:, None].expand(-1, 3), copy * spread(at["dense"]))


def _draw_extrusion(random: Random) -> dict[str, Any]:
    angle, depth = random.uniform(0, 2 * math.pi), random.uniform(1.5, 7)
    darker = random.random() < 0.7
    return {
        "x": depth * math.cos(angle),
        "y": depth * math.sin(angle),
        "level": 0.0 if darker else 255.0,
        "mix": random.uniform(0.25, 0.85),
    }


def _extrusion(scene: Scene, at: Amounts) -> Scene:
    """Letters as solid bodies: their sides, darker or lighter than their fronts, run off to one side."""
    path = torch.stack([at["x"], at["y"]], 1)
    sharp = torch.full_like(at["x"], 0.3)
    sides = scene.mask
    # Doubling the reach each time covers 8 steps with 3 shifts.
    for part in (1 / 8, 1 / 4, 1 / 2):
        sides = torch.maximum(sides, blur(sides, scene, sharp, path * part))
    return _over(scene, torch.lerp(scene.colour, at["level"][:, None].expand(-1, 3), at["mix"][:, None]), sides)


def _draw_glow(random: Random) -> dict[str, Any]:
    return {
        "reach": random.uniform(1.5, 5),
        "dense": random.uniform(0.5, 1.2),
        "colour": _some_colour(random.uniform(120, 255), random).tolist(),
    }


def _glow(scene: Scene, at: Amounts) -> Scene:
    """Light around the letters, as of lit signs."""
    halo = blur(grown(scene.mask, torch.ones_like(at["reach"])), scene, at["reach"])
    return _over(scene, at["colour"], (halo * spread(at["dense"])).clamp(0, 1))


def _draw_neon(random: Random) -> dict[str, Any]:
    return {"reach": random.uniform(2, 5), "core": random.uniform(0.4, 1.0)}


def _neon(scene: Scene, at: Amounts) -> Scene:
    """Bright tubes, white in the middle, that light up the ground."""
    halo = blur(scene.mask, scene, at["reach"])
    core = 1 - grown(1 - scene.mask, torch.ones_like(at["core"]))
    lit = _over(scene, scene.colour, halo * 0.8)
    return replace(lit, paint=scene.paint + (255 - scene.paint) * core * spread(at["core"]))


def _draw_outline(random: Random) -> dict[str, Any]:
    return {"pixels": random.uniform(0.8, 2.6), "colour": _some_colour(255 * random.random(), random).tolist()}


def _outline(scene: Scene, at: Amounts) -> Scene:
    """A border around the letters in a colour of its own."""
    return _over(scene, at["colour"], grown(scene.mask, at["pixels"]))


def _draw_double_outline(random: Random) -> dict[str, Any]:
    inner = _draw_outline(random)
    around = _some_colour(255 * random.random(), random).tolist()
    return {**inner, "outer": min(inner["pixels"] + 1, 3.0), "around": around}


def _double_outline(scene: Scene, at: Amounts) -> Scene:
    return _outline(_over(scene, at["around"], grown(scene.mask, at["outer"])), at)


def _draw_ink_gradient(random: Random) -> dict[str, Any]:
    colour = random.normal(0, 30) + random.normal(0, 15, 3)
    return {"angle": random.uniform(0, 2 * math.pi), "colour": colour.tolist()}


def _ink_gradient(scene: Scene, at: Amounts) -> Scene:
    return replace(scene, paint=scene.paint + scene.along(at["angle"]) * spread(at["colour"]))


def _draw_ink_texture(random: Random) -> dict[str, Any]:
    return {"amount": random.uniform(0.15, 0.8)}


def _ink_texture(scene: Scene, at: Amounts) -> Scene:
    return replace(scene, paint=scene.paint + scene.surface * spread(at["amount"]))


def _draw_emboss(random: Random) -> dict[str, Any]:
    angle = random.uniform(0, 2 * math.pi)
    return {"x": math.cos(angle), "y": math.sin(angle), "amount": random.uniform(30, 110)}


def _emboss(scene: Scene, at: Amounts) -> Scene:
    """Light from one side on letters that stand out of the ground or are cut into it."""
    path = torch.stack([at["x"], at["y"]], 1)
    sharp = torch.full_like(at["x"], 0.5)
    relief = (blur(scene.mask, scene, sharp, path) - blur(scene.mask, scene, sharp, -path)) * spread(at["amount"])
    return replace(scene, pixels=scene.pixels + relief, paint=scene.paint + relief)


_EFFECTS = (
    Effect("borders", _draw_borders, _borders),
    Effect("bold", _draw_bold, _bold),
    Effect("hollow", _draw_hollow, _hollow),
    Effect("stencil", _draw_stencil, _stencil),
    Effect("worn", _draw_worn, _worn),
    Effect("shadow", _draw_shadow, _shadow),
    Effect("extrusion", _draw_extrusion, _extrusion),
    Effect("glow", _draw_glow, _glow),
    Effect("neon", _draw_neon, _neon),
    Effect("double_outline", _draw_double_outline, _double_outline),
    Effect("outline", _draw_outline, _outline),
    Effect("ink_gradient", _draw_ink_gradient, _ink_gradient),
    Effect("ink_texture", _draw_ink_texture, _ink_texture),
    Effect("emboss", _draw_emboss, _emboss),
)
"""In the order in which they are painted."""
