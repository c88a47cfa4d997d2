"""Charts of the evaluation report, as HTML and SVG that need no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from wildtext.evaluation.reliability import Bin, Cut
from wildtext.evaluation.report.plot import Plot
from wildtext.evaluation.wording import counted

COLOURS = 6
"""How many colours for models the style sheet has."""

_SHARES = {share: f"{100 * share:g}" for share in (0, 0.25, 0.5, 0.75, 1)}
"""Ticks of an axis of shares."""

_COUNTS = 40
"""Height of the bars of counts under a diagram."""


@dataclass(frozen=True)
class Bar:
    """A share with its interval, all in percent.

    Attributes:
        name: what it is the share of, as text.
        value: of the share.
        interval: its ends; None where it has none.
        note: further words behind the figure, e.g. how many images there are.
        colour: number of a colour.
        chosen: the images that a press on the bar shows, see `gallery_link`; empty where it shows none.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    note: str = ""
    colour: int = 0
    chosen: str = ""


def bars(rows: Sequence[Bar]) -> str:
    """Bars from 0 to 100 %, with whiskers for the intervals and the figures beside them."""
    return f'<ul class="bars">{"".join(_bar(row) for row in rows)}</ul>'


def _bar(row: Bar) -> str:
    within = f"<small>{row.interval[0]:.1f} to {row.interval[1]:.1f}</small>" if row.interval else ""
    content = (
        f'<span class="name">{escape(row.name)}</span>{_track(row)}'
        f'<span class="figure"><b>{row.value:.1f} %</b> {within}</span><small class="aside">{escape(row.note)}</small>'
    )
    return f"<li>{gallery_link(content, row.chosen) if row.chosen else f'<div>{content}</div>'}</li>"


def _track(row: Bar) -> str:
    whisker = ""
    if row.interval:
        low, high = (f"{end:.2f}%" for end in row.interval)
        lines = ((low, "50%", high, "50%"), (low, "25%", low, "75%"), (high, "25%", high, "75%"))
        whisker = "".join(f'<line x1="{a}" y1="{b}" x2="{c}" y2="{d}"/>' for a, b, c, d in lines)
    return (
        f'<svg class="track" aria-hidden="true"><rect class="fill{row.colour % COLOURS}" '
        f'width="{row.value:.2f}%" height="100%"/>{whisker}</svg>'
    )


def beyond(value: float, mark: float, colour: int) -> str:
    """A bar with a stroke across it at what it is to be compared with, both in percent."""
    return (
        f'<svg class="track" role="img" aria-label="{value:.1f} %, compared with {mark:.1f} %">'
        f'<rect class="fill{colour % COLOURS}" width="{value:.2f}%" height="100%"/>'
        f'<line x1="{mark:.2f}%" y1="0" x2="{mark:.2f}%" y2="100%"/></svg>'
    )


def side_by_side(name: str, note: str, rows: Sequence[Bar]) -> str:
    """What several models reach on the same images; the bar of a single one is called by what it is about.

    Args:
        name: of the images.
        note: how many there are.
        rows: a bar for each model, called like the model.
    """
    if len(rows) == 1:
        return bars([replace(rows[0], name=name, note=note)])
    return f'<div class="group"><p><b>{escape(name)}</b> <small>{escape(note)}</small></p>{bars(rows)}</div>'


