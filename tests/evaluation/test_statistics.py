"""Intervals and tests have the values of textbooks, and of sums over everything that can happen."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from wildtext.evaluation.statistics import (
    binomial_tail,
    difference_interval,
    mcnemar,
    mean_interval,
    percent_interval,
    wilson_interval,
)


def test_wilson_interval_has_the_known_values() -> None:
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)


@pytest.mark.parametrize("count", [1, 2, 7, 645, 400_000])
def test_wilson_interval_ends_at_the_share_where_all_or_none_are_right(count: int) -> None:
    low, high = wilson_interval(0, count)
    assert low == 0 < high < 1
    assert wilson_interval(count, count) == pytest.approx((1 - high, 1.0), abs=1e-12)
    assert wilson_interval(count, count)[1] == 1


def test_wilson_interval_solves_the_score_equation() -> None:
    for correct, count in ((3, 17), (600, 647), (1, 3000)):
        for end in wilson_interval(correct, count):
            score = abs(correct / count - end) / math.sqrt(end * (1 - end) / count)
            assert score == pytest.approx(1.959964, abs=1e-6)


def test_percent_interval_is_that_of_wilson() -> None:
    assert percent_interval(81, 263) == pytest.approx((25.53, 36.62), abs=0.01)


@pytest.mark.parametrize("chance", [0.0, 0.003, 0.3, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("trials", [0, 1, 7, 60])
def test_a_binomial_tail_is_the_sum_of_its_terms(trials: int, chance: float) -> None:
    for count in range(trials + 1):
        terms = (math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(count, trials + 1))
        assert binomial_tail(count, trials, chance) == pytest.approx(math.fsum(terms), rel=1e-9, abs=1e-300)


def test_a_binomial_tail_of_very_many_trials_is_neither_lost_nor_too_large() -> None:
    assert binomial_tail(200_000, 400_000, 0.5) == pytest.approx(0.5, abs=0.001)
    assert binomial_tail(400_000, 400_000, 0.5) == 0
    assert binomial_tail(1, 400_000, 0.999) == 1


def brute_mcnemar(one: int, two: int) -> float:
    tail = sum(math.comb(one + two, fewer) for fewer in range(min(one, two) + 1))
    return min(1.0, float(Fraction(2 * tail, 2 ** (one + two))))


def test_mcnemar_has_the_known_values() -> None:
    # Fagerland, Lydersen and Laake (2013), airway hyper-responsiveness: 1 against 7 of 21 children.
    assert mcnemar(1, 7) == pytest.approx(0.0703, abs=1e-4)
    # The same authors, complete response: 6 against 16 of 161 patients.
    assert mcnemar(16, 6) == pytest.approx(0.0525, abs=1e-4)


def test_mcnemar_is_the_exact_binomial_tail() -> None:
    for one in range(25):
        for two in range(25):
            assert mcnemar(one, two) == pytest.approx(brute_mcnemar(one, two), rel=1e-9)
    for one, two in ((480, 520), (300, 260), (1900, 2101)):
        assert mcnemar(one, two) == pytest.approx(brute_mcnemar(one, two), rel=1e-8)


def test_mcnemar_without_a_difference_is_one() -> None:
    assert [mcnemar(0, 0), mcnemar(1, 0), mcnemar(0, 1), mcnemar(5, 5), mcnemar(90_000, 90_000)] == [1.0] * 5


def test_mcnemar_of_very_many_images_is_neither_lost_nor_too_large() -> None:
    # Where so many images differ, the binomial distribution is normal.
    one, two = 100_000, 101_000
    normal = math.erfc((two - one - 1) / math.sqrt(one + two) / math.sqrt(2))
    assert mcnemar(one, two) == pytest.approx(normal, rel=1e-3)
    assert mcnemar(0, 200_000) == 0.0
    assert 0 < mcnemar(0, 1000) < 1e-300


def test_difference_interval_has_the_known_values() -> None:
    # By hand from the equation of Bonett and Price (2012): 2/23 and 8/23, 7/163 and 17/163.
    assert difference_interval(7, 1, 21) == pytest.approx((-0.5084, -0.0134), abs=1e-4)
    assert difference_interval(6, 16, 161) == pytest.approx((0.0033, 0.1194), abs=1e-4)


def test_difference_interval_turns_with_the_models() -> None:
    low, high = difference_interval(12, 30, 647)
    assert difference_interval(30, 12, 647) == pytest.approx((-high, -low))


def test_difference_interval_of_equal_readings_holds_zero_and_has_a_width() -> None:
    low, high = difference_interval(0, 0, 100)
    assert low < 0 < high
    assert low == pytest.approx(-high)
    assert difference_interval(0, 1, 1)[1] == 1


def test_difference_interval_covers_what_it_says() -> None:
    generator = np.random.default_rng(1)
    drawn = generator.multinomial(300, (0.06, 0.10, 0.84), size=4000)
    held = [low <= 0.04 <= high for low, high in (difference_interval(a, b, 300) for a, b, _ in drawn.tolist())]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


def test_mean_interval_agrees_with_drawing_every_image() -> None:
    sets = [np.arange(288) < 200, np.arange(40) < 30, np.arange(645) < 640]
    generator = np.random.default_rng(7)
    means = [np.mean([generator.choice(one, len(one)).mean() for one in sets]) for _ in range(4000)]
    low, high = mean_interval([200, 30, 640], [288, 40, 645])
    assert (low, high) == pytest.approx(tuple(np.percentile(means, (2.5, 97.5))), abs=0.004)


def test_mean_interval_is_the_same_every_time_and_ends_at_the_share() -> None:
    assert mean_interval([3, 4], [5, 6]) == mean_interval([3, 4], [5, 6])
    assert mean_interval([5, 6], [5, 6]) == (1.0, 1.0)
    assert mean_interval([0], [1]) == (0.0, 0.0)
