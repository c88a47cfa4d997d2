"""Appearance of a synthetic word: background, colours, light, and what a camera does to them.

All pictures are (H, W, 3) float32 in [0, 255].
"""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageFilter

from wildtext.errors import DataError
from wildtext.types import Image

Random = np.random.Generator
Picture = NDArray[np.floating[Any]]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_PHOTO_SIDE = 640
"""Backgrounds are kept in memory at most this large; crops of words need no more."""


class Backgrounds:
    """What text stands on: flat colours, gradients, noise and, if a folder is given, pieces of its photographs.

    Args:
        folder: searched for JPEG and PNG files at any depth; None does without photographs.

    Raises:
        DataError: the folder holds no photographs.
    """

    def __init__(self, folder: Path | None = None):
        self.paths: list[Path] = []
        if folder is not None:
            self.paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
            if not self.paths:
                raise DataError(f"no photographs (.jpg, .jpeg, .png) in {folder}")
        self._open = lru_cache(maxsize=1024)(_open_photo)

    def sample(self, height: int, width: int, random: Random) -> Picture:
        """One background of the given size."""
        kind = random.random()
        if self.paths and kind < 0.5:
            return self._photo(height, width, random)
        base = random.uniform(0, 255, 3) if random.random() < 0.5 else np.full(3, random.uniform(0, 255))
        picture: Picture = np.broadcast_to(base, (height, width, 3)).astype(np.float32)
        if kind > 0.65:
            picture = picture + _gradient(height, width, random) * random.normal(0, 45, 3).astype(np.float32)
        if kind > 0.75:
            picture = picture + _clouds(height, width, random) * np.float32(45 * random.random() ** 1.5)
        return picture

    def _photo(self, height: int, width: int, random: Random) -> Picture:
        photo = self._open(self.paths[int(random.integers(len(self.paths)))])
        # Small pieces enlarged are smooth surfaces, large pieces shrunk are clutter.
        zoom = float(np.exp(random.uniform(np.log(0.15), np.log(2.0))))
        zoom = min(zoom, photo.width / width, photo.height / height)
        # Rounding must not push the piece over the edge of the photograph.
        left = random.random() * max(photo.width - width * zoom, 0.0)
        top = random.random() * max(photo.height - height * zoom, 0.0)
        box = (left, top, min(left + width * zoom, photo.width), min(top + height * zoom, photo.height))
        piece = photo.resize((width, height), pillow.Resampling.BILINEAR, box=box)
        picture = np.asarray(piece, np.float32)
        if random.random() < 0.5:
            mean = picture.mean(axis=(0, 1))
            picture = mean + (picture - mean) * np.float32(random.uniform(0.15, 1.0))
        return picture


def _open_photo(path: Path) -> pillow.Image:
    try:
        with pillow.open(path) as opened:
            opened.draft("RGB", (_PHOTO_SIDE, _PHOTO_SIDE))
            photo = opened.convert("RGB")
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise DataError(f"{path}: not a usable photograph: {error}") from error
    photo.thumbnail((_PHOTO_SIDE, _PHOTO_SIDE))
    return photo


def _gradient(height: int, width: int, random: Random) -> Picture:
    """(H, W, 1) a linear ramp in a random direction, in [-1, 1]."""
    angle = random.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * np.float32(np.cos(angle))
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    ramp: Picture = (x + y)[..., None]
    return ramp


def _clouds(height: int, width: int, random: Random) -> Picture:
    """(H, W, 1) smooth noise of a random grain, about unit variance."""
    cells = max(2, int(height / np.exp(random.uniform(0.3, 2.8))))
    shape = (cells, max(2, round(cells * width / height)))
    small = pillow.fromarray(random.standard_normal(shape, dtype=np.float32))
    return np.asarray(small.resize((width, height), pillow.Resampling.BICUBIC))[..., None]


