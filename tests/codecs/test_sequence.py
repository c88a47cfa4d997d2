"""Character by character: encoding, confidence up to the end token, alternatives, and where attention looked."""

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildtext.charset import Charset
from wildtext.codecs import Sequence, log_softmax
from wildtext.errors import CharsetError
from wildtext.types import Floats

LETTERS = Charset("letters", ("a", "b"))
FULL = Charset.named("94+space")
DTRB = Sequence.dtrb(LETTERS, max_length=4)
# The ids of PARSeq: its head has no classes for the begin and padding tokens.
END_FIRST = Sequence(LETTERS, max_length=4, classes=3, first=1, begin=3, end=0, pad=4)
END_LAST = Sequence(LETTERS, max_length=4, classes=6, first=0, begin=3, end=2, pad=5, unknown=4)
NO_BEGIN = Sequence(LETTERS, max_length=4, classes=4, first=2, begin=None, end=1, pad=0)
SCHEMES = [DTRB, END_FIRST, END_LAST, NO_BEGIN]


def one_hot(path: list[int], classes: int) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(np.eye(classes, dtype=np.float32)[path])


def random_problem(seed: int, slots: int, classes: int, sharpness: float = 1.5) -> Floats:
    """(T, C) natural logarithms of rows that sum to 1."""
    logits = np.random.default_rng(seed).normal(0, sharpness, (slots, classes))
    scores = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return np.asarray(scores, np.float32)


def by_enumeration(codec: Sequence, scores: Floats) -> dict[str, float]:
    """The probability of every text, one by one."""
    texts = {}
    for length in range(len(scores) + 1):
        for characters in product(range(len(codec.charset)), repeat=length):
            ids = [codec.first + index for index in characters] + [codec.end] * (length < len(scores))
            text = "".join(codec.charset.characters[index] for index in characters)
            texts[text] = math.exp(sum(float(scores[slot, index]) for slot, index in enumerate(ids)))
    return texts


@settings(deadline=None)
@given(st.text("".join(FULL.characters), max_size=25), st.integers(0, 3))
def test_every_string_is_read_back_from_its_ids(text: str, more: int) -> None:
    codec = Sequence.dtrb(FULL)
    ids, lengths = codec.encode([text])
    # What follows the begin token is what a head is asked for.
    slots = ids[0, 1:].tolist() + [codec.pad] * more
    reading = codec.decode(one_hot(slots, codec.classes), top=3)
    assert reading.text == text
    assert reading.confidence == 1.0
    assert [character.text for character in reading.characters] == list(text)
    assert reading.alternatives == ()
    assert lengths.tolist() == [len(text) + 2]


@pytest.mark.parametrize("codec", SCHEMES)
@given(text=st.text("ab", max_size=4))
def test_every_scheme_of_ids_reads_back_what_it_encodes(codec: Sequence, text: str) -> None:
    ids, (length,) = codec.encode([text])
    lead = 0 if codec.begin is None else 1
    assert codec.decode(one_hot(ids[0, lead:length].tolist(), codec.classes)).text == text


def test_ids_are_begin_characters_end_and_padding() -> None:
    ids, lengths = replace(DTRB, pad=9).encode(["ab", ""])
    assert ids.tolist() == [[0, 2, 3, 1, 9, 9], [0, 1, 9, 9, 9, 9]]
    assert lengths.tolist() == [4, 2]
    assert ids.dtype == lengths.dtype == np.int64


def test_padding_may_be_the_begin_token() -> None:
    assert DTRB.pad == DTRB.begin
    assert DTRB.encode(["a"])[0].tolist() == [[0, 2, 1, 0, 0, 0]]


def test_a_head_without_begin_token_has_none_in_its_targets() -> None:
    assert NO_BEGIN.encode(["ab"])[0].tolist() == [[2, 3, 1, 0, 0]]


def test_batches_have_one_length_whatever_their_labels() -> None:
    assert DTRB.encode(["a"])[0].shape == DTRB.encode(["abab"])[0].shape == (1, 6)
    assert DTRB.encode([])[0].shape == (0, 6)


def test_unknown_characters_have_an_id_where_the_scheme_has_one() -> None:
    assert END_LAST.problem("aX") is None
    assert END_LAST.encode(["aX"])[0].tolist() == [[3, 0, 4, 2, 5, 5]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("ababa", "5 characters, the model writes at most 4"), ("aXbY", "characters outside charset letters: 'XY'")],
)
def test_a_label_that_cannot_be_learnt_is_named(text: str, reason: str) -> None:
    assert DTRB.problem(text) == reason
    with pytest.raises(CharsetError) as caught:
        DTRB.encode(["a", text])
    assert str(caught.value) == f"label {text!r}: {reason}"


def test_an_empty_label_is_a_problem() -> None:
    assert DTRB.problem("") == "empty label"


