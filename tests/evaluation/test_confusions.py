"""Every edit is counted once, and as what it is."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.made import Word, made
from wildtext.evaluation.confusions import case_confusions, count_confusions
from wildtext.evaluation.metrics import measure

TEXTS = st.text("abcé三", max_size=6)


def counted(confusions: list[tuple[str, str]], words: list[Word]) -> dict[tuple[str, str], int]:
    found = {(one.truth, one.read): one.count for one in count_confusions(made(words).judged).pairs}
    assert sorted(found) == sorted(confusions)
    return found


def test_an_edit_is_a_pair_of_what_is_there_and_what_was_read() -> None:
    words: list[Word] = [("cat", "cut"), ("boat", "boa"), ("at", "cat")]
    assert set(counted([("a", "u"), ("t", ""), ("", "c")], words).values()) == {1}


def test_the_most_frequent_confusion_comes_first_with_its_rate_and_images() -> None:
    judged = made([("oo", "00"), ("ok", "ok"), ("lo", "l0"), ("il", "ll")]).judged
    first, second = count_confusions(judged).pairs
    assert (first.truth, first.read, first.count, first.rate, first.places) == ("o", "0", 3, 0.75, (0, 2))
    assert (second.truth, second.read, second.rate, second.places) == ("i", "l", 1.0, (3,))


def test_what_is_not_there_is_rated_by_all_characters() -> None:
    (pair,) = count_confusions(made([("abcd", "abxcd")]).judged).pairs
    assert (pair.truth, pair.read, pair.rate) == ("", "x", 0.25)


def test_characters_are_counted_as_read_as_taken_for_others_and_as_left_out() -> None:
    found = count_confusions(made([("aab", "aa"), ("b", "a"), ("c", "cd")]).judged)
    by_name = {one.character: one for one in found.characters}
    assert list(by_name) == ["a", "b", "c", "d"]
    assert (by_name["a"].occurrences, by_name["a"].matched, by_name["a"].mistaken) == (2, 2, 1)
    assert (by_name["b"].left_out, by_name["b"].replaced, by_name["b"].matched) == (1, 1, 0)
    assert (by_name["d"].occurrences, by_name["d"].inserted) == (0, 1)


def test_positions_of_errors() -> None:
    found = count_confusions(made([("abc", "xbc"), ("abc", "abx"), ("abc", "axc"), ("a", "b"), ("ab", "xab")]).judged)
    by_name = {one.position: (one.characters, one.lost, one.inserted) for one in found.positions}
    assert by_name == {"first": (4, 1, 1), "between": (3, 1, 0), "last": (4, 1, 0), "only": (1, 1, 0)}


def test_the_most_confused_characters_are_those_of_most_substitutions() -> None:
    found = count_confusions(made([("ab", "ab"), ("ab", "bb"), ("ab", "b"), ("b", "ab"), ("z", "y")]).judged)
    assert found.most_confused(3) == ["a", "b", "y"]


def test_an_image_that_could_not_be_decoded_does_not_count() -> None:
    found = count_confusions(made([("abc", None), ("a", "b")]).judged)
    assert (found.images, found.edits, found.occurrences) == (1, 1, 1)


def test_nothing_gives_nothing() -> None:
    found = count_confusions(())
    assert (found.images, found.pairs, found.edits) == (0, (), 0)
    assert all(math.isnan(one.rate) for one in found.positions)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12))
def test_figures_add_up(words: list[tuple[str, str]]) -> None:
    judged = made(words).judged
    found = count_confusions(judged)
    metrics = measure(judged)
    assert found.edits == metrics.edits == sum(pair.count for pair in found.pairs)
    assert found.occurrences == metrics.characters
    assert all(one.matched + one.replaced + one.left_out == one.occurrences for one in found.characters)
    assert sum(one.matched + one.mistaken + one.inserted for one in found.characters) == sum(len(b) for _, b in words)
    assert sum(one.lost for one in found.positions) == found.substitutions + found.deletions
    assert sum(one.inserted for one in found.positions) == found.insertions
    assert sum(one.characters for one in found.positions) == found.occurrences
    assert {place for pair in found.pairs for place in pair.places} == {n for n, (a, b) in enumerate(words) if a != b}
    assert sum(pair.count for pair in found.pairs if not pair.read) == found.deletions
    assert sum(pair.count for pair in found.pairs if not pair.truth) == found.insertions


def test_case_is_compared_whatever_the_protocol_says() -> None:
    judged = made([("Hello", "hello"), ("ok", "OK"), ("So", "se"), ("42", "42")], shared=str.lower).judged
    found = case_confusions(judged)
    assert (found.letters, found.count, found.words) == (8, 4, 2)
    assert [(one.truth, one.read, one.rate) for one in found.pairs] == [
        ("H", "h", 1.0),
        ("S", "s", 1.0),
        ("k", "K", 1.0),
        ("o", "O", 0.5),
    ]


def test_letters_that_grow_in_small_letters_are_aligned_all_the_same() -> None:
    found = case_confusions(made([("İstanbul", "İSTANBUL")]).judged)
    assert (found.letters, found.count) == (8, 7)
