"""Processes that train together do what one would do alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.models.test_contract import WORDS, images_of, make, targets_of
from tests.training.commands import ROOT, Seen, run, write_words
from wildtext.config import DataOptions, LoopOptions, Recipe
from wildtext.errors import ConfigError
from wildtext.models import MODELS
from wildtext.training.distributed import Ranks, local_device
from wildtext.training.freezing import training_mode
from wildtext.training.losses import total_loss
from wildtext.training.run import Run

STEPS, BATCH, WORDS_IN_FOLDER = 4, 6, 12
COMMON = [
    *("--optimiser.warmup", "2", "--loop.steps", str(STEPS), "--loop.batch-size", str(BATCH)),
    *("--loop.save-every", "2", "--loop.evaluate-every", "100", "--loop.log-every", "1", "--data.workers", "0"),
    *("--loop.precision", "fp32", "--loop.device", "cpu", "--loop.threads", "1"),
]
MODELS_TRIED = {
    # With the normalisation frozen, samples do not feel their neighbours.
    "crnn": 'name = "crnn"\ncharset = "36"\nsizes = {channels = 64, hidden = 32}\nfreeze = ["trunk.1[12].1.*"]',
    "sizes": 'name = "any-size"\ncharset = "36"\nfreeze = ["norm.*"]',
    "wildnet": 'name = "wildnet"\ncharset = "36"\nsizes = {channels = [8, 8, 16, 16], layers = 1, heads = 2}',
    "default": 'name = "wildnet"\ninit = "default"',
}


@dataclass
class Session:
    """The same commands given to two processes and to one; each process writes to a folder of its own."""

    folder: Path
    one: Seen
    two: Seen
    said: str

    def out(self, processes: int, name: str) -> Path:
        return self.folder / str(processes) / "process-0" / name

    def state(self, processes: int, name: str) -> dict[str, torch.Tensor]:
        return load_file(self.out(processes, name) / "state.safetensors")

    def log(self, processes: int, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out(processes, name) / "log.jsonl").read_text().splitlines()]


def sources(*processes: list[dict[str, Any]]) -> Counter[str]:
    """How often processes saw each sample."""
    return Counter(source for process in processes for step in process for source in step["sources"])


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("session")
    words = str(write_words(folder / "words", WORDS_IN_FOLDER))
    half = write_words(folder / "half", 5)
    with (half / "labels.tsv").open("a", encoding="utf-8") as file:
        file.writelines(f"{path.name}\twrong\n" for path in half.glob("*.png"))

    def train(model: str, name: str, processes: int, *options: str) -> list[str]:
        path = folder / f"{model}.toml"
        path.write_text(f"[model]\n{MODELS_TRIED[model]}\n", encoding="utf-8")
        out = folder / str(processes) / "process-{rank}"
        return ["train", str(path), "--name", name, "--out", str(out), *COMMON, *options]

    mixed = ("--data.train", "synth", words, "--data.augment", "photo")
    both = {
        "crnn": ("crnn", "--data.train", words),
        "sizes": ("sizes", "--data.train", words, "--loop.accumulate", "2"),
        "measured": ("default", "--data.train", words, "--data.validation", str(half), "--loop.steps", "1"),
    }
    two_alone = {
        "whole": train("wildnet", "whole", 2, *mixed),
        "stopped": train("wildnet", "parts", 2, *mixed, "--time-limit", "{limit}"),
        "resumed": train("wildnet", "parts", 2, *mixed, "--resume"),
        "begun": train("wildnet", "handed-over", 2, *mixed, "--time-limit", "0s"),
    }
    one_alone = {"finished": train("wildnet", "handed-over", 2, *mixed, "--resume")}
    two, said = run(
        2, {name: train(one[0], name, 2, *one[1:]) for name, one in both.items()} | two_alone, folder / "seen-2"
    )
    one, _ = run(
        1, {name: train(one[0], name, 1, *one[1:]) for name, one in both.items()} | one_alone, folder / "seen-1"
    )
    return Session(folder, one, two, said)


@pytest.mark.parametrize("name", ["crnn", "sizes"])
def test_steps_are_those_of_one_process(session: Session, name: str) -> None:
    for one, two in zip(session.one[f"{name}-0"], session.two[f"{name}-0"], strict=True):
        assert two["images"] == one["images"] == BATCH
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert two["norm"] == pytest.approx(one["norm"], rel=1e-4)
    one, two = session.state(1, name), session.state(2, name)
    assert one.keys() == two.keys()
    for key, value in one.items():
        if "qkv.bias" not in key:  # what it adds to the keys has no gradient but rounding, which Adam makes large
            torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-6, msg=key)


def test_processes_may_have_different_numbers_of_canvas_sizes(session: Session) -> None:
    parts = [[step["parts"] for step in session.two[f"sizes-{rank}"]] for rank in (0, 1)]
    assert parts[0] != parts[1]


def test_no_sample_is_seen_by_two_processes_and_none_is_left_out(session: Session) -> None:
    for name in ("crnn", "sizes"):
        seen: Counter[str] = Counter()
        steps = (session.one[f"{name}-0"], session.two[f"{name}-0"], session.two[f"{name}-1"])
        for one, first, second in zip(*steps, strict=True):
            assert sorted(first["sources"] + second["sources"]) == sorted(one["sources"])
            assert len(first["sources"]) == len(second["sources"])
            seen.update(first["sources"] + second["sources"])
        assert len(seen) == WORDS_IN_FOLDER
        assert set(seen.values()) == {STEPS * BATCH // WORDS_IN_FOLDER}


def test_only_the_first_process_writes_and_speaks(session: Session) -> None:
    assert session.out(2, "whole").is_dir()
    assert not (session.folder / "2" / "process-1").exists()
    assert "process 0: step 1/4" in session.said
    assert "process 1: " not in session.said  # what it logs
    assert "process-1" not in session.said  # the path that a command prints
    assert "Warning" not in session.said


def test_accuracy_is_that_of_one_process(session: Session) -> None:
    one, two = ([line["score"] for line in session.log(count, "measured") if "score" in line] for count in (1, 2))
    assert len(one) == len(two) == 2  # before the first step and after the last
    assert one[0] == two[0]
    assert 0 < one[0] < 100


def test_weights_and_statistics_are_the_same_in_all_processes(session: Session) -> None:
    for name in {key.rpartition("-")[0] for key in session.two}:
        for first, second in zip(session.two[f"{name}-0"], session.two[f"{name}-1"], strict=True):
            assert first["weights"] == second["weights"]
            assert first["finite"]


def test_all_stop_when_the_time_of_one_is_up(session: Session) -> None:
    assert [len(session.two[f"stopped-{rank}"]) for rank in (0, 1)] == [1, 1]


def test_a_resumed_run_equals_one_that_was_never_stopped(session: Session) -> None:
    whole, resumed = session.state(2, "whole"), session.state(2, "parts")
    assert whole.keys() == resumed.keys()
    for key, value in whole.items():
        assert resumed[key].equal(value), key
    for rank in (0, 1):
        parts = session.two[f"stopped-{rank}"] + session.two[f"resumed-{rank}"]
        assert [step["sources"] for step in parts] == [step["sources"] for step in session.two[f"whole-{rank}"]]


def test_one_process_can_finish_what_two_began(session: Session) -> None:
    assert [step["step"] for step in session.two["begun-0"] + session.one["finished-0"]] == [1, 2, 3, 4]
    assert session.log(2, "handed-over")[-1]["stopped"] == "done"
    handed_over = sources(session.two["begun-0"], session.two["begun-1"], session.one["finished-0"])
    assert handed_over == sources(session.two["whole-0"], session.two["whole-1"])


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_gets_a_gradient_without_places_of_characters(name: str) -> None:
    # DistributedDataParallel waits for the gradients of all of them.
    model = make(name)
    training_mode(model)
    targets = targets_of(model, WORDS)
    ids = {key: target.ids for key, target in targets.items()}
    output = model(images_of(name, WORDS), torch.ones(len(WORDS)), ids)
    total_loss(output, targets, model, [None] * len(WORDS)).backward()  # type: ignore[no-untyped-call]
    assert [key for key, value in model.named_parameters() if value.grad is None] == []


def test_an_error_in_one_process_ends_them_all(tmp_path: Path) -> None:
    words = write_words(tmp_path / "words", 6)
    min(words.glob("*.png")).write_bytes(b"no image")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"[model]\n{MODELS_TRIED['wildnet']}\n", encoding="utf-8")
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    train = ["wildtext", "train", str(recipe), "--out", str(tmp_path), "--data.train", str(words)]
    ended = subprocess.run(
        [sys.executable, "-m", *torchrun, *train, *COMMON, "--loop.batch-size", "2"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode != 0
    assert ended.stderr.count("wildtext: none of 1 samples could be used") == 1, ended.stderr


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
def test_ray_trains_with_two_workers(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'name = "small"\n[model]\n{MODELS_TRIED["wildnet"]}\n[data]\nworkers = 0\n'
        f'[loop]\nsteps = 2\nbatch_size = 4\ndevice = "cpu"\nthreads = 1\n',
        encoding="utf-8",
    )
    ended = subprocess.run(
        [sys.executable, "examples/ray_train.py", str(recipe), str(tmp_path), "2"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout
    assert "on 2 x cpu" in ended.stdout
    assert (tmp_path / "small" / "best.safetensors").is_file()


def test_a_batch_with_nothing_for_some_process_is_refused(tmp_path: Path) -> None:
    recipe = Recipe(data=DataOptions(workers=0, reuse=4), loop=LoopOptions(batch_size=8, device="cpu"))
    with pytest.raises(ConfigError, match="2 new samples, too few for 3 processes"):
        Run(recipe, tmp_path, Ranks(rank=2, size=3))


@pytest.mark.parametrize(("name", "local_rank", "wanted"), [("auto", None, 0), ("cuda", "3", 3), ("cuda:1", "3", 1)])
def test_each_process_gets_a_gpu_of_its_own(
    name: str, local_rank: str | None, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    assert local_device(name) == torch.device("cuda", wanted)
    assert taken == [torch.device("cuda", wanted)]
