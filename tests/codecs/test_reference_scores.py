"""The scores that reference projects print, by their own rules."""

import numpy as np
import pytest

from wildtext.charset import Charset
from wildtext.codecs import CTC, RULES, Sequence, reference_score
from wildtext.types import Floats

LETTERS = Charset("letters", ("a", "b"))
ATTENTION = Sequence.dtrb(LETTERS, max_length=3)
NO_STOP = Sequence(LETTERS, max_length=4, classes=4, first=0, begin=None, end=3, pad=3, slots=4, silent=(2, 3))


def slots(ids: list[int], maxima: list[float]) -> Floats:
    """Four classes; each slot gives the named class its probability and shares the rest among the others."""
    table = np.array([[(1 - chance) / 3] * 4 for chance in maxima])
    table[range(len(ids)), ids] = maxima
    return np.asarray(np.log(table), np.float32)


@pytest.mark.parametrize(("rule", "score"), [("mean", 0.7), ("before-end", 0.48), ("to-end", 0.432), ("steps", 0.432)])
def test_a_text_with_an_end(rule: str, score: float) -> None:
    assert reference_score(rule, slots([2, 3, 1, 2], [0.8, 0.6, 0.9, 0.5]), ATTENTION) == pytest.approx(score)


@pytest.mark.parametrize(("rule", "score"), [("mean", 0.7), ("before-end", 0.48), ("to-end", 0), ("steps", 0.48)])
def test_a_text_without_an_end(rule: str, score: float) -> None:
    assert reference_score(rule, slots([2, 3], [0.8, 0.6]), ATTENTION) == pytest.approx(score)


@pytest.mark.parametrize(("rule", "score"), [("mean", 0), ("before-end", 0), ("to-end", 0.9), ("steps", 0.9)])
def test_no_text(rule: str, score: float) -> None:
    assert reference_score(rule, slots([1, 2], [0.9, 0.8]), ATTENTION) == pytest.approx(score)


def test_silent_tokens_do_not_count() -> None:
    assert reference_score("mean", slots([0, 3, 1, 2], [0.8, 0.9, 0.6, 0.9]), NO_STOP) == pytest.approx(0.7)


def test_ctc_counts_all_columns() -> None:
    assert reference_score("steps", slots([0, 1, 0], [0.9, 0.8, 0.5]), CTC(LETTERS)) == pytest.approx(0.36)


@pytest.mark.parametrize(("rule", "score"), [("mean", 0.6), ("before-end", 0.21)])
def test_ctc_counts_characters_by_their_first_columns(rule: str, score: float) -> None:
    columns = slots([1, 1, 0, 1, 2, 2, 0], [0.5, 0.9, 0.8, 0.6, 0.7, 0.9, 0.9])
    assert reference_score(rule, columns, CTC(LETTERS)) == pytest.approx(score)


def test_ctc_without_a_text_scores_nothing() -> None:
    assert reference_score("mean", slots([0, 0], [0.9, 0.9]), CTC(LETTERS)) == 0


def test_rules_are_known_by_name() -> None:
    assert RULES.keys() == {"mean", "before-end", "to-end", "steps"}
