"""How well models read: data set by data set, in total, and beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from wildtext.evaluation.metrics import Metrics
from wildtext.evaluation.report.charts import Bar, gallery_link, side_by_side, swatch
from wildtext.evaluation.report.grids import as_html
from wildtext.evaluation.report.markup import tile
from wildtext.evaluation.report.published import beside_published
from wildtext.evaluation.report.study import Study
from wildtext.evaluation.tables import comparisons
from wildtext.evaluation.wording import counted


def tiles(study: Study) -> str:
    """The figures to remember."""
    if study.several:
        parts = [_model_tile(name, metrics) for name, metrics in zip(study.models, study.metrics, strict=True)]
    else:
        (found,) = study.metrics
        sure = f"mean confidence {100 * found.confidence:.1f} %; expected calibration error"
        parts = [
            tile("Word accuracy", f"{found.accuracy:.2f} %", _interval(found)),
            tile("Images", f"{found.images:,}", f"{found.images - found.correct:,} of them read wrong"),
            tile("Character error rate", f"{100 * found.character_error_rate:.2f} %", f"1-NED {found.similarity:.4f}"),
            tile("Calibration error", f"{100 * found.calibration_error:.2f} %", sure),
        ]
    return f'<dl class="tiles">{"".join(parts)}</dl>'


def _model_tile(name: str, found: Metrics) -> str:
    note = (
        f"{_interval(found)}. Character error rate {100 * found.character_error_rate:.2f} %, "
        f"calibration error {100 * found.calibration_error:.2f} %, {counted(found.images, 'image')}"
    )
    return tile(name, f"{found.accuracy:.2f} %", note)


def _interval(found: Metrics) -> str:
    return f"95 % interval {found.interval[0]:.1f} to {found.interval[1]:.1f}"


def accuracy(study: Study) -> str:
    """The whole section."""
    return f"{_legend(study)}{''.join(_sets(study))}{_totals(study)}{_comparison(study)}{beside_published(study)}"


def _legend(study: Study) -> str:
    names = "".join(f"<li>{swatch(number)}{escape(name)}</li>" for number, name in enumerate(study.models))
    return f'<ul class="legend">{names}</ul>' if study.several else ""


def _sets(study: Study) -> Iterator[str]:
    for number, name in enumerate(study.sets):
        found = [results[number].metrics for results in study.results]
        rows = [
            Bar(model, one.accuracy, one.interval, "", place, study.errors_of(number, place))
            for place, (model, one) in enumerate(zip(study.models, found, strict=True))
        ]
        yield side_by_side(name, counted(found[0].images, "image"), rows)


def _totals(study: Study) -> str:
    """The usual totals that the data is complete for, and all images together."""
    parts = []
    if study.summary.caution and study.summary.totals[0]:
        parts.append(f'<p class="note">{escape(study.summary.caution)}</p>')
    for row in zip(*study.summary.totals, strict=True):
        about = f"{counted(row[0].images, 'image')}; {row[0].benchmark.about}"
        values = zip(study.models, row, strict=True)
        rows = [Bar(model, one.accuracy, one.interval, "", place) for place, (model, one) in enumerate(values)]
        parts.append(side_by_side(row[0].benchmark.name, about, rows))
    if len(study.sets) > 1:
        left = [study.sets[number] for number in study.summary.left_out]
        without = f"; not counted again: {', '.join(left)}" if left else ""
        pooled = zip(study.models, study.metrics, strict=True)
        rows = [Bar(model, one.accuracy, one.interval, "", place) for place, (model, one) in enumerate(pooled)]
        parts.append(side_by_side("all images", f"{counted(study.metrics[0].images, 'image')}{without}", rows))
    return f"<h3>Totals</h3>{''.join(parts)}" if parts else ""


def _comparison(study: Study) -> str:
    """Every model beside the first one."""
    if not study.several:
        return ""
    differ = gallery_link("See the images where models differ", "", tab="differ")
    return f"<h3>Model against model</h3>{as_html(comparisons(study.summary))}<p>{differ}</p>"
