"""All figures with what they mean, and how to get them again."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wildtext.evaluation.metrics import BINS
from wildtext.evaluation.report.grids import as_html
from wildtext.evaluation.report.markup import scrolling, table
from wildtext.evaluation.report.study import Study
from wildtext.evaluation.speed import Speed
from wildtext.evaluation.tables import accuracies, coverage, measures, totals

_MEANINGS = {
    "images": "All of them count; those that could not be decoded count as wrong.",
    "accuracy": "Share of the images whose whole text was read as the label has it, under the protocol.",
    "95 % interval": "95 % interval of the accuracy (Wilson 1927): what to expect of other images of the same kind.",
    "images/s": "Images that were read in a second; none where all readings were at hand.",
    "1-NED": "Mean of 1 - edits / length of the longer of label and text.",
    "by label": "Mean of 1 - edits / length of the label.",
    "CER": "Character error rate: edits of all images together over characters of all labels together.",
    "confidence": "Mean probability that the model gives to its readings.",
    "ECE": f"Expected calibration error: mean distance of confidence and accuracy over {BINS} bins of equal width "
    "(Guo et al. 2017).",
    "empty": "Labels without a character of the protocol; an empty reading of them counts as right.",
    "unreadable": "Pictures that could not be decoded.",
}


def details(study: Study, speeds: Sequence[Speed], command: str) -> str:
    """The whole section."""
    again = f"<h3>The same again</h3><pre><code>{escape(command)}</code></pre>" if command else ""
    return _everything(study) + _speeds(study, speeds) + again


def _everything(study: Study) -> str:
    """The tables that all formats have, and what their columns mean."""
    grids = (table_of(study.summary) for table_of in (accuracies, totals, measures, coverage))
    meanings = "".join(f"<dt>{name}</dt><dd>{meaning}</dd>" for name, meaning in _MEANINGS.items())
    return f'{"".join(as_html(grid) for grid in grids if grid.rows)}<dl class="meanings">{meanings}</dl>'


def _speeds(study: Study, speeds: Sequence[Speed]) -> str:
    """What reading costs, model by model."""
    if not speeds:
        return ""
    columns = [dict(speed.rows()) for speed in speeds]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[name, *(column.get(name, "") for column in columns)] for name in names]
    return f"<h3>Speed and size</h3>{scrolling(table(['', *study.models], rows), 'speed and size')}"
