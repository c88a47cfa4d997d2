"""Checkpoints of SRN: PaddleOCR's, for `wildtext.models.srn`, and SRN.pytorch's, for `wildtext.models.srn_resnet1d`.

PaddleOCR computes with constants that our model does not have. They go into the weights, so that these read as they
did there, and train on as they did there too:

* Its dropout hides without making up for it, and is never off: what passes one is on average nine tenths.
* Its attention divides by the square root of all features, ours by that of the features of a head.
* It multiplies what the trunk gives by the square root of the number of features.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from wildtext.charset import Charset
from wildtext.errors import BundleError
from wildtext.images import Padded, Preprocessing
from wildtext.models import MODELS
from wildtext.models.srn import SRNConfig
from wildtext.weights.importers.contract import Imported, Source, known_charset, renamed
from wildtext.weights.importers.dtrb import resnet_names
from wildtext.weights.importers.names import LINEAR, PADDLE_NORM, layer

_PADDLEOCR = "PaddleOCR's SRN"
_KEPT = 0.9
"""What passes a dropout of PaddleOCR."""
_STACKS = {
    "head.pvam.wrap_encoder_for_feature": "encoder",
    "head.gsrm.wrap_encoder0": "reasoning.from_left",
    "head.gsrm.wrap_encoder1": "reasoning.from_right",
}
_TABLE, _TABLE_AGAIN = (f"head.gsrm.wrap_encoder{number}.prepare_decoder.emb0.weight" for number in (0, 1))
_EMBEDDINGS = {"reasoning.table", "visual_attention.order", *(f"{stack}.position" for stack in _STACKS.values())}

_SRN_PYTORCH = "SRN.pytorch with its default options"
_ENCODER, _REASONING = "SequenceModeling", "Prediction.GSRM.transformer_units"
_CONSTANTS = {f"{stack}.position_enc.pos_table" for stack in (_ENCODER, _REASONING)}


def _convert_paddleocr(tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """Special tokens: a begin token behind the characters, then the end, which fills up the slots."""
    given = dict(tensors)
    again = given.pop(_TABLE_AGAIN, None)
    if again is not None and _TABLE in given and not again.equal(given[_TABLE]):
        raise BundleError(f"{_TABLE} and {_TABLE_AGAIN} are one tensor in {_PADDLEOCR}, but differ here")
    encoder_units, semantic_units, _ = (_units(given, stack) for stack in _STACKS)
    weights = renamed(given, _paddle_names(encoder_units, semantic_units), project=_PADDLEOCR)
    weights = {
        name: tensor.T.contiguous() if tensor.ndim == 2 and name not in _EMBEDDINGS else tensor
        for name, tensor in weights.items()
    }
    _adapt_trunk(weights)
    _adapt_transformers(weights)
    return Imported(
        architecture="srn",
        sizes={
            "image_channels": weights["trunk.stem.0.weight"].shape[1],
            "encoder_units": encoder_units,
            "semantic_units": semantic_units,
            "max_length": len(weights["visual_attention.order"]),
            "legacy": True,
        },
        charset=known_charset(len(weights["classifier.bias"]) - 2, charset, project=_PADDLEOCR),
        preprocessing=Preprocessing(
            Padded(64, 256, min_width=64, multiple=64),
            color="grey",
            interpolation="opencv-bilinear",
            scale=1.0,
            mean=(0.0,),
            std=(1.0,),
            vertical="none",
        ),
        weights=weights,
        scores={"paddleocr": "mean"},
    )


def _convert_srn_pytorch(tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """Special tokens: the end behind the characters, then padding."""
    preset = MODELS["srn-resnet1d"]
    weights = renamed(
        {name: tensor for name, tensor in tensors.items() if name not in _CONSTANTS},
        _srn_pytorch_names(preset.config.encoder_units, preset.config.semantic_units),
        project=_SRN_PYTORCH,
    )
    for name, tensor in weights.items():
        if ".mlp." in name and tensor.ndim == 3:  # convolutions over single slots
            weights[name] = tensor.squeeze(2)
    for unit in _attentions(weights):
        _join(weights, unit)
    return Imported(
        architecture="srn-resnet1d",
        sizes={},
        charset=known_charset(len(weights["classifier.bias"]) - 2, charset, project=_SRN_PYTORCH),
        preprocessing=replace(preset.preprocessing, vertical="none"),
        weights=weights,
    )


def _recognises_paddleocr(names: Collection[str]) -> bool:
    return "head.gsrm.fc0.weight" in names


def _recognises_srn_pytorch(names: Collection[str]) -> bool:
    return "Prediction.GSRM.argmax_embed.weight" in names


PADDLEOCR_SRN = Source("paddleocr-srn", "SRN of PaddleOCR (.pdparams)", _recognises_paddleocr, _convert_paddleocr)
SRN_PYTORCH = Source("srn-pytorch", "chenjun2hao's SRN.pytorch (.pth)", _recognises_srn_pytorch, _convert_srn_pytorch)


def _adapt_trunk(weights: dict[str, Tensor]) -> None:
    gain = len(weights["trunk.projection.bias"]) ** 0.5 * _KEPT
    for leaf in LINEAR:
        weights[f"trunk.projection.{leaf}"] = weights[f"trunk.projection.{leaf}"] * gain
    for name in [name for name in weights if name.endswith(".running_mean")]:
        weights[name.replace("running_mean", "num_batches_tracked")] = torch.tensor(0)


def _adapt_transformers(weights: dict[str, Tensor]) -> None:
    for stack in _STACKS.values():
        weights[f"{stack}.position"] = weights[f"{stack}.position"] * _KEPT
    for attention in _attentions(weights):
        weights[f"{attention}.query.weight"] = weights[f"{attention}.query.weight"] * SRNConfig.heads**-0.5
        _join(weights, attention)
        mlp = attention.replace("attention", "mlp.3")
        # Twice: what is attended to and what the hidden layer gives pass a dropout, and so does what comes of each.
        for name, share in (
            (f"{attention}.projection.weight", _KEPT**2),
            (f"{mlp}.weight", _KEPT**2),
            (f"{mlp}.bias", _KEPT),
        ):
            weights[name] = weights[name] * share


def _attentions(weights: Mapping[str, Tensor]) -> list[str]:
    return [name.removesuffix(".query.weight") for name in weights if name.endswith(".query.weight")]


def _join(weights: dict[str, Tensor], attention: str) -> None:
    """One layer for query, key and value, which are three in the references."""
    for leaf in LINEAR:
        parts = [f"{attention}.{part}.{leaf}" for part in ("query", "key", "value")]
        if parts[0] in weights:
            weights[f"{attention}.qkv.{leaf}"] = torch.cat([weights.pop(part) for part in parts])


def _units(names: Iterable[str], stack: str) -> int:
    """How many transformer units a stack of PaddleOCR has."""
    first = f"{stack}.encoder.layer_"
    return len({name.removeprefix(first).split(".")[0] for name in names if name.startswith(first)})


def _paddle_names(encoder_units: int, semantic_units: int) -> dict[str, str]:
    """PaddleOCR's names to ours."""
    names = {
        "head.pvam.wrap_encoder_for_feature.prepare_encoder.emb.weight": "encoder.position",
        "head.pvam.emb.weight": "visual_attention.order",
        "head.pvam.fc1.weight": "visual_attention.score.weight",
        _TABLE: "reasoning.table",
        "head.gsrm.wrap_encoder0.prepare_decoder.emb1.weight": "reasoning.from_left.position",
        "head.gsrm.wrap_encoder1.prepare_decoder.emb1.weight": "reasoning.from_right.position",
        **layer("head.pvam.fc0", "visual_attention.values"),
        **layer("head.gsrm.fc0", "visual_classifier"),
        **layer("head.vsfd.fc0", "fusion.gate"),
        **layer("head.vsfd.fc1", "classifier"),
    }
    for (reference, ours), units in zip(_STACKS.items(), (encoder_units, semantic_units, semantic_units), strict=True):
        names |= layer(f"{reference}.encoder.processer.layer_norm_0", f"{ours}.norm")
        for unit in range(units):
            names |= _paddle_unit(f"{reference}.encoder.layer_{unit}", f"{ours}.units.{unit}")
    return names | _paddle_trunk()


