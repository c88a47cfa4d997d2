"""What the synthetic source draws, and how often.

Chances are per image, in [0, 1]. Shares are relative to each other. How strong an effect is when it comes is
written beside the effect, in `synth/` and `images/augment.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LabelOptions:
    """What is written."""

    kinds: dict[str, float] = field(
        default_factory=lambda: {
            "word": 0.62,
            "punctuated": 0.06,
            "two-words": 0.06,
            "number": 0.08,
            "code": 0.06,
            "letters": 0.06,
            "address": 0.02,
            "characters": 0.04,
        }
    )
    """Share of each kind of label; a kind that is left out is never drawn."""


@dataclass(frozen=True)
class LayoutOptions:
    """How the glyphs stand, and what part of the scene the crop shows."""

    height: int = 48
    """Rows of the scene before the camera; no image has more."""
    tracking: float = 0.2
    """Chance of letters set wide apart."""
    jitter: float = 0.06
    """Chance of letters that leave the line, each by itself."""
    arc: float = 0.09
    """Chance of a baseline along a circle; some reach round half of it."""
    wave: float = 0.04
    """Chance of a baseline that swings."""
    curved_surface: float = 0.05
    """Chance of a surface bent like a bottle's."""
    stacked: float = 0.01
    """Chance of upright letters one below the other; short labels only."""
    turned: float = 0.01
    """Chance of a line that runs down or up."""
    oblique: float = 0.4
    """Chance of a view well off the front; other views are off a little."""
    cut: float = 0.06
    """Chance of a crop that cuts into the letters."""
    loose: float = 0.09
    """Chance of a crop with wide margins."""
    neighbours: float = 0.22
    """Chance of parts of other words beside, above and below."""


@dataclass(frozen=True)
class AppearanceOptions:
    """How text and ground look before the camera."""

    photo: float = 0.5
    """Chance of a piece of a photograph as the ground, where a folder of them is given."""
    texture: float = 0.25
    """Chance of a procedural texture otherwise, relative to flat grounds."""
    gradient: float = 0.2
    """Chance of a ground that changes in one direction."""
    borders: float = 0.25
    """Chance of edges of signs and stripes."""
    bold: float = 0.05
    """Chance of strokes swollen by a pixel."""
    hollow: float = 0.02
    """Chance of letters of which only the outline is painted."""
    stencil: float = 0.02
    """Chance of letters broken by the bridges of a stencil."""
    worn: float = 0.06
    """Chance of paint that has come off."""
    shadow: float = 0.14
    """Chance of a shadow under the letters."""
    extrusion: float = 0.12
    """Chance of letters as solid bodies."""
    glow: float = 0.03
    """Chance of light around the letters."""
    neon: float = 0.015
    """Chance of letters made of bright tubes on a dark ground."""
    outline: float = 0.1
    """Chance of a border around the letters in a colour of its own."""
    double_outline: float = 0.02
    """Chance of two such borders."""
    ink_gradient: float = 0.12
    """Chance of letters that change colour in one direction."""
    ink_texture: float = 0.12
    """Chance of letters painted with a texture."""
    emboss: float = 0.04
    """Chance of letters raised from or sunk into the ground."""
    transparency: float = 0.25
    """Chance of paint through which the ground shows."""


@dataclass(frozen=True)
class CaptureOptions:
    """What light, lens, sensor and file format do."""

    occlusion: float = 0.03
    """Chance of something in front of the text."""
    uneven_light: float = 0.25
    """Chance of light that falls off to one side."""
    shadow_edge: float = 0.06
    """Chance of the edge of a shadow across the text."""
    glare: float = 0.05
    """Chance of a reflection."""
    exposure: float = 0.35
    """Chance of a picture too bright or dark, flat or steep."""
    rain: float = 0.01
    """Chance of streaks."""
    grey: float = 0.05
    """Chance of a picture without colour."""
    motion: float = 0.12
    """Chance of motion blur."""
    zoom: float = 0.01
    """Chance of zoom blur."""
    defocus: float = 0.3
    """Chance of a picture out of focus."""
    low_resolution: float = 0.6
    """Chance of fewer rows than the scene has, down to 8."""
    noise: float = 0.4
    """Chance of sensor noise."""
    sharpening: float = 0.1
    """Chance of halos from sharpening."""
    jpeg: float = 0.6
    """Chance of traces of compression."""
    enlarging: float = 0.1
    """Chance that a picture of few rows was enlarged before it was stored."""


@dataclass(frozen=True)
class SynthOptions:
    """What the synthetic source draws with."""

    fonts: str = ""
    """Folder of fonts; empty takes those that ship with wildtext."""
    words: str = ""
    """File with one word a line; empty takes the English words that ship with wildtext."""
    backgrounds: str = ""
    """Folder of photographs; empty paints all backgrounds."""
    labels: LabelOptions = LabelOptions()
    layout: LayoutOptions = LayoutOptions()
    appearance: AppearanceOptions = AppearanceOptions()
    capture: CaptureOptions = CaptureOptions()
