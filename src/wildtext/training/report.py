"""The report of a training run: one HTML file that needs nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from wildtext.evaluation.report.markup import BASE_STYLE, differing, document, marked, table, tile
from wildtext.evaluation.statistics import wilson_interval
from wildtext.files import replacing
from wildtext.images.encode import data_uri
from wildtext.training.curves import Curves, draw, number
from wildtext.training.duration import duration
from wildtext.training.history import History, read_history
from wildtext.training.mistakes import Mistake

FILE = "report.html"

_STYLE = Path(__file__).with_name("report.css")
_SCRIPT = Path(__file__).with_name("report.js")

_ENDS = {
    "done": "All steps were done.",
    "request": "Stopped before its last step, by a time limit or a request; --resume goes on.",
    "patience": "Stopped early, since measurements no longer got better.",
}
_NO_END = "It has not come to an end: it is still running, or was interrupted; --resume goes on."

_RATES = {"images_per_second": "trained", "rendered_per_second": "rendered"}

_PICTURES = {"image": "labelled {}", "places": "where the characters of {} were found"}
"""Pictures of a mistake, and how they are described to those who do not see them."""


def write_report(folder: Path) -> Path:
    """Write `report.html` into the folder of a run, which may still be going on; a reader never sees half of it.

    Returns:
        Its path.

    Raises:
        TrainingError: the folder holds no run, or one of its files is damaged.
        DataError: the file cannot be written.
    """
    run = read_history(folder)
    out = folder / FILE
    with replacing(out) as unfinished:
        unfinished.write_text(_page(run, run.recipe.get("name") or folder.resolve().name), encoding="utf-8")
    return out


def _page(run: History, name: str) -> str:
    body = (
        f"<header><h1>{escape(name)}</h1>{_summary(run)}</header>\n<main>{_tiles(run)}\n"
        f"<h2>Curves</h2>\n{_curves(run)}\n<h2>Accuracy</h2>\n{_accuracy(run)}\n<h2>Samples</h2>\n{_samples(run)}\n"
        f"<h2>Mistakes</h2>\n{_mistakes(run)}\n<h2>Recipe</h2>\n{_recipe(run.recipe)}</main>"
    )
    return document(f"{name}: training report", body, styles=(BASE_STYLE, _STYLE), script=_SCRIPT)


def _summary(run: History) -> str:
    """What was trained on what, and how it ended."""
    model, data = run.recipe.get("model", {}), run.recipe.get("data", {})
    sentences = []
    if "name" in model:
        start = f"from {model['init']}" if model.get("init") else "from nothing"
        sentences.append(f"{model['name']}, trained {start}")
    measured = [
        *data.get("validation", ()),
        *([f"{held:,} held-out images"] if (held := run.plan.get("held_out")) else []),
    ]
    for title, names in (("on", data.get("train")), ("measured with", measured)):
        if names:
            sentences.append(f"{title} {', '.join(map(str, names))}")
    end = _ENDS.get(run.end, run.end) if run.end else _NO_END
    text = f"<p>{escape(', '.join(sentences))}</p><p>{escape(end)}</p>"
    if run.damaged:
        text += f'<p class="note">Lines of log.jsonl that are unfinished or damaged, and left out: {run.damaged}.</p>'
    return text


def _tiles(run: History) -> str:
    if not run.records:
        return "<p>Nothing has been logged yet.</p>"
    last = run.records[-1]
    steps, rates = run.recipe.get("loop", {}).get("steps"), run.values("images_per_second")
    tiles = [_accuracy_tile(run)] if run.scored else []
    tiles.append(tile("Time", duration(last.get("seconds", 0)), "measurements included"))
    tiles.append(tile("Steps", f"{last['step']:,}", f"of {steps:,}" if steps else ""))
    tiles.append(tile("Images", f"{last.get('images', 0):,}", "every use of an image counts"))
    if rates:
        tiles.append(tile("Rate", f"{number(round(median(rates), 1))} images/s", "median of the lines of the log"))
    return f'<dl class="tiles">{"".join(tiles)}</dl>'


def _accuracy_tile(run: History) -> str:
    first, best, count = run.scored[0], run.best, _measured_images(run)
    value, note = f"{best['score']:.2f} %", f"step {best['step']:,}{_interval(best['score'], count)}"
    if first["step"] < best["step"]:
        start = "before" if first["step"] == 0 else f"step {first['step']:,}"
        value = f"{first['score']:.2f} % → {value}"
        note = f"{start}{_interval(first['score'], count)} → best, {note}"
    elif len(run.scored) > 1:
        note += f", and nothing better came later; last {run.scored[-1]['score']:.2f} %"
    if count:
        note += f"; 95 % interval, {count:,} images"
    return tile("Word accuracy", value, note, wide=True)


def _measured_images(run: History) -> int:
    """How many images every measurement read; 0 where the run does not say."""
    others = run.recipe.get("data", {}).get("validation")
    return int(run.plan.get("validation") or (0 if others else run.plan.get("held_out")) or 0)


def _interval(score: float, count: int) -> str:
    if not count:
        return ""
    low, high = wilson_interval(score / 100 * count, count)
    return f" ({100 * low:.1f} to {100 * high:.1f})"


def _curves(run: History) -> str:
    """All curves that the log has values for."""
    candidates = [
        _columns(run, "Loss", {"loss": "loss"}, log=True),
        _accuracy_curves(run),
        _columns(run, "Learning rate", {"learning_rate": "learning rate"}),
        _columns(run, "Rate", _RATES, unit="images/s", from_zero=True),
        _columns(run, "Waiting for data", {"data_wait": "of the time"}, unit="%", factor=100, from_zero=True),
        _columns(run, "Norm of the gradient", {"gradient_norm": "before clipping"}, log=True),
    ]
    drawn = [draw(one, f"chart{place}") for place, one in enumerate(candidates) if np.isfinite(one.values).any()]
    if not drawn:
        return "<p>There are no numbers to draw yet.</p>"
    hint = "All by step. Point at a curve, or choose it with the tab key and use the arrow keys, to see its values."
    return f'<p class="note">{hint}</p><div class="charts">{"".join(drawn)}</div>'


def _columns(run: History, title: str, keys: Mapping[str, str], **options: Any) -> Curves:
    """Curves of keys of the log's records, each with its name for people; those that no record has are left out."""
    present = {key: name for key, name in keys.items() if any(key in record for record in run.records)}
    rows = {
        record["step"]: [record.get(key) for key in present] for record in run.records if present.keys() & record.keys()
    }
    return Curves.of(title, tuple(present.values()), rows, **options)


