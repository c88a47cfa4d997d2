"""Galleries show what they say, in the order they say."""

from __future__ import annotations

import pytest

from tests.evaluation.made import Word, made
from wildtext.evaluation.doubts import (
    confidently_wrong,
    label_doubts,
    least_confident_right,
    models_differ,
    worst,
)
from wildtext.evaluation.readings import Judged

WORDS: list[Word] = [
    ("right", "right", 0.9),
    ("sure", "pure", 0.8),
    ("unsure", "ensure", 0.1),
    ("shaky", "shaky", 0.2),
    ("all", "xyz", 0.3),
    ("lost", None),
]


def model(*words: Word) -> tuple[Judged, ...]:
    return made(words).judged


def test_wrong_readings_by_confidence() -> None:
    cases = confidently_wrong(model(*WORDS), 10)
    assert [case.place for case in cases] == [1, 4, 2]
    assert cases[0].reason == "wrong with confidence 0.80, 1 edit"
    assert confidently_wrong(model(*WORDS), 1) == cases[:1]


def test_the_worst_have_most_edits_for_their_length() -> None:
    cases = worst(model(*WORDS, ("longer", "abcd", 0.5)), 10)
    assert [case.place for case in cases] == [6, 4, 1, 2]
    assert cases[0].reason == "6 edits in 6 characters"


def test_right_readings_the_least_confident_first() -> None:
    assert [case.place for case in least_confident_right(model(*WORDS), 10)] == [3, 0]


def test_models_that_agree_against_the_label_doubt_it() -> None:
    one = model(("wiht", "with", 0.9), ("a", "b", 0.99), ("cat", "cut", 0.4), ("sad", "", 0.9), ("ok", "ok", 1.0))
    two = model(("wiht", "with", 0.7), ("a", "b", 0.95), ("cat", "cut", 0.9), ("sad", "", 0.9), ("ok", "ko", 1.0))
    first, second = label_doubts([one, two], 10)
    assert (first.place, first.text, first.confidence) == (1, "b", 0.95)
    assert (second.place, second.confidence) == (0, 0.7)
    assert second.reason == "2 of 2 models read “with”, with confidence 0.70 or more"
    assert label_doubts([one, two], 1) == [first]


def test_one_of_three_models_may_read_something_else_but_not_the_label() -> None:
    found = label_doubts(
        [
            model(("cat", "cut", 0.9), ("dog", "dig", 0.9), ("cow", "now", 0.9)),
            model(("cat", "cut", 0.8), ("dog", "dig", 0.9), ("cow", "how", 0.9)),
            model(("cat", "cute", 0.9), ("dog", "dog", 0.6), ("cow", "low", 0.9)),
        ],
        10,
    )
    assert [(one.place, one.text, one.confidence) for one in found] == [(0, "cut", 0.8)]


@pytest.mark.parametrize(
    ("label", "text", "sign"),
    [
        ("plaze", "plaza", "one edit away"),
        ("wiht", "with", "two characters swapped"),
        ("the mechanic", "mechanic", "is in the label"),
        ("class", "classic", "has the label in it"),
        ("xyz", "right", "the label of 1 other image"),
    ],
)
def test_one_model_needs_a_sign_beside_its_confidence(label: str, text: str, sign: str) -> None:
    (doubt,) = label_doubts([model(*WORDS, (label, text, 0.95))], 10)
    assert (doubt.place, doubt.text) == (6, text)
    assert sign in doubt.reason
    assert label_doubts([model(*WORDS, (label, text, 0.85))], 10) == []


def test_confidence_alone_is_no_doubt() -> None:
    assert label_doubts([model(("hotel", "motto", 0.99), ("shop", "", 0.99))], 10) == []


def test_models_differ_where_not_all_read_the_same() -> None:
    one = model(("a", "a", 0.9), ("b", "b", 0.6), ("c", "x", 0.9), ("d", "y", 0.9), ("e", "z", 0.9), ("f", None))
    two = model(("a", "a", 0.9), ("b", "h", 0.5), ("c", "c", 0.8), ("d", "y", 0.9), ("e", "s", 0.9), ("f", None))
    found = models_differ([one, two], ["ours", "theirs"], 10)
    assert [(case.place, case.right, case.confidence) for case in found] == [
        (2, (1,), 0.8),
        (1, (0,), 0.5),
        (4, (), 0.9),
    ]
    assert found[0].reason == "ours: “x” (0.90, wrong); theirs: “c” (0.80, right)"
    assert models_differ([one, two], ["ours", "theirs"], 1) == found[:1]


def test_models_must_have_read_the_same_images() -> None:
    with pytest.raises(ValueError, match="shorter"):
        models_differ([model(*WORDS), model(*WORDS[:2])], ["ours", "theirs"], 10)
