"""The parts of a picture in words and numbers: the reading, the choices for each character, the heads' opinions."""

from __future__ import annotations

from statistics import mean
from textwrap import wrap

from PIL import Image as pillow
from PIL import ImageDraw

from wildtext.inference.evidence import Choice, Piece
from wildtext.inference.explanation import Explanation
from wildtext.inference.overlay import hues
from wildtext.inference.picture.lettering import letter, text_length
from wildtext.inference.picture.maps import places_known
from wildtext.inference.picture.sheet import (
    BAR,
    FAINT,
    GAP,
    INK,
    INNER,
    MARGIN,
    PAPER,
    WIDTH,
    Colour,
    Frame,
    block,
    mixed,
    named,
    percent,
    visible,
)

_COLUMN = 108
"""Pixels that the choices for a character take at most."""

_WIDE = 72
"""Pixels from which on they have room for their numbers."""

_ROW, _FLOW, _HEADING = 24, 34, 50
"""Heights in pixels: of a choice, of the band that leads to the choices for a character, and of what was chosen."""


def draw_title(explanation: Explanation, frame: Frame) -> pillow.Image:
    """The text, how confident the model is, and what else the image might say."""
    prediction = explanation.prediction
    picture, draw = block(88)
    confidence = percent(prediction.confidence)
    letter(draw, (WIDTH - MARGIN, 42), confidence, 30, align=1)
    room = INNER - text_length(confidence, 30) - 2 * GAP
    text = prediction.text
    letter(draw, (MARGIN, 42), text or "nothing is read", 38, INK if text else FAINT, room=room)
    others = ", ".join(f"{visible(other.text)} {percent(other.confidence)}" for other in prediction.alternatives)
    facts = [
        f"turned by {prediction.rotation}° counter-clockwise" if prediction.rotation else "",
        f"or: {others}" if others else "",
    ]
    letter(draw, (MARGIN, 70), "   ".join(filter(None, facts)), 17, FAINT, room=INNER)
    return picture


def draw_choices(explanation: Explanation, frame: Frame) -> pillow.Image | None:
    """Below each piece what could stand there, with bands in its colour that lead there from its span."""
    known = places_known(explanation.pieces)
    pieces, colours = list(explanation.pieces), hues(len(explanation.pieces))
    if explanation.ending is not None:
        pieces, colours = [*pieces, explanation.ending], [*colours, FAINT]
    if not pieces:
        return None
    width = min(_COLUMN if all(len(piece.text) < 2 for piece in pieces) else 2 * _COLUMN, INNER / len(pieces))
    middles = [frame.x((piece.start + piece.end) / 2) if known else WIDTH / 2 for piece in pieces]
    rows = max(len(piece.choices) for piece in pieces)
    picture, draw = block(_FLOW + _HEADING + rows * _ROW + GAP)
    for piece, colour, left in zip(pieces, colours, _spread(middles, width), strict=True):
        right = left + width - 4
        if known and piece.text:
            ends = frame.x(piece.start), frame.x(piece.end)
            corners = [(ends[0], 0), (ends[1], 0), (right, _FLOW), (left, _FLOW)]
            draw.polygon(corners, fill=mixed(PAPER, colour, 0.22))
        draw.rectangle((left, _FLOW, right, _FLOW + 3), fill=colour)
        _draw_piece(draw, piece, left, right)
    return picture


def _draw_piece(draw: ImageDraw.ImageDraw, piece: Piece, left: float, right: float) -> None:
    middle, room = (left + right) / 2, right - left
    roomy = room >= _WIDE
    if piece.text:
        letter(draw, (middle, _FLOW + 32), visible(piece.text), 26, align=0.5, room=room)
    else:
        letter(draw, (middle, _FLOW + 30), "end", 15, FAINT, align=0.5, room=room)
    if not roomy or not piece.choices:
        letter(draw, (middle, _FLOW + 46), percent(piece.probability), 12, FAINT, align=0.5, room=room)
    for number, choice in enumerate(piece.choices):
        top = _FLOW + _HEADING + number * _ROW
        filled = left + choice.probability * room
        draw.rectangle((left, top, right, top + _ROW - 4), fill=BAR)
        if filled >= left + 1:
            draw.rectangle((left, top, filled, top + _ROW - 4), fill=_bar_colour(choice, piece))
        size, numbers = 11 if choice.special else 15, 42 if roomy else 0
        letter(draw, (left + 4, top + 15), named(choice), size, room=room - numbers - 6)
        if roomy:
            letter(draw, (right - 4, top + 15), percent(choice.probability), 11, FAINT, align=1)


def _bar_colour(choice: Choice, piece: Piece) -> Colour:
    chosen = choice.text == piece.text and choice.special in ("", "end")
    return (160, 205, 170) if chosen else (190, 198, 210)


def _spread(middles: list[float], width: float) -> list[float]:
    """Left ends of columns of one width, in order and side by side, as near below their middles as they can be.

    With the widths of those before it taken off each wanted place, this is a regression that must not fall, which
    pooling adjacent violators solves.
    """
    pools: list[list[float]] = []
    for number, middle in enumerate(middles):
        pools.append([middle - width / 2 - number * width])
        while len(pools) > 1 and mean(pools[-2]) > mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    last = WIDTH - MARGIN - len(middles) * width
    shifts = [min(max(mean(pool), MARGIN), last) for pool in pools for _ in pool]
    return [shift + number * width for number, shift in enumerate(shifts)]


def draw_opinions(explanation: Explanation, frame: Frame) -> pillow.Image | None:
    """What each head reads by itself; another text than the reading is marked."""
    if not explanation.opinions:
        return None
    names = max(text_length(head, 15) for head in explanation.opinions) + 2 * GAP
    picture, draw = block(26 + 34 * len(explanation.opinions) + GAP)
    letter(draw, (MARGIN, 18), "what each head reads by itself", 14, FAINT)
    for number, (head, opinion) in enumerate(explanation.opinions.items()):
        top = 26 + 34 * number
        filled = MARGIN + opinion.confidence * INNER
        draw.rectangle((MARGIN, top, WIDTH - MARGIN, top + 29), fill=BAR)
        if filled >= MARGIN + 1:
            same = opinion.text == explanation.prediction.text
            draw.rectangle((MARGIN, top, filled, top + 29), fill=(205, 230, 210) if same else (250, 214, 165))
        letter(draw, (MARGIN + 8, top + 20), f"{head} ✓" if head == explanation.head else head, 15, FAINT)
        room = INNER - names - 100
        letter(draw, (MARGIN + names + 12, top + 22), visible(opinion.text), 20, room=room)
        letter(draw, (WIDTH - MARGIN - 8, top + 20), percent(opinion.confidence), 15, align=1)
    return picture


def draw_remarks(explanation: Explanation, frame: Frame) -> pillow.Image | None:
    """What is not shown, and why."""
    remarks = list(explanation.lacking)
    if explanation.pieces and not places_known(explanation.pieces):
        remarks.append("This model does not tell where it looks.")
    lines = [line for remark in remarks for line in wrap(remark, 130)]
    if not lines:
        return None
    picture, draw = block(22 * len(lines) + GAP)
    for number, line in enumerate(lines):
        letter(draw, (MARGIN, 16 + 22 * number), line, 15, FAINT, room=INNER)
    return picture
