"""How far a training run is, for those who sit before a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

Show = Callable[[dict[str, Any]], None]
"""Takes a line of the log."""

_FIELDS = ("rate", "loss", "accuracy", "wait", "left")
_FIELDS_OF_NARROW = ("loss", "left")
"""What is shown on terminals of less than 80 columns, where all would only be stumps."""


@contextmanager
def progress(total: int, start: int = 0, *, console: Console | None = None) -> Iterator[Show]:
    """A live line on a terminal: steps, images a second, loss, last accuracy, time left, share of waiting for data.

    What is logged meanwhile appears above it. Where there is no terminal, nothing is shown.

    Args:
        total: steps of the run.
        start: steps that are done already.
        console: where to; standard error unless given.

    Yields:
        What to call with every line of the log; one with `step` alone moves the bar.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield lambda record: None
        return
    streams = (sys.stdout, sys.stderr)
    fields = _FIELDS if console.width >= 80 else _FIELDS_OF_NARROW
    steps = TextColumn("{task.completed:.0f}/{task.total:.0f}")
    columns = (BarColumn(20), steps, *(TextColumn(f"{{task.fields[{name}]}}") for name in fields))
    blank: dict[str, Any] = dict.fromkeys(_FIELDS, "")
    with Progress(*columns, console=console, refresh_per_second=2) as live, _logging_above(streams):
        task = live.add_task("training", total=total, completed=start, **blank)
        yield lambda record: live.update(task, completed=record["step"], **_texts(record, total))


def _texts(record: dict[str, Any], total: int) -> dict[str, Any]:
    """What the line says of a record; nothing of what it does not have, so that the last word stands."""
    texts: dict[str, Any] = {}
    if "loss" in record:
        texts["loss"] = f"loss {record['loss']:.3f}"
    if "score" in record:
        texts["accuracy"] = f"acc {record['score']:.2f} %"
    if "data_wait" in record:
        texts["wait"] = f"waits {record['data_wait']:.0%}"
    if rate := record.get("images_per_second"):
        texts["rate"] = f"{rate:,.0f} img/s"
        images_per_step = record["images"] / record["step"]
        texts["left"] = _left((total - record["step"]) * images_per_step / rate)
    return texts


def _left(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}h{minutes:02}m left" if hours else f"{minutes}m left"


@contextmanager
def _logging_above(streams: tuple[TextIO, TextIO]) -> Iterator[None]:
    """Handlers that log to the standard streams write above the live line, which has taken the place of both."""
    moved = []
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream in streams:
            moved.append((handler, handler.setStream(sys.stderr)))
    try:
        yield
    finally:
        for handler, stream in moved:
            if stream is not None:
                handler.setStream(stream)