@dataclass(frozen=True)
class Mark:
    """A figure on a line; see `Bar`. Without an interval it is somebody else's."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    colour: int = 0


def marks(name: str, own: Sequence[Mark], others: Sequence[Mark], floor: float) -> str:
    """Figures on a line: full marks with whiskers for our own, hollow ones for those of others.

    Args:
        name: of what they are about.
        own: at least one.
        others: published figures.
        floor: where the line begins, in percent.
    """
    drawn = "".join(_mark(one, floor) for one in (*others, *own))
    told = "; ".join(f"{one.name} {one.value:.1f} %" for one in (*own, *others))
    values = [one.value for one in others]
    among = f"published: {min(values):.1f} to {max(values):.1f}" if values else "nothing published"
    figures = ", ".join(f"{one.value:.1f} %" for one in own)
    return (
        f'<ul class="bars"><li><div><span class="name">{escape(name)}</span><svg class="track marks" role="img" '
        f'aria-label="{escape(told)}">{drawn}</svg><span class="figure"><b>{figures}</b></span>'
        f'<small class="aside">{among}</small></div></li></ul>'
    )


def _mark(one: Mark, floor: float) -> str:
    def at(value: float) -> str:
        return f"{max(100 * (value - floor) / (100 - floor), 0):.2f}%"

    title = f"<title>{escape(one.name)} {one.value:.1f} %</title>"
    if one.interval is None:
        return f'<circle class="published" cx="{at(one.value)}" cy="50%" r="4">{title}</circle>'
    return (
        f'<line x1="{at(one.interval[0])}" y1="50%" x2="{at(one.interval[1])}" y2="50%"/>'
        f'<circle class="fill{one.colour % COLOURS}" cx="{at(one.value)}" cy="50%" r="5">{title}</circle>'
    )


def gallery_link(content: str, chosen: str, *, label: str = "", tab: str = "errors") -> str:
    """Something to press that shows images in the gallery.

    Args:
        content: HTML.
        chosen: the images: name and value of a filter of the gallery, as `report.js` knows them.
        label: what it is called where the content does not say it.
        tab: of the gallery.
    """
    named = f' aria-label="{escape(label)}" title="{escape(label)}"' if label else ""
    return f'<a href="#gallery" data-show="{escape("&".join(filter(None, (tab, chosen))))}"{named}>{content}</a>'


def reliability_diagram(bins: Sequence[Bin], *, title: str, colour: int, identifier: str) -> str:
    """Accuracy against confidence, with intervals, above bars for how many readings there are.

    Args:
        bins: at least one.
        title: as text.
        colour: number of a colour.
        identifier: tells the picture from others of the page.
    """
    most = max(one.images for one in bins)
    plot = Plot(_SHARES, "confidence, %")
    foot = plot.height + _COUNTS
    parts = [f'<path class="ideal" d="M{plot.x(0)} {plot.y(0)}L{plot.x(1)} {plot.y(100)}"/>']
    for one in bins:
        x, height = plot.x(one.confidence), max(_COUNTS * one.images / most, 1)
        low, high = map(plot.y, one.interval)
        parts.append(
            f'<g class="colour{colour % COLOURS}"><title>{_told(one)}</title><path d="M{x} {low}V{high}"/>'
            f'<circle cx="{x}" cy="{plot.y(one.accuracy)}" r="4"/>'
            f'<rect class="count" x="{x - 5:.1f}" y="{foot - height:.1f}" width="10" height="{height:.1f}"/></g>'
        )
    parts.append(f'<path class="axis" d="M{plot.x(0)} {foot}H{plot.x(1)}"/>')
    parts.append(f'<text x="{plot.x(0)}" y="{foot + 14}">number of images, {most:,} at most</text>')
    words = " ".join(f"{_told(one)}." for one in bins)
    return plot.drawn(parts, title=title, words=words, identifier=identifier, below=_COUNTS + 20)


def _told(one: Bin) -> str:
    low, high = one.interval
    return (
        f"confidence {100 * one.confidence:.0f} %: {one.accuracy:.1f} % right ({low:.1f} to {high:.1f}) "
        f"of {counted(one.images, 'image')}"
    )


def coverage_chart(curves: Mapping[str, Sequence[Cut]], *, identifier: str) -> str:
    """Accuracy of the most confident share of the images, a line for each model.

    Args:
        curves: by model, with rising coverage, at least one.
        identifier: tells the picture from others of the page.
    """
    # The first few images of a curve say little, and would take most of the axis.
    settled = {name: [cut for cut in cuts if cut.coverage >= 0.02] or cuts[-1:] for name, cuts in curves.items()}
    lowest = min(cut.accuracy for cuts in settled.values() for cut in cuts)
    floor = next(value for value in (90, 80, 60, 40, 0) if value <= lowest)
    plot = Plot(_SHARES, "share of the images that is kept, %", floor=floor)
    parts = [
        f'<polyline class="line colour{number % COLOURS} dash{number % 4}" '
        f'points="{plot.line((cut.coverage, cut.accuracy) for cut in cuts)}"/>'
        for number, cuts in enumerate(settled.values())
    ]
    words = " ".join(
        f"{name}: {cuts[0].accuracy:.1f} % of the most confident {100 * cuts[0].coverage:.0f} %, "
        f"{cuts[-1].accuracy:.1f} % of all."
        for name, cuts in settled.items()
    )
    return plot.drawn(parts, title="Accuracy against coverage", words=words, identifier=identifier)


def swatch(number: int) -> str:
    """The colour and the dashes of a model, beside its name."""
    return f'<i class="key colour{number % COLOURS} dash{number % 4}"></i>'