def compose(mask: Picture, backgrounds: Backgrounds, random: Random) -> Picture:
    """Paint a word.

    Args:
        mask: (H, W) coverage of the text in [0, 1].
        backgrounds: what to paint on.
        random: decides everything else.
    """
    height, width = mask.shape
    picture = backgrounds.sample(height, width, random)
    if random.random() < 0.25:
        picture = _edges(picture, random)
    ground = picture.mean(axis=(0, 1))
    ink = _contrasting(ground, random)
    paint = np.broadcast_to(ink, picture.shape)
    fill = random.random()
    if fill < 0.14:
        paint = ink + _gradient(height, width, random) * random.normal(0, 30, 3).astype(np.float32)
    elif fill < 0.26:
        texture = backgrounds.sample(height, width, random)
        paint = ink + (texture - texture.mean(axis=(0, 1))) * np.float32(random.uniform(0.1, 0.5))
    if random.random() < 0.06:
        mask = np.asarray(_as_image(mask).filter(ImageFilter.MaxFilter(3)), np.float32) / 255
    effect = random.random()
    if effect < 0.16:
        picture = _shadow(picture, mask, ink, random)
    elif effect < 0.28:
        picture = _outline(picture, mask, ink, random)
    elif effect < 0.42:
        picture = _extrusion(picture, mask, ink, random)
    opacity = np.float32(random.uniform(0.7, 1.0) if random.random() < 0.4 else 1.0)
    alpha = mask[..., None] * opacity
    painted: Picture = picture * (1 - alpha) + paint * alpha
    return painted


def _contrasting(ground: Picture, random: Random) -> Picture:
    """A colour that stands out from the ground: mostly strongly, sometimes hardly."""
    wanted = 40 + 150 * random.random() if random.random() < 0.8 else random.uniform(20, 60)
    level = float(ground @ _LUMA)
    best = np.zeros(3, np.float32)
    nearest = np.inf
    for _ in range(6):
        grey = random.uniform(0, 255)
        spread = random.normal(0, 60, 3) if random.random() < 0.5 else random.normal(0, 6, 3)
        colour = np.clip(grey + spread, 0, 255).astype(np.float32)
        contrast = abs(float(colour @ _LUMA) - level)
        if contrast >= wanted:
            return colour
        if wanted - contrast < nearest:
            best, nearest = colour, wanted - contrast
    if nearest > 0.5 * wanted:
        return np.full(3, 255 if level < 128 else 0, np.float32)
    return best


def _edges(picture: Picture, random: Random) -> Picture:
    """Borders of signs and walls: parts of the picture beyond a straight line, or within a stripe, change colour."""
    height, width = picture.shape[:2]
    for _ in range(int(random.integers(1, 4))):
        angle = random.normal(0, 0.08) + (np.pi / 2 if random.random() < 0.3 else 0.0)
        x = (np.arange(width, dtype=np.float32) - width * random.random())[None, :]
        # Most borders run above or below the text rather than through it.
        place = random.uniform(0, 0.25) if random.random() < 0.5 else random.uniform(0.75, 1)
        y = (np.arange(height, dtype=np.float32) - height * place)[:, None]
        distance = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))
        beyond = distance > 0 if random.random() < 0.5 else distance < 0
        if random.random() < 0.5:
            beyond = np.abs(distance) < random.uniform(0.5, 0.12 * height)
        colour = picture.mean(axis=(0, 1)) + random.normal(0, 55) + random.normal(0, 20, 3)
        picture = np.where(beyond[..., None], np.float32(0.2) * picture + np.float32(0.8) * colour, picture)
    return picture.astype(np.float32)


