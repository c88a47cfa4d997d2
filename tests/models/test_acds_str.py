"""ACDS-STR computes what the reference computes with the same weights, and what the paper's steps say one by one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.oracles import weights_recipe
from tests.oracles.goldens import ORACLES, assert_close, digest_matches, fake_checkpoint, golden, parameter_count
from wildtext.charset import Charset
from wildtext.errors import BundleError, ConfigError
from wildtext.models import build
from wildtext.models.acds_str import ACDSSTR, ACDSSTRConfig, gather
from wildtext.models.blocks import EncoderLayer
from wildtext.models.resnet45 import Merge
from wildtext.training.losses import Targets, cross_entropy
from wildtext.weights.importers import SOURCES
from wildtext.weights.importers.acds_str import ACDS_STR

CHARSET = Charset.named("36")
ORACLE_OF = {"acds-str-small": "acds_small", "acds-str-base": "acds_base"}
UNUSED = 96_076
"""Parameters of the reference that its forward pass never touches; ours has no such layers."""
PARAMETERS = {"acds-str-small": 61_065_781 - UNUSED, "acds-str-base": 89_417_269 - UNUSED}
SMALL: dict[str, Any] = {"channels": (16,) * 5, "depths": (1,) * 5, "features": 32, "heads": 4, "layers": 4}


def loaded(tensors: dict[str, Tensor]) -> ACDSSTR:
    """The model of a reference's checkpoint."""
    imported = ACDS_STR.convert(tensors, None)
    with torch.device("meta"):
        model = build(imported.architecture, imported.charset, imported.sizes)
    model.load_state_dict(imported.weights, assign=True)
    assert isinstance(model, ACDSSTR)
    return model.eval()


def small(**sizes: Any) -> ACDSSTR:
    """A small model with weights everywhere, those that start at zero included."""
    torch.manual_seed(0)
    model = ACDSSTR(ACDSSTRConfig(**(SMALL | sizes)), CHARSET)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def core_map(model: ACDSSTR, images: Tensor) -> Tensor:
    """The map as the reference has it, whatever the model makes of it."""
    stem, _, second, _, fourth, _ = model.trunk(images)
    core: Tensor = model.core_area(model.pyramid(stem, second, fourth))
    return core


