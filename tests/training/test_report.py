"""The report of a run shows what was logged, whatever state its folder is in, and needs nothing else."""

from __future__ import annotations

import base64
import io
import json
import re
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.synth.pages import parsed
from wildtext.config import Recipe
from wildtext.errors import DataError, TrainingError
from wildtext.training.curves import Curves, draw, thinned
from wildtext.training.mistakes import Mistake, save_mistakes
from wildtext.training.report import write_report


def line(step: int, **values: Any) -> dict[str, Any]:
    return {"step": step, "images": 8 * step, "seconds": 0.5 * step, **values}


MEASURED = [
    line(0, accuracy={"signs": 40.0, "shops": 60.0}, score=50.0),
    *(line(step, loss=4.0 / step, images_per_second=16.0) for step in (10, 20, 30)),
    line(30, accuracy={"signs": 75.0, "shops": 85.0}, score=80.0),
    line(40, loss=0.1, images_per_second=18.0),
    line(40, accuracy={"signs": 70.0, "shops": 82.0}, score=76.0),
    line(40, stopped="patience"),
]


def run_folder(folder: Path, records: list[dict[str, Any]], *, end: str = "\n", **files: Any) -> Path:
    """A run's folder with a log and, by name, further JSON files."""
    text = "\n".join(json.dumps(record) for record in records)
    (folder / "log.jsonl").write_text(text + end, encoding="utf-8")
    for name, values in files.items():
        (folder / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def text_of(folder: Path) -> str:
    """What a person reads on the report, without style and script."""
    page = write_report(folder).read_text(encoding="utf-8")
    seen = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", seen))


def charts_of(folder: Path) -> dict[str, str]:
    """The figures with curves, by title."""
    page = write_report(folder).read_text(encoding="utf-8")
    figures = re.findall(r'<figure class="chart">(.*?)</figure>', page, flags=re.DOTALL)
    return {re.findall(r"<figcaption>(.*?)</figcaption>", figure)[0]: figure for figure in figures}


def svg_of(figure: str) -> ElementTree.Element:
    found = re.search(r"<svg viewBox.*?role=.*?</svg>", figure, flags=re.DOTALL)
    assert found
    return ElementTree.fromstring(found[0])


def lines_of(figure: str) -> list[list[tuple[float, float]]]:
    """The points of each line, in the picture's units."""
    lines = [line.attrib["points"] for line in svg_of(figure).iter("polyline")]
    return [[(float(x), float(y)) for x, y in (point.split(",") for point in line.split())] for line in lines]


def rows_of(figure: str) -> list[list[str]]:
    """The table of numbers below a chart."""
    table = re.search(r"<table>.*</table>", figure, flags=re.DOTALL)
    assert table
    return [["".join(cell.itertext()) for cell in row] for row in ElementTree.fromstring(table[0]).iter("tr")]


def picture(level: int = 90) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (60, 20), (level, 0, 0)).save(content, "JPEG")
    return content.getvalue()


def mistake(truth: str, reading: str, source: str = "signs") -> Mistake:
    return Mistake(picture(), picture(200) if reading else b"", truth, reading, 0.875, source)


# What it says


def test_the_headline_has_accuracy_before_and_after_with_intervals(tmp_path: Path) -> None:
    text = text_of(run_folder(tmp_path, MEASURED, plan={"held_out": 100}))
    assert "50.00 % → 80.00 %" in text
    assert "before (40.4 to 59.6) → best, step 30 (71.1 to 86.7); 95 % interval, 100 images" in text
    assert "Stopped early" in text


@pytest.mark.parametrize(
    ("plan", "others"), [({}, []), ({"held_out": 100}, ["signs"]), ({"held_out": 0}, []), ({"validation": 0}, [])]
)
def test_without_a_count_of_images_there_is_no_interval(
    tmp_path: Path, plan: dict[str, int], others: list[str]
) -> None:
    # Images that were held out do not tell how many there are in further data.
    text = text_of(run_folder(tmp_path, MEASURED, plan=plan, recipe={"data": {"validation": others}}))
    assert "50.00 % → 80.00 %" in text
    assert "interval" not in text


