"""Which characters are taken for which."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from html import escape

from wildtext.evaluation.confusions import CaseConfusions, Confusion, Confusions
from wildtext.evaluation.report.charts import gallery_link, swatch
from wildtext.evaluation.report.markup import scrolling, visible
from wildtext.evaluation.report.study import Groups, Study
from wildtext.evaluation.wording import counted

_CHARACTERS = 30
"""The matrix has at most so many rows."""

_PAIRS = 24
"""A list has at most so many confusions."""

_SHADES = (0.005, 0.01, 0.02, 0.05)
"""Shares of a character's occurrences from which a cell has the next darker shade."""


def characters(study: Study, groups: Groups) -> str:
    """The whole section, model by model."""
    parts = []
    for model, found in enumerate(study.confusions):
        content = _of(found, study, model, groups)
        name = f"{swatch(model)}{escape(study.models[model])}"
        opened = " open" if model == 0 else ""
        parts.append(f"<details{opened}><summary>{name}</summary>{content}</details>" if study.several else content)
    return "".join(parts)


def _of(found: Confusions, study: Study, model: int, groups: Groups) -> str:
    if not found.edits:
        return "<p>No character was read wrong.</p>"

    def leads(pair: Confusion) -> str:
        return groups.add("confusion", study.confusion(pair, model), pair.places)

    lists = {
        "Taken for another": [pair for pair in found.pairs if pair.truth and pair.read],
        "Left out": [pair for pair in found.pairs if not pair.read],
        "Read where there is nothing": [pair for pair in found.pairs if not pair.truth],
    }
    case = study.case_confusions[model] if study.case_confusions else None
    return (
        f'<p class="note">{counted(found.edits, "edit")} over {counted(found.occurrences, "character")} of labels. '
        "Rows are characters of labels, columns what was read, numbers how often. Press one to see the images.</p>"
        f'{_matrix(found, leads)}{_scale()}<div class="columns">'
        f"{''.join(_list(title, pairs, leads) for title, pairs in lists.items())}</div>{_places(found)}{_case(case)}"
    )


def _matrix(found: Confusions, leads: Callable[[Confusion], str]) -> str:
    """A table; the last column is what was left out, the last row what was read where there is nothing."""
    names = [*found.most_confused(_CHARACTERS), ""]
    pairs = {(pair.truth, pair.read): pair for pair in found.pairs}
    head = "".join(f'<th scope="col">{_sign(name, "left out")}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{_sign(truth, "nothing there")}</th>'
        f"{''.join(_cell(pairs.get((truth, read)), truth == read, leads) for read in names)}</tr>"
        for truth in names
    )
    content = f'<table class="matrix"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return scrolling(content, "characters and what they were read as") + "<output></output>"


def _scale() -> str:
    steps = [f"under {100 * _SHADES[0]:g} %", *(f"from {100 * share:g} %" for share in _SHADES)]
    keys = "".join(f'<li class="shade{number}">{step}</li>' for number, step in enumerate(steps))
    return f'<ul class="scale"><li>Of all such characters in labels:</li>{keys}</ul>'


def _sign(character: str, otherwise: str) -> str:
    return f"<bdi>{escape(visible(character))}</bdi>" if character else f'<abbr title="{otherwise}">∅</abbr>'


def _cell(pair: Confusion | None, same: bool, leads: Callable[[Confusion], str]) -> str:
    if pair is None:
        return '<td class="same"></td>' if same else "<td></td>"
    shade = bisect_right(_SHADES, pair.rate)
    truth, read = (visible(one) or "nothing" for one in (pair.truth, pair.read))
    label = f"{truth} read as {read}: {counted(pair.count, 'time')}, {100 * pair.rate:.1f} %"
    return f'<td class="shade{shade}">{gallery_link(str(pair.count), leads(pair), label=label)}</td>'


def _list(title: str, pairs: Sequence[Confusion], leads: Callable[[Confusion], str]) -> str:
    items = "".join(f"<li>{_item(pair, leads(pair))}</li>" for pair in pairs[:_PAIRS])
    more = len(pairs) - _PAIRS
    below = f'<p class="note">and {counted(more, "rarer one")}</p>' if more > 0 else ""
    count = sum(pair.count for pair in pairs)
    return f'<section><h4>{title}: {count:,}</h4><ul class="pairs">{items}</ul>{below}</section>'


def _item(pair: Confusion, chosen: str) -> str:
    rate = f" <small>{100 * pair.rate:.1f} %</small>" if pair.truth else ""
    return gallery_link(f"{in_short(pair)} {pair.count:,}{rate}", chosen)


def in_short(pair: Confusion) -> str:
    """A confusion as HTML, in as few letters as tell it."""
    truth, read = (f"<b><bdi>{escape(visible(one))}</bdi></b>" for one in (pair.truth, pair.read))
    if not pair.truth:
        return f"{read} added"
    return f"{truth} → {read}" if pair.read else f"{truth} left out"


def _places(found: Confusions) -> str:
    """Errors by where in the label they are."""
    known = [one for one in found.positions if one.characters]
    rates = ", ".join(f"{one.position} {100 * one.rate:.1f} %" for one in known)
    return f'<p class="note">Errors per character by its place in the label: {rates}.</p>'


def _case(found: CaseConfusions | None) -> str:
    """Letters in another case than the label has, which is right under the protocol."""
    if found is None or not found.pairs:
        return ""
    items = "".join(f"<li>{in_short(pair)} {pair.count:,}</li>" for pair in found.pairs[:_PAIRS])
    note = (
        f"Of {counted(found.letters, 'letter')}. The protocol does not count it. Images that count as right and differ "
        f"from their labels in nothing else: {found.words:,}."
    )
    head = f'<h4>Read in another case: {found.count:,}</h4><p class="note">{note}</p>'
    return f'<section>{head}<ul class="pairs">{items}</ul></section>'
