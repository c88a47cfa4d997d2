"""Surfaces that text stands on: pieces of photographs, and painted walls, boards, metal and leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.errors import DataError
from wildtext.types import Floats, Image

HEIGHT, WIDTH = 64, 384
_PAINTED, _PHOTOGRAPHED = 384, 1152
"""How many pieces there are of each origin. Text stands on a part of one, at any place of it."""
_PHOTO_SIDE = 640
"""Photographs are scaled down to this before pieces are taken; crops of words show no more detail."""

Random = np.random.Generator
Grey = NDArray[np.floating[Any]]
"""(HEIGHT, WIDTH) a relief, in any range."""


@dataclass(frozen=True, eq=False)
class Textures:
    """A collection of surfaces, the same for the same photographs.

    Attributes:
        pieces: (T, 3, HEIGHT, WIDTH) uint8 RGB.
        means: (T, 3) mean colour of each piece.
        kinds: (T,) what each shows: `photo`, or the name of a pattern.
    """

    pieces: NDArray[np.uint8]
    means: Floats
    kinds: tuple[str, ...]

    @property
    def painted(self) -> int:
        """How many of the first pieces are painted; photographs follow."""
        return _PAINTED


@lru_cache(maxsize=2)
def textures(folder: Path | None = None) -> Textures:
    """The surfaces that a source draws on.

    Args:
        folder: searched for JPEG and PNG photographs at any depth; None paints all.

    Raises:
        DataError: the folder holds no photographs, or one is broken.
    """
    # First what may fail.
    photographs = [] if folder is None else _photographs(folder, np.random.default_rng(4))
    random = np.random.default_rng(3)
    names = list(PATTERNS)
    kinds = [names[index % len(names)] for index in range(_PAINTED)]
    painted = [_coloured(PATTERNS[kind](random), random) for kind in kinds]
    kinds += ["photo"] * len(photographs)
    stacked = np.stack([*painted, *photographs]).transpose(0, 3, 1, 2)
    means = stacked.mean(axis=(2, 3)).astype(np.float32)
    return Textures(np.ascontiguousarray(stacked), means, tuple(kinds))


def _photographs(folder: Path, random: Random) -> list[Image]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not paths:
        raise DataError(f"no photographs (.jpg, .jpeg, .png) in {folder}")
    chosen = [paths[index] for index in random.permutation(len(paths))[:_PHOTOGRAPHED]]
    each = -(-_PHOTOGRAPHED // len(chosen))
    pieces = [piece for path in chosen for piece in _pieces(_open_photo(path), each, random)]
    return pieces[:_PHOTOGRAPHED]


def _open_photo(path: Path) -> pillow.Image:
    try:
        with pillow.open(path) as opened:
            opened.draft("RGB", (_PHOTO_SIDE, _PHOTO_SIDE))
            photo = opened.convert("RGB")
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise DataError(f"{path}: not a usable photograph: {error}; remove it or choose another folder") from error
    photo.thumbnail((_PHOTO_SIDE, _PHOTO_SIDE))
    return photo


def _pieces(photo: pillow.Image, count: int, random: Random) -> list[Image]:
    pieces = []
    for _ in range(count):
        # Small pieces enlarged are smooth surfaces, large pieces shrunk are clutter.
        zoom = float(np.exp(random.uniform(np.log(0.15), np.log(1.6))))
        zoom = min(zoom, photo.width / WIDTH, photo.height / HEIGHT)
        left = random.random() * max(photo.width - WIDTH * zoom, 0.0)
        top = random.random() * max(photo.height - HEIGHT * zoom, 0.0)
        # Rounding must not push the piece over the edge of the photograph.
        box = (left, top, min(left + WIDTH * zoom, photo.width), min(top + HEIGHT * zoom, photo.height))
        piece = np.asarray(photo.resize((WIDTH, HEIGHT), pillow.Resampling.BILINEAR, box=box))
        pieces.append(piece[:, ::-1] if random.random() < 0.5 else piece)
    return pieces


def _coloured(height: Grey, random: Random) -> Image:
    """From a relief to a picture: one colour in the valleys and another on the hills."""
    low, high = height.min(), height.max()
    level = ((height - low) / max(float(high - low), 1e-6))[..., None]
    base = random.uniform(40, 215) + random.normal(0, 25, 3)
    change = random.choice([-1, 1]) * random.uniform(30, 110) + random.normal(0, 15, 3)
    grain = random.normal(0, random.uniform(0, 6), (*height.shape, 1))
    picture: Image = np.clip(base + (level - 0.5) * change + grain, 0, 255).astype(np.uint8)
    return picture


def _smooth(random: Random, cell: float, stretch: float = 1.0) -> Grey:
    """Random hills about `cell` pixels high and `stretch` times as wide, about unit variance."""
    rows, columns = max(2, round(HEIGHT / cell)), max(2, round(WIDTH / (cell * stretch)))
    small = pillow.fromarray(random.standard_normal((rows, columns), dtype=np.float32))
    return np.asarray(small.resize((WIDTH, HEIGHT), pillow.Resampling.BICUBIC))


def _clouds(random: Random) -> Grey:
    """Stains: hills of several sizes."""
    cell = float(np.exp(random.uniform(1.2, 3.6)))
    return np.asarray(_smooth(random, cell) + 0.5 * _smooth(random, cell / 2) + 0.25 * _smooth(random, cell / 4))


def _noise(random: Random) -> Grey:
    """Plaster and asphalt: fine grain on faint stains."""
    return _smooth(random, random.uniform(1.2, 3.0)) + 0.4 * _smooth(random, 24)


def _brick(random: Random) -> Grey:
    """Courses of bricks with light joints; every second course is shifted by half a brick."""
    height = random.uniform(9, 24)
    width, joint = height * random.uniform(1.8, 3.2), random.uniform(1.0, 2.5)
    y = np.arange(HEIGHT)[:, None] + random.uniform(0, height)
    course = np.floor(y / height)
    x = np.arange(WIDTH)[None, :] + random.uniform(0, width) + (course % 2) * width / 2
    wall = ((y % height) > joint) & ((x % width) > joint)
    tones = random.normal(0, 0.35, (64, 64))[course.astype(int) % 64, np.floor(x / width).astype(int) % 64]
    return np.asarray(np.where(wall, 1 + tones, -0.5) + 0.15 * _smooth(random, 2))


def _wood(random: Random) -> Grey:
    """Boards: long fibres, and gaps between boards."""
    grain = _smooth(random, random.uniform(1.2, 3), 24) + 0.8 * _smooth(random, random.uniform(4, 9), 12)
    board = random.uniform(14, 60)
    gap = ((np.arange(HEIGHT) + random.uniform(0, board)) % board < 1.5)[:, None]
    return np.asarray(grain - 4.0 * gap)


def _metal(random: Random) -> Grey:
    """Brushed sheet: very long fine scratches under a broad reflection."""
    return _smooth(random, 1.1, 60) + 2.0 * _smooth(random, random.uniform(16, 48), 2)


def _leaves(random: Random) -> Grey:
    """Foliage: blobs with dark gaps, at two scales."""
    cell = random.uniform(3, 9)
    return np.abs(_smooth(random, cell)) + 0.6 * np.abs(_smooth(random, cell / 2))


def _stripes(random: Random) -> Grey:
    """Awnings, blinds and fabric: soft stripes at any angle."""
    angle, period = random.uniform(0, np.pi), random.uniform(4, 40)
    x, y = np.arange(WIDTH)[None, :], np.arange(HEIGHT)[:, None]
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    return np.asarray(np.clip(wave * random.uniform(1, 8), -1, 1) + 0.1 * _smooth(random, 2))


def _tiles(random: Random) -> Grey:
    """Tiles and mesh: lines in both directions."""
    size, line = random.uniform(6, 36), random.uniform(0.8, 2.5)
    x, y = np.arange(WIDTH)[None, :] + random.uniform(0, size), np.arange(HEIGHT)[:, None] + random.uniform(0, size)
    return np.asarray(np.where((x % size < line) | (y % size < line), -1.0, 0.5) + 0.2 * _smooth(random, 6))


PATTERNS: dict[str, Callable[[Random], Grey]] = {
    "clouds": _clouds,
    "noise": _noise,
    "brick": _brick,
    "wood": _wood,
    "metal": _metal,
    "leaves": _leaves,
    "stripes": _stripes,
    "tiles": _tiles,
}
