"""RobustScanner computes what PaddleOCR and MMOCR compute with the same weights, and looks at nothing but the image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.oracles.goldens import assert_close, digest_matches, fake_checkpoint, golden, parameter_count
from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.errors import BundleError, ConfigError
from wildtext.models import Output, build
from wildtext.models.robustscanner import RobustScanner
from wildtext.weights.importers.contract import Imported
from wildtext.weights.importers.robustscanner import MMOCR_ROBUSTSCANNER, PADDLEOCR_ROBUSTSCANNER

SOURCES = {"paddleocr": PADDLEOCR_ROBUSTSCANNER, "mmocr": MMOCR_ROBUSTSCANNER}
SMALL: dict[str, Any] = {
    "channels": [8, 8, 16, 16, 32, 32],
    "depths": [1, 1, 1, 1],
    "features": 16,
    "max_length": 7,
}
AMPLIFIED = 5e-4
"""Behind 31 layers with the oracles' large weights, rounding has grown: the reference itself is 5e-5 off float64."""


def small(**sizes: Any) -> RobustScanner:
    torch.manual_seed(0)
    model = build("robustscanner", Charset.named("36"), SMALL | sizes)
    assert isinstance(model, RobustScanner)
    return model.eval()


@cache
def converted(name: str) -> Imported:
    return SOURCES[name].convert(fake_checkpoint(f"robustscanner_{name}"), None)


@dataclass
class Run:
    """A teacher-forced and a greedy pass, and what the parts gave in the forced one."""

    forced: Output
    greedy: Output
    seen: dict[str, Tensor]


@torch.no_grad()
def run(name: str, *, trunk: Tensor | None = None) -> Run:
    """The oracle's input through the oracle's weights, optionally with the reference's features from the trunk on."""
    found, wanted = converted(name), golden(f"robustscanner_{name}")
    model = build(found.architecture, found.charset, found.sizes)
    model.load_state_dict(found.weights)
    model.eval()
    seen: dict[str, Tensor] = {}
    if trunk is not None:
        model.get_submodule("trunk").register_forward_hook(lambda *_: trunk)
    for part in ("trunk", "reduce"):
        model.get_submodule(part).register_forward_hook(lambda _m, _i, out, part=part: seen.update({part: out}))
    # The reference drops the last id of a target before it feeds it; the codec's ids have it still.
    targets = {"text": nn.functional.pad(wanted["input.target"], (0, 1))}
    images, shares = wanted["input.image"], wanted["input.valid_ratio"]
    return Run(model(images, shares, targets), model(images, shares), dict(seen))


@pytest.mark.parametrize("name", SOURCES)
def test_fake_weights_are_those_of_the_oracle(name: str) -> None:
    assert digest_matches(f"robustscanner_{name}")


@pytest.mark.parametrize(("tokens", "max_length", "count"), [("paddleocr", 39, 47_979_996), ("mmocr", 29, 47_979_229)])
def test_parameter_count_is_that_of_the_reference(tokens: str, max_length: int, count: int) -> None:
    assert parameter_count("robustscanner", Charset.named("90"), {"tokens": tokens, "max_length": max_length}) == count


@pytest.mark.parametrize("name", SOURCES)
def test_all_of_it_equals_the_reference(name: str) -> None:
    got, wanted = run(name), golden(f"robustscanner_{name}")
    assert_close(got.seen["trunk"], wanted["backbone"])
    assert_close(got.seen["reduce"], wanted["encoder_output"])
    assert_close(got.forced.logits["text"], wanted["teacher_forced_logits"], AMPLIFIED)
    assert_close(got.greedy.logits["text"].softmax(-1), wanted["greedy_probabilities"], AMPLIFIED)
    assert got.greedy.logits["text"].argmax(-1).equal(wanted["greedy_ids"])


@pytest.mark.parametrize("name", SOURCES)
def test_head_equals_the_reference_given_its_features(name: str) -> None:
    wanted = golden(f"robustscanner_{name}")
    got = run(name, trunk=wanted["backbone"])
    both = (wanted["hybrid_attention"] + wanted["position_attention"]) / 2
    assert_close(got.forced.maps["attention"].flatten(2), both)
    assert_close(got.forced.logits["text"], wanted["teacher_forced_logits"])
    assert_close(got.greedy.logits["text"].softmax(-1), wanted["greedy_probabilities"])
    assert got.greedy.logits["text"].argmax(-1).equal(wanted["greedy_ids"])


@torch.no_grad()
def test_branches_equal_the_reference_given_its_features() -> None:
    found, wanted = converted("paddleocr"), golden("robustscanner_paddleocr")
    # The trunk is not run: it may as well be small.
    model = build("robustscanner", found.charset, found.sizes | {"depths": [1, 1, 1, 1]})
    assert isinstance(model, RobustScanner)
    head = {name: tensor for name, tensor in found.weights.items() if not name.startswith("trunk.")}
    model.load_state_dict(head, strict=False)
    seen: list[tuple[Tensor, Tensor]] = []
    model.eval().trunk.register_forward_hook(lambda *_: wanted["backbone"])
    model.fusion.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].chunk(2, dim=2)))
    targets = {"text": nn.functional.pad(wanted["input.target"], (0, 1))}
    logits = model(wanted["input.image"][:, :, :8, :8], wanted["input.valid_ratio"], targets).logits["text"]
    (hybrid, position), *_ = seen
    assert_close(hybrid, wanted["hybrid_glimpse"])
    assert_close(position, wanted["position_glimpse"])
    assert_close(logits, wanted["teacher_forced_logits"])


