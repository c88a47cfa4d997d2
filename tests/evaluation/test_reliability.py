"""Confidence beside accuracy, and thresholds that keep what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.made import made
from wildtext.evaluation.metrics import measure
from wildtext.evaluation.readings import Judged
from wildtext.evaluation.reliability import POINTS, TARGETS, reliability
from wildtext.evaluation.statistics import wilson_interval


def readings(answers: list[tuple[float, bool]]) -> tuple[Judged, ...]:
    return made([("a", "a" if right else "b", confidence) for confidence, right in answers]).judged


def test_bins_have_images_accuracy_and_mean_confidence() -> None:
    found = reliability(readings([(0.01, False), (0.03, True), (0.95, True), (1.0, True)]))
    low, high = found.bins
    assert (low.low, low.images, low.accuracy) == (0.0, 2, 50.0)
    assert low.high == pytest.approx(1 / 15)
    assert low.confidence == pytest.approx(0.02)
    assert (high.high, high.images, high.correct) == (1.0, 2, 2)
    assert high.interval == pytest.approx([100 * end for end in wilson_interval(2, 2)])


def test_the_threshold_keeps_as_many_as_it_can() -> None:
    # 97 right, 1 wrong, 1 right, 20 wrong, by falling confidence.
    right = [True] * 97 + [False, True] + [False] * 20
    found = reliability(readings([(1 - place / 200, one) for place, one in enumerate(right)]))
    assert {target: cut.images for target, cut in found.thresholds.items()} == {0.99: 97, 0.98: 100, 0.95: 103}
    cut = found.thresholds[0.98]
    assert cut.correct == 98
    assert cut.confidence == pytest.approx(1 - 99 / 200)
    assert cut.coverage == pytest.approx(100 / 119)


def test_targets_out_of_reach_have_no_threshold() -> None:
    assert reliability(readings([(0.9, False), (0.2, True)])).thresholds == {}


def test_equally_confident_readings_are_refused_together() -> None:
    found = reliability(readings([(0.5, True), (0.5, False), (0.9, True)]))
    assert [(cut.confidence, cut.images) for cut in found.curve] == [(0.9, 1), (0.5, 3)]
    assert found.thresholds[0.99].images == 1


def test_the_area_is_the_mean_error_rate_of_all_cuts() -> None:
    found = reliability(readings([(0.9, True), (0.8, False), (0.7, True), (0.6, False)]))
    assert found.area == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)


def test_doubting_the_wrong_readings_lowers_the_area() -> None:
    sorted_well, sorted_badly = ([(0.9, one), (0.8, one), (0.2, not one), (0.1, not one)] for one in (True, False))
    assert reliability(readings(sorted_well)).area < reliability(readings(sorted_badly)).area


def test_an_image_that_could_not_be_decoded_is_refused_first() -> None:
    found = reliability(made([("a", "a", 0.3), ("a", None)]).judged)
    assert found.curve[-1].accuracy == 50.0
    assert found.thresholds[0.95].coverage == 0.5


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    generator = np.random.default_rng(0)
    found = reliability(readings([(value, value > 0.3) for value in generator.random(3000).tolist()]))
    assert len(found.curve) <= POINTS
    assert (found.curve[0].images, found.curve[-1].images, found.curve[-1].coverage) == (1, 3000, 1.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_it_agrees_with_the_metrics(answers: list[tuple[float, bool]]) -> None:
    judged = readings(answers)
    found, metrics = reliability(judged), measure(judged)
    assert found.calibration_error == metrics.calibration_error
    surplus = sum(abs(one.confidence - one.accuracy / 100) * one.images for one in found.bins) / len(judged)
    assert surplus == pytest.approx(metrics.calibration_error, abs=1e-9)
    assert sum(one.images for one in found.bins) == len(judged)
    assert found.curve[-1].accuracy == pytest.approx(metrics.accuracy)
    for target, cut in found.thresholds.items():
        kept = [one for one in judged if one.confidence >= cut.confidence]
        assert target in TARGETS
        assert (len(kept), sum(one.correct for one in kept)) == (cut.images, cut.correct)
        assert cut.accuracy >= 100 * target - 1e-6