def _paddle_unit(reference: str, ours: str) -> dict[str, str]:
    parts = {"q_fc": "query", "k_fc": "key", "v_fc": "value", "proj_fc": "projection"}
    return {
        **layer(f"{reference}.preprocesser1.layer_norm_0", f"{ours}.norm_attention"),
        **layer(f"{reference}.preprocesser2.layer_norm_0", f"{ours}.norm_mlp"),
        **layer(f"{reference}.ffn.fc1", f"{ours}.mlp.0"),
        **layer(f"{reference}.ffn.fc2", f"{ours}.mlp.3"),
        **{
            f"{reference}.self_attn.{theirs}.weight": f"{ours}.attention.{part}.weight"
            for theirs, part in parts.items()
        },
    }


def _paddle_trunk() -> dict[str, str]:
    names = _paddle_normed("backbone.conv", "trunk.stem", 0)
    for stage, depth in enumerate(SRNConfig.depths):
        for block in range(depth):
            reference, ours = f"backbone.bottleneckBlock_{stage}_{block}", f"trunk.stages.{stage}.{block}"
            for number in range(3):
                names |= _paddle_normed(f"{reference}.conv{number}", f"{ours}.branch", 3 * number)
        names |= _paddle_normed(f"backbone.bottleneckBlock_{stage}_0.short.conv", f"trunk.stages.{stage}.0.shortcut", 0)
    for reference, ours in (
        ("backbone.F_-2_base_block", "trunk.merge_third"),
        ("backbone.F_-3_base_block", "trunk.merge_second"),
    ):
        for number in range(2):
            names |= layer(f"{reference}_{number}", f"{ours}.{number}")
        names |= {f"{reference}_2.{theirs}": f"{ours}.2.{leaf}" for theirs, leaf in PADDLE_NORM.items()}
    return names | layer("backbone.F_-3_base_block_3", "trunk.projection")


