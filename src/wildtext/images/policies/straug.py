"""The augmentation of ViTSTR (Atienza, ICDAR 2021; STRAug, ICCV Workshops 2021) as MGP-STR and ACDS-STR use it.

Half of the pictures stay as they are; the others get one operation of each of three of eight groups, in one of three
magnitudes. Amounts are those of the published code. What differs:

- Groups follow each other in one order, not in any.
- `equalize` and `autocontrast` have an effect; the published code throws their result away.
- `curve`, `distort` and `stretch` are a polar map and a free-form deformation, not thin-plate splines; `rotate` and
  `curve` keep all of the picture in sight.
- `frost` is made of noise, not of photographs; `brightness` is added to all colours, not to the largest alone.
- Discs, motion, shuffled pixels and Poisson variables are approximated by what a GPU does well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from wildtext.images.effects import Drawn, Random
from wildtext.images.policies.geometry import to_corners
from wildtext.images.policies.policy import Policy

_UNTOUCHED = 0.5
_GROUPS = 3
_MAGNITUDES = 3


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        effect: its name in `GEOMETRY` or `EFFECTS`.
        draw: amounts for a magnitude of 0, 1 or 2.
    """

    effect: str
    draw: Callable[[Random, int], dict[str, Any]]


def _between(first: tuple[float, float, float], width: float) -> Callable[[Random, int], float]:
    """Uniform in [first, first + width), where `first` depends on the magnitude."""
    return lambda random, magnitude: first[magnitude] + width * random.random()


def _sign(random: Random) -> float:
    return 1.0 if random.random() < 0.5 else -1.0


_SATURATION = _SHARPNESS = _between((0.1, 0.7, 1.3), 0.6)
_GAUSS = _between((0.08, 0.10, 0.12), 0.03)
_PHOTONS = _between((13, 8, 3), 7)
_SPECKLE = _between((0.15, 0.20, 0.25), 0.05)
_IMPULSE = _between((0.03, 0.07, 0.11), 0.04)
_SHADOW = _between((64 / 255, 96 / 255, 128 / 255), 32 / 255)
_DEGREES = _between((0, 10, 20), 10)
_OUTER_RADIUS = _between((1.1, 0.95, 0.8), 0.1)
_SHRINKAGE = _between((0.1, 0.2, 0.3), 0.1)
_TILT = _between((0.1, 0.2, 0.3), 0.1)
_PULL = (0.2, 0.3, 0.4)
"""Of a third of the width, and of half the height."""


def _draw_motion(random: Random, magnitude: int) -> dict[str, Any]:
    # A line as spread out as one half of a Gaussian of sigma 3, 4 or 5.
    angle, length = random.uniform(-math.pi / 4, math.pi / 4), 2.1 * (3, 4, 5)[magnitude]
    return {"x": length * math.cos(angle), "y": length * math.sin(angle)}


def _draw_snow(random: Random, magnitude: int) -> dict[str, Any]:
    angle = random.uniform(-math.pi / 4, math.pi / 4)
    return {
        "seed": random.random(),
        "pale": (0.2, 0.3, 0.3)[magnitude],
        "x": 6 * math.sin(angle),
        "y": 6 * math.cos(angle),
        "amount": (60, 90, 160)[magnitude],
    }


def _draw_rain(random: Random, magnitude: int) -> dict[str, Any]:
    angle, length = math.radians(random.uniform(-60, 60)), random.uniform(5, 10)
    slant, fall = length * math.sin(angle), length * math.cos(angle)
    return {"seed": random.random(), "x": slant, "y": fall, "amount": (50, 70, 90)[magnitude]}


def _draw_shadow(random: Random, magnitude: int) -> dict[str, Any]:
    left, right = (random.uniform(low, low + 1, 2).tolist() for low in (-1, 0))
    return {"left": left, "right": right, "dark": _SHADOW(random, magnitude)}


def _draw_curve(random: Random, magnitude: int) -> dict[str, Any]:
    radius, thickness = _OUTER_RADIUS(random, magnitude), random.uniform(0.4, 0.5)
    return {"radius": radius, "thickness": thickness, "up": _sign(random)}


def _draw_bend(random: Random, magnitude: int, *, upright: float) -> dict[str, Any]:
    """How far each of four points along the top and the bottom pulls; the ends only inwards, none out of the canvas."""
    most_x, most_y = _PULL[magnitude] * 2 / 3, _PULL[magnitude] * upright
    lows, widths = (0, -1, -1, -1), (1, 2, 2, 1)
    chances = random.random(16).tolist()
    x = [(low + width * chance) * most_x for low, width, chance in zip(lows * 2, widths * 2, chances[:8], strict=True)]
    if not upright:
        x[4:] = x[:4]
    y = [chance * most_y * side for chance, side in zip(chances[8:], (1,) * 4 + (-1,) * 4, strict=True)]
    points = [part for pair in zip(x, y, strict=True) for part in pair]
    return {"top": points[:8], "bottom": points[8:]}


def _draw_rotation(random: Random, magnitude: int) -> dict[str, Any]:
    return {"angle": math.radians(_DEGREES(random, magnitude)) * _sign(random), "square": 1.0}


def _draw_perspective(random: Random, magnitude: int) -> dict[str, Any]:
    """One end becomes less high."""
    top, bottom = 2 * _TILT(random, magnitude) - 1, 1 - 2 * _TILT(random, magnitude)
    if random.random() < 0.5:
        return {"matrix": to_corners([(-1, -1), (1, top), (1, bottom), (-1, 1)])}
    return {"matrix": to_corners([(-1, top), (1, -1), (1, 1), (-1, bottom)])}


