"""Checkpoints of SVTRv2 in Topdu/OpenOCR, for `wildtext.models.svtrv2.SVTRv2`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from wildtext.charset import Charset
from wildtext.images import Buckets
from wildtext.models import MODELS
from wildtext.weights.importers.contract import Imported, Source, known_charset, renamed
from wildtext.weights.importers.names import layer, layers, normed, vit_layer

_PROJECT = "SVTRv2 in OpenOCR"
_GUIDANCE = "decoder.gtc_decoder."
_HEAD_SIZE = 32
"""Features of an attention head and channels of a convolution's group, in all published sizes."""

_SQUEEZED = 4
"""Where training without guidance stops to make canvases wider: what is wider than so many heights is squeezed."""


def _recognises(names: Collection[str]) -> bool:
    return not {"decoder.char_token", "decoder.ctc_decoder.char_token"}.isdisjoint(names)


def _convert(tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """Any size, trained with guidance or without. Classes: the blank is 0, then characters."""
    guided = any(name.startswith(_GUIDANCE) for name in tensors)
    sizes = _sizes(tensors, guided)
    weights = _reshaped(renamed(tensors, _names(sizes), project=_PROJECT))
    channels = tuple(len(weights[f"stages.{stage}.0.norm_mixer.weight"]) for stage in range(3))
    fitting = (name for name, preset in MODELS.items() if getattr(preset.config, "channels", None) == channels)
    preset = next((name for name in fitting if name.startswith("svtrv2")), "svtrv2-base")
    preprocessing = replace(MODELS[preset].preprocessing, vertical="none")
    if not guided:
        assert isinstance(preprocessing.canvas, Buckets)
        preprocessing = replace(preprocessing, canvas=Buckets(preprocessing.canvas.sizes[:_SQUEEZED]))
    return Imported(
        architecture=preset,
        sizes={"channels": channels, "head_size": _HEAD_SIZE, **sizes},
        charset=known_charset(len(weights["classifier.bias"]) - 1, charset, project=_PROJECT),
        preprocessing=preprocessing,
        weights=weights,
        scores={"openocr": "mean"},
    )


OPENOCR_SVTRV2 = Source("openocr-svtrv2", f"{_PROJECT} (.pth)", _recognises, _convert)


def _sizes(tensors: Mapping[str, Tensor], guided: bool) -> dict[str, Any]:
    """What the names of the tensors tell."""
    mixers = ["mixer.0.weight", "mixer.qkv.weight"]
    local, other = (
        tuple(
            sum(name.startswith(f"encoder.stages.{stage}.blocks.") and name.endswith(mixer) for name in tensors)
            for stage in range(3)
        )
        for mixer in mixers
    )
    depths = tuple(sum(pair) for pair in zip(local, other, strict=True))
    return {"depths": depths, "local": local, "guidance": guided}


def _names(sizes: Mapping[str, Any]) -> dict[str, str]:
    """The reference's names to ours, and those that `_reshaped` makes ours from."""
    names = normed("encoder.pope.patch_embed.0.conv", "encoder.pope.patch_embed.0.norm", "stem")
    names |= normed("encoder.pope.patch_embed.1.conv", "encoder.pope.patch_embed.1.norm", "stem", first=3)
    for stage, (depth, local) in enumerate(zip(sizes["depths"], sizes["local"], strict=True)):
        for number in range(depth):
            # Where attention follows convolutions, a reordering without weights has a number of its own.
            reference = f"encoder.stages.{stage}.blocks.{number + (0 < local <= number)}"
            names |= _layer(reference, f"stages.{stage}.{number}", local=number < local)
        if stage < len(sizes["depths"]) - 1:
            downsample = f"encoder.stages.{stage}.downsample"
            names |= layer(f"{downsample}.conv", f"stages.{stage}.{depth}.convolution")
            names |= layer(f"{downsample}.norm", f"stages.{stage}.{depth}.norm")
    names |= _rearrangement("decoder.ctc_decoder" if sizes["guidance"] else "decoder")
    return names | (_guidance() if sizes["guidance"] else {})


def _layer(reference: str, ours: str, *, local: bool) -> dict[str, str]:
    parts = {"norm1": "norm_mixer", "norm2": "norm_mlp", "mlp.fc1": "mlp.0", "mlp.fc2": "mlp.2"}
    if local:
        parts |= {f"mixer.{number}": f"mixer.convolutions.{number}" for number in range(2)}
    else:
        parts |= {"mixer.qkv": "mixer.qkv", "mixer.proj": "mixer.projection"}
    return layers(reference, ours, parts)


def _rearrangement(reference: str) -> dict[str, str]:
    names = vit_layer(f"{reference}.w_atten_block", "rearrangement.horizontal")
    del names[f"{reference}.w_atten_block.attn.qkv.bias"]
    parts = {"fc_kv": "rearrangement.key_value", "fc": "classifier"}
    return {f"{reference}.char_token": "rearrangement.query", **names, **layers(reference, "", parts)}


def _guidance() -> dict[str, str]:
    names = {
        f"{_GUIDANCE}next_token": "guidance.question.next",
        f"{_GUIDANCE}pre_token": "guidance.question.previous",
        f"{_GUIDANCE}prompt_next_embed": "guidance.place.next",
        f"{_GUIDANCE}prompt_pre_embed": "guidance.place.previous",
        f"{_GUIDANCE}char_embed.embedding.weight": "guidance.embedding.weight",
    }
    names |= layers(_GUIDANCE[:-1], "guidance", {"norm_pred": "norm", "ques1_head": "classifier"})
    attentions = ("ask", "images_to_question_cross_attn"), ("look", "question_to_images_cross_attn")
    for number, (ours, attention) in enumerate(attentions, start=1):
        parts = {
            f"normq{number}": "norm_queries",
            f"normkv{number}": "norm_places",
            f"{attention}.q": "query",
            f"{attention}.kv": "key_value",
            f"{attention}.proj": "projection",
        }
        names |= layers(f"{_GUIDANCE}cmff_decoder.0", f"guidance.{ours}", parts)
    return names


def _reshaped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Vectors and matrices of the reference as ours; what has no effect there is left out.

    That is the bias of the rearrangement's keys, and embeddings of what no context shows: the begin token, the two
    fillers and the padding.
    """
    shaped = {
        name: tensor
        for name, tensor in weights.items()
        if not name.startswith(("guidance.question.", "guidance.place."))
    }
    shaped["rearrangement.query"] = weights["rearrangement.query"].flatten()
    key, value = shaped.pop("rearrangement.key_value.weight").chunk(2)
    bias = shaped.pop("rearrangement.key_value.bias").chunk(2)[1]
    shaped |= {"rearrangement.key.weight": key, "rearrangement.value.weight": value, "rearrangement.value.bias": bias}
    if "guidance.embedding.weight" in weights:
        shaped["guidance.embedding.weight"] = weights["guidance.embedding.weight"][: len(weights["classifier.bias"])]
        for ours, theirs in (("questions", "question"), ("places_in_context", "place")):
            views = [weights[f"guidance.{theirs}.{view}"][0, 0] for view in ("next", "previous")]
            shaped[f"guidance.{ours}"] = torch.stack(views).squeeze(1) if theirs == "question" else torch.stack(views)
    return {name: tensor.contiguous() for name, tensor in shaped.items()}
