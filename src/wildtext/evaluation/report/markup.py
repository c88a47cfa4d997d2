"""Pieces of HTML that reports share: texts of strangers, tables, tiles, and numbers for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from wildtext.evaluation.wording import counted

BASE_STYLE = Path(__file__).with_name("base.css")
"""Colours, letters, tables and tiles of every report."""

LONGEST = 160
"""Characters of a text that are shown; labels of strangers may be of any length."""

NOTHING = '<span class="quiet">(nothing)</span>'


def document(title: str, body: str, *, styles: Iterable[Path], script: Path) -> str:
    """A whole page with its styles and its script inside.

    Args:
        title: as text.
        body: as HTML.
        styles: files, in order.
        script: file.
    """
    style = "".join(path.read_text(encoding="utf-8") for path in styles)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n"
        f"<body>{body}\n<script>\n{script.read_text(encoding='utf-8')}</script></body></html>\n"
    )


def table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; the first cell of a row is its heading."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(str(first))}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def scrolling(content: str, name: str) -> str:
    """A box that scrolls, also with the keyboard, so that what is wide or high does not stretch the page."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">{content}</div>'


def tile(title: str, value: str, note: str = "", *, wide: bool = False) -> str:
    """A figure that stands out; for use in ``<dl class="tiles">``."""
    below = f"<dd>{escape(note)}</dd>" if note else ""
    start = '<div class="wide">' if wide else "<div>"
    return f"{start}<dt>{escape(title)}</dt><dd>{escape(value)}</dd>{below}</div>"


def differing(truth: str, reading: str, compared: Callable[[str], str]) -> tuple[set[int], set[int]]:
    """Places of the characters of two texts that the other does not have.

    Args:
        truth: the label.
        reading: what was read.
        compared: what a character is taken for; empty for those that do not count.
    """
    texts = truth[:LONGEST], reading[:LONGEST]
    keys = [[compared(character) for character in text] for text in texts]
    first, second = ([place for place, key in enumerate(side) if key] for side in keys)
    places: tuple[set[int], set[int]] = (set(), set())
    for edit in Levenshtein.opcodes([keys[0][place] for place in first], [keys[1][place] for place in second]):
        if edit.tag != "equal":
            places[0].update(first[edit.src_start : edit.src_end])
            places[1].update(second[edit.dest_start : edit.dest_end])
    return places


def marked(text: str, places: set[int]) -> str:
    """A text of strangers with marks around some of its characters.

    It stands apart from the direction of what is around it, and is never too long.
    """
    if not text:
        return NOTHING
    html = "".join(
        f"<mark>{escape(character)}</mark>" if place in places else escape(character)
        for place, character in enumerate(text[:LONGEST])
    )
    # Neighbours share a mark, so that letters of scripts that join them stay joined.
    return f"<bdi>{html.replace('</mark><mark>', '')}</bdi>{_rest(text)}"


def _rest(text: str) -> str:
    more = len(text) - LONGEST
    return f' <span class="quiet">and {counted(more, "more character")}</span>' if more > 0 else ""


def visible(character: str) -> str:
    """A character as it can be seen; blanks and what has no look of its own as what stands for it.

    >>> visible("a"), visible(" "), visible("\u200b"), visible("")
    ('a', '␣', 'U+200B', '')
    """
    if character.isspace():
        return "␣"
    return character if character.isprintable() or not character else f"U+{ord(character):04X}"


def script_data(identifier: str, values: object) -> str:
    """Values for the script of a page, whatever texts are in them."""
    # All but ASCII is escaped by default, U+2028 included; "<" could end the element.
    text = json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{identifier}">{text}</script>'
