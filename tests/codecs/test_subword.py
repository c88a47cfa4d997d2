"""Subwords: the published vocabularies, encoding, decoding, and the readings of MGP-STR's three granularities."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import weights_recipe
from wildtext.charset import Charset
from wildtext.codecs import Codec, Sequence, Subword, codec_from_dict, log_softmax, reference_score
from wildtext.codecs.vocabularies import BytePairs, Vocabulary, WordPieces, bert_uncased, gpt2, pack, unpack
from wildtext.errors import BundleError, CharsetError
from wildtext.types import Floats

CHARSET = Charset.named("36")
LOWER = Charset(
    "lower", tuple("0123456789abcdefghijklmnopqrstuvwxyz!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), fold_case=True
)
ANY = Charset("any", tuple("aZ9 !\"#_-'éß½東京駅カ\U0001f600"))
CODECS = {
    "gpt2": Subword.gpt2(CHARSET),
    'gpt2 with !, " and #': Subword.gpt2(Charset.named("94+space")),
    "gpt2 in several bytes": Subword.gpt2(ANY),
    "bert": Subword.bert_uncased(CHARSET),
    "bert with punctuation": Subword.bert_uncased(LOWER),
}
SPLITS = json.loads((Path(__file__).parent / "subword_splits.json").read_text(encoding="utf-8"))
"""What the library `tokenizers` gives with the published vocabularies."""


def one_hot(ids: list[int], classes: int) -> Floats:
    values = np.full((len(ids), classes), -np.inf, np.float32)
    values[range(len(ids)), ids] = 0
    return values


def tokens_of(text: str, codec: Subword) -> list[int]:
    """The slots of a perfect head: something in the skipped one, then the tokens, the end, and more."""
    ids, (length,) = codec.encode([text])
    slots: list[int] = ids[0, 1:length].tolist()
    return [5] * codec.skip + slots + [7] * (codec.slots - len(slots))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def alphabet() -> dict[int, str]:
    """That of GPT-2's files, where every byte is a character that can be seen."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(place) for byte, place in zip([*seen, *hidden], [*seen, *range(256, 512)], strict=False)}


def test_the_tokens_of_gpt2_are_those_of_the_published_files() -> None:
    """Its list of merges, too, follows from the tokens alone."""
    *tokens, special = gpt2().tokens
    assert special == b""
    letters = alphabet()
    names = ["".join(letters[byte] for byte in token) for token in tokens]
    encoder = json.dumps({name: index for index, name in enumerate([*names, "<|endoftext|>"])})
    assert sha256(encoder) == "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"

    learning, merges = BytePairs(gpt2().tokens), ["#version: 0.2"]
    known = learning.__dict__["ids"] = {token: index for index, token in enumerate(tokens[:256])}
    for index, token in enumerate(tokens[256:], start=256):
        # What has learnt the tokens before this one splits it into the two that it is merged from.
        merges.append(" ".join(names[part] for part in learning._merged(token)))
        known[token] = index
    assert sha256("\n".join(merges) + "\n") == "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"


def test_the_tokens_of_bert_are_those_of_the_published_file() -> None:
    named = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    lines, unused = [], 0
    for index, token in enumerate(bert_uncased().tokens):
        lines.append(token.decode() or named.get(index, f"[unused{unused}]"))
        unused += lines[-1] == f"[unused{unused}]"
    assert sha256("\n".join(lines) + "\n") == "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


@pytest.mark.parametrize(("name", "vocabulary"), [("gpt2", gpt2()), ("bert_uncased", bert_uncased())])
def test_texts_split_as_in_the_library_of_the_references(name: str, vocabulary: Vocabulary) -> None:
    for text, ids in SPLITS[name].items():
        assert vocabulary.split(text) == ids, text


