"""An explanation shows what the model computed: where, how sure, what else, and what each part of it thinks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

import wildtext
from tests.conftest import BrightnessRuntime, grey_image
from tests.inference.stand_ins import AB, DTRB, LETTERS, NOISE, Shows, certain, looking_at, rectifying, shows, untrained
from tests.inference.test_export import SMALL
from wildtext.charset import Charset
from wildtext.codecs import CTC, Codec, Sequence, Subword, log_softmax
from wildtext.errors import ConfigError, ImageError
from wildtext.images import Fixed, Padded, Preprocessing
from wildtext.inference.explanation import Explanation, explain
from wildtext.inference.export import export
from wildtext.inference.loading import load
from wildtext.inference.recognizer import Recognizer
from wildtext.models import MODELS, build
from wildtext.types import Floats
from wildtext.weights.bundle import Bundle, save_model


def probabilities(recognizer: Recognizer, image: Any, head: str) -> Floats:
    """(T, C) of the only orientation."""
    (seen,) = next(recognizer.observe([image]))  # type: ignore[misc]
    values: Floats = torch.from_numpy(seen.logits[head]).div(recognizer.bundle.temperature).softmax(1).numpy()
    return values


# Where


@pytest.mark.parametrize("turned", [False, True])
def test_spans_of_the_shipped_model_lie_on_the_characters(turned: bool) -> None:
    font = ImageFont.load_default(40)
    picture = Image.new("RGB", (260, 60), "white")
    ends = [20.0]
    for character in "HOTEL":
        ImageDraw.Draw(picture).text((ends[-1], 5), character, fill="black", font=font)
        ends.append(ends[-1] + font.getlength(character) + 12)
    image = picture.rotate(-90, expand=True) if turned else picture
    explanation = explain(wildtext.load(), image)
    assert explanation.prediction.text == "HOTEL"
    assert explanation.image.shape == (60, 260, 3)
    assert np.array_equal(explanation.image, np.asarray(picture))
    for piece, left, right in zip(explanation.pieces, ends[:-1], ends[1:], strict=True):
        assert left / 260 < (piece.start + piece.end) / 2 < right / 260, piece.text
        assert piece.columns is not None
        assert left / 260 - 1 / 32 < sum(piece.columns) / 2 / 32 < right / 260 + 1 / 32, piece.text


def peaks(explanation: Explanation) -> list[float]:
    """Where the attention of each piece is largest, as a share of the width."""
    found = []
    for piece in explanation.pieces:
        assert piece.attention is not None
        column = int(piece.attention.sum(axis=0).argmax())
        found.append((column + 0.5) / piece.attention.shape[1])
    return found


def test_attention_is_that_of_the_slots_that_wrote() -> None:
    explanation = explain(shows(DTRB, AB, {"attention": looking_at(6, 1, 4, 3)}), Image.new("RGB", (64, 16)))
    assert explanation.prediction.text == "ab"
    assert peaks(explanation) == [6.5 / 8, 1.5 / 8]


def test_attention_of_a_head_goes_before_that_of_all() -> None:
    maps = {"attention": looking_at(0, 0, 0, 0), "attention.text": looking_at(6, 1, 4, 3)}
    assert peaks(explain(shows(DTRB, AB, maps), Image.new("RGB", (64, 16)))) == [6.5 / 8, 1.5 / 8]


def test_padding_is_no_part_of_the_image() -> None:
    maps = {
        "attention": looking_at(3, 0, 7, 7),
        "core_area": np.repeat(np.array([[[9, -9, 9, -9]]], np.float32), 8, axis=2),
        "fiducials": np.array([[0, 0], [0.5, 0], [0, 1], [0.5, 1]], np.float32),
    }
    # 64 x 32 pixels fill the left half of the canvas.
    explanation = explain(shows(DTRB, AB, maps, Padded(8, 32, min_width=1)), Image.new("RGB", (64, 32)))
    assert peaks(explanation) == [3.5 / 4, 0.5 / 4]
    assert explanation.core_area is not None
    assert explanation.core_area.shape == (1, 16)
    assert (explanation.core_area[0] > 0.5).tolist() == [True] * 8 + [False] * 8
    assert explanation.fiducials is not None
    assert explanation.fiducials.tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]


def test_columns_that_a_network_moves_are_shown_where_they_look() -> None:
    column_x = ((np.arange(8) + 0.5) / 8)[::-1].astype(np.float32)
    maps = {"attention": looking_at(1, 4, 0, 0), "column_x": column_x}
    assert peaks(explain(shows(DTRB, AB, maps), Image.new("RGB", (64, 16)))) == [6.5 / 8, 3.5 / 8]


def test_a_column_of_ctc_shows_where_it_took_its_features() -> None:
    rows = np.zeros((4, 2, 4), np.float32)
    rows[[0, 1, 2, 3], [0, 1, 0, 0], [0, 1, 2, 3]] = 1
    logits = 20 * np.eye(3, dtype=np.float32)[[1, 1, 0, 2]]
    explanation = explain(shows(CTC(LETTERS, 4), logits, {"attention": rows}), Image.new("RGB", (64, 16)))
    first, second = explanation.pieces
    assert (first.columns, second.columns) == ((0, 2), (3, 4))
    assert first.attention is not None
    assert first.attention.tolist() == [[0.5, 0, 0, 0], [0, 0.5, 0, 0]]


def test_a_model_that_does_not_tell_where_it_looks_has_no_attention() -> None:
    assert [piece.attention for piece in explain(shows(DTRB, AB), Image.new("RGB", (64, 16))).pieces] == [None, None]


# How sure, and what else


def test_columns_of_ctc_have_their_probabilities() -> None:
    recognizer = with_temperature(untrained("crnn"), 1.7)
    explanation = explain(recognizer, NOISE, top=4)
    values = probabilities(recognizer, NOISE, "text")
    characters = Charset.named("36").characters
    assert explanation.pieces
    for piece, character in zip(explanation.pieces, explanation.prediction.characters, strict=True):
        assert (piece.text, piece.probability, piece.start) == (character.text, character.confidence, character.start)
        assert piece.columns is not None
        run = values[slice(*piece.columns), characters.index(piece.text) + 1]
        assert piece.probability == pytest.approx(run.max(), rel=1e-4)
        row = values[piece.columns[0] + int(run.argmax())]
        assert_choices([choice.probability for choice in piece.choices], row, 4, piece.probability)
        for choice in piece.choices:
            index = 0 if choice.special == "blank" else characters.index(choice.text) + 1
            assert choice.probability == pytest.approx(row[index], rel=1e-4)


@pytest.mark.parametrize(("name", "skip", "first"), [("rare", 0, 2), ("char-str-small", 1, 2), ("srn", 0, 0)])
def test_slots_have_their_probabilities(name: str, skip: int, first: int) -> None:
    recognizer = with_temperature(untrained(name), 1.7)
    explanation = explain(recognizer, NOISE)
    values = probabilities(recognizer, NOISE, explanation.head)
    characters = Charset.named("36").characters
    assert "".join(piece.text for piece in explanation.pieces) == explanation.prediction.text != ""
    for slot, piece in enumerate(explanation.pieces):
        row = values[skip + slot]
        assert piece.probability == pytest.approx(row[first + characters.index(piece.text)], rel=1e-4)
        for choice in piece.choices:
            if not choice.special:
                assert choice.probability == pytest.approx(row[first + characters.index(choice.text)], rel=1e-4)
    ending = 1.0 if explanation.ending is None else explanation.ending.probability
    product = ending * np.prod([piece.probability for piece in explanation.pieces])
    assert explanation.prediction.confidence == pytest.approx(product, rel=1e-4)


def with_temperature(recognizer: Recognizer, temperature: float) -> Recognizer:
    return Recognizer(replace(recognizer.bundle, temperature=temperature), recognizer.runtime)


def assert_choices(given: list[float], row: Floats, count: int, written: float) -> None:
    """The best of a row, of which the last may have made room for what was written."""
    best = np.sort(row)[::-1][:count].tolist()
    if written < best[-1]:
        best[-1] = written
    assert given == pytest.approx(best, rel=1e-4)


def test_an_ending_says_what_could_have_followed() -> None:
    logits = AB.copy()
    logits[2] = [-9, 2, 1, 0]
    explanation = explain(shows(DTRB, logits), Image.new("RGB", (64, 16)), top=2)
    shares = np.exp([2, 1, 0]) / np.exp([2, 1, 0]).sum()
    assert explanation.ending is not None
    assert [(choice.text, choice.special) for choice in explanation.ending.choices] == [("", "end"), ("a", "")]
    assert [choice.probability for choice in explanation.ending.choices] == pytest.approx(shares[:2], rel=1e-4)


def test_where_nothing_is_read_there_are_no_pieces() -> None:
    explanation = explain(shows(DTRB, certain(DTRB, "", 4, 4)), Image.new("RGB", (64, 16)))
    assert explanation.prediction.text == ""
    assert explanation.pieces == ()
    assert explanation.ending is not None


def test_what_was_written_is_among_the_choices_though_others_are_likelier() -> None:
    # Blank leads in every column, but "a" in some column is the likeliest text.
    logits = np.log(np.array([[0.4, 0.35, 0.25]] * 3, np.float32))
    explanation = explain(shows(CTC(LETTERS, 3), logits), Image.new("RGB", (64, 16)), top=1)
    assert [piece.text for piece in explanation.pieces] == ["a"]
    (choice,) = explanation.pieces[0].choices
    assert choice.text == "a"
    assert choice.probability == pytest.approx(0.35, abs=1e-5)


def test_tokens_are_the_pieces_of_subwords() -> None:
    charset = Charset("some", tuple("abcdefghijklmnopqrstuvwxyz鱻"))
    codec = Subword.gpt2(charset, 12)
    logits = certain(codec, "station鱻", codec.classes, 14)
    explanation = explain(shows(codec, logits), Image.new("RGB", (64, 16)), top=2)
    assert explanation.prediction.text == "station鱻"
    tokens = [codec.vocabulary.tokens[index] for index in codec.vocabulary.split("station")]
    assert [piece.text for piece in explanation.pieces] == [*(token.decode() for token in tokens), "鱻"]
    assert explanation.pieces[0].choices[0].text == tokens[0].decode()
    assert len(explanation.pieces[0].choices) == 2
    assert explanation.pieces[-1].choices == (), "bytes that make up one character are no texts"


# The parts of a model


@pytest.mark.parametrize(("name", "heads"), [("srn", 3), ("srn-resnet1d", 3), ("mgp-str-tiny", 3), ("crnn", 0)])
def test_opinions_are_what_each_head_reads(name: str, heads: int) -> None:
    recognizer = untrained(name)
    explanation = explain(recognizer, NOISE)
    (seen,) = next(recognizer.observe([NOISE]))  # type: ignore[misc]
    assert len(explanation.opinions) == heads
    for head, opinion in explanation.opinions.items():
        alone = recognizer.bundle.codecs[head].decode(log_softmax(seen.logits[head]))
        assert opinion.text == alone.text
        assert opinion.confidence == pytest.approx(alone.confidence)
    assert heads == 0 or explanation.opinions[explanation.head].text == explanation.prediction.text


@pytest.mark.parametrize("winner", ["letters", "tokens"])
def test_the_head_that_wins_is_explained(winner: str) -> None:
    charset = Charset.named("36")
    codecs: dict[str, Codec] = {"letters": Sequence.mgp(charset, 4), "tokens": Subword.gpt2(charset, 4)}
    texts = {"letters": "on", "tokens": "in"}
    sure = {head: 20.0 if head == winner else 12.0 for head in codecs}
    logits = {
        head: certain(codec, texts[head], codec.classes, 6) * np.float32(sure[head] / 20)
        for head, codec in codecs.items()
    }
    bundle = Bundle("fake", {}, charset, codecs, "letters", Preprocessing(Fixed(8, 32)), fused=("letters", "tokens"))
    explanation = explain(Recognizer(bundle, Shows(logits)), Image.new("RGB", (64, 16)))
    assert explanation.head == winner
    assert "".join(piece.text for piece in explanation.pieces) == texts[winner]
    assert {head: opinion.text for head, opinion in explanation.opinions.items()} == texts


def test_core_areas_are_probabilities() -> None:
    logits = np.linspace(-200, 200, 8 * 32, dtype=np.float32).reshape(1, 8, 32)
    explanation = explain(shows(DTRB, AB, {"core_area": logits}), Image.new("RGB", (64, 16)))
    assert explanation.core_area is not None
    wanted = torch.from_numpy(logits[0]).sigmoid().numpy()
    np.testing.assert_allclose(explanation.core_area, wanted, atol=1e-6)


def test_a_spline_that_changes_nothing_shows_the_image_itself() -> None:
    recognizer = rectifying((1, 1))
    explanation = explain(recognizer, NOISE)
    edge = np.linspace(0, 1, 10)
    wanted = np.concatenate([np.stack([edge, np.full(10, y)], axis=1) for y in (0, 1)])
    assert explanation.fiducials is not None
    np.testing.assert_allclose(explanation.fiducials, wanted, atol=1e-5)
    assert explanation.rectified is not None
    canvas = recognizer.bundle.preprocessing.fit(NOISE)[0]
    np.testing.assert_allclose(explanation.rectified, np.broadcast_to(canvas, (32, 100, 3)), atol=2)


def test_a_spline_that_looks_at_a_part_shows_that_part_enlarged() -> None:
    picture = np.zeros((32, 100, 3), np.uint8)
    picture[:, 50:75] = 255
    explanation = explain(rectifying((0.5, 1), (0.5, 0)), picture)
    assert explanation.fiducials is not None
    assert explanation.fiducials[:, 0].min() == pytest.approx(0.5, abs=0.01)
    assert explanation.fiducials[:, 0].max() == pytest.approx(1, abs=0.01)
    assert explanation.rectified is not None
    assert explanation.rectified[16, 5:45].min() > 250
    assert explanation.rectified[16, 55:].max() < 5
    assert explanation.lacking == ()


def test_an_export_shows_what_the_model_shows(tmp_path: Path) -> None:
    torch.manual_seed(0)
    # A spline in front of few layers, as large graphs take long to export.
    sizes = {**SMALL["star-net"], "trunk": "vgg", "sequence": "none"}
    model = build("star-net", Charset.named("36"), sizes).eval()
    save_model(tmp_path / "model.safetensors", model, Bundle.of("star-net", model, MODELS["star-net"].preprocessing))
    export(tmp_path / "model.safetensors", tmp_path / "model.onnx")
    one, other = (explain(load(str(tmp_path / f"model.{kind}")), NOISE) for kind in ("safetensors", "onnx"))
    assert one.prediction.text == other.prediction.text
    assert one.fiducials is not None
    assert other.fiducials is not None
    np.testing.assert_allclose(one.fiducials, other.fiducials, atol=1e-4)
    assert one.rectified is not None
    assert other.rectified is not None
    np.testing.assert_allclose(one.rectified.astype(float), other.rectified, atol=2)


def test_bundles_of_earlier_versions_say_what_they_lack() -> None:
    maps = {"attention": looking_at(1, 4, 0, 0), "column_x": ((np.arange(8) + 0.5) / 8).astype(np.float32)}
    explanation = explain(shows(DTRB, AB, maps), Image.new("RGB", (64, 16)))
    assert explanation.rectified is None
    assert any("wildtext export" in sentence for sentence in explanation.lacking)
    assert explain(shows(DTRB, AB), Image.new("RGB", (64, 16))).lacking == ()


def test_the_colours_of_a_rectified_image_are_those_of_the_image() -> None:
    recognizer = shows(DTRB, AB, {"rectified": np.array([[[1]], [[-0.2]], [[-1]]], np.float32)})
    bundle = replace(recognizer.bundle, preprocessing=Preprocessing(Fixed(8, 32), color="BGR"))
    explanation = explain(Recognizer(bundle, recognizer.runtime), Image.new("RGB", (64, 16)))
    assert explanation.rectified is not None
    assert explanation.rectified.tolist() == [[[0, 102, 255]]]


# The timeline


def test_the_timeline_has_the_blank_and_what_is_likely() -> None:
    charset = Charset("digits", tuple("0123456789"))
    logits = np.full((4, 11), -9.0, np.float32)
    logits[[0, 1, 2, 3], [8, 0, 3, 0]] = 9
    logits[2, 5] = 8
    timeline = explain(shows(CTC(charset, 4), logits), Image.new("RGB", (64, 16))).timeline
    assert timeline is not None
    assert timeline.classes == ("", "7", "2", "4")
    values = torch.from_numpy(logits).softmax(1).numpy()
    np.testing.assert_allclose(timeline.probabilities, values[:, [0, 8, 3, 5]], atol=1e-6)
    assert timeline.x.tolist() == [0.125, 0.375, 0.625, 0.875]


def test_only_ctc_has_a_timeline() -> None:
    assert explain(shows(DTRB, AB), Image.new("RGB", (64, 16))).timeline is None


# As a whole


def test_an_explanation_is_of_the_orientation_that_was_read(digits_bundle: Bundle) -> None:
    upright = np.zeros((40, 16, 3), np.uint8)
    upright[20:] = 200
    explanation = explain(Recognizer(digits_bundle, BrightnessRuntime()), upright)
    assert explanation.prediction.rotation == 90, "the left half is the darker one then, as that network likes it"
    assert np.array_equal(explanation.image, np.rot90(upright))


def test_the_reading_is_that_of_read(recognizer: Recognizer) -> None:
    explanation = explain(recognizer, grey_image(7), top=3)
    (reading,) = recognizer.read(grey_image(7), top=3)
    assert explanation.prediction == reading
    assert [len(piece.choices) for piece in explanation.pieces] == [3]


@pytest.mark.parametrize("name", ["crnn", "rare", "srn", "mgp-str-tiny", "acds-str-small", "robustscanner"])
def test_facts_are_plain_values(name: str) -> None:
    charset = "90" if name == "robustscanner" else "36"
    explanation = explain(untrained(name, charset), NOISE)
    facts = json.loads(json.dumps(explanation.to_dict(), allow_nan=False))
    assert facts["text"] == explanation.prediction.text
    assert "".join(piece["text"] for piece in facts["pieces"]) == facts["text"]
    assert all(0 <= choice["probability"] <= 1 for piece in facts["pieces"] for choice in piece["choices"])
    assert ("timeline" in facts) == (name == "crnn")
    assert ("fiducials" in facts) == (name == "rare")
    assert list(facts["opinions"]) == list(explanation.opinions)


def test_bad_input_is_told(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="top must be at least 1, not 0"):
        explain(recognizer, grey_image(3), top=0)
    with pytest.raises(ImageError, match=r"missing\.png"):
        explain(recognizer, tmp_path / "missing.png")
