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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_of_a_run_saves_it(number: signal.Signals, tmp_path: Path) -> None:
    # As a terminal and a cluster send it: to the worker that loads data as well.
    (tmp_path / "recipe.toml").write_text(RECIPE.format(words=write_words(tmp_path / "words", 8)), encoding="utf-8")
    log = tmp_path / "small" / "log.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "wildtext", "train", str(tmp_path / "recipe.toml"), "--out", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "go on with --resume" in said
    assert json.loads(log.read_text().splitlines()[-1])["stopped"] == "request"
    assert (tmp_path / "small" / "state.safetensors").exists()
