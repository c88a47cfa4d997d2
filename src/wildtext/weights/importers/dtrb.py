"""Checkpoints of clovaai/deep-text-recognition-benchmark, for `wildtext.models.dtrb.DTRB`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from wildtext.errors import BundleError

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_LINEAR = ("weight", "bias")
_CELL = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_LSTM = tuple(f"{leaf}_l0{direction}" for direction in ("", "_reverse") for leaf in _CELL)
_CONSTANTS = "Transformation.GridGenerator."
_SHOWN = 12


def dtrb_state_dict(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a checkpoint of Baek et al.'s benchmark.

    Args:
        tensors: by the reference's names, with or without the ``module.`` of DataParallel. Which slots it fills
            (TPS or none, VGG or ResNet, BiLSTM or none, CTC or attention) is seen from the names.

    Returns:
        The state dict of a `DTRB` with the same slots.

    Raises:
        BundleError: tensors are missing, or some belong to no slot; the message lists both.
    """
    given = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    given = {name: tensor for name, tensor in given.items() if not name.startswith(_CONSTANTS)}
    names = _names(given)
    missing, unexpected = names.keys() - given.keys(), given.keys() - names.keys()
    if missing or unexpected:
        raise BundleError(
            "this is not a checkpoint of deep-text-recognition-benchmark with VGG or ResNet: "
            f"missing {_listed(missing)}; unexpected {_listed(unexpected)}"
        )
    return {names[name]: tensor for name, tensor in given.items()}


def _names(given: Iterable[str]) -> dict[str, str]:
    """The reference's names to ours, for the slots that the given names belong to."""
    present = {name.partition(".")[0] for name in given}
    names = _resnet() if "FeatureExtraction.ConvNet.conv0_1.weight" in given else _vgg()
    if "Transformation" in present:
        names |= _transformation()
    if "SequenceModeling" in present:
        for layer in ("0", "1"):
            names |= _layer(f"SequenceModeling.{layer}.rnn", f"context.{layer}.lstm", _LSTM)
            names |= _layer(f"SequenceModeling.{layer}.linear", f"context.{layer}.project", _LINEAR)
    attention = "Prediction.attention_cell.i2h.weight" in given
    return names | (_attention() if attention else _layer("Prediction", "prediction", _LINEAR))


def _layer(reference: str, ours: str, leaves: Iterable[str]) -> dict[str, str]:
    return {f"{reference}.{leaf}": f"{ours}.{leaf}" for leaf in leaves}


def _normed(convolution: str, norm: str, ours: str, first: int = 0) -> dict[str, str]:
    """A convolution without bias and its batch normalisation, which are neighbours in ours."""
    return {f"{convolution}.weight": f"{ours}.{first}.weight"} | _layer(norm, f"{ours}.{first + 1}", _NORM)


def _transformation() -> dict[str, str]:
    network = "Transformation.LocalizationNetwork"
    names = _layer(f"{network}.localization_fc1.0", "rectifier.points.0", _LINEAR)
    names |= _layer(f"{network}.localization_fc2", "rectifier.points.2", _LINEAR)
    for stage in range(4):
        names |= _normed(
            f"{network}.conv.{4 * stage}", f"{network}.conv.{4 * stage + 1}", f"rectifier.features.{2 * stage}"
        )
    return names


def _vgg() -> dict[str, str]:
    network = "FeatureExtraction.ConvNet"
    names: dict[str, str] = {}
    for reference, ours in ((0, 0), (3, 3), (6, 6), (8, 8), (18, 14)):
        names |= _layer(f"{network}.{reference}", f"trunk.{ours}", _LINEAR)
    for reference, ours in ((11, 11), (14, 12)):
        names |= _normed(f"{network}.{reference}", f"{network}.{reference + 1}", f"trunk.{ours}")
    return names


def _resnet() -> dict[str, str]:
    network = "FeatureExtraction.ConvNet"
    names: dict[str, str] = {}
    for reference, place in (("0_1", 0), ("0_2", 1), ("1", 4), ("2", 8), ("3", 15)):
        names |= _normed(f"{network}.conv{reference}", f"{network}.bn{reference}", f"trunk.{place}")
    for reference, place in (("4_1", 19), ("4_2", 22)):
        names |= _normed(f"{network}.conv{reference}", f"{network}.bn{reference}", "trunk", place)
    for stage, (place, depth) in enumerate(((3, 1), (6, 2), (10, 5), (16, 3)), start=1):
        for block in range(depth):
            reference, ours = f"{network}.layer{stage}.{block}", f"trunk.{place + block}"
            names |= _normed(f"{reference}.conv1", f"{reference}.bn1", f"{ours}.branch.0")
            names |= _normed(f"{reference}.conv2", f"{reference}.bn2", f"{ours}.branch.1")
        if stage < 4:
            first = f"{network}.layer{stage}.0.downsample"
            names |= _normed(f"{first}.0", f"{first}.1", f"trunk.{place}.shortcut")
    return names


def _attention() -> dict[str, str]:
    cell = "Prediction.attention_cell"
    return {
        f"{cell}.i2h.weight": "prediction.keys.weight",
        f"{cell}.score.weight": "prediction.score.weight",
        **_layer(f"{cell}.rnn", "prediction.cell", _CELL),
        **_layer(f"{cell}.h2h", "prediction.query", _LINEAR),
        **_layer("Prediction.generator", "prediction.classifier", _LINEAR),
    }


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return (", ".join(ordered[:_SHOWN]) or "nothing") + more
