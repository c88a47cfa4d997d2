"""Measure a recogniser on labelled images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from wildtext.codecs import Lexicon
from wildtext.data.source import LabelledSource, Progress, texts
from wildtext.errors import ConfigError, DataError, ImageError, SampleError
from wildtext.evaluation.cache import Cache, content_key, from_json, to_json
from wildtext.evaluation.metrics import Metrics, comparable, measure
from wildtext.evaluation.readings import Judged, Reading, judge
from wildtext.inference.recognizer import Recognizer
from wildtext.types import Prediction


@dataclass(frozen=True)
class Result:
    """One model on one data set.

    Attributes:
        model: what the model is called.
        data: name of the data set.
        judged: every image that counts, in the order of the data set.
        fresh: how many images were read now; readings of the others were at hand.
        seconds: that it took to read those, decoding of images included.
    """

    model: str
    data: str
    judged: tuple[Judged, ...]
    fresh: int
    seconds: float

    @cached_property
    def metrics(self) -> Metrics:
        """What the readings are worth."""
        return measure(self.judged)

    @property
    def unreadable(self) -> list[str]:
        """Messages of the images that could not be decoded."""
        return [one.reading.problem for one in self.judged if one.reading.prediction is None]


def evaluate(
    recognizer: Recognizer,
    source: LabelledSource,
    *,
    protocol: str = "36",
    batch_size: int = 64,
    model: str = "",
    cache: Cache | None = None,
    keeps: Callable[[str], bool] | None = None,
    lexicons: Callable[[int], Lexicon] | None = None,
    beam: int = 0,
    progress: Progress | None = None,
) -> Result:
    """Read every image of a source and compare with its label.

    Reading and label are both brought to what the protocol compares (36 folds case and accents), then compared for
    equality. No image is left out: one that cannot be decoded, or whose label cannot be had, counts as wrong.

    Args:
        recognizer: what reads.
        source: labelled images.
        protocol: see `wildtext.evaluation.metrics.comparable`.
        batch_size: images that go through the network together; it does not change the result.
        model: what the model is called.
        cache: readings of earlier calls by the same model and with the same options, see `readings_purpose`; new ones
            are added. Readings from a lexicon are neither taken from it nor added.
        keeps: says by its stored label whether a sample counts; None counts all.
        lexicons: gives for the index of a sample the words, one of which it is read as, see `Recognizer.decode`.
        beam: see `Recognizer.decode`.
        progress: is told after each image.

    Raises:
        ConfigError: `batch_size` is below 1, there is no such protocol, or nothing that a beam could search.
        DataError: the source is empty, or no sample of it counts.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, not {batch_size}")
    if source.size == 0:
        raise DataError(f"{source.name} has no samples to evaluate")
    shared = comparable(protocol, recognizer.bundle.charset)
    fresh, seconds, readings = 0, 0.0, []
    labels = list(texts(source))
    chosen = [index for index, text in enumerate(labels) if keeps is None or (isinstance(text, str) and keeps(text))]
    if not chosen:
        raise DataError(f"{source.name}: the filter leaves none of its {source.size} samples")
    for start in range(0, len(chosen), batch_size):
        chunk = chosen[start : start + batch_size]
        found, new, took = _read(recognizer, source, chunk, None if lexicons else cache, lexicons, beam)
        fresh, seconds = fresh + new, seconds + took
        for index in chunk:
            readings.append(_reading(index, source.where(index), labels[index], found[index]))
            if progress is not None:
                progress(len(readings), len(chosen))
    return Result(model, source.name, judge(readings, shared), fresh, seconds)


def _reading(index: int, where: str, label: str | SampleError, found: Prediction | str) -> Reading:
    if isinstance(label, SampleError):
        return Reading(index, where, "", None, str(label))
    return Reading(index, where, label, *((None, found) if isinstance(found, str) else (found, "")))


def _read(
    recognizer: Recognizer,
    source: LabelledSource,
    indices: Sequence[int],
    cache: Cache | None,
    lexicons: Callable[[int], Lexicon] | None,
    beam: int,
) -> tuple[dict[int, Prediction | str], int, float]:
    """What is read in samples, or why nothing can be; how many of them were read now, and the seconds it took."""
    contents: dict[int, bytes] = {}
    results: dict[int, Prediction | str] = {}
    for index in indices:
        try:
            contents[index] = source.content(index)
        except SampleError as error:
            results[index] = str(error)
    keys = {index: content_key(content) for index, content in contents.items()} if cache else {}
    kept = cache.get(keys.values()) if cache else {}
    results |= {index: from_json(kept[key]) for index, key in keys.items() if key in kept}
    missing = [index for index in contents if index not in results]
    began = time.perf_counter()
    observed = recognizer.observe((contents[index] for index in missing), batch_size=len(indices))
    for index, seen in zip(missing, observed, strict=True):
        if isinstance(seen, ImageError):
            results[index] = f"{source.where(index)}: {seen}"
        else:
            results[index] = recognizer.decode(seen, lexicon=lexicons(index) if lexicons else None, beam=beam)
    seconds = time.perf_counter() - began
    if cache:
        new = {index: results[index] for index in missing}
        cache.put({keys[index]: to_json(value) for index, value in new.items() if isinstance(value, Prediction)})
    return results, len(missing), seconds