@pytest.mark.parametrize("name", CODECS)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_every_string_is_read_back_from_its_ids(name: str, data: st.DataObject) -> None:
    codec = CODECS[name]
    text = data.draw(st.text("".join(codec.charset.characters), min_size=1, max_size=codec.max_length))
    if codec.problem(text):  # characters of several bytes may need more tokens than there are slots
        with pytest.raises(CharsetError, match="tokens, the model writes at most 25"):
            codec.encode([text])
        return
    scores = one_hot(tokens_of(text, codec), codec.classes)
    reading = codec.decode(scores)
    assert reading.text == text
    assert reading.confidence == 1.0
    assert "".join(character.text for character in reading.characters) == text
    assert codec.ended(scores)


def test_a_sure_reading_has_no_alternatives() -> None:
    codec = CODECS["gpt2"]
    assert codec.decode(one_hot(tokens_of("coffee", codec), codec.classes), top=3).alternatives == ()


def test_ids_are_begin_tokens_end_and_padding() -> None:
    ids, lengths = Subword.gpt2(CHARSET, max_length=6).encode(["coffee", ""])
    assert ids.tolist() == [[1, 1073, 5853, 2, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0, 0]]
    assert lengths.tolist() == [4, 2]
    ids, lengths = Subword.bert_uncased(CHARSET, max_length=6).encode(["coffee", "2077"])
    assert ids.tolist() == [[101, 4157, 102, 0, 0, 0, 0, 0], [101, 19843, 2581, 102, 0, 0, 0, 0]]
    assert lengths.tolist() == [3, 4]
    assert ids.dtype == lengths.dtype == np.int64


def test_the_tokens_of_mgp_str_give_way_to_characters_of_the_charset() -> None:
    codec = CODECS['gpt2 with !, " and #']
    ids, (length,) = codec.encode(['!"#'])
    assert ids[0, :length].tolist() == [50256, 2474, 2, 50256]
    assert codec.decode(one_hot(tokens_of('!"#', codec), codec.classes)).text == '!"#'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty label"),
        ("a*b", "characters outside charset any: '*b'"),
        ("a" * 26, "26 characters, the model writes at most 25"),
        ("東" * 20, "40 tokens, the model writes at most 25"),
    ],
)
def test_a_label_that_cannot_be_learnt_is_named(text: str, problem: str) -> None:
    codec = CODECS["gpt2 in several bytes"]
    assert codec.problem(text) == problem
    if text:
        with pytest.raises(CharsetError) as caught:
            codec.encode(["aZ", text])
        assert str(caught.value) == f"label {text!r}: {problem}"


@pytest.mark.parametrize("characters", ["abC", "a b", "é"])
def test_word_pieces_refuse_a_charset_that_they_cannot_write(characters: str) -> None:
    lacking = characters[-1] if " " not in characters else " "
    with pytest.raises(CharsetError, match=f"this wordpiece vocabulary cannot write '{lacking}' of charset mine"):
        Subword.bert_uncased(Charset("mine", tuple(characters)))


PIECES = WordPieces((b"", b"a", b"##a", b"##b", b"b", b"ab", b"##ab"))
SMALL = Subword(Charset("letters", ("a", "b")), PIECES, max_length=3, begin=0, end=0, pad=0)
BYTES = Subword(
    Charset("signs", ("é", "a")), BytePairs((b"", b"a", b"\xc3", b"\xa9", b"aa")), max_length=4, begin=0, end=0, pad=0
)


def test_confidence_is_the_product_up_to_and_including_the_end() -> None:
    chances = np.full((4, 7), 0.01)
    chances[[0, 1, 2, 3], [3, 5, 0, 1]] = [0.9, 0.8, 0.7, 0.6]
    reading = SMALL.decode(np.log(chances).astype(np.float32))
    assert reading.text == "ab"
    assert reading.confidence == pytest.approx(0.8 * 0.7)
    assert [character.confidence for character in reading.characters] == pytest.approx([0.8, 0.8])
    chances[2] = chances[1]
    unended = SMALL.decode(np.log(chances).astype(np.float32))
    assert unended.text == "ababa"
    assert unended.confidence == pytest.approx(0.8 * 0.8 * 0.6)
    assert not SMALL.ended(np.log(chances).astype(np.float32))


