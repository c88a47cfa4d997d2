"""Accuracy against strength is counted on the same pictures at each strength, and shown with what it rests on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image as pillow

from tests.evaluation.made import counted
from tests.synth.pages import parsed
from wildtext.data import LabelledSource, open_source
from wildtext.errors import ConfigError, DataError, SampleError
from wildtext.evaluation.evaluator import Result, evaluate
from wildtext.evaluation.report.robustness import robustness_charts
from wildtext.evaluation.robustness import CorruptedSource, Curve, Robustness, robustness
from wildtext.evaluation.statistics import wilson_interval
from wildtext.images import decode
from wildtext.images.corruptions import CORRUPTIONS, corrupt
from wildtext.inference.recognizer import Recognizer


class Worse:
    """A model that gets one more image wrong with each strength, and remembers what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def __call__(self, source: LabelledSource) -> Result:
        strength = source.strength if isinstance(source, CorruptedSource) else 0
        self.seen.append((source.name, source.size))
        return counted([index >= strength for index in range(source.size)], source.name, "worse")


@pytest.fixture
def boxed(tmp_path: Path) -> LabelledSource:
    """One word with boxes, and a file that is no image."""
    picture = np.full((30, 80, 3), 255, np.uint8)
    picture[8:22, 10:70] = (20, 60, 120)
    pillow.fromarray(picture).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"broken")
    boxes = [[[10, 8], [40, 8], [40, 22], [10, 22]], [[40, 8], [70, 8], [70, 22], [40, 22]]]
    lines = [{"path": "a.png", "text": "ab", "boxes": boxes}, {"path": "b.png", "text": "c"}]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return open_source(tmp_path / "labels.jsonl")


@pytest.mark.parametrize("name", ["gaussian-noise", "rotation"])
def test_a_corrupted_source_changes_pictures_alone(boxed: LabelledSource, name: str) -> None:
    source = CorruptedSource(boxed, name, 3)
    assert (source.size, source.text(0), source.where(0)) == (boxed.size, "ab", boxed.where(0))
    assert source.name == f"{boxed.name} {name} 3"
    np.testing.assert_array_equal(source[0].image, corrupt(boxed[0].image, name, 3))
    assert (source[0].text, source[0].source) == ("ab", boxed[0].source)


def test_the_content_is_the_corrupted_picture_without_loss(boxed: LabelledSource) -> None:
    source = CorruptedSource(boxed, "jpeg", 5)
    np.testing.assert_array_equal(decode(source.content(0)), source[0].image)
    assert len({CorruptedSource(boxed, "jpeg", strength).content(0) for strength in (1, 2, 3)}) == 3


def test_boxes_are_given_only_where_they_still_hold(boxed: LabelledSource) -> None:
    stay, move = CorruptedSource(boxed, "fog", 2), CorruptedSource(boxed, "perspective", 2)
    expected = boxed.boxes(0)
    assert expected is not None
    np.testing.assert_array_equal(stay.boxes(0), expected)
    np.testing.assert_array_equal(stay[0].boxes, expected)
    assert move.boxes(0) is None
    assert move[0].boxes is None


def test_a_broken_picture_is_broken_when_corrupted_too(boxed: LabelledSource) -> None:
    source = CorruptedSource(boxed, "fog", 2)
    for broken in (source.__getitem__, source.content):
        with pytest.raises(SampleError, match=re.escape(source.where(1))):
            broken(1)


def test_curves_have_the_counts_of_all_sets_together(labelled_folder: Path) -> None:
    source, model = open_source(labelled_folder), Worse()
    found = robustness(model, [source, source], ["fog", "jpeg"], [4, 1], images_per_set=5)
    assert [curve.corruption for curve in found.curves] == ["fog", "jpeg"]
    # Ten images in steps of two leave five of each set, of which `strength` are wrong.
    assert found.curves[0] == Curve("fog", (0, 1, 4), (10, 8, 2), 10)
    assert found.curves[0].accuracy == (100.0, 80.0, 20.0)
    assert found.curves[0].intervals[1] == tuple(100 * end for end in wilson_interval(8, 10))
    assert (found.model, found.images) == ("worse", 10)
    assert (found.clean, found.corrupted, found.kept) == (100.0, 50.0, 0.5)


def test_every_source_is_read_once_as_it_is_and_once_for_each_cell(labelled_folder: Path) -> None:
    source, model = open_source(labelled_folder), Worse()
    told: list[tuple[int, int]] = []
    robustness(model, [source], ["fog"], [2, 3], progress=lambda done, count: told.append((done, count)))
    assert model.seen == [(source.name, 10), (f"{source.name} fog 2", 10), (f"{source.name} fog 3", 10)]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_default_is_every_corruption_at_every_strength(labelled_folder: Path) -> None:
    found = robustness(Worse(), [open_source(labelled_folder)])
    assert [curve.corruption for curve in found.curves] == list(CORRUPTIONS)
    assert {curve.strengths for curve in found.curves} == {(0, 1, 2, 3, 4, 5)}
    assert found.corrupted == pytest.approx(70.0)


