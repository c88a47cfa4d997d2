"""Charts of how accuracy falls with the strength of corruptions, one beside the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from wildtext.evaluation.report.charts import COLOURS, swatch
from wildtext.evaluation.report.markup import scrolling, table
from wildtext.evaluation.report.plot import Plot
from wildtext.evaluation.robustness import Curve, Robustness
from wildtext.images.corruptions import CORRUPTIONS, STRENGTHS

_PLOT = Plot({strength: f"{strength}" for strength in (0, *STRENGTHS)}, "strength", width=240, height=180)
"""The frame of every chart."""

_NARROW = "grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr))"
"""Many charts want less room each than those of other sections."""


def robustness_charts(found: Sequence[Robustness]) -> str:
    """A chart for each corruption with a line for each model, and a table of all numbers that unfolds below.

    Args:
        found: by model, at least one, all on the same images and corruptions.
    """
    legend = "".join(
        f"<li>{swatch(number)}{escape(one.model)} {_summary(one)}</li>" for number, one in enumerate(found)
    )
    charts = "".join(_chart(found, place) for place in range(len(found[0].curves)))
    return (
        '<p class="note">Word accuracy in percent against the strength of a corruption, of the same '
        f"{found[0].images:,} images at each strength; shaded are 95 % intervals. 0 is the pictures as they are.</p>"
        f'<ul class="legend">{legend}</ul><div class="plots" style="{_NARROW}">{charts}</div>{_numbers(found)}'
    )


def _summary(found: Robustness) -> str:
    kept = "" if found.kept is None else f", {100 * found.kept:.1f} % of it"
    return f"<small>clean {found.clean:.1f} %, mean corrupted {found.corrupted:.1f} %{kept}</small>"


def _chart(found: Sequence[Robustness], place: int) -> str:
    """The chart of the corruption at a place."""
    curves = [one.curves[place] for one in found]
    name = curves[0].corruption
    parts: list[str] = []
    for number, curve in enumerate(curves):
        parts += _line(curve, number)
    words = " ".join(f"{one.model}: {_told(curve)}." for one, curve in zip(found, curves, strict=True))
    chart = _PLOT.drawn(parts, title=f"Accuracy against {name}", words=words, identifier=f"robustness-{place}")
    return f"<figure><figcaption>{name}</figcaption>{chart}<small>{CORRUPTIONS[name].description}</small></figure>"


def _line(curve: Curve, number: int) -> Iterator[str]:
    """The interval as a band, the accuracy as a line, and a dot with its numbers at each strength."""
    lows, highs = zip(*curve.intervals, strict=True)
    around = [*zip(curve.strengths, lows, strict=True), *reversed(list(zip(curve.strengths, highs, strict=True)))]
    colour = number % COLOURS
    yield f'<polygon class="fill{colour}" opacity="0.16" points="{_PLOT.line(around)}"/>'
    line = _PLOT.line(zip(curve.strengths, curve.accuracy, strict=True))
    yield f'<polyline class="line colour{colour} dash{number % 4}" points="{line}"/>'
    for strength, value, low, high in zip(curve.strengths, curve.accuracy, lows, highs, strict=True):
        yield (
            f'<circle class="colour{colour}" cx="{_PLOT.x(strength)}" cy="{_PLOT.y(value)}" r="2.5">'
            f"<title>strength {strength}: {value:.1f} % ({low:.1f} to {high:.1f})</title></circle>"
        )


def _told(curve: Curve) -> str:
    pairs = zip(curve.strengths, curve.accuracy, strict=True)
    return ", ".join(f"{value:.1f} % at strength {strength}" for strength, value in pairs)


def _numbers(found: Sequence[Robustness]) -> str:
    strengths = found[0].curves[0].strengths
    heads = ("model", "corruption", *(f"at {strength}" if strength else "clean" for strength in strengths), "mean")
    rows = [
        [one.model, curve.corruption, *map(_cell, curve.accuracy, curve.intervals), f"{curve.corrupted:.1f}"]
        for one in found
        for curve in one.curves
    ]
    return f"<details><summary>Numbers</summary>{scrolling(table(heads, rows), 'accuracy by corruption')}</details>"


def _cell(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.1f} ({interval[0]:.1f} to {interval[1]:.1f})"
