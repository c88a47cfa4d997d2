"""Checkpoints of MGP-STR, for `wildtext.models.mgp_str.MGPSTR`: of its authors, and of Hugging Face's transformers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from wildtext.charset import Charset
from wildtext.models import MODELS
from wildtext.weights.importers.contract import Imported, Source, known_charset, renamed
from wildtext.weights.importers.names import layer, vit_layer

_HEAD_SIZE = 64
"""Features of an attention head, in all published sizes."""

_GRANULARITIES = {"char": "characters", "bpe": "bpe", "wp": "wordpiece"}


@dataclass(frozen=True)
class _Names:
    """What a project calls the parts, and what its transformer's normalisations add to variances."""

    project: str
    embeddings: str
    patches: str
    blocks: str
    addressing: str
    classifier: str
    norm_eps: float


_AUTHORS = _Names(
    "MGP-STR",
    embeddings="mgp_str",
    patches="mgp_str.patch_embed.proj",
    blocks="mgp_str.blocks",
    addressing="mgp_str.{}_tokenLearner",
    classifier="mgp_str.{}_head",
    norm_eps=1e-6,
)
_TRANSFORMERS = _Names(
    "MGP-STR in transformers",
    embeddings="mgp_str.embeddings",
    patches="mgp_str.embeddings.proj",
    blocks="mgp_str.encoder.blocks",
    addressing="{}_a3_module",
    classifier="{}_head",
    norm_eps=1e-5,
)


def _recognises(names: _Names, given: Collection[str]) -> bool:
    return f"{names.addressing.format('char')}.feat.weight" in given


def _convert_authors(tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """The transformer that they extend brings a last normalisation and a classifier, which are not used.

    With characters alone ("char-str") that classifier is used, and theirs is not.
    """
    alone = not any("bpe_tokenLearner" in name for name in tensors)
    unused = ("mgp_str.norm.", "mgp_str.char_head." if alone else "mgp_str.head.")
    used = {name: tensor for name, tensor in tensors.items() if not name.startswith(unused)}
    names = {name: name.replace("mgp_str.head.", "mgp_str.char_head.") for name in used}
    return _convert(_AUTHORS, {names[name]: tensor for name, tensor in used.items()}, charset)


def _convert(names: _Names, tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """Any size, with subwords or without.

    Special tokens: characters have [GO] at 0 and [s] at 1; byte pairs begin with 1 and end with 2; word pieces begin
    with 101 and end with 102.
    """
    short = [key for key in _GRANULARITIES if key == "char" or f"{names.classifier.format(key)}.weight" in tensors]
    layers = len({name.split(".")[names.blocks.count(".") + 1] for name in tensors if name.startswith(names.blocks)})
    weights = {
        name: _as_ours(name, tensor)
        for name, tensor in renamed(tensors, _to_ours(names, short, layers), project=names.project).items()
    }
    slots, features = weights["addressing.characters.queries"].shape
    granularities = tuple(_GRANULARITIES[key] for key in short)
    fitting = [
        name
        for name, preset in MODELS.items()
        if name.startswith(("mgp-str", "char-str"))
        and (preset.config.features, preset.config.granularities) == (features, granularities)
    ]
    preset = (fitting or ["mgp-str-base"])[0]
    return Imported(
        architecture=preset,
        sizes={
            "features": features,
            "layers": layers,
            "heads": features // _HEAD_SIZE,
            "granularities": granularities,
            "norm_eps": names.norm_eps,
            "max_length": slots - 2,
        },
        charset=known_charset(len(weights["classifiers.characters.bias"]) - 2, charset, project=names.project),
        preprocessing=replace(MODELS[preset].preprocessing, vertical="none"),
        weights=weights,
        scores={"mgp-str": "to-end"},
    )


MGP_STR_OFFICIAL = Source(
    "mgp-str", "MGP-STR or CHAR-STR of its authors (.pth)", partial(_recognises, _AUTHORS), _convert_authors
)
MGP_STR_HF = Source(
    "mgp-str-hf",
    "MGP-STR of Hugging Face's transformers (model.safetensors or .bin)",
    partial(_recognises, _TRANSFORMERS),
    partial(_convert, _TRANSFORMERS),
)


def _to_ours(names: _Names, granularities: list[str], layers: int) -> dict[str, str]:
    """The reference's names to ours."""
    ours = {
        f"{names.embeddings}.cls_token": "class_token",
        f"{names.embeddings}.pos_embed": "position",
        **layer(names.patches, "patches"),
    }
    for number in range(layers):
        ours |= vit_layer(f"{names.blocks}.{number}", f"layers.{number}")
    for key in granularities:
        ours |= _addressing(names.addressing.format(key), f"addressing.{_GRANULARITIES[key]}")
        ours |= layer(names.classifier.format(key), f"classifiers.{_GRANULARITIES[key]}")
    return ours


def _addressing(reference: str, ours: str) -> dict[str, str]:
    return {
        **layer(f"{reference}.token_norm", f"{ours}.norm_tokens"),
        f"{reference}.tokenLearner.0.weight": f"{ours}.keys",
        f"{reference}.tokenLearner.1.weight": f"{ours}.queries",
        f"{reference}.feat.weight": f"{ours}.values",
        **layer(f"{reference}.norm", f"{ours}.norm_slots"),
    }


def _as_ours(name: str, tensor: Tensor) -> Tensor:
    """A matrix in place of a 1x1 kernel, and a matrix for each group in place of a grouped one."""
    if name.endswith((".keys", ".values")):
        return tensor.reshape(-1, tensor.shape[1], tensor.shape[1])
    return tensor.flatten(1) if name.endswith(".queries") else tensor
