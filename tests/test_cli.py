"""Commands as a user types them."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.synth import SyntheticWords

EXAMPLES = Path(__file__).parents[1] / "examples" / "images"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three words in a folder and one below it."""
    folder = tmp_path_factory.mktemp("crops")
    (folder / "deeper").mkdir()
    source = SyntheticWords(1)
    for index, name in enumerate(("a.png", "b.jpg", "deeper/c.png")):
        Image.fromarray(source[index].image).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    return folder


def records(captured: Captured) -> list[dict[str, object]]:
    return [json.loads(line) for line in captured.readouterr().out.splitlines()]


def test_a_folder_is_read_in_order_at_any_depth(folder: Path, capsys: Captured) -> None:
    assert main(["read", str(folder), "--format", "jsonl"]) == OK
    assert [record["path"] for record in records(capsys)] == [
        str(folder / name) for name in ("a.png", "b.jpg", "deeper/c.png")
    ]


def test_json_lines_have_everything(folder: Path, capsys: Captured) -> None:
    main(["read", str(folder / "a.png"), "--format", "jsonl", "--top", "3"])
    (record,) = records(capsys)
    assert {"path", "text", "confidence", "characters", "alternatives"} <= record.keys()
    characters = record["characters"]
    assert isinstance(characters, list)
    assert "".join(character["character"] for character in characters) == record["text"]
    assert all(0 <= character["start"] <= character["end"] <= 1 for character in characters)
    assert isinstance(record["alternatives"], list)
    assert len(record["alternatives"]) == 2


def test_a_pattern_names_files(folder: Path, capsys: Captured) -> None:
    assert main(["read", str(folder / "**" / "*.png"), "--format", "jsonl"]) == OK
    assert len(records(capsys)) == 2


def test_broken_files_get_a_record_and_the_rest_is_read(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    empty, missing = tmp_path / "empty.png", tmp_path / "missing.png"
    empty.touch()
    arguments = [str(empty), str(folder / "a.png"), str(missing), str(tmp_path / "*.gif"), str(tmp_path / "none")]
    assert main(["read", *arguments, "--format", "jsonl"]) == FAILED
    found = records(capsys)
    assert [record["path"] for record in found] == arguments
    assert [sorted(record)[0] == "error" for record in found] == [True, False, True, True, True]
    assert found[0]["error"] == "the file is empty (0 bytes)"
    assert "text" not in found[0]


def test_a_folder_without_images_is_an_error_record(tmp_path: Path, capsys: Captured) -> None:
    assert main(["read", str(tmp_path), "--format", "jsonl"]) == FAILED
    (record,) = records(capsys)
    assert record["error"] == "this is a folder, and no image files were found in it"


def test_csv_has_a_column_for_each_value(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    main(["read", str(folder / "a.png"), str(tmp_path / "missing.png"), "--format", "csv", "--top", "2"])
    read, failed = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert list(read) == ["path", "text", "confidence", "error", "text_2", "confidence_2"]
    assert 0 <= float(read["confidence_2"]) <= float(read["confidence"]) <= 1
    assert failed["error"] == "No such file or directory"


def test_the_table_shows_text_and_reasons(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["read", str(folder / "a.png"), str(tmp_path / "missing.png")]) == FAILED
    shown = capsys.readouterr()
    assert "%" in shown.out.splitlines()[0]
    assert "No such file" in shown.out.splitlines()[1]
    assert "1 of 2 images could not be read" in shown.err


def test_standard_input_is_one_image(folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.TextIOWrapper(io.BytesIO((folder / "a.png").read_bytes()))
    monkeypatch.setattr("sys.stdin", content)
    assert main(["read", "-", "--format", "jsonl"]) == OK
    (record,) = records(capsys)
    assert record["path"] == "-"


def test_readings_do_not_depend_on_the_batch_size(folder: Path, capsys: Captured) -> None:
    outputs = []
    for size in ("1", "32"):
        main(["read", str(folder), "--format", "jsonl", "--batch-size", size])
        outputs.append([record["text"] for record in records(capsys)])
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["read"], "name at least one image"),
        (["read", "x.png", "--model", "nosuch"], "no model 'nosuch'"),
        (["read", "x.png", "--top", "0"], "at least 1"),
        (["read", "x.png", "--threads", "-1"], "threads is -1"),
        (["evaluate", "--data", "no/such/folder"], "no data at no/such/folder"),
        (["export", "nosuch", "out.onnx"], "no model 'nosuch'"),
        (["train", "nosuch"], "no recipe 'nosuch'"),
        (["shrink", "nosuch.safetensors", "small.safetensors"], "there is no nosuch.safetensors"),
        (["train", "default", "--time-limit", "soon"], "--time-limit is 'soon'"),
    ],
)
def test_mistakes_end_with_one_line_that_says_what_to_do(arguments: list[str], message: str, capsys: Captured) -> None:
    assert main(arguments) == UNUSABLE
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_catalogue_is_listed(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["models"]) == OK
    out = capsys.readouterr().out
    assert "default" in out
    assert "Apache-2.0" in out


