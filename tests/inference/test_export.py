"""Every architecture can be exported, and the export reads like the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tests.anysize import PRESET
from wildtext.charset import Charset
from wildtext.errors import BundleError
from wildtext.images import Buckets, Canvas, Fixed, Padded, Preprocessing
from wildtext.inference.export import export
from wildtext.inference.loading import load
from wildtext.models import MODELS, build
from wildtext.weights.bundle import KEY, Bundle, save_model

DTRB_SMALL: dict[str, Any] = {"channels": 32, "hidden": 16, "localisation": [8, 8, 16, 16], "max_length": 5}
MGP_SMALL: dict[str, Any] = {"features": 32, "layers": 1, "heads": 2, "max_length": 5}
ACDS_SMALL: dict[str, Any] = {"channels": [16] * 5, "depths": [1] * 5, "features": 32, "heads": 2, "layers": 3}
SVTR_SMALL: dict[str, Any] = {"channels": [8, 16, 16], "depths": [1, 2, 1], "local": [1, 1, 0], "head_size": 8}
SRN_SMALL: dict[str, Any] = {"features": 32, "heads": 2, "encoder_units": 1, "semantic_units": 1, "max_length": 5}
PARSEQ_SMALL: dict[str, Any] = {"features": 32, "layers": 1, "heads": 2, "decoder_heads": 2, "max_length": 5}
SMALL: dict[str, dict[str, Any]] = {
    "wildnet": {"channels": [8, 8, 16, 16], "layers": 1, "heads": 2},
    **dict.fromkeys(("crnn", "rare", "trba", "star-net", "rosetta"), DTRB_SMALL),
    "robustscanner": {"channels": [8, 8, 16, 16, 32, 32], "depths": [1, 1, 1, 1], "features": 32, "max_length": 6},
    "crnn-seq2seq": {"channels": 64, "hidden": 32, "max_length": 7},
    "srn": {"channels": 16, "depths": [1, 1, 1, 1], **SRN_SMALL},
    "srn-resnet1d": SRN_SMALL,
    **dict.fromkeys(("mgp-str-tiny", "mgp-str-small", "mgp-str-base", "char-str-small"), MGP_SMALL),
    **dict.fromkeys(("acds-str-small", "acds-str-base"), ACDS_SMALL),
    **dict.fromkeys(("svtrv2-tiny", "svtrv2-small", "svtrv2-base"), SVTR_SMALL),
    "parseq-tiny": PARSEQ_SMALL,
    "parseq-base": {**PARSEQ_SMALL, "decoding": "autoregressive"},
}


LARGER = {"acds-str-base", "svtrv2-base", "svtrv2-small", "wildnet-base", "wildnet-small"}
"""Once shrunken, these differ from a smaller or larger sister in numbers alone, and an export takes many seconds."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LARGER else []) for name in MODELS]
)
def test_an_export_reads_like_the_model(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build(name, Charset.named("36"), SMALL.get(name)).eval()
    saved, out = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    save_model(saved, model, Bundle.of(name, model, MODELS[name].preprocessing))
    export(saved, out)
    images = [np.random.default_rng(index).integers(0, 256, (20, 60, 3), np.uint8) for index in range(3)]
    assert str(Path(__file__).parents[2]).encode() not in out.read_bytes(), "the file tells paths of this machine"
    exported, original = load(str(out)), load(str(saved))
    for left, right in zip(exported.read(images), original.read(images), strict=True):
        assert left.text == right.text
        assert [c.start for c in left.characters] == pytest.approx([c.start for c in right.characters], abs=1e-5)


SIDES = [(20, width) for width in (10, 20, 33, 45, 60, 72, 90, 110, 400)] + [(90, 20), (33, 33)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for several sizes, as `.onnx` and, beside it, as `.safetensors`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "any-size", PRESET)
        return saved_and_exported(PRESET.preprocessing, tmp_path_factory.mktemp("any-size"))


def saved_and_exported(preprocessing: Preprocessing, folder: Path) -> Path:
    torch.manual_seed(0)
    model = build("any-size", Charset.named("36")).eval()
    save_model(folder / "model.safetensors", model, Bundle.of("any-size", model, preprocessing))
    export(folder / "model.safetensors", folder / "model.onnx")
    return folder / "model.onnx"


@pytest.mark.usefixtures("any_size")
def test_one_graph_reads_canvases_of_all_sizes(exported: Path) -> None:
    shape = onnx.load(exported).graph.input[0].type.tensor_type.shape.dim
    assert [dimension.dim_value for dimension in shape] == [0, 3, 0, 0]
    images = [np.random.default_rng(width).integers(0, 256, (*size, 3), np.uint8) for width, size in enumerate(SIDES)]
    readers = [load(str(exported)), load(str(exported.with_suffix(".safetensors")))]
    together = [reader.read(images) for reader in readers]
    for readings in zip(*together, *([reader.read(image)[0] for image in images] for reader in readers), strict=True):
        assert len({reading.text for reading in readings}) == 1
        assert [reading.confidence for reading in readings] == pytest.approx([readings[0].confidence] * 4, rel=1e-3)
        assert len({reading.rotation for reading in readings}) == 1


@pytest.mark.parametrize("sizes", [((16, 32), (16, 64)), ((32, 16), (16, 16))], ids=["width", "height"])
@pytest.mark.usefixtures("any_size")
def test_only_sides_that_vary_are_dynamic(sizes: tuple[tuple[int, int], ...], tmp_path: Path) -> None:
    path = saved_and_exported(Preprocessing(Buckets(sizes)), tmp_path)
    shape = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    sides = [set(side) for side in zip(*sizes, strict=True)]
    assert [dimension.dim_value for dimension in shape[2:]] == [side.pop() if len(side) == 1 else 0 for side in sides]
    assert len(load(str(path)).read([np.zeros((20, 20, 3), np.uint8)] * 2)) == 2


@pytest.mark.parametrize("canvas", [Fixed(32, 100), Padded(16, 64, 16), Buckets(((16, 32), (16, 64)))])
def test_a_graph_for_other_canvases_is_refused(canvas: Canvas, exported: Path, tmp_path: Path) -> None:
    proto = onnx.load(exported)
    bundle = load(str(exported)).bundle
    other = replace(bundle, preprocessing=replace(bundle.preprocessing, canvas=canvas))
    onnx.helper.set_model_props(proto, {KEY: other.to_json()})
    onnx.save(proto, tmp_path / "other.onnx")
    with pytest.raises(BundleError, match="does not fit its description"):
        load(str(tmp_path / "other.onnx"))
