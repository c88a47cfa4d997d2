"""Geometry of a synthetic word: glyphs on a line, bent and seen at an angle, with a box for every character."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageDraw

from wildtext.errors import DataError
from wildtext.synth.fonts import Typeface
from wildtext.types import Floats

Points = NDArray[np.floating[Any]]
Random = np.random.Generator

_MAX_ASPECT = 12.0
_COLUMNS, _ROWS = 14, 4
"""Cells of the mesh that a bent line is drawn with."""


@dataclass(frozen=True)
class Line:
    """Glyphs drawn on a straight line.

    Attributes:
        mask: (H, W) coverage, with room around the text in which neighbours may stand.
        boxes: (len(text), 4, 2) ink of each character in pixels of the mask; NaN for blanks.
        ink: left, top, right, bottom of all characters.
    """

    mask: pillow.Image
    boxes: Floats
    ink: tuple[float, float, float, float]


def draw_line(text: str, face: Typeface, random: Random, *, neighbours: bool) -> Line:
    """Set a text in one font, with random tracking and, if asked, parts of other words around it.

    Raises:
        DataError: the text has no characters but blanks.
    """
    if not text.strip(" "):
        raise DataError(f"there is nothing to draw in {text!r}")
    size = face.size
    spread = random.normal(0.02, 0.04) if random.random() < 0.8 else 1.1 * random.random() ** 2
    tracking = size * max(spread, -0.04)
    jitter = size * 0.05 * abs(random.normal()) if random.random() < 0.08 else 0.0
    room = size
    starts = [room + face.font.getlength(text[:index]) + tracking * index for index in range(len(text))]
    lifts = random.normal(0, jitter, len(text)) if jitter else np.zeros(len(text))
    boxes = np.full((len(text), 4, 2), np.nan, np.float32)
    for index, character in enumerate(text):
        if character != " ":
            left, top, right, bottom = face.font.getbbox(character)
            x, y = starts[index], room + float(lifts[index])
            boxes[index] = _corners(x + left, y + top, x + right, y + bottom)
    ink = (*np.nanmin(boxes, axis=(0, 1)).tolist(), *np.nanmax(boxes, axis=(0, 1)).tolist())
    mask = pillow.new("L", (math.ceil(ink[2]) + room, math.ceil(ink[3]) + room))
    draw = ImageDraw.Draw(mask)
    for index, character in enumerate(text):
        draw.text((starts[index], room + float(lifts[index])), character, fill=255, font=face.font)
    if neighbours:
        _draw_neighbours(draw, ink, face, random)
    return Line(mask, boxes, ink)


def _draw_neighbours(
    draw: ImageDraw.ImageDraw, ink: tuple[float, float, float, float], face: Typeface, random: Random
) -> None:
    """Words beside, above and below, as they reach into crops of real signs."""
    size = face.size
    letters = "".join(chr(97 + index) for index in random.integers(26, size=12))
    letters = letters.upper() if random.random() < 0.5 else letters
    if not face.covers(letters):
        return
    gap = size * random.uniform(0.25, 0.6)
    sides = random.random(4) < 0.45
    if sides[0]:
        draw.text((ink[0] - gap - face.font.getlength(letters[:4]), size), letters[:4], fill=255, font=face.font)
    if sides[1]:
        draw.text((ink[2] + gap, size), letters[4:8], fill=255, font=face.font)
    leading = size * random.uniform(0.95, 1.4)
    shift = size * random.uniform(-1, 1)
    if sides[2]:
        draw.text((ink[0] + shift, size - leading), letters, fill=255, font=face.font)
    if sides[3]:
        draw.text((ink[0] + shift, size + leading), letters, fill=255, font=face.font)


class Warp:
    """From the straight line to the scene: bend, slant and stretch, rotate, look at an angle.

    Points are first centred on the text and divided by its height, so that all amounts are relative.
    """

    def __init__(self, ink: tuple[float, float, float, float], random: Random):
        left, top, right, bottom = ink
        self.centre = np.array([(left + right) / 2, (top + bottom) / 2])
        self.unit = max(bottom - top, 1.0)
        half_width = max((right - left) / 2 / self.unit, 0.5)
        self.bend = random.normal(0, 0.35) if random.random() < 0.16 and half_width > 1 else 0.0
        self.wave = random.random() < 0.25
        self.phase = random.uniform(0, 2 * math.pi)
        self.half_width = half_width
        self.matrix = self._view(half_width, random)
        self.inverse = np.linalg.inv(self.matrix)

    @staticmethod
    def _view(half_width: float, random: Random) -> Points:
        spread = 3.0 if random.random() < 0.4 else 0.8
        angle = math.radians(float(np.clip(random.normal(0, 4 * spread), -40, 40)))
        slant = random.normal(0, 0.08 * spread)
        stretch = math.exp(random.normal(0, 0.22))
        cos, sin = math.cos(angle), math.sin(angle)
        shape = np.array([[stretch, slant, 0], [0, 1, 0], [0, 0, 1]])
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        tilt = np.eye(3)
        tilt[2, 0] = float(np.clip(random.normal(0, 0.09 * spread), -0.35, 0.35)) / (half_width * stretch)
        tilt[2, 1] = float(np.clip(random.normal(0, 0.05 * spread), -0.3, 0.3))
        return np.asarray(tilt @ turn @ shape)

    @property
    def bent(self) -> bool:
        """Whether straight lines do not stay straight."""
        return self.bend != 0

    def forward(self, points: Points) -> Points:
        """(..., 2) pixels of the line to scene units."""
        scaled = (points - self.centre) / self.unit
        lifted = scaled[..., 1] + self._offset(scaled[..., 0])
        return _project(self.matrix, np.stack([scaled[..., 0], lifted], axis=-1))

    def backward(self, points: Points) -> Points:
        """(..., 2) scene units to pixels of the line."""
        flat = _project(self.inverse, points)
        lowered = flat[..., 1] - self._offset(flat[..., 0])
        on_line: Points = np.stack([flat[..., 0], lowered], axis=-1) * self.unit + self.centre
        return on_line

    def _offset(self, x: Points) -> Points:
        relative = x / self.half_width
        shape = np.sin(relative * 3 + self.phase) if self.wave else np.minimum(relative**2, 4.0)
        return np.asarray(self.bend * shape)


def seen(line: Line, random: Random) -> tuple[Floats, Floats]:
    """Look at a line as a camera would and crop it as an annotator would.

    Returns:
        (H, W) float32 coverage in [0, 1], and the character boxes (n, 4, 2) in its pixels.
    """
    warp = Warp(line.ink, random)
    quads = warp.forward(line.boxes.astype(np.float64))
    low, high = np.nanmin(quads, axis=(0, 1)), np.nanmax(quads, axis=(0, 1))
    low, high = _margins(low, high, random)
    height = int(random.integers(28, 49))
    aspect = (high[0] - low[0]) / (high[1] - low[1])
    width = max(round(height * min(aspect, _MAX_ASPECT)), 8)
    scale = np.array([width, height]) / (high - low)
    boxes = ((quads - low) * scale).astype(np.float32)
    if not warp.bent:
        mask = _draw_plane(line.mask, warp, low, scale, (width, height))
    else:
        mask = _draw_mesh(line.mask, warp, low, scale, (width, height))
    return np.asarray(mask, np.float32) / np.float32(255), boxes


def _margins(low: Points, high: Points, random: Random) -> tuple[Points, Points]:
    """Tight, normal, loose, or cutting into the text; in units of the text height."""
    kind = random.random()
    if kind < 0.45:
        around = random.uniform(0.0, 0.15, 4)
    elif kind < 0.85:
        around = random.uniform(0.0, 0.4, 4)
    elif kind < 0.94:
        around = random.uniform(0.1, 0.9, 4) * (1, 0.6, 1, 0.6)
    else:
        around = random.uniform(-0.06, 0.1, 4)
    return low - around[:2], high + around[2:]


def _draw_plane(mask: pillow.Image, warp: Warp, low: Points, scale: Points, size: tuple[int, int]) -> pillow.Image:
    """Exact for unbent lines: one homography from the crop back to the line."""
    to_scene = np.array([[1 / scale[0], 0, low[0]], [0, 1 / scale[1], low[1]], [0, 0, 1]])
    to_line = np.array([[warp.unit, 0, warp.centre[0]], [0, warp.unit, warp.centre[1]], [0, 0, 1]])
    matrix = to_line @ warp.inverse @ to_scene
    return mask.transform(
        size,
        pillow.Transform.PERSPECTIVE,
        (matrix / matrix[2, 2]).reshape(-1)[:8].tolist(),
        resample=pillow.Resampling.BILINEAR,
    )


def _draw_mesh(mask: pillow.Image, warp: Warp, low: Points, scale: Points, size: tuple[int, int]) -> pillow.Image:
    """Bent lines: small cells, each nearly flat."""
    xs = np.unique(np.linspace(0, size[0], _COLUMNS + 1).round().astype(int))
    ys = np.linspace(0, size[1], _ROWS + 1).round().astype(int)
    grid = np.stack(np.meshgrid(xs, ys, indexing="ij"), axis=-1)
    source = warp.backward(grid / scale + low)
    cells = []
    for column in range(len(xs) - 1):
        for row in range(len(ys) - 1):
            around = ((column, row), (column, row + 1), (column + 1, row + 1), (column + 1, row))
            quad = [float(value) for corner in around for value in source[corner]]
            cells.append(((*grid[column, row].tolist(), *grid[column + 1, row + 1].tolist()), quad))
    return mask.transform(size, pillow.Transform.MESH, cells, resample=pillow.Resampling.BILINEAR)


def _corners(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _project(matrix: Points, points: Points) -> Points:
    x, y = points[..., 0], points[..., 1]
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    return np.stack(
        [
            (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / depth,
            (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / depth,
        ],
        axis=-1,
    )
