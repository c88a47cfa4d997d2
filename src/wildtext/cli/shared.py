"""What several commands need."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wildtext.errors import ConfigError

if TYPE_CHECKING:
    from wildtext.data import LabelledSource
    from wildtext.data.writer import WriteReport

OK, FAILED, UNUSABLE = 0, 1, 2
"""Exit statuses: all went well; some images could not be read or made; nothing could be done."""


def parse_switches(options: Iterable[str]) -> dict[str, Any]:
    """Choices for `wildtext.models.Model.switch` from options of the form NAME=VALUE; numbers become numbers.

    Raises:
        ConfigError: an option has another form.
    """
    choices: dict[str, Any] = {}
    for option in options:
        name, given, value = option.partition("=")
        if not given:
            raise ConfigError(f"--switch takes NAME=VALUE, not {option!r}")
        try:
            choices[name] = json.loads(value)
        except ValueError:
            choices[name] = value
    return choices


def opened_sets(data: Sequence[str]) -> list[LabelledSource]:
    """The data sets that options name, each of them once.

    Raises:
        ConfigError: none is named, or one twice.
        DataError: one cannot be opened.
    """
    from wildtext.data import open_sets

    if not data:
        raise ConfigError("--data needs at least one source of labelled images")
    sources = [source for path in data for source in open_sets(path)]
    known: set[str] = set()
    for source in sources:
        place = os.path.realpath(source.name)
        if place in known:
            raise ConfigError(f"{source.name} is named twice by --data; its images would count twice")
        known.add(place)
    return sources


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_written(report: WriteReport) -> int:
    """Tell what became of the samples; returns the exit status."""
    from wildtext.data.writer import SKIPPED

    if report.resumed:
        print(f"went on after {report.resumed} samples of an earlier call")
    print(f"{report.path}: {report.written} samples")
    for reason, count in report.reasons.most_common():
        print(f"left out {count}: {reason}")
    if report.skipped:
        print(f"the samples that were left out are listed in {report.path / SKIPPED}")
    return FAILED if report.skipped else OK
