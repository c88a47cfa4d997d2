"""From a straight line of glyphs to the scene: curves, then a view at an angle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildtext.images.effects import Drawn, Random
from wildtext.synth.typeset import Rectangle, corners

Points = NDArray[np.floating[Any]]

_FULLEST_ARC = 4.2
"""Radians; what reaches further round meets itself when it is cropped."""
_STEPS = np.linspace(0, 1, 6)[1:-1, None]
"""Places along the edges of a character at which its box is made to hold what curves do to it."""
_MANY = np.linspace(0, 1, 33)[:, None]
"""Likewise along the edges of a whole text, which may reach round a circle."""


def draw_warp(curves: Sequence[str], oblique: bool, random: Random) -> Drawn:
    """Amounts of the named curves, and a view.

    Args:
        curves: `arc`, `wave`, `curved_surface`.
        oblique: whether the view is well off the front.
        random: decides.
    """
    draws = {"arc": _draw_arc, "wave": _draw_wave, "curved_surface": _draw_curved_surface}
    drawn = {name: draws[name](random) for name in curves}
    spread = 3.0 if oblique else 0.8
    noise = random.normal(size=5).tolist()
    drawn["view"] = {
        "angle": round(min(max(math.radians(4 * spread * noise[0]), -0.7), 0.7), 4),
        "slant": round(0.08 * spread * noise[1], 4),
        "stretch": round(math.exp(0.22 * noise[2] - 0.08), 4),
        "tilt_x": round(min(max(0.09 * spread * noise[3], -0.35), 0.35), 4),
        "tilt_y": round(min(max(0.05 * spread * noise[4], -0.3), 0.3), 4),
    }
    return drawn


def _draw_arc(random: Random) -> dict[str, float]:
    full = random.random() < 0.15
    angle = random.uniform(1.5, _FULLEST_ARC) if full else abs(random.normal(0, 0.7))
    return {"radians": round(angle * (1 if random.random() < 0.75 else -1), 4)}


def _draw_wave(random: Random) -> dict[str, float]:
    return {
        "amplitude": round(random.uniform(0.05, 0.3), 4),
        "turns": round(random.uniform(0.4, 1.6), 4),
        "phase": round(random.uniform(0, 2 * math.pi), 4),
    }


def _draw_curved_surface(random: Random) -> dict[str, float]:
    return {"radians": round(random.uniform(0.5, 1.2), 4), "sag": round(random.normal(0, 0.2), 4)}


class Warp:
    """The way of points from the line to the scene and back.

    Points are first centred on the text and divided by its height, so that all amounts are relative.

    Args:
        ink: the rectangle of the text.
        drawn: amounts of `view` and, where there are any, of curves.
    """

    def __init__(self, ink: Rectangle, drawn: Drawn):
        left, top, right, bottom = ink
        self.centre = ((left + right) / 2, (top + bottom) / 2)
        self.unit = max(bottom - top, 1.0)
        self.half_width = max((right - left) / 2 / self.unit, 0.5)
        self._radius = self._arc_radius(drawn["arc"]["radians"]) if "arc" in drawn else 0.0
        self.matrix = _view(self.half_width, min(abs(self._radius), self.half_width), drawn["view"])
        self.inverse = np.linalg.inv(self.matrix)
        self._wave = drawn.get("wave")
        self._surface = drawn.get("curved_surface")

    @property
    def curved(self) -> bool:
        """Whether straight lines do not stay straight."""
        return self._radius != 0 or self._wave is not None or self._surface is not None

    def forward(self, points: Points) -> Points:
        """(..., 2) pixels of the line to heights of the text in the scene."""
        points = (points - self.centre) / self.unit
        if self.curved:
            points = self._bend(points)
        return _project(self.matrix, points)

    def backward(self, points: Points) -> Points:
        """(..., 2) places in the scene to pixels of the line; the inverse of `forward`."""
        points = _project(self.inverse, points)
        if self.curved:
            points = self._unbend(points)
        return points * self.unit + self.centre

    def around(self, quads: Points) -> Points:
        """(..., 4, 2) quadrilaterals on the line to ones in the scene that hold all that they held."""
        corners = self.forward(quads)
        if not self.curved:
            return corners
        edges = quads[..., None, :] * (1 - _STEPS) + np.roll(quads, -1, axis=-2)[..., None, :] * _STEPS
        return _enclosing(corners, self.forward(edges))

    def outline(self, rectangle: Rectangle) -> Points:
        """(4, 2) in the scene around a rectangle of the line; upright if the line is curved."""
        quad = np.array(corners(rectangle))
        if not self.curved:
            return self.forward(quad)
        edges = quad[:, None] * (1 - _MANY) + np.roll(quad, -1, axis=0)[:, None] * _MANY
        points = self.forward(edges.reshape(-1, 2))
        return np.array(corners((*points.min(axis=0), *points.max(axis=0))))

    def _bend(self, points: Points) -> Points:
        x, y = points[..., 0], points[..., 1]
        if self._surface is not None:
            rate = self._surface["radians"] / self.half_width
            y = y + self._surface["sag"] * (x / self.half_width) ** 2
            x = np.sin(np.clip(x * rate, -1.5, 1.5)) / rate
        if self._wave is not None:
            y = y + self._swing(x)
        if self._radius:
            angle = x / self._radius
            x, y = (self._radius - y) * np.sin(angle), self._radius - (self._radius - y) * np.cos(angle)
        return np.stack([x, y], axis=-1)

    def _unbend(self, points: Points) -> Points:
        x, y = points[..., 0], points[..., 1]
        if self._radius:
            side = math.copysign(1, self._radius)
            across, down = x * side, (self._radius - y) * side
            x, y = np.arctan2(across, down) * self._radius, self._radius - side * np.hypot(across, down)
        if self._wave is not None:
            y = y - self._swing(x)
        if self._surface is not None:
            rate = self._surface["radians"] / self.half_width
            x = np.arcsin(np.clip(x * rate, -0.997, 0.997)) / rate
            y = y - self._surface["sag"] * (x / self.half_width) ** 2
        return np.stack([x, y], axis=-1)

    def _swing(self, x: Points) -> Points:
        assert self._wave is not None
        phase = x / self.half_width * math.pi * self._wave["turns"] + self._wave["phase"]
        return np.asarray(self._wave["amplitude"] * np.sin(phase))

    def _arc_radius(self, radians: float) -> float:
        """Of the circle that the middle of the text runs along, kept so large that letters do not meet inside."""
        radius = 2 * self.half_width / max(abs(radians), 1e-3)
        return math.copysign(max(radius, 1.5), radians)


def _view(half_width: float, sag: float, amounts: dict[str, Any]) -> Points:
    """Stretch and slant, turn, look at an angle: tilts are how much nearer the ends of the text are than its middle."""
    cos, sin = math.cos(amounts["angle"]), math.sin(amounts["angle"])
    stretch, slant = amounts["stretch"], amounts["slant"]
    shape = np.array([[stretch, slant, 0], [0, 1, 0], [0, 0, 1]])
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    tilt = np.eye(3)
    half_height = 1 + sag + abs(sin) * half_width * stretch
    tilt[2] = amounts["tilt_x"] / (half_width * stretch + 0.5), amounts["tilt_y"] / half_height, 1
    return np.asarray(tilt @ turn @ shape)


def _project(matrix: Points, points: Points) -> Points:
    seen = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(seen[..., :2] / seen[..., 2:])


def _enclosing(corners: Points, edges: Points) -> Points:
    """Move the sides of quadrilaterals outwards until points of their curved edges are inside.

    Args:
        corners: (..., 4, 2), clockwise.
        edges: (..., 4, k, 2) points of the edge that begins at each corner.
    """
    sides = np.roll(corners, -1, axis=-2) - corners
    lengths = np.maximum(np.hypot(sides[..., 0], sides[..., 1]), 1e-9)
    outward = np.stack([sides[..., 1], -sides[..., 0]], axis=-1) / lengths[..., None]
    beyond = ((edges - corners[..., None, :]) * outward[..., None, :]).sum(-1).max(-1)
    moved = corners + outward * np.maximum(beyond, 0)[..., None]
    # Each corner is where its own side and the side before it, both moved, meet.
    directions = sides / lengths[..., None]
    before, previous = np.roll(moved, 1, axis=-2), np.roll(directions, 1, axis=-2)
    crossing = previous[..., 0] * directions[..., 1] - previous[..., 1] * directions[..., 0]
    crossing = np.where(np.abs(crossing) < 0.05, 0.05, crossing)
    gap = moved - before
    along = (gap[..., 0] * directions[..., 1] - gap[..., 1] * directions[..., 0]) / crossing
    return np.asarray(before + previous * along[..., None])
