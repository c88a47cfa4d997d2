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

from wildtext.evaluation.benchmarks import SETS, recognise
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.metrics import COVERAGES, Metrics, covered
from wildtext.evaluation.published import PUBLISHED
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
    several = len(summary.results) > 1
    found = [
        _several_accuracies(summary) if several else _accuracies(summary),
        _totals(summary),
        *([_comparisons(summary)] if several else []),
        _measures(summary),
        _coverage(summary),
        *(_extra(title, records) for title, records in summary.extras.items()),
        *([_published()] if summary.published else []),
    ]
    return [grid for grid in found if grid.rows]


def _accuracies(summary: Summary) -> Grid:
    """One model."""
    rows = [
        [
            _title(one),
            f"{one.metrics.images:,}",
            f"{one.metrics.accuracy:.2f} %",
            _ends(one.metrics.interval),
            f"{one.fresh / one.seconds:.0f}" if one.fresh and one.seconds else "-",
        ]
        for one in _rows(summary, 0)
    ]
    columns = ("data", "images", "accuracy", "95 % interval", "images/s")
    return Grid(f"word accuracy, {summary.rules}", columns, rows, note=_pooling_note(summary))


def _several_accuracies(summary: Summary) -> Grid:
    """Several models: their accuracies side by side."""
    by_model = [_rows(summary, number) for number in range(len(summary.results))]
    rows = [
        [
            _title(same[0]),
            f"{same[0].metrics.images:,}",
            *(f"{one.metrics.accuracy:.2f} % ({_ends(one.metrics.interval)})" for one in same),
        ]
        for same in zip(*by_model, strict=True)
    ]
    title = f"word accuracy and its 95 % interval, {summary.rules}"
    return Grid(title, ("data", "images", *summary.models), rows, note=_pooling_note(summary))


def _rows(summary: Summary, model: int) -> list[Result]:
    """The results of a model and, of several, all together."""
    results = summary.results[model]
    return [*results, *([summary.pooled[model]] if len(results) > 1 else [])]


def _pooling_note(summary: Summary) -> str:
    left = ", ".join(map(_title, summary.left_out))
    return f"all: without {left}, whose images other sets hold too" if left else ""


def _totals(summary: Summary) -> Grid:
    rows = [
        [
            same[0].benchmark.name,
            f"{same[0].images:,}",
            *(f"{one.accuracy:.2f} % ({_ends(one.interval)})" for one in same),
        ]
        for same in zip(*summary.totals, strict=True)
    ]
    repeated = [one.benchmark.name for one in summary.totals[0] if one.effective_images < one.images]
    notes = [
        f"{name} counts images twice that two of its sets hold; its interval allows for that." for name in repeated
    ]
    if summary.protocol != "36":
        notes.append("Papers report these totals under protocol 36.")
    return Grid("totals and their 95 % intervals", ("total", "images", *summary.models), rows, note=" ".join(notes))


def _measures(summary: Summary) -> Grid:
    """One model on every data set, or several on all of them."""
    several = len(summary.results) > 1
    shown = summary.pooled if several else _rows(summary, 0)
    rows = [[one.model if several else _title(one), *_measured(one.metrics)] for one in shown]
    columns = ("images", "1-NED", "by label", "CER", "confidence", "ECE", "unreadable")
    return Grid(f"other measures{', all images' if several else ''}", ("model" if several else "data", *columns), rows)


def _comparisons(summary: Summary) -> Grid:
    titles = {one.data: _title(one) for one in _rows(summary, 0)}
    rows = [
        [
            titles[one.data],
            one.model,
            f"{one.images:,}",
            f"{one.difference:+.2f}",
            _ends(one.interval),
            f"{one.p_value:.2g}",
            f"{one.only_model:,}",
            f"{one.only_first:,}",
        ]
        for one in summary.comparisons
    ]
    columns = ("data", "model", "images", "difference", "95 % interval", "p", "gained", "lost")
    first = summary.models[0]
    note = f"gained: images that {first} does not read; lost: images that only {first} reads; p: exact test of McNemar"
    return Grid(f"accuracy minus that of {first}, in percentage points", columns, rows, 2, note)


def _coverage(summary: Summary) -> Grid:
    rows = [
        [
            f"{100 * share:.0f} %",
            f"{covered(summary.pooled[0].metrics.images, share):,}",
            *(f"{one.metrics.coverage[share]:.2f} %" for one in summary.pooled),
        ]
        for share in COVERAGES
    ]
    return Grid("word accuracy of the most confident images, of all", ("share", "images", *summary.models), rows)


def _published() -> Grid:
    names = [name for name in SETS if any(name in one.accuracy for one in PUBLISHED)]
    rows = [
        [
            one.model,
            one.training or "-",
            one.source,
            one.note,
            *(f"{one.accuracy[name]:.1f}" if name in one.accuracy else "-" for name in names),
            "-" if one.total is None else f"{one.total:.2f}",
            one.benchmark or "-",
        ]
        for one in PUBLISHED
    ]
    columns = ("model", "trained on", "source", "note", *names, "total", "is")
    return Grid("PUBLISHED by others, not measured here: word accuracy in %", columns, rows, 4)


def _extra(title: str, records: Records) -> Grid:
    columns = list(dict.fromkeys(chain.from_iterable(records)))
    return Grid(title, columns, [[_cell(record.get(column)) for column in columns] for record in records])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


def _title(result: Result) -> str:
    """The name of the published set that data is, or its own."""
    found = recognise(result.data, len(result.judged))
    return found.name if found else result.data


def _measured(metrics: Metrics) -> list[str]:
    values = (
        metrics.similarity,
        metrics.similarity_by_label,
        metrics.character_error_rate,
        metrics.confidence,
        metrics.calibration_error,
    )
    return [f"{metrics.images:,}", *(f"{value:.4f}" for value in values), str(metrics.unreadable)]


def _ends(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}"


def _marked(cells: Iterable[str]) -> str:
    texts = (" ".join(cell.split()).replace("\\", r"\\").replace("|", r"\|").replace("<", "&lt;") for cell in cells)
    return f"| {' | '.join(texts)} |"


def _escaped(cell: str) -> str:
    text = "".join(_ESCAPES.get(character, character) for character in " ".join(cell.split()))
    return re.sub(r"(?<!\w)-(?=\d)", "$-$", text)
