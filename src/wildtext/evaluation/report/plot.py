"""The frame of a chart: accuracy in percent upwards, and something else from 0 to the right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 12, 20, 36
"""Units around what is drawn: the numbers of the vertical axis, half of the last number below, the two titles."""


@dataclass(frozen=True)
class Plot:
    """Where values are in a picture, in its units.

    Attributes:
        ticks: values of the horizontal axis, the last of which is its end, and what is written below them.
        title: of the horizontal axis.
        width, height: of the picture.
        floor: where the vertical axis begins, in percent.
    """

    ticks: Mapping[float, str]
    title: str
    width: int = 320
    height: int = 260
    floor: float = 0

    def x(self, value: float) -> float:
        """Where a value of the horizontal axis is."""
        return round(_LEFT + value / max(self.ticks) * (self.width - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        """Where a value in percent is."""
        return round(_TOP + (100 - value) / (100 - self.floor) * (self.height - _TOP - _BOTTOM), 1)

    def line(self, places: Iterable[tuple[float, float]]) -> str:
        """Places as SVG lists them."""
        return " ".join(f"{self.x(across)},{self.y(up)}" for across, up in places)

    def drawn(self, parts: Iterable[str], *, title: str, words: str, identifier: str, below: int = 0) -> str:
        """The picture.

        Args:
            parts: what is in the frame, as SVG.
            title: as text.
            words: what is to be seen, for those who cannot see it.
            identifier: tells the picture from others of the page.
            below: further room below the frame.
        """
        return (
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height + below}" role="img" '
            f'aria-labelledby="{identifier}-t {identifier}-d"><title id="{identifier}-t">{escape(title)}</title>'
            f'<desc id="{identifier}-d">{escape(words)}</desc>{"".join(self._axes())}{"".join(parts)}</svg>'
        )

    def _axes(self) -> Iterator[str]:
        base, right = self.y(self.floor), self.width - _RIGHT
        for quarter in range(5):
            value = self.floor + quarter * (100 - self.floor) / 4
            yield f'<path class="grid" d="M{_LEFT} {self.y(value)}H{right}"/>'
            yield f'<text x="{_LEFT - 5}" y="{self.y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for place, told in self.ticks.items():
            yield f'<path class="grid" d="M{self.x(place)} {_TOP}V{base}"/>'
            yield f'<text x="{self.x(place)}" y="{base + 15:.1f}" text-anchor="middle">{told}</text>'
        yield f'<text x="{_LEFT}" y="12">% right</text>'
        yield f'<text x="{right}" y="{base + 30:.1f}" text-anchor="end">{self.title}</text>'
