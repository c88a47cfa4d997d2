"""Figures are what their definitions say, also computed another way."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import numpy as np
import pytest

from tests.evaluation.made import made
from wildtext.charset import Charset
from wildtext.evaluation.metrics import (
    BINS,
    accuracy_at_coverage,
    comparable,
    covered,
    expected_calibration_error,
    measure,
    similarity,
)
from wildtext.evaluation.statistics import wilson_interval


@cache
def brute_edits(one: str, two: str) -> int:
    if not one or not two:
        return len(one) + len(two)
    return min(
        brute_edits(one[1:], two) + 1, brute_edits(one, two[1:]) + 1, brute_edits(one[1:], two[1:]) + (one[0] != two[0])
    )


def test_figures_by_hand() -> None:
    metrics = measure(
        made([("sitting", "kitten", 0.9), ("same", "same", 0.8), ("ab", "", 0.1), ("abc", "abcdefg", 0.6)]).judged
    )
    assert (metrics.images, metrics.correct, metrics.accuracy) == (4, 1, 25.0)
    assert metrics.interval == pytest.approx([100 * end for end in wilson_interval(1, 4)])
    assert metrics.similarity == pytest.approx((4 / 7 + 1 + 0 + 3 / 7) / 4)
    assert metrics.similarity_by_label == pytest.approx((4 / 7 + 1 + 0 - 1 / 3) / 4)
    assert (metrics.edits, metrics.characters) == (3 + 0 + 2 + 4, 7 + 4 + 2 + 3)
    assert metrics.character_error_rate == pytest.approx(9 / 16)
    assert metrics.confidence == pytest.approx(0.6)
    assert (metrics.empty, metrics.unreadable) == (0, 0)


def test_figures_agree_with_other_sums_over_random_words() -> None:
    generator = np.random.default_rng(3)
    words = ["".join(generator.choice(list("ab"), generator.integers(0, 6))) for _ in range(400)]
    pairs = list(zip(words[::2], words[1::2], strict=True))
    metrics = measure(made([(truth, text, float(generator.random())) for truth, text in pairs]).judged)
    edits = [brute_edits(*pair) for pair in pairs]
    assert metrics.correct == sum(truth == text for truth, text in pairs) > 0
    assert metrics.character_error_rate == pytest.approx(sum(edits) / sum(len(truth) for truth, _ in pairs))
    ratios = [1 - count / (max(map(len, pair)) or 1) for count, pair in zip(edits, pairs, strict=True)]
    assert metrics.similarity == pytest.approx(math.fsum(ratios) / len(pairs))
    by_label = [
        1 - count / len(truth) if truth else 1.0 * (text == "")
        for count, (truth, text) in zip(edits, pairs, strict=True)
    ]
    assert metrics.similarity_by_label == pytest.approx(math.fsum(by_label) / len(pairs))


def test_two_empty_texts_are_alike_and_correct() -> None:
    metrics = measure(made([("", "")]).judged)
    assert (metrics.correct, metrics.similarity, metrics.similarity_by_label, metrics.empty) == (1, 1.0, 1.0, 1)
    assert metrics.character_error_rate == 0
    assert similarity("", "") == 1


def test_a_reading_where_there_is_nothing_to_read_is_wrong() -> None:
    metrics = measure(made([("", "a")]).judged)
    assert (metrics.correct, metrics.similarity, metrics.similarity_by_label) == (0, 0.0, 0.0)
    assert metrics.character_error_rate == 1


@pytest.mark.parametrize("truth", ["", "abc"])
def test_an_unreadable_image_is_wrong_whatever_its_label(truth: str) -> None:
    metrics = measure(made([(truth, None)]).judged)
    assert (metrics.correct, metrics.similarity, metrics.similarity_by_label, metrics.confidence) == (0, 0.0, 0.0, 0.0)
    assert (metrics.edits, metrics.empty, metrics.unreadable) == (len(truth), 0, 1)


def test_protocols_bring_texts_to_what_they_compare() -> None:
    own = Charset.named("36")
    words = ["Café-21", "CAFE21", " cafe 21 "]
    brought = {name: [comparable(name, own)(word) for word in words] for name in ("36", "62", "94", "all", "own")}
    assert brought == {
        "36": ["cafe21"] * 3,
        "62": ["Cafe21", "CAFE21", "cafe21"],
        "94": ["Cafe-21", "CAFE21", "cafe21"],
        "all": ["Café-21", "CAFE21", "cafe 21"],
        "own": ["cafe-21", "cafe21", "cafe 21"],
    }


def test_calibration_error_by_hand() -> None:
    # Bins are a fifteenth wide: 0.61 and 0.65 share one, 0.9 has its own, 0 and 1 are in the first and the last.
    confidence = np.array([0.61, 0.65, 0.9, 0.0, 1.0])
    correct = np.array([True, False, False, False, True])
    expected = (abs(0.61 + 0.65 - 1) + 0.9 + 0 + 0) / 5
    assert expected_calibration_error(confidence, correct) == pytest.approx(expected)


def test_calibration_error_is_the_sum_over_bins_of_the_paper() -> None:
    generator = np.random.default_rng(5)
    confidence = np.concatenate([generator.random(300), np.arange(BINS + 1) / BINS])
    correct = generator.random(len(confidence)) < confidence
    total = 0.0
    for bin_ in range(BINS):
        # Guo et al.: above the lower end, and at most the upper one; nothing is below the first bin.
        inside = (confidence > bin_ / BINS) & (confidence <= (bin_ + 1) / BINS) | ((bin_ == 0) & (confidence == 0))
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(confidence, correct) == pytest.approx(total)


def test_accuracy_at_coverage_takes_the_most_confident() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, False, True, False])
    found = [accuracy_at_coverage(confidence, correct, share) for share in (0.25, 0.5, 0.75, 1.0)]
    assert found == pytest.approx([100, 50, 200 / 3, 50])


def test_equally_confident_images_count_by_the_mean_over_all_their_orders() -> None:
    confidence = np.array([0.9, 0.5, 0.5, 0.5, 0.2])
    correct = np.array([True, True, False, False, True])
    means = [(1 + correct[list(two)].sum()) / 3 for two in product((1, 2, 3), repeat=2) if two[0] != two[1]]
    assert accuracy_at_coverage(confidence, correct, 0.6) == pytest.approx(100 * np.mean(means))


def test_coverage_is_rounded_up_to_whole_images() -> None:
    assert [covered(20, 0.95), covered(10, 0.95), covered(1, 0.5), covered(3000, 0.9)] == [19, 10, 1, 2700]
    one = measure(made([("a", "a", 0.3)]).judged)
    assert set(one.coverage.values()) == {100.0}


@pytest.mark.parametrize("text", ["a", "b"])
def test_all_right_and_all_wrong(text: str) -> None:
    right = text == "a"
    metrics = measure(made([("a", text, 1.0)] * 5).judged)
    assert metrics.accuracy == 100 * right
    assert metrics.calibration_error == pytest.approx(1 - right)
    assert (metrics.interval[1] == 100) is right
    assert (metrics.interval[0] == 0) is not right
