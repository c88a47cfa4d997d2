"""Why models fail: where they lose most, and what kind of errors they make."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wildtext.evaluation.readings import Judged
from wildtext.evaluation.report.charts import Bar, bars, beyond, gallery_link, side_by_side
from wildtext.evaluation.report.study import Groups, Part, Study
from wildtext.evaluation.slices import Slice, weaknesses
from wildtext.evaluation.wording import counted

_SHOWN = 6
"""Most weaknesses that are told of a model."""

KINDS = (
    "one character replaced",
    "beginning left out",
    "end left out",
    "more in front",
    "more behind",
    "one character left out inside",
    "one character too many inside",
    "two characters wrong",
    "more wrong, but less than half",
    "half of the word or more wrong",
    "nothing read",
    "picture could not be decoded",
)
"""Kinds of errors; each wrong image is of one of them."""

PROPERTIES = {
    "length": "Length of the label",
    "height": "Height of the picture",
    "aspect": "Width over height",
    "width per character": "Width per character, of the height",
    "contrast": "Contrast",
    "blur": "Blur",
    "slope": "Slope of the line",
    "characters": "Characters of the label",
    "case": "Case of the label",
    "rotation": "Turned to be read",
}
"""Titles of what `slices` parts images by, in the order in which they are shown."""


def kind_of(one: Judged) -> str:
    """The kind of error of a wrong reading, one of `KINDS`."""
    if one.reading.prediction is None:
        return "picture could not be decoded"
    if not one.text:
        return "nothing read"
    ends = (
        ("beginning left out", one.truth.endswith(one.text)),
        ("end left out", one.truth.startswith(one.text)),
        ("more in front", bool(one.truth) and one.text.endswith(one.truth)),
        ("more behind", bool(one.truth) and one.text.startswith(one.truth)),
    )
    if cut := next((kind for kind, found in ends if found), ""):
        return cut
    if one.edits == 1:
        longer = len(one.text) - len(one.truth)
        inside = {-1: "one character left out inside", 1: "one character too many inside"}
        return inside.get(longer, "one character replaced")
    if 2 * one.edits >= max(len(one.truth), len(one.text)):
        return "half of the word or more wrong"
    return "two characters wrong" if one.edits == 2 else "more wrong, but less than half"


def weaknesses_of(part: Part, study: Study, groups: Groups) -> list[str]:
    """For each model, where it loses most: sentences with bars, or that there is nothing to tell."""
    return [_ranked(part, model, study, groups) for model in range(len(study.models))]


def _ranked(part: Part, model: int, study: Study, groups: Groups) -> str:
    found = weaknesses(part.slices[model])[:_SHOWN]
    if not found:
        return '<p class="note">No kind of image stands out.</p>'
    items = ""
    for one in found:
        bar = beyond(100 * one.slice.share_of_errors, 100 * one.slice.share, model)
        items += f"<li>{gallery_link(escape(one.sentence) + bar, _leads(one.slice, part, model, study, groups))}</li>"
    return f'<ol class="ranked">{items}</ol>'


def _leads(found: Slice, part: Part, model: int, study: Study, groups: Groups) -> str:
    """What leads to the errors in a slice."""
    name = study.named(f"{PROPERTIES.get(found.by, found.by)}: {found.name}", model)
    return part.among + groups.add("bin", name, part.places(found.wrong))


def kinds_of_errors(part: Part, study: Study, groups: Groups) -> list[str]:
    """For each model, how many errors of each kind it makes."""
    return [_kinds(part, model, study, groups) for model in range(len(study.models))]


def _kinds(part: Part, model: int, study: Study, groups: Groups) -> str:
    found: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for place, one in enumerate(part.judged[model]):
        if not one.correct:
            found[kind_of(one)].append(place)
    errors = sum(map(len, found.values()))
    rows = [
        Bar(
            kind,
            100 * len(places) / errors,
            None,
            counted(len(places), "image"),
            model,
            part.among + groups.add("bin", study.named(kind, model), part.places(places)),
        )
        for kind, places in found.items()
        if places
    ]
    return bars(rows) if rows else '<p class="note">There are no errors.</p>'


def multiples(part: Part, study: Study, groups: Groups) -> str:
    """For each property a chart of accuracy, with all models side by side in each bin."""
    by_model = [{(one.by, one.name): one for one in found} for found in part.slices]
    names = dict.fromkeys(name for found in by_model for name in found)
    charts = []
    for by, title in PROPERTIES.items():
        bins = [[found.get(name) for found in by_model] for name in names if name[0] == by]
        if bins:
            content = "".join(_bin(one, part, study, groups) for one in bins)
            charts.append(f"<section><h4>{title}</h4>{content}</section>")
    return f'<div class="multiples">{"".join(charts)}</div>'


def _bin(found: Sequence[Slice | None], part: Part, study: Study, groups: Groups) -> str:
    """What every model makes of the images of a bin."""
    some = next(one for one in found if one is not None)
    rows = [
        Bar(study.models[model], one.accuracy, one.interval, "", model, _leads(one, part, model, study, groups))
        for model, one in enumerate(found)
        if one is not None
    ]
    return side_by_side(some.name, counted(some.images, "image"), rows)
