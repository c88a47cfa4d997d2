"""How far the confidence of a model can be trusted, and what leaving out doubtful readings gains.

Every image counts; one that could not be decoded is wrong with confidence 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wildtext.evaluation.metrics import BINS, confidence_bins, expected_calibration_error
from wildtext.evaluation.readings import Judged
from wildtext.evaluation.statistics import percent_interval

TARGETS = (0.99, 0.98, 0.95)
"""Shares of right readings for which a threshold of the confidence is told."""

POINTS = 200
"""The risk-coverage curve has at most so many, which is as many as a drawing can show."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Readings of similar confidence.

    Attributes:
        low: where the bin begins, in [0, 1]; only the first one contains it.
        high: the most confidence.
        images: how many, at least 1.
        correct: how many of them are right.
        confidence: their mean confidence, in [0, 1].
        interval: the 95 % Wilson interval of their accuracy, in percent.
    """

    low: float
    high: float
    images: int
    correct: int
    confidence: float
    interval: tuple[float, float]

    @property
    def accuracy(self) -> float:
        """Word accuracy in percent."""
        return 100 * self.correct / self.images


@dataclass(frozen=True, slots=True)
class Cut:
    """What is left where readings below a confidence are refused.

    Attributes:
        confidence: readings with at least this confidence are kept.
        images: how many are kept, at least 1.
        correct: how many of them are right.
        coverage: share of all images that is kept, in (0, 1].
        interval: the 95 % Wilson interval of the accuracy of those, in percent.
    """

    confidence: float
    images: int
    correct: int
    coverage: float
    interval: tuple[float, float]

    @property
    def accuracy(self) -> float:
        """Word accuracy in percent."""
        return 100 * self.correct / self.images


@dataclass(frozen=True)
class Reliability:
    """The confidence of a model beside its accuracy.

    Attributes:
        bins: see `reliability_bins`.
        calibration_error: expected calibration error over these bins, in [0, 1] (Guo et al. 2017).
        curve: accuracy against coverage, from the most confident images to all of them (El-Yaniv and Wiener 2010).
            Equally confident images are kept or refused together.
        area: under the risk-coverage curve: mean error rate over the images, each with all that are at least as
            confident, in [0, 1] (AURC, Geifman et al. 2019). Fewer errors lower it, and so do less confident ones.
        thresholds: for each of `TARGETS` that can be reached, the cut that keeps most images among those at least that
            accurate. It was chosen on these very images: others will be read a little worse.
    """

    bins: tuple[Bin, ...]
    calibration_error: float
    curve: tuple[Cut, ...]
    area: float
    thresholds: dict[float, Cut]


def reliability(judged: Sequence[Judged]) -> Reliability:
    """Compare confidence with accuracy.

    Args:
        judged: at least one.
    """
    confidence = np.array([one.confidence for one in judged])
    correct = np.array([one.correct for one in judged], bool)
    cuts = _Cuts.of(confidence, correct)
    chosen = {target: place for target in TARGETS if (place := cuts.widest(target)) is not None}
    return Reliability(
        reliability_bins(confidence, correct),
        expected_calibration_error(confidence, correct),
        tuple(cuts[place] for place in cuts.spread(POINTS)),
        cuts.area(),
        {target: cuts[place] for target, place in chosen.items()},
    )


def reliability_bins(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Those of `metrics.BINS` bins of equal width that have images, by increasing confidence.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,).
    """
    places = confidence_bins(confidence)
    bins = []
    for place in np.unique(places):
        inside = places == place
        images, right = int(inside.sum()), int(correct[inside].sum())
        mean = float(confidence[inside].mean())
        bins.append(
            Bin(float(place / BINS), float((place + 1) / BINS), images, right, mean, percent_interval(right, images))
        )
    return tuple(bins)


@dataclass(frozen=True)
class _Cuts:
    """All the ways to refuse readings below a confidence, from the fewest kept to all.

    Attributes:
        least: (K,) confidence that is needed, decreasing.
        kept: (K,) how many images are kept.
        right: (K,) how many of them are right.
    """

    least: NDArray[np.float64]
    kept: NDArray[np.int64]
    right: NDArray[np.int64]

    @classmethod
    def of(cls, confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> _Cuts:
        order = np.argsort(-confidence, kind="stable")
        falling = confidence[order]
        ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
        return cls(falling[ends], ends + 1, np.cumsum(correct[order].astype(np.int64))[ends])

    def __getitem__(self, place: int) -> Cut:
        kept, right = int(self.kept[place]), int(self.right[place])
        return Cut(float(self.least[place]), kept, right, kept / int(self.kept[-1]), percent_interval(right, kept))

    def widest(self, target: float) -> int | None:
        """The cut that keeps most of those with at least this share of right readings; None if there is none."""
        reached = np.flatnonzero(self.right >= target * self.kept - 1e-9)
        return int(reached[-1]) if len(reached) else None

    def spread(self, count: int) -> list[int]:
        """At most so many cuts, even in coverage; the first and the last are among them."""
        wanted = np.linspace(self.kept[0], self.kept[-1], count)
        return [int(place) for place in np.unique(np.searchsorted(self.kept, wanted))]

    def area(self) -> float:
        """See `Reliability`."""
        weight = np.diff(self.kept, prepend=0)
        return float((weight * (1 - self.right / self.kept)).sum() / self.kept[-1])