def _accuracy_curves(run: History) -> Curves:
    sets = run.data_sets
    pooled = ["score"] if len(sets) > 1 and run.scored else []
    rows = {
        record["step"]: [record["accuracy"].get(name) for name in sets] + [record.get(key) for key in pooled]
        for record in run.measurements
    }
    names = (*sets, *("all together" for _ in pooled))
    marks = {int(run.best["step"]): "best"} if len(run.scored) > 1 else {}
    return Curves.of("Word accuracy", names, rows, unit="%", marks=marks)


def _accuracy(run: History) -> str:
    """Every data set at the first, the best and the last measurement."""
    measured = run.measurements
    if not measured:
        return "<p>Nothing was measured: the recipe names no validation data, or no measurement was due yet.</p>"
    chosen = {"before" if measured[0]["step"] == 0 else "first": measured[0]}
    if run.scored:
        chosen["best"] = run.best
    chosen["last"] = measured[-1]
    heads = ["data", *(f"{title} (step {record['step']:,})" for title, record in chosen.items())]
    rows = [[name, *(_percent(record["accuracy"].get(name)) for record in chosen.values())] for name in run.data_sets]
    if len(rows) > 1 and "best" in chosen:
        rows.append(["all together", *(_percent(record.get("score")) for record in chosen.values())])
    note = (
        '<p class="note">The best of several measurements was chosen with these very images, and so it flatters a '
        "little; <code>wildtext evaluate</code> on images that had no part in it says what to expect.</p>"
    )
    return table(heads, rows) + (note if "best" in chosen and len(measured) > 1 else "")


