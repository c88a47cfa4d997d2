"""How much of each corruption a model bears: accuracy against strength, in the manner of ImageNet-C."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import mean
from typing import Any

import numpy as np

from wildtext.data.source import LabelledSource, Progress
from wildtext.data.subset import Subset, spread
from wildtext.errors import ConfigError
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.statistics import percent_interval
from wildtext.images.corruptions import CORRUPTIONS, STRENGTHS, checked, corrupt
from wildtext.images.encode import encode_png
from wildtext.types import Floats, Sample

IMAGES_PER_SET = 400
"""Images of each data set by default. Of one set, 19 corruptions at 5 strengths and the pictures as they are make
96 x 400 readings; at 5 ms to read an image and 2 ms to corrupt it, these take four and a half minutes."""

_Cell = tuple[str, int]
"""Corruption and strength."""
_CLEAN: _Cell = ("", 0)

Evaluate = Callable[[LabelledSource], Result]
"""Has one model read a source, e.g. `wildtext.evaluation.evaluator.evaluate` with all else given."""


class CorruptedSource:
    """A source whose pictures are corrupted; each picture always in the same way.

    Args:
        source: as it is.
        corruption: a key of `CORRUPTIONS`.
        strength: 1 to 5.
        seed: of what is random.

    Raises:
        ConfigError: there is no such corruption or strength.
    """

    def __init__(self, source: LabelledSource, corruption: str, strength: int, seed: int = 0):
        self._moves = checked(corruption, strength).moves
        self.source = source
        self.corruption = corruption
        self.strength = strength
        self.seed = seed
        self.name = f"{source.name} {corruption} {strength}"

    @property
    def size(self) -> int:
        """Number of samples."""
        return self.source.size

    def where(self, index: int) -> str:
        """What the source calls this sample."""
        return self.source.where(index)

    def text(self, index: int) -> str:
        """Label of a sample, as it is stored.

        Raises:
            SampleError: there is none, or it is no text.
        """
        return self.source.text(index)

    def content(self, index: int) -> bytes:
        """The corrupted picture as a PNG file, which loses nothing more.

        Raises:
            SampleError: the picture cannot be read or decoded.
        """
        return encode_png(self[index].image)

    def boxes(self, index: int) -> Floats | None:
        """Character boxes (len(text), 4, 2) of a sample, as they are stored; None where the corruption moves them.

        Raises:
            SampleError: they are malformed.
        """
        return None if self._moves else self.source.boxes(index)

    def __getitem__(self, index: int) -> Sample:
        """Decode and corrupt a sample.

        Raises:
            SampleError: it is broken.
        """
        sample = self.source[index]
        corrupted = replace(sample, image=corrupt(sample.image, self.corruption, self.strength, self.seed))
        return replace(corrupted, boxes=None, word=None) if self._moves else corrupted


@dataclass(frozen=True)
class Curve:
    """How often a model is right at each strength of one corruption, always on the same pictures.

    Attributes:
        corruption: its name.
        strengths: rising; the first is 0, which leaves pictures as they are.
        correct: how many were read exactly, at each strength.
        images: how many there are, at each strength the same.
    """

    corruption: str
    strengths: tuple[int, ...]
    correct: tuple[int, ...]
    images: int

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Word accuracy in percent, at each strength."""
        return tuple(100 * count / self.images for count in self.correct)

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """95 % Wilson intervals of the accuracy in percent."""
        return tuple(percent_interval(count, self.images) for count in self.correct)

    @property
    def corrupted(self) -> float:
        """Mean accuracy in percent over all strengths above 0."""
        return mean(self.accuracy[1:])

    @property
    def widest(self) -> float:
        """The most points that an interval reaches to one side of its accuracy."""
        pairs = zip(self.accuracy, self.intervals, strict=True)
        return max(max(high - value, value - low) for value, (low, high) in pairs)


