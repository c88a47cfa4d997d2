"""The live line says how far a run is, on a terminal alone, and what is logged stays readable."""

from __future__ import annotations

import io
import logging
import re
import sys
from typing import Any

import pytest
from rich.console import Console

from wildtext.training.progress import progress

LINE: dict[str, Any] = {
    "step": 40,
    "images": 40 * 64,
    "seconds": 30.0,
    "loss": 0.5,
    "images_per_second": 128.0,
    "data_wait": 0.031,
}


def terminal(width: int = 160) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width)


def shown(console: Console) -> str:
    """What was written to a terminal, without its commands."""
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def last_line(console: Console) -> str:
    return [line for line in re.split(r"[\r\n]", shown(console)) if line.strip()][-1]


def test_a_terminal_shows_how_far_it_is() -> None:
    console = terminal()
    with progress(1000, console=console) as show:
        show({"step": 0, "images": 0, "seconds": 0.0, "accuracy": {"signs": 81.5}, "score": 81.5})
        show(LINE)
    line = last_line(console)
    # 960 steps of 64 images at 128 images/s are 480 s.
    for value in ("40/1000", "128 img/s", "loss 0.500", "acc 81.50 %", "waits 3%", "8m left"):
        assert value in line


def test_what_a_line_does_not_say_stays_as_it_was() -> None:
    console = terminal()
    with progress(1000, console=console) as show:
        show(LINE)
        show({"step": 41})
        show({**LINE, "step": 50, "images": 50 * 64, "loss": 0.25})
        show({"step": 50, "images": 50 * 64, "seconds": 31.0, "stopped": "request"})
    line = last_line(console)
    assert "50/1000" in line
    assert "loss 0.250" in line
    assert "128 img/s" in line


def test_a_resumed_run_begins_where_it_was() -> None:
    console = terminal()
    with progress(1000, 600, console=console):
        pass
    assert "600/1000" in last_line(console)


def test_long_runs_have_their_time_in_hours() -> None:
    console = terminal()
    with progress(100_000, console=console) as show:
        show(LINE)
    assert "13h53m left" in last_line(console)


@pytest.mark.parametrize(("width", "texts"), [(80, ["1,280 img/s", "acc 81.50 %", "waits 3%"]), (40, [])])
def test_a_narrow_terminal_shows_less_but_whole_words(width: int, texts: list[str]) -> None:
    console = terminal(width)
    with progress(100_000, console=console) as show:
        show({**LINE, "step": 12_340, "images": 12_340 * 64, "images_per_second": 1280.0, "score": 81.5})
    line = last_line(console)
    for text in ["12340/100000", "loss 0.500", "1h13m left", *texts]:
        assert text in line
    assert "…" not in line


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_shown(loss: float) -> None:
    console = terminal()
    with progress(1000, console=console) as show:
        show({**LINE, "loss": loss})
    assert f"loss {loss}" in last_line(console)


def test_elsewhere_nothing_is_shown() -> None:
    console = Console(file=io.StringIO(), width=160)
    with progress(1000, console=console) as show:
        show(LINE)
    assert shown(console) == ""


def test_what_is_logged_meanwhile_stands_above(monkeypatch: pytest.MonkeyPatch) -> None:
    console, stream = terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger()
    logger.addHandler(handler)
    try:
        with progress(1000, console=console) as show:
            show(LINE)
            logging.getLogger("wildtext.train").warning("skipped [bold] image 7")
        logging.getLogger("wildtext.train").warning("the run has ended")
    finally:
        logger.removeHandler(handler)
    assert "skipped [bold] image 7\n" in shown(console)
    assert "40/1000" in last_line(console)
    assert stream.getvalue() == "the run has ended\n"
    assert handler.stream is stream


def test_an_error_leaves_logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger()
    logger.addHandler(handler)
    try:
        with pytest.raises(KeyError), progress(1000, console=terminal()) as show:
            show({})
    finally:
        logger.removeHandler(handler)
    assert handler.stream is stream
    assert sys.stderr is stream
