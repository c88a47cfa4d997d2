"""Rehearsals tell what a run would be like, and leave nothing that a run would take up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.training.commands import write_words
from tests.training.test_training import SMALL, recipe
from wildtext.cli import OK, UNUSABLE, main
from wildtext.config import DataOptions, ModelOptions, OptimiserOptions
from wildtext.errors import ConfigError, DataError, TrainingError, WildtextError
from wildtext.training.loop import train
from wildtext.training.rehearsal import dry_run, range_test
from wildtext.training.step import Stepper


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_dry_run_shows_its_batch_and_leaves_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        picture = dry_run(recipe(), tmp_path / "run")
    assert left(tmp_path / "run") == [picture.name] == ["dry-run.png"]
    with Image.open(picture) as opened:
        opened.load()
        assert opened.height > 32
    for told in (
        "input: (4, 3, 32, 128)",
        "head text: ctc, 37 classes",
        "memory:",
        "a step takes",
        "6 steps take about",
    ):
        assert told in caplog.text


def test_a_dry_run_holds_samples_out_as_the_run_will_and_does_not_remember_them(tmp_path: Path) -> None:
    words = write_words(tmp_path / "words", 10)
    dry_run(recipe(data=DataOptions((str(words),), hold_out=0.2, workers=0)), tmp_path / "run")
    assert left(tmp_path / "run") == ["dry-run.png"]


def test_a_run_can_begin_and_go_on_after_a_rehearsal(tmp_path: Path) -> None:
    dry_run(recipe(), tmp_path)
    train(recipe(), tmp_path, seconds=0)
    state = (tmp_path / "state.safetensors").read_bytes()
    log = (tmp_path / "log.jsonl").read_bytes()
    dry_run(recipe(), tmp_path)
    assert (tmp_path / "state.safetensors").read_bytes() == state
    assert (tmp_path / "log.jsonl").read_bytes() == log
    train(recipe(), tmp_path, resume=True)


def test_a_range_test_finds_a_rate_that_learns(tmp_path: Path) -> None:
    words = write_words(tmp_path / "words", 8)
    options = recipe(
        model=ModelOptions("wildnet", "36", {**SMALL, "channels": [16, 16, 32, 64]}),
        data=DataOptions((str(words),), workers=0),
        loop=replace(recipe().loop, batch_size=8),
        # Neither counts; nor does the number of steps, which is too small for the test.
        optimiser=OptimiserOptions(learning_rate=100.0, warmup=1000),
    )
    rate = range_test(options, tmp_path / "run")
    assert 1e-4 <= rate <= 3e-2, "AdamW learns CTC with 1e-3"
    assert left(tmp_path / "run") == ["range-test.json"]
    told = json.loads((tmp_path / "run" / "range-test.json").read_text(encoding="utf-8"))
    assert told["suggested"] == rate
    rates = [point["learning_rate"] for point in told["points"]]
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(1e-6)
    assert len(rates) > 50
    assert min(point["smoothed"] for point in told["points"]) < told["points"][0]["smoothed"] / 2


def test_a_range_test_ends_once_the_loss_has_risen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = Stepper.loss
    monkeypatch.setattr(
        Stepper, "loss", lambda self, some: loss(self, some) * 0 + (8.0 if self.state.step >= 40 else 1.0)
    )
    suggested = range_test(recipe(), tmp_path)
    points = json.loads((tmp_path / "range-test.json").read_text(encoding="utf-8"))["points"]
    assert 40 < len(points) < 60
    assert suggested < points[39]["learning_rate"]


def test_a_range_test_ends_where_the_loss_makes_no_sense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = Stepper.loss
    monkeypatch.setattr(
        Stepper, "loss", lambda self, some: loss(self, some) * (float("nan") if self.state.step >= 10 else 1)
    )
    range_test(recipe(), tmp_path)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    text = (tmp_path / "range-test.json").read_text(encoding="utf-8")
    assert len(json.loads(text, parse_constant=refuse)["points"]) == 10


def test_a_range_test_of_what_never_makes_sense_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = Stepper.loss
    monkeypatch.setattr(Stepper, "loss", lambda self, some: loss(self, some) * float("nan"))
    with pytest.raises(TrainingError, match=r"learning rate of 1e-06 makes sense: the loss is nan"):
        range_test(recipe(), tmp_path / "run")
    assert not left(tmp_path / "run")


@pytest.mark.parametrize("rehearse", [dry_run, range_test])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": ModelOptions("resnet99")}, ConfigError, "resnet99"),
        ({"data": DataOptions(train=("no/such.lmdb",))}, DataError, r"no/such\.lmdb"),
        ({"data": DataOptions(augment="blurr")}, ConfigError, "blurr"),
    ],
)
def test_nonsense_is_refused(
    rehearse: Any, changes: dict[str, Any], error: type[WildtextError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        rehearse(recipe(**changes), tmp_path / "run")
    assert not left(tmp_path / "run")


def test_both_are_commands_and_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "tiny.toml"
    written.write_text(
        'name = "tiny"\n[model]\nname = "wildnet"\ncharset = "36"\n'
        "sizes = { channels = [8, 8, 16, 16], layers = 1, heads = 2 }\n"
        "[data]\nworkers = 0\n[loop]\nbatch_size = 4\ndevice = 'cpu'\nthreads = 1\n",
        encoding="utf-8",
    )
    given = ["train", str(written), "--out", str(tmp_path)]
    assert main([*given, "--dry-run"]) == OK
    assert left(tmp_path / "tiny") == ["dry-run.png"]
    assert main([*given, "--dry-run", "--range-test"]) == UNUSABLE
    assert "give one of them" in capsys.readouterr().err
