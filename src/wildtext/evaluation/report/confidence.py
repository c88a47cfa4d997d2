"""How far the confidence of models can be trusted."""

from __future__ import annotations

from html import escape

from wildtext.evaluation.report.charts import coverage_chart, reliability_diagram, swatch
from wildtext.evaluation.report.markup import scrolling, table
from wildtext.evaluation.report.study import Study
from wildtext.evaluation.wording import counted


def confidence(study: Study) -> str:
    """The whole section."""
    diagrams = "".join(_diagram(study, model) for model in range(len(study.models)))
    curves = {name: found.curve for name, found in zip(study.models, study.reliabilities, strict=True)}
    legend = "".join(f"<li>{swatch(number)}{escape(name)}</li>" for number, name in enumerate(study.models))
    return (
        '<p class="note">A model that knows how sure it may be has its points on the dashed line; below it, it is '
        "surer than it should be. The last chart shows what is gained where the least confident readings are refused."
        f'</p><div class="plots">{diagrams}<figure><figcaption>Accuracy against coverage</figcaption>'
        f'{coverage_chart(curves, identifier="coverage")}<ul class="legend">{legend}</ul></figure></div>'
        f"{_thresholds(study)}"
    )


def _diagram(study: Study, model: int) -> str:
    found = study.reliabilities[model]
    title = f"Reliability of {study.models[model]}"
    name = study.models[model] if study.several else "Reliability"
    diagram = reliability_diagram(found.bins, title=title, colour=model, identifier=f"reliability{model}")
    return (
        f"<figure><figcaption>{escape(name)} <small>calibration error {100 * found.calibration_error:.1f} %</small>"
        f"</figcaption>{diagram}</figure>"
    )


def _thresholds(study: Study) -> str:
    heads = ("model", "wanted right", "keep confidence from", "keeps", "of them right")
    rows = [
        [
            name,
            f"{100 * target:g} %",
            f"{100 * cut.confidence:.1f} %",
            f"{100 * cut.coverage:.1f} % ({counted(cut.images, 'image')})",
            f"{cut.accuracy:.2f} % ({cut.interval[0]:.1f} to {cut.interval[1]:.1f})",
        ]
        for name, found in zip(study.models, study.reliabilities, strict=True)
        for target, cut in found.thresholds.items()
    ]
    if not rows:
        return "<p>No threshold of the confidence keeps only readings of which 95 % are right.</p>"
    note = '<p class="note">Thresholds were chosen on these very images; others will be read a little worse.</p>'
    return scrolling(table(heads, rows), "thresholds of the confidence") + note
