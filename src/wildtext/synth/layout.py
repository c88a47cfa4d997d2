"""Stage one of a synthetic image: where the ink of a word is in the crop, with a box for every character."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.config import LayoutOptions
from wildtext.images.effects import Drawn, Random
from wildtext.synth.typeface import Typeface
from wildtext.synth.typeset import typeset
from wildtext.synth.warp import Points, Warp, draw_warp
from wildtext.types import Floats

MAX_ASPECT = 12.0
_LONGEST_STACK = 9
_MIN_WIDTH = 8


@dataclass(frozen=True, eq=False)
class Layout:
    """A word in its crop, before it is painted.

    Attributes:
        mask: (h, w) uint8 coverage of all ink.
        boxes: (len(text), 4, 2) float32 quadrilaterals around the ink of each character, in pixels of the mask,
            clockwise from the character's own top left; NaN for blanks.
        word: (4, 2) float32, likewise around the text, from where reading begins; upright where the line is curved.
        turns: quarter turns clockwise that bring the scene upright; words that run down or up lie in it.
        drawn: amounts by effect.
    """

    mask: NDArray[np.uint8]
    boxes: Floats
    word: Floats
    turns: int
    drawn: Drawn


def lay_out(text: str, face: Typeface, options: LayoutOptions, random: Random) -> Layout:
    """Set a word, bend its line, look at it from an angle and cut out a crop.

    Raises:
        DataError: the text has no ink.
    """
    drawn = _draw(text, options, random)
    line = typeset(text, face, drawn, random)
    warp = Warp(line.ink, drawn)
    word = warp.outline(line.ink)
    boxes = warp.around(line.boxes.astype(np.float64))
    low, high = _crop(word, drawn["margins"]["sides"])
    height = options.height
    width = round(height * float((high[0] - low[0]) / (high[1] - low[1])))
    width = min(max(width, _MIN_WIDTH), round(height * MAX_ASPECT))
    scale = np.array([width, height]) / (high - low)
    seen = (_draw_curved if warp.curved else _draw_plane)(line.mask, warp, low, scale, (width, height))
    return Layout(
        seen,
        ((boxes - low) * scale).astype(np.float32),
        ((word - low) * scale).astype(np.float32),
        int(drawn["turned"]["turns"]) if "turned" in drawn else 1 if "stacked" in drawn else 0,
        drawn,
    )


def _draw(text: str, options: LayoutOptions, random: Random) -> Drawn:
    chances = random.random(9)
    drawn: Drawn = {"margins": {"sides": _margins(options, random)}}
    tracking = _tracking(chances[0] < options.tracking, random)
    if chances[1] < options.stacked and 2 <= len(text) <= _LONGEST_STACK:
        drawn["stacked"] = {"gap": round(random.uniform(0.05, 0.4), 4)}
    else:
        drawn["tracking"] = {"em": tracking}
        if chances[2] < options.turned and len(text) > 2:
            drawn["turned"] = {"turns": 1 if random.random() < 0.6 else 3}
        if chances[3] < options.jitter:
            drawn["jitter"] = {"em": round(0.06 * abs(random.normal()), 4), "degrees": round(6 * random.random(), 4)}
    if chances[4] < options.neighbours and "stacked" not in drawn:
        drawn["neighbours"] = {"sides": (random.random(4) < 0.45).astype(float).tolist()}
    chosen = {name: bool(chance < getattr(options, name)) for name, chance in zip(_CURVES, chances[5:], strict=False)}
    return drawn | draw_warp([name for name, wanted in chosen.items() if wanted], chances[8] < options.oblique, random)


_CURVES = ("arc", "wave", "curved_surface")


def _tracking(wide: bool, random: Random) -> float:
    """Space added between letters, in em; beside what the font says it is nearly none in most words."""
    return round(max(random.normal(0.01, 0.035), -0.06) if not wide else 0.05 + 1.0 * random.random() ** 2, 4)


def _margins(options: LayoutOptions, random: Random) -> list[float]:
    """Left, top, right, bottom in heights of the text; below zero where the crop cuts into it."""
    kind = random.random()
    if kind < options.cut:
        around = random.uniform(-0.1, 0.1, 4)
    elif kind < options.cut + options.loose:
        around = random.uniform(0.1, 0.9, 4) * (1, 0.6, 1, 0.6)
    else:
        around = random.uniform(0.0, 0.15 if random.random() < 0.5 else 0.4, 4)
    return [round(float(value), 4) for value in around]


def _crop(word: Points, sides: list[float]) -> tuple[Points, Points]:
    """Upper left and lower right corner of the crop, in heights of the text."""
    low, high = word.min(axis=0), word.max(axis=0)
    return low - sides[:2], high + sides[2:]


def _draw_plane(
    mask: NDArray[np.uint8], warp: Warp, low: Points, scale: Points, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Exact for straight lines: one homography from the crop back to the line."""
    to_scene = np.array([[1 / scale[0], 0, low[0]], [0, 1 / scale[1], low[1]], [0, 0, 1]])
    to_line = np.array([[warp.unit, 0, warp.centre[0]], [0, warp.unit, warp.centre[1]], [0, 0, 1]])
    matrix = to_line @ warp.inverse @ to_scene
    coefficients = (matrix / matrix[2, 2]).reshape(-1)[:8].tolist()
    line = pillow.fromarray(mask)
    return np.asarray(line.transform(size, pillow.Transform.PERSPECTIVE, coefficients, pillow.Resampling.BILINEAR))


def _draw_curved(
    mask: NDArray[np.uint8], warp: Warp, low: Points, scale: Points, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Curved lines: each pixel of the crop looks up its place on the line, between four pixels."""
    width, height = size
    grid = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    x, y = np.moveaxis(warp.backward(grid / scale + low), -1, 0) - 0.5
    rows, columns = mask.shape
    # The outermost pixels of a line are empty, so what lies beyond them may look there.
    x, y = np.clip(x, 0, columns - 1.001), np.clip(y, 0, rows - 1.001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    first = top * columns + left
    across, down = (x - left).astype(np.float32), (y - top).astype(np.float32)
    flat = mask.reshape(-1)
    upper = flat[first] * (1 - across) + flat[first + 1] * across
    lower = flat[first + columns] * (1 - across) + flat[first + columns + 1] * across
    return np.asarray((upper * (1 - down) + lower * down + 0.5).astype(np.uint8))
