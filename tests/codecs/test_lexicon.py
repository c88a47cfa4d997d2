"""With a lexicon a reading is one of its words, and its probability is what brute force finds."""

from __future__ import annotations

import copy
import math
import pickle
import time
import weakref
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildtext.charset import Charset
from wildtext.codecs import CTC, Codec, Lexicon, Sequence, Subword, trie_search
from wildtext.codecs.ctc import BLANK, text_probability
from wildtext.errors import CharsetError, DataError
from wildtext.types import Floats, Prediction

LETTERS = Charset("letters", ("a", "A", "b"))
LOWER = Charset("lower", tuple("abo"))
CTC_LETTERS = CTC(LETTERS)
PLAIN = Sequence(LETTERS, max_length=3, classes=5, first=2, begin=0, end=1, pad=0)
SILENT = replace(PLAIN, skip=1, silent=(0,))
ENDLESS = replace(PLAIN, silent=(0, 1))
"""A text goes on behind an end, which writes nothing."""

Texts = dict[str, float]


def random_scores(seed: int, steps: int, classes: int, sharpness: float = 1.5) -> Floats:
    """(T, C) natural logarithms of rows that sum to 1."""
    logits = np.random.default_rng(seed).normal(0, sharpness, (steps, classes))
    logits -= logits.max(axis=1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), np.float32)


def by_paths(scores: Floats, text: Callable[[tuple[int, ...]], str | None]) -> Texts:
    """The probability of every text, summed over all paths one by one; None is no text."""
    texts: defaultdict[str, float] = defaultdict(float)
    for path in product(range(scores.shape[1]), repeat=len(scores)):
        if (spelled := text(path)) is not None:
            texts[spelled] += math.exp(sum(float(scores[step, entry]) for step, entry in enumerate(path)))
    return texts


def ctc_text(path: tuple[int, ...]) -> str:
    return "".join(LETTERS.characters[entry - 1] for entry, _ in groupby(path) if entry != BLANK)


def slot_text(codec: Sequence) -> Callable[[tuple[int, ...]], str | None]:
    def text(path: tuple[int, ...]) -> str | None:
        written = ""
        for entry in path:
            if entry == codec.end and codec.end not in codec.silent:
                break
            if entry >= codec.first:
                written += codec.charset.characters[entry - codec.first]
            elif entry not in codec.silent:
                return None
        return written

    return text


def readings(prediction: Prediction) -> Texts:
    return {prediction.text: prediction.confidence} | {one.text: one.confidence for one in prediction.alternatives}


def folded(texts: Texts, words: list[str]) -> Texts:
    """What words have in any casing; the first stands for all that differ in nothing else."""
    found: Texts = {}
    for word in words:
        if word.lower() not in {other.lower() for other in found}:
            found[word] = sum(chance for text, chance in texts.items() if text.lower() == word.lower())
    return found


def assert_best(prediction: Prediction, expected: Texts) -> None:
    """Everything that a reading says follows from the probabilities of the words."""
    likely = {word: chance for word, chance in expected.items() if chance > 0}
    assert readings(prediction) == pytest.approx(likely, rel=1e-4)
    ranked = sorted(likely.values(), reverse=True)
    assert prediction.confidence == pytest.approx(ranked[0], rel=1e-4)
    assert prediction.scores["lexicon.share"] == pytest.approx(ranked[0] / sum(ranked), rel=1e-4)
    if len(ranked) > 1:
        assert prediction.scores["lexicon.margin"] == pytest.approx(math.log(ranked[0] / ranked[1]), abs=1e-3)
    else:
        assert "lexicon.margin" not in prediction.scores
    assert "".join(character.text for character in prediction.characters) == prediction.text


words_of = st.lists(st.text("aAb", min_size=1, max_size=4), min_size=1, max_size=8)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), words_of)
def test_ctc_sums_over_all_alignments_and_casings(seed: int, steps: int, words: list[str]) -> None:
    scores = random_scores(seed, steps, 4)
    expected = folded(by_paths(scores, ctc_text), words)
    if any(expected.values()):
        assert_best(CTC_LETTERS.decode(scores, lexicon=Lexicon(words), top=10), expected)