def test_all_validation_images_count_for_the_intervals(tmp_path: Path) -> None:
    folder = run_folder(
        tmp_path, MEASURED, plan={"held_out": 20, "validation": 100}, recipe={"data": {"validation": ["signs"]}}
    )
    text = text_of(folder)
    assert "95 % interval, 100 images" in text
    assert "measured with signs, 20 held-out images" in text


def test_training_that_did_not_help_is_not_praised(tmp_path: Path) -> None:
    scores = [line(step, accuracy={"signs": score}, score=score) for step, score in ((0, 80.0), (5, 60.0), (9, 70.0))]
    text = text_of(run_folder(tmp_path, scores))
    assert "step 0, and nothing better came later; last 70.00 %" in text
    assert "→" not in text


def test_a_first_measurement_after_some_steps_is_not_called_before(tmp_path: Path) -> None:
    text = text_of(run_folder(tmp_path, MEASURED[1:]))
    assert "step 30" in text
    assert "before" not in text
    assert "→" not in text


def test_every_data_set_is_shown_at_first_best_and_last(tmp_path: Path) -> None:
    text = " ".join(text_of(run_folder(tmp_path, MEASURED)).split())
    assert "before (step 0) best (step 30) last (step 40)" in text
    assert "signs 40.00 % 75.00 % 70.00 %" in text
    assert "all together 50.00 % 80.00 % 76.00 %" in text


def test_model_data_time_images_and_rate_are_shown(tmp_path: Path) -> None:
    recipe = Recipe(name="street").to_dict()
    recipe["model"] |= {"name": "crnn", "init": "default"}
    recipe["data"] |= {"train": ["my_words=2", "synth"], "validation": ["signs"]}
    records = [line(7200, loss=1.0, images_per_second=rate) for rate in (10.0, 30.0, 20.0)]
    text = text_of(
        run_folder(tmp_path, [{**records[0], "step": 7100}, {**records[1], "step": 7150}, records[2]], recipe=recipe)
    )
    assert "crnn, trained from default, on my_words=2, synth, measured with signs" in text
    for value in ("street", "1 h 0 min", "57,600", "20 images/s", "7,200", "of 5,000"):
        assert value in text


def test_samples_are_counted_with_the_reasons_of_those_left_out(tmp_path: Path) -> None:
    samples = [
        {"source": "words", "usable": 1900, "total": 2000, "dropped": {"too long": 60, "empty label": 40}},
        {"source": "synth", "usable": None, "total": None, "dropped": {}},
    ]
    plan = {"samples": samples, "held_out": 50, "charset": "abcß", "new_characters": "ß"}
    records = [*MEASURED, line(50, skipped_samples=2), line(60, skipped_samples=1)]
    text = " ".join(text_of(run_folder(tmp_path, records, plan=plan)).split())
    assert "words 1,900 2,000 60 too long; 40 empty label" in text
    assert "synth endless endless nothing" in text
    assert "Held out for validation: 50." in text
    assert "Characters: abcß New to the model: ß" in text
    assert "Samples skipped while training: 3." in text


def test_the_whole_recipe_is_shown(tmp_path: Path) -> None:
    recipe = {"seed": 7, "model": {"name": "crnn", "sizes": {"hidden": 32}}, "data": {"train": ["a", "b"]}}
    text = " ".join(text_of(run_folder(tmp_path, MEASURED, recipe=recipe)).split())
    for pair in ("seed 7", 'name "crnn"', "sizes.hidden 32", 'train ["a", "b"]'):
        assert pair in text


