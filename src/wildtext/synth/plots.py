"""Histograms of several sets of values over each other, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

QUANTILES = (0.1, 0.5, 0.9)
"""What is shown of a set of values beside its histogram."""

_BINS = 40
_WIDTH, _HEIGHT = 360, 150


def histograms(title: str, sides: Sequence[tuple[Values, str]]) -> str:
    """An SVG element with a histogram of each set of values in its colour, and its quantiles below.

    The axis leaves out the outermost 0.5 % at both ends, which are counted in the outermost bins.
    """
    edges = _edges(np.concatenate([values for values, _ in sides]))
    shares = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values) for values, _ in sides]
    top = max(float(share.max()) for share in shares)
    parts = [
        f'<text x="{_WIDTH / 2}" y="14" text-anchor="middle" font-size="12">{escape(title)}</text>',
        f'<text x="4" y="{_HEIGHT - 3}" font-size="10">{edges[0]:.3g}</text>',
        f'<text x="{_WIDTH - 4}" y="{_HEIGHT - 3}" text-anchor="end" font-size="10">{edges[-1]:.3g}</text>',
    ]
    for number, ((values, colour), share) in enumerate(zip(sides, shares, strict=True)):
        parts += [_bars(share / top, colour), _whisker(values, edges, _HEIGHT - 34 + 9 * number, colour)]
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}">{"".join(parts)}</svg>'


def _edges(values: Values) -> Values:
    """Limits of the bins: one for each whole number where there are only such and few, else some of the same width."""
    low, high = np.quantile(values, (0.005, 0.995))
    if high - low < _BINS and not (values % 1).any():
        return np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _bars(shares: Values, colour: str) -> str:
    """The outline of a histogram whose highest bar has height 1."""
    base, room = _HEIGHT - 42, _HEIGHT - 64
    xs = np.repeat(np.linspace(0, _WIDTH, len(shares) + 1), 2)
    ys = base - room * np.concatenate([[0], np.repeat(shares, 2), [0]])
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    return f'<polygon style="fill:{colour};fill-opacity:.35;stroke:{colour}" points="{points}"/>'


def _whisker(values: Values, edges: Values, y: float, colour: str) -> str:
    """A line from the 10 % to the 90 % quantile with a dot at the median."""
    low, median, high = np.interp(np.quantile(values, QUANTILES), [edges[0], edges[-1]], [0, _WIDTH])
    return (
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
        f'<circle cx="{median:.1f}" cy="{y}" r="4" fill="{colour}"/>'
    )