@settings(deadline=None)
@given(st.integers(0, 10**6), words_of)
def test_with_case_every_word_has_its_own_probability(seed: int, words: list[str]) -> None:
    scores = random_scores(seed, 7, 4)
    reading = CTC_LETTERS.decode(scores, lexicon=Lexicon(words, fold_case=False), top=10)
    chances = np.exp(scores.astype(np.float64))
    assert_best(
        reading,
        {word: text_probability(chances, tuple(index + 1 for index in LETTERS.encode(word))) for word in set(words)},
    )


@pytest.mark.parametrize("codec", [PLAIN, SILENT, ENDLESS], ids=["plain", "silent", "endless"])
@settings(deadline=None)
@given(seed=st.integers(0, 10**6), words=words_of)
def test_slots_are_multiplied_up_to_the_end(codec: Sequence, seed: int, words: list[str]) -> None:
    scores = random_scores(seed, codec.skip + codec.slots, codec.classes)
    expected = folded(by_paths(scores[codec.skip :], slot_text(codec)), words)
    assert_best(codec.decode(scores, lexicon=Lexicon(words), top=10), expected)


def test_the_end_counts_and_a_word_that_fills_all_slots_needs_none() -> None:
    scores = random_scores(3, 4, 5)
    chances = np.exp(scores)
    reading = PLAIN.decode(scores, lexicon=Lexicon(["b"]))
    assert reading.confidence == pytest.approx(chances[0, 4] * chances[1, 1], rel=1e-5)
    assert PLAIN.decode(scores, lexicon=Lexicon(["bbbb"])).confidence == pytest.approx(chances[:, 4].prod(), rel=1e-5)


def test_a_repeated_letter_needs_a_blank_between() -> None:
    codec = CTC(LOWER)
    with np.errstate(divide="ignore"):
        joined, apart = (np.log(np.eye(4, dtype=np.float32)[path]) for path in ([2, 3, 3, 1], [2, 3, 0, 3, 1]))
    lexicon = Lexicon(["BOOA", "BOA"])
    assert codec.decode(joined, lexicon=lexicon).text == "BOA"
    reading = codec.decode(apart, lexicon=lexicon)
    assert (reading.text, reading.confidence) == ("BOOA", 1.0)
    starts = [character.start for character in reading.characters]
    assert starts == sorted(set(starts))


def subword_scores(codec: Subword, seed: int) -> Floats:
    return random_scores(seed, codec.skip + codec.slots, codec.classes, 4.0)


@pytest.mark.parametrize("make", [Subword.gpt2, Subword.bert_uncased])
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_subwords_are_scored_as_labels_are_split(make: Callable[..., Subword], seed: int) -> None:
    codec = make(Charset.named("36"), 6)
    words, scores = ["street", "open24", "a", "zz9"], subword_scores(codec, seed)
    expected = {}
    for word in words:
        ids, (length,) = codec.encode([word])
        tokens = ids[0, 1:length]
        expected[word] = math.exp(sum(float(scores[codec.skip + slot, token]) for slot, token in enumerate(tokens)))
    assert_best(codec.decode(scores, lexicon=Lexicon(words), top=10), expected)


def test_subwords_of_all_usual_casings_count_together() -> None:
    codec = Subword.gpt2(Charset.named("62"), 6)
    scores = subword_scores(codec, 1)
    casings = [codec.decode(scores, lexicon=Lexicon([word], fold_case=False)) for word in ("exit", "EXIT", "Exit")]
    together = codec.decode(scores, lexicon=Lexicon(["exit"]))
    assert together.confidence == pytest.approx(sum(casing.confidence for casing in casings))
    assert "".join(character.text for character in together.characters) == "exit"


CODECS: dict[str, Codec] = {
    "ctc": CTC(Charset.named("94")),
    "few columns": CTC(Charset.named("36")),
    "sequence": Sequence.dtrb(Charset.named("62"), 6),
    "characters of MGP": Sequence.mgp(Charset.named("36"), 6),
}


