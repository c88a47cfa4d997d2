"""Contact sheets: many crops in rows, each with its label below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from wildtext.types import Floats, Sample

ROW_HEIGHT = 48
"""Pixels; what every crop is scaled to, but tall ones, which would be too narrow to see."""

_TALL = 1.5
_TALL_WIDTH, _TALL_HEIGHT = 40, 240
"""Pixels that a crop which is so many times higher than wide is scaled to, whichever it meets first."""

WIDTH = 1600
"""Pixels; of a sheet."""

_GROUND = (128, 128, 128)
_TEXT = (255, 255, 255)
_CHARACTER = (60, 255, 60)
_WORD = (255, 60, 255)
_GAP = 8
_LABEL_HEIGHT = 16
_MARK = 6

Colour = tuple[int, int, int]
Row = list[pillow.Image]


def flow(samples: Iterable[Sample], *, boxes: bool = False) -> list[Row]:
    """Set crops into rows.

    Args:
        samples: the crops, in the order of reading.
        boxes: draw the quadrilaterals of characters (green) and of the word (magenta).
    """
    rows: list[Row] = []
    left = WIDTH
    for sample in samples:
        tile = _tile(sample, boxes)
        if left + tile.width + _GAP > WIDTH:
            rows.append([])
            left = _MARK + _GAP
        rows[-1].append(tile)
        left += tile.width + _GAP
    return rows


def sheet(rows: Sequence[Row], marks: Sequence[Colour] | None = None) -> pillow.Image:
    """Rows below each other on a neutral ground.

    Args:
        rows: from `flow`.
        marks: a colour for the left end of each row; None leaves it blank.

    Returns:
        An RGB picture, `WIDTH` pixels wide.
    """
    heights = [max(tile.height for tile in row) for row in rows]
    picture = pillow.new("RGB", (WIDTH, sum(heights) + _GAP * (len(rows) + 1)), _GROUND)
    draw = ImageDraw.Draw(picture)
    top = _GAP
    for number, (row, height) in enumerate(zip(rows, heights, strict=True)):
        left = _MARK + _GAP
        if marks is not None:
            draw.rectangle((0, top, _MARK - 1, top + height - 1), fill=marks[number])
        for tile in row:
            picture.paste(tile, (left, top))
            left += tile.width + _GAP
        top += height + _GAP
    return picture


def scaled(image: pillow.Image) -> pillow.Image:
    """A picture at the size that it has on a sheet; made narrower where it would not fit."""
    height = ROW_HEIGHT
    if image.height > _TALL * image.width:
        height = min(round(_TALL_WIDTH * image.height / image.width), _TALL_HEIGHT)
    width = min(max(round(image.width * height / image.height), 1), WIDTH - _MARK - 2 * _GAP)
    return image.resize((width, height), pillow.Resampling.BICUBIC)


def _tile(sample: Sample, boxes: bool) -> pillow.Image:
    """A crop with its label below."""
    crop = scaled(pillow.fromarray(sample.image))
    if boxes:
        zoom = np.array([crop.width / sample.image.shape[1], crop.height / sample.image.shape[0]], np.float32)
        _draw_boxes(crop, sample, zoom)
    width = min(max(crop.width, round(_font().getlength(sample.text)) + 1), WIDTH - _MARK - 2 * _GAP)
    tile = pillow.new("RGB", (width, crop.height + _LABEL_HEIGHT), _GROUND)
    tile.paste(crop, (0, 0))
    ImageDraw.Draw(tile).text((0, crop.height + 1), sample.text, fill=_TEXT, font=_font())
    return tile


def _draw_boxes(crop: pillow.Image, sample: Sample, zoom: Floats) -> None:
    draw = ImageDraw.Draw(crop)
    for colour, quads in ((_WORD, [sample.word]), (_CHARACTER, [] if sample.boxes is None else list(sample.boxes))):
        for quad in quads:
            if quad is not None and np.isfinite(quad).all():
                draw.polygon([(float(x), float(y)) for x, y in quad * zoom], outline=colour)


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(12)