@torch.no_grad()
def test_a_state_that_is_carried_on_gives_what_reading_all_again_gives() -> None:
    model, images, shares = small(), torch.rand(3, 3, 48, 160), torch.tensor([1.0, 0.4, 0.7])
    carried = model(images, shares).logits["text"]
    codec = model.heads["text"].codec
    assert isinstance(codec, Sequence)
    assert codec.begin is not None
    ids = torch.full((3, codec.slots + 1), codec.pad)
    ids[:, 0] = codec.begin
    for slot in range(codec.slots):
        logits = model(images, shares, {"text": ids}).logits["text"][:, slot]
        torch.testing.assert_close(carried[:, slot], logits, atol=1e-5, rtol=1e-4)
        ids[:, slot + 1] = logits.argmax(dim=1)


def test_pixels_beyond_the_image_are_not_looked_at() -> None:
    model, shares = small(), torch.tensor([1.0, 0.525, 0.001])
    attention = model(torch.rand(3, 3, 48, 160), shares).maps["attention"]
    assert attention.shape == (3, 8, 6, 40)
    for row, columns in enumerate((40, 21, 1)):
        assert (attention[row, :, :, :columns] > 0).all()
        assert not attention[row, :, :, columns:].any()
    torch.testing.assert_close(attention.sum((2, 3)), torch.ones(3, 8))


@pytest.mark.parametrize(("rounding", "columns"), [("up", 22), ("nearest", 21)])
def test_a_column_that_is_filled_in_part_is_rounded_as_told(rounding: str, columns: int) -> None:
    attention = small(mask_rounding=rounding)(torch.rand(1, 3, 48, 160), torch.tensor([0.53])).maps["attention"]
    assert int((attention.sum((1, 2)) > 0).sum()) == columns


def test_all_is_looked_at_where_nothing_is_said_of_the_width() -> None:
    model, images = small(), torch.rand(1, 3, 48, 160)
    assert model(images).logits["text"].equal(model(images, torch.ones(1)).logits["text"])


@pytest.mark.parametrize(("tokens", "begin", "pad", "classes"), [("paddleocr", 37, 38, 38), ("mmocr", 36, 37, 39)])
def test_special_tokens_stand_where_each_project_has_them(tokens: str, begin: int, pad: int, classes: int) -> None:
    codec = small(tokens=tokens).heads["text"].codec
    assert isinstance(codec, Sequence)
    assert (codec.begin, codec.end, codec.pad, codec.classes) == (begin, begin, pad, classes)
    assert (codec.first, codec.max_length, codec.slots) == (0, 7, 8)


@pytest.mark.parametrize(
    ("name", "sizes", "scale", "scores"),
    [
        ("paddleocr", {"tokens": "paddleocr", "mask_rounding": "nearest", "max_length": 39}, 1 / 255, "mean"),
        ("mmocr", {"tokens": "mmocr", "mask_rounding": "up", "max_length": 29}, 1.0, None),
    ],
)
def test_importer_keeps_what_the_reference_does(
    name: str, sizes: dict[str, Any], scale: float, scores: str | None
) -> None:
    found = converted(name)
    assert found.sizes == sizes
    assert found.charset == Charset.named("90")
    assert found.scores.get("paddleocr") == scores
    preprocessing = found.preprocessing
    assert (preprocessing.color, preprocessing.interpolation) == ("BGR", "opencv-bilinear")
    assert (preprocessing.scale, preprocessing.pad_value, preprocessing.vertical) == (scale, -1.0, "none")


def test_second_names_of_a_tensor_may_be_missing_but_not_differ() -> None:
    alias = "head.decoder.hybrid_decoder.sequence_layer.1.cell.bias_hh"
    tensors = fake_checkpoint("robustscanner_paddleocr")
    tensors[alias] = tensors[alias] + 1
    with pytest.raises(BundleError, match=r"bias_hh_l1 and .*1\.cell\.bias_hh are one tensor"):
        PADDLEOCR_ROBUSTSCANNER.convert(tensors, None)
    del tensors[alias]
    PADDLEOCR_ROBUSTSCANNER.convert(tensors, None)


@pytest.mark.parametrize("name", SOURCES)
def test_each_project_is_told_from_the_names(name: str) -> None:
    names = fake_checkpoint(f"robustscanner_{name}").keys()
    assert [key for key, source in SOURCES.items() if source.recognises(names)] == [name]


def test_importer_lists_what_is_missing_and_unexpected() -> None:
    tensors = fake_checkpoint("robustscanner_mmocr")
    tensors["decoder.scale"] = tensors.pop("decoder.prediction.bias")
    with pytest.raises(BundleError, match=r"missing decoder\.prediction\.bias; unexpected decoder\.scale"):
        MMOCR_ROBUSTSCANNER.convert(tensors, None)


@pytest.mark.parametrize(
    "sizes",
    [
        {"height": 44},
        {"width": 158},
        {"channels": [8, 8, 16]},
        {"depths": [1, 2, 5, 0]},
        {"features": 0},
        {"max_length": 0},
        {"tokens": "paddle"},
        {"mask_rounding": "down"},
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(sizes))):
        build("robustscanner", Charset.named("36"), sizes)
