"""What a policy is: how to draw what befalls a picture, and the effects in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wildtext.images.augment import CAPTURE
from wildtext.images.effects import Drawn, Random
from wildtext.images.policies.colour import COLOUR, COUNTING
from wildtext.images.policies.noise import NOISE
from wildtext.images.policies.optics import FILE, LENS
from wildtext.images.policies.pattern import PATTERN
from wildtext.images.policies.weather import WEATHER

EFFECTS = (
    *(CAPTURE[name] for name in ("occlusion", "uneven_light", "shadow_edge", "glare")),
    *WEATHER,
    *LENS,
    CAPTURE["exposure"],
    CAPTURE["noise"],
    *NOISE,
    CAPTURE["sharpening"],
    *FILE,
    CAPTURE["grey"],
    *COLOUR,
    *PATTERN,
)
"""Effects on pixels in the order in which they happen: to the scene, in lens, sensor and file, by a person's hand."""

FIRST = COUNTING
"""Effects on the pixels of the picture as it was given, before anything moves."""


@dataclass(frozen=True)
class Policy:
    """How training crops are augmented.

    Attributes:
        draw: decides what befalls one picture: amounts by the names of `FIRST`, `GEOMETRY` and `EFFECTS`.
        fill: the grey level of what comes into sight where a picture moves; None goes on with the pixels of its edge.
    """

    draw: Callable[[Random], Drawn]
    fill: float | None
