"""What models read in labelled images, and what that is worth under a protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidfuzz.distance import Levenshtein

from wildtext.files import replacing
from wildtext.types import Prediction

if TYPE_CHECKING:
    from wildtext.evaluation.evaluator import Result


@dataclass(frozen=True, slots=True)
class Reading:
    """One labelled image as one model read it.

    Attributes:
        index: of the sample in its source.
        where: what messages call the sample, e.g. the path of its image.
        truth: its label, as it is stored.
        prediction: what the model reads; None where the image cannot be decoded.
        problem: why it cannot; empty where it can.
    """

    index: int
    where: str
    truth: str
    prediction: Prediction | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A reading under a protocol.

    Attributes:
        reading: what is judged.
        truth: the label as the protocol compares it.
        text: the text that was read, likewise; empty where the image could not be decoded.
    """

    reading: Reading
    truth: str
    text: str

    @property
    def correct(self) -> bool:
        """Whether the image could be read and the two texts are equal."""
        return self.reading.prediction is not None and self.text == self.truth

    @property
    def confidence(self) -> float:
        """Of the reading, in [0, 1]; 0 where there is none."""
        return 0.0 if self.reading.prediction is None else self.reading.prediction.confidence

    @property
    def edits(self) -> int:
        """Insertions, deletions and substitutions of characters between the two texts (Levenshtein)."""
        return Levenshtein.distance(self.text, self.truth)


def judge(readings: Iterable[Reading], shared: Callable[[str], str]) -> tuple[Judged, ...]:
    """Bring labels and texts to what a protocol compares.

    Args:
        readings: of one model.
        shared: see `wildtext.evaluation.metrics.comparable`.
    """
    return tuple(
        Judged(reading, shared(reading.truth), shared(reading.prediction.text) if reading.prediction else "")
        for reading in readings
    )


def write_readings(out: Path, results: Iterable[Result]) -> None:
    """Write one line of JSON for every image of every result; a reader never sees half of the file.

    Raises:
        DataError: the file cannot be written.
    """
    with replacing(out) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        for result in results:
            for judged in result.judged:
                file.write(json.dumps(_record(result, judged), ensure_ascii=False) + "\n")


def _record(result: Result, judged: Judged) -> dict[str, Any]:
    reading = judged.reading
    return {
        "model": result.model,
        "data": result.data,
        "index": reading.index,
        "where": reading.where,
        "label": reading.truth,
        "reading": None if reading.prediction is None else reading.prediction.text,
        "confidence": judged.confidence,
        "rotation": 0 if reading.prediction is None else reading.prediction.rotation,
        "compared_label": judged.truth,
        "compared_reading": judged.text,
        "correct": judged.correct,
        "edits": judged.edits,
        "problem": reading.problem,
    }
