"""What an evaluation found, as tables for a terminal, Markdown and LaTeX; all three show the same grids of cells."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wildtext.evaluation.comparison import POOLED
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.metrics import COVERAGES, Metrics, covered
from wildtext.evaluation.results import Records, Summary

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # At the start of a row these would be taken for options of the line break before.
    "[": "{[}",
    "*": "{*}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


@dataclass(frozen=True)
class Grid:
    """A table of cells.

    Attributes:
        title: what it shows.
        columns: their heads.
        rows: as many cells each.
        texts: how many of the columns, from the left, hold words; the others hold numbers.
        note: what one must know to read it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    note: str = ""


def print_table(summary: Summary) -> None:
    """Tables on standard output."""
    # Where nobody looks at a terminal, long names must not be folded to an assumed width.
    console = Console(width=None if sys.stdout.isatty() else 200)
    for number, grid in enumerate(grids(summary)):
        if number:
            console.print()
        console.print(Text(grid.title, style="italic"))
        table = Table(box=None, pad_edge=False)
        for place, column in enumerate(grid.columns):
            table.add_column(Text(column), justify="left" if place < grid.texts else "right", overflow="fold")
        for row in grid.rows:
            table.add_row(*map(Text, row))
        console.print(table)
        if grid.note:
            console.print(Text(grid.note))


def as_markdown(summary: Summary) -> str:
    """Tables in the Markdown of GitHub, each under a line that says what it shows."""
    parts = []
    for grid in grids(summary):
        rule = ["---" if place < grid.texts else "---:" for place in range(len(grid.columns))]
        lines = [_marked(grid.columns), f"|{'|'.join(rule)}|", *map(_marked, grid.rows)]
        parts += [f"**{grid.title}**", "\n".join(lines), *([grid.note] if grid.note else [])]
    return "\n\n".join(parts) + "\n"


def as_latex(summary: Summary) -> str:
    """A plain `tabular` for each table, to be put under a caption of one's own; it needs no package."""
    parts = []
    for grid in grids(summary):
        columns = "l" * grid.texts + "r" * (len(grid.columns) - grid.texts)
        head, *rows = [" & ".join(map(_escaped, row)) + r" \\" for row in (grid.columns, *grid.rows)]
        comments = [f"% {' '.join(line.split())}" for line in (grid.title, grid.note) if line]
        body = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", head, r"\hline", *rows, r"\hline", r"\end{tabular}"]
        parts.append("\n".join([*comments, *body]))
    return "\n\n".join(parts) + "\n"


def grids(summary: Summary) -> list[Grid]:
    """The tables of a summary; those that would be empty are left out."""
    found = [
        accuracies(summary),
        totals(summary),
        comparisons(summary),
        measures(summary),
        coverage(summary),
        *(_extra(title, records) for title, records in summary.tables.items()),
    ]
    return [grid for grid in found if grid.rows]


def accuracies(summary: Summary) -> Grid:
    """Word accuracy of each data set and of all images; of several models side by side."""
    left = ", ".join(summary.sets[number] for number in summary.left_out)
    note = f"all: without {left}, whose images other sets hold too" if left else ""
    if len(summary.models) > 1:
        title, columns = f"word accuracy and its 95 % interval, {summary.rules}", ("data", "images", *summary.models)
    else:
        title = f"word accuracy, {summary.rules}"
        columns = ("data", "images", "accuracy", "95 % interval", "images/s")
    rows = []
    for name, results in _rows(summary):
        found = [one.metrics for one in results]
        if len(found) > 1:
            cells = [_with_interval(one.accuracy, one.interval) for one in found]
        else:
            cells = [f"{found[0].accuracy:.2f} %", _ends(found[0].interval), _rate(results[0])]
        rows.append([name, f"{found[0].images:,}", *cells])
    return Grid(title, columns, rows, note=note)


def _rows(summary: Summary) -> list[tuple[str, tuple[Result, ...]]]:
    """Each data set and, of several, all together: its name, and the results of all models."""
    rows = list(zip(summary.sets, zip(*summary.results, strict=True), strict=True))
    return [*rows, *([(POOLED, tuple(summary.pooled))] if len(rows) > 1 else [])]


