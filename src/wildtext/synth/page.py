"""Self-contained HTML pages: everything is inside one file, and nothing in it runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape

import numpy as np
from PIL import Image as pillow

from wildtext.images.encode import data_uri, encode
from wildtext.types import Floats, Sample

_STYLE = """
body { background: #808080; color: #fff; font: 14px/1.4 system-ui, sans-serif; margin: 1.5em; }
h2 { margin: 1.2em 0 .4em; font-size: 1.1em; }
table { border-collapse: collapse; } td, th { padding: .15em .8em; text-align: right; }
td:first-child, th:first-child { text-align: left; }
.crops { display: flex; flex-wrap: wrap; gap: 10px; align-items: flex-start; }
figure { margin: 0; } figcaption { font-size: 12px; max-width: 40em; }
.picture { position: relative; display: inline-block; line-height: 0; }
.picture img { height: 48px; } .picture svg { position: absolute; inset: 0; width: 100%; height: 100%; display: none; }
#boxes:checked ~ main .picture svg { display: block; }
polygon { fill: none; stroke-width: 1; vector-effect: non-scaling-stroke; stroke: #3cff3c; }
polygon.word { stroke: #ff3cff; } summary { cursor: pointer; } pre { font-size: 11px; margin: 0; }
.plots { display: flex; flex-wrap: wrap; gap: 24px; } .plots svg { background: #fff; }
.sheet { max-width: 100%; }
"""


def page(title: str, body: str, *, before: str = "") -> str:
    """A whole HTML document; `before` stands between its heading and its main part."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n{before}<main>\n{body}\n</main></body></html>\n"
    )


def figure(sample: Sample) -> str:
    """A crop with its label, its boxes, which the page's checkbox shows, and its parameters, which a click shows."""
    height, width = sample.image.shape[:2]
    quads = [] if sample.boxes is None else [_polygon(quad) for quad in sample.boxes]
    quads.append("" if sample.word is None else _polygon(sample.word, ' class="word"'))
    values = json.dumps(dict(sample.parameters), indent=1, ensure_ascii=False)
    return (
        f'<figure><span class="picture"><img alt="{escape(sample.text)}" '
        f'src="{picture_uri(pillow.fromarray(sample.image))}">'
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">{"".join(quads)}</svg></span>'
        f"<figcaption><details><summary>{escape(sample.text)}</summary><pre>{escape(values)}</pre></details>"
        f"</figcaption></figure>"
    )


def crops(figures: Iterable[str]) -> str:
    """Figures that flow in rows."""
    return f'<div class="crops">{"".join(figures)}</div>'


def picture_uri(picture: pillow.Image) -> str:
    """A picture as a data URI with a PNG in it."""
    return data_uri(encode(picture, "PNG", optimize=True), "png")


def _polygon(quad: Floats, attributes: str = "") -> str:
    if not np.isfinite(quad).all():
        return ""
    points = " ".join(f"{x:.2f},{y:.2f}" for x, y in quad)
    return f'<polygon{attributes} points="{points}"/>'
