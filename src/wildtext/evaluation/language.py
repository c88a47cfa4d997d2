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
"""Drawn by default, in about half a minute: enough to tell 90 from 93 %."""


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
    at the same places. Letters of the strings are as frequent as in all the words together, and as many are doubled as
    in the word, so that their order makes the difference; none of the strings is a word of the lexicon.

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
        """The figures, for programs; accuracies, their intervals and the difference in percent."""
        words, strings = self.words.metrics, self.strings.metrics
        return {
            "model": self.words.model,
            "images": words.images,
            "words": words.accuracy,
            "words_interval": words.interval,
            "random_strings": strings.accuracy,
            "random_strings_interval": strings.interval,
            "difference": self.difference,
            "difference_interval": self.interval,
            "p_value": self.p_value,
        }

    def row(self) -> dict[str, Any]:
        """The same for people."""
        words, strings = self.words.metrics, self.strings.metrics
        return {
            "model": self.words.model,
            "images": words.images,
            "words": _told(words.accuracy, words.interval),
            "random strings": _told(strings.accuracy, strings.interval),
            "difference": _told(self.difference, self.interval),
            "p": f"{self.p_value:.2g}",
        }


def _told(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
