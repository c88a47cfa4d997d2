"""The section that says why models fail: on everything, and on each data set."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from statistics import median

from wildtext.evaluation.confusions import Confusion, count_confusions
from wildtext.evaluation.report.characters import in_short
from wildtext.evaluation.report.charts import gallery_link, swatch
from wildtext.evaluation.report.markup import scrolling, table
from wildtext.evaluation.report.study import Groups, Part, Study
from wildtext.evaluation.report.weaknesses import kinds_of_errors, multiples, weaknesses_of
from wildtext.evaluation.wording import counted

_CONFUSIONS = 8
"""Most confusions that are told of a model on a data set."""

_UNFOLDED = 3
"""So many of the hardest data sets show their reasons without a press."""

_PICTURES = 8
"""Most pictures that the script shows beside reasons."""


def why(study: Study, groups: Groups) -> str:
    """The whole section."""
    everything = study.everything
    return (
        "<h3>Where most is lost</h3>"
        '<p class="note">Bars are shares of all errors, strokes across them shares of the images: where a bar reaches '
        "beyond its stroke, more is lost than elsewhere. Press anything to see its errors.</p>"
        f"{_by_model(study, weaknesses_of(everything, study, groups))}"
        f"{_strip()}<h3>What the errors are</h3>{_by_model(study, kinds_of_errors(everything, study, groups))}"
        "<h3>Accuracy by what images and labels are like</h3>"
        f'<p class="note">Whiskers are 95 % intervals.</p>{multiples(everything, study, groups)}'
        f"{_sets(study, groups) if len(study.pooled) > 1 else ''}"
    )


def _by_model(study: Study, parts: Iterable[str]) -> str:
    """What is told of each model, side by side, below its name where there are several."""
    heads = [f"<h4>{swatch(model)}{escape(name)}</h4>" for model, name in enumerate(study.models)]
    columns = (f"<div>{head if study.several else ''}{part}</div>" for head, part in zip(heads, parts, strict=True))
    return f'<div class="columns">{"".join(columns)}</div>'


def _sets(study: Study, groups: Groups) -> str:
    """What every data set is like, and for each of them, the hardest first, why it is not read."""
    order = sorted(study.pooled, key=lambda number: study.results[0][number].metrics.accuracy)
    details = "".join(_set(study, number, groups, unfolded=place < _UNFOLDED) for place, number in enumerate(order))
    return f"<h3>Data set by data set</h3>{_alike(study)}{details}"


def _strip(among: str = "") -> str:
    """Room for the errors that models are most sure of, among some images, which the script fills with pictures."""
    return (
        '<p class="note">Errors that models were most sure of, whatever the reason:</p>'
        f'<div class="strip" data-show="confident&amp;{escape(among)}" data-most="{_PICTURES}"></div>'
    )


def _alike(study: Study) -> str:
    """Medians of what images are like."""
    heads = ("data", "images", "height, px", "width / height", "contrast", "blur, px", "slope, °", "label, characters")
    rows = []
    for number, properties in enumerate(study.by_set):
        known = [one for one in properties if one is not None]
        result = study.results[0][number]
        rows.append(
            [
                study.sets[number],
                f"{len(result.judged):,}",
                _middle((one.height for one in known), 0),
                _middle((one.aspect for one in known), 1),
                _middle((one.contrast for one in known), 2),
                _middle((one.blur for one in known), 1),
                _middle((None if one.slope is None else abs(one.slope) for one in known), 1),
                _middle((len(one.truth) for one in result.judged), 0),
                *(f"{results[number].metrics.accuracy:.1f} %" for results in study.results),
            ]
        )
    accuracies = study.models if study.several else ("accuracy",)
    note = '<p class="note">What images are like: medians; of the slope without its sign.</p>'
    return note + scrolling(table([*heads, *accuracies], rows), "what data sets are like")


def _middle(values: Iterable[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):.{digits}f}" if known else "none"


def _set(study: Study, number: int, groups: Groups, *, unfolded: bool) -> str:
    part, name = study.part(number), escape(study.sets[number])
    accuracies = ", ".join(f"{results[number].metrics.accuracy:.1f} %" for results in study.results)
    reasons = zip(
        (_counts(part, number, model) for model in range(len(study.models))),
        kinds_of_errors(part, study, groups),
        weaknesses_of(part, study, groups),
        (_pairs(part, model, study, groups) for model in range(len(study.models))),
        strict=True,
    )
    columns = [
        f'{count}<div class="columns"><div>{kinds}</div><div>{ranked}{pairs}</div></div>'
        for count, kinds, ranked, pairs in reasons
    ]
    summary = f"<summary>By what images and labels of {name} are like</summary>"
    further = f"<details>{summary}{multiples(part, study, groups)}</details>"
    return (
        f'<details class="set"{" open" if unfolded else ""}><summary><b>{name}</b> {accuracies}</summary>'
        f"{_by_model(study, columns)}{_strip(part.among)}{further}</details>"
    )


def _counts(part: Part, number: int, model: int) -> str:
    errors = sum(not one.correct for one in part.judged[model])
    link = gallery_link(counted(errors, "error"), f"set={number}&model={model}")
    return f"<p>{link} in {counted(len(part.judged[model]), 'image')}</p>"


def _pairs(part: Part, model: int, study: Study, groups: Groups) -> str:
    """The most frequent confusions in few letters."""
    pairs = [pair for pair in count_confusions(part.judged[model]).pairs if pair.count > 1][:_CONFUSIONS]
    items = "".join(f"<li>{_pair(pair, part, model, study, groups)}</li>" for pair in pairs)
    return f'<ul class="pairs">{items}</ul>' if pairs else ""


def _pair(pair: Confusion, part: Part, model: int, study: Study, groups: Groups) -> str:
    chosen = groups.add("confusion", study.confusion(pair, model), part.places(pair.places))
    return gallery_link(f"{in_short(pair)} {pair.count:,}", part.among + chosen)
