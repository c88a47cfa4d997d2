"""Our own augmentation, for photographs of words and for painted words that are used more than once.

Mild enough that a person reads nearly every picture as easily as before, and wide enough that no two are alike: the
view, the light, the lens, the sensor and the file each change in some of the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from wildtext.images.augment import CAPTURE
from wildtext.images.effects import Drawn, Random
from wildtext.images.policies.geometry import to_corners
from wildtext.images.policies.policy import Policy

_UNTOUCHED = 0.1

_CUT = 0.02
"""Share of the width or height that a crop may lose at each side."""


def _draw_placing(random: Random) -> dict[str, Any]:
    """A crop as somebody else would have cut it: margins of up to 8 % at each side, or a little less than all."""
    left, right, upper, lower = random.uniform(-_CUT, 0.08, 4).tolist()
    return {"scale": [1 - left - right, 1 - upper - lower], "shift": [left - right, upper - lower]}


def _draw_tilt(random: Random) -> dict[str, Any]:
    x, y = random.uniform(0, 0.06, 4).tolist(), random.uniform(0, 0.24, 4).tolist()
    sides = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return {"matrix": to_corners([(-a * (1 - p), -b * (1 - q)) for (a, b), p, q in zip(sides, x, y, strict=True)])}


def _draw_curve(random: Random) -> dict[str, Any]:
    up = 1.0 if random.random() < 0.5 else -1.0
    return {"radius": random.uniform(1.1, 3.0), "thickness": random.uniform(0.6, 0.9), "up": up}


def _draw_stretch(random: Random) -> dict[str, Any]:
    pulls = [0.0, *random.uniform(-0.2, 0.2, 2).tolist(), 0.0]
    points = [part for pull in pulls for part in (pull, 0.0)]
    return {"top": points, "bottom": points}


def _draw_exposure(random: Random) -> dict[str, Any]:
    gain = math.exp(random.uniform(-0.6, 0.35))
    return {"gain": gain, "offset": random.normal(0, 18), "tint": random.normal(0, 6, 3).tolist()}


def _draw_occlusion(random: Random) -> dict[str, Any]:
    return {**_capture("occlusion")(random), "width": random.uniform(0.8, 2.5)}


def _draw_shadow(random: Random) -> dict[str, Any]:
    return {**_capture("shadow_edge")(random), "dark": random.uniform(0.45, 0.85)}


def _draw_glare(random: Random) -> dict[str, Any]:
    return {**_capture("glare")(random), "amount": random.uniform(30, 110)}


def _draw_motion(random: Random) -> dict[str, Any]:
    angle, length = random.uniform(0, math.pi), random.uniform(1.0, 4.0)
    # Characters are higher than wide and often squeezed: less is lost along x than along y.
    return {"x": length * math.cos(angle), "y": 0.6 * length * math.sin(angle)}


def _draw_noise(random: Random) -> dict[str, Any]:
    return {**_capture("noise")(random), "amount": random.uniform(2, 16)}


def _capture(name: str) -> Callable[[Random], dict[str, Any]]:
    draw = CAPTURE[name].draw
    assert draw is not None
    return draw


OPERATIONS: Mapping[str, tuple[float, Callable[[Random], dict[str, Any]]]] = {
    "shrink": (0.5, _draw_placing),
    "rotate": (0.25, lambda r: {"angle": math.radians(r.normal(0, 2.0)), "square": 0.0}),
    "perspective": (0.25, _draw_tilt),
    "shear_x": (0.2, lambda r: {"amount": r.uniform(-0.35, 0.35)}),
    "curve": (0.08, _draw_curve),
    "stretch": (0.15, _draw_stretch),
    "occlusion": (0.03, _draw_occlusion),
    "uneven_light": (0.08, _capture("uneven_light")),
    "shadow_edge": (0.06, _draw_shadow),
    "glare": (0.03, _draw_glare),
    "motion": (0.06, _draw_motion),
    "blur": (0.12, lambda r: {"sigma": r.uniform(0.5, 1.3)}),
    "low_resolution": (0.1, lambda r: {"share": r.uniform(0.45, 0.85)}),
    "exposure": (0.4, _draw_exposure),
    "noise": (0.2, _draw_noise),
    "sharpening": (0.08, lambda r: {"amount": r.uniform(0.3, 1.5), "reach": r.uniform(0.6, 1.4)}),
    "jpeg": (0.2, lambda r: {"quality": float(r.integers(20, 90))}),
    "contrast": (0.15, lambda r: {"factor": r.uniform(0.5, 1.4)}),
    "grey": (0.15, lambda r: {"saturation": r.uniform(0.0, 1.6)}),
    "invert": (0.04, lambda r: {}),
}
"""By effect, the share of pictures that have it, and its amounts."""


def _draw(random: Random) -> Drawn:
    chances = random.random(len(OPERATIONS) + 1).tolist()
    if chances.pop() < _UNTOUCHED:
        return {}
    pairs = zip(OPERATIONS.items(), chances, strict=True)
    return {effect: draw(random) for (effect, (share, draw)), chance in pairs if chance < share}


PHOTO = Policy(_draw, fill=None)
