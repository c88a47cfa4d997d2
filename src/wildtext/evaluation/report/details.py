"""All figures with what they mean, and how to get them again."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wildtext.evaluation.metrics import BINS, Metrics
from wildtext.evaluation.report.markup import scrolling, table
from wildtext.evaluation.report.study import Study
from wildtext.evaluation.speed import Speed

_MEANINGS = {
    "images": "All of them count; those that could not be decoded count as wrong.",
    "accuracy": "Share of the images whose whole text was read as the label has it, under the protocol.",
    "interval": "95 % interval of the accuracy (Wilson 1927): what to expect of other images of the same kind.",
    "1-NED": "Mean of 1 - edits / length of the longer of label and text.",
    "1-NED, label": "Mean of 1 - edits / length of the label.",
    "CER": "Character error rate: edits of all images together over characters of all labels together.",
    "confidence": "Mean probability that the model gives to its readings.",
    "ECE": f"Expected calibration error: mean distance of confidence and accuracy over {BINS} bins of equal width "
    "(Guo et al. 2017).",
    "at 80 %": "Accuracy of the 80 % of the images that the model is most confident of.",
    "empty": "Labels without a character of the protocol; an empty reading of them counts as right.",
    "undecoded": "Pictures that could not be decoded.",
}


def details(study: Study, speeds: Sequence[Speed], command: str) -> str:
    """The whole section."""
    again = f"<h3>The same again</h3><pre><code>{escape(command)}</code></pre>" if command else ""
    return _everything(study) + _speeds(study, speeds) + again


def _everything(study: Study) -> str:
    """The table of all figures, and what its columns mean."""
    rows = [
        [study.sets[number], study.models[model], *_figures(results[number].metrics)]
        for number in range(len(study.sets))
        for model, results in enumerate(study.results)
    ]
    if len(study.sets) > 1:
        pooled = zip(study.models, study.metrics, strict=True)
        rows += [["all images", name, *_figures(found)] for name, found in pooled]
    meanings = "".join(f"<dt>{name}</dt><dd>{meaning}</dd>" for name, meaning in _MEANINGS.items())
    return f'{scrolling(table(["data", "model", *_MEANINGS], rows), "all figures")}<dl class="meanings">{meanings}</dl>'


def _figures(found: Metrics) -> list[str]:
    return [
        f"{found.images:,}",
        f"{found.accuracy:.2f} %",
        f"{found.interval[0]:.2f} to {found.interval[1]:.2f}",
        f"{found.similarity:.4f}",
        f"{found.similarity_by_label:.4f}",
        f"{100 * found.character_error_rate:.2f} %",
        f"{100 * found.confidence:.2f} %",
        f"{100 * found.calibration_error:.2f} %",
        f"{found.coverage[0.8]:.2f} %",
        f"{found.empty:,}",
        f"{found.unreadable:,}",
    ]


def _speeds(study: Study, speeds: Sequence[Speed]) -> str:
    """What reading costs, model by model."""
    if not speeds:
        return ""
    columns = [dict(speed.rows()) for speed in speeds]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[name, *(column.get(name, "") for column in columns)] for name in names]
    return f"<h3>Speed and size</h3>{scrolling(table(['', *study.models], rows), 'speed and size')}"
