"""CTC: what is encoded is read back, and what is read is what brute force finds."""

import math
from collections import defaultdict
from itertools import groupby, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wildtext.charset import Charset
from wildtext.codecs import CTC, log_softmax
from wildtext.codecs.ctc import BLANK, text_probability
from wildtext.errors import CharsetError, ConfigError
from wildtext.types import Floats

FULL = CTC(Charset.named("94+space"))
SMALL = CTC(Charset("small", ("a", "b")))

Probabilities = NDArray[np.float64]


def one_hot(path: list[int], classes: int) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(np.eye(classes, dtype=np.float32)[path])


def random_problem(seed: int, steps: int, classes: int, sharpness: float) -> Probabilities:
    """(T, C) rows that sum to 1; the sharper, the more a single class of a column has."""
    logits = np.random.default_rng(seed).normal(0, sharpness, (steps, classes))
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    rows: Probabilities = weights / weights.sum(axis=1, keepdims=True)
    return rows


def by_enumeration(probabilities: Probabilities) -> dict[tuple[int, ...], float]:
    """The probability of every label, summed over all alignments one by one."""
    labels: defaultdict[tuple[int, ...], float] = defaultdict(float)
    steps, classes = probabilities.shape
    for path in product(range(classes), repeat=steps):
        label = tuple(entry for entry, _ in groupby(path) if entry != BLANK)
        labels[label] += math.prod(probabilities[step, entry] for step, entry in enumerate(path))
    return dict(labels)


def spelled(codec: CTC, label: tuple[int, ...]) -> str:
    return "".join(codec.charset.characters[index - 1] for index in label)


problems = st.builds(
    random_problem,
    seed=st.integers(0, 10**6),
    steps=st.integers(1, 5),
    classes=st.integers(2, 4),
    sharpness=st.sampled_from([0.0, 0.5, 1.0, 3.0, 8.0]),
)


@settings(deadline=None)
@given(st.text("".join(FULL.charset.characters), max_size=30), st.data())
def test_every_string_is_read_back_from_its_alignment(text: str, data: st.DataObject) -> None:
    path = [BLANK] * data.draw(st.integers(1, 3))
    for left, right in pairwise((*FULL.charset.encode(text), None)):
        assert left is not None
        path += [left + 1] * data.draw(st.integers(1, 3))
        path += [BLANK] * data.draw(st.integers(1 if left == right else 0, 2))
    reading = FULL.decode(one_hot(path, FULL.classes), top=3)
    assert reading.text == text
    assert reading.confidence == 1.0
    assert [character.text for character in reading.characters] == list(text)
    assert all(character.confidence == 1.0 for character in reading.characters)
    assert reading.alternatives == ()


@pytest.mark.parametrize("text", ["aa", "aaa", "abba", "a"])
def test_a_label_that_fills_every_column_is_read_back(text: str) -> None:
    path = []
    for left, right in pairwise((*SMALL.charset.encode(text), None)):
        assert left is not None
        path += [left + 1, *([BLANK] if left == right else [])]
    assert CTC(SMALL.charset, steps=len(path)).problem(text) is None
    assert SMALL.decode(one_hot(path, 3)).text == text


@settings(deadline=None)
@given(problems)
def test_the_forward_algorithm_equals_enumeration(probabilities: Probabilities) -> None:
    for label, probability in by_enumeration(probabilities).items():
        assert text_probability(probabilities, label) == pytest.approx(probability, rel=1e-9)


@settings(deadline=None)
@given(problems)
def test_all_labels_together_have_probability_one(probabilities: Probabilities) -> None:
    steps, classes = probabilities.shape
    labels = (label for length in range(steps + 1) for label in product(range(1, classes), repeat=length))
    assert sum(text_probability(probabilities, label) for label in labels) == pytest.approx(1)


def test_a_label_that_does_not_fit_has_no_probability() -> None:
    probabilities = random_problem(0, 3, 3, 1.0)
    assert text_probability(probabilities, (1, 1, 1)) == 0
    assert text_probability(probabilities, (1, 2, 1, 2)) == 0


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([2.0, 4.0, 8.0]))
def test_the_most_probable_text_is_found_where_columns_are_peaked(seed: int, steps: int, sharpness: float) -> None:
    probabilities = random_problem(seed, steps, 3, sharpness)
    labels = by_enumeration(probabilities)
    reading = SMALL.decode(np.log(probabilities).astype(np.float32))
    assert reading.confidence == pytest.approx(max(labels.values()), rel=1e-5)
    assert labels[tuple(index + 1 for index in SMALL.charset.encode(reading.text))] == pytest.approx(
        max(labels.values()), rel=1e-5
    )


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([0.0, 0.3, 1.0]))
def test_the_text_is_never_less_probable_than_that_of_the_best_path(seed: int, steps: int, sharpness: float) -> None:
    probabilities = random_problem(seed, steps, 96, sharpness)
    greedy = tuple(entry for entry, _ in groupby(probabilities.argmax(axis=1).tolist()) if entry != BLANK)
    reading = FULL.decode(np.log(probabilities))
    assert reading.confidence >= text_probability(probabilities, greedy) * (1 - 1e-9)