def test_mistakes_are_shown_with_pictures_and_marks_where_texts_differ(tmp_path: Path) -> None:
    save_mistakes(tmp_path, [mistake("EXIT", "exlt"), mistake("no", "")])
    out = write_report(run_folder(tmp_path, MEASURED, recipe={"data": {"protocol": "36"}}))
    page = out.read_text(encoding="utf-8")
    assert "<bdi>EX<mark>I</mark>T</bdi>" in page
    assert "<bdi>ex<mark>l</mark>t</bdi>" in page
    assert "(nothing)" in page
    uris = [str(image["src"]) for image in parsed(out).all("img")]
    assert [base64.b64decode(uri.partition(",")[2]) for uri in uris] == [picture(), picture(200), picture()]


def test_where_case_counts_it_is_marked(tmp_path: Path) -> None:
    save_mistakes(tmp_path, [mistake("Exit", "exit")])
    page = write_report(run_folder(tmp_path, MEASURED, recipe={"data": {"protocol": "62"}})).read_text("utf-8")
    assert "<bdi><mark>E</mark>xit</bdi>" in page


# Curves


def test_a_curve_has_the_logged_values_in_order(tmp_path: Path) -> None:
    figure = charts_of(run_folder(tmp_path, MEASURED))["Loss"]
    assert rows_of(figure) == [["step", "loss"], ["10", "0.4"], ["20", "0.2"], ["30", "0.1333"], ["40", "0.1"]]
    (points,) = lines_of(figure)
    xs, ys = zip(*points, strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys), "a falling loss goes down the picture"
    assert np.allclose(np.diff(xs), xs[1] - xs[0], atol=0.11), "equal steps are equally far apart"


def test_each_data_set_has_a_curve_and_so_have_all_together(tmp_path: Path) -> None:
    figure = charts_of(run_folder(tmp_path, MEASURED))["Word accuracy (%)"]
    assert rows_of(figure)[:2] == [["step", "signs", "shops", "all together"], ["0", "40", "60", "50"]]
    signs, shops, together = lines_of(figure)
    assert all(low[1] > middle[1] > high[1] for low, middle, high in zip(signs, together, shops, strict=True))
    (mark,) = [one.attrib["d"] for one in svg_of(figure).iter("path") if one.get("class") == "mark"]
    assert mark.startswith(f"M{signs[1][0]} "), "the best measurement is marked, not the last"


def test_only_what_was_logged_has_a_curve(tmp_path: Path) -> None:
    more = {"learning_rate": 1e-3, "gradient_norm": 2.0, "data_wait": 0.25, "rendered_per_second": 9.0}
    everything = {
        "Loss",
        "Word accuracy (%)",
        "Learning rate",
        "Rate (images/s)",
        "Waiting for data (%)",
        "Norm of the gradient",
    }
    assert charts_of(run_folder(tmp_path, MEASURED)).keys() == {"Loss", "Word accuracy (%)", "Rate (images/s)"}
    charts = charts_of(run_folder(tmp_path, [*MEASURED, line(50, **more)]))
    assert charts.keys() == everything
    assert rows_of(charts["Waiting for data (%)"])[1] == ["50", "25"]


def test_the_axis_of_what_is_never_negative_is_not_either(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, [line(step, loss=loss) for step, loss in ((1, 0.0), (2, 4.0))])
    figure = charts_of(folder)["Loss"]
    (points,) = lines_of(figure)
    assert f'class="axis" d="M48 {points[0][1]:.0f}H' in figure


def test_waiting_is_drawn_from_zero(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, [line(step, data_wait=wait) for step, wait in ((1, 0.02), (2, 0.021))])
    labels = [label.text for label in svg_of(charts_of(folder)["Waiting for data (%)"]).iter("text")]
    assert "0" in labels


def test_a_loss_over_a_wide_range_gets_a_logarithmic_axis(tmp_path: Path) -> None:
    decades = [line(step, loss=10.0 ** (1 - step)) for step in (1, 2, 3)]
    (points,) = lines_of(charts_of(run_folder(tmp_path, decades))["Loss"])
    first, second, third = (y for _, y in points)
    assert second - first == pytest.approx(third - second, abs=0.2)
    even = [line(step, loss=4.0 - step) for step in (1, 2, 3)]
    assert "logarithmic" not in charts_of(run_folder(tmp_path, even))["Loss"]


