"""How sure one may be of accuracies and of their differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

Z = NormalDist().inv_cdf(0.975)
"""Quantile of the normal distribution for 95 % intervals, 1.959964."""

DRAWS = 10_000
"""How often the bootstrap draws all images anew."""

_SEED = 20_151_811


def wilson_interval(correct: float, count: float) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927).

    Args:
        correct: from 0 to `count`.
        count: more than 0.

    Returns:
        Its ends, in [0, 1].
    """
    wrong = count - correct
    middle, half = correct + Z * Z / 2, Z * math.sqrt(correct * wrong / count + Z * Z / 4)
    low, high = (middle - half) / (count + Z * Z), (middle + half) / (count + Z * Z)
    # Rounding must not make 0 and 1 of them something next to it.
    return low if correct else 0.0, high if wrong else 1.0


def percent_interval(correct: float, count: float) -> tuple[float, float]:
    """The ends of `wilson_interval` in percent."""
    low, high = wilson_interval(correct, count)
    return 100 * low, 100 * high


def binomial_tail(count: int, trials: int, chance: float) -> float:
    """The probability that at least `count` of the trials succeed, where each succeeds with this chance.

    Args:
        count: at least 0, at most `trials`.
        trials: how many there are.
        chance: in [0, 1].
    """
    if count == 0:
        return 1.0
    if count <= trials * chance:
        # Terms rise on this side of the mean, and fall on the other.
        return 1.0 - binomial_tail(trials - count + 1, trials, 1.0 - chance)
    if chance == 0:
        return 0.0
    ways = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    first = math.exp(ways + count * math.log(chance) + (trials - count) * math.log1p(-chance))
    # Each further term is a known, smaller part of the one before, so that nothing can overflow.
    more = np.arange(count, trials)
    parts = np.cumprod((trials - more) / (more + 1) * (chance / (1 - chance)))
    return min(first * (1 + float(parts.sum())), 1.0)


def mean_interval(correct: Sequence[int], counts: Sequence[int]) -> tuple[float, float]:
    """The 95 % interval of the unweighted mean of shares, by the percentile bootstrap (Efron 1979).

    Images are drawn with replacement within each set, 10,000 times, always with the same seed. How many of the drawn
    ones are correct has a binomial distribution, so that it is drawn as one number. Where all sets are all right, or
    all wrong, the interval has no width: a bootstrap knows nothing but its images.

    Args:
        correct: how many images of each set are.
        counts: how many images each set has, at least 1.

    Returns:
        Its ends, in [0, 1].
    """
    counts_, shares = np.array(counts), np.array(correct) / np.array(counts)
    drawn = np.random.default_rng(_SEED).binomial(counts_, shares, size=(DRAWS, len(counts_))) / counts_
    low, high = np.percentile(drawn.mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p value of McNemar's test (1947) that two models are equally good on the same images.

    Twice the tail of the binomial distribution with chance 1/2 over the images that just one of them reads, at most 1.

    Args:
        only_first: images that only the first model reads.
        only_second: images that only the second model reads.
    """
    return min(2 * binomial_tail(max(only_first, only_second), only_first + only_second, 0.5), 1.0)


def difference_interval(only_first: int, only_second: int, count: int) -> tuple[float, float]:
    """The 95 % interval of the share of the second model minus that of the first, on the same images.

    Wald's interval after one image is added to each of the two kinds that tell the models apart (Bonett and Price 2012,
    equation 4), which holds its level for small samples too.

    Args:
        only_first: images that only the first model reads.
        only_second: images that only the second model reads.
        count: all images, at least 1.

    Returns:
        Its ends, in [-1, 1].
    """
    first, second = (only_first + 1) / (count + 2), (only_second + 1) / (count + 2)
    middle = second - first
    half = Z * math.sqrt((first + second - middle * middle) / (count + 2))
    return max(middle - half, -1.0), min(middle + half, 1.0)