def test_special_tokens_write_nothing() -> None:
    codec = CODECS["bert"]
    reading = codec.decode(one_hot([0, 100, 4157, 0, 3, 102], codec.classes))
    assert reading.text == "coffee"
    assert len(reading.characters) == 6


def test_characters_share_the_span_of_their_token() -> None:
    attention = np.zeros((4, 1, 8), np.float32)
    attention[1, 0, :4] = attention[2, 0, 4:6] = 1
    reading = SMALL.decode(one_hot([0, 5, 3, 0], 7), maps={"attention": attention})
    spans = [(character.text, character.start, character.end) for character in reading.characters]
    assert spans == [("a", 0, 0.25), ("b", 0.25, 0.5), ("b", 0.5, 0.75)]


def test_tokens_that_write_one_character_together_count_together() -> None:
    attention = np.zeros((5, 1, 4), np.float32)
    attention[[1, 2, 3], 0, [0, 1, 2]] = 1
    chances = np.full((5, 5), 0.01)
    chances[[0, 1, 2, 3, 4], [0, 2, 3, 1, 0]] = [0.9, 0.5, 0.8, 0.7, 0.9]
    reading = BYTES.decode(np.log(chances).astype(np.float32), maps={"attention": attention})
    assert reading.text == "éa"
    first, second = reading.characters
    assert (first.text, first.start, first.end) == ("é", 0, 0.5)
    assert (second.text, second.start, second.end) == ("a", 0.5, 0.75)
    assert [first.confidence, second.confidence] == pytest.approx([0.5 * 0.8, 0.7])


@given(st.lists(st.integers(0, 4), max_size=4))
def test_broken_characters_are_marked(ids: list[int]) -> None:
    reading = BYTES.decode(one_hot([0, *ids, 0], 5))
    written = [BYTES.vocabulary.tokens[index] for index in ids[: (*ids, 0).index(0)]]
    assert reading.text == b"".join(written).decode("utf-8", "replace")
    assert "".join(character.text for character in reading.characters) == reading.text


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 8))
def test_alternatives_are_other_texts_in_order(seed: int, top: int) -> None:
    scores = log_softmax(np.random.default_rng(seed).normal(0, 2, (4, 7)).astype(np.float32))
    reading = SMALL.decode(scores, top=top)
    assert (reading.text, reading.confidence) == (SMALL.decode(scores).text, SMALL.decode(scores).confidence)
    texts = [reading.text, *(other.text for other in reading.alternatives)]
    chances = [other.confidence for other in reading.alternatives]
    assert len(set(texts)) == len(texts) == top
    assert all(left >= right for left, right in pairwise(chances))


def test_a_temperature_changes_confidence_and_never_the_texts() -> None:
    decisive = 0
    for seed in range(60):
        logits = np.random.default_rng(seed).normal(0, 1.5, (SMALL.skip + SMALL.slots, SMALL.classes))
        scores = log_softmax(logits.astype(np.float32))
        plain = SMALL.decode(scores, top=4)
        for temperature in (0.5, 2.0):
            cooled = SMALL.decode(scores, top=4, temperature=temperature)
            divided = SMALL.decode(log_softmax(scores, temperature), top=4)
            assert cooled.text == plain.text
            assert cooled.confidence == pytest.approx(divided.confidence)
            assert [one.text for one in cooled.alternatives] == [one.text for one in plain.alternatives]
            decisive += [one.text for one in divided.alternatives] != [one.text for one in plain.alternatives]
    assert decisive > 0, "dividing first gives other alternatives, which is why it must not"


def test_the_next_best_text_differs_in_its_least_certain_slot() -> None:
    codec = CODECS["gpt2"]
    logits = np.zeros((27, codec.classes), np.float32)
    for slot, index in enumerate([1, 1073, 5853, 2]):
        logits[slot, index] = 20
    logits[1, 1462] = 18
    reading = codec.decode(log_softmax(logits), top=3)
    assert reading.text == "coffee"
    assert reading.alternatives[0].text == "toffee"
    assert reading.alternatives[0].confidence == pytest.approx(reading.confidence * math.exp(-2), rel=1e-4)