def test_values_that_are_not_finite_leave_a_gap_and_are_counted(tmp_path: Path) -> None:
    losses = [3.0, 2.0, float("nan"), 2.5, 2.25]
    figure = charts_of(run_folder(tmp_path, [line(step, loss=loss) for step, loss in enumerate(losses)]))["Loss"]
    assert [len(points) for points in lines_of(figure)] == [2, 2]
    assert rows_of(figure)[3] == ["2", "none"]
    assert "values that are not finite: 1" in figure


def test_a_single_value_is_a_dot(tmp_path: Path) -> None:
    figure = charts_of(run_folder(tmp_path, [line(5, loss=2.0)]))["Loss"]
    assert not lines_of(figure)
    (dot,) = svg_of(figure).iter("circle")
    assert 0 < float(dot.attrib["cx"]) < 400
    assert 0 < float(dot.attrib["cy"]) < 230


def test_a_value_between_gaps_is_a_dot_also_in_a_long_curve(tmp_path: Path) -> None:
    losses = [2.0] * 50 + [float("nan"), 2.5, float("nan")] + [2.0] * 50
    figure = charts_of(run_folder(tmp_path, [line(step, loss=loss) for step, loss in enumerate(losses)]))["Loss"]
    assert len(list(svg_of(figure).iter("circle"))) == 1


def test_all_points_and_labels_lie_within_the_picture(tmp_path: Path) -> None:
    values = [-3e5, 0.0, 2e-9, 7e8]
    steps = np.array([1, 10, 999_999, 1_000_000])
    figure = draw(Curves("x", ("y",), steps, np.array(values)[:, None]), "one")
    for x, y in lines_of(figure)[0]:
        assert 0 <= x <= 400
        assert 0 <= y <= 230
    assert all(0 <= float(label.attrib["x"]) <= 400 for label in svg_of(figure).iter("text"))


def test_long_logs_are_averaged_and_end_where_they_end() -> None:
    values = np.arange(10_000, dtype=np.float64)[:, None]
    values[5] = np.nan
    short = thinned(Curves("x", ("y",), np.arange(10_000), values), 100)
    assert len(short.steps) == 100
    assert short.steps[-1] == 9_999
    assert short.values[1, 0] == pytest.approx(149.5)
    assert short.values[0, 0] == pytest.approx((99 * 100 / 2 - 5) / 99), "what is missing does not count as zero"


# Whatever state the folder is in


def test_an_unfinished_last_line_is_left_out(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, MEASURED[:4], end='\n{"step": 40, "lo')
    assert rows_of(charts_of(folder)["Loss"])[-1][0] == "30"
    assert "left out: 1." in text_of(folder)


def test_steps_that_were_done_again_count_once(tmp_path: Path) -> None:
    again = [line(10, loss=4.0), line(20, loss=3.0), line(30, loss=9.0), line(20, loss=2.5), line(25, loss=1.0)]
    rows = rows_of(charts_of(run_folder(tmp_path, again))["Loss"])
    assert rows[1:] == [["10", "4"], ["20", "2.5"], ["25", "1"], ["30", "9"]]


def test_a_run_that_was_resumed_has_not_stopped(tmp_path: Path) -> None:
    stopped = [line(10, loss=4.0), line(10, stopped="request")]
    assert "time limit" in text_of(run_folder(tmp_path, stopped))
    assert "time limit" not in text_of(run_folder(tmp_path, [*stopped, line(20, loss=3.0)]))


