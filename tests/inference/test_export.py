"""Every architecture can be exported, and the export reads like the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wildtext.charset import Charset
from wildtext.inference.export import export
from wildtext.inference.loading import load
from wildtext.models import MODELS, build
from wildtext.weights.bundle import Bundle, save_model

DTRB_SMALL: dict[str, Any] = {"channels": 32, "hidden": 16, "localisation": [8, 8, 16, 16], "max_length": 5}
MGP_SMALL: dict[str, Any] = {"features": 32, "layers": 1, "heads": 2, "max_length": 5}
ACDS_SMALL: dict[str, Any] = {"channels": [16] * 5, "depths": [1] * 5, "features": 32, "heads": 2, "layers": 3}
SRN_SMALL: dict[str, Any] = {"features": 32, "heads": 2, "encoder_units": 1, "semantic_units": 1, "max_length": 5}
SMALL: dict[str, dict[str, Any]] = {
    "wildnet": {"channels": [8, 8, 16, 16], "layers": 1, "heads": 2},
    **dict.fromkeys(("crnn", "rare", "trba", "star-net", "rosetta"), DTRB_SMALL),
    "robustscanner": {"channels": [8, 8, 16, 16, 32, 32], "depths": [1, 1, 1, 1], "features": 32, "max_length": 6},
    "crnn-seq2seq": {"channels": 64, "hidden": 32, "max_length": 7},
    "srn": {"channels": 16, "depths": [1, 1, 1, 1], **SRN_SMALL},
    "srn-resnet1d": SRN_SMALL,
    **dict.fromkeys(("mgp-str-tiny", "mgp-str-small", "mgp-str-base", "char-str-small"), MGP_SMALL),
    **dict.fromkeys(("acds-str-small", "acds-str-base"), ACDS_SMALL),
}


@pytest.mark.parametrize("name", MODELS)
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
