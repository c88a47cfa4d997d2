"""Beam search finds what greedy writing misses, with the probabilities of teacher forcing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.inference.stand_ins import Shows, shows
from tests.models.test_contract import SMALL, drawn
from wildtext.charset import Charset
from wildtext.codecs import Lexicon, Sequence, log_softmax
from wildtext.codecs.slots import target_ids
from wildtext.errors import ConfigError
from wildtext.inference.beam import Beam
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.torch_runtime import TorchRuntime
from wildtext.models import MODELS, Model, build
from wildtext.types import Floats, Prediction
from wildtext.weights.bundle import Bundle

LETTERS = Charset("letters", ("a", "b", "A"))
CODEC = Sequence(LETTERS, max_length=3, classes=4, first=1, begin=4, end=0, pad=5)


class Table:
    """A stand-in for a model: what may follow each text, as probabilities of the end, a, b and A."""

    def __init__(self, follows: Mapping[str, tuple[float, float, float, float]] | int, temperature: float = 1.0):
        self.follows = follows
        self.temperature = temperature
        self.texts = [""]

    def go_on(self, origins: NDArray[np.int64], tokens: NDArray[np.int64]) -> tuple[Floats, Floats]:
        added = ["" if token == CODEC.begin else LETTERS.characters[token - 1] for token in tokens]
        self.texts = [self.texts[origin] + more for origin, more in zip(origins, added, strict=True)]
        with np.errstate(divide="ignore"):
            logits = np.log(np.array([self.chances(text) for text in self.texts], np.float32))
        return logits, np.full((len(tokens), 1, 5), 0.2, np.float32)

    def chances(self, text: str) -> tuple[float, ...]:
        if not isinstance(self.follows, int):
            return self.follows.get(text, (1, 0, 0, 0))
        weights = np.random.default_rng([self.follows, *map(ord, text)]).exponential(size=4) ** (2 / self.temperature)
        return tuple(float(weight) for weight in weights / weights.sum())

    def chance(self, text: str) -> float:
        """Of exactly this text, by the chain rule; one that fills all slots has no end."""
        steps = [self.chances(text[:place])[1 + LETTERS.ids[character]] for place, character in enumerate(text)]
        return math.prod(steps) * (self.chances(text)[0] if len(text) < CODEC.slots else 1)


GARDEN_PATH = Table({"": (0, 0.6, 0.4, 0), "a": (0.3, 0.3, 0.4, 0), "b": (1, 0, 0, 0)})
"""What begins best ends badly: greedy writing says "ab" with 0.24, and "b" has 0.4."""


def read(table: Table, width: int, top: int = 1) -> Prediction:
    return Beam(Table(table.follows, table.temperature), CODEC, width, 1.0).read(top, {}, 1.0)


def find(table: Table, width: int, words: list[str], top: int = 1, *, fold_case: bool = True) -> Prediction:
    found = Beam(Table(table.follows), CODEC, width, 1.0).find(Lexicon(words, fold_case=fold_case), top, {}, 1.0)
    assert found is not None
    return found


def test_a_beam_finds_a_better_text_than_greedy_writing() -> None:
    assert (read(GARDEN_PATH, 1).text, read(GARDEN_PATH, 2).text) == ("ab", "b")
    reading = read(GARDEN_PATH, 2, top=3)
    assert reading.confidence == pytest.approx(0.4)
    assert [character.text for character in reading.characters] == ["b"]
    assert [(other.text, round(other.confidence, 6)) for other in reading.alternatives] == [
        ("ab", 0.24),
        ("a", 0.18),
    ]


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_a_wide_beam_finds_the_best_texts_with_their_exact_probability(seed: int, top: int) -> None:
    table = Table(seed)
    texts = ["".join(letters) for length in range(5) for letters in product(LETTERS.characters, repeat=length)]
    expected = sorted((table.chance(text) for text in texts), reverse=True)[:top]
    reading = read(table, 200, top)
    found = {reading.text: reading.confidence, **{other.text: other.confidence for other in reading.alternatives}}
    assert list(found.values()) == pytest.approx(expected, rel=1e-4)
    for text, confidence in found.items():
        assert confidence == pytest.approx(table.chance(text), rel=1e-4)
    assert math.prod(character.confidence for character in reading.characters) >= reading.confidence - 1e-6


@settings(deadline=None)
@given(st.integers(0, 10**6), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=6))
def test_words_have_the_probability_of_all_their_casings(seed: int, words: list[str]) -> None:
    table, words = Table(seed), list(dict.fromkeys(words))

    def casings(word: str) -> list[str]:
        return ["".join(each) for each in product(*["aA" if character == "a" else "b" for character in word])]

    expected = {word: sum(table.chance(text) for text in casings(word)) for word in words}
    reading = find(table, 200, words, top=10)
    found = {reading.text: reading.confidence, **{other.text: other.confidence for other in reading.alternatives}}
    assert found == pytest.approx(expected, rel=1e-4)
    assert reading.scores["lexicon.share"] == pytest.approx(max(expected.values()) / sum(expected.values()), rel=1e-4)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.lists(st.text("abA", min_size=1, max_size=4), min_size=1))
def test_the_narrowest_beam_gives_a_word_of_the_lexicon(seed: int, width: int, words: list[str]) -> None:
    assert find(Table(seed), width, words, fold_case=False).text in words


def test_a_temperature_changes_confidence_and_never_the_texts() -> None:
    decisive = 0
    for seed in range(60):
        table = Table(seed)
        plain = read(table, 3, top=3)
        for temperature in (0.5, 1.6):
            cooled = Beam(Table(seed), CODEC, 3, temperature).read(3, {}, 1.0)
            assert cooled.text == plain.text
            assert [one.text for one in cooled.alternatives] == [one.text for one in plain.alternatives]
            divided = Table(seed, temperature)
            assert cooled.confidence == pytest.approx(divided.chance(cooled.text), rel=1e-4)
            for one in cooled.alternatives:
                assert one.confidence == pytest.approx(divided.chance(one.text), rel=1e-4)
            assert math.prod(one.confidence for one in cooled.characters) >= cooled.confidence - 1e-6
            decisive += read(divided, 3).text != plain.text
    assert decisive > 0, "dividing first gives other texts, which is why it must not"


def test_an_impossible_lexicon_is_told() -> None:
    assert Beam(Table(GARDEN_PATH.follows), CODEC, 4, 1.0).find(Lexicon(["ba"]), 1, {}, 1.0) is None


def recognizer_of(name: str, seed: int = 0) -> tuple[Recognizer, Model]:
    """A model with fresh weights, whose choices are made less sure than they are at the start."""
    torch.manual_seed(seed)
    model = build(name, Charset.named("36"), SMALL[name]).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.7)
    return Recognizer(Bundle.of(name, model, MODELS[name].preprocessing), TorchRuntime(model)), model


@pytest.mark.parametrize("name", ["trba", "robustscanner", "crnn-seq2seq"])
def test_probabilities_are_those_of_teacher_forcing(name: str) -> None:
    recognizer, model = recognizer_of(name)
    (seen,) = recognizer.observe([drawn("exit")])
    assert isinstance(seen, tuple)
    codec = model.heads["text"].codec
    assert isinstance(codec, Sequence)
    reading = recognizer.decode(seen, top=3, beam=6)
    preprocessing, shares = recognizer.bundle.preprocessing, np.array([seen[0].valid_width], np.float32)
    pixels, valid_width = torch.from_numpy(preprocessing.normalize(seen[0].canvas[None], shares)), torch.tensor(shares)
    for text, confidence in [
        (reading.text, reading.confidence),
        *((other.text, other.confidence) for other in reading.alternatives),
    ]:
        label = [codec.first + place for place in codec.charset.encode(text)]
        ids, _ = target_ids([label], begin=codec.begin, end=codec.end, pad=codec.pad, slots=codec.slots)
        with torch.no_grad():
            logits = model(pixels, valid_width, {"text": torch.from_numpy(ids)}).logits["text"][0]
        chances = log_softmax(logits.numpy())[range(codec.slots), ids[0, 1 : codec.slots + 1]]
        steps = min(len(text) + 1, codec.slots)
        assert confidence == pytest.approx(math.exp(chances[:steps].sum()), rel=1e-3)
    assert len(reading.characters) == len(reading.text)
    assert reading.confidence >= recognizer.decode(seen, beam=1).confidence * (1 - 1e-4)


@pytest.mark.parametrize("name", ["rare", "robustscanner", "crnn-seq2seq", "parseq-tiny"])
def test_what_a_model_writes_greedily_is_written_again(name: str) -> None:
    recognizer, model = recognizer_of(name)
    if "decoding" in model.switches:
        model.switch({"decoding": "autoregressive", "refinements": 0})
    for word in ("taxi", "7up"):
        (greedy,) = recognizer.read(drawn(word))
        (best,) = recognizer.read(drawn(word), beam=1)
        assert best.confidence >= greedy.confidence * (1 - 1e-3)
        (led,) = recognizer.read(drawn(word), beam=1, lexicon=Lexicon([greedy.text]))
        assert led.text == greedy.text
        assert led.confidence == pytest.approx(greedy.confidence, rel=1e-3)
        spans = [(one.start, one.end) for one in led.characters]
        assert spans == [pytest.approx((one.start, one.end), abs=0.02) for one in greedy.characters]


@pytest.mark.parametrize("name", ["trba", "parseq-tiny"])
@pytest.mark.parametrize("beam", [0, 1, 5])
def test_readings_with_a_lexicon_are_words_of_it(name: str, beam: int) -> None:
    recognizer, _ = recognizer_of(name)
    lexicon = Lexicon(["Taxi", "EXIT", "7-up"])
    for reading in recognizer.read([drawn("taxi"), drawn("zoo")], lexicon=lexicon, beam=beam):
        assert reading.text in lexicon.words
        assert 0 < reading.scores["lexicon.share"] <= 1


def test_a_beam_needs_a_model_that_writes_one_character_after_another(recognizer: Recognizer) -> None:
    with pytest.raises(ConfigError, match="fake does not; without a beam it gives alternatives"):
        recognizer.read(drawn("a"), beam=4)
    with pytest.raises(ConfigError, match="must be at least 1, or 0 for none, not -1"):
        recognizer.read(drawn("a"), beam=-1)
    ctc, _ = recognizer_of("crnn")
    with pytest.raises(ConfigError, match="crnn does not"):
        ctc.read(drawn("a"), beam=4)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("parseq-tiny", r"no beam can lead it: read with the \.safetensors bundle"),
        ("mgp-str-tiny", "mgp-str-tiny does not; without a beam"),
        ("acds-str-small", "acds-str-small does not; without a beam"),
    ],
)
def test_a_graph_is_sent_to_its_model_only_if_that_can_be_led(name: str, told: str) -> None:
    model = build(name, Charset.named("36"), SMALL[name])
    described = Bundle.of(name, model, MODELS[name].preprocessing).to_json()
    with pytest.raises(ConfigError, match=told):
        Recognizer(Bundle.from_json(described, "a.onnx"), Shows({})).read(drawn("a"), beam=4)


def test_of_a_graph_that_does_not_say_so_it_is_not_claimed_that_it_can_be_led() -> None:
    header = json.loads(shows(CODEC, np.zeros((4, 4), np.float32)).bundle.to_json())
    del header["autoregressive"]
    earlier = Bundle.from_json(json.dumps(header), "earlier.onnx")
    with pytest.raises(ConfigError, match=r"does not say whether fake does: if so, read with the \.safetensors bundle"):
        Recognizer(earlier, Shows({})).read(drawn("a"), beam=4)
