"""Text in pictures: any text comes out legible, whatever fonts there are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import count, groupby
from pathlib import Path

from PIL import ImageDraw, ImageFont

import wildtext
from wildtext.inference.picture.sheet import INK, Colour

Place = tuple[float, float]

_SHIPPED = Path(wildtext.__file__).parent / "synth/fonts/open-sans/open-sans-latin-400-normal.woff"
"""Has Latin letters, digits and punctuation."""

_ELSEWHERE = (
    *("DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc"),
    *("uming.ttc", "DroidSansFallbackFull.ttf", "Arial Unicode.ttf", "PingFang.ttc", "msyh.ttc", "simsun.ttc"),
)
"""Fonts that systems have, for other characters; those that are not installed are passed over."""

_ABSENT = "\ufffe"
"""No character at all: fonts draw for it what they draw for all that they lack."""

_LEAST = 0.6
"""Text that does not fit shrinks to this share of its size before it is cut."""


def letter(
    draw: ImageDraw.ImageDraw,
    place: Place,
    text: str,
    size: float,
    colour: Colour = INK,
    *,
    align: float = 0,
    room: float | None = None,
) -> None:
    """Write one line.

    Args:
        draw: where to.
        place: x, and y of the baseline, in pixels.
        text: anything; what cannot be printed is escaped, and what no font has is a box with its code point.
        size: of the font, in pixels.
        colour: RGB.
        align: share of the text that lies left of x: 0 begins there, 0.5 is centred, 1 ends there.
        room: width in pixels that it may take; longer text is written smaller, and cut in the end.
    """
    shown = _shown(text)
    if room is not None and _length(shown, size) > room:
        size = max(size * room / _length(shown, size), _LEAST * size)
        shown = _cut(shown, size, room)
    x, y = place[0] - align * _length(shown, size), place[1]
    for face, run in _runs(shown, size):
        if face is None:
            _draw_code(draw, (x, y), run, size, colour)
        else:
            draw.text((x, y), run, fill=colour, font=face, anchor="ls")
        x += size if face is None else face.getlength(run)


def text_length(text: str, size: float) -> float:
    """Width in pixels of a text as `letter` writes it with room enough."""
    return _length(_shown(text), size)


def _length(shown: str, size: float) -> float:
    return sum(size if face is None else face.getlength(run) for face, run in _runs(shown, size))


def _draw_code(draw: ImageDraw.ImageDraw, place: Place, character: str, size: float, colour: Colour) -> None:
    """A box with the digits of a code point in two rows, as browsers show what they have no font for."""
    x, y = place
    digits = f"{ord(character):04X}"
    half = -(-len(digits) // 2)
    draw.rectangle((x + 0.04 * size, y - 0.86 * size, x + 0.94 * size, y + 0.1 * size), outline=colour)
    for row, text in enumerate((digits[:half], digits[half:])):
        face = _face(0, round(0.84 * size / half))
        draw.text((x + 0.5 * size, y - (0.62 - 0.46 * row) * size), text, fill=colour, font=face, anchor="mm")


def _cut(shown: str, size: float, room: float) -> str:
    if _length(shown, size) <= room:
        return shown
    while shown and _length(f"{shown}…", size) > room:
        shown = shown[:-1]
    return f"{shown}…"


def _shown(text: str) -> str:
    """The text without line ends and other commands."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _runs(shown: str, size: float) -> Iterator[tuple[ImageFont.FreeTypeFont | None, str]]:
    """Stretches of a text with the font that has them; single characters with None where no font has them."""
    for number, run in groupby(shown, key=_font_of):
        if number is None:
            yield from ((None, character) for character in run)
        else:
            yield _face(number, round(size)), "".join(run)


@lru_cache(maxsize=4096)
def _font_of(character: str) -> int | None:
    """The number of the first font that has a character; None if there is none."""
    if character == " ":
        return 0
    for number in count():
        face = _face(number, 24)
        if face is None:
            return None
        # Pillow does not tell a missing glyph from a present one, but all missing ones look the same.
        if bytes(face.getmask(character)) != bytes(face.getmask(_ABSENT)):
            return number
    raise AssertionError("count ends nowhere")


@lru_cache(maxsize=256)
def _face(number: int, size: int) -> ImageFont.FreeTypeFont | None:
    """Font `number` of those that there are; None beyond the last."""
    paths = _installed()
    return ImageFont.truetype(paths[number], max(size, 1)) if number < len(paths) else None


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    """Paths or names of the fonts that can be opened."""
    found = [str(_SHIPPED)]
    for name in _ELSEWHERE:
        try:
            ImageFont.truetype(name, 12)
        except OSError:
            continue
        found.append(name)
    return tuple(found)