@pytest.mark.parametrize("kind", CODECS)
@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sharpness=st.sampled_from([0.0, 2.0, 30.0, 1000.0]),
    words=st.lists(st.text("abBo0Ö!é", min_size=1, max_size=9), min_size=1, max_size=9),
    top=st.integers(1, 4),
)
def test_whatever_the_probabilities_the_reading_is_a_word_of_the_lexicon(
    kind: str, seed: int, sharpness: float, words: list[str], top: int
) -> None:
    codec, lexicon = CODECS[kind], Lexicon([*words, "book"])
    steps = {"ctc": 12, "few columns": 3}.get(kind, 8)
    scores = random_scores(seed, steps, codec.classes, min(sharpness, 300))
    if sharpness == 1000:  # every slot is sure of one class
        with np.errstate(divide="ignore"):
            scores = np.log(np.eye(codec.classes, dtype=np.float32)[scores.argmax(axis=1)])
    reading = codec.decode(scores, lexicon=lexicon, top=top)
    assert {reading.text, *(other.text for other in reading.alternatives)} <= set(lexicon.words)
    assert len(readings(reading)) == 1 + len(reading.alternatives) <= top
    assert 0 <= reading.confidence <= 1
    assert all(0 <= character.start <= character.end <= 1 for character in reading.characters)
    assert all(math.isfinite(score) for score in reading.scores.values())


def test_of_impossible_words_the_nearest_is_read_without_confidence() -> None:
    codec = CTC(LOWER)
    with np.errstate(divide="ignore"):
        scores = np.log(np.eye(4, dtype=np.float32)[[1, 2, 3]])  # "abo" for sure
    reading = codec.decode(scores, lexicon=Lexicon(["BBBB", "ABBO", "O"]), top=2)
    assert (reading.text, reading.confidence, reading.alternatives, reading.scores) == ("ABBO", 0.0, (), {})
    assert [character.text for character in reading.characters] == list("ABBO")


def test_hundreds_of_columns_without_a_clue_are_survived() -> None:
    codec, words = CTC(Charset.named("36")), ["a" * 30, "zz", "0123456789" * 4]
    scores = np.full((400, 37), -math.log(37), np.float32)
    reading = codec.decode(scores, lexicon=Lexicon(words), top=3)
    assert reading.text == words[2], "it has the most alignments"
    assert 0 < reading.scores["lexicon.share"] <= 1
    assert reading.scores["lexicon.margin"] > 0


@pytest.mark.parametrize("small", [True, False])
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), sharpness=st.sampled_from([0.5, 2.0, 5.0, 15.0]))
def test_what_a_search_leaves_out_does_not_matter(small: bool, seed: int, sharpness: float) -> None:
    words = ["".join(letters) for length in range(1, 5) for letters in product("abcd", repeat=length)]
    codec = CTC(Charset("four", tuple("abcd")))
    scores = random_scores(seed, 7, 5, sharpness)
    with pytest.MonkeyPatch.context() as patch:
        if not small:
            patch.setattr(trie_search, "_FEW", 10)
            patch.setattr(trie_search, "_NARROW", 4)
        reading = codec.decode(scores, lexicon=Lexicon(words), top=5)
    chances = np.exp(scores.astype(np.float64))
    ids = [tuple(index + 1 for index in codec.charset.encode(word)) for word in words]
    expected = sorted((text_probability(chances, word) for word in ids), reverse=True)
    assert list(readings(reading).values()) == pytest.approx([chance for chance in expected[:5] if chance], rel=1e-6)
    assert reading.scores["lexicon.share"] == pytest.approx(expected[0] / sum(expected), rel=1e-5)


def test_words_are_matched_in_the_form_of_the_charset_and_read_in_their_own() -> None:
    codec = CTC(Charset.named("36"))
    with np.errstate(divide="ignore"):
        scores = np.log(np.eye(37, dtype=np.float32)[[index + 1 for index in codec.charset.encode("cafes")]])
    reading = codec.decode(scores, lexicon=Lexicon(["Café's", "Cave"]))
    assert (reading.text, reading.confidence) == ("Café's", 1.0)


def test_words_that_a_model_cannot_write_are_told() -> None:
    lexicon = Lexicon(["東京", "taxi", "R&B", "Straße", "toolongaword"])
    assert lexicon.unreadable(CTC(Charset.named("36"))) == ("東京", "Straße")
    assert lexicon.unreadable(CTC(Charset.named("36"), steps=6)) == ("東京", "Straße", "toolongaword")
    assert lexicon.unreadable(Sequence.dtrb(Charset.named("94"), 7)) == ("東京", "Straße", "toolongaword")
    assert Lexicon(["taxi", "%&"]).unreadable(CTC(Charset.named("36"))) == ("%&",)
    with pytest.raises(
        CharsetError, match=r"signs: the model, whose charset is 36, can write none of its 1 words, such"
    ):
        Lexicon(["東京"], name="signs").trie(CTC(Charset.named("36")))


