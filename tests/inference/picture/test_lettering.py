"""Any text can be written into a picture, and fits."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wildtext.inference.picture.lettering import letter, text_length

SIZE = (300, 60)


def written(text: str, align: float = 0, room: float | None = None) -> NDArray[np.bool_]:
    """Where there is ink of a text of 20 pixels at x = 100."""
    picture = Image.new("RGB", SIZE, "white")
    letter(ImageDraw.Draw(picture), (100, 40), text, 20, align=align, room=room)
    ink: NDArray[np.bool_] = np.asarray(picture.convert("L")) < 200
    return ink


def reach(ink: NDArray[np.bool_]) -> tuple[int, int]:
    columns = np.flatnonzero(ink.any(axis=0))
    return int(columns[0]), int(columns[-1])


@pytest.mark.parametrize(("align", "left", "right"), [(0, 100, 200), (0.5, 50, 150), (1, 0, 100)])
def test_text_stands_where_it_is_aligned(align: float, left: int, right: int) -> None:
    length = text_length("hotel", 20)
    first, last = reach(written("hotel", align=align))
    assert left <= first
    assert last <= right
    assert last - first == pytest.approx(length, abs=4)


@pytest.mark.parametrize("text", ["hotelhotelhotelhotel", "龘靐龘靐龘靐", "a b c d e f g h i j k", "ab\n\n\n\ncd"])
@pytest.mark.parametrize("room", [12, 40, 90])
def test_text_keeps_to_its_room(text: str, room: float) -> None:
    _, last = reach(written(text, room=room))
    assert last <= 100 + room + 1


def test_characters_that_no_font_has_can_be_told_apart() -> None:
    one, other = written("\U0002a6b0"), written("\U0002a6b1")
    assert one.any()
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("text", ["", "\n", "\x00", "\u202e", "\ud800", "e\u0301", "Ж€Ω…", "🚲"])
def test_strange_text_does_no_harm(text: str) -> None:
    assert written(text).any() == bool(text)
