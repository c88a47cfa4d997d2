"""Tables, Markdown, LaTeX and JSON say the same, and everything that a paper needs."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.made import Word, made, sized
from wildtext.data import open_source
from wildtext.evaluation.benchmarks import totals
from wildtext.evaluation.evaluator import evaluate
from wildtext.evaluation.metrics import measure
from wildtext.evaluation.results import Summary, as_json, pool
from wildtext.evaluation.statistics import wilson_interval
from wildtext.evaluation.tables import as_latex, as_markdown, grids, print_table
from wildtext.inference.recognizer import Recognizer

SIGNS: list[Word] = [("stop", "stop", 0.9), ("exit", "exlt", 0.4), ("", None), ("taxi", None), ("", "", 0.2)]
SHOPS: list[Word] = [("open", "open", 0.7), ("bar", "bar", 0.95)]


def one_model(**options: Any) -> Summary:
    return Summary([[made(SIGNS, "signs"), made(SHOPS, "shops")]], "36", ["fake"], **options)


def two_models() -> Summary:
    other = [made([("stop", "step", 0.9), *SIGNS[1:]], "signs", "theirs"), made(SHOPS, "shops", "theirs")]
    return Summary([*one_model().results, other], "36", ["fake", "faster"])


def common_sets(model: str, less: int = 0) -> Any:
    sizes = {
        "IIIT5k": 3000,
        "SVT": 647,
        "IC13_857": 857,
        "IC13_1015": 1015,
        "IC15_1811": 1811,
        "SVTP": 645,
        "CUTE80": 288,
    }
    return [sized(f"test/{name}", size, size - 20 - less, model) for name, size in sizes.items()]


def test_json_has_each_data_set_and_all_of_them(recognizer: Recognizer, labelled_folder: Path) -> None:
    result = evaluate(recognizer, open_source(labelled_folder), model="fake")
    values = json.loads(as_json(Summary([[result, result]], "36", ["onnxruntime"])))
    model = values
    assert (values["protocol"], model["model"], model["runtime"]) == ("36", "fake", "onnxruntime")
    assert [record["accuracy"] for record in model["results"]] == [100.0, 100.0]
    assert [record["data"] for record in model["results"]] == [str(labelled_folder)] * 2
    assert model["all"]["images"] == pool([result, result]).metrics.images == 20


def test_json_has_every_figure_unrounded_and_with_its_images() -> None:
    values = json.loads(as_json(one_model()))
    signs, shops = values["results"]
    metrics = measure(made(SIGNS).judged)
    assert signs["images"] == 5
    assert signs["correct"] == 2
    assert signs["accuracy"] == 40
    assert signs["interval"] == [100 * end for end in wilson_interval(2, 5)]
    assert signs["one_minus_ned"] == metrics.similarity == pytest.approx((1 + 0.75 + 0 + 0 + 1) / 5)
    assert signs["one_minus_ned_by_label"] == metrics.similarity_by_label
    assert (signs["edits"], signs["characters"], signs["character_error_rate"]) == (5, 12, 5 / 12)
    assert signs["mean_confidence"] == pytest.approx(0.3)
    assert signs["expected_calibration_error"] == metrics.calibration_error
    assert signs["empty_labels"] == 1
    assert signs["unreadable"] == ["2: broken", "3: broken"]
    assert signs["benchmark_set"] is None
    assert [(one["coverage"], one["images"]) for one in signs["accuracy_at_coverage"]] == [
        (0.5, 3), (0.8, 4), (0.9, 5), (0.95, 5), (1.0, 5)
    ]  # fmt: skip
    everything = values["all"]
    assert (everything["data"], everything["images"], everything["correct"]) == ("all", 7, 4)
    assert everything["one_minus_ned"] == pytest.approx((5 * signs["one_minus_ned"] + 2 * shops["one_minus_ned"]) / 7)
    assert values["comparisons"] == values["left_out_of_all"] == []


def test_json_has_totals_and_comparisons() -> None:
    results = [common_sets("one"), common_sets("two", less=5)]
    values = json.loads(as_json(Summary(results, "36", ["a", "b"])))
    found = [[total["total"] for total in model["totals"]] for model in (values, *values["others"])]
    assert found == [["common6_sub", "mean6"]] * 2
    sub, mean = values["others"][0]["totals"]
    expected = totals(results[1])
    assert (sub["kind"], sub["images"], sub["correct"], sub["accuracy"]) == (
        "micro", 7248, 7248 - 150, expected[0].accuracy
    )  # fmt: skip
    assert (mean["kind"], mean["accuracy"], mean["interval"]) == (
        "mean",
        expected[1].accuracy,
        list(expected[1].interval),
    )
    assert values["left_out_of_all"] == ["test/IC13_857"]
    assert values["all"]["images"] == 7248 - 857 + 1015
    last = values["comparisons"][-1]
    assert (last["data"], last["model"], last["images"], last["only_first"]) == ("all", "two", 7406, 30)
    assert last["difference"] == pytest.approx(-100 * 30 / 7406)
    assert 0 < last["p_value"] < 1e-6
    assert last["interval"][1] < 0


def test_of_one_data_set_all_is_that_set() -> None:
    summary = Summary([[made(SIGNS, "signs")]], "36", ["fake"])
    assert json.loads(as_json(summary))["all"]["data"] == "signs"
    assert [row[0] for row in grids(summary)[0].rows] == ["signs"]


def test_a_table_shows_accuracies_with_images_and_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(one_model())
    printed = capsys.readouterr().out
    low, high = (100 * end for end in wilson_interval(2, 5))
    assert re.search(rf"signs +5 +40\.00 % +{low:.2f} to {high:.2f} ", printed)
    assert re.search(r"all +7 +57\.14 %", printed)
    assert "protocol 36" in printed


def test_a_table_shows_models_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(two_models())
    printed = capsys.readouterr().out
    assert re.search(r"signs +5 +40\.00 % \(.*\) +20\.00 % \(.*\)", printed)
    assert re.search(r"signs +theirs +5 +-20\.00 +.* 1 +0 +1\n", printed)


def test_a_terminal_of_80_columns_cuts_no_number_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    print_table(two_models())
    printed = capsys.readouterr().out
    for grid in grids(two_models()):
        numbers = [part for row in grid.rows for cell in row[grid.texts :] for part in cell.split()]
        assert [number for number in numbers if number not in printed] == []


def test_names_of_sets_are_not_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Summary([[made(SHOPS, "[red]shops", "[bold]")]], "36", ["fake"]))
    assert "[red]shops" in capsys.readouterr().out


def test_all_formats_have_the_same_cells(capsys: pytest.CaptureFixture[str]) -> None:
    for summary in (one_model(), two_models()):
        print_table(summary)
        forms = [
            capsys.readouterr().out,
            as_markdown(summary),
            as_latex(summary).replace("\\%", "%").replace("$-$", "-"),
        ]
        assert all(len(row) == len(grid.columns) for grid in grids(summary) for row in grid.rows)
        cells = {cell for grid in grids(summary) for row in grid.rows for cell in row}
        assert len(cells) > 20
        assert [[cell for cell in cells if cell not in form] for form in forms] == [[], [], []]


def test_markdown_is_made_of_whole_tables() -> None:
    text = as_markdown(Summary([[made(SHOPS, "a|b\\c<d>", "m|n")]], "36", ["fake"]))
    assert r"| a\|b\\c&lt;d> | 2 | 100.00 % |" in text
    tables = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
        assert re.fullmatch(r"\|(---:?\|)+", table.splitlines()[1])


def test_latex_is_plain_tabulars_with_as_many_cells_as_columns() -> None:
    summary = Summary([[made(SHOPS, r"50%_off & {more}\#1 ~^<|>")]], "36", ["fake"])
    text = as_latex(summary)
    bodies = re.findall(
        r"\\begin\{tabular\}\{([lr]+)\}\n\\hline\n(.*?)\\hline\n\\end\{tabular\}", text, flags=re.DOTALL
    )
    assert len(bodies) == len(grids(summary)) == text.count(r"\begin") == 3
    for columns, body in bodies:
        rows = [line for line in body.splitlines() if line != r"\hline"]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns) - 1}
        assert all(row.endswith(r" \\") for row in rows)
        assert not re.search(r"(?<!\\)[%#_]", body)
    assert r"50\%\_off \& \{more\}\textbackslash{}\#1 \textasciitilde{}\textasciicircum{}" in text
    assert r"\textless{}\textbar{}\textgreater{} & 2 & 100.00 \%" in text


def test_latex_does_not_take_names_for_options_of_line_breaks() -> None:
    text = as_latex(Summary([[made(SHOPS, "[2pt]"), made(SHOPS, "*")]], "36", ["fake"]))
    assert not re.search(r"\\\\\s*[\[*]", text)
    assert "{[}2pt] &" in text


def test_latex_has_minus_signs() -> None:
    assert "$-$20.00" in as_latex(two_models())
    assert "1-NED" in as_latex(two_models())


def test_figures_under_conditions_are_not_to_be_compared_with_published_ones() -> None:
    free = Summary([common_sets("one")], "36", ["fake"])
    chosen = Summary([common_sets("one")], "36", ["fake"], {"lexicon": "full"})
    told = "protocol 36, lexicon full cannot be compared with published ones"
    assert "cannot be compared" not in as_markdown(free)
    assert told in as_markdown(chosen)
    assert "word accuracy, protocol 36, lexicon full" in as_markdown(chosen)
    cautions = [[one["caution"] for one in json.loads(as_json(summary))["totals"]] for summary in (free, chosen)]
    assert cautions[0] == ["", ""]
    assert all(told in one for one in cautions[1])


def test_data_sets_have_names_that_tell_them_apart() -> None:
    found = [made(SHOPS, "a/shops"), made(SHOPS, "b/shops"), sized("IC15", 1811, 9), sized("x/SVT", 647, 9)]
    assert Summary([found], "36", ["fake"]).sets == ["a/shops", "b/shops", "IC15_1811", "SVT"]
    again = Summary([[*found, sized("y/SVT", 647, 9)]], "36", ["fake"]).sets
    assert len(set(again)) == 5


def test_lists_are_in_json_alone() -> None:
    summary = one_model(lists={"counts": [{"correct": 4711}]})
    assert json.loads(as_json(summary))["counts"] == [{"correct": 4711}]
    assert "4711" not in as_markdown(summary)


def test_further_tables_are_shown_as_they_are_given() -> None:
    speed = [{"model": "ours", "images_per_second": 123.456789, "batch": 1}, {"model": "theirs", "note": None}]
    summary = one_model(tables={"speed": speed})
    assert "speed" not in json.loads(as_json(summary))
    text = as_markdown(summary)
    assert "| model | images_per_second | batch | note |" in text
    assert "| ours | 123.46 | 1 | - |" in text


def test_readings_that_were_at_hand_have_no_rate() -> None:
    kept = made(SHOPS, "shops")
    summary = Summary([[type(kept)(kept.model, kept.data, kept.judged, fresh=0, seconds=0.1)]], "36", ["fake"])
    assert grids(summary)[0].rows[0][-1] == "-"


def test_totals_under_another_protocol_say_so() -> None:
    for protocol, said in (("36", False), ("94", True)):
        text = as_markdown(Summary([common_sets("one")], protocol, ["fake"]))
        assert "counts images twice" not in text
        assert ("cannot be compared with published ones" in text) is said
        assert "all: without IC13_857, whose images other sets hold too" in text
