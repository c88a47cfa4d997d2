"""What a run writes down is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from wildtext.training.journal import Journal
from wildtext.training.step import Outcome

OUTCOME = Outcome(loss=1.0, norm=2.0, rate=1e-3, images=100, problem=None)


def test_time_that_was_no_training_slows_no_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    kept = Journal(tmp_path, tensorboard=False, resumed=None)
    for _ in range(2):
        now[0] += 1
        kept.step(OUTCOME, waited=0.1, rendered=50, skipped=0)
    now[0] += 30  # a measurement between two lines of the log
    kept.leave_out(30)
    now[0] += 1
    kept.step(OUTCOME, waited=0.1, rendered=50, skipped=1)
    summary = kept.summary(OUTCOME)
    assert summary["images_per_second"] == pytest.approx(100)
    assert summary["rendered_per_second"] == pytest.approx(50)
    assert summary["data_wait"] == pytest.approx(0.1)
    assert summary["skipped_samples"] == 1


def test_a_step_that_was_skipped_counts_for_no_loss(tmp_path: Path) -> None:
    kept = Journal(tmp_path, tensorboard=False, resumed=None)
    kept.step(OUTCOME, waited=0, rendered=0, skipped=0)
    kept.step(Outcome(1e9, 1.0, 1e-3, 100, "the loss is 1e9"), waited=0, rendered=0, skipped=0)
    assert kept.summary(OUTCOME)["loss"] == 1.0
    assert "loss" not in kept.summary(OUTCOME), "a line has what came since the one before"
