"""Models are compared image by image."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.made import counted, made, sized
from wildtext.errors import DataError
from wildtext.evaluation.comparison import POOLED, compare
from wildtext.evaluation.statistics import difference_interval, mcnemar


def test_figures_are_those_of_a_table_of_pairs() -> None:
    generator = np.random.default_rng(2)
    one, two, three = (generator.random((2, 500)) < share for share in (0.8, 0.85, 0.5))
    rows = [
        [counted(right[place].tolist(), data, model) for place, data in enumerate(("signs", "shops"))]
        for model, right in (("one", one), ("two", two), ("three", three))
    ]
    found = compare(rows)
    assert [(pair.data, pair.model) for pair in found] == [
        ("signs", "two"), ("signs", "three"), ("shops", "two"), ("shops", "three"), (POOLED, "two"), (POOLED, "three")
    ]  # fmt: skip
    for pair, first, other in (
        (found[0], one[0], two[0]),
        (found[3], one[1], three[1]),
        (found[4], one.ravel(), two.ravel()),
    ):
        gained = sum(b and not a for a, b in zip(first, other, strict=True))
        lost = sum(a and not b for a, b in zip(first, other, strict=True))
        assert (pair.only_model, pair.only_first, pair.images) == (gained, lost, len(first))
        assert (pair.first_accuracy, pair.accuracy) == pytest.approx((100 * first.mean(), 100 * other.mean()))
        assert pair.difference == pytest.approx(pair.accuracy - pair.first_accuracy)
        assert pair.interval == pytest.approx([100 * end for end in difference_interval(lost, gained, len(first))])
        assert pair.p_value == pytest.approx(mcnemar(lost, gained))


def test_the_same_accuracy_of_other_images_is_no_difference() -> None:
    (pair,) = compare([[counted([True, True, False, False])], [counted([False, False, True, True], model="other")]])
    assert (pair.difference, pair.only_first, pair.only_model, pair.p_value) == (0, 2, 2, 1)
    assert pair.interval[0] < 0 < pair.interval[1]


def test_an_unreadable_image_is_read_by_nobody() -> None:
    rows = [[made([("", None), ("a", "a")], model="one")], [made([("", None), ("a", "b")], model="two")]]
    (pair,) = compare(rows)
    assert (pair.first_correct, pair.correct, pair.only_first) == (1, 0, 1)


def test_images_that_two_sets_share_count_once_in_all() -> None:
    rows = [
        [sized("IC13_857", 857, 800 - less, model), sized("IC13_1015", 1015, 950 - less, model)]
        for model, less in (("one", 0), ("two", 9))
    ]
    pair = compare(rows)[-1]
    assert (pair.data, pair.images, pair.only_first) == (POOLED, 1015, 9)


def test_one_model_has_nothing_to_be_compared_with() -> None:
    assert compare([[counted([True]), counted([False], "more")]]) == []


def test_other_images_are_refused() -> None:
    first = [counted([True, False])]
    with pytest.raises(DataError, match="words has 1 images and 2"):
        compare([first, [counted([True], model="two")]])
    with pytest.raises(DataError, match="signs stands where the other has words"):
        compare([first, [counted([True, False], "signs", "two")]])
    with pytest.raises(DataError, match="2 data sets and the other 1"):
        compare([first, [counted([True]), counted([True])]])
    other = made([("a", "a"), ("a", "b")], model="two")
    turned = [made([("a", "a"), ("a", "b")]), other]
    swapped = type(other)("two", "words", other.judged[::-1], 2, 0.5)
    with pytest.raises(DataError, match=r"words/1\.png stands where the other has words/0\.png"):
        compare([turned[:1], [swapped]])