def _paddle_normed(reference: str, ours: str, first: int) -> dict[str, str]:
    """A convolution without bias and its batch normalisation, which are neighbours in ours."""
    norm = {f"{reference}.bn.{theirs}": f"{ours}.{first + 1}.{leaf}" for theirs, leaf in PADDLE_NORM.items()}
    return {f"{reference}.conv.weight": f"{ours}.{first}.weight", **norm}


def _srn_pytorch_names(encoder_units: int, semantic_units: int) -> dict[str, str]:
    """SRN.pytorch's names to ours."""
    attention = "Prediction.pvam"
    names = {
        f"{attention}.f0_embedding.weight": "visual_attention.order",
        "Prediction.GSRM.argmax_embed.weight": "characters.weight",
        **layer(f"{attention}.w0", "visual_attention.order_to_columns"),
        **layer(f"{attention}.wv", "visual_attention.keys"),
        **layer(f"{attention}.we", "visual_attention.score"),
        **layer("Prediction.w_e", "visual_classifier"),
        **layer("Prediction.w_s", "semantic_classifier"),
        **layer("Prediction.w_f", "classifier"),
    }
    for reference, ours, units in ((_ENCODER, "encoder", encoder_units), (_REASONING, "reasoning", semantic_units)):
        names |= layer(f"{reference}.layer_norm", f"{ours}.norm")
        for unit in range(units):
            names |= _srn_pytorch_unit(f"{reference}.layer_stack.{unit}", f"{ours}.units.{unit}")
    return names | resnet_names()


def _srn_pytorch_unit(reference: str, ours: str) -> dict[str, str]:
    names = {
        **layer(f"{reference}.slf_attn.layer_norm", f"{ours}.norm_attention"),
        **layer(f"{reference}.pos_ffn.layer_norm", f"{ours}.norm_mlp"),
        **layer(f"{reference}.pos_ffn.w_1", f"{ours}.mlp.0"),
        **layer(f"{reference}.pos_ffn.w_2", f"{ours}.mlp.2"),
    }
    for theirs, part in (("w_qs", "query"), ("w_ks", "key"), ("w_vs", "value"), ("fc", "projection")):
        names |= layer(f"{reference}.slf_attn.{theirs}", f"{ours}.attention.{part}")
    return names
