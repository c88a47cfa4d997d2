"""Checkpoints of xuefanfu/ACDS-STR, for `wildtext.models.acds_str.ACDSSTR`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from torch import Tensor

from wildtext.charset import Charset
from wildtext.errors import BundleError
from wildtext.models import MODELS
from wildtext.models.acds_str import ACDSSTRConfig
from wildtext.weights.importers.contract import Imported, Source, known_charset, renamed
from wildtext.weights.importers.names import LINEAR, NORM, layer, normed, vit_layer

_PROJECT = "ACDS-STR"
_PREFIX = "acds_str."
_NAMES = ("acds-str-small", "acds-str-base")

_UNUSED = {f"{unused}.{leaf}" for unused in ("patch_embed.proj", "head", "char_head") for leaf in LINEAR}
"""What the transformer inherits and never runs."""


def _recognises(names: Collection[str]) -> bool:
    return f"{_PREFIX}conv_class" in names


def _convert(tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """Small and base differ in their layers. Special tokens: [GO] is 0, [s] is 1."""
    given = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    layers = len({name.split(".")[1] for name in given if name.startswith("blocks.")})
    preset = {MODELS[name].config.layers: name for name in _NAMES}.get(layers)
    if preset is None:
        raise BundleError(
            f"this checkpoint of {_PROJECT} has {layers} layers; which ones are guided is known only for 6 and for 10"
        )
    weights = renamed(
        {name: tensor for name, tensor in given.items() if name not in _UNUSED},
        _names(MODELS[preset].config),
        project=_PROJECT,
    )
    return Imported(
        architecture=preset,
        sizes={"legacy": True},
        charset=known_charset(len(weights["decoder.norm_logits.weight"]) - 2, charset, project=_PROJECT),
        preprocessing=replace(MODELS[preset].preprocessing, vertical="none"),
        weights=_reshaped(weights),
        scores={"acds-str": "to-end"},
    )


ACDS_STR = Source("acds-str", f"xuefanfu's {_PROJECT} (.pth)", _recognises, _convert)


def _names(config: ACDSSTRConfig) -> dict[str, str]:
    """The reference's names to ours. The kernels of the pyramid get a name that `_reshaped` splits."""
    mixers, ours = "char_tokenLearner", "decoder"
    names = {
        "cls_token": "class_token",
        "pos_embed": "position",
        "conv_class": "class_core",
        "conv1.weight": "embedding.weight",
        "conv_fpn.0.weight": "core_area.mix.weight",
        "conv_fpn.1.weight": "core_area.score.weight",
        "gated": "gate.weight",
        f"{mixers}.tokenLearner1.0.weight": f"{ours}.mix_tokens.weight",
        f"{mixers}.tokenLearner1.1.weight": f"{ours}.to_slots.weight",
        f"{mixers}.tokenLearner2.0.weight": f"{ours}.mix_features.weight",
        f"{mixers}.tokenLearner2.1.weight": f"{ours}.to_classes.weight",
        **layer("norm", "norm"),
        **layer(f"{mixers}.token_norm", f"{ours}.norm"),
        **layer(f"{mixers}.norm_1", f"{ours}.norm_logits"),
    }
    for number in range(config.layers):
        names |= vit_layer(f"blocks.{number}", f"layers.{number}")
    return names | _trunk(config.depths) | _pyramid()


def _trunk(depths: Iterable[int]) -> dict[str, str]:
    network = "cnnBackbone"
    names = normed(f"{network}.conv1", f"{network}.bn1", "trunk.stem")
    for stage, depth in enumerate(depths):
        for block in range(depth):
            reference, ours = f"{network}.layer{stage + 1}.{block}", f"trunk.stages.{stage}.{block}"
            names |= normed(f"{reference}.conv1", f"{reference}.bn1", f"{ours}.branch")
            names |= normed(f"{reference}.conv2", f"{reference}.bn2", f"{ours}.branch", first=3)
        first = f"{network}.layer{stage + 1}.0.downsample"
        names |= normed(f"{first}.0", f"{first}.1", f"trunk.stages.{stage}.0.shortcut")
    return names


def _pyramid() -> dict[str, str]:
    names: dict[str, str] = {}
    for number, ours in enumerate(("pyramid.merge_second", "pyramid.merge_stem")):
        names[f"cnnBackbone.smooth.{number}.0.weight"] = f"{ours}.weight"
        names |= layer(f"cnnBackbone.smooth.{number}.1", f"{ours}.norm", NORM)
    return names


def _reshaped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Kernels of the reference as ours: matrices where ours are, and those of the pyramid by what they look at."""
    shaped = dict(weights)
    for name in ("decoder.mix_tokens.weight", "decoder.to_slots.weight"):
        shaped[name] = weights[name].flatten(1)
    for name in ("decoder.mix_features.weight", "decoder.to_classes.weight"):
        shaped[name] = weights[name].flatten(2)
    shaped["gate.weight"] = weights["gate.weight"].flatten(0, 1).T.contiguous()
    fine = len(weights["trunk.stages.1.0.branch.1.weight"]), len(weights["trunk.stem.1.weight"])
    for merge, channels in zip(("pyramid.merge_second", "pyramid.merge_stem"), fine, strict=True):
        # The reference puts the enlarged features in front of the fine ones.
        kernel = shaped.pop(f"{merge}.weight")
        shaped[f"{merge}.coarse.weight"] = kernel[:, :-channels].contiguous()
        shaped[f"{merge}.fine.weight"] = kernel[:, -channels:].contiguous()
    return shaped
