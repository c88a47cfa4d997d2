"""The tables of all formats, as HTML."""

from __future__ import annotations

from html import escape

from wildtext.evaluation.report.markup import scrolling, table
from wildtext.evaluation.tables import Grid


def as_html(grid: Grid) -> str:
    """A table that scrolls, below what it shows and above what one must know."""
    note = f'<p class="note">{escape(grid.note)}</p>' if grid.note else ""
    return f"<h4>{escape(_sentence(grid.title))}</h4>{scrolling(table(grid.columns, grid.rows), grid.title)}{note}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
