"""MGP-STR computes what its two references compute with the same weights, and says where it looked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.oracles.goldens import assert_close, digest_matches, fake_checkpoint, golden, parameter_count
from wildtext.charset import Charset
from wildtext.codecs import Sequence, Subword
from wildtext.errors import BundleError, ConfigError
from wildtext.models import Model, Output, build
from wildtext.models.blocks import EncoderLayer
from wildtext.models.mgp_str import MGPSTR, Addressing
from wildtext.weights.importers import SOURCES
from wildtext.weights.importers.contract import Imported

CHARSET = Charset.named("36")
PARAMETERS = {
    "mgp-str-tiny": 21_040_497,
    "mgp-str-small": 52_672_305,
    "mgp-str-base": 147_952_305,
    "char-str-small": 21_411_456 + 48_768 + 385 * 38,
}
HEADS = {"characters": "char", "bpe": "bpe", "wordpiece": "wp"}
SMALL: dict[str, Any] = {"features": 16, "layers": 1, "heads": 2, "max_length": 6}


def convert(oracle: str, tensors: dict[str, Tensor]) -> Imported:
    source = "mgp-str-hf" if "hf" in oracle else "mgp-str"
    assert SOURCES[source].recognises(tensors.keys())
    return SOURCES[source].convert(tensors, None)


def rebuilt(imported: Imported) -> Model:
    with torch.device("meta"):
        model = build(imported.architecture, imported.charset, imported.sizes)
    model.load_state_dict(imported.weights, assign=True)
    return model.eval()


@torch.no_grad()
def watched(model: Model, images: Tensor) -> tuple[Output, Tensor, dict[str, Tensor]]:
    """What the model gives, the last tokens, and the attention of each granularity, class token included."""
    seen: dict[str, Tensor] = {}
    assert isinstance(model, MGPSTR)
    model.layers.register_forward_hook(lambda *call: seen.update(tokens=call[2]))
    for name, module in model.addressing.items():
        module.register_forward_hook(lambda *call, name=name: seen.update({name: call[2][1].softmax(-1)}))
    output = model(images)
    return output, seen.pop("tokens"), seen


@pytest.mark.parametrize(
    "oracle", ["mgp_str_hf_tiny", "mgp_str_official_tiny", pytest.param("mgp_str_hf_base", marks=pytest.mark.slow)]
)
def test_equals_the_reference(oracle: str) -> None:
    assert digest_matches(oracle)
    wanted = golden(oracle)
    output, tokens, attention = watched(rebuilt(convert(oracle, fake_checkpoint(oracle))), wanted["input.image"])
    assert_close(tokens, wanted["last_hidden_state"])
    assert_close(output.logits["characters"], wanted["char_logits"])
    assert output.logits["characters"].argmax(-1).equal(wanted["char_ids"])
    for name, short in HEADS.items():
        assert_close(attention[name], wanted[f"{short}_attention"])
        patches = attention[name][:, :, 1:]
        assert_close(output.maps[f"attention.{name}"].flatten(2), patches / patches.sum(-1, keepdim=True))
    for name in ("bpe", "wordpiece"):
        logits, short = output.logits[name], HEADS[name]
        assert_close(logits.gather(2, wanted[f"{short}_top20_indices"]), wanted[f"{short}_top20_values"])
        assert_close(logits.topk(20).values, wanted[f"{short}_top20_values"])
        assert_close(logits[..., :64], wanted[f"{short}_first64"])
        assert_close(logits[..., -64:], wanted[f"{short}_last64"])
        assert_close(logits[..., ::997], wanted[f"{short}_every997"])
        assert_close(logits.logsumexp(-1), wanted[f"{short}_logsumexp"])


@pytest.mark.parametrize("preset", PARAMETERS)
def test_parameter_count_is_that_of_the_reference(preset: str) -> None:
    assert parameter_count(preset, CHARSET) == PARAMETERS[preset]


@pytest.mark.parametrize(("oracle", "epsilon"), [("mgp_str_hf_tiny", 1e-5), ("mgp_str_official_tiny", 1e-6)])
def test_normalisation_is_that_of_each_reference(oracle: str, epsilon: float) -> None:
    # The two differ by less than the tolerance above.
    model = rebuilt(convert(oracle, fake_checkpoint(oracle)))
    assert {layer.norm_mlp.eps for layer in model.modules() if isinstance(layer, EncoderLayer)} == {epsilon}
    assert {module.norm_tokens.eps for module in model.modules() if isinstance(module, Addressing)} == {1e-5}


def test_the_most_confident_granularity_is_read() -> None:
    model = build("mgp-str-tiny", CHARSET, SMALL)
    assert (model.primary, model.fused) == ("characters", ("characters", "bpe", "wordpiece"))
    assert [head.codec.classes for head in model.heads.values()] == [38, 50_257, 30_522]
    alone = build("char-str-small", CHARSET, SMALL)
    assert (alone.primary, alone.fused, list(alone.heads)) == ("characters", (), ["characters"])


def test_all_slots_are_returned_and_the_first_is_not_read() -> None:
    model = build("mgp-str-tiny", CHARSET, SMALL)
    for name, logits in model(torch.rand(2, 3, 32, 128)).logits.items():
        codec = model.heads[name].codec
        assert isinstance(codec, Sequence | Subword)
        assert logits.shape == (2, codec.skip + codec.slots, codec.classes)
        assert codec.skip == 1


def test_maps_are_left_out_of_training() -> None:
    model = build("char-str-small", CHARSET, SMALL)
    images, targets = torch.rand(1, 3, 32, 128), {"characters": torch.zeros(1, 8, dtype=torch.long)}
    assert model(images).maps["attention.characters"].shape == (1, 8, 8, 32)
    assert model(images, targets=targets).maps == {}


@torch.no_grad()
def test_a_map_shows_where_a_slot_looks_beside_the_class_token() -> None:
    model = build("char-str-small", CHARSET, SMALL)
    scores = torch.full((1, 8, 257), -20.0)
    scores[0, 3, 0], scores[0, 3, 1 + 2 * 32 + 5] = 60.0, 5.0
    module = model.get_submodule("addressing.characters")
    module.register_forward_hook(lambda *call: (call[2][0], scores))
    place = model(torch.rand(1, 3, 32, 128)).maps["attention.characters"][0, 3]
    assert place[2, 5] == pytest.approx(1)
    assert place.sum() == pytest.approx(1)


def test_a_charset_with_capitals_has_no_word_pieces() -> None:
    capitals = Charset.named("62")
    with pytest.raises(ConfigError, match=r"leave 'wordpiece' out of size 'granularities': .* cannot write 'ABC"):
        build("mgp-str-tiny", capitals, SMALL)
    model = build("mgp-str-tiny", capitals, {**SMALL, "granularities": ["characters", "bpe"]})
    assert model.fused == ("characters", "bpe")


def test_importer_takes_every_size() -> None:
    # Large, but for its depth.
    sizes = {"features": 1024, "heads": 16, "layers": 2}
    with torch.device("meta"):
        weights = build("mgp-str-tiny", CHARSET, sizes).state_dict()
    tensors = under_the_authors_names(weights)
    imported = SOURCES["mgp-str"].convert(tensors, None)
    assert sizes.items() <= imported.sizes.items()
    assert {name: tensor.shape for name, tensor in imported.weights.items()} == {
        name: tensor.shape for name, tensor in weights.items()
    }


def under_the_authors_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of ours as the authors' code would save it."""
    changes = {
        "layers.": "blocks.",
        "class_token": "cls_token",
        "position": "pos_embed",
        "patches": "patch_embed.proj",
        "norm_attention": "norm1",
        "qkv": "attn.qkv",
        "projection": "attn.proj",
        "norm_mlp": "norm2",
        "mlp.0": "mlp.fc1",
        "mlp.2": "mlp.fc2",
        "norm_tokens": "token_norm",
        "norm_slots": "norm",
        "keys": "tokenLearner.0.weight",
        "queries": "tokenLearner.1.weight",
        "values": "feat.weight",
        **{f"addressing.{ours}": f"{short}_tokenLearner" for ours, short in HEADS.items()},
        **{f"classifiers.{ours}": f"{short}_head" for ours, short in HEADS.items()},
    }
    renamed = {}
    for name, tensor in weights.items():
        for ours, theirs in changes.items():
            name = name.replace(ours, theirs)
        grouped = tensor.ndim == 3 and "tokenLearner" in name
        kernel = "tokenLearner.tokenLearner" in name or "feat" in name
        tensor = tensor.flatten(0, 1) if grouped else tensor
        renamed[f"mgp_str.{name}"] = tensor[:, :, None, None] if kernel else tensor
    return renamed


