"""The DTRB family computes what the reference computes with the same weights, and says where it looked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

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
from wildtext.codecs import CTC
from wildtext.errors import BundleError, ConfigError
from wildtext.models import Model, build
from wildtext.models.dtrb import DTRB, DTRBConfig
from wildtext.models.tps import Rectified, Rectifier, edge_points
from wildtext.weights.importers.dtrb import CLOVAAI_DTRB

CHARSET = Charset.named("36")
PARAMETERS = {
    "crnn": 8_451_621,
    "rare": 10_841_102,
    "trba": 49_555_182,
    "star-net": 48_858_093,
    "rosetta": 44_282_885,
}
SMALL: dict[str, Any] = {"channels": 32, "hidden": 16, "localisation": (8, 8, 16, 16)}


def imported(preset: str) -> Model:
    """A preset with the weights of its oracle."""
    return loaded(CLOVAAI_DTRB.convert(fake_checkpoint(f"dtrb_{preset}"), None))


def assert_straight(got: Tensor, wanted: Tensor) -> None:
    # Grids are good to 1e-5 of half a side, 50 pixels, in the reference too, and differ that much between processors.
    # Between neighbouring pixels of a noise image that makes up to 1e-3 of the contrast.
    assert_close(got, wanted, 1e-3)


def assert_steps_close(got: Tensor, wanted: Tensor) -> None:
    # With the large weights of the oracles the recurrence is chaotic: rounding grows by a third with every step (the
    # reference itself is 1e-2 away from float64 at the last), so the first steps are what proves the mathematics.
    assert got.shape == wanted.shape
    errors = (got - wanted).abs().amax(dim=(0, 2)) / wanted.abs().max()
    assert (errors <= 5e-5 * 1.35 ** torch.arange(len(errors))).all(), errors


@pytest.mark.parametrize("name", ["dtrb_crnn", "dtrb_rare", "dtrb_trba", "tps_grid"])
def test_fake_weights_are_those_of_the_oracle(name: str) -> None:
    assert digest_matches(name)


@pytest.mark.parametrize("preset", PARAMETERS)
def test_parameter_count_is_that_of_the_paper(preset: str) -> None:
    assert parameter_count(preset, CHARSET) == PARAMETERS[preset]


@torch.no_grad()
def test_crnn_equals_the_reference() -> None:
    model, wanted = imported("crnn"), golden("dtrb_crnn")
    seen = intermediate(model, "trunk", "context")
    logits = model(wanted["input.image"]).logits["text"]
    assert_close(seen["trunk"], wanted["backbone"])
    assert_close(seen["context"], wanted["contextual_feature"])
    assert_close(logits, wanted["logits"])
    assert logits.argmax(-1).equal(wanted["ids"])


@pytest.mark.parametrize("preset", ["rare", "trba"])
@torch.no_grad()
def test_attention_equals_the_reference(preset: str) -> None:
    model, wanted = imported(preset), golden(f"dtrb_{preset}")
    # What follows the grid is compared from the reference's pixels on: see `assert_straight`.
    model.get_submodule("rectifier").register_forward_hook(lambda *call: call[2]._replace(images=wanted["rectified"]))
    seen = intermediate(model, "rectifier", "trunk", "context")
    # The reference drops the last id of a target before it feeds it; the codec's ids have it still.
    targets = {"text": nn.functional.pad(wanted["input.text"], (0, 1))}
    forced, greedy = model(wanted["input.image"], targets=targets), model(wanted["input.image"])
    assert_close(seen["rectifier"].fiducials, wanted["fiducials"])
    assert_close(seen["trunk"], wanted["backbone"])
    assert_close(seen["context"], wanted["contextual_feature"])
    assert_steps_close(forced.logits["text"], wanted["teacher_forced_logits"])
    assert_steps_close(forced.maps["attention"][:, :, 0], wanted["teacher_forced_attention"])
    assert_steps_close(greedy.logits["text"], wanted["greedy_logits"])
    assert_steps_close(greedy.maps["attention"][:, :, 0], wanted["greedy_attention"])
    assert greedy.logits["text"].argmax(-1).equal(wanted["greedy_ids"])


@torch.no_grad()
def test_rectifier_equals_the_reference() -> None:
    rectifier = imported("rare").get_submodule("rectifier")
    assert isinstance(rectifier, Rectifier)
    wanted = golden("tps_grid")
    got: Rectified = rectifier(wanted["input.image"])
    assert_close(got.fiducials, wanted["fiducials"])
    assert_close(got.grid, wanted["grid"])
    assert_straight(got.images, wanted["rectified"])


def test_spline_equals_the_reference_for_points_outside_the_image() -> None:
    wanted = golden("tps_grid", "golden_fiducials")
    got = Rectifier((32, 100), 1, 20, (8, 8, 8, 8)).rectify(wanted["input.image"], wanted["input.fiducials"])
    assert_close(got.grid, wanted["grid"])
    assert_straight(got.images, wanted["rectified"])


def test_spline_stays_exact_under_autocast() -> None:
    rectifier, images = Rectifier((32, 100), 1, 20, (8, 8, 8, 8)).eval(), torch.rand(2, 1, 32, 100)
    with torch.autocast("cpu", torch.bfloat16):
        autocast = rectifier(images)
    assert autocast.grid.dtype == autocast.images.dtype == torch.float32
    # An untrained network's points do not depend on the image, so nothing else can differ.
    torch.testing.assert_close(autocast.grid, rectifier(images).grid, rtol=0, atol=0)


def test_edges_of_the_text_become_the_edges_of_the_image() -> None:
    points = edge_points(20).float().unsqueeze(0)
    rectifier = Rectifier((32, 100), 1, 20, (8, 8, 8, 8))
    images = torch.rand(1, 1, 32, 100)
    grid = rectifier.rectify(images, points).grid
    assert grid[0, 0, :, 1].numpy() == pytest.approx(-31 / 32, abs=1e-4)
    assert grid[0, :, -1, 0].numpy() == pytest.approx(99 / 100, abs=1e-4)


@pytest.mark.parametrize("trunk", ["vgg", "resnet"])
@torch.no_grad()
def test_column_x_follows_the_spline(trunk: str) -> None:
    sizes = SMALL | {"transformation": "tps", "trunk": trunk}
    model = DTRB(DTRBConfig(**sizes), CHARSET).eval()
    final = model.get_parameter("rectifier.points.2.bias")
    final.copy_(edge_points(20).float().flatten())
    images = torch.rand(1, 1, 32, 100)
    straight = model(images).maps["column_x"]
    offset = 1 if trunk == "vgg" else 0
    nominal = (torch.arange(straight.shape[1]) + offset) * 4 / 100
    assert (straight - nominal).abs().max() < 0.011
    final.copy_((edge_points(20).float() * torch.tensor([0.5, 1])).flatten())
    squeezed = model(images).maps["column_x"]
    torch.testing.assert_close(squeezed - 0.5, (straight - 0.5) / 2, atol=0.005, rtol=0)


@pytest.mark.parametrize("trunk", ["vgg", "resnet"])
@pytest.mark.parametrize("width", [32, 100, 128, 131])
@torch.no_grad()
def test_ctc_knows_the_number_of_columns(trunk: str, width: int) -> None:
    model = DTRB(DTRBConfig(trunk=trunk, width=width, **SMALL), CHARSET).eval()  # type: ignore[arg-type]
    codec = model.heads["text"].codec
    assert isinstance(codec, CTC)
    assert model(torch.rand(1, 1, 32, width)).logits["text"].shape[1] == codec.steps


@pytest.mark.parametrize("preset", ["rare", "trba"])
@torch.no_grad()
def test_attention_is_a_distribution_over_the_columns(preset: str) -> None:
    maps = build(preset, CHARSET, SMALL).eval()(torch.rand(2, 1, 32, 100)).maps
    assert maps["attention"].shape == (2, 26, 1, maps["column_x"].shape[1])
    torch.testing.assert_close(maps["attention"].sum((2, 3)), torch.ones(2, 26))


def test_importer_lists_what_is_missing_and_unexpected() -> None:
    tensors = fake_checkpoint("dtrb_crnn")
    tensors["Prediction.scale"] = tensors.pop("Prediction.bias")
    with pytest.raises(BundleError, match=r"missing Prediction\.bias; unexpected Prediction\.scale"):
        CLOVAAI_DTRB.convert(tensors, None)


@pytest.mark.parametrize(
    "sizes",
    [
        {"trunk": "rcnn"},
        {"prediction": "transformer"},
        {"width": 8},
        {"channels": 100},
        {"fiducials": 7},
        {"localisation": []},
        {"hidden": 0},
        {"max_length": 0},
        {"image_channels": 2},
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(sizes))):
        build("rare", CHARSET, sizes)
