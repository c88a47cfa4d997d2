"""How much a model leans on language: words against random strings that look the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wildtext.data.source import Progress
from wildtext.errors import ConfigError, require
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.statistics import difference_interval, mcnemar
from wildtext.images.encode import encode_png
from wildtext.types import Floats, Sample

PAIRS = 1000
"""Drawn by default, in a quarter of a minute: enough to tell 90 from 93 %."""


class DrawnSource:
    """Drawn samples in memory.

    Args:
        name: for messages.
        samples: at least one.
    """

    def __init__(self, name: str, samples: Sequence[Sample]):
        self.name = name
        self._samples = samples

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self._samples)

    def where(self, index: int) -> str:
        """What messages call a sample."""
        return f"{self.name}#{index}"

    def text(self, index: int) -> str:
        """Label of a sample."""
        return self._samples[index].text

    def content(self, index: int) -> bytes:
        """The picture of a sample as a PNG file."""
        return encode_png(self._samples[index].image)

    def boxes(self, index: int) -> Floats | None:
        """Character boxes (len(text), 4, 2) of a sample in pixels of its image."""
        return self._samples[index].boxes

    def __getitem__(self, index: int) -> Sample:
        """A sample."""
        return self._samples[index]


def language_sets(
    count: int = PAIRS, seed: int = 0, progress: Progress | None = None
) -> tuple[DrawnSource, DrawnSource]:
    """Draw words of the lexicon, and as many random strings that look the same.

    Sample i of both sets has the same font, layout, paint, light and camera, the same number of letters, and capitals
    at the same places. Letters of the strings are as frequent as in all the words together, so that order alone makes
    the difference; none of the strings is a word of the lexicon.

    Args:
        count: samples of each set.
        seed: the same count and seed give the same sets.
        progress: is told after each pair.

    Returns:
        The words, and the random strings.

    Raises:
        ConfigError: the count is below 1 or the seed below 0.
        MissingExtraError: torch, which drawing needs, is not installed.
    """
    if count < 1:
        raise ConfigError(f"{count} random strings cannot be drawn; give at least 1")
    require("torch", extra="train")
    from wildtext.synth.senseless import word_pairs
    from wildtext.synth.source import SyntheticWords

    source = SyntheticWords(seed)
    words, strings = word_pairs(count, np.random.default_rng(seed))
    drawn: tuple[list[Sample], list[Sample]] = ([], [])
    for index, texts in enumerate(zip(words, strings, strict=True)):
        for samples, text in zip(drawn, texts, strict=True):
            samples.append(source.render(text, index))
        if progress is not None:
            progress(index + 1, count)
    return DrawnSource("words", drawn[0]), DrawnSource("random strings", drawn[1])


@dataclass(frozen=True)
class LanguageReliance:
    """One model on words and on random strings that look the same.

    Attributes:
        words: readings of the words.
        strings: readings of the random strings, in the same order.
    """

    words: Result
    strings: Result

    @property
    def difference(self) -> float:
        """Word accuracy on words minus that on random strings, in points: what language is worth to the model."""
        return self.words.metrics.accuracy - self.strings.metrics.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference in points; the two sets are paired by their look."""
        only_strings, only_words = self._apart
        low, high = difference_interval(only_strings, only_words, len(self.words.judged))
        return 100 * low, 100 * high

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test that words and random strings are read equally well."""
        return mcnemar(*self._apart)

    @property
    def _apart(self) -> tuple[int, int]:
        """Pairs of which only the string is read right, and of which only the word is."""
        pairs = [
            (word.correct, string.correct) for word, string in zip(self.words.judged, self.strings.judged, strict=True)
        ]
        return pairs.count((False, True)), pairs.count((True, False))

    def record(self) -> dict[str, Any]:
        """A row as `wildtext.evaluation.results.Summary.extras` takes it, with intervals from ``low`` to ``high``."""
        accuracies = {"words": self.words.metrics, "random strings": self.strings.metrics}
        told = {name: (metrics.accuracy, *metrics.interval) for name, metrics in accuracies.items()}
        told["difference"] = (self.difference, *self.interval)
        figures = {
            f"{name}{end}": value
            for name, values in told.items()
            for end, value in zip(("", " low", " high"), values, strict=True)
        }
        return {"model": self.words.model, "images": len(self.words.judged), **figures, "p": self.p_value}
