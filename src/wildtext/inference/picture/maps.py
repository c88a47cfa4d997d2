"""The parts of a picture that lie over the crop: where the model looked, and what its columns and maps say.

The explanation comes with its image at the size that it has on the sheet.
"""

from __future__ import annotations

import numpy as np
from PIL import Image as pillow
from PIL import ImageDraw

from wildtext.inference.evidence import Piece
from wildtext.inference.explanation import Explanation, Timeline
from wildtext.inference.overlay import attention_overlay, enlarged, hues, span_maps
from wildtext.inference.picture.lettering import letter
from wildtext.inference.picture.sheet import FAINT, GAP, INK, INNER, MARGIN, Colour, Frame, block, mixed, visible
from wildtext.types import Floats, Image

_CAPTION = 26
"""Pixels; above each map."""

_LANE = 15
"""Pixels; of a class in the timeline."""

_PANEL = 150
"""Pixels that the pictures of a row of panels are high at most."""

_SMOOTH = 3
"""Lines are drawn so many times as large, and shrunk, which smooths them."""

_STRENGTH = 0.75
"""Opacity of the colour of a core that is certain."""

_EMPTY: Colour = (246, 246, 248)
_UNWRITTEN: Colour = (70, 72, 78)
_BLANK: Colour = (150, 153, 158)
_CORE: Colour = (255, 87, 34)
_UPPER: Colour = (229, 57, 53)
_LOWER: Colour = (30, 136, 229)
_AROUND: Colour = (225, 227, 230)


def draw_crop(explanation: Explanation, frame: Frame) -> pillow.Image:
    """The image as it was read."""
    picture, _ = block(frame.height)
    picture.paste(pillow.fromarray(explanation.image), (frame.left, 0))
    return picture


def draw_places(explanation: Explanation, frame: Frame) -> pillow.Image | None:
    """The crop with a colour for where each piece was looked for, or else for its span."""
    pieces = explanation.pieces
    if not places_known(pieces):
        return None
    attention = [piece.attention for piece in pieces if piece.attention is not None]
    crop = pillow.fromarray(explanation.image)
    if attention:
        return _strip("where the model looked", attention_overlay(crop, np.stack(attention)), frame)
    return _strip("where characters were read", attention_overlay(crop, span_maps(pieces)), frame)


def draw_core_area(explanation: Explanation, frame: Frame) -> pillow.Image | None:
    """The crop in grey, the middles of the characters coloured as strongly as they are probable."""
    if explanation.core_area is None:
        return None
    crop = pillow.fromarray(explanation.image)
    opacity = _STRENGTH * enlarged(explanation.core_area, crop.size)[..., None]
    grey = np.asarray(crop.convert("L"), np.float32)[..., None]
    mixture = grey * (1 - opacity) + np.array(_CORE, np.float32) * opacity
    return _strip("cores of characters", pillow.fromarray(np.rint(mixture).astype(np.uint8)), frame)


def _strip(caption: str, crop: pillow.Image, frame: Frame) -> pillow.Image:
    picture, draw = block(_CAPTION + crop.height)
    letter(draw, (frame.left, _CAPTION - 6), caption, 14, FAINT)
    picture.paste(crop, (frame.left, _CAPTION))
    return picture


def places_known(pieces: tuple[Piece, ...]) -> bool:
    """Whether there is anything to show: spans of the whole width, of several pieces, say nothing."""
    return bool(pieces) and (len(pieces) == 1 or any((piece.start, piece.end) != (0, 1) for piece in pieces))


def draw_timeline(explanation: Explanation, frame: Frame) -> pillow.Image | None:
    """What each column says: a lane for each class, the stronger the colour the more probable; the blank below."""
    timeline = explanation.timeline
    if timeline is None:
        return None
    picture, draw = block(_CAPTION + len(timeline.classes) * _LANE)
    letter(draw, (frame.left, _CAPTION - 6), "what each column says", 14, FAINT)
    for lane, number in enumerate([*range(1, len(timeline.classes)), 0]):
        text, top = timeline.classes[number], _CAPTION + lane * _LANE
        draw.rectangle((frame.left, top, frame.left + frame.width - 1, top + _LANE - 2), fill=_EMPTY)
        for left, right, column in _columns(timeline, frame):
            colour = _lane_colour(explanation.pieces, text, column)
            fill = mixed(_EMPTY, colour, float(timeline.probabilities[column, number]))
            draw.rectangle((left, top, right, top + _LANE - 2), fill=fill)
        written = any(piece.text == text for piece in explanation.pieces)
        name = visible(text) if text else "blank"
        letter(draw, (frame.left - 8, top + 12), name, 13, INK if written else FAINT, align=1, room=MARGIN - 12)
    return picture


