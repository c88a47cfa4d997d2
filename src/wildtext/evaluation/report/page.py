"""Write the report of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from wildtext.data import LabelledSource
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.language import LanguageReliance
from wildtext.evaluation.properties import Properties
from wildtext.evaluation.report.characters import characters
from wildtext.evaluation.report.confidence import confidence
from wildtext.evaluation.report.details import details
from wildtext.evaluation.report.gallery import gallery
from wildtext.evaluation.report.language import language_reliance
from wildtext.evaluation.report.markup import BASE_STYLE, document
from wildtext.evaluation.report.overview import accuracy, tiles
from wildtext.evaluation.report.robustness import robustness_charts
from wildtext.evaluation.report.study import Groups, Study
from wildtext.evaluation.report.why import why
from wildtext.evaluation.results import Summary
from wildtext.evaluation.robustness import Robustness
from wildtext.evaluation.speed import Speed
from wildtext.evaluation.wording import counted
from wildtext.files import replacing
from wildtext.inference.recognizer import Recognizer

MOST_BYTES = 9_000_000
"""Most bytes of the file; where there is more to show, the gallery is shortened."""

_FRAME_BYTES = 100_000
"""Room for what stands around the sections: head, links, style and script."""

_NAMED = 4
"""Models or data sets that a title names; it counts more of them."""

_STYLE = Path(__file__).with_name("report.css")
_SCRIPT = Path(__file__).with_name("report.js")


def write_report(
    out: Path,
    results: Sequence[Sequence[Result]],
    sources: Sequence[LabelledSource],
    recognizers: Sequence[Recognizer],
    *,
    protocol: str,
    properties: Sequence[Sequence[Properties | None]],
    speeds: Sequence[Speed] = (),
    robustness: Sequence[Robustness] = (),
    language: Sequence[LanguageReliance] = (),
    conditions: Mapping[str, str] = {},
    command: str = "",
) -> Path:
    """Write one HTML file that shows how well models read, and why they fail; a reader never sees half of it.

    Args:
        out: the file.
        results: by model, then by data set; at least one of each, all models on the same images in the same order.
        sources: the data sets, which the pictures come from.
        recognizers: the models, which say where they read the characters of the images that are shown.
        protocol: what counted as the same text, see `wildtext.evaluation.metrics.comparable`.
        properties: by data set, those of every image that was judged; None where it could not be decoded.
        speeds: of each model; empty where they were not measured.
        robustness: by model, what corruptions do to it; empty where that was not measured.
        language: by model, what it reads of words and of random strings; empty where that was not measured.
        conditions: what else the figures depend on, see `Summary.conditions`.
        command: what makes the report again.

    Returns:
        `out`.

    Raises:
        DataError: the file cannot be written.
    """
    summary = Summary(results, protocol, [one.runtime.name for one in recognizers], conditions)
    study = Study(summary, sources, recognizers, properties)
    further = {}
    if robustness:
        further["robustness"] = ("Robustness", robustness_charts(robustness))
    if language:
        further["language"] = ("Language", language_reliance(language))
    further["details"] = ("Details", details(study, speeds, command))
    with replacing(out) as unfinished:
        # Labels may hold halves of characters, which UTF-8 cannot.
        unfinished.write_text(_page(study, further), encoding="utf-8", errors="replace")
    return out


_Sections = dict[str, tuple[str, str]]
"""Title and content by identifier."""


def _page(study: Study, further: _Sections) -> str:
    groups = Groups()
    sections: _Sections = {
        "accuracy": ("Accuracy", accuracy(study)),
        "why": ("Why it fails", why(study, groups)),
        "characters": ("Characters", characters(study, groups)),
        "confidence": ("Confidence", confidence(study)),
        "gallery": ("Images", ""),
        **further,
    }
    room = MOST_BYTES - sum(len(content.encode(errors="replace")) for _, content in sections.values()) - _FRAME_BYTES
    sections["gallery"] = ("Images", gallery(study, groups, room))
    links = "".join(f'<a href="#{identifier}">{title}</a>' for identifier, (title, _) in sections.items())
    parts = "".join(
        f'<section id="{identifier}"><h2>{title}</h2>{content}</section>'
        for identifier, (title, content) in sections.items()
    )
    title = f"{_listed(study.models, 'model')} on {_listed(study.sets, 'data set')}"
    head = f"<header><h1>{escape(title)}</h1>{_summary(study)}{tiles(study)}</header>"
    body = f'{head}<nav aria-label="sections">{links}</nav><main>{parts}</main>'
    return document(f"{title}: evaluation report", body, styles=(BASE_STYLE, _STYLE), script=_SCRIPT)


def _listed(names: Sequence[str], noun: str) -> str:
    """A few names, or how many there are."""
    return ", ".join(names) if len(names) <= _NAMED else counted(len(names), noun)


def _summary(study: Study) -> str:
    summary = study.summary
    images = counted(sum(len(result.judged) for result in study.results[0]), "image")
    return (
        f"<p>{images}, {escape(summary.rules)}, read with {escape(', '.join(sorted(set(summary.runtimes))))}, "
        f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}.</p>"
    )
