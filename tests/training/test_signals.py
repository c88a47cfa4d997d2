"""A run that is asked to stop saves its state first."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.commands import ROOT, write_words

RECIPE = """
name = "small"
[model]
name = "wildnet"
charset = "36"
sizes = {{ channels = [8, 8, 16, 16], layers = 1, heads = 2 }}
[data]
train = ["{words}"]
workers = 1
[loop]
steps = 100000
batch_size = 4
log_every = 1
precision = "fp32"
device = "cpu"
"""


def started(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """A run with one worker that has taken its first step, and its log."""
    (folder / "recipe.toml").write_text(RECIPE.format(words=write_words(folder / "words", 8)), encoding="utf-8")
    log = folder / "small" / "log.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "wildtext", "train", str(folder / "recipe.toml"), "--out", str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return process, log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_of_a_run_saves_it(number: signal.Signals, tmp_path: Path) -> None:
    # As a terminal and a cluster send it: to the worker that loads data as well.
    process, log = started(tmp_path)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "go on with --resume" in said
    assert json.loads(log.read_text().splitlines()[-1])["stopped"] == "request"
    assert (tmp_path / "small" / "state.safetensors").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a process that is killed")
def test_a_run_that_is_killed_leaves_no_worker(tmp_path: Path) -> None:
    process, _ = started(tmp_path)
    (worker,) = children(process.pid)
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(worker)


def children(parent: int) -> list[int]:
    """Processes that a process has begun and that still run."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="utf-8").split()
    return [int(child) for child in found if alive(int(child))]


def alive(process: int) -> bool:
    """Whether a process still runs; one that has ended may wait to be taken note of."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
