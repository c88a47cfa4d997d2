"""Slices part the images, and what is called a weakness is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.made import Word, made
from wildtext.evaluation.groupings import GROUPINGS, UNKNOWN
from wildtext.evaluation.properties import Properties
from wildtext.evaluation.readings import Judged
from wildtext.evaluation.slices import Slice, find_slices, weaknesses
from wildtext.evaluation.statistics import wilson_interval
from wildtext.types import Prediction

USUAL = Properties(width=100, height=30, contrast=0.4, blur=0.8, slope=1.0)


def sliced(words: Sequence[Word], properties: list[Properties | None] | None = None) -> list[Slice]:
    return find_slices(made(words).judged, properties or [USUAL] * len(words), ["words"] * len(words))


def counts(found: list[Slice], by: str) -> dict[str, tuple[int, int]]:
    """Images and errors by name of the bin, in order."""
    return {one.name: (one.images, one.errors) for one in found if one.by == by}


def heights(*numbers: int) -> list[Properties | None]:
    return [replace(USUAL, height=number) for number in numbers]


def test_a_bin_contains_its_lower_edge() -> None:
    words: list[Word] = [("a", "a"), ("a", "b"), ("a", "a"), ("a", "b")]
    found = sliced(words, heights(96, 16, 15, 23))
    assert counts(found, "height") == {"under 16 px": (1, 0), "16 to 24 px": (2, 2), "96 px or more": (1, 0)}


def test_figures_of_a_slice() -> None:
    words = [("a", "a")] * 6 + [("a", "b"), ("a", "a"), ("a", "b"), ("a", "b")]
    small = next(one for one in sliced(words, heights(*[30] * 6, *[10] * 4)) if one.name == "under 16 px")
    assert (small.places, small.wrong, small.accuracy) == ((6, 7, 8, 9), (6, 8, 9), 25.0)
    assert small.interval == pytest.approx([100 * end for end in wilson_interval(1, 4)])
    assert (small.share, small.share_of_errors) == (0.4, 1.0)
    assert small.excess_errors == pytest.approx(3 - 4 * 0.3)
    assert small.chance == pytest.approx(sum(comb(4, k) * 0.3**k * 0.7 ** (4 - k) for k in (3, 4)))


def test_the_slope_counts_up_and_down() -> None:
    properties: list[Properties | None] = [replace(USUAL, slope=slope) for slope in (-7, 7, 0.5, None)]
    assert list(counts(sliced([("a", "a")] * 4, properties), "slope")) == ["under 2°", "5 to 10°", UNKNOWN]
    assert counts(sliced([("a", "a")] * 4, properties), "slope")["5 to 10°"] == (2, 0)


def test_labels_by_length_characters_and_case() -> None:
    labels = ["Word", "WORD", "word", "wOrd", "4711", "B2", "it's", "two words", "", "三三三"]
    found = sliced([(label, label) for label in labels])
    assert list(counts(found, "length")) == [
        "0 characters",
        "2 characters",
        "3 characters",
        "4 to 5 characters",
        "9 to 12 characters",
    ]
    assert counts(found, "characters") == {
        "letters only": (5, 0),
        "digits only": (1, 0),
        "letters and digits": (1, 0),
        "punctuation": (1, 0),
        "blanks": (1, 0),
        "no character": (1, 0),
    }
    assert counts(found, "case") == {
        "small letters only": (3, 0),
        "capitals only": (2, 0),
        "one capital first": (1, 0),
        "mixed case": (1, 0),
        "no case": (3, 0),
    }


def test_the_length_is_that_of_what_is_compared() -> None:
    judged = made([("it's", "its"), ("ab", "ab")], shared=lambda text: text.replace("'", "")).judged
    assert list(counts(find_slices(judged, [USUAL] * 2, ["words"] * 2), "length")) == ["2 characters", "3 characters"]


def test_narrow_characters_are_those_of_long_labels_in_short_pictures() -> None:
    properties: list[Properties | None] = [replace(USUAL, width=100, height=50)] * 2
    found = sliced([("abcdefgh", "abcdefgh"), ("ab", "ab")], properties)
    assert list(counts(found, "width per character")) == ["under 0.3", "0.8 or more"]


def test_turned_images_are_told_apart() -> None:
    judged = made([("a", "a"), ("b", "b")]).judged
    reading = replace(judged[1].reading, prediction=Prediction("b", 0.5, rotation=270))
    found = find_slices([judged[0], Judged(reading, "b", "b")], [USUAL] * 2, ["words"] * 2)
    assert counts(found, "rotation") == {"0°": (1, 0), "270°": (1, 0)}


def test_an_image_that_could_not_be_decoded_is_an_error_of_unknown_looks() -> None:
    found = sliced([("a", "a"), ("a", None)], [USUAL, None])
    assert counts(found, "height") == {"24 to 32 px": (1, 0), UNKNOWN: (1, 1)}


def test_what_all_images_share_is_left_out() -> None:
    assert sliced([("a", "a"), ("b", "c")]) == []
    assert find_slices([], [], []) == []


def test_data_sets_are_kept_apart_when_errors_are_expected() -> None:
    # The hard set is small throughout, so that its height explains nothing.
    hard, easy = made([("a", "b")] * 8 + [("a", "a")] * 2).judged, made([("a", "a")] * 10).judged
    properties = heights(*[10] * 10, *[40] * 10)
    found = find_slices([*hard, *easy], properties, ["hard"] * 10 + ["easy"] * 10)
    excess = {(one.by, one.name): one.excess_errors for one in found}
    assert excess["data", "hard"] == pytest.approx(4)
    assert excess["height", "under 16 px"] == pytest.approx(0)


PROPERTIES = st.builds(
    Properties,
    width=st.integers(1, 900),
    height=st.integers(1, 300),
    contrast=st.floats(0, 1),
    blur=st.none() | st.floats(0.2, 9),
    slope=st.none() | st.floats(-45, 45),
)
IMAGES = st.lists(
    st.tuples(st.text("aB3'三 ", max_size=14), st.booleans(), st.none() | PROPERTIES, st.sampled_from("xyz")),
    min_size=1,
)


@given(IMAGES)
def test_every_image_is_in_one_slice_by_each_thing(images: list[tuple[str, bool, Properties | None, str]]) -> None:
    words: list[Word] = [(text, text if right else text + "!") for text, right, _, _ in images]
    found = find_slices(made(words).judged, [one[2] for one in images], [one[3] for one in images])
    errors = [place for place, one in enumerate(images) if not one[1]]
    for by in {one.by for one in found}:
        parts = [one for one in found if one.by == by]
        assert sorted(place for one in parts for place in one.places) == list(range(len(images)))
        assert sorted(place for one in parts for place in one.wrong) == errors
        assert sum(one.share for one in parts) == pytest.approx(1)
        assert sum(one.share_of_errors for one in parts) == pytest.approx(1 if errors else 0)
        assert sum(one.excess_errors for one in parts) == pytest.approx(0, abs=1e-9)
        assert all(0 <= one.chance <= 1 for one in parts)
    order = list(GROUPINGS)
    assert [one.by for one in found] == sorted((one.by for one in found), key=order.index)


def hard_where_small(images: int) -> tuple[list[Word], list[Properties | None]]:
    """Of so many images a quarter is small and all wrong, of the others every tenth is wrong."""
    small = images // 4
    words: list[Word] = [("a", "b" if n < small or n % 10 == 0 else "a") for n in range(images)]
    return words, heights(*[10] * small, *[40] * (images - small))


def test_a_weakness_is_told_in_a_sentence() -> None:
    (weakness,) = weaknesses(sliced(*hard_where_small(400)))
    assert weakness.slice.name == "under 16 px"
    assert weakness.slice.excess_errors == pytest.approx(100 - 100 * 130 / 400)
    assert weakness.sentence == (
        "Images under 16 px high: 0.0 % read right (0.0 to 3.7), 100 of the 130 errors in 25.0 % of the images"
    )


def test_few_images_show_no_weakness() -> None:
    assert weaknesses(sliced(*hard_where_small(12))) == []


def test_without_errors_there_is_no_weakness() -> None:
    assert weaknesses(sliced([("a", "a")] * 300, heights(*[10] * 100, *[40] * 200))) == []


def test_a_weakness_that_another_explains_is_left_out() -> None:
    # Small images are wrong; most of them are blurred as well, and so are some others, which are read.
    words, properties = hard_where_small(400)
    blurred = [*range(90), *range(390, 400)]
    for place in blurred:
        one = properties[place]
        assert one is not None
        properties[place] = replace(one, blur=3.0)
    found = sliced(words, properties)
    assert next(one for one in found if one.name == "2 px or more").chance < 1e-9
    assert [one.slice.by for one in weaknesses(found)] == ["height"]


def test_what_chance_could_add_to_a_known_weakness_is_none_of_its_own() -> None:
    words, properties = hard_where_small(400)
    large = range(100, 400)
    wrong = [place for place in large if words[place][0] != words[place][1]]
    right = [place for place in large if place not in wrong]
    for place in [*range(90), *wrong[:4], *right[:16]]:  # 4 of 20 are wrong, where 2 are usual
        one = properties[place]
        assert one is not None
        properties[place] = replace(one, blur=3.0)
    assert [one.slice.by for one in weaknesses(sliced(words, properties))] == ["height"]


def test_what_cannot_be_told_comes_after_what_can() -> None:
    words, properties = hard_where_small(400)
    for place in range(100, 300):
        words[place] = ("a", "b")
        one = properties[place]
        assert one is not None
        properties[place] = replace(one, slope=None)
    for place in (*range(100), *range(300, 400)):
        one = properties[place]
        assert one is not None
        properties[place] = replace(one, slope=1.0)
    assert [one.slice.name for one in weaknesses(sliced(words, properties))] == ["under 16 px", UNKNOWN]


def test_a_weakness_of_its_own_is_named_beside_a_greater_one() -> None:
    words, properties = hard_where_small(400)
    for place in range(350, 400):
        words[place] = ("a", "b")
        one = properties[place]
        assert one is not None
        properties[place] = replace(one, contrast=0.05)
    assert [one.slice.by for one in weaknesses(sliced(words, properties))] == ["height", "contrast"]


def test_a_hard_data_set_hides_no_other_weakness() -> None:
    words, properties = hard_where_small(400)
    easy: list[Word] = [("a", "a")] * 400
    found = find_slices(made(words + easy).judged, properties + heights(*[40] * 400), ["hard"] * 400 + ["easy"] * 400)
    assert {(one.slice.by, one.slice.name) for one in weaknesses(found)} == {
        ("data", "hard"),
        ("height", "under 16 px"),
    }
