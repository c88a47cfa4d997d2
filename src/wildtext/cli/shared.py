"""What several commands need."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wildtext.errors import ConfigError

if TYPE_CHECKING:
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
