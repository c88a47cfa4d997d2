"""Checkpoints of clovaai/deep-text-recognition-benchmark, for `wildtext.models.dtrb.DTRB`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from torch import Tensor

from wildtext.charset import Charset
from wildtext.errors import BundleError
from wildtext.images import Fixed, Preprocessing
from wildtext.models import MODELS
from wildtext.weights.importers.contract import Imported, Source, known_charset, renamed
from wildtext.weights.importers.names import BILSTM, CELL, layer, normed

_PROJECT = "deep-text-recognition-benchmark"
_CONSTANTS = "Transformation.GridGenerator."
_FAMILY = ("crnn", "rare", "star-net", "rosetta", "trba")
_HEIGHT = 32


def _recognises(names: Collection[str]) -> bool:
    prediction = {"Prediction.weight", "Prediction.attention_cell.score.weight"}
    return any(name.startswith("FeatureExtraction.ConvNet.") for name in names) and not prediction.isdisjoint(names)


def _convert(tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """Any combination of TPS or none, VGG or ResNet, BiLSTM or none, CTC or attention; seen from the names.

    Special tokens: CTC has its blank at 0; attention has [GO] at 0 and [s] at 1.
    """
    if any("GRCL" in name or "convRNN" in name for name in tensors):
        raise BundleError(f"this checkpoint of {_PROJECT} has the RCNN trunk, which wildtext does not have")
    weights = renamed(
        {name: tensor for name, tensor in tensors.items() if not name.startswith(_CONSTANTS)},
        _names(tensors),
        project=f"{_PROJECT} with VGG or ResNet",
    )
    slots = _slots(weights)
    attention = slots["prediction"] == "attention"
    classes = len(weights["prediction.classifier.weight" if attention else "prediction.weight"])
    sizes = {**slots, **_sizes(weights, tensors)}
    name = next((name for name in _FAMILY if slots == _chosen(MODELS[name].config)), _FAMILY[0])
    return Imported(
        architecture=name,
        sizes=sizes,
        charset=known_charset(classes - (2 if attention else 1), charset, project=_PROJECT),
        preprocessing=Preprocessing(
            Fixed(_HEIGHT, sizes["width"]), color="RGB" if sizes["image_channels"] == 3 else "grey", vertical="none"
        ),
        weights=weights,
        scores={"clovaai": "before-end" if attention else "steps"},
    )


CLOVAAI_DTRB = Source("clovaai-dtrb", f"clovaai's {_PROJECT} (.pth)", _recognises, _convert)


def _chosen(config: Any) -> dict[str, str]:
    return {slot: getattr(config, slot) for slot in ("transformation", "trunk", "sequence", "prediction")}


def _slots(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """What fills the four slots, from our names of the tensors."""
    return {
        "transformation": "tps" if "rectifier.points.0.weight" in weights else "none",
        "trunk": "resnet" if "trunk.0.1.weight" in weights else "vgg",
        "sequence": "bilstm" if "context.0.lstm.weight_ih_l0" in weights else "none",
        "prediction": "attention" if "prediction.keys.weight" in weights else "ctc",
    }


def _sizes(weights: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The sizes that the shapes tell."""
    first = weights["trunk.0.0.weight" if "trunk.0.1.weight" in weights else "trunk.0.weight"]
    last = weights["trunk.22.weight" if "trunk.0.1.weight" in weights else "trunk.14.weight"]
    sizes: dict[str, Any] = {"image_channels": first.shape[1], "channels": last.shape[0], "width": 100}
    if "context.0.project.weight" in weights:
        sizes["hidden"] = weights["context.0.project.weight"].shape[0]
    elif "prediction.keys.weight" in weights:
        sizes["hidden"] = weights["prediction.keys.weight"].shape[0]
    if "rectifier.points.2.bias" in weights:
        sizes["fiducials"] = weights["rectifier.points.2.bias"].shape[0] // 2
        if f"{_CONSTANTS}P_hat" in tensors:
            sizes["width"] = tensors[f"{_CONSTANTS}P_hat"].shape[0] // _HEIGHT
    return sizes


def _names(given: Iterable[str]) -> dict[str, str]:
    """The reference's names to ours, for the slots that the given names belong to."""
    present = {name.partition(".")[0] for name in given}
    names = resnet_names() if "FeatureExtraction.ConvNet.conv0_1.weight" in given else _vgg()
    if "Transformation" in present:
        names |= _transformation()
    if "SequenceModeling" in present:
        for number in ("0", "1"):
            names |= layer(f"SequenceModeling.{number}.rnn", f"context.{number}.lstm", BILSTM)
            names |= layer(f"SequenceModeling.{number}.linear", f"context.{number}.project")
    attention = "Prediction.attention_cell.i2h.weight" in given
    return names | (_attention() if attention else layer("Prediction", "prediction"))


def _transformation() -> dict[str, str]:
    network = "Transformation.LocalizationNetwork"
    names = layer(f"{network}.localization_fc1.0", "rectifier.points.0")
    names |= layer(f"{network}.localization_fc2", "rectifier.points.2")
    for stage in range(4):
        names |= normed(
            f"{network}.conv.{4 * stage}", f"{network}.conv.{4 * stage + 1}", f"rectifier.features.{2 * stage}"
        )
    return names


def _vgg() -> dict[str, str]:
    network = "FeatureExtraction.ConvNet"
    names: dict[str, str] = {}
    for reference, ours in ((0, 0), (3, 3), (6, 6), (8, 8), (18, 14)):
        names |= layer(f"{network}.{reference}", f"trunk.{ours}")
    for reference, ours in ((11, 11), (14, 12)):
        names |= normed(f"{network}.{reference}", f"{network}.{reference + 1}", f"trunk.{ours}")
    return names


def resnet_names() -> dict[str, str]:
    """The reference's names to those of `wildtext.models.trunks.ResNet`, in a model that calls it `trunk`."""
    network = "FeatureExtraction.ConvNet"
    names: dict[str, str] = {}
    for reference, place in (("0_1", 0), ("0_2", 1), ("1", 4), ("2", 8), ("3", 15)):
        names |= normed(f"{network}.conv{reference}", f"{network}.bn{reference}", f"trunk.{place}")
    for reference, place in (("4_1", 19), ("4_2", 22)):
        names |= normed(f"{network}.conv{reference}", f"{network}.bn{reference}", "trunk", place)
    for stage, (place, depth) in enumerate(((3, 1), (6, 2), (10, 5), (16, 3)), start=1):
        for block in range(depth):
            reference, ours = f"{network}.layer{stage}.{block}", f"trunk.{place + block}"
            names |= normed(f"{reference}.conv1", f"{reference}.bn1", f"{ours}.branch.0")
            names |= normed(f"{reference}.conv2", f"{reference}.bn2", f"{ours}.branch.1")
        if stage < 4:
            first = f"{network}.layer{stage}.0.downsample"
            names |= normed(f"{first}.0", f"{first}.1", f"trunk.{place}.shortcut")
    return names


def _attention() -> dict[str, str]:
    cell = "Prediction.attention_cell"
    return {
        f"{cell}.i2h.weight": "prediction.keys.weight",
        f"{cell}.score.weight": "prediction.score.weight",
        **layer(f"{cell}.rnn", "prediction.cell", CELL),
        **layer(f"{cell}.h2h", "prediction.query"),
        **layer("Prediction.generator", "prediction.classifier"),
    }
