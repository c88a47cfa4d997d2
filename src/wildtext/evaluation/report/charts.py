"""Charts of the evaluation report, as HTML and SVG that need no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from wildtext.evaluation.reliability import Bin, Cut
from wildtext.evaluation.report.markup import counted

COLOURS = 6
"""How many the style sheet has."""

_WIDTH, _HEIGHT = 320, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 20, 34
"""Units around the square plots; the left one holds the numbers of the vertical axis."""

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
    foot = _HEIGHT + _COUNTS
    parts = [*_axes("confidence"), f'<path class="ideal" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(100)}"/>']
    for one in bins:
        x, height = _x(one.confidence), max(_COUNTS * one.images / most, 1)
        low, high = map(_y, one.interval)
        parts.append(
            f'<g class="colour{colour % COLOURS}"><title>{_told(one)}</title><path d="M{x} {low}V{high}"/>'
            f'<circle cx="{x}" cy="{_y(one.accuracy)}" r="4"/>'
            f'<rect class="count" x="{x - 5:.1f}" y="{foot - height:.1f}" width="10" height="{height:.1f}"/></g>'
        )
    parts.append(f'<path class="axis" d="M{_LEFT} {foot}H{_WIDTH - _RIGHT}"/>')
    parts.append(f'<text x="{_LEFT}" y="{foot + 14}">number of images, {most:,} at most</text>')
    return _figure(parts, title, " ".join(f"{_told(one)}." for one in bins), identifier, foot + 20)


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
    parts = [*_axes("share of the images that is kept", floor)]
    for number, cuts in enumerate(settled.values()):
        line = " ".join(f"{_x(cut.coverage)},{_y(cut.accuracy, floor)}" for cut in cuts)
        parts.append(f'<polyline class="line colour{number % COLOURS} dash{number % 4}" points="{line}"/>')
    words = " ".join(
        f"{name}: {cuts[0].accuracy:.1f} % of the most confident {100 * cuts[0].coverage:.0f} %, "
        f"{cuts[-1].accuracy:.1f} % of all."
        for name, cuts in settled.items()
    )
    return _figure(parts, "Accuracy against coverage", words, identifier, _HEIGHT)


def _figure(parts: Sequence[str], title: str, words: str, identifier: str, height: int) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="{identifier}-t {identifier}-d">'
        f'<title id="{identifier}-t">{escape(title)}</title><desc id="{identifier}-d">{escape(words)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def _axes(below: str, floor: float = 0) -> Iterator[str]:
    base, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for step in range(5):
        share = step / 4
        value = floor + share * (100 - floor)
        yield f'<path class="grid" d="M{_LEFT} {_y(value, floor)}H{right}M{_x(share)} {_TOP}V{base}"/>'
        yield f'<text x="{_LEFT - 5}" y="{_y(value, floor) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        anchor = "end" if step == 4 else "middle"
        yield f'<text x="{_x(share)}" y="{base + 14}" text-anchor="{anchor}">{100 * share:g}</text>'
    yield f'<text x="{_LEFT}" y="12">% right</text>'
    yield f'<text x="{right}" y="{base + 29}" text-anchor="end">{below}, %</text>'


def _x(share: float) -> float:
    """Where a share in [0, 1] is."""
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(value: float, floor: float = 0) -> float:
    """Where a value in percent is, on an axis that begins at `floor`."""
    return round(_TOP + (100 - value) / (100 - floor) * (_HEIGHT - _TOP - _BOTTOM), 1)


def swatch(number: int) -> str:
    """The colour and the dashes of a model, beside its name."""
    return f'<i class="key colour{number % COLOURS} dash{number % 4}"></i>'
