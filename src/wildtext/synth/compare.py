"""Put synthetic crops beside real ones, to see where they differ, and measure by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from wildtext.data.source import LabelledSource, Progress
from wildtext.errors import DataError, SampleError
from wildtext.files import replacing
from wildtext.synth.blocks import Drawable, check_count, draw
from wildtext.synth.page import page, picture_uri
from wildtext.synth.plots import QUANTILES, Values, histograms
from wildtext.synth.sheet import Colour, Row, flow, sheet
from wildtext.synth.statistics import STATISTICS, wasserstein
from wildtext.types import Sample

_OURS: Colour = (40, 120, 220)
_REAL: Colour = (240, 140, 20)
_SHOWN = 160
"""Crops of each side on the page."""

_SHARES = {"light on dark"}
"""Statistics that are 0 or 1, of which the mean says more than the median."""

_HEADS = ("statistic", "ours (10 to 90 %)", "real (10 to 90 %)", "distance")


@dataclass(frozen=True)
class Comparison:
    """One statistic of both sides.

    Attributes:
        name: of the statistic, a key of `STATISTICS`.
        ours: its values for the synthetic samples.
        real: its values for the real ones.
    """

    name: str
    ours: Values
    real: Values

    @property
    def distance(self) -> float | None:
        """Wasserstein-1 distance over the standard deviation of the real values; None where these are all the same."""
        spread = float(self.real.std())
        return wasserstein(self.ours, self.real) / spread if spread > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: means, 10 %, 50 % and 90 % quantiles of both sides, and the distance."""
        return {
            "statistic": self.name,
            "ours": _summary(self.ours),
            "real": _summary(self.real),
            "distance": None if self.distance is None else round(self.distance, 4),
        }


@dataclass(frozen=True)
class CompareReport:
    """What came of a comparison.

    Attributes:
        comparisons: one for each statistic.
        ours: how many synthetic samples were measured.
        real: how many real ones.
        errors: of the samples that could not be drawn or read.
    """

    comparisons: tuple[Comparison, ...]
    ours: int
    real: int
    errors: tuple[SampleError, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"ours": self.ours, "real": self.real, "statistics": [one.to_dict() for one in self.comparisons]}


def compare(
    source: Drawable, real: LabelledSource, out: Path, count: int = 500, *, progress: Progress | None = None
) -> CompareReport:
    """Compare synthetic samples with real ones on a self-contained HTML page.

    Args:
        source: the synthetic source.
        real: labelled images; where they are more than `count`, some drawn at random, always the same ones.
        out: the .html file to write.
        count: samples of each side.
        progress: is told after each block of synthetic samples and after each real one.

    Raises:
        DataError: `out` has another ending or cannot be written, the count is below 1, or a side has no usable sample.
    """
    check_count(count)
    if out.suffix != ".html":
        raise DataError(f"the file to write must end with .html, not {out.name!r}")
    with replacing(out) as unfinished:
        theirs, unreadable = _read(real, count, progress)
        ours, undrawn = draw(source, count, progress=progress)
        report = CompareReport(measure(ours, theirs), len(ours), len(theirs), (*undrawn, *unreadable))
        unfinished.write_text(_compare_page(report, ours, theirs, real.name), encoding="utf-8")
    return report


def measure(ours: Sequence[Sample], real: Sequence[Sample]) -> tuple[Comparison, ...]:
    """Every statistic of both sides, neither of which may be empty or have empty labels."""
    return tuple(
        Comparison(name, *(np.array([statistic(sample) for sample in side]) for side in (ours, real)))
        for name, statistic in STATISTICS.items()
    )


def show(report: CompareReport, console: Console) -> None:
    """Print the comparison for people."""
    table = Table(box=None, pad_edge=False)
    for number, title in enumerate(_HEADS):
        table.add_column(title, justify="right" if number else "left", no_wrap=not number)
    for one in report.comparisons:
        table.add_row(*_cells(one))
    console.print(table)


def _read(real: LabelledSource, count: int, progress: Progress | None) -> tuple[list[Sample], list[SampleError]]:
    """Some samples of a source, and the errors of those that cannot be used."""
    chosen = np.random.default_rng(0).permutation(real.size)[:count]
    samples: list[Sample] = []
    errors: list[SampleError] = []
    for index in chosen:
        try:
            samples.append(_labelled(real, int(index)))
        except SampleError as error:
            errors.append(error)
        if progress is not None:
            progress(len(samples) + len(errors), len(chosen))
    if not samples:
        first = f"; the first: {errors[0]}" if errors else ""
        raise DataError(f"{real.name}: none of {len(chosen)} samples can be used{first}")
    return samples, errors


def _labelled(real: LabelledSource, index: int) -> Sample:
    sample = real[index]
    if not sample.text:
        raise SampleError(f"{real.where(index)}: empty label")
    return sample


def _summary(values: Values) -> dict[str, float]:
    low, median, high = (round(float(value), 4) for value in np.quantile(values, QUANTILES))
    return {"mean": round(float(values.mean()), 4), "median": median, "q10": low, "q90": high}


def _cells(one: Comparison) -> list[str]:
    """A row of the table: name, median and quantiles of both sides (of a share its mean), distance."""
    cells = [one.name]
    for values in (one.ours, one.real):
        low, median, high = np.quantile(values, QUANTILES)
        share = one.name in _SHARES
        cells.append(f"{values.mean():.0%}" if share else f"{median:.3g} ({low:.3g} to {high:.3g})")
    return [*cells, "-" if one.distance is None else f"{one.distance:.2f}"]


def _compare_page(report: CompareReport, ours: Sequence[Sample], real: Sequence[Sample], name: str) -> str:
    ours_rows, real_rows = flow(ours[:_SHOWN]), flow(real[:_SHOWN])
    rows: list[Row] = []
    marks: list[Colour] = []
    for pair in zip_longest(ours_rows, real_rows):
        for row, mark in zip(pair, (_OURS, _REAL), strict=True):
            if row is not None:
                rows.append(row)
                marks.append(mark)
    plots = "".join(
        histograms(one.name, [(one.ours, _css(_OURS)), (one.real, _css(_REAL))]) for one in report.comparisons
    )
    body = (
        f"<p>{_swatch(_OURS)} ours, {report.ours} samples; {_swatch(_REAL)} real, {report.real} samples of "
        f"{escape(name)}</p>\n<h2>Distributions</h2>\n"
        "<p>Below each histogram: median and the range from the 10 % to the 90 % quantile. Distance: Wasserstein-1 "
        "over the standard deviation of the real values; 0 is the same.</p>\n"
        f"{_table(report)}\n"
        f'<div class="plots">{plots}</div>\n<h2>Crops</h2>\n'
        f'<img class="sheet" alt="rows of ours and of real crops" src="{picture_uri(sheet(rows, marks))}">'
    )
    return page("Synthetic and real words", body)


def _table(report: CompareReport) -> str:
    rows = [_html_row("th", _HEADS), *(_html_row("td", _cells(one)) for one in report.comparisons)]
    return f"<table>{''.join(rows)}</table>"


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _swatch(colour: Colour) -> str:
    return f'<span style="color:{_css(colour)}">&#9632;</span>'


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