@dataclass(frozen=True)
class Robustness:
    """What corruptions do to one model.

    Attributes:
        model: what it is called.
        curves: one for each corruption, at least one.
    """

    model: str
    curves: tuple[Curve, ...]

    @property
    def images(self) -> int:
        """How many there are at each strength."""
        return self.curves[0].images

    @property
    def clean(self) -> float:
        """Word accuracy in percent of the pictures as they are."""
        return self.curves[0].accuracy[0]

    @property
    def corrupted(self) -> float:
        """Mean accuracy in percent over corruptions, and within each over its strengths."""
        return mean(curve.corrupted for curve in self.curves)

    @property
    def kept(self) -> float | None:
        """Mean corrupted accuracy as a share of the clean one, usually in [0, 1]; None where that is 0."""
        return self.corrupted / self.clean if self.clean else None

    def records(self) -> list[dict[str, Any]]:
        """A row for each corruption and one for all of them, for tables.

        Accuracies are in percent; ``±`` is the most points that a 95 % interval reaches to either side.
        """
        means = [mean(values) for values in zip(*(curve.accuracy for curve in self.curves), strict=True)]
        rows = [self._record(curve.corruption, curve.accuracy, curve.widest) for curve in self.curves]
        return [*rows, self._record("all", means, None)]

    def counts(self) -> list[dict[str, Any]]:
        """A row for each corruption and strength, 0 included, for programs.

        Accuracies and the ends of their 95 % Wilson intervals are in percent.
        """
        return [
            {
                "model": self.model,
                "corruption": curve.corruption,
                "strength": strength,
                "images": curve.images,
                "correct": correct,
                "accuracy": accuracy,
                "interval": interval,
            }
            for curve in self.curves
            for strength, correct, accuracy, interval in zip(
                curve.strengths, curve.correct, curve.accuracy, curve.intervals, strict=True
            )
        ]

    def _record(self, corruption: str, accuracy: Sequence[float], widest: float | None) -> dict[str, Any]:
        corrupted = mean(accuracy[1:])
        strengths = zip(self.curves[0].strengths[1:], accuracy[1:], strict=True)
        return {
            "model": self.model,
            "corruption": corruption,
            "images": self.images,
            "clean": accuracy[0],
            **{f"at {strength}": value for strength, value in strengths},
            "±": widest,
            "mean": corrupted,
            "% of clean": 100 * corrupted / accuracy[0] if accuracy[0] else None,
        }


def robustness(
    evaluate: Evaluate,
    sources: Sequence[LabelledSource],
    names: Iterable[str] = tuple(CORRUPTIONS),
    strengths: Iterable[int] = STRENGTHS,
    *,
    images_per_set: int = IMAGES_PER_SET,
    seed: int = 0,
    progress: Progress | None = None,
) -> Robustness:
    """Measure one model on corrupted pictures.

    Args:
        evaluate: has the model read a source.
        sources: labelled images, at least one source.
        names: corruptions, keys of `CORRUPTIONS`.
        strengths: 1 to 5.
        images_per_set: of larger sources, at most so many images at even distances are taken.
        seed: of what is random.
        progress: is told after each source that was read.

    Raises:
        ConfigError: there is no such corruption or strength, or none is given; `images_per_set` is below 1.
        DataError: a source is empty.
    """
    names, strengths = tuple(dict.fromkeys(names)), tuple(sorted(set(strengths)))
    if not names or not strengths:
        raise ConfigError("there is nothing to measure; give at least one corruption and one strength")
    if images_per_set < 1:
        raise ConfigError(f"images_per_set is {images_per_set}, but must be at least 1")
    parts = [Subset(source, spread(np.arange(source.size), images_per_set)) for source in sources]
    # Wrong names are found before anything is read, which can take minutes.
    tasks: list[tuple[_Cell, LabelledSource]] = [(_CLEAN, part) for part in parts]
    for cell in product(names, strengths):
        tasks += [(cell, CorruptedSource(part, *cell, seed)) for part in parts]
    correct: Counter[_Cell] = Counter()
    images, model = 0, ""
    for done, (cell, source) in enumerate(tasks, start=1):
        result = evaluate(source)
        correct[cell] += result.metrics.correct
        if cell == _CLEAN:
            images, model = images + result.metrics.images, result.model
        if progress is not None:
            progress(done, len(tasks))
    curves = [
        Curve(name, (0, *strengths), (correct[_CLEAN], *(correct[name, strength] for strength in strengths)), images)
        for name in names
    ]
    return Robustness(model, tuple(curves))
