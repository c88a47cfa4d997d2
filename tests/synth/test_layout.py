"""Layout: every box holds the ink of its own character, however the line is bent, and every option shows."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wildtext.config import LayoutOptions
from wildtext.errors import DataError
from wildtext.synth.fonts import FontLibrary
from wildtext.synth.layout import MAX_ASPECT, Layout, lay_out
from wildtext.synth.typeface import Glyph, Typeface
from wildtext.synth.typeset import typeset
from wildtext.types import Floats

CHANCES = [field.name for field in fields(LayoutOptions) if field.name != "height"]
_NONE: dict[str, Any] = dict.fromkeys(CHANCES, 0.0)
NOTHING = LayoutOptions(**_NONE)
TEXTS = ("Hello", "A-b.c", "WIDE_1290", "j", "two wrd", "gQ$|")
CASES: dict[str, dict[str, Any]] = {
    "straight": {},
    "oblique": {"oblique": 1},
    "arc": {"arc": 1, "oblique": 1},
    "wave": {"wave": 1},
    "curved surface": {"curved_surface": 1, "oblique": 1},
    "all curves": {"arc": 1, "wave": 1, "curved_surface": 1, "oblique": 1},
    "stacked": {"stacked": 1, "oblique": 1},
    "turned": {"turned": 1, "oblique": 1},
    "apart": {"jitter": 1, "tracking": 1},
    "cut": {"cut": 1, "oblique": 1},
    "loose": {"loose": 1},
}
BENT = {"arc", "wave", "curved surface", "all curves"}


class Lone(Typeface):
    """A font that measures every character and inks only one."""

    only = ""

    def glyph(self, character: str) -> Glyph:
        whole = super().glyph(character)
        if character == self.only:
            return whole
        return Glyph(np.zeros_like(whole.ink), whole.left, whole.top, whole.advance)


@pytest.fixture(scope="module")
def faces() -> list[Lone]:
    library = FontLibrary()
    return [Lone(library.paths[index], 40) for index in range(0, len(library), 9)]


@pytest.fixture(scope="module")
def face() -> Typeface:
    library = FontLibrary()
    (path,) = (path for path in library.paths if path.stem == "open-sans-latin-400-normal")
    return Typeface(path, 40)


def asked(name: str, chance: float, **others: Any) -> LayoutOptions:
    return replace(NOTHING, **{**others, name: chance})


def options(case: str) -> LayoutOptions:
    return replace(NOTHING, **CASES[case])


def outward(points: NDArray[Any], quad: Floats) -> NDArray[Any]:
    """(..., 4) how far points (..., 2) are beyond each side of a quadrilateral that runs clockwise."""
    along = np.roll(quad, -1, axis=0) - quad
    along = along / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
    normal = np.stack([along[:, 1], -along[:, 0]], axis=-1)
    return np.asarray(((points[..., None, :] - quad) * normal).sum(-1))


def ink_of(layout: Layout, coverage: int) -> NDArray[Any]:
    """(n, 2) centres of the pixels that are covered at least so far."""
    return np.argwhere(layout.mask >= coverage)[:, ::-1] + 0.5


def lone_characters(case: str, faces: list[Lone]) -> list[tuple[Layout, Floats]]:
    """Words of which one character is inked, each with the box of that character."""
    found = []
    for number in range(54):
        text, face = TEXTS[number % len(TEXTS)], faces[number % len(faces)]
        for index, character in enumerate(text):
            if text.count(character) == 1 and character != " ":
                face.only = character
                layout = lay_out(text, face, options(case), np.random.default_rng(number))
                found.append((layout, layout.boxes[index]))
    return found


@pytest.mark.parametrize("case", CASES)
def test_each_box_holds_all_ink_of_its_own_character_and_little_else(case: str, faces: list[Lone]) -> None:
    checked = 0
    for layout, box in lone_characters(case, faces):
        ink = ink_of(layout, 32)
        if len(ink):
            beyond = outward(ink, box)
            assert beyond.max() <= 1
            assert outward(ink, layout.word).max() <= 1
            if len(solid := ink_of(layout, 160)):
                assert outward(solid, box).max() <= 0.25
            if case != "cut":
                # Each side is touched; boxes are straight, so the sides of what is bent are a little away from it.
                assert (-beyond.max(axis=0)).max() <= (8 if case in BENT else 2)
            checked += 1
    assert checked > 150


@pytest.mark.parametrize("case", CASES)
def test_corners_run_clockwise_from_the_top_left_of_the_character(case: str, face: Typeface) -> None:
    lone = Lone(face.path, face.size)
    lone.only = "L"
    for number in range(60):
        layout = lay_out("oabLnemu"[: 4 + number % 5], lone, options(case), np.random.default_rng(number))
        box = layout.boxes[3]
        x, y = box[:, 0], box[:, 1]
        assert float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) > 0
        if case != "cut":
            # The ink of an L is on its left and at its foot, wherever those have come to be.
            sides = np.linalg.inv(np.stack([box[1] - box[0], box[3] - box[0]], axis=-1).astype(float))
            across, down = sides @ (ink_of(layout, 128) - box[0]).mean(axis=0)
            assert 0 < across < 0.5
            assert 0.5 < down < 1


def test_words_that_run_down_or_up_say_how_they_are_brought_upright(face: Typeface) -> None:
    stacked = [lay_out("Word", face, options("stacked"), np.random.default_rng(number)) for number in range(20)]
    turned = [lay_out("Word", face, options("turned"), np.random.default_rng(number)) for number in range(40)]
    plain = [lay_out("Word", face, NOTHING, np.random.default_rng(number)) for number in range(5)]
    assert {layout.turns for layout in stacked} == {1}
    assert {layout.turns for layout in turned} == {1, 3}
    assert {layout.turns for layout in plain} == {0}


def test_neighbours_add_ink_around_the_word_and_leave_it_alone(face: Typeface) -> None:
    drawn: dict[str, dict[str, Any]] = {"tracking": {"em": 0.0}}
    crowd = {**drawn, "neighbours": {"sides": [1.0] * 4}}
    for seed in range(20):
        # Tall letters reach far into the lines above and below.
        text = ("word", "Q|(jg")[seed % 2]
        plain, crowded = (typeset(text, face, amounts, np.random.default_rng(seed)) for amounts in (drawn, crowd))
        moved = np.array(crowded.ink[:2]) - plain.ink[:2]
        assert np.array_equal(plain.boxes + moved, crowded.boxes)
        (left, top, right, bottom), (x, y, _, _) = (np.array(line.ink, int) for line in (plain, crowded))
        inside = crowded.mask[y : y + bottom - top, x : x + right - left]
        assert np.array_equal(inside, plain.mask[top:bottom, left:right])
        assert crowded.mask.astype(int).sum() > 1.5 * plain.mask.astype(int).sum()


# What each option does, measured on what comes out


def mean_box(layout: Layout) -> NDArray[np.float64]:
    """(n, 2) centres of the characters."""
    return np.asarray(layout.boxes.astype(np.float64).mean(axis=1))


def unevenness(layout: Layout) -> float:
    """Pixels between the line through the centres of letters and the centres."""
    x, y = mean_box(layout).T
    return float(np.abs(y - np.polyval(np.polyfit(x, y, 1), x)).max())


def breadths(layout: Layout) -> float:
    """How much the widths of equal letters differ."""
    edges = layout.boxes[:, 1] - layout.boxes[:, 0]
    widths = np.hypot(edges[:, 0], edges[:, 1])
    return float(widths.max() / widths.min() - 1)


def gaps(layout: Layout) -> float:
    """Space between letters, in widths of letters."""
    between = layout.boxes[1:, 0, 0] - layout.boxes[:-1, 1, 0]
    return float(between.mean() / np.ptp(layout.boxes[0, :, 0]))


def room(layout: Layout) -> float:
    """Pixels between the word and the closest edge of the crop; negative where it is cut."""
    height, width = layout.mask.shape
    low, high = layout.word.min(axis=0), layout.word.max(axis=0)
    return float(min(low.min(), width - high[0], height - high[1]))


def foreign(layout: Layout) -> float:
    """Whether there is solid ink in no box."""
    ink = ink_of(layout, 160)
    inside = np.any([outward(ink, box).max(-1) <= 1 for box in layout.boxes], axis=0)
    return float(not inside.all())


def tilt(layout: Layout) -> float:
    x, y = layout.word[1] - layout.word[0]
    return float(abs(np.arctan2(y, x)))


MEASURES: dict[str, Callable[[Layout], float]] = {
    "tracking": gaps,
    "jitter": unevenness,
    "arc": unevenness,
    "wave": unevenness,
    "curved_surface": breadths,
    "stacked": lambda layout: float(layout.turns != 0),
    "turned": lambda layout: float(layout.turns != 0),
    "oblique": tilt,
    "cut": lambda layout: float(room(layout) < -0.5),
    "loose": room,
    "neighbours": foreign,
}


@pytest.mark.parametrize("name", CHANCES)
def test_every_chance_shows_in_ink_and_boxes(name: str, face: Typeface) -> None:
    measured = []
    for chance in (0.0, 1.0):
        # Wide margins let neighbours be seen.
        wanted = asked(name, chance, **({"loose": 1.0} if name == "neighbours" else {}))
        layouts = [lay_out("nnnnnnn", face, wanted, np.random.default_rng(number)) for number in range(60)]
        measured.append(float(np.mean([MEASURES[name](layout) for layout in layouts])))
    assert measured[1] > 1.5 * measured[0] + 0.02


NAMED = [name for name in CHANCES if name not in {"tracking", "oblique", "cut", "loose"}]


@pytest.mark.parametrize("name", NAMED)
def test_what_was_drawn_is_named(name: str, face: Typeface) -> None:
    for chance in (0.0, 1.0):
        wanted = asked(name, chance)
        drawn = [lay_out("Word", face, wanted, np.random.default_rng(number)).drawn for number in range(20)]
        assert {name in amounts for amounts in drawn} == {bool(chance)}


# Sizes


@pytest.mark.parametrize("height", [16, 32, 48, 80])
@pytest.mark.parametrize("text", ["|", "-", ".", "W" * 25, "a b", "mmmmmmmmm"])
def test_crops_have_the_asked_height_and_are_neither_slivers_nor_ribbons(
    height: int, text: str, face: Typeface
) -> None:
    for case in CASES:
        layout = lay_out(text, face, replace(options(case), height=height), np.random.default_rng(1))
        assert layout.mask.shape[0] == height
        assert 8 <= layout.mask.shape[1] <= max(MAX_ASPECT * height, 8)
        assert layout.mask.dtype == np.uint8
        assert layout.mask.max() > 100 or case == "cut"
        assert layout.boxes.shape == (len(text), 4, 2)
        assert np.isfinite(layout.word).all()


def test_blanks_have_no_box_and_leave_a_gap(face: Typeface) -> None:
    for case in ("straight", "stacked", "all curves"):
        wide = lay_out("a b", face, options(case), np.random.default_rng(2))
        assert [bool(np.isnan(box).all()) for box in wide.boxes] == [False, True, False]
        assert np.isfinite(wide.boxes[[0, 2]]).all()
        between = wide.boxes[2, 0] - wide.boxes[0, 1]
        assert np.hypot(*between) > 3


@pytest.mark.parametrize("text", ["", " ", "   "])
@pytest.mark.parametrize("case", ["straight", "stacked"])
def test_a_text_without_ink_is_refused(text: str, case: str, face: Typeface) -> None:
    with pytest.raises(DataError, match="nothing to draw"):
        lay_out(text, face, options(case), np.random.default_rng(0))
