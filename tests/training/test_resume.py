"""A run that is killed goes on as if it had never stopped, whatever happened to its files."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from safetensors.torch import load_file

from tests.training.commands import run, seen, start, write_words
from wildtext.config import DataOptions, LoopOptions, ModelOptions, OptimiserOptions, Recipe
from wildtext.errors import TrainingError, WildtextError
from wildtext.training.journal import Journal
from wildtext.training.loader import Delivery
from wildtext.training.loop import train
from wildtext.training.run import Run
from wildtext.training.state import PREVIOUS, STATE, find_state, read_state, shrink, told_when_full
from wildtext.training.step import Outcome

RECIPE = """
[model]
name = "{model}"
charset = "36"
{sizes}
[data]
train = [{synth}"{words}=0.5"]
validation = ["{words}"]
{data}
[optimiser]
warmup = 2
ema = 0.5
[loop]
batch_size = 6
precision = "fp32"
device = "cpu"
threads = 1
steps = {steps}
save_every = 3
evaluate_every = 4
log_every = 1
{loop}
"""
WILDNET = {"model": "wildnet", "sizes": "sizes = { channels = [8, 8, 16, 16], layers = 1, heads = 2 }"}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {**WILDNET, "steps": 14, "synth": "", "data": "workers = 0", "loop": ""},
    "all": {
        **{"model": "any-size", "sizes": "", "steps": 48, "synth": '"synth", '},
        **{"data": 'workers = 2\nreuse = 3\naugment = "photo"', "loop": "accumulate = 2"},
    },
}
SMALL = Recipe(
    name="small",
    model=ModelOptions("wildnet", "36", {"channels": [8, 8, 16, 16], "layers": 1, "heads": 2}),
    data=DataOptions(workers=0),
    optimiser=OptimiserOptions(warmup=2),
    loop=LoopOptions(steps=9, batch_size=4, save_every=3, log_every=1, precision="fp32", device="cpu", threads=1),
)


Records = list[dict[str, Any]]


def write_recipe(folder: Path, variant: str) -> Path:
    words = write_words(folder / "words", 10)
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(words=words, **VARIANTS[variant]), encoding="utf-8")
    return path


def killed(command: Sequence[str], folder: Path, step: int) -> Records:
    """What a process saw that was killed soon after a step, or ended before."""
    process = start(1, {"run": command}, folder)
    while process.poll() is None and len(seen(folder).get("run-0", [])) < step:
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.05))
    os.killpg(process.pid, signal.SIGKILL)
    said, _ = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), said
    return seen(folder).get("run-0", [])


def assert_same_tensors(one: Path, other: Path) -> None:
    wanted, got = load_file(one), load_file(other)
    assert wanted.keys() == got.keys()
    for name, value in wanted.items():
        assert value.equal(got[name]), name


def logged(folder: Path) -> Records:
    """What a run wrote down, without what depends on the clock, and how often it was done."""
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if "stopped" not in json.loads(line)]
    timed = {"seconds", "images_per_second", "data_wait", "rendered_per_second"}
    return [{key: value for key, value in json.loads(line).items() if key not in timed} for line in lines]


@pytest.mark.parametrize("variant", ["plain", pytest.param("all", marks=pytest.mark.slow)])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_never_was(variant: str, tmp_path: Path) -> None:
    command = ["train", str(write_recipe(tmp_path, variant)), "--out", str(tmp_path)]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    wanted = run(1, {"run": [*command, "--name", "whole"]}, tmp_path / "seen-whole")[0]["run-0"]
    sessions: list[Records] = []
    while len(sessions) < 3:
        resume = ["--resume"] if (parts / STATE).exists() else []
        later = random.randint(1, VARIANTS[variant]["steps"] // 3)
        folder = tmp_path / f"seen-{len(sessions)}"
        sessions.append(killed([*command, "--name", "parts", *resume], folder, later))
    resume = ["--resume"] if (parts / STATE).exists() else []
    sessions.append(run(1, {"run": [*command, "--name", "parts", *resume]}, tmp_path / "seen-last")[0].get("run-0", []))
    assert_same_tensors(whole / STATE, parts / STATE)
    assert_same_tensors(whole / "best.safetensors", parts / "best.safetensors")
    assert logged(whole) == logged(parts)
    by_step = {record["step"]: record for record in wanted}
    assert {record["step"] for session in sessions for record in session} == by_step.keys()
    for record in (record for session in sessions for record in session):
        assert record == by_step[record["step"]]


class Killed(BaseException):
    """Stands for a signal that ends a process."""


def train_until(step: int, recipe: Recipe, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, and die before a step."""
    take = Run.step

    def step_or_die(self: Run, delivery: Delivery) -> Outcome:
        if self.state.step == step:
            raise Killed
        return take(self, delivery)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "step", step_or_die)
        with pytest.raises(Killed):
            train(recipe, folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"data": DataOptions(workers=0, reuse=2)},
        {"data": DataOptions(workers=0, augment="photo")},
        {"data": DataOptions(workers=2)},
        {"loop": replace(SMALL.loop, accumulate=2)},
    ],
    ids=["reuse", "augment", "workers", "accumulate"],
)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 warns of threads
def test_what_makes_up_a_step_is_found_again(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(SMALL, **changes)
    if recipe.data.reuse > 1:  # the buffer is full after 16 steps
        recipe = replace(recipe, loop=replace(recipe.loop, steps=20, save_every=18))
    train(recipe, tmp_path / "whole")
    train_until(recipe.loop.steps - 1, recipe, tmp_path / "parts", monkeypatch)
    train(recipe, tmp_path / "parts", resume=True)
    assert_same_tensors(tmp_path / "whole" / STATE, tmp_path / "parts" / STATE)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of nine steps, which has kept the states of steps 6 and 9."""
    folder = tmp_path_factory.mktemp("finished")
    train(SMALL, folder)
    return folder


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut":
        del content[-50:]
    elif how == "tensor":
        content[len(content) // 2] ^= 1
    elif how == "step":
        place = content.index(b'step\\": 9')
        content[place + 8] ^= 1
    elif how == "type":
        content[content.index(b'"F32"') + 1 : content.index(b'"F32"') + 2] = b"I"
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut", "tensor", "step", "type", "gone"])
def test_in_place_of_a_damaged_state_the_one_before_is_used(
    how: str, finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    if how == "gone":
        (folder / STATE).unlink()
    else:
        damage(folder / STATE, how)
    train(SMALL, folder, resume=True)
    assert "going on from the one before it, of step 6" in caplog.text
    assert_same_tensors(folder / STATE, finished / STATE)
    assert read_state(folder / PREVIOUS).values["step"] == 6
    assert logged(folder) == logged(finished)


def test_a_run_without_a_good_state_is_not_resumed(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    for name in (STATE, PREVIOUS):
        damage(folder / name, "cut")
    with pytest.raises(TrainingError, match=rf"{STATE} is damaged: .*{PREVIOUS} is damaged: .*begin anew"):
        train(SMALL, folder, resume=True)


def test_a_run_that_lost_its_last_state_is_not_overwritten(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / STATE).unlink()
    with pytest.raises(TrainingError, match="--resume"):
        train(SMALL, tmp_path / "run")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, *, but: int = 0) -> Path:
    """Take all the room that a file system has left, but for some bytes."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, filler.stat().st_size - but)
    return filler


@pytest.mark.parametrize("free", [0, 4096, 128 * 1024])
def test_a_full_disk_is_told_and_what_was_saved_is_intact(
    free: int, finished: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_disk / "run"
    train_until(7, SMALL, folder, monkeypatch)
    filler = fill(small_disk, but=free)
    with pytest.raises(WildtextError, match=f"{folder}.*No space left"):
        train(SMALL, folder, resume=True)
    assert find_state(folder)[0].values["step"] == 6
    filler.unlink()
    train(SMALL, folder, resume=True)
    assert_same_tensors(folder / STATE, finished / STATE)
    assert logged(folder) == logged(finished)
    assert not list(folder.glob("*.part"))


def test_a_log_that_finds_no_room_is_told(small_disk: Path) -> None:
    journal = Journal(small_disk, tensorboard=False, resumed=None)
    fill(small_disk)
    with pytest.raises(TrainingError, match=r"No space left.*--resume"), told_when_full(small_disk):
        journal.write({"step": 1, "longer than a page": 5000 * "x"})


@pytest.mark.parametrize(("keep", "largest", "tolerance"), [("moments", 0.8, 1e-3), ("weights", 0.3, 0.02)])
def test_a_state_can_be_made_small_to_go_on_elsewhere(
    keep: Literal["moments", "weights"], largest: float, tolerance: float, finished: Path, tmp_path: Path
) -> None:
    source, target = finished / PREVIOUS, tmp_path / STATE
    before = source.read_bytes()
    shrink(source, target, keep=keep)
    assert source.read_bytes() == before
    assert target.stat().st_size < largest * len(before)
    train(SMALL, tmp_path, resume=True)
    wanted, got = ([line["loss"] for line in logged(folder) if "loss" in line][-3:] for folder in (finished, tmp_path))
    assert [line["step"] for line in logged(tmp_path)] == [7, 8, 9]
    assert got == pytest.approx(wanted, rel=tolerance)


def test_only_a_good_state_is_made_small(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="there is no"):
        shrink(tmp_path / STATE, tmp_path / "small", keep="moments")
