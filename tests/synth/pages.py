"""What is in an HTML page."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from wildtext.images import decode
from wildtext.types import Image


@dataclass
class Page(HTMLParser):
    """What is in a page: start tags with their attributes, and the headings."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "input", "meta"):
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] == "h2":
            self.headings.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def parsed(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert not page.inside
    return page


def picture(uri: str | None) -> Image:
    assert uri is not None
    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    return decode(base64.b64decode(content))
