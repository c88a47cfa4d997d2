"""What others report, beside what was measured here, and never among it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from wildtext.evaluation.benchmarks import SETS, recognise
from wildtext.evaluation.published import PUBLISHED, Published
from wildtext.evaluation.report.charts import Mark, marks
from wildtext.evaluation.report.markup import scrolling, table
from wildtext.evaluation.report.study import Study

_FLOORS = (80, 60, 40, 0)
"""Where lines may begin, in percent."""

_Row = tuple[str, list[Mark], list[Mark]]
"""Name of a set or a total, what was measured here, and what others report."""


def beside_published(study: Study) -> str:
    """Published figures of the usual sets and totals that were measured, and a table of all that are known.

    Where what was measured must not be compared with them, only why.
    """
    if caution := study.summary.caution:
        return f'<p class="note">Published figures are not shown. {escape(caution)}</p>'
    rows = [*_sets(study), *_totals(study)]
    note = "Figures of others, for other training and other implementations. They were not measured here."
    if not rows:
        return (
            "<details><summary>Published figures of other models on the usual test sets, none of which was measured "
            f'here in the same way</summary><p class="note">{note}</p>{_everything()}</details>'
        )
    lowest = min(one.value for _, own, others in rows for one in (*own, *others))
    floor = next(value for value in _FLOORS if value <= lowest)
    drawn = "".join(marks(*row, floor) for row in rows)
    told = f"{note} Their marks are hollow. Lines run from {floor} to 100 %."
    everything = f"<details><summary>All published figures</summary>{_everything()}</details>"
    return f'<h3>Beside published figures</h3><p class="note">{told}</p>{drawn}{everything}'


def _sets(study: Study) -> Iterator[_Row]:
    for number, result in enumerate(study.results[0]):
        if known := recognise(result.data, len(result.judged)):
            found = [results[number].metrics for results in study.results]
            others = [_of_others(one, one.accuracy[known.name]) for one in PUBLISHED if known.name in one.accuracy]
            yield known.name, _own(study, [(one.accuracy, one.interval) for one in found]), others


def _totals(study: Study) -> Iterator[_Row]:
    for row in zip(*study.summary.totals, strict=True):
        name = row[0].benchmark.name
        others = [_of_others(one, one.total) for one in PUBLISHED if one.total is not None and one.benchmark == name]
        if others:
            yield name, _own(study, [(one.accuracy, one.interval) for one in row]), others


def _own(study: Study, values: Sequence[tuple[float, tuple[float, float]]]) -> list[Mark]:
    return [
        Mark(f"{model}, measured here", value, interval, place)
        for place, (model, (value, interval)) in enumerate(zip(study.models, values, strict=True))
    ]


def _of_others(one: Published, value: float) -> Mark:
    return Mark(f"{one.model}, published by {one.source}", value)


def _everything() -> str:
    columns = [name for name in SETS if any(name in one.accuracy for one in PUBLISHED)]
    heads = ("published: model", "by", "trained on", *columns, "total", "of", "note")
    return scrolling(table(heads, [_cells(one, columns) for one in PUBLISHED]), "published figures")


def _cells(one: Published, columns: Sequence[str]) -> list[str]:
    figures = [f"{one.accuracy[name]:.1f}" if name in one.accuracy else "" for name in columns]
    total = "" if one.total is None else f"{one.total:.2f}"
    return [one.model, one.source, one.training or "not stated", *figures, total, one.benchmark, one.note]
