"""The augmentation of PARSeq (Bautista and Atienza, ECCV 2022): RandAugment as timm has it, changed for text.

Three operations of sixteen, each left out half of the time, at magnitude 5 of 10; timm's "increasing" set without
sharpness and with blur and Poisson noise. The magnitude does not vary from picture to picture. What differs: operations
follow each other in one order, not in any, and act on the picture as it lies on the model's canvas; shearing and moving
push nothing out, for the picture is squeezed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from wildtext.images.effects import Drawn, Random
from wildtext.images.policies.policy import Policy

_LAYERS = 3
_CHANCE = 0.5
_GREY = 128.0
"""What timm fills with."""

_LEVEL = 0.5
"""Magnitude 5 of 10."""
_ENHANCEMENT = 0.9 * _LEVEL
_ANGLE = math.radians(30) * _LEVEL
_SHEAR_X, _SHEAR_Y = 0.9 * _LEVEL, 0.2 * _LEVEL
_MOVE_X, _MOVE_Y = 0.1 * _LEVEL, 0.3 * _LEVEL
_SIGMA = 4 * _LEVEL
_POISSON = 21.0
"""40 times the level, made odd."""


def _either(amount: float, random: Random) -> float:
    return amount if random.random() < 0.5 else -amount


def _moved(x: float, y: float) -> dict[str, Any]:
    """To one side, and squeezed into what is left."""
    return {"scale": [1 - abs(x), 1 - abs(y)], "shift": [x, y]}


OPERATIONS: Mapping[str, tuple[str, Callable[[Random], dict[str, Any]]]] = {
    "autocontrast": ("autocontrast", lambda r: {}),
    "equalize": ("equalize", lambda r: {}),
    "invert": ("invert", lambda r: {}),
    "rotate": ("rotate", lambda r: {"angle": _either(_ANGLE, r), "square": 0.0}),
    "posterize": ("posterize", lambda r: {"bits": 4 - 4 * _LEVEL}),
    "solarize": ("solarize", lambda r: {"threshold": 256 - 256 * _LEVEL}),
    "solarize_add": ("solarize_add", lambda r: {"amount": 110 * _LEVEL}),
    "colour": ("grey", lambda r: {"saturation": 1 + _either(_ENHANCEMENT, r)}),
    "contrast": ("contrast", lambda r: {"factor": 1 + _either(_ENHANCEMENT, r)}),
    "brightness": ("brightness", lambda r: {"factor": 1 + _either(_ENHANCEMENT, r)}),
    "shear_x": ("shear_x", lambda r: {"amount": _either(_SHEAR_X, r)}),
    "shear_y": ("shear_y", lambda r: {"amount": _either(_SHEAR_Y, r)}),
    "translate_x": ("translate_x", lambda r: _moved(_either(_MOVE_X, r), 0.0)),
    "translate_y": ("translate_y", lambda r: _moved(0.0, _either(_MOVE_Y, r))),
    "blur": ("blur", lambda r: {"sigma": _SIGMA}),
    "poisson": ("poisson", lambda r: {"seed": r.random(), "mean": _POISSON}),
}
"""Effect and amounts of each operation."""

_NAMES = tuple(OPERATIONS)


def _draw(random: Random) -> Drawn:
    drawn: Drawn = {}
    for number in random.random(len(_NAMES)).argsort()[:_LAYERS].tolist():
        if random.random() < _CHANCE:
            effect, draw = OPERATIONS[_NAMES[number]]
            drawn[effect] = draw(random)
    return drawn


PARSEQ = Policy(_draw, fill=_GREY)
