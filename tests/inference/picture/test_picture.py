"""The picture of an explanation shows all its parts, for all models and images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.inference.stand_ins import AB, DTRB, NOISE, looking_at, rectifying, shows, untrained
from wildtext.inference.evidence import Choice, Piece
from wildtext.inference.explanation import Explanation, Timeline, explain
from wildtext.inference.picture import draw_explanation
from wildtext.inference.picture.sheet import WIDTH, Frame, percent, visible
from wildtext.types import Floats, Prediction


def plain(text: str = "", size: tuple[int, int] = (100, 20), **parts: Any) -> Explanation:
    """An explanation of a grey image, with the characters of a text evenly over its width."""
    image = np.full((size[1], size[0], 3), 128, np.uint8)
    pieces = tuple(
        Piece(character, 0.9, number / len(text), (number + 1) / len(text), (Choice(character, 0.9),))
        for number, character in enumerate(text)
    )
    explanation = Explanation(image, Prediction(text, 0.5), "text", pieces)
    return replace(explanation, **parts)


def height(explanation: Explanation) -> int:
    return draw_explanation(explanation).height


def band(explanation: Explanation, top: int, bottom: int) -> Floats:
    """Rows of the picture, as far as the crop reaches; tops count from where the crop begins."""
    frame = Frame.of(explanation.image)
    picture: Floats = np.asarray(draw_explanation(explanation), np.float32)
    below = picture[:, frame.left : frame.left + frame.width]
    start = int((below == 128).all(axis=(1, 2)).argmax())
    return below[start + top : start + bottom]


@pytest.mark.parametrize(
    "size", [(2, 2), (1, 900), (900, 1), (4000, 3000), (3, 200), (5000, 10)], ids=lambda size: f"{size[0]}x{size[1]}"
)
@pytest.mark.parametrize("text", ["", "a", "incomprehensibilities12345"])
def test_pictures_have_one_width_and_a_sane_height(size: tuple[int, int], text: str) -> None:
    picture = draw_explanation(plain(text, size))
    assert picture.mode == "RGB"
    assert picture.width == WIDTH
    assert 100 < picture.height < 1000


@pytest.mark.parametrize(
    "name",
    [
        *("crnn", "rare", "star-net", "srn", "srn-resnet1d", "robustscanner", "crnn-seq2seq"),
        *("acds-str-small", "mgp-str-tiny", "parseq-tiny", "svtrv2-tiny"),
    ],
)
def test_every_kind_of_model_has_a_picture(name: str) -> None:
    assert explain(untrained(name), NOISE).picture().width == WIDTH


def test_each_part_of_a_model_takes_its_place() -> None:
    nothing = plain("ab")
    opinions = {name: Prediction("ab", 0.5) for name in ("visual", "semantic")}
    timeline = Timeline(("", "a", "b"), np.zeros((4, 3), np.float32), np.linspace(0.125, 0.875, 4, dtype=np.float32))
    parts: list[dict[str, Any]] = [
        {"opinions": opinions},
        {"timeline": timeline},
        {"core_area": np.zeros((4, 8), np.float32)},
        {"fiducials": np.zeros((4, 2), np.float32)},
        {"rectified": np.zeros((4, 8, 3), np.uint8)},
        {"lacking": ("Export it again.",)},
    ]
    for part in parts:
        assert height(plain("ab", **part)) > height(nothing), part
    assert height(plain("ab", **{name: value for part in parts for name, value in part.items()})) > 1000


def test_characters_are_coloured_where_they_were_read() -> None:
    explanation = plain("ab")
    frame = Frame.of(explanation.image)
    places = band(explanation, frame.height + 40, 2 * frame.height)
    quarter = frame.width // 4
    assert (places[:, quarter, 0] > places[:, quarter, 2] + 60).all(), "red on the left"
    assert (places[:, 3 * quarter, 2] > places[:, 3 * quarter, 1] + 60).all(), "violet on the right"


def test_cores_are_coloured_where_they_are_probable() -> None:
    core = np.zeros((4, 8), np.float32)
    core[:, 6:] = 1
    explanation = plain(core_area=core)
    frame = Frame.of(explanation.image)
    rows = band(explanation, frame.height + 40, 2 * frame.height)
    assert (rows[:, frame.width - 5, 0] > rows[:, frame.width - 5, 2] + 60).all()
    assert (rows[:, 5] == 128).all()


def test_columns_are_as_dark_as_they_are_probable() -> None:
    values = np.array([[1, 0], [0, 0.5], [1, 0], [0, 1]], np.float32)
    timeline = Timeline(("", "x"), values, np.linspace(0.125, 0.875, 4, dtype=np.float32))
    explanation = plain(timeline=timeline)
    frame = Frame.of(explanation.image)
    lane = band(explanation, frame.height + 30, frame.height + 35).mean(axis=(0, 2))
    levels = [float(lane[round((column + 0.5) * frame.width / 4)]) for column in range(4)]
    assert levels[0] == levels[2] > levels[1] > levels[3]


def test_fiducials_far_outside_do_no_harm() -> None:
    points = np.array([[-1e9, 5], [np.inf, -3], [0.5, 1e9], [2, 2]], np.float32)
    assert height(plain("ab", fiducials=points)) < 1000


def test_drawing_leaves_the_explanation_alone() -> None:
    explanation = explain(rectifying((0.8, 0.8)), NOISE)
    before = explanation.image.copy(), explanation.to_dict()
    assert draw_explanation(explanation) == draw_explanation(explanation)
    assert np.array_equal(explanation.image, before[0])
    assert explanation.to_dict() == before[1]


def test_attention_is_drawn_where_there_is_some() -> None:
    with_attention = explain(
        shows(DTRB, AB, {"attention": looking_at(7, 0, 4, 3)}), Image.new("RGB", (100, 20), "gray")
    )
    frame = Frame.of(with_attention.image)
    places = band(with_attention, frame.height + 40, 2 * frame.height)
    assert (places[:, frame.width - 20, 0] > places[:, frame.width - 20, 2] + 60).all(), "the first looked to the right"


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(0, "0.0%"), (1e-9, "<0.1%"), (0.0312, "3.1%"), (0.9994, ">99.9%"), (1, "100.0%"), (0.9989, "99.9%")],
)
def test_only_certainty_is_called_so(probability: float, shown: str) -> None:
    assert percent(probability) == shown


def test_blanks_can_be_seen() -> None:
    assert visible(" the ") == "␣the␣"
    assert visible("a b") == "a b"
    assert visible("   ") == "␣␣␣"
