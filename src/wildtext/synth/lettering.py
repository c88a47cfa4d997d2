"""What makes letters and signs what they are: borders, outlines, shadows, solid bodies, light, wear."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wildtext.images.effects import LUMA, Amounts, Effect, Frames, Random, blur, cover, grown, noise, spread

Colour = NDArray[np.floating[Any]]


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


def some_colour(luma: float, random: Random) -> Colour:
    """A colour of about this brightness: most are nearly grey, few are pure."""
    vividness = (6, 6, 25, 60)[int(4 * random.random())]
    offset = vividness * random.standard_normal(3)
    return np.asarray(np.clip(luma + offset - offset @ np.array(LUMA), 0, 255))


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
    return {"period": random.uniform(9, 22), "shift": random.random(), "width": random.uniform(1.2, 2.6)}


def _stencil(scene: Scene, at: Amounts) -> Scene:
    """The bridges of a stencil break the letters from top to bottom."""
    columns = (scene.x + 1) * spread(scene.widths / 2) / spread(at["period"]) + spread(at["shift"])
    distance = (columns - columns.round()).abs() * spread(at["period"])
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
    return cover(scene, at["level"][:, None].expand(-1, 3), copy * spread(at["dense"]))


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
    return cover(scene, torch.lerp(scene.colour, at["level"][:, None].expand(-1, 3), at["mix"][:, None]), sides)


def _draw_glow(random: Random) -> dict[str, Any]:
    return {
        "reach": random.uniform(1.5, 5),
        "dense": random.uniform(0.5, 1.2),
        "colour": some_colour(random.uniform(120, 255), random).tolist(),
    }


def _glow(scene: Scene, at: Amounts) -> Scene:
    """Light around the letters, as of lit signs."""
    halo = blur(grown(scene.mask, torch.ones_like(at["reach"])), scene, at["reach"])
    return cover(scene, at["colour"], (halo * spread(at["dense"])).clamp(0, 1))


def _draw_neon(random: Random) -> dict[str, Any]:
    return {"reach": random.uniform(2, 5), "core": random.uniform(0.4, 1.0), "night": random.uniform(0.15, 0.5)}


def _neon(scene: Scene, at: Amounts) -> Scene:
    """Bright tubes, white in the middle, that light up the ground."""
    halo = blur(scene.mask, scene, at["reach"])
    core = 1 - grown(1 - scene.mask, torch.ones_like(at["core"]))
    night = replace(scene, pixels=scene.pixels * spread(at["night"]))
    lit = cover(night, scene.colour, halo * 0.8)
    return replace(lit, paint=scene.paint + (255 - scene.paint) * core * spread(at["core"]))


def _draw_outline(random: Random) -> dict[str, Any]:
    return {"pixels": random.uniform(0.8, 2.6), "colour": some_colour(255 * random.random(), random).tolist()}


def _outline(scene: Scene, at: Amounts) -> Scene:
    """A border around the letters in a colour of its own."""
    return cover(scene, at["colour"], grown(scene.mask, at["pixels"]))


def _draw_double_outline(random: Random) -> dict[str, Any]:
    inner = {**_draw_outline(random), "pixels": random.uniform(0.8, 1.7)}
    around = some_colour(255 * random.random(), random).tolist()
    return {**inner, "outer": inner["pixels"] + random.uniform(0.8, 1.3), "around": around}


def _double_outline(scene: Scene, at: Amounts) -> Scene:
    return _outline(cover(scene, at["around"], grown(scene.mask, at["outer"])), at)


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


EFFECTS = (
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
