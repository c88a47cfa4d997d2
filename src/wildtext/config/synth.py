"""What the synthetic source draws, and how often.

Chances are per image, in [0, 1]. Shares are relative to each other. How strong an effect is when it comes is
written beside the effect, in `synth/` and `images/augment.py`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from wildtext.errors import ConfigError

LABEL_KINDS = (
    "word", "name", "brand", "abbreviation", "punctuated", "phrase", "address", "short", "letters", "characters",
    "number", "price", "date", "time", "phone", "plate", "code", "ordinal", "unit",
)  # fmt: skip
"""What `LabelOptions.kinds` can name."""

CASE_STYLES = ("upper", "title", "lower", "mixed")
"""What `LabelOptions.cases` can name."""


def nearest(name: str, known: Sequence[str]) -> str:
    """What to say of a name that is not known: the nearest one that is, or all."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


@dataclass(frozen=True)
class LabelOptions:
    """What is written; docs/labels.md has examples of each kind."""

    kinds: dict[str, float] = field(
        default_factory=lambda: {
            "word": 0.59,
            "name": 0.08,
            "punctuated": 0.045,
            "short": 0.04,
            "number": 0.035,
            "brand": 0.03,
            "letters": 0.035,
            "abbreviation": 0.022,
            "phrase": 0.015,
            "characters": 0.02,
            "code": 0.018,
            "price": 0.014,
            "address": 0.008,
            "date": 0.007,
            "time": 0.006,
            "phone": 0.005,
            "unit": 0.006,
            "plate": 0.005,
            "ordinal": 0.005,
        }
    )
    """Share of each kind of label; a kind that is left out is never drawn."""
    cases: dict[str, float] = field(default_factory=lambda: {"upper": 0.5, "title": 0.26, "lower": 0.21, "mixed": 0.03})
    """Share of each case style of words; one that is left out is never drawn."""
    flatten: float = 0.3
    """Chance that a word is the one with the rarest characters out of four."""
    max_length: int = 25
    """Characters of the longest label."""

    def __post_init__(self) -> None:
        _check_shares("kinds", self.kinds, LABEL_KINDS)
        _check_shares("cases", self.cases, CASE_STYLES)
        if not 0 <= self.flatten <= 1:
            raise ConfigError(f"labels.flatten is {self.flatten}, but must be at least 0 and at most 1")
        if not 1 <= self.max_length <= 64:
            raise ConfigError(f"labels.max_length is {self.max_length}, but must be at least 1 and at most 64")


def _check_shares(name: str, shares: dict[str, float], known: tuple[str, ...]) -> None:
    for key, share in shares.items():
        if key not in known:
            raise ConfigError(f"labels.{name} has unknown {key!r}; {nearest(key, known)}")
        if not 0 <= share < math.inf:
            raise ConfigError(f"labels.{name}.{key} is {share}, but must be at least 0")
    if not any(shares.values()):
        raise ConfigError(f"labels.{name} has no share above 0; known are {', '.join(known)}")


def _check_chances(table: str, options: object, without: tuple[str, ...] = ()) -> None:
    for name, value in vars(options).items():
        if name not in without and not 0 <= value <= 1:
            raise ConfigError(f"{table}.{name} is {value}, but a chance must be 0 to 1")


@dataclass(frozen=True)
class LayoutOptions:
    """How the glyphs stand, and what part of the scene the crop shows."""

    height: int = 48
    """Rows of the scene before the camera; pictures of upright lines have at most as many."""
    tracking: float = 0.12
    """Chance of letters set wide apart."""
    jitter: float = 0.06
    """Chance of letters that leave the line and turn, each by itself."""
    arc: float = 0.09
    """Chance of a baseline along a circle; some reach most of the way round."""
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

    def __post_init__(self) -> None:
        if not 16 <= self.height <= 80:
            raise ConfigError(f"synth.layout.height is {self.height}, but must be 16 to 80 rows")
        _check_chances("synth.layout", self, without=("height",))


@dataclass(frozen=True)
class AppearanceOptions:
    """How text and ground look before the camera."""

    photo: float = 0.5
    """Chance of a piece of a photograph as the ground, where a folder of them is given."""
    texture: float = 0.25
    """Chance of a painted surface otherwise, and of a faint one on what remains flat."""
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

    def __post_init__(self) -> None:
        _check_chances("synth.appearance", self)


@dataclass(frozen=True)
class CaptureOptions:
    """What light, lens, sensor and file format do."""

    clean: float = 0.22
    """Chance that none of the following happens, as on screens and in good scans."""
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
    defocus: float = 0.28
    """Chance of a picture out of focus."""
    low_resolution: float = 0.7
    """Chance of fewer rows than the scene has, down to 8."""
    noise: float = 0.35
    """Chance of sensor noise."""
    sharpening: float = 0.1
    """Chance of halos from sharpening."""
    jpeg: float = 0.6
    """Chance of traces of compression."""
    enlarging: float = 0.1
    """Chance that a picture of few rows was enlarged afterwards."""

    def __post_init__(self) -> None:
        _check_chances("synth.capture", self)


@dataclass(frozen=True)
class SynthOptions:
    """What the synthetic source draws with."""

    fonts: str = ""
    """Folder of fonts; empty takes those that ship with wildtext."""
    styles: dict[str, float] = field(default_factory=dict)
    """Share of fonts of each style: sans, serif, display, script, mono, unknown; empty takes the usual shares."""
    words: str = ""
    """File with one word a line, or word<TAB>count; `chinese` takes the words and characters of Chinese signs; empty
    takes the English words that ship with wildtext."""
    backgrounds: str = ""
    """Folder of photographs; empty paints all backgrounds."""
    labels: LabelOptions = LabelOptions()
    layout: LayoutOptions = LayoutOptions()
    appearance: AppearanceOptions = AppearanceOptions()
    capture: CaptureOptions = CaptureOptions()