@pytest.mark.parametrize("records", [[], [line(10, loss=float("nan"))], [line(0, stopped="request")]])
def test_a_run_with_next_to_nothing_still_has_a_report(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    text = text_of(run_folder(tmp_path, records))
    assert "no numbers to draw" in text
    assert "Nothing was measured" in text
    assert ("Nothing has been logged" in text) == (not records)


def test_logs_without_a_pooled_score_show_their_data_sets(tmp_path: Path) -> None:
    old = [line(10, accuracy={"signs": 40.0, "shops": 60.0}), line(20, accuracy={"signs": 45.0, "shops": 65.0})]
    text = " ".join(text_of(run_folder(tmp_path, old)).split())
    assert "first (step 10) last (step 20) signs 40.00 % 45.00 % shops 60.00 % 65.00 %" in text


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds no training run.*log\.jsonl"):
        write_report(tmp_path)


@pytest.mark.parametrize(("name", "content"), [("recipe.json", "{"), ("plan.json", "[]"), ("mistakes.json", "[{}]")])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: str) -> None:
    run_folder(tmp_path, MEASURED)
    (tmp_path / name).write_text(content)
    with pytest.raises(TrainingError, match=re.escape(name)):
        write_report(tmp_path)


def test_a_report_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    out = write_report(run_folder(tmp_path, MEASURED))
    before = out.read_bytes()
    (tmp_path / "report.html.part").mkdir()
    run_folder(tmp_path, MEASURED[:2])
    with pytest.raises(DataError, match=re.escape("report.html")):
        write_report(tmp_path)
    assert out.read_bytes() == before


# For everybody


HOSTILE = "</script><b>bold</b> & 'it' \"is\""


def hostile_folder(folder: Path) -> Path:
    recipe = {"name": HOSTILE, "model": {"name": HOSTILE, "init": HOSTILE}, "data": {"train": [HOSTILE]}}
    samples = [{"source": HOSTILE, "usable": 1, "total": 2, "dropped": {HOSTILE: 1}}]
    plan = {"samples": samples, "charset": HOSTILE, "new_characters": HOSTILE}
    save_mistakes(folder, [mistake(HOSTILE, f"<i>{HOSTILE}", HOSTILE)])
    records = [line(step, loss=1.0, accuracy={HOSTILE: 50.0, "b": 1.0}, score=40.0 + step) for step in (1, 2)]
    return run_folder(folder, [*records, line(3, stopped=HOSTILE)], recipe=recipe, plan=plan)


def test_texts_of_others_stay_texts(tmp_path: Path) -> None:
    page = parsed(write_report(hostile_folder(tmp_path)))
    assert not page.all("b")
    assert not page.all("i")
    assert len(page.all("script")) == 1
    assert text_of(tmp_path).count("bold") >= 12
    for figure in charts_of(tmp_path).values():
        svg_of(figure)


def test_nothing_is_fetched_from_elsewhere(tmp_path: Path) -> None:
    save_mistakes(tmp_path, [mistake("a", "b")])
    out = write_report(run_folder(tmp_path, MEASURED))
    page = parsed(out)
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "srcset", "data", "action", "xlink:href"):
            assert str(attributes.get(name, "data:")).startswith("data:"), tag
    text = out.read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttpRequest|import\(", text)


def test_every_curve_is_described_and_has_its_numbers(tmp_path: Path) -> None:
    charts = charts_of(run_folder(tmp_path, MEASURED))
    identifiers: list[str] = []
    for figure in charts.values():
        svg = svg_of(figure)
        named = {child.attrib["id"]: child.text or "" for child in svg if child.tag in ("title", "desc")}
        assert svg.attrib["aria-labelledby"].split() == list(named)
        assert all(named.values())
        identifiers += named
        assert len(rows_of(figure)) > 1
    assert len(set(identifiers)) == len(identifiers)
    assert "loss: 0.4 at step 10, 0.1 at step 40, between 0.1 and 0.4." in charts["Loss"]


def test_the_page_suits_phones_and_dark_rooms(tmp_path: Path) -> None:
    out = write_report(run_folder(tmp_path, MEASURED))
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in parsed(out).all("meta")
    assert "prefers-color-scheme: dark" in out.read_text(encoding="utf-8")