def _extrusion(picture: Picture, mask: Picture, ink: Picture, random: Random) -> Picture:
    """Letters as solid bodies: their sides, darker or lighter than their fronts, run off to one side."""
    steps = int(random.integers(1, max(3, mask.shape[0] // 9)))
    angle = random.uniform(0, 2 * np.pi)
    sides = mask
    for step in range(1, steps + 1):
        shift = (round(step * np.sin(angle)), round(step * np.cos(angle)))
        sides = np.maximum(sides, np.roll(mask, shift, axis=(0, 1)))
    colour = ink * random.uniform(0.15, 0.75) if random.random() < 0.7 else ink + (255 - ink) * random.uniform(0.2, 0.7)
    alpha = sides[..., None]
    solid: Picture = picture * (1 - alpha) + colour * alpha
    return solid


def _shadow(picture: Picture, mask: Picture, ink: Picture, random: Random) -> Picture:
    """A copy of the text, shifted and blurred, under it."""
    reach = max(1, mask.shape[0] // 12)
    shift = random.integers(-reach, reach + 1, 2)
    copy = _as_image(np.roll(mask, shift.tolist(), axis=(0, 1)))
    if random.random() < 0.6:
        copy = copy.filter(ImageFilter.BoxBlur(random.uniform(0.4, 2)))
    alpha = np.asarray(copy, np.float32)[..., None] / 255 * np.float32(random.uniform(0.3, 1))
    colour = np.float32(0 if ink @ _LUMA > 90 else 255 * random.random())
    shaded: Picture = picture * (1 - alpha) + colour * alpha
    return shaded


def _outline(picture: Picture, mask: Picture, ink: Picture, random: Random) -> Picture:
    """A border around the glyphs in a colour of its own."""
    grown = _as_image(mask).filter(ImageFilter.MaxFilter(3 if random.random() < 0.7 else 5))
    alpha = np.asarray(grown, np.float32)[..., None] / 255
    outlined: Picture = picture * (1 - alpha) + _contrasting(ink, random) * alpha
    return outlined


def _as_image(mask: Picture) -> pillow.Image:
    return pillow.fromarray((mask * 255).astype(np.uint8))


def capture(picture: Picture, random: Random) -> Image:
    """What light, lens, sensor and file format do to the scene."""
    height, width = picture.shape[:2]
    if random.random() < 0.25:
        picture = picture * (1 + _gradient(height, width, random) * np.float32(random.uniform(0.1, 0.45)))
    if random.random() < 0.15:
        picture = picture + _clouds(height, width, random) * np.float32(random.uniform(5, 30))
    if random.random() < 0.35:
        gain, offset = random.uniform(0.45, 1.3), random.normal(0, 20)
        picture = (picture - 128) * np.float32(gain) + np.float32(128 + offset)
    image = pillow.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    image = _lens(image, random)
    if random.random() < 0.4:
        pixels = np.asarray(image, np.float32)
        shape = pixels.shape if random.random() < 0.6 else (*pixels.shape[:2], 1)
        grain = np.float32(20 * random.random() ** 2)
        pixels = pixels + random.standard_normal(shape, dtype=np.float32) * grain
        image = pillow.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if random.random() < 0.06:
        image = image.filter(ImageFilter.UnsharpMask(1.5, int(random.integers(60, 220)), 0))
    if random.random() < 0.06:
        image = image.convert("L").convert("RGB")
    if random.random() < 0.5:
        image = _jpeg(image, int(random.integers(15, 90)))
    return np.asarray(image)


def _lens(image: pillow.Image, random: Random) -> pillow.Image:
    """Defocus, motion, and few pixels: small text is far away, its crop was enlarged from a few rows."""
    if random.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(0.3 + 2.3 * random.random() ** 1.6))
    if random.random() < 0.14:
        image = _motion(image, random)
    if random.random() < 0.5:
        width, height = image.size
        rows = max(int(height * random.uniform(0.22, 0.8)), 8)
        small = (max(round(width * rows / height), 4), rows)
        down = pillow.Resampling.BOX if random.random() < 0.5 else pillow.Resampling.BILINEAR
        image = image.resize(small, down)
        if random.random() < 0.3:
            image = _jpeg(image, int(random.integers(30, 90)))
        up = pillow.Resampling.BICUBIC if random.random() < 0.6 else pillow.Resampling.BILINEAR
        image = image.resize((width, height), up)
    return image


def _motion(image: pillow.Image, random: Random) -> pillow.Image:
    """Average of the picture along a short straight path."""
    pixels = np.asarray(image, np.float32)
    angle, length = random.uniform(0, np.pi), random.uniform(1.5, 5)
    offsets = np.linspace(-length / 2, length / 2, 5)
    shifts = {(round(np.sin(angle) * step), round(np.cos(angle) * step)) for step in offsets}
    reach = 3
    padded = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = pixels.shape[:2]
    total = np.zeros_like(pixels)
    for y, x in shifts:
        total += padded[reach + y : reach + y + height, reach + x : reach + x + width]
    return pillow.fromarray((total / len(shifts)).astype(np.uint8))


def _jpeg(image: pillow.Image, quality: int) -> pillow.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return pillow.open(buffer)
