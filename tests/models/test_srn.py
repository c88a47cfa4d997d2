"""Both SRN graphs compute what the references compute with the same weights; no slot can copy itself in the paper's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.oracles.goldens import (
    assert_close,
    digest_matches,
    fake_checkpoint,
    golden,
    intermediate,
    loaded,
    parameter_count,
)
from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.errors import BundleError, ConfigError
from wildtext.models import Output, build
from wildtext.models.resnet_fpn import ResNetFPN
from wildtext.models.srn import SRN, SRNConfig, VisualAttention
from wildtext.weights.importers import SOURCES
from wildtext.weights.importers.contract import Source
from wildtext.weights.importers.srn import PADDLEOCR_SRN, SRN_PYTORCH

CHARSET = Charset.named("36")
PARAMETERS = {"srn": 54_639_628, "srn-resnet1d": 57_250_602}
SMALL: dict[str, Any] = {"channels": 16, "depths": (1, 1, 1, 1), "features": 32, "heads": 4, "semantic_units": 2}
TRUNK_SCALE = 512**0.5 * 0.9
"""What the importer multiplies the trunk's last layer with."""


def small(**sizes: Any) -> SRN:
    """A small model whose reasoning matters."""
    torch.manual_seed(0)
    model = SRN(SRNConfig(**(SMALL | sizes)), CHARSET)
    with torch.no_grad():
        for parameter in model.reasoning.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


@pytest.mark.parametrize("name", ["srn_paddleocr", "srn_pytorch"])
def test_fake_weights_are_those_of_the_oracle(name: str) -> None:
    assert digest_matches(name)


@pytest.mark.parametrize("preset", PARAMETERS)
def test_parameter_count_is_that_of_the_reference(preset: str) -> None:
    assert parameter_count(preset, CHARSET) == PARAMETERS[preset]


@torch.no_grad()
def test_srn_equals_paddleocr() -> None:
    wanted, model = golden("srn_paddleocr"), loaded(PADDLEOCR_SRN.convert(fake_checkpoint("srn_paddleocr"), None))
    seen = intermediate(model, "trunk", "encoder", "visual_attention", "reasoning.from_left", "reasoning.from_right")
    output: Output = model(wanted["input.image"])
    assert_close(seen["trunk"] / TRUNK_SCALE, wanted["backbone"])
    assert_close(seen["encoder"][:, ::4], wanted["encoder_output"])
    assert_close(seen["visual_attention"][0], wanted["pvam_feature"])
    assert_close(output.maps["attention"].flatten(2), wanted["pvam_attention"])
    assert_close(output.logits["visual"], wanted["word_out"])
    assert_close(seen["reasoning.from_left"], wanted["gsrm_forward"])
    assert_close(seen["reasoning.from_right"], wanted["gsrm_backward"])
    assert_close(output.logits["semantic"], wanted["gsrm_out"])
    assert_close(output.logits["text"], wanted["logits"])
    assert output.logits["visual"].argmax(-1).equal(wanted["word_ids"])
    assert output.logits["text"].argmax(-1).equal(wanted["decoded_ids"])


@torch.no_grad()
def test_resnet1d_equals_srn_pytorch() -> None:
    wanted, model = golden("srn_pytorch"), loaded(SRN_PYTORCH.convert(fake_checkpoint("srn_pytorch"), None))
    seen = intermediate(model, "trunk", "encoder", "visual_attention", "reasoning")
    output: Output = model(wanted["input.image"])
    assert_close(seen["trunk"], wanted["backbone"])
    assert_close(seen["encoder"], wanted["encoder_output"])
    assert_close(seen["visual_attention"][0], wanted["pvam_feature"])
    assert_close(output.maps["attention"][:, :, 0], wanted["pvam_attention"])
    assert_close(output.logits["visual"], wanted["visual_logits"])
    assert_close(seen["reasoning"], wanted["gsrm_feature"])
    assert_close(output.logits["semantic"], wanted["semantic_logits"])
    assert_close(output.logits["text"], wanted["fused_logits"])
    assert output.logits["visual"].argmax(-1).equal(wanted["visual_ids"])
    assert output.logits["text"].argmax(-1).equal(wanted["fused_ids"])


@torch.no_grad()
def test_key_biases_are_imported() -> None:
    # No output can tell: a softmax over keys takes off what is added for all of them.
    tensors = fake_checkpoint("srn_pytorch")
    bias = SRN_PYTORCH.convert(tensors, None).weights["encoder.units.1.attention.qkv.bias"]
    reference = "SequenceModeling.layer_stack.1.slf_attn"
    assert bias.equal(torch.cat([tensors[f"{reference}.w_{part}s.bias"] for part in "qkv"]))


@torch.no_grad()
def test_slot_cannot_see_its_own_character() -> None:
    reasoning, ids = small().reasoning, torch.randint(38, (1, 25))
    before = reasoning(ids)[1]
    for slot in range(25):
        changed = ids.clone()
        changed[0, slot] = (changed[0, slot] + 1) % 38
        differs = (reasoning(changed)[1] != before).any(-1)[0]
        assert differs.tolist() == [other != slot for other in range(25)]


@torch.no_grad()
def test_eyes_do_not_depend_on_the_reasoning_but_the_text_does() -> None:
    model, images = small(), torch.randn(2, 1, 64, 256)
    before = model(images).logits
    model.reasoning.table.neg_()
    after = model(images).logits
    assert after["visual"].equal(before["visual"])
    assert not after["text"].allclose(before["text"])