def _draw_shrinking(random: Random, magnitude: int) -> dict[str, Any]:
    """Margins on all sides, and then a move into one of them."""
    margins = [_SHRINKAGE(random, magnitude) * part for part in (2 / 3, 1.0)]
    shift = [0.0, 0.0]
    axis = int(random.random() * 2)
    shift[axis] = margins[axis] * random.uniform(-1, 1)
    return {"scale": [1 - margin for margin in margins], "shift": shift}


GROUPS: Mapping[str, Mapping[str, Operation]] = {
    "process": {
        "posterize": Operation("posterize", lambda r, m: {"bits": (1, 3, 6)[m] + int(r.random() * 2)}),
        "solarize": Operation("solarize", lambda r, m: {"threshold": (64, 128, 192)[m] + int(r.random() * 64)}),
        "invert": Operation("invert", lambda r, m: {}),
        "equalize": Operation("equalize", lambda r, m: {}),
        "autocontrast": Operation("autocontrast", lambda r, m: {}),
        "sharpness": Operation("sharpening", lambda r, m: {"amount": _SHARPNESS(r, m) - 1, "reach": 0.68}),
        "colour": Operation("grey", lambda r, m: {"saturation": _SATURATION(r, m)}),
    },
    "camera": {
        "contrast": Operation("contrast", lambda r, m: {"factor": (0.4, 0.3, 0.2)[m]}),
        "brightness": Operation(
            "exposure", lambda r, m: {"gain": 1.0, "offset": 255 * (0.1, 0.2, 0.3)[m], "tint": [0.0] * 3}
        ),
        "jpeg": Operation("jpeg", lambda r, m: {"quality": (25, 18, 15)[m]}),
        "pixelate": Operation("pixelate", lambda r, m: {"share": (0.6, 0.5, 0.4)[m]}),
    },
    "noise": {
        "gauss": Operation(
            "noise", lambda r, m: {"seed": r.random(), "amount": 255 * _GAUSS(r, m), "shot": 0.0, "grey": 0.0}
        ),
        "shot": Operation("shot", lambda r, m: {"seed": r.random(), "photons": _PHOTONS(r, m)}),
        "impulse": Operation(
            "impulse", lambda r, m: {"seed": r.random(), "limit": NormalDist().inv_cdf(1 - _IMPULSE(r, m) / 2)}
        ),
        "speckle": Operation("speckle", lambda r, m: {"seed": r.random(), "amount": _SPECKLE(r, m)}),
    },
    "blur": {
        "gaussian": Operation("blur", lambda r, m: {"sigma": (0.5, 1.0, 2.0)[m]}),
        "defocus": Operation("defocus", lambda r, m: {"radius": (2.0, 3.0, 4.0)[m]}),
        "motion": Operation("motion", _draw_motion),
        "glass": Operation("glass", lambda r, m: {"seed": r.random(), "sigma": (0.7, 0.75, 0.8)[m], "jump": 0.8}),
        "zoom": Operation("zoom", lambda r, m: {"amount": (0.10, 0.15, 0.20)[m]}),
    },
    "weather": {
        "fog": Operation(
            "fog", lambda r, m: {"seed": r.random(), "amount": (1.5, 2.0, 2.5)[m], "decay": (2.0, 2.0, 1.7)[m]}
        ),
        "snow": Operation("snow", _draw_snow),
        "frost": Operation("frost", lambda r, m: {"seed": r.random(), "amount": (0.22, 0.36, 0.50)[m]}),
        "rain": Operation("rain", _draw_rain),
        "shadow": Operation("shadow", _draw_shadow),
    },
    "pattern": {
        "columns": Operation("lines", lambda r, m: {"columns": 4 - m, "rows": 0}),
        "rows": Operation("lines", lambda r, m: {"columns": 0, "rows": 4 - m}),
        "grid": Operation("lines", lambda r, m: {"columns": 4 - m, "rows": 4 - m}),
        "rectangles": Operation("rings", lambda r, m: {"period": 4 - m, "round": 0.0}),
        "ellipses": Operation("rings", lambda r, m: {"period": 4 - m, "round": 1.0}),
    },
    "warp": {
        "curve": Operation("curve", _draw_curve),
        "distort": Operation("distort", lambda r, m: _draw_bend(r, m, upright=1.0)),
        "stretch": Operation("stretch", lambda r, m: _draw_bend(r, m, upright=0.0)),
    },
    "geometry": {
        "rotate": Operation("rotate", _draw_rotation),
        "perspective": Operation("perspective", _draw_perspective),
        "shrink": Operation("shrink", _draw_shrinking),
    },
}
"""The eight groups: amounts from the generator and the magnitude."""

SAFE_GROUPS: Mapping[str, Mapping[str, Operation]] = {
    **GROUPS,
    "camera": {name: operation for name, operation in GROUPS["camera"].items() if name != "pixelate"},
}
"""Without `pixelate`, whose blocks move edges by more than a pixel from where the character boxes say they are.

ACDS-STR leaves out `warp` and `geometry` as well, for its boxes stay where they were. Ours move along, so that masks of
core areas stay right. All other operations leave every pixel where it is, or blur it evenly to both sides.
"""


def _draw(groups: Mapping[str, Mapping[str, Operation]], random: Random) -> Drawn:
    if random.random() < _UNTOUCHED:
        return {}
    names = list(groups)
    drawn: Drawn = {}
    for number in random.permutation(len(names))[:_GROUPS].tolist():
        operations = list(groups[names[number]].values())
        operation = operations[int(random.random() * len(operations))]
        drawn[operation.effect] = operation.draw(random, int(random.random() * _MAGNITUDES))
    return drawn


STRAUG = Policy(lambda random: _draw(GROUPS, random), fill=0.0)
STRAUG_SAFE = Policy(lambda random: _draw(SAFE_GROUPS, random), fill=0.0)
