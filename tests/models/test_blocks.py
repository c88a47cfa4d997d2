"""Layers that several architectures share."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from wildtext.models.blocks import EncoderLayer, dot_product_attention


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
def test_attention_and_its_gradient_are_those_of_the_formula(dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    plain = torch.randn(3, 2, 4, 33, 16).to(dtype)
    exact, tested = (plain.to(kind).requires_grad_() for kind in (torch.float64, dtype))
    wanted, got = scaled_dot_product_attention(*exact), dot_product_attention(*tested)
    assert got.dtype == dtype
    for attended in (wanted, got):
        attended.square().sum().backward()  # type: ignore[no-untyped-call]
    assert exact.grad is not None
    assert tested.grad is not None
    for left, right in ((got, wanted), (tested.grad, exact.grad)):
        assert (left - right).abs().max() <= tolerance * right.abs().max()


def test_a_layer_takes_the_epsilon_of_its_reference() -> None:
    layer = EncoderLayer(8, 2, eps=0.5)
    assert (layer.norm_attention.eps, layer.norm_mlp.eps) == (0.5, 0.5)
    assert EncoderLayer(8, 2).norm_mlp.eps == 1e-5
