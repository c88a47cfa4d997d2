"""What all codecs share: their descriptions in a bundle, and log probabilities."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildtext.charset import Charset
from wildtext.codecs import CTC, Codec, Sequence, Subword, codec_from_dict, log_softmax
from wildtext.codecs.vocabularies import BytePairs
from wildtext.errors import BundleError

CHARSET = Charset.named("36")
LETTERS = Charset("letters", ("a", "é"))
EXPLAINED: list[Codec] = [
    CTC(LETTERS),
    Sequence(LETTERS, max_length=7, classes=5, first=2, begin=0, end=1, pad=0),
    Sequence.mgp(LETTERS, max_length=6),
    Subword(LETTERS, BytePairs((b"", b"a", b"\xc3", b"\xa9", b"\xc3\xa9", b"aa")), max_length=6, begin=0, end=0, pad=0),
]


@pytest.mark.parametrize(
    "codec",
    [
        CTC(CHARSET),
        CTC(CHARSET, steps=24),
        CTC(CHARSET, stride=4),
        Sequence.dtrb(CHARSET, max_length=30),
        Subword.gpt2(CHARSET, max_length=12),
        Subword.bert_uncased(CHARSET),
    ],
    ids=lambda codec: type(codec).__name__,
)
def test_codecs_survive_json(codec: Codec) -> None:
    assert codec_from_dict(json.loads(json.dumps(codec.to_dict())), CHARSET) == codec


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
@pytest.mark.parametrize("codec", EXPLAINED, ids=lambda codec: type(codec).__name__)
def test_every_part_of_a_text_has_a_place_where_it_was_written(codec: Codec, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, (8, codec.classes)).astype(np.float32)
    scores = log_softmax(logits)
    reading = codec.decode(scores)
    places = codec.places(scores, reading.text)
    assert sum(place.characters for place in places) == len(reading.text)
    assert [place.rows.start for place in places] == sorted({place.rows.start for place in places})
    parts = [codec.meaning(place.written) for place in places if place.written is not None]
    if len(parts) == len(places):
        assert "".join(part.text for part in parts if part) == reading.text
    end = codec.ending(scores)
    assert (end is not None) == (codec.ended(scores) and not isinstance(codec, CTC))
    if end is not None:
        assert end.written is not None
        assert codec.meaning(end.written) == ("", "end")
        assert all(place.rows.stop <= end.rows.start for place in places)


def test_a_codec_of_a_newer_version_is_named() -> None:
    with pytest.raises(BundleError, match=r"unknown codec 'runes'; this version knows .*, subword: upgrade wildtext"):
        codec_from_dict({"kind": "runes"}, CHARSET)


def test_reading_a_description_does_not_change_it() -> None:
    values = CTC(CHARSET).to_dict()
    codec_from_dict(values, CHARSET)
    assert values == CTC(CHARSET).to_dict()


def test_columns_of_ctc_are_described_as_before_there_were_strides() -> None:
    assert codec_from_dict({"kind": "ctc", "steps": 24}, CHARSET) == CTC(CHARSET, steps=24)
    assert CTC(CHARSET, steps=24).to_dict() == {"kind": "ctc", "steps": 24}
    assert CTC(CHARSET).to_dict() == {"kind": "ctc", "steps": None}


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=9), st.floats(0.1, 10))
def test_log_probabilities_sum_to_one_and_are_never_above_it(logits: list[float], temperature: float) -> None:
    scores = log_softmax(np.array([logits], np.float32), temperature)
    assert scores.dtype == np.float32
    assert np.exp(scores).sum() == pytest.approx(1, rel=1e-5)
    assert scores.max() <= 0


def test_a_temperature_above_one_flattens() -> None:
    logits = np.array([[2.0, 0.0]], np.float32)
    assert log_softmax(logits, 2.0) == pytest.approx(log_softmax(np.array([[1.0, 0.0]], np.float32)))
    assert log_softmax(logits, 2.0).max() < log_softmax(logits).max()


def test_half_precision_is_widened_first() -> None:
    logits = np.linspace(-60_000, 60_000, 7, dtype=np.float16).reshape(1, -1)
    assert np.isfinite(log_softmax(logits)).all()  # type: ignore[arg-type]