@pytest.mark.parametrize("name", CODECS)
def test_a_bundle_needs_no_vocabulary_of_this_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    codec, values = CODECS[name], json.loads(json.dumps(CODECS[name].to_dict()))
    monkeypatch.setattr("wildtext.codecs.vocabularies._SHIPPED", Path("/nowhere"))
    again = codec_from_dict(values, codec.charset)
    assert again == codec
    assert again.encode(["a"])[0].tolist() == codec.encode(["a"])[0].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "runes"}, "unknown vocabulary 'runes'; this version knows bpe, wordpiece: upgrade wildtext"),
        ({"table": "AAAA"}, "this is no table of tokens"),
    ],
)
def test_a_vocabulary_that_cannot_be_read_is_refused(change: dict[str, str], message: str) -> None:
    values = SMALL.to_dict()
    values["vocabulary"] |= change
    with pytest.raises(BundleError, match=message):
        codec_from_dict(values, SMALL.charset)


def test_a_table_that_is_cut_off_is_refused() -> None:
    data = zlib.decompress(pack((b"a", b"bc")))
    with pytest.raises(BundleError, match="does not hold the 2 tokens"):
        unpack(zlib.compress(data[:-1]))


ORACLE = Path(__file__).parents[1] / "oracles" / "mgp_str_fusion"
CASES: list[dict[str, Any]] = json.loads((ORACLE / "golden.json").read_text(encoding="utf-8"))["cases"]
HEADS: dict[str, Codec] = {"char": Sequence.mgp(CHARSET), "bpe": CODECS["gpt2"], "wp": CODECS["bert"]}

# Where ours differ from the reference, on purpose. It loses the last character of a text without an end, writes special
# tokens out, and takes any "#" for the end of a text of byte pairs.
DIFFERENT = {
    ("tie_bpe_wp", "char"): "alph" + "a" * 22,
    ("no_eos_all", "char"): "alph" + "a" * 22,
    ("no_eos_all", "bpe"): "beta" + "b" * 25,
    ("no_eos_all", "wp"): "gamma",
    ("no_eos_char", "char"): "alph" + "a" * 22,
    ("go_inside", "char"): "bc",
    ("hash_token", "bpe"): "ab##cd",
    ("wp_unknown", "wp"): "car",
}


def logits_of(case: dict[str, Any], head: str) -> Floats:
    shape = (27, HEADS[head].classes)
    noise = case["noise"] * math.sqrt(12) * weights_recipe._random(f"mgp_str_fusion.{case['name']}.{head}", shape)
    logits: Floats = noise.astype(np.float32)
    for slot, index, value in case["peaks"].get(head, []):
        logits[slot, index] += np.float32(value)
    return logits


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_readings_are_those_of_the_reference(case: dict[str, Any]) -> None:
    ranks = {}
    for head, codec in HEADS.items():
        logits, wanted = logits_of(case, head), case["expected"][head]
        assert logits.argmax(1).tolist() == wanted["ids"]
        scores = log_softmax(logits)
        reading = codec.decode(scores)
        # The reference adds 50,257 probabilities in float32, which is good to four digits.
        assert reference_score("to-end", scores, codec) == pytest.approx(wanted["score"], abs=2e-4)
        assert reading.confidence == pytest.approx(wanted["score"], abs=2e-4) or not codec.ended(scores)
        assert codec.ended(scores) == (wanted["score"] > 0)
        if case["name"] != "noise_only":  # nonsense without an end, cut short and with special tokens in the reference
            assert reading.text == DIFFERENT.get((case["name"], head), wanted["text"])
        ranks[head] = (codec.ended(scores), reading.confidence)
    best = max(ranks, key=lambda head: ranks[head])
    chosen = next(head for head in HEADS if case["expected"][head]["score"] == case["expected"]["score"])
    assert best == chosen