def test_the_default_model_reads_the_sample_images(capsys: Captured) -> None:
    assert main(["evaluate", "--data", str(EXAMPLES), "--format", "json"]) == OK
    assert json.loads(capsys.readouterr().out)["all"]["accuracy"] >= 90


@pytest.mark.parametrize("arguments", [["data"], ["data", "--help"]])
def test_data_alone_shows_its_commands(arguments: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    assert "data pack" in capsys.readouterr().out


def test_data_commands_inspect_and_pack(tmp_path: Path, capsys: Captured) -> None:
    assert main(["data", "inspect", str(EXAMPLES)]) == OK
    assert "12 samples" in capsys.readouterr().out
    assert main(["data", "pack", str(EXAMPLES), str(tmp_path / "samples.lmdb")]) == OK
    assert main(["data", "inspect", str(tmp_path / "samples.lmdb"), "--format", "json"]) == OK
    assert '"samples": 12' in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["pipe", "huge", "folder"])
def test_files_that_are_no_images_do_not_stop_the_rest(
    kind: str, folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    odd = tmp_path / "odd.png"
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "folder":
        odd.mkdir()
    else:
        with odd.open("wb") as file:
            file.truncate(1 << 34)  # sparse: takes no room on the disk
    assert main(["read", str(odd), str(folder / "a.png"), "--format", "jsonl"]) == FAILED
    assert ["error" in record for record in records(capsys)] == [True, False]


def test_links_to_folders_are_followed_but_not_in_circles(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "linked").symlink_to(folder)
    (tmp_path / "circle").symlink_to(tmp_path)
    assert main(["read", str(tmp_path), "--format", "jsonl"]) == OK
    assert len(records(capsys)) == 3


def test_evaluate_prints_json(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    (folder / "labels.tsv").write_text("a.png\tword\nb.jpg\tword\n", encoding="utf-8")
    assert main(["evaluate", "--data", str(folder), "--format", "json"]) == OK
    values = json.loads(capsys.readouterr().out)
    assert values["all"]["images"] == 2
    (folder / "labels.tsv").unlink()


def test_train_evaluate_export_read(tmp_path: Path, capsys: Captured) -> None:
    """The whole line on a network that is too small to be good."""
    words = tmp_path / "words"
    words.mkdir()
    Image.fromarray(np.full((20, 60, 3), 200, np.uint8)).save(words / "blank.png")
    (words / "labels.tsv").write_text("blank.png\tblank\n", encoding="utf-8")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\n[model]\nname = "wildnet"\n'
        "sizes = { channels = [8, 8, 16, 16], layers = 1, heads = 2 }\n"
        f'[data]\nvalidation = ["{words}"]\nworkers = 0\n'
        "[loop]\nsteps = 50\nbatch_size = 4\ndevice = 'cpu'\n",
        encoding="utf-8",
    )
    assert main(["train", str(recipe), "--out", str(tmp_path), "--loop.steps", "2", "--loop.batch-size", "3"]) == OK
    best = Path(capsys.readouterr().out.strip())
    assert best == tmp_path / "tiny" / "best.safetensors"
    # What the run was begun with need not be said again.
    assert main(["train", str(recipe), "--out", str(tmp_path), "--resume", "--loop.steps", "3"]) == OK
    begun = json.loads((tmp_path / "tiny" / "recipe.json").read_text(encoding="utf-8"))
    assert (begun["loop"]["steps"], begun["loop"]["batch_size"]) == (3, 3)
    assert main(["train", str(recipe), "--out", str(tmp_path), "--resume", "--loop.batch-size", "4"]) == UNUSABLE
    assert "loop.batch_size = 3, not 4" in capsys.readouterr().err
    state, small = best.with_name("state.safetensors"), tmp_path / "small.safetensors"
    assert main(["shrink", str(state), str(small), "--keep", "weights"]) == OK
    assert str(small) in capsys.readouterr().out
    assert small.stat().st_size < state.stat().st_size / 3
    assert main(["export", str(best), str(tmp_path / "tiny.onnx")]) == OK
    assert main(["evaluate", "--model", str(tmp_path / "tiny.onnx"), "--data", str(words)]) == OK
    assert main(["read", str(words), "--model", str(tmp_path / "tiny.onnx")]) == OK


def test_the_version_is_told(capsys: Captured) -> None:
    assert main(["--version"]) == OK
    assert capsys.readouterr().out.startswith("wildtext ")