def _rate(result: Result) -> str:
    return f"{result.fresh / result.seconds:.0f}" if result.fresh and result.seconds else "-"


def totals(summary: Summary) -> Grid:
    """The totals of benchmarks that are complete; no rows where none is."""
    rows = [
        [same[0].benchmark.name, f"{same[0].images:,}", *(_with_interval(one.accuracy, one.interval) for one in same)]
        for same in zip(*summary.totals, strict=True)
    ]
    repeated = [one.benchmark.name for one in summary.totals[0] if one.effective_images < one.images]
    notes = [
        f"{name} counts images twice that two of its sets hold; its interval allows for that." for name in repeated
    ]
    note = " ".join(filter(None, (*notes, summary.caution)))
    return Grid("totals and their 95 % intervals", ("total", "images", *summary.models), rows, note=note)


def comparisons(summary: Summary) -> Grid:
    """Every model beside the first; no rows where there is only one."""
    names = [name for name, results in _rows(summary) for _ in results[1:]]
    rows = [
        [
            name,
            one.model,
            f"{one.images:,}",
            f"{one.difference:+.2f}",
            _ends(one.interval),
            f"{one.p_value:.2g}",
            f"{one.only_model:,}",
            f"{one.only_first:,}",
        ]
        for name, one in zip(names, summary.comparisons, strict=True)
    ]
    columns = ("data", "model", "images", "difference", "95 % interval", "p", "gained", "lost")
    first = summary.models[0]
    note = (
        f"gained: images that {first} does not read; lost: images that only {first} reads; p: exact test of McNemar, "
        "how likely models that are equally good differ so much, not corrected for several comparisons"
    )
    return Grid(f"accuracy minus that of {first}, in percentage points", columns, rows, 2, note)


def measures(summary: Summary) -> Grid:
    """All other figures of each data set, model by model."""
    several = len(summary.models) > 1
    rows = [
        [name, *([one.model] if several else []), *_measured(one.metrics)]
        for name, results in _rows(summary)
        for one in results
    ]
    columns = ("images", "1-NED", "by label", "CER", "confidence", "ECE", "empty", "unreadable")
    return Grid("other measures", ("data", *(["model"] if several else []), *columns), rows, 1 + several)


def coverage(summary: Summary) -> Grid:
    """Accuracy of the images that each model is most confident of."""
    rows = [
        [
            f"{100 * share:.0f} %",
            f"{covered(summary.pooled[0].metrics.images, share):,}",
            *(f"{one.metrics.coverage[share]:.2f} %" for one in summary.pooled),
        ]
        for share in COVERAGES
    ]
    return Grid("word accuracy of the most confident images, of all", ("share", "images", *summary.models), rows)


def _extra(title: str, records: Records) -> Grid:
    columns = list(dict.fromkeys(chain.from_iterable(records)))
    return Grid(title, columns, [[_cell(record.get(column)) for column in columns] for record in records])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "-" if value is None else str(value)


def _measured(metrics: Metrics) -> list[str]:
    shares = (metrics.character_error_rate, metrics.confidence, metrics.calibration_error)
    return [
        f"{metrics.images:,}",
        f"{metrics.similarity:.4f}",
        f"{metrics.similarity_by_label:.4f}",
        *(f"{100 * value:.2f} %" for value in shares),
        f"{metrics.empty:,}",
        f"{metrics.unreadable:,}",
    ]


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.2f} % ({_ends(interval)})"


def _ends(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}"


def _marked(cells: Iterable[str]) -> str:
    texts = (" ".join(cell.split()).replace("\\", r"\\").replace("|", r"\|").replace("<", "&lt;") for cell in cells)
    return f"| {' | '.join(texts)} |"


def _escaped(cell: str) -> str:
    text = "".join(_ESCAPES.get(character, character) for character in " ".join(cell.split()))
    return re.sub(r"(?<!\w)-(?=\d)", "$-$", text)
