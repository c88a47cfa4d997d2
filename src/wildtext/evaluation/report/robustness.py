"""Charts of how accuracy falls with the strength of corruptions, one beside the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from wildtext.evaluation.report.charts import COLOURS, swatch
from wildtext.evaluation.report.markup import scrolling, table
from wildtext.evaluation.robustness import Curve, Robustness
from wildtext.images.corruptions import CORRUPTIONS, STRENGTHS

_WIDTH, _HEIGHT = 240, 174
_LEFT, _RIGHT, _TOP, _BOTTOM = 28, 8, 8, 36
"""Units around a plot; the left one holds the numbers of the vertical axis."""

_NARROW = "grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr))"
"""Many charts want less room each than those of other sections."""


def robustness_charts(found: Mapping[str, Robustness]) -> str:
    """A chart for each corruption with a line for each model, and a table of all numbers that unfolds below.

    Args:
        found: by name of the model, at least one, all on the same images and corruptions.
    """
    first = next(iter(found.values()))
    legend = "".join(
        f"<li>{swatch(number)}{escape(name)} {_summary(one)}</li>" for number, (name, one) in enumerate(found.items())
    )
    charts = "".join(
        _chart({name: one.curves[place] for name, one in found.items()}, f"robustness-{place}")
        for place in range(len(first.curves))
    )
    return (
        '<p class="note">Word accuracy in percent against the strength of a corruption, of the same '
        f"{first.images:,} images at each strength; shaded are 95 % intervals. 0 is the pictures as they are.</p>"
        f'<ul class="legend">{legend}</ul><div class="plots" style="{_NARROW}">{charts}</div>{_numbers(found)}'
    )


def _summary(found: Robustness) -> str:
    kept = "" if found.kept is None else f", {100 * found.kept:.1f} % of it"
    return f"<small>clean {found.clean:.1f} %, mean corrupted {found.corrupted:.1f} %{kept}</small>"


def _chart(curves: Mapping[str, Curve], identifier: str) -> str:
    name = next(iter(curves.values())).corruption
    parts = [*_axes()]
    for number, curve in enumerate(curves.values()):
        parts += _line(curve, number)
    words = " ".join(f"{model}: {_told(curve)}." for model, curve in curves.items())
    return (
        f'<figure><figcaption>{name}</figcaption><svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-labelledby="{identifier}-t {identifier}-d"><title id="{identifier}-t">Accuracy against {name}</title>'
        f'<desc id="{identifier}-d">{escape(words)}</desc>{"".join(parts)}</svg>'
        f"<small>{CORRUPTIONS[name].description}</small></figure>"
    )


def _axes() -> Iterator[str]:
    base, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for value in (0, 25, 50, 75, 100):
        yield f'<path class="grid" d="M{_LEFT} {_y(value)}H{right}"/>'
        yield f'<text x="{_LEFT - 5}" y="{_y(value) + 4:.1f}" text-anchor="end">{value}</text>'
    for strength in (0, *STRENGTHS):
        yield f'<text x="{_x(strength)}" y="{base + 15}" text-anchor="middle">{strength}</text>'
    yield f'<path class="axis" d="M{_LEFT} {base}H{right}"/>'
    yield f'<text x="{right}" y="{base + 29}" text-anchor="end">strength</text>'


def _line(curve: Curve, number: int) -> Iterator[str]:
    """The interval as a band, the accuracy as a line, and a dot with its numbers at each strength."""
    lows, highs = zip(*curve.intervals, strict=True)
    around = [*zip(curve.strengths, lows, strict=True), *reversed(list(zip(curve.strengths, highs, strict=True)))]
    colour = number % COLOURS
    yield f'<polygon class="fill{colour}" opacity="0.16" points="{_points(around)}"/>'
    line = _points(list(zip(curve.strengths, curve.accuracy, strict=True)))
    yield f'<polyline class="line colour{colour} dash{number % 4}" points="{line}"/>'
    for strength, value, low, high in zip(curve.strengths, curve.accuracy, lows, highs, strict=True):
        yield (
            f'<circle class="colour{colour}" cx="{_x(strength)}" cy="{_y(value)}" r="2.5">'
            f"<title>strength {strength}: {value:.1f} % ({low:.1f} to {high:.1f})</title></circle>"
        )


def _points(places: Sequence[tuple[int, float]]) -> str:
    return " ".join(f"{_x(strength)},{_y(value)}" for strength, value in places)


def _told(curve: Curve) -> str:
    pairs = zip(curve.strengths, curve.accuracy, strict=True)
    return ", ".join(f"{value:.1f} % at strength {strength}" for strength, value in pairs)


def _numbers(found: Mapping[str, Robustness]) -> str:
    strengths = next(iter(found.values())).curves[0].strengths
    heads = ("model", "corruption", *(f"at {strength}" if strength else "clean" for strength in strengths), "mean")
    rows = [
        [model, curve.corruption, *map(_cell, curve.accuracy, curve.intervals), f"{curve.corrupted:.1f}"]
        for model, one in found.items()
        for curve in one.curves
    ]
    return f"<details><summary>Numbers</summary>{scrolling(table(heads, rows), 'accuracy by corruption')}</details>"


def _cell(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.1f} ({interval[0]:.1f} to {interval[1]:.1f})"


def _x(strength: int) -> float:
    return round(_LEFT + 6 + strength / STRENGTHS[-1] * (_WIDTH - _LEFT - _RIGHT - 12), 1)


def _y(value: float) -> float:
    """Where a value in percent is."""
    return round(_TOP + (100 - value) / 100 * (_HEIGHT - _TOP - _BOTTOM), 1)
