"""Curves over the steps of a run: an SVG element, and the same numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 400, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 14, 28
"""Units around the plot; the left one holds the numbers of the vertical axis."""

_POINTS = 400
"""Points of a curve: about one for each unit of the width. Longer logs are shown as means of neighbouring lines."""

_DOTS = 40
"""Up to so many points each get a dot."""

_WIDE_RANGE = 5
"""Values of which the largest is so many times the smallest are put on a logarithmic axis, where they may be."""

_COLOURS, _DASHES = 6, 4
"""How many the style sheet has; together they tell 12 curves apart."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Some quantities over the steps of a run.

    Attributes:
        title: what they are.
        names: of the K quantities.
        steps: (N,) int64, rising.
        values: (N, K) float64; NaN where a step has no value, or one that is not finite.
        unit: of the values, for people; empty where they have none.
        log: whether a logarithmic axis may be used.
        from_zero: whether the axis begins at zero, so that small changes look small.
        marks: steps to mark, with what is written there.
        not_finite: how many logged values are left out because they are not finite.
    """

    title: str
    names: tuple[str, ...]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    unit: str = ""
    log: bool = False
    from_zero: bool = False
    marks: Mapping[int, str] = field(default_factory=dict)
    not_finite: int = 0

    @classmethod
    def of(
        cls,
        title: str,
        names: tuple[str, ...],
        rows: Mapping[int, Sequence[float | None]],
        *,
        factor: float = 1,
        **options: Any,
    ) -> Curves:
        """Curves of what was logged.

        Args:
            title: what they are.
            names: of the quantities.
            rows: for each step, in order, a value of each quantity; None where it has none.
            factor: that values are multiplied by.
            options: further attributes.
        """
        logged = [[math.nan if value is None else factor * value for value in row] for row in rows.values()]
        values = np.array(logged, np.float64).reshape(len(rows), len(names))
        broken = sum(value is not None and not math.isfinite(value) for row in rows.values() for value in row)
        values[~np.isfinite(values)] = np.nan
        return cls(title, names, np.array(list(rows), np.int64), values, not_finite=broken, **options)

    def last(self, number: int) -> float:
        """The last value of a quantity; NaN where it has none."""
        known = self.values[np.isfinite(self.values[:, number]), number]
        return float(known[-1]) if len(known) else math.nan


def thinned(curves: Curves, most: int = _POINTS) -> Curves:
    """Curves with at most `most` points, each the mean of neighbouring ones, at the step of the last of them."""
    if len(curves.steps) <= most:
        return curves
    groups = np.array_split(np.arange(len(curves.steps)), most)
    known = np.isfinite(curves.values)
    sums = np.array([np.where(known[group], curves.values[group], 0).sum(axis=0) for group in groups])
    counts = np.array([known[group].sum(axis=0) for group in groups])
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return replace(curves, steps=curves.steps[[group[-1] for group in groups]], values=means)


def draw(curves: Curves, identifier: str) -> str:
    """A figure with the curves, and a table of their numbers that unfolds below.

    Args:
        curves: at least one of their values is known.
        identifier: tells the figure from others of the page.
    """
    shown = thinned(curves)
    axes = _Axes.around(shown)
    unit = f" ({escape(curves.unit)})" if curves.unit else ""
    notes = ["logarithmic axis"] if axes.log else []
    if len(shown.steps) < len(curves.steps):
        notes.append(f"each point is the mean of about {len(curves.steps) / len(shown.steps):.0f} lines of the log")
    if curves.not_finite:
        notes.append(f"values that are not finite: {curves.not_finite}")
    note = f'<p class="note">{"; ".join(notes)}</p>' if notes else ""
    return (
        f'<figure class="chart"><figcaption>{escape(curves.title)}{unit}</figcaption>{_legend(curves)}'
        f"{_svg(shown, axes, identifier)}<output></output>{note}{_table(shown, axes)}</figure>"
    )


def number(value: float) -> str:
    """A number for people: four digits that count, thousands set apart."""
    if not math.isfinite(value):
        return "none"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


@dataclass(frozen=True)
class _Axes:
    """Where steps and values lie in the picture.

    Attributes:
        first, last: steps at both ends.
        low, high: values at both ends, as their decimal logarithms where the axis is logarithmic.
        log: whether it is.
    """

    first: float
    last: float
    low: float
    high: float
    log: bool

    @classmethod
    def around(cls, curves: Curves) -> _Axes:
        known = curves.values[np.isfinite(curves.values)]
        low, high = float(known.min()), float(known.max())
        log = curves.log and low > 0 and high > _WIDE_RANGE * low
        if log:
            low, high = math.log10(low), math.log10(high)
        if curves.from_zero:
            low = min(low, 0.0)
        margin = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
        # What cannot be negative gets no axis that is.
        floor = 0.0 if low >= 0 and not log else -math.inf
        first, last = float(curves.steps[0]), float(curves.steps[-1])
        return cls(first, max(last, first + 1), max(low - margin, floor), high + margin, log)

    def x(self, step: float) -> float:
        return _LEFT + (step - self.first) / (self.last - self.first) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        place = math.log10(value) if self.log else value
        return _TOP + (self.high - place) / (self.high - self.low) * (_HEIGHT - _TOP - _BOTTOM)

    def ticks(self) -> list[float]:
        """Round values within the axis."""
        if not self.log:
            return _round_values(self.low, self.high, 5)
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        digits = (1, 2, 5) if self.high - self.low < 2 else (1,)
        values = [digit * 10.0**decade for decade in decades for digit in digits]
        within = [value for value in values if self.low <= math.log10(value) <= self.high]
        return within[:: math.ceil(len(within) / 7) or 1]


def _round_values(low: float, high: float, about: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within limits."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    gap = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
    return [multiple * gap for multiple in range(math.ceil(low / gap), math.floor(high / gap) + 1)]


def _svg(curves: Curves, axes: _Axes, identifier: str) -> str:
    parts = [
        f'<title id="{identifier}-title">{escape(curves.title)} by step</title>',
        f'<desc id="{identifier}-desc">{escape(_in_words(curves))}</desc>',
        *_grid(axes),
    ]
    for step, label in curves.marks.items():
        x = axes.x(step)
        side = "end" if x > _WIDTH / 2 else "start"
        parts.append(
            f'<path class="mark" d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
            f'<text x="{x:.1f}" y="{_TOP - 4}" text-anchor="{side}">{escape(label)}</text>'
        )
    for place in range(len(curves.names)):
        parts += _line(curves, place, axes)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="{identifier}-title {identifier}-desc">'
        f'{"".join(parts)}<line class="cursor" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" visibility="hidden"/></svg>'
    )


def _grid(axes: _Axes) -> Iterator[str]:
    base, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for value in axes.ticks():
        y = axes.y(value)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>'
    for step in _round_values(axes.first, axes.last, 4):
        if step.is_integer():
            yield _step_label(axes.x(step), base + 18, step)
    yield f'<path class="axis" d="M{_LEFT} {base}H{right}"/>'


def _step_label(x: float, y: float, step: float) -> str:
    outer = x > _WIDTH - _RIGHT - 20
    place, anchor = (_WIDTH - 2, "end") if outer else (x, "middle")
    return f'<text x="{place:.1f}" y="{y}" text-anchor="{anchor}">{_short(step)}</text>'


def _line(curves: Curves, place: int, axes: _Axes) -> Iterator[str]:
    """A quantity as lines between neighbouring values; dots where these are few, or stand alone."""
    style = _style(place)
    values = curves.values[:, place]
    known = np.isfinite(values)
    points = [
        (axes.x(float(step)), axes.y(float(value))) if finite else None
        for step, value, finite in zip(curves.steps, values, known, strict=True)
    ]
    for run in _unbroken(points):
        if len(run) > 1:
            joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
            yield f'<polyline class="line {style}" points="{joined}"/>'
        if len(run) == 1 or known.sum() <= _DOTS:
            yield from (f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in run)


def _unbroken(points: list[tuple[float, float] | None]) -> Iterator[list[tuple[float, float]]]:
    run: list[tuple[float, float]] = []
    for point in [*points, None]:
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []


def _in_words(curves: Curves) -> str:
    """What one would say of the picture to somebody who does not see it."""
    sentences = []
    for place, name in enumerate(curves.names):
        known = np.isfinite(curves.values[:, place])
        if not known.any():
            continue
        steps, values = curves.steps[known], curves.values[known, place]
        sentences.append(
            f"{name}: {number(values[0])} at step {steps[0]:,}, {number(values[-1])} at step {steps[-1]:,}, "
            f"between {number(values.min())} and {number(values.max())}."
        )
    return " ".join(sentences)


def _legend(curves: Curves) -> str:
    entries = (
        f'<li><svg class="swatch" viewBox="0 0 24 8" aria-hidden="true"><path class="line {_style(place)}" '
        f'd="M0 4H24"/></svg>{escape(name)} <strong>{number(curves.last(place))}</strong></li>'
        for place, name in enumerate(curves.names)
    )
    return f'<ul class="legend" aria-label="last values">{"".join(entries)}</ul>'


def _table(curves: Curves, axes: _Axes) -> str:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("step", *curves.names))
    rows = "".join(
        f'<tr data-x="{axes.x(float(step)):.1f}"><th scope="row">{step:,}</th>'
        f"{''.join(f'<td>{number(value)}</td>' for value in row)}</tr>"
        for step, row in zip(curves.steps, curves.values, strict=True)
    )
    return (
        f'<details><summary>Numbers</summary><div class="scroll" tabindex="0" role="region" '
        f'aria-label="numbers: {escape(curves.title)}"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _style(place: int) -> str:
    return f"colour{place % _COLOURS} dash{place % _DASHES}"


def _short(value: float) -> str:
    """A number that fits beside an axis."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (size > 1e3 and abs(value) >= size):
            return f"{value / size:g}{letter}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