def test_real_readings_fall_where_the_corruption_says_so(recognizer: Recognizer, labelled_folder: Path) -> None:
    # The model reads flat grey: contrast leaves it alone, and with 0.7 of light just the white one stays right.
    model = partial(evaluate, recognizer, model="fake")
    found = robustness(model, [open_source(labelled_folder)], ["contrast", "brightness"], [5])
    assert [curve.correct for curve in found.curves] == [(10, 10), (10, 1)]


@pytest.mark.parametrize(
    ("names", "strengths", "images", "message"),
    [
        (["jpg"], [1], 5, "no corruption 'jpg'; did you mean 'jpeg'"),
        (["jpeg"], [6], 5, "strength of jpeg is 6, but must be 1 to 5"),
        ([], [1], 5, "at least one corruption"),
        (["jpeg"], [], 5, "at least one corruption and one strength"),
        (["jpeg"], [1], 0, "images_per_set is 0"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_read(
    labelled_folder: Path, names: list[str], strengths: list[int], images: int, message: str
) -> None:
    model = Worse()
    with pytest.raises(ConfigError, match=message):
        robustness(model, [open_source(labelled_folder)], names, strengths, images_per_set=images)
    assert not model.seen


def test_an_empty_source_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="no samples"):
        robustness(partial(evaluate, recognizer), [open_source(tmp_path)], ["fog"])


FOUND = Robustness(
    "small",
    (Curve("fog", (0, 1, 5), (80, 60, 20), 100), Curve("jpeg", (0, 1, 5), (80, 80, 40), 100)),
)


def test_records_tell_every_accuracy_and_what_it_rests_on() -> None:
    fog, jpeg, every = json.loads(json.dumps(FOUND.records()))
    assert fog == {
        "model": "small",
        "corruption": "fog",
        "images": 100,
        "clean": 80.0,
        "at 1": 60.0,
        "at 5": 20.0,
        "±": pytest.approx(60 - 50.2, abs=0.01),  # of 60 %, from 50.2 to 69.1
        "mean": 40.0,
        "% of clean": 50.0,
    }
    assert (jpeg["corruption"], jpeg["mean"], jpeg["% of clean"]) == ("jpeg", 60.0, 75.0)
    assert list(every) == list(fog)
    assert (every["corruption"], every["clean"], every["at 1"], every["at 5"]) == ("all", 80.0, 70.0, 30.0)
    assert (every["mean"], every["% of clean"]) == (50.0, 62.5)


def test_counts_are_exact_at_each_strength() -> None:
    rows = json.loads(json.dumps(FOUND.counts()))
    assert [(row["corruption"], row["strength"], row["correct"]) for row in rows] == [
        (curve.corruption, *pair) for curve in FOUND.curves for pair in zip(curve.strengths, curve.correct, strict=True)
    ]
    assert rows[2] == {
        "model": "small",
        "corruption": "fog",
        "strength": 5,
        "images": 100,
        "correct": 20,
        "accuracy": 20.0,
        "interval": [100 * end for end in wilson_interval(20, 100)],
    }


def test_nothing_right_keeps_no_share() -> None:
    nothing = Robustness("bad", (Curve("fog", (0, 1), (0, 0), 10),))
    assert nothing.kept is None
    assert [row["% of clean"] for row in nothing.records()] == [None, None]
    assert "of it" not in robustness_charts([nothing])


def test_charts_have_a_falling_line_and_its_interval_for_each_model(tmp_path: Path) -> None:
    better = Robustness("better", tuple(Curve(one.corruption, (0, 1, 5), (90, 80, 70), 100) for one in FOUND.curves))
    html = robustness_charts([replace(FOUND, model="<small>"), better])
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    assert len(parsed(tmp_path / "page.html").all("figure")) == 2
    assert "&lt;small&gt;" in html
    figures = re.findall(r"<svg class=\"plot\".*?</svg>", html, flags=re.DOTALL)
    assert len(figures) == 2
    for figure in figures:
        svg = ElementTree.fromstring(figure)
        lines = [
            [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
            for line in svg.iter("polyline")
        ]
        assert [len(line) for line in lines] == [3, 3]
        for line, band in zip(lines, svg.iter("polygon"), strict=True):
            assert [x for x, _ in line] == sorted(x for x, _ in line)
            assert [y for _, y in line] == sorted(y for _, y in line), "what falls goes down the page"
            ends = [tuple(map(float, place.split(","))) for place in band.attrib["points"].split()]
            for (x, y), low, high in zip(line, ends[:3], reversed(ends[3:]), strict=True):
                assert (low[0], high[0]) == (x, x)
                assert high[1] <= y <= low[1]
        # Told apart without colours, too.
        styles = [line.attrib["class"].split() for line in svg.iter("polyline")]
        assert {style[-1] for style in styles} == {"dash0", "dash1"}
    assert "60.0 (50.2 to 69.1)" in html