def test_a_text_of_many_paths_beats_the_best_path() -> None:
    # Graves' example: the best path is empty (0.36), yet "a" has 0.64 over its three paths.
    probabilities = np.array([[0.6, 0.4, 0.0], [0.6, 0.4, 0.0]])
    with np.errstate(divide="ignore"):
        reading = SMALL.decode(np.log(probabilities), top=2)
    assert reading.text == "a"
    assert reading.confidence == pytest.approx(0.64)
    (other,) = reading.alternatives
    assert other.text == ""
    assert other.confidence == pytest.approx(0.36)
    assert len(reading.characters) == 1


@settings(deadline=None)
@given(problems, st.integers(1, 6))
def test_alternatives_are_sorted_distinct_and_below_the_text(probabilities: Probabilities, top: int) -> None:
    codec = CTC(Charset("letters", tuple("abc"[: probabilities.shape[1] - 1])))
    reading = codec.decode(np.log(probabilities), top=top)
    labels = {spelled(codec, label): probability for label, probability in by_enumeration(probabilities).items()}
    texts = [reading.text, *(other.text for other in reading.alternatives)]
    confidences = [reading.confidence, *(other.confidence for other in reading.alternatives)]
    assert len(texts) <= top
    assert len(set(texts)) == len(texts)
    assert confidences == sorted(confidences, reverse=True)
    assert confidences == pytest.approx([labels[text] for text in texts])


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_alternatives_of_small_peaked_problems_are_the_next_best(seed: int) -> None:
    probabilities = random_problem(seed, 3, 3, 1.5)
    reading = SMALL.decode(np.log(probabilities), top=3)
    expected = sorted(by_enumeration(probabilities).values(), reverse=True)[1:3]
    found = [other.confidence for other in reading.alternatives]
    assert found == pytest.approx(expected[: len(found)], rel=1e-6)


def test_asking_for_alternatives_does_not_change_the_text() -> None:
    for seed in range(50):
        scores = np.log(random_problem(seed, 12, 3, 2.0))
        assert SMALL.decode(scores).text == SMALL.decode(scores, top=5).text


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.floats(0.05, 1.0), st.sampled_from([0.2, 2.0, 6.0]))
def test_spans_are_ordered_and_inside_the_image(seed: int, steps: int, valid_width: float, sharpness: float) -> None:
    reading = SMALL.decode(np.log(random_problem(seed, steps, 3, sharpness)), valid_width=valid_width)
    ends = [0.0]
    assert "".join(character.text for character in reading.characters) == reading.text
    for character in reading.characters:
        assert ends[-1] <= character.start <= character.end <= 1
        assert 0 <= character.confidence <= 1
        ends.append(character.end)


def test_borders_lie_half_way_between_the_middles_of_neighbours() -> None:
    first, second = SMALL.decode(one_hot([0, 1, 1, 0, 2, 0, 0, 0], 3)).characters
    border = (4 / 16 + 9 / 16) / 2
    assert (first.start, first.end) == (4 / 16 - (border - 4 / 16), border)
    assert (second.start, second.end) == (border, 9 / 16 + (9 / 16 - border))


def test_a_single_character_has_the_whole_width() -> None:
    (character,) = SMALL.decode(one_hot([0, 1, 0], 3)).characters
    assert (character.start, character.end) == (0, 1)


def test_equal_neighbours_are_told_apart_off_the_best_path_too() -> None:
    # The blank between the two is not the best class of its column, so the best path reads "a".
    probabilities = np.array([[0.02, 0.98, 0], [0.49, 0.51, 0], [0.49, 0.51, 0], [0.49, 0.51, 0], [0.02, 0.98, 0]])
    with np.errstate(divide="ignore"):
        reading = SMALL.decode(np.log(probabilities))
    assert reading.text == "aa"
    first, second = reading.characters
    assert first.start < first.end == second.start < second.end


def test_spans_are_shares_of_the_image_not_of_the_padded_canvas() -> None:
    first, second = SMALL.decode(one_hot([1, 0, 2, 0, 0, 0, 0, 0], 3), valid_width=0.5).characters
    assert (first.start, first.end) == (0, 3 / 8)
    assert (second.start, second.end) == (3 / 8, 7 / 8)


