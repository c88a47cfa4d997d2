"""Comparing synthetic crops with real ones: the numbers mean what they say, and the page shows both."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.synth.fake import FakeWords
from tests.synth.pages import parsed, picture
from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.data import open_source
from wildtext.errors import DataError
from wildtext.synth.compare import Comparison, compare, measure
from wildtext.synth.sheet import WIDTH
from wildtext.synth.statistics import (
    STATISTICS,
    brightness,
    contrast,
    light_on_dark,
    saturation,
    sharpness,
    wasserstein,
)
from wildtext.types import Sample


def bar(ground: int, ink: int, rows: int = 32) -> np.ndarray:
    """A third of the picture in the colour of ink, in its middle."""
    image = np.full((rows, 3 * rows, 3), ground, np.uint8)
    image[rows // 4 : -rows // 4, rows : 2 * rows] = ink
    return image


def folder(path: Path, labels: list[str]) -> Path:
    """A folder with a picture for each label; those labelled BROKEN are no pictures."""
    path.mkdir()
    for number, label in enumerate(labels):
        if label == "BROKEN":
            (path / f"{number}.png").write_text("no image")
        else:
            Image.fromarray(bar(40, 200, rows=20 + number % 5)).save(path / f"{number}.png")
    (path / "labels.tsv").write_text("".join(f"{i}.png\t{label}\n" for i, label in enumerate(labels)), "utf-8")
    return path


# Statistics


def test_brightness_and_contrast_are_in_units_of_luma() -> None:
    assert brightness(np.full((8, 8, 3), 77, np.uint8)) == pytest.approx(77)
    assert contrast(bar(40, 200)) == pytest.approx(160)
    assert contrast(bar(200, 40)) == pytest.approx(160)
    assert contrast(np.full((8, 8, 3), 77, np.uint8)) == 0


def test_green_is_brighter_than_blue() -> None:
    green, blue = (np.full((4, 4, 3), colour, np.uint8) for colour in ((0, 255, 0), (0, 0, 255)))
    assert brightness(green) > 4 * brightness(blue)
    assert saturation(green) == saturation(blue) == 255
    assert saturation(bar(10, 240)) == 0


def test_light_text_is_told_from_dark_text() -> None:
    noise = np.random.default_rng(0).integers(0, 20, (32, 96, 3), np.uint8)
    assert light_on_dark(bar(30, 180) + noise) == 1
    assert light_on_dark(bar(180, 30) + noise) == 0


def test_blur_lowers_sharpness_and_size_hardly_changes_it() -> None:
    pictures = [Image.fromarray(bar(40, 200, rows=rows)) for rows in (64, 96)]
    sharp = [sharpness(np.asarray(one)) for one in pictures]
    blurred = sharpness(np.asarray(pictures[0].filter(ImageFilter.GaussianBlur(4))))
    assert abs(sharp[0] - sharp[1]) < 0.3
    assert blurred < sharp[0] - 1


@pytest.mark.parametrize("shape", [(2, 2), (2, 200), (300, 2), (1, 1)])
@pytest.mark.parametrize("level", [0, 255])
def test_every_statistic_is_finite_on_odd_pictures(shape: tuple[int, int], level: int) -> None:
    sample = Sample(np.full((*shape, 3), level, np.uint8), "x")
    assert np.isfinite([statistic(sample) for statistic in STATISTICS.values()]).all()


def test_the_distance_between_distributions_is_how_far_they_are_apart() -> None:
    values = np.random.default_rng(0).normal(0, 2, 4000)
    assert wasserstein(values, values) == 0
    assert wasserstein(values, values + 3) == pytest.approx(3)
    assert wasserstein(values[:1000], values + 3) == pytest.approx(3, abs=0.3)
    one = Comparison("height", values + 3, values)
    assert one.distance == pytest.approx(1.5, rel=0.05)
    assert Comparison("height", values, np.ones(5)).distance is None


def test_sizes_and_labels_are_measured() -> None:
    real = [Sample(np.zeros((20, 80, 3), np.uint8), "four"), Sample(np.zeros((40, 80, 3), np.uint8), "ab")]
    found = {one.name: one.real.tolist() for one in measure(real, real)}
    assert (found["height"], found["label length"], found["width per character"]) == ([20, 40], [4, 2], [1, 1])


# The page


def test_the_page_shows_crops_histograms_and_distances(tmp_path: Path) -> None:
    real = open_source(folder(tmp_path / "real", [f"w{number}" for number in range(30)]))
    report = compare(FakeWords(), real, tmp_path / "page.html", 20)
    assert (report.ours, report.real, len(report.errors)) == (18, 20, 2)
    page = parsed(tmp_path / "page.html")
    (image,) = page.all("img")
    sheet = picture(image["src"])
    assert sheet.shape[1] == WIDTH
    assert {(40, 120, 220), (240, 140, 20)} <= set(map(tuple, sheet[:, 0].tolist()))
    assert len(page.all("svg")) == len(STATISTICS)
    assert len(page.all("polygon")) == 2 * len(STATISTICS)
    assert len(page.all("tr")) == 1 + len(STATISTICS)
    assert not page.all("script") + page.all("link")


def test_the_same_source_has_no_distance_to_itself(tmp_path: Path) -> None:
    words = [sample for sample in FakeWords().samples(range(20)) if isinstance(sample, Sample)]
    assert {one.distance for one in measure(words, words)} <= {0.0, None}


def test_broken_and_unlabelled_real_samples_are_left_out_and_named(tmp_path: Path) -> None:
    real = open_source(folder(tmp_path / "real", ["good", "BROKEN", "", "fine"]))
    report = compare(FakeWords(), real, tmp_path / "page.html", 5)
    assert report.real == 2
    messages = sorted(str(error) for error in report.errors)
    assert [message.rpartition("/")[2] for message in messages] == [
        "1.png: not an image in a format that Pillow knows",
        "2.png: empty label",
    ]


@pytest.mark.parametrize(
    ("labels", "name", "count", "message"),
    [
        (["a"], "page.png", 5, r"must end with \.html, not 'page\.png'"),
        (["a"], "page.html", 0, "the count is 0"),
        ([], "page.html", 5, "none of 0 samples can be used"),
        (["BROKEN"], "page.html", 5, r"none of 1 samples can be used; the first: .*0\.png: not an image"),
    ],
)
def test_mistakes_are_explained_and_leave_nothing(
    tmp_path: Path, labels: list[str], name: str, count: int, message: str
) -> None:
    real = open_source(folder(tmp_path / "real", labels))
    with pytest.raises(DataError, match=message):
        compare(FakeWords(), real, tmp_path / name, count)
    assert [path.name for path in tmp_path.iterdir()] == ["real"]


# The command


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wildtext.synth.SyntheticWords", FakeWords)


@pytest.mark.usefixtures("fake")
def test_the_command_prints_a_table_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real = folder(tmp_path / "real", ["one", "two", "three"])
    arguments = ["synth", "compare", "--real", str(real), "--out", str(tmp_path / "page.html"), "--count", "5"]
    assert main([*arguments, "--format", "json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert (found["ours"], found["real"]) == (5, 3)
    assert [one["statistic"] for one in found["statistics"]] == list(STATISTICS)
    assert found["statistics"][0]["ours"]["q10"] <= found["statistics"][0]["ours"]["median"]
    assert main(arguments) == OK
    shown = capsys.readouterr().out
    assert all(name in shown for name in STATISTICS)
    assert main([*arguments[:-1], "8"]) == FAILED


@pytest.mark.usefixtures("fake")
def test_a_real_source_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", "compare", "--real", "no/such", "--out", str(tmp_path / "page.html")]) == UNUSABLE
    assert "no data at no/such" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
