"""Look at what the synthetic source draws: a contact sheet, or a page that groups samples by what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from wildtext.data.source import Progress
from wildtext.errors import DataError, SampleError
from wildtext.files import replacing
from wildtext.synth.blocks import Drawable, check_count, draw
from wildtext.synth.page import crops, figure, page
from wildtext.synth.sheet import flow, sheet
from wildtext.types import Sample

EXAMPLES = 24
"""Samples of each category on a page."""
_EVERYWHERE = {"tracking", "margins", "view", "paint", "camera"}
"""What is drawn for every sample, and so is no category."""

_GROUPS = ("layout", "appearance", "capture")


def preview(
    source: Drawable,
    out: Path,
    count: int,
    *,
    start: int = 0,
    boxes: bool = False,
    progress: Progress | None = None,
) -> list[SampleError]:
    """Draw samples and show them in one file.

    Args:
        source: what to draw from.
        out: a .png becomes a contact sheet, an .html a self-contained page with up to 24 samples of each category.
        count: samples to draw.
        start: index of the first.
        boxes: draw the quadrilaterals of characters and words; a page shows and hides them with a checkbox anyway, and
            begins with them shown.
        progress: is told after each block of samples.

    Returns:
        The errors of the samples that could not be drawn.

    Raises:
        DataError: the ending of `out` is another, it cannot be written, the count is below 1 or the start below 0, or
            nothing could be drawn.
    """
    check_count(count, start)
    if out.suffix not in (".png", ".html"):
        raise DataError(f"the file to write must end with .png (a contact sheet) or .html (a page), not {out.name!r}")
    with replacing(out) as unfinished:
        samples, errors = draw(source, count, start=start, progress=progress)
        if out.suffix == ".png":
            sheet(flow(samples, boxes=boxes)).save(unfinished, "PNG")
        else:
            unfinished.write_text(categories_page(samples, boxes=boxes), encoding="utf-8")
    return errors


def categories(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The samples of each kind of label, style of typeface, and effect, in this order; most have several effects.

    An effect is whatever `Sample.parameters` holds a table of amounts for, and not for every sample.
    """
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        for name in _categories_of(sample.parameters):
            found.setdefault(name, []).append(sample)
    order = ["label", "typeface", *_GROUPS]
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0].partition(":")[0]), item[0])))


def _categories_of(parameters: Mapping[str, object]) -> list[str]:
    names = [
        f"{title}: {parameters[key]}" for title, key in (("label", "kind"), ("typeface", "style")) if key in parameters
    ]
    for group in _GROUPS:
        effects = parameters.get(group)
        if isinstance(effects, Mapping):
            found = {name for name, amounts in effects.items() if isinstance(amounts, Mapping)}
            names.extend(f"{group}: {name}" for name in sorted(found - _EVERYWHERE))
    return [name.replace("_", " ") for name in names]


def categories_page(samples: Sequence[Sample], *, boxes: bool = False) -> str:
    """A self-contained HTML page with samples grouped by category."""
    groups = categories(samples) or {"all": list(samples)}
    parts = []
    for name, members in groups.items():
        shown = members[:EXAMPLES]
        parts.append(f"<h2>{escape(name)} ({len(members)} of {len(samples)})</h2>{crops(map(figure, shown))}")
    checked = " checked" if boxes else ""
    toggle = f'<input type="checkbox" id="boxes"{checked}> <label for="boxes">boxes</label>\n'
    return page("Synthetic words", "\n".join(parts), before=toggle)
