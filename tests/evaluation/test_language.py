"""Random strings differ from words in their letters and in nothing else."""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from tests.evaluation.made import counted
from wildtext.errors import ConfigError, MissingExtraError
from wildtext.evaluation.evaluator import evaluate
from wildtext.evaluation.language import DrawnSource, LanguageReliance, language_sets
from wildtext.evaluation.statistics import difference_interval, mcnemar
from wildtext.images import decode
from wildtext.inference.recognizer import Recognizer
from wildtext.synth.corpus.words import shipped
from wildtext.synth.senseless import word_pairs

COUNT = 24


@pytest.fixture(scope="module")
def sets() -> tuple[DrawnSource, DrawnSource]:
    return language_sets(COUNT)


def test_strings_have_the_lengths_and_capitals_of_the_words() -> None:
    words, strings = word_pairs(400, np.random.default_rng(1))
    assert len(words) == len(strings) == 400
    for word, string in zip(words, strings, strict=True):
        assert [letter.isupper() for letter in word] == [letter.isupper() for letter in string]
        assert word.isalpha()
        assert string.isalpha()
        assert len(word) >= 3


def test_as_many_letters_are_doubled_in_a_string_as_in_its_word() -> None:
    words, strings = word_pairs(400, np.random.default_rng(0))
    doubled = [[sum(a == b for a, b in pairwise(text.lower())) for text in texts] for texts in (words, strings)]
    assert doubled[0] == doubled[1]
    assert sum(doubled[0]) > 20


def test_strings_are_no_words() -> None:
    _, strings = word_pairs(400, np.random.default_rng(2))
    lexicon = {word.lower() for name in ("street", "common", "further") for word in shipped(name)}
    assert not {string.lower() for string in strings} & lexicon


def test_letters_of_the_strings_are_as_frequent_as_in_the_words() -> None:
    counts = [Counter("".join(texts).lower()) for texts in word_pairs(3000, np.random.default_rng(3))]
    total = counts[0].total()
    for letter in "abcdefghijklmnopqrstuvwxyz":
        assert counts[0][letter] / total == pytest.approx(counts[1][letter] / total, abs=0.01), letter


def test_both_sets_look_alike(sets: tuple[DrawnSource, DrawnSource]) -> None:
    words, strings = sets
    assert words.size == strings.size == COUNT
    for index in range(COUNT):
        word, string = words[index], strings[index]
        assert (words.text(index), strings.text(index)) == (word.text, string.text)
        assert len(word.text) == len(string.text)
        for key in ("font", "style", "layout", "appearance"):
            assert word.parameters[key] == string.parameters[key]
        # Letters of other widths make pictures of other widths.
        seen = [{k: v for k, v in one.parameters["capture"].items() if k != "camera"} for one in (word, string)]
        assert seen[0] == seen[1]


def test_sets_are_the_same_every_time_and_differ_by_seed(sets: tuple[DrawnSource, DrawnSource]) -> None:
    again, other = language_sets(COUNT), language_sets(COUNT, seed=1)
    for first, second, third in zip(sets, again, other, strict=True):
        assert [first.content(index) for index in range(COUNT)] == [second.content(index) for index in range(COUNT)]
        assert [first.text(index) for index in range(COUNT)] != [third.text(index) for index in range(COUNT)]


def test_the_evaluator_takes_them(sets: tuple[DrawnSource, DrawnSource], recognizer: Recognizer) -> None:
    words, strings = sets
    result = evaluate(recognizer, strings, model="fake")
    assert (result.data, result.metrics.images, result.metrics.unreadable) == ("random strings", COUNT, 0)
    np.testing.assert_array_equal(decode(words.content(3)), words[3].image)
    assert words.where(3) == "words#3"
    boxes = words.boxes(3)
    assert boxes is not None
    assert len(boxes) == len(words.text(3))


def test_nothing_and_negative_seeds_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 random strings"):
        language_sets(0)
    with pytest.raises(ConfigError, match="seed"):
        language_sets(1, seed=-1)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"wildtext\[train\]"):
        language_sets(1)


# Of four pairs just the word is right, of one just the string.
WORDS, STRINGS = ([mark == "+" for mark in marks] for marks in ("++++++++--", "++++----+-"))
RELIANCE = LanguageReliance(counted(WORDS, "words", "one"), counted(STRINGS, "random strings", "one"))


def test_the_difference_is_that_of_pairs() -> None:
    assert RELIANCE.difference == pytest.approx(30.0)
    assert RELIANCE.interval == tuple(100 * end for end in difference_interval(1, 4, 10))
    assert RELIANCE.p_value == mcnemar(1, 4) == pytest.approx(0.375)


def test_the_record_tells_accuracies_with_their_intervals() -> None:
    record = json.loads(json.dumps(RELIANCE.record()))
    assert (record["model"], record["images"]) == ("one", 10)
    assert (record["words"], record["random_strings"], record["difference"]) == (80.0, 50.0, pytest.approx(30.0))
    assert record["words_interval"] == pytest.approx([49.0, 94.3], abs=0.05)
    low, high = record["difference_interval"]
    assert low < 30 < high
    assert record["p_value"] == pytest.approx(0.375)
    assert RELIANCE.row()["words"] == "80.00 (49.02 to 94.33)"