def test_confidence_includes_the_end_token() -> None:
    probabilities = np.array([[0, 0.1, 0.9, 0], [0, 0.2, 0, 0.8], [0, 0.7, 0.3, 0], [0, 0.1, 0.9, 0]])
    with np.errstate(divide="ignore"):
        reading = DTRB.decode(np.log(probabilities))
    assert reading.text == "ab"
    assert reading.confidence == pytest.approx(0.9 * 0.8 * 0.7)
    assert [character.confidence for character in reading.characters] == pytest.approx([0.9, 0.8])


def test_confidence_takes_all_slots_where_no_end_was_written() -> None:
    probabilities = np.array([[0, 0.1, 0.9, 0], [0, 0.2, 0, 0.8]])
    with np.errstate(divide="ignore"):
        reading = DTRB.decode(np.log(probabilities))
    assert reading.text == "ab"
    assert reading.confidence == pytest.approx(0.9 * 0.8)


def test_an_end_in_the_first_slot_is_the_empty_text() -> None:
    reading = DTRB.decode(np.log(np.array([[0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]])))
    assert reading.text == ""
    assert reading.confidence == pytest.approx(0.7)
    assert reading.characters == ()


@pytest.mark.parametrize("codec", SCHEMES)
@given(seed=st.integers(0, 10**6), sharpness=st.sampled_from([0.3, 3.0, 30.0]))
def test_special_tokens_never_reach_a_user(codec: Sequence, seed: int, sharpness: float) -> None:
    reading = codec.decode(random_problem(seed, 5, codec.classes, sharpness), top=4)
    for text in (reading.text, *(other.text for other in reading.alternatives)):
        assert set(text) <= {"a", "b"}
        assert len(text) <= 5
    assert len(reading.characters) == len(reading.text)
    assert 0 <= reading.confidence <= 1


def test_a_slot_where_only_special_tokens_are_possible_ends_the_text() -> None:
    reading = DTRB.decode(one_hot([2, 0, 3, 1], 4))
    assert reading.text == "a"
    assert reading.confidence == 0


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SCHEMES), st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 9))
def test_alternatives_are_the_best_others_by_enumeration(codec: Sequence, seed: int, slots: int, top: int) -> None:
    scores = random_problem(seed, slots, codec.classes)
    reading = codec.decode(scores, top=top)
    texts = by_enumeration(codec, scores)
    assert reading.confidence == pytest.approx(texts.pop(reading.text))
    expected = sorted(texts.items(), key=lambda item: -item[1])[: top - 1]
    assert [other.text for other in reading.alternatives] == [text for text, _ in expected]
    assert [other.confidence for other in reading.alternatives] == pytest.approx([value for _, value in expected])


def test_more_alternatives_than_a_few_classes_are_found() -> None:
    codec = Sequence.dtrb(FULL)
    reading = codec.decode(random_problem(0, 1, codec.classes), top=40)
    assert len({reading.text, *(other.text for other in reading.alternatives)}) == 40


@pytest.mark.parametrize("codec", [DTRB, END_LAST], ids=["DTRB", "end last"])
def test_a_temperature_changes_confidence_and_never_the_texts(codec: Sequence) -> None:
    decisive = 0
    for seed in range(60):
        scores = random_problem(seed, 4, codec.classes)
        plain = codec.decode(scores, top=4)
        for temperature in (0.5, 2.0):
            cooled = codec.decode(scores, top=4, temperature=temperature)
            divided = log_softmax(scores, temperature)
            chances = by_enumeration(codec, divided)
            assert [one.text for one in cooled.alternatives] == [one.text for one in plain.alternatives]
            assert cooled.text == plain.text
            assert cooled.confidence == pytest.approx(chances[cooled.text], rel=1e-4)
            for one in cooled.alternatives:
                assert one.confidence == pytest.approx(chances[one.text], rel=1e-4)
            others = codec.decode(divided, top=4).alternatives
            decisive += [one.text for one in others] != [one.text for one in plain.alternatives]
    assert decisive > 0, "dividing first gives other alternatives, which is why it must not"


def test_asking_for_alternatives_does_not_change_the_text() -> None:
    for seed in range(50):
        scores = random_problem(seed, 5, 4)
        assert DTRB.decode(scores).text == DTRB.decode(scores, top=5).text


def test_decoding_leaves_its_input_alone() -> None:
    scores = random_problem(0, 5, 6)
    scores.flags.writeable = False
    before = scores.copy()
    END_LAST.decode(scores, top=4)
    assert np.array_equal(scores, before)


def test_without_attention_a_span_is_the_whole_image() -> None:
    (character,) = DTRB.decode(one_hot([2, 1], 4), valid_width=0.5).characters
    assert (character.start, character.end) == (0, 1)


def attention(*rows: list[float]) -> dict[str, Floats]:
    """One row of columns for each slot, under two rows of the map."""
    values = np.array(rows, np.float32)
    return {"attention": np.stack([values / 2, values / 2], axis=1)}


def test_a_span_covers_the_columns_with_at_least_half_of_the_highest_attention() -> None:
    maps = attention([0.1, 0.5, 0.3, 0.1], [0, 0, 0.2, 0.8], [1, 0, 0, 0])
    first, second = DTRB.decode(one_hot([2, 3, 1], 4), maps=maps).characters
    assert (first.start, first.end) == (0.25, 0.75)
    assert (second.start, second.end) == (0.75, 1)


