"""Checkpoints of PARSeq's authors (baudm/parseq), for `wildtext.models.parseq.PARSeq`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from torch import Tensor

from wildtext.charset import Charset
from wildtext.errors import BundleError
from wildtext.images import Fixed
from wildtext.models import MODELS
from wildtext.weights.importers.contract import Imported, Source, known_charset, renamed
from wildtext.weights.importers.names import layer, layers, vit_layer

_PROJECT = "PARSeq"

_PREFIX = "model."
"""Stands before all names in the files that training leaves (.ckpt), and before none in published ones (.pt)."""

_HEAD_SIZE, _DECODER_HEAD_SIZE = 64, 32
"""Features of an attention head, in all published sizes."""

_HEIGHT = 32
"""Of the canvas, in pixels, in all published sizes but one."""

_SQUARE = ((16, 16), 14 * 14, (224, 224))
"""Patch, number of patches and canvas of that one."""


def _recognises(names: Collection[str]) -> bool:
    return any({f"{prefix}pos_queries", f"{prefix}text_embed.embedding.weight"} <= {*names} for prefix in ("", _PREFIX))


def _convert(tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """Any size. The end is token 0; begin and padding are the last two, which have embeddings alone."""
    plain = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    depth = len({name.split(".")[2] for name in plain if name.startswith("encoder.blocks.")})
    weights = _split(renamed(plain, names_of(depth), project=_PROJECT))
    features, _, *patch = weights["patches.weight"].shape
    height, width = _canvas(patch[0], patch[1], weights["position"].shape[1])
    fitting = (
        name for name, preset in MODELS.items() if name.startswith("parseq") and preset.config.features == features
    )
    preset = next(fitting, "parseq-base")
    return Imported(
        architecture=preset,
        sizes={
            "height": height,
            "width": width,
            "patch": tuple(patch),
            "features": features,
            "layers": depth,
            "heads": max(features // _HEAD_SIZE, 1),
            "decoder_heads": max(features // _DECODER_HEAD_SIZE, 1),
            "max_length": weights["queries"].shape[1] - 1,
        },
        charset=known_charset(len(weights["classifier.bias"]) - 1, charset, project=_PROJECT),
        preprocessing=replace(MODELS[preset].preprocessing, canvas=Fixed(height, width), vertical="none"),
        weights=weights,
    )


PARSEQ = Source("parseq", "PARSeq of its authors (.pt or .ckpt)", _recognises, _convert)


def _canvas(patch_height: int, patch_width: int, patches: int) -> tuple[int, int]:
    """Height and width of the images that are cut into so many patches."""
    square, count, canvas = _SQUARE
    if ((patch_height, patch_width), patches) == (square, count):
        return canvas
    rows = max(_HEIGHT // patch_height, 1)
    if _HEIGHT % patch_height or patches % rows:
        raise BundleError(
            f"{patches} patches of {patch_height}x{patch_width} pixels do not make images {_HEIGHT} pixels high, "
            f"as those of {_PROJECT} are"
        )
    return _HEIGHT, patches // rows * patch_width


def names_of(depth: int) -> dict[str, str]:
    """The reference's names to ours, the three first projections of attention still in one matrix."""
    ours = {
        "encoder.pos_embed": "position",
        **layer("encoder.patch_embed.proj", "patches"),
        **layer("encoder.norm", "norm"),
        "pos_queries": "queries",
        "text_embed.embedding.weight": "embedding.weight",
        **layer("decoder.norm", "norm_answer"),
        **layer("head", "classifier"),
    }
    for number in range(depth):
        ours |= vit_layer(f"encoder.blocks.{number}", f"layers.{number}")
    parts = {
        "norm_q": "norm_queries",
        "norm_c": "norm_content",
        "norm1": "norm_image",
        "norm2": "norm_mlp",
        "linear1": "mlp.0",
        "linear2": "mlp.3",
        "self_attn.out_proj": "text_attention.projection",
        "cross_attn.out_proj": "image_attention.projection",
    }
    ours |= layers("decoder.layers.0", "decoder", parts)
    for part, our in (("self_attn", "text_attention"), ("cross_attn", "image_attention")):
        for leaf in ("weight", "bias"):
            ours[f"decoder.layers.0.{part}.in_proj_{leaf}"] = f"decoder.{our}.query_key_value.{leaf}"
    return ours


def _split(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A matrix for queries, and one for keys and values, in place of one for all."""
    parted: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if "query_key_value" not in name:
            parted[name] = tensor
            continue
        third = tensor.shape[0] // 3
        parted[name.replace("query_key_value", "query")] = tensor[:third]
        parted[name.replace("query_key_value", "key_value")] = tensor[third:]
    return parted
