"""What torch calls the tensors of its layers, and how layers of a reference become layers of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LINEAR = ("weight", "bias")
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
CELL = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
BILSTM = tuple(f"{leaf}_l0{direction}" for direction in ("", "_reverse") for leaf in CELL)
PADDLE_NORM = {"weight": "weight", "bias": "bias", "_mean": "running_mean", "_variance": "running_var"}
"""What Paddle calls the tensors of a batch normalisation, to torch's names. It does not count batches."""


def layer(reference: str, ours: str, leaves: Iterable[str] = LINEAR) -> dict[str, str]:
    """A layer whose tensors have the same names in both."""
    return {f"{reference}.{leaf}": f"{ours}.{leaf}" for leaf in leaves}


def layers(reference: str, ours: str, parts: Mapping[str, str]) -> dict[str, str]:
    """Layers below one name of the reference to layers below one of ours, which may be empty.

    Args:
        reference: stands before what the reference calls the layers.
        ours: stands before what we call them.
        parts: the reference's names of the layers to ours.
    """
    names: dict[str, str] = {}
    for part, our in parts.items():
        names |= layer(f"{reference}.{part}", f"{ours}.{our}".removeprefix("."))
    return names


def normed(convolution: str, norm: str, ours: str, first: int = 0) -> dict[str, str]:
    """A convolution without bias and its batch normalisation, which are neighbours in ours."""
    return {f"{convolution}.weight": f"{ours}.{first}.weight"} | layer(norm, f"{ours}.{first + 1}", NORM)


def vit_layer(reference: str, ours: str) -> dict[str, str]:
    """A layer of timm's vision transformers to a `wildtext.models.blocks.EncoderLayer`."""
    parts = {
        "norm1": "norm_attention",
        "attn.qkv": "qkv",
        "attn.proj": "projection",
        "norm2": "norm_mlp",
        "mlp.fc1": "mlp.0",
        "mlp.fc2": "mlp.2",
    }
    return layers(reference, ours, parts)
