"""How much models lean on language, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wildtext.evaluation.language import LanguageReliance
from wildtext.evaluation.report.charts import Bar, side_by_side
from wildtext.evaluation.wording import counted


def language_reliance(found: Sequence[LanguageReliance]) -> str:
    """Accuracy on words beside that on random strings that look the same, and what the difference is.

    Args:
        found: by model, at least one, all on the same words and strings.
    """
    images = counted(len(found[0].words.judged), "image")
    bars = "".join(
        side_by_side(
            name,
            images,
            [
                Bar(result.model, result.metrics.accuracy, result.metrics.interval, "", model)
                for model, result in enumerate(results)
            ],
        )
        for name, results in (
            ("words", [one.words for one in found]),
            ("random strings", [one.strings for one in found]),
        )
    )
    told = "".join(f"<li>{escape(_told(one))}</li>" for one in found)
    return (
        '<p class="note">Drawn words and random strings of the same letters, look and length: what a model reads worse '
        f"without sense, it guesses from language.</p>{bars}<ul>{told}</ul>"
    )


def _told(one: LanguageReliance) -> str:
    low, high = one.interval
    return f"{one.words.model}: language is worth {one.difference:+.1f} points ({low:+.1f} to {high:+.1f})"