def test_importer_reads_a_model_of_characters_alone() -> None:
    weights = build("char-str-small", CHARSET, {**SMALL, "features": 64, "heads": 1}).state_dict()
    tensors = under_the_authors_names(weights)
    # Its code writes with the classifier of the transformer that it extends, and saves its own unused.
    for leaf in ("weight", "bias"):
        tensors[f"mgp_str.head.{leaf}"] = tensors[f"mgp_str.char_head.{leaf}"]
        tensors[f"mgp_str.char_head.{leaf}"] = tensors[f"mgp_str.head.{leaf}"] + 1
        tensors[f"mgp_str.norm.{leaf}"] = torch.ones(64)
    imported = SOURCES["mgp-str"].convert(tensors, None)
    assert imported.architecture.startswith("mgp-str") or imported.architecture == "char-str-small"
    assert imported.sizes["granularities"] == ("characters",)
    assert imported.weights.keys() == weights.keys()
    assert all(imported.weights[name].equal(tensor) for name, tensor in weights.items())


@pytest.mark.parametrize("oracle", ["mgp_str_hf_tiny", "mgp_str_official_tiny"])
def test_importer_lists_what_is_missing_and_unexpected(oracle: str) -> None:
    tensors = fake_checkpoint(oracle)
    name = next(name for name in tensors if name.endswith("wp_head.bias"))
    tensors[name.replace("bias", "scale")] = tensors.pop(name)
    with pytest.raises(BundleError, match=r"missing \S*wp_head\.bias; unexpected \S*wp_head\.scale"):
        convert(oracle, tensors)


@pytest.mark.parametrize(
    "sizes",
    [
        {"height": 30},
        {"width": 0},
        {"features": 100},
        {"heads": 5},
        {"layers": 0},
        {"max_length": 0},
        {"granularities": []},
        {"granularities": ["words"]},
        {"granularities": ["bpe", "bpe"]},
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"size '{next(iter(sizes))}' is"):
        build("mgp-str-tiny", CHARSET, sizes)