def _percent(value: float | None) -> str:
    return "none" if value is None or not math.isfinite(value) else f"{value:.2f} %"


def _samples(run: History) -> str:
    """What was used of the data, and what was left out for which reason."""
    parts = []
    if samples := run.plan.get("samples"):
        rows = [[one["source"], *map(_count, (one["usable"], one["total"])), _reasons(one)] for one in samples]
        parts.append(f'<div class="samples">{table(("source", "used", "of", "left out"), rows)}</div>')
    else:
        parts.append("<p>The run has no plan that says which samples were used.</p>")
    if run.plan.get("held_out"):
        parts.append(f"<p>Held out for validation: {_count(run.plan['held_out'])}.</p>")
    for title, key in (("Characters", "charset"), ("New to the model", "new_characters")):
        if run.plan.get(key):
            parts.append(f"<p>{title}: <code><bdi>{escape(str(run.plan[key]))}</bdi></code></p>")
    for title, key in (("Samples skipped while training", "skipped_samples"), ("Steps skipped", "skipped_steps")):
        if skipped := sum(run.values(key)):
            parts.append(f"<p>{title}: {_count(skipped)}.</p>")
    return "".join(parts)


def _count(value: float | None) -> str:
    return "endless" if value is None else f"{value:,.0f}"


def _reasons(sample: Mapping[str, Any]) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in sample.get("dropped", {}).items()) or "nothing"


def _mistakes(run: History) -> str:
    if not run.mistakes:
        return "<p>None were kept.</p>"
    fold = run.recipe.get("data", {}).get("protocol") == "36"
    cards = "".join(_card(mistake, fold) for mistake in run.mistakes)
    return (
        '<p class="note">Validation images that were read wrong, those first of which the model was most sure. The '
        "second picture shows where it found each character: red is the first, violet the last.</p>"
        f'<div class="mistakes">{cards}</div>'
    )


def _card(mistake: Mistake, fold: bool) -> str:
    pictures = "".join(
        f'<img alt="{escape(what.format(text))}" src="{data_uri(getattr(mistake, name), "jpeg")}">'
        for (name, what), text in zip(_PICTURES.items(), (mistake.truth, mistake.reading), strict=True)
        if getattr(mistake, name)
    )
    missed, added = differing(mistake.truth, mistake.reading, str.casefold if fold else str)
    return (
        f"<figure>{pictures}<figcaption><dl><dt>label</dt><dd>{marked(mistake.truth, missed)}</dd><dt>reading</dt>"
        f"<dd>{marked(mistake.reading, added)}</dd><dt>sure</dt><dd>{mistake.confidence:.1%}</dd>"
        f"<dt>data</dt><dd>{escape(mistake.source)}</dd></dl></figcaption></figure>"
    )


def _recipe(recipe: Mapping[str, Any]) -> str:
    """Every value, by section."""
    if not recipe:
        return "<p>The run has no recipe.json.</p>"
    loose = {key: value for key, value in recipe.items() if not isinstance(value, dict)}
    sections = {"run": loose, **{key: value for key, value in recipe.items() if isinstance(value, dict)}}
    return "".join(
        f"<details><summary>{escape(title)}</summary>"
        f'<div class="words">{table(("key", "value"), list(_flat(values)))}</div></details>'
        for title, values in sections.items()
        if values
    )


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[list[str]]:
    """Keys with dots and their values, as a recipe writes them."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield [before + key, json.dumps(value, ensure_ascii=False)]
