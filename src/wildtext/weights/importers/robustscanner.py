"""Checkpoints of RobustScanner from PaddleOCR and MMOCR, for `wildtext.models.robustscanner.RobustScanner`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from wildtext.charset import Charset
from wildtext.errors import BundleError
from wildtext.models import MODELS
from wildtext.weights.importers.contract import Imported, Source, known_charset, renamed
from wildtext.weights.importers.names import CELL, LINEAR, NORM, PADDLE_NORM

_PADDLEOCR, _MMOCR = "PaddleOCR's RobustScanner", "MMOCR's RobustScanner"
_PRESET = "robustscanner"
_TORCH_NORM = {leaf: leaf for leaf in NORM}

_LSTMS = {
    "decoder.hybrid_decoder.sequence_layer": "hybrid.lstm",
    "decoder.position_decoder.position_aware_module.rnn": "position.lstm",
}
_EMBEDDING = "decoder.hybrid_decoder.embedding.weight"


def _recognises_paddleocr(names: Collection[str]) -> bool:
    return f"head.{_EMBEDDING}" in names


def _recognises_mmocr(names: Collection[str]) -> bool:
    return _EMBEDDING in names


def _convert_paddleocr(tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """Special tokens behind the characters: unknown, begin = end, padding. Matrices are the other way round."""
    names = _names(PADDLE_NORM, head="head.", fusion="fusion_module.linear_layer")
    weights = renamed(_without_aliases(tensors), names, project=_PADDLEOCR)
    for name in ("fusion.weight", "classifier.weight"):
        weights[name] = weights[name].T.contiguous()
    for name in [name for name in weights if name.endswith(".running_mean")]:
        weights[name.replace("running_mean", "num_batches_tracked")] = torch.tensor(0)
    imported = _imported(weights, charset, project=_PADDLEOCR)
    sizes = imported.sizes | {"tokens": "paddleocr", "mask_rounding": "nearest"}
    return replace(imported, sizes=sizes, scores={"paddleocr": "mean"})


def _convert_mmocr(tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """Special tokens behind the characters: begin = end, padding, unknown."""
    weights = renamed(tensors, _names(_TORCH_NORM, head="", fusion="linear_layer"), project=_MMOCR)
    imported = _imported(weights, charset, project=_MMOCR)
    return replace(
        imported,
        sizes=imported.sizes | {"tokens": "mmocr", "mask_rounding": "up"},
        preprocessing=replace(imported.preprocessing, scale=1.0, mean=(127.0,), std=(127.0,)),
    )


PADDLEOCR_ROBUSTSCANNER = Source(
    "paddleocr-robustscanner", "RobustScanner of PaddleOCR (.pdparams)", _recognises_paddleocr, _convert_paddleocr
)
MMOCR_ROBUSTSCANNER = Source(
    "mmocr-robustscanner", "RobustScanner of MMOCR 1.x (.pth)", _recognises_mmocr, _convert_mmocr
)


def _imported(weights: dict[str, Tensor], given: Charset | None, *, project: str) -> Imported:
    """What both projects have in common."""
    count = len(weights["hybrid.embedding.weight"]) - 3
    return Imported(
        architecture=_PRESET,
        sizes={"max_length": len(weights["position.queries"]) - 2},
        charset=known_charset(count, given, project=project),
        preprocessing=replace(
            MODELS[_PRESET].preprocessing, color="BGR", interpolation="opencv-bilinear", vertical="none"
        ),
        weights=weights,
    )


def _without_aliases(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Paddle saves the tensors of an LSTM under two names; those that repeat others are left out.

    Raises:
        BundleError: two names have different tensors.
    """
    kept = dict(tensors)
    for lstm in _LSTMS:
        for layer in range(2):
            for leaf in CELL:
                name, alias = f"head.{lstm}.{leaf}_l{layer}", f"head.{lstm}.{layer}.cell.{leaf}"
                again = kept.pop(alias, None)
                if again is not None and name in kept and not again.equal(kept[name]):
                    raise BundleError(f"{name} and {alias} are one tensor in {_PADDLEOCR}, but differ here")
    return kept


def _names(norm: Mapping[str, str], *, head: str, fusion: str) -> dict[str, str]:
    """The reference's names to ours, given what it calls the parts of a normalisation, its head and its fusion."""
    names = {
        f"{head}{_EMBEDDING}": "hybrid.embedding.weight",
        f"{head}decoder.position_decoder.embedding.weight": "position.queries",
    }
    linear = {
        "encoder.layer": "reduce",
        "decoder.position_decoder.position_aware_module.mixer.0": "position.mixer.0",
        "decoder.position_decoder.position_aware_module.mixer.2": "position.mixer.2",
        f"decoder.{fusion}": "fusion",
        "decoder.prediction": "classifier",
    }
    names |= {f"{head}{name}.{leaf}": f"{ours}.{leaf}" for name, ours in linear.items() for leaf in LINEAR}
    for lstm, ours in _LSTMS.items():
        leaves = [f"{leaf}_l{layer}" for layer in range(2) for leaf in CELL]
        names |= {f"{head}{lstm}.{leaf}": f"{ours}.{leaf}" for leaf in leaves}
    return names | _trunk(norm)


def _trunk(norm: Mapping[str, str]) -> dict[str, str]:
    names: dict[str, str] = {}

    def normed(convolution: str, batch_norm: str, ours: str, first: int = 0, *, biased: bool = False) -> None:
        for leaf in LINEAR if biased else LINEAR[:1]:
            names[f"backbone.{convolution}.{leaf}"] = f"trunk.{ours}.{first}.{leaf}"
        for leaf, our in norm.items():
            names[f"backbone.{batch_norm}.{leaf}"] = f"trunk.{ours}.{first + 1}.{our}"

    for layer in range(2):
        normed(f"conv1_{layer + 1}", f"bn1_{layer + 1}", f"{layer}", biased=True)
    config = MODELS[_PRESET].config
    for stage, (place, depth) in enumerate(zip((3, 5, 7, 8), config.depths, strict=True), start=2):
        for number in range(depth):
            block, ours = f"block{stage}.{number}", f"{place}.{number}"
            normed(f"{block}.conv1", f"{block}.bn1", f"{ours}.branch.0")
            normed(f"{block}.conv2", f"{block}.bn2", f"{ours}.branch.1")
        if config.channels[stage - 1] != config.channels[stage]:
            normed(f"block{stage}.0.downsample.0", f"block{stage}.0.downsample.1", f"{place}.0.shortcut")
        normed(f"conv{stage}", f"bn{stage}", f"{place}.{depth}", biased=True)
    return names