@pytest.mark.slow
@pytest.mark.parametrize("preset", PARAMETERS)
@torch.no_grad()
def test_equals_the_reference(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = golden(ORACLE_OF[preset])
    model = loaded(fake_checkpoint(ORACLE_OF[preset]))
    norm_inputs: list[Tensor] = []
    last: dict[str, Tensor] = {}
    model.norm.register_forward_pre_hook(lambda _, inputs: norm_inputs.append(inputs[0][:, ::4]))
    model.trunk.register_forward_hook(lambda _module, _inputs, output: last.update(cnn=output[-1]))
    model.decoder.register_forward_pre_hook(lambda _, inputs: last.update(fused=inputs[0]))

    def attend(layer: EncoderLayer, tokens: Tensor, start: int = 0) -> tuple[Tensor, Tensor]:
        both, attention = original(layer, tokens, start)
        last.update(plain=both[:2, ::4], attention=attention[:, ::4])
        return both, attention

    original = EncoderLayer.attend
    monkeypatch.setattr(EncoderLayer, "attend", attend)
    output = model(wanted["input.image"])
    assert digest_matches(ORACLE_OF[preset])
    assert_close(last["cnn"][:, ::2], wanted["cnn"])
    assert_close(core_map(model, wanted["input.image"]), wanted["core_map"])
    assert_close(norm_inputs[0], wanted["guided_first_before_norm"])
    assert_close(norm_inputs[-1], wanted["guided_last_before_norm"])
    assert_close(last["plain"], wanted["trunk_output"])
    assert_close(last["attention"], wanted["guided_attention_mean"])
    assert_close(last["fused"][:, ::4], wanted["fused_tokens"])
    assert_close(output.logits["text"], wanted["logits"])
    assert output.logits["text"].argmax(-1).equal(wanted["ids"])
    assert_close(output.maps["core_area"], wanted["core_map"].logit(0.01))


@torch.no_grad()
def test_the_core_map_equals_that_of_the_reference() -> None:
    listing = json.loads((ORACLES / "acds_small" / "spec.json").read_text(encoding="utf-8"))["weights"]
    tensors = {
        name.removeprefix("module."): torch.from_numpy(
            weights_recipe.tensor(name, tuple(shape), dtype, "torch", listing["overrides"])
            if "cnnBackbone" in name or "conv_fpn" in name
            else np.zeros(shape, dtype)
        )
        for name, shape, dtype in listing["keys"]
    }
    wanted = golden("acds_small")
    assert_close(core_map(loaded(tensors), wanted["input.image"]), wanted["core_map"])


@pytest.mark.parametrize("oracle", ORACLE_OF.values())
def test_losses_are_those_of_the_reference(oracle: str) -> None:
    wanted = golden(oracle)
    ids, mask = wanted["input.target"], wanted["input.mask"].float()
    codec = small().heads["text"].codec
    characters = cross_entropy(wanted["logits"], Targets(ids, (ids == 1).int().argmax(1) + 1), codec)
    # What a model with `legacy` gives as logits are those of the reference's probabilities.
    core = F.binary_cross_entropy_with_logits(wanted["core_map"].logit(0.01), mask, pos_weight=torch.tensor(2.0))
    share = wanted["core_map"].clamp(0.01, 0.99)
    assert_close(core, -(2 * mask * share.log() + (1 - mask) * (1 - share).log()).mean())
    assert_close(torch.stack([characters, core, characters + 0.5 * core]), wanted["loss"])


def test_labels_are_numbered_as_in_the_reference() -> None:
    target = golden("acds_small")["input.target"]
    codec = small().heads["text"].codec
    texts = ["".join(CHARSET.characters[index - 2] for index in row if index > 1) for row in target.tolist()]
    ids, _ = codec.encode(texts)
    assert ids.tolist() == target.tolist()


@pytest.mark.parametrize("preset", PARAMETERS)
def test_parameter_count_is_that_of_the_reference_without_unused_layers(preset: str) -> None:
    assert parameter_count(preset, CHARSET) == PARAMETERS[preset]


def step_by_step(model: ACDSSTR, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and core map with nothing shared, reordered or fused: every layer of a stream by itself."""
    sizes = model.config
    stem, _, second, _, fourth, fifth = model.trunk(images)
    pyramid = merged(model.pyramid.merge_stem, merged(model.pyramid.merge_second, fourth, second), stem)
    core = model.core_area.score(model.core_area.mix(pyramid))
    guide = F.interpolate(core, scale_factor=0.25).flatten(2).transpose(1, 2)
    guide = torch.cat([model.class_core.repeat(len(images), 1, 1), guide], dim=1)
    guide = guide if sizes.legacy else guide.sigmoid()
    patches = model.embedding(fifth).flatten(2).transpose(1, 2)
    plain = torch.cat([model.class_token.repeat(len(images), 1, 1), patches], dim=1) + model.position
    guided = weights = torch.empty(0)
    for number, layer in enumerate(model.layers, start=sizes.guided + 1 - sizes.layers):
        plain, attention = encoded(layer, plain)
        if number == 0:
            weights = (attention + guide).sigmoid()
            guided = model.norm(weights @ plain)
        if number > 0:
            guided, attention = encoded(layer, guided)
            weights = (attention + guide).sigmoid()
            guided = model.norm(weights @ guided)
    guided = model.norm(weights @ plain + guided)
    share = model.gate(torch.cat([plain, guided], dim=2)).sigmoid()
    decoder = model.decoder
    slots = decoder.to_slots(decoder.mix_tokens(decoder.norm(share * plain + (1 - share) * guided).transpose(1, 2)))
    return decoder.norm_logits(decoder.to_classes(decoder.mix_features(slots)).transpose(1, 2)), core


def merged(merge: Merge, coarse: Tensor, fine: Tensor) -> Tensor:
    kernel = torch.cat([merge.coarse.weight, merge.fine.weight], dim=1)
    both = torch.cat([F.interpolate(coarse, scale_factor=2), fine], dim=1)
    out: Tensor = merge.norm(F.conv2d(both, kernel))
    return out


def encoded(layer: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """A layer's tokens and its attention averaged over the heads, head by head."""
    heads = layer.qkv(layer.norm_attention(tokens)).chunk(3 * layer.heads, dim=2)
    scale = heads[0].shape[2] ** 0.5
    attention = [
        (query @ key.transpose(1, 2) / scale).softmax(dim=2)
        for query, key in zip(heads[: layer.heads], heads[layer.heads : -layer.heads], strict=True)
    ]
    attended = [weights @ value for weights, value in zip(attention, heads[-layer.heads :], strict=True)]
    tokens = tokens + layer.projection(torch.cat(attended, dim=2))
    return tokens + layer.mlp(layer.norm_mlp(tokens)), sum(attention, torch.zeros(())) / layer.heads


@pytest.mark.parametrize("sizes", [{}, {"legacy": True}, {"guided": 1}, {"guided": 3, "width": 64, "max_length": 7}])
@torch.no_grad()
def test_equals_the_steps_of_the_paper(sizes: dict[str, Any]) -> None:
    model = small(**sizes)
    images = torch.rand(2, 3, 32, model.config.width)
    output = model(images)
    logits, core = step_by_step(model, images)
    assert output.logits["text"].shape == (2, model.config.max_length + 2, 38)
    assert_close(output.logits["text"], logits)
    assert_close(output.maps["core_area"], core.logit(0.01) if model.config.legacy else core)


@torch.no_grad()
def test_the_core_map_changes_what_is_read() -> None:
    model, images = small(), torch.rand(1, 3, 32, 128)
    before = model(images).logits["text"]
    model.core_area.score.weight.neg_()
    assert (model(images).logits["text"] - before).abs().max() > 1e-4


@pytest.mark.parametrize("legacy", [False, True])
def test_extreme_maps_do_no_harm(legacy: bool) -> None:
    model = small(legacy=legacy)
    with torch.no_grad():
        model.core_area.score.weight.mul_(1000)
    output = model(torch.rand(1, 3, 32, 128))
    (output.logits["text"].square().sum() + output.maps["core_area"].sum()).backward()
    assert output.logits["text"].isfinite().all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


def test_small_differences_of_attention_survive_autocast() -> None:
    attention, tokens = torch.rand(1, 9, 9) / 100, torch.randn(1, 9, 4)
    with torch.autocast("cpu", torch.bfloat16):
        guided = gather(attention, torch.ones(1, 9, 1), tokens)
    assert_close(guided, (attention + 1).sigmoid() @ tokens, tolerance=1e-5)


def test_untrained_maps_are_undecided() -> None:
    torch.manual_seed(0)
    core = build("acds-str-small", CHARSET, SMALL)(torch.rand(2, 3, 32, 128)).maps["core_area"]
    assert 0 < core.abs().max() < 3


def listing() -> dict[str, Tensor]:
    """Empty tensors under the names of the reference."""
    spec = json.loads((ORACLES / "acds_small" / "spec.json").read_text(encoding="utf-8"))
    names = {name.removeprefix("module."): shape for name, shape, _ in spec["weights"]["keys"]}
    return {name: torch.empty(shape, device="meta") for name, shape in names.items()}


def test_importer_knows_its_checkpoints() -> None:
    tensors = listing()
    assert [source.name for source in SOURCES.values() if source.recognises(tensors.keys())] == ["acds-str"]
    imported = ACDS_STR.convert(tensors, None)
    assert (imported.architecture, imported.sizes, imported.charset) == ("acds-str-small", {"legacy": True}, CHARSET)
    assert imported.preprocessing.vertical == "none"


def test_importer_lists_what_is_missing_and_unexpected() -> None:
    tensors = listing()
    tensors["acds_str.norm.scale"] = tensors.pop("acds_str.norm.bias")
    with pytest.raises(BundleError, match=r"missing norm\.bias; unexpected norm\.scale"):
        ACDS_STR.convert(tensors, None)


def test_importer_refuses_other_depths() -> None:
    tensors = {name: tensor for name, tensor in listing().items() if "blocks.5." not in name}
    with pytest.raises(BundleError, match="has 5 layers"):
        ACDS_STR.convert(tensors, None)


@pytest.mark.parametrize(
    "sizes",
    [
        {"height": 30},
        {"width": 0},
        {"channels": [16, 16, 16, 16]},
        {"channels": [8, 16, 16, 16, 16]},
        {"depths": [1, 1, 0, 1, 1]},
        {"heads": 5},
        {"groups": 0},
        {"guided": 0},
        {"guided": 6},
        {"max_length": 0},
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(sizes))):
        build("acds-str-small", CHARSET, sizes)