@torch.no_grad()
def test_attention_is_additive_and_may_look_anywhere() -> None:
    attention, places = VisualAttention(slots=5, features=16), torch.randn(2, 12, 16)
    seen, weights = attention(places)
    values = attention.values(places)
    scores = attention.score(torch.tanh(attention.order[:, None] + values[:, None])).squeeze(-1)
    torch.testing.assert_close(weights, scores.softmax(-1))
    torch.testing.assert_close(seen, weights @ values)


@torch.no_grad()
def test_readings_do_not_change_from_run_to_run() -> None:
    model, images = small(dropout=0.5), torch.randn(1, 1, 64, 256)
    assert model(images).logits["text"].equal(model(images).logits["text"])
    model.train()
    assert not model(images).logits["text"].equal(model(images).logits["text"])


@torch.no_grad()
def test_legacy_character_with_id_0_has_no_embedding() -> None:
    for legacy in (False, True):
        reasoning = small(legacy=legacy).reasoning
        ids = torch.zeros(1, 25, dtype=torch.long)
        before = reasoning(ids)[0]
        reasoning.table[0] += 1
        assert reasoning(ids)[0].equal(before) == legacy


def test_legacy_text_goes_on_behind_an_end() -> None:
    for legacy, text in ((False, "ab"), (True, "abc")):
        codec = small(legacy=legacy).heads["text"].codec
        assert codec.encode(["ab"])[0].tolist() == [[10, 11, *[37] * 23]]
        ids = np.array([36, 10, 11, 37, 12, *[37] * 20] if legacy else [10, 11, 37, 12, *[37] * 21])
        assert codec.decode(np.log(np.eye(38)[ids] * 0.9 + 0.001)).text == text


def test_any_charset_has_its_own_tokens() -> None:
    charset = Charset.named("94")
    for preset, sizes in (("srn", SMALL), ("srn-resnet1d", {"features": 32, "heads": 4})):
        model = build(preset, charset, sizes)
        codec = model.heads["text"].codec
        assert isinstance(codec, Sequence)
        assert (codec.first, codec.classes) == (0, 96)
        assert {codec.end, codec.pad} <= {94, 95}


@torch.no_grad()
def test_trunk_keeps_an_eighth_of_the_resolution() -> None:
    trunk = ResNetFPN(3, 16, (1, 2, 1, 1), 24).eval()
    assert trunk(torch.randn(2, 3, 32, 48)).shape == (2, 24, 4, 6)


def test_importer_reads_as_the_reference() -> None:
    imported = PADDLEOCR_SRN.convert(fake_checkpoint("srn_paddleocr"), None)
    assert imported.charset.characters == CHARSET.characters
    assert imported.scores == {"paddleocr": "mean"}
    widths = {
        size: imported.preprocessing.canvas.place(*size).content for size in ((9, 9), (50, 51), (20, 60), (20, 61))
    }
    assert list(widths.values()) == [64, 128, 192, 256]
    canvas, share = imported.preprocessing.fit(np.full((32, 32, 3), 200, np.uint8))
    pixels = imported.preprocessing.normalize(canvas[None], [share])
    assert pixels.shape == (1, 1, 64, 256)
    assert np.unique(pixels[..., :64]) == 200
    assert np.unique(pixels[..., 64:]) == 0


def test_importer_refuses_two_tables_that_differ() -> None:
    tensors = fake_checkpoint("srn_paddleocr")
    name = "head.gsrm.wrap_encoder1.prepare_decoder.emb0.weight"
    with pytest.raises(BundleError, match="are one tensor"):
        PADDLEOCR_SRN.convert(tensors | {name: tensors[name] + 1}, None)


def test_importer_needs_the_table_once() -> None:
    tensors = fake_checkpoint("srn_paddleocr")
    del tensors["head.gsrm.wrap_encoder1.prepare_decoder.emb0.weight"]
    assert PADDLEOCR_SRN.convert(tensors, None).sizes["max_length"] == 25


@pytest.mark.parametrize(
    ("source", "oracle", "name"),
    [
        (PADDLEOCR_SRN, "srn_paddleocr", "head.vsfd.fc1.bias"),
        (SRN_PYTORCH, "srn_pytorch", "Prediction.w_f.bias"),
    ],
)
def test_importers_know_their_files_and_what_they_lack(source: Source, oracle: str, name: str) -> None:
    tensors = fake_checkpoint(oracle)
    assert next(known for known in SOURCES.values() if known.recognises(tensors)) == source
    with pytest.raises(BundleError, match="36 characters, but charset '62' has 62"):
        source.convert(tensors, Charset.named("62"))
    with pytest.raises(BundleError, match=f"missing {name}; unexpected scale"):
        source.convert({key: tensor for key, tensor in tensors.items() if key != name} | {"scale": tensors[name]}, None)


@pytest.mark.parametrize(
    ("preset", "sizes"),
    [
        ("srn", {"height": 60}),
        ("srn", {"width": 0}),
        ("srn", {"image_channels": 2}),
        ("srn", {"channels": 8}),
        ("srn", {"depths": [1, 1, 1]}),
        ("srn", {"depths": [1, 0, 1, 1]}),
        ("srn", {"features": 100}),
        ("srn", {"heads": 0}),
        ("srn", {"max_length": 0}),
        ("srn", {"dropout": 1.0}),
        ("srn-resnet1d", {"width": 16}),
        ("srn-resnet1d", {"image_channels": 2}),
        ("srn-resnet1d", {"features": 40}),
        ("srn-resnet1d", {"semantic_units": 0}),
        ("srn-resnet1d", {"dropout": -0.1}),
    ],
)
def test_impossible_sizes_are_refused(preset: str, sizes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(sizes))):
        build(preset, CHARSET, sizes)
