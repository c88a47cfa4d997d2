"""`wildtext evaluate` as a user calls it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.weights.catalogue import catalogue

EXAMPLES = Path(__file__).parents[2] / "examples" / "images"

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Three of the sample images, with labels; the second one wrong."""
    folder = tmp_path / "words"
    folder.mkdir()
    labels = {"bakery.jpg": "Bakery", "coffee.jpg": "otherwise", "museum.png": "Museum"}
    for name in labels:
        shutil.copy(EXAMPLES / name, folder / name)
    (folder / "labels.tsv").write_text("".join(f"{name}\t{text}\n" for name, text in labels.items()), encoding="utf-8")
    return folder


def evaluated(capsys: Captured, *arguments: str) -> dict[str, Any]:
    assert main(["evaluate", *arguments, "--format", "json"]) == OK
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def test_models_stand_side_by_side_on_the_same_images(words: Path, tmp_path: Path, capsys: Captured) -> None:
    other = tmp_path / "copies" / "same.onnx"
    other.parent.mkdir()
    shutil.copy(catalogue()["default"].onnx, other)
    values = evaluated(capsys, "--model", "default", "--model", str(other), "--data", str(words))
    assert values["model"] == "default"
    (second,) = values["others"]
    assert second["model"] == "copies/same.onnx"
    assert (values["all"]["correct"], second["all"]["correct"]) == (2, 2)
    assert values["comparisons"][0]["p_value"] == 1


def test_a_second_call_reads_nothing_and_fresh_reads_all(words: Path, capsys: Captured) -> None:
    counts = []
    for further in ([], [], ["--fresh"]):
        values = evaluated(capsys, "--data", str(words), *further)
        counts.append(values["all"]["fresh"])
    assert counts == [3, 0, 3]


def test_fresh_leaves_what_is_known_of_other_images(words: Path, tmp_path: Path, capsys: Captured) -> None:
    other = tmp_path / "other"
    shutil.copytree(EXAMPLES, other)
    evaluated(capsys, "--data", str(other))
    evaluated(capsys, "--data", str(words), "--fresh")
    assert evaluated(capsys, "--data", str(other), str(words))["all"]["fresh"] == 0


def test_many_broken_images_do_not_push_the_figures_away(words: Path, capsys: Captured) -> None:
    names = [f"missing-{number}.png" for number in range(30)]
    with (words / "labels.tsv").open("a", encoding="utf-8") as file:
        file.writelines(f"{name}\ttext\n" for name in names)
    assert main(["evaluate", "--data", str(words)]) == FAILED
    error = capsys.readouterr().err
    assert "counted as wrong: 20 more" in error
    assert error.count("\n") == 11


def test_a_folder_of_data_sets_is_told_apart(words: Path, tmp_path: Path, capsys: Captured) -> None:
    shutil.copytree(words, tmp_path / "sets" / "one")
    shutil.copytree(words, tmp_path / "sets" / "two")
    values = evaluated(capsys, "--data", str(tmp_path / "sets"))
    assert [Path(record["data"]).name for record in values["results"]] == ["one", "two"]
    assert values["all"]["images"] == 6


def test_readings_and_report_are_written(words: Path, tmp_path: Path, capsys: Captured) -> None:
    (words / "broken.png").write_bytes(b"broken")
    with (words / "labels.tsv").open("a", encoding="utf-8") as file:
        file.write("broken.png\t<b>\n")
    readings, report = tmp_path / "out" / "readings.jsonl", tmp_path / "out" / "report.html"
    arguments = ["evaluate", "--data", str(words), "--readings", str(readings), "--report", str(report)]
    assert main(arguments) == FAILED
    error = capsys.readouterr().err
    assert "broken.png" in error
    assert str(report) in error
    rows = [json.loads(line) for line in readings.read_text(encoding="utf-8").splitlines()]
    assert [row["correct"] for row in rows] == [True, False, True, False]
    assert rows[1]["label"] == "otherwise"
    assert rows[3]["reading"] is None
    assert "otherwise" in report.read_text(encoding="utf-8")


def test_a_lexicon_makes_every_reading_one_of_its_words(words: Path, tmp_path: Path, capsys: Captured) -> None:
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("otherwise\n", encoding="utf-8")
    values = evaluated(capsys, "--data", str(words), "--lexicon", str(lexicon))
    assert values["all"]["correct"] == 1
    assert values["conditions"] == {"lexicon": str(lexicon)}


def test_corruptions_and_speed_have_tables_of_their_own(words: Path, capsys: Captured) -> None:
    values = evaluated(capsys, "--data", str(words), "--corrupt", "jpeg", "--speed")
    assert {row["corruption"] for row in values["robustness"]} == {"jpeg"}
    (speed,) = values["speed"]
    assert 0 < speed["median_ms"] <= speed["p99_ms"]


def test_figures_of_the_old_filter_are_marked(words: Path, capsys: Captured) -> None:
    assert main(["evaluate", "--data", str(words), "--legacy-filter"]) == OK
    assert "normalized_ED" in capsys.readouterr().out
    assert evaluated(capsys, "--data", str(words), "--legacy-filter")["conditions"] == {"filter": "of SRN.pytorch"}


@pytest.mark.parametrize("form", ["table", "markdown", "latex"])
def test_every_format_has_the_accuracy(form: str, words: Path, capsys: Captured) -> None:
    assert main(["evaluate", "--data", str(words), "--format", form]) == OK
    assert "66.67" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (["--model", "nosuch"], "no model 'nosuch'"),
        (["--model", "default", "--model", "default"], "--model default is given more than once"),
        (["--model", "default", "--model", str(catalogue()["default"].onnx)], "default.onnx is given more than once"),
        (["--benchmark", "dtrb10"], "IIIT5k_3000"),
        (["--benchmark", "common7"], "common6_sub"),
        (["--report", "."], "cannot write .: it is a folder"),
        (["--report", "same.out", "--readings", "./same.out"], "give each a file of its own"),
        (["--data", "words", "words/labels.tsv"], "named twice"),
        (["--batch-size", "0"], "batch_size must be at least 1, not 0"),
        (["--lexicon", "full", "--corrupt"], "measure them one by one"),
        (["--lexicon", "nosuch.txt"], "nosuch.txt"),
        (["--lexicon", "50"], "lexicon-50.tsv"),
        (["--corrupt", "jpgs"], "jpeg"),
        (["--random-strings", "-1"], "-1"),
        (["--beam", "4"], "write one character after another"),
    ],
)
def test_mistakes_end_with_one_line_that_says_what_to_do(
    further: list[str], message: str, words: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(words.parent)
    data = [] if "--data" in further else ["--data", str(words)]
    assert main(["evaluate", *data, *further]) == UNUSABLE
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