def test_columns_for_blanks_between_equal_neighbours_count() -> None:
    capitals, both = (CTC(Charset.named(name), steps=4) for name in ("36", "62"))
    assert Lexicon(["aaaa", "aaa", "aa", "abab"]).unreadable(capitals) == ("aaaa", "aaa")
    assert Lexicon(["aaaa", "1111", "a1a1"]).unreadable(both) == ("1111",), '"aAaA" needs no blanks'
    assert Lexicon(["aaaa", "abab"], fold_case=False).unreadable(both) == ("aaaa",)
    for codec in (capitals, both):
        for word in ("a", "11", "111", "1121", "abcd", "aab", "abcde"):
            expected = (word,) if codec.problem(word) else ()
            assert Lexicon([word, "x"], fold_case=False).unreadable(codec) == expected


@pytest.mark.parametrize("again", [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy, copy.copy])
def test_a_copy_of_a_lexicon_reads_the_same_with_other_models(again: Callable[[Lexicon], Lexicon]) -> None:
    lexicon = Lexicon(["aab", "Abb", "b", "é"], fold_case=False, name="signs")
    scores = random_scores(4, 6, 4)
    reading = CTC_LETTERS.decode(scores, lexicon=lexicon, top=2)
    copied = again(lexicon)
    assert (copied.words, copied.fold_case, copied.name) == (lexicon.words, False, "signs")
    # Objects that are made later may get the identity of one that is gone.
    for characters in ("aAb", "bAa", "b", "xyzaAb"):
        other = CTC(Charset("other", tuple(characters)))
        assert copied.trie(other).absent == Lexicon(lexicon.words, fold_case=False).trie(other).absent
    assert CTC_LETTERS.decode(scores, lexicon=copied, top=2) == reading


def test_what_is_prepared_is_shared_by_equal_codecs_and_does_not_pile_up() -> None:
    lexicon = Lexicon(["ab"])
    first = lexicon.trie(CTC(Charset("letters", tuple("ab"))))
    assert lexicon.trie(CTC(Charset("letters", tuple("ab")))) is first
    forgotten = Subword.bert_uncased(Charset.named("36"), 4)
    gone = weakref.ref(forgotten)
    lexicon.trie(forgotten)
    del forgotten
    for steps in range(20, 60):
        lexicon.trie(CTC(LOWER, steps=steps))
    assert gone() is None


def test_threads_prepare_a_lexicon_once(monkeypatch: pytest.MonkeyPatch) -> None:
    spelled = []

    def spell(codec: CTC, word: str, *, fold_case: bool) -> list[tuple[int, ...]]:
        spelled.append(word)
        time.sleep(0.01)
        return [(1,)]

    monkeypatch.setattr(CTC, "spell", spell)
    lexicon = Lexicon(["a", "b"])
    with ThreadPoolExecutor(4) as pool:
        tries = list(pool.map(lexicon.trie, [CTC(LOWER)] * 4))
    assert spelled == ["a", "b"]
    assert all(trie is tries[0] for trie in tries)


def test_capitals_alone_are_matched_without_case() -> None:
    codec = CTC(Charset("capitals", tuple("ABC")))
    assert codec.decode(random_scores(1, 5, 4), lexicon=Lexicon(["abc"])).confidence > 0
    assert Lexicon(["abc", "ABC"], fold_case=False).unreadable(codec) == ("abc",)


def test_a_file_has_a_word_a_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffEXIT\r\n\r\n New York \nCafé\nEXIT\n".encode())
    assert Lexicon.from_file(path).words == ("EXIT", "New York", "Café")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read the lexicon .*No such file"),
        (b"", "the lexicon .* has no words; a reading must be one of them"),
        (b" \n\n", "has no words"),
        (b"\xff\xfeE\x00", "cannot read the lexicon .*it is text in UTF-8, a word a line"),
        (b"EXIT\nTAXI\t7\n", r"words\.txt:2: 'TAXI\\t7' is no word; put one word on each line"),
    ],
)
def test_files_that_are_no_lists_of_words_are_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        Lexicon.from_file(path)


def test_no_words_are_refused() -> None:
    with pytest.raises(DataError, match="no words"):
        Lexicon([" ", ""])