def test_a_span_ends_where_attention_falls_though_it_may_rise_again() -> None:
    (character,) = DTRB.decode(one_hot([2, 1], 4), maps=attention([0.4, 0.1, 0.5, 0], [0, 0, 0, 1])).characters
    assert (character.start, character.end) == (0.5, 0.75)


def test_spans_are_shares_of_the_image_not_of_the_padded_canvas() -> None:
    maps = attention([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1])
    first, second = DTRB.decode(one_hot([2, 3, 1], 4), maps=maps, valid_width=0.5).characters
    assert (first.start, first.end) == (0, 0.5)
    assert (second.start, second.end) == (0.5, 1)


def test_columns_of_attention_lie_where_the_model_says() -> None:
    maps = attention([0, 1, 0, 0], [0, 0, 0, 1]) | {"column_x": np.array([0.3, 0.5, 0.6, 0.7], np.float32)}
    (character,) = DTRB.decode(one_hot([2, 1], 4), maps=maps).characters
    assert [character.start, character.end] == pytest.approx([0.375, 0.625])


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0.05, 1.0))
def test_spans_are_inside_the_image(seed: int, width: int, valid_width: float) -> None:
    weights = np.random.default_rng(seed).random((5, 2, width), np.float32)
    maps = {"attention": weights * (weights > 0.5)}
    reading = DTRB.decode(random_problem(seed, 5, 4), maps=maps, valid_width=valid_width)
    assert len(reading.characters) == len(reading.text)
    assert all(0 <= character.start <= character.end <= 1 for character in reading.characters)


@pytest.mark.parametrize("values", [DTRB.to_dict(), END_LAST.to_dict(), NO_BEGIN.to_dict()])
def test_a_description_names_every_id(values: dict[str, Any]) -> None:
    assert values.pop("kind") == "sequence"
    assert Sequence(LETTERS, **values) in SCHEMES


# The ids of PaddleOCR's SRN: 25 slots for 25 characters, filled up with the end; neither token ends a text.
PADDLE = Sequence(LETTERS, max_length=4, classes=4, first=0, begin=None, end=3, pad=3, slots=4, silent=(2, 3))
# The ids of MGP-STR: the first slot belongs to [GO], which writes nothing wherever it stands.
MGP = Sequence(LETTERS, max_length=2, classes=4, first=2, begin=0, end=1, pad=0, skip=1, silent=(0,))


def test_a_label_may_fill_all_slots() -> None:
    ids, lengths = PADDLE.encode(["abab", "a"])
    assert ids.tolist() == [[0, 1, 0, 1], [0, 3, 3, 3]]
    assert lengths.tolist() == [4, 4], "filling up with the end is part of the target"
    with pytest.raises(CharsetError, match="5 characters, the model writes at most 4"):
        PADDLE.encode(["ababa"])
    with pytest.raises(CharsetError, match="3 slots cannot hold labels of 4 characters"):
        replace(PADDLE, slots=3)


def test_a_silent_end_lets_the_text_go_on() -> None:
    scores = one_hot([0, 3, 1, 2], 4)
    assert PADDLE.decode(scores).text == "ab"
    assert PADDLE.decode(scores).confidence == 1
    assert PADDLE.ended(scores)
    stopping = replace(PADDLE, silent=(2,))
    assert stopping.decode(scores).text == "a"


def test_skipped_slots_and_silent_tokens_write_nothing() -> None:
    reading = MGP.decode(one_hot([1, 2, 0, 3, 1], 4))
    assert reading.text == "ab"
    assert [character.text for character in reading.characters] == ["a", "b"]
    assert reading.confidence == 1


def test_spans_are_those_of_the_slots_that_write() -> None:
    attention = np.eye(5, dtype=np.float32)[:, None, :]
    reading = MGP.decode(one_hot([1, 2, 0, 3, 1], 4), maps={"attention": attention})
    assert [(character.start, character.end) for character in reading.characters] == [
        pytest.approx((0.2, 0.4)),
        pytest.approx((0.6, 0.8)),
    ]


def test_it_is_told_whether_the_text_came_to_an_end() -> None:
    assert MGP.ended(one_hot([1, 2, 1], 4))
    assert not MGP.ended(one_hot([1, 2, 2], 4)), "the end in the skipped slot does not count"


@pytest.mark.parametrize("codec", [PADDLE, MGP, replace(PADDLE, silent=(2,))])
@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_alternatives_are_other_texts_in_order(codec: Sequence, seed: int) -> None:
    reading = codec.decode(random_problem(seed, codec.skip + codec.slots, codec.classes), top=4)
    texts = [reading.text, *(other.text for other in reading.alternatives)]
    chances = [other.confidence for other in reading.alternatives]
    assert len(set(texts)) == len(texts) == 4
    assert chances == sorted(chances, reverse=True)