def _columns(timeline: Timeline, frame: Frame) -> list[tuple[int, int, int]]:
    """Left and right end in pixels of the columns that lie on the image, and their numbers."""
    half = float(np.median(np.abs(np.diff(timeline.x)))) / 2 if len(timeline.x) > 1 else 0.5
    ends = [(round(frame.x(x - half)), round(frame.x(x + half)) - 1) for x in timeline.x.tolist()]
    return [(left, right, column) for column, (left, right) in enumerate(ends) if left <= right]


def _lane_colour(pieces: tuple[Piece, ...], text: str, column: int) -> Colour:
    """The colour of the piece that a class writes nearest to a column; greys where it writes none."""
    shades = hues(len(pieces))
    near = [
        (abs(sum(piece.columns) - 1 - 2 * column), number)
        for number, piece in enumerate(pieces)
        if piece.text == text and piece.columns
    ]
    if near:
        return mixed(shades[min(near)[1]], (0, 0, 0), 0.15)
    return _UNWRITTEN if text else _BLANK


def draw_panels(explanation: Explanation, frame: Frame) -> pillow.Image | None:
    """Side by side: the fiducials and the rectified image, as far as there are any."""
    panels: list[tuple[str, pillow.Image]] = []
    if explanation.fiducials is not None:
        panels.append(("where text was found to run", _marked(explanation.image, explanation.fiducials)))
    if explanation.rectified is not None:
        panels.append(("rectified, as the network reads it", _fitted(explanation.rectified)))
    if not panels:
        return None
    picture, draw = block(_CAPTION + max(panel.height for _, panel in panels) + GAP)
    left = MARGIN
    for caption, panel in panels:
        letter(draw, (left, _CAPTION - 6), caption, 14, FAINT)
        picture.paste(panel, (left, _CAPTION))
        left += (INNER + GAP) // 2
    return picture


def _fitted(image: Image, share: float = 1.0) -> pillow.Image:
    """A picture enlarged or shrunk to a share of the place that a panel has."""
    height, width = image.shape[:2]
    scale = share * min((INNER - GAP) / 2 / width, _PANEL / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return pillow.fromarray(image).resize(size, pillow.Resampling.BICUBIC)


def _marked(image: Image, fiducials: Floats) -> pillow.Image:
    """The image with room around it, and the two rows of points that become the upper and the lower edge."""
    small = _fitted(image, share=0.8)
    size = round(small.width / 0.8), round(small.height / 0.8)
    corner = (size[0] - small.width) // 2, (size[1] - small.height) // 2
    large = pillow.new("RGB", (size[0] * _SMOOTH, size[1] * _SMOOTH), _AROUND)
    large.paste(
        small.resize((small.width * _SMOOTH, small.height * _SMOOTH), pillow.Resampling.BICUBIC),
        (corner[0] * _SMOOTH, corner[1] * _SMOOTH),
    )
    draw = ImageDraw.Draw(large)
    # Points may lie anywhere; a little beyond the picture is as good as far away.
    points = _SMOOTH * (np.array(corner) + np.clip(fiducials, -1, 2) * np.array(small.size))
    upper, lower = np.split(points, 2)
    outline = [tuple(point) for point in (*upper, *lower[::-1], upper[0])]
    draw.line(outline, fill=(255, 255, 255), width=_SMOOTH)
    for row, colour in ((upper, _UPPER), (lower, _LOWER)):
        draw.line([tuple(point) for point in row], fill=colour, width=_SMOOTH)
        for x, y in row:
            radius = 3 * _SMOOTH
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=(255, 255, 255))
    return large.resize(size, pillow.Resampling.LANCZOS)