def test_a_character_in_the_padding_ends_with_the_image() -> None:
    _, character = SMALL.decode(one_hot([1, 0, 0, 1], 3), valid_width=0.5).characters
    assert character.end == 1


def test_decoding_leaves_its_input_alone() -> None:
    scores = np.log(random_problem(1, 10, 3, 1.0)).astype(np.float32)
    scores.flags.writeable = False
    before = scores.copy()
    SMALL.decode(scores, top=4)
    assert np.array_equal(scores, before)


def test_hundreds_of_columns_without_a_clue_are_survived() -> None:
    reading = FULL.decode(np.log(np.full((400, 96), 1 / 96)), top=3)
    assert 0 <= reading.confidence <= 1


def test_ids_are_padded_with_the_blank() -> None:
    ids, lengths = SMALL.encode(["ab", "", "b"])
    assert ids.tolist() == [[1, 2], [0, 0], [2, 0]]
    assert lengths.tolist() == [2, 0, 1]
    assert ids.dtype == lengths.dtype == np.int64


def test_no_labels_give_no_ids() -> None:
    ids, lengths = SMALL.encode([])
    assert ids.shape == (0, 0)
    assert lengths.shape == (0,)


@given(st.text("ab", min_size=1, max_size=8), st.integers(1, 12))
def test_a_label_fits_where_some_alignment_spells_it(text: str, steps: int) -> None:
    uniform = np.full((steps, 3), 1 / 3)
    fits = text_probability(uniform, tuple(index + 1 for index in SMALL.charset.encode(text))) > 0
    assert (CTC(SMALL.charset, steps).problem(text) is None) == fits


@pytest.mark.parametrize(
    ("text", "reason"),
    [("aab", "needs 4 CTC columns, the model has 3"), ("aXbY", "characters outside charset small: 'XY'")],
)
def test_a_label_that_cannot_be_learnt_is_named(text: str, reason: str) -> None:
    codec = CTC(SMALL.charset, steps=3)
    assert codec.problem(text) == reason
    with pytest.raises(CharsetError) as caught:
        codec.encode(["a", text])
    assert str(caught.value) == f"label {text!r}: {reason}"


@pytest.mark.parametrize(
    ("canvas_width", "problem"),
    [(16, None), (15, "needs 4 CTC columns, a canvas 15 pixels wide has 3"), (64, None), (None, None)],
)
def test_with_a_stride_what_fits_depends_on_the_canvas(canvas_width: int | None, problem: str | None) -> None:
    codec = CTC(SMALL.charset, stride=4)
    assert codec.problem("aab", canvas_width) == problem
    assert codec.encode(["aab"])[1].tolist() == [3]


def test_a_fixed_number_of_columns_does_not_depend_on_the_canvas() -> None:
    assert CTC(SMALL.charset, steps=3).problem("aab", 1000) == "needs 4 CTC columns, the model has 3"


@pytest.mark.parametrize("columns", [{"steps": 3, "stride": 4}, {"stride": 0}, {"stride": -1}])
def test_columns_that_make_no_sense_are_refused(columns: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="CTC"):
        CTC(SMALL.charset, **columns)


def test_an_empty_label_is_a_problem() -> None:
    assert SMALL.problem("") == "empty label"


def test_columns_that_a_network_moves_move_the_spans() -> None:
    scores = one_hot([1, 0, 0, 2], 3)
    moved = np.array([0.2, 0.3, 0.4, 0.5], np.float32)
    first, second = SMALL.decode(scores, maps={"column_x": moved}).characters
    assert (first.start, first.end) == pytest.approx((0.05, 0.35))
    assert (second.start, second.end) == pytest.approx((0.35, 0.65))


def test_a_temperature_changes_confidence_and_never_the_text() -> None:
    random = np.random.default_rng(5)
    changed = 0
    for _ in range(200):
        scores = log_softmax(random.normal(0, 1.5, (4, 3)).astype(np.float32))
        plain = SMALL.decode(scores, top=3)
        for temperature in (0.3, 2.0):
            cooled = SMALL.decode(scores, top=3, temperature=temperature)
            assert cooled.text == plain.text
            assert [one.text for one in cooled.alternatives] == [one.text for one in plain.alternatives]
            divided = log_softmax(scores, temperature)
            ids = tuple(index + 1 for index in SMALL.charset.encode(plain.text))
            assert cooled.confidence == pytest.approx(text_probability(np.exp(divided.astype(np.float64)), ids))
            changed += SMALL.decode(divided).text != plain.text
    assert changed > 0, "dividing first gives other texts, which is why it must not"
