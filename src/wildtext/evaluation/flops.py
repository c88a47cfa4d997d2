"""How much arithmetic one image takes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any
from unittest import mock

from wildtext.errors import ConfigError, MissingExtraError, require
from wildtext.images import Preprocessing
from wildtext.weights.bundle import Bundle

if TYPE_CHECKING:
    from wildtext.models import Model

_Shape = tuple[int, ...]


def widest_canvas(preprocessing: Preprocessing) -> tuple[int, int]:
    """Height and width of the widest canvas that images are brought to; the higher of two that are as wide."""
    return max(preprocessing.canvas.sizes, key=lambda size: (size[1], size[0]))


def count_flops(bundle: Bundle) -> int | None:
    """Floating point operations that the network does for one image on its widest canvas.

    Counted are convolutions, matrix products with the recurrent and attention layers that are made of them, and
    sampling grids; a multiplication with the addition behind it counts as two. Left out is what is small beside them:
    activations, normalisation, pooling, adding biases. Papers that count multiply-adds have half of this figure.

    Heads that write one character after another are counted with all their steps. Weights play no part, so it works
    for both kinds of bundle.

    Returns:
        None where torch is not installed, or this version of wildtext does not know the architecture.
    """
    try:
        torch = require("torch", extra="train")
        from wildtext.models import build

        with torch.random.fork_rng(devices=[]):
            model = build(bundle.architecture, bundle.charset, bundle.sizes)
    except (MissingExtraError, ConfigError):
        return None
    return _count(model, bundle.preprocessing)


def _count(model: Model, preprocessing: Preprocessing) -> int:
    torch = require("torch", extra="train")
    from torch.utils.flop_counter import FlopCounterMode

    # What processors do in one piece, and the counter does not know.
    formulas = {
        torch.ops.aten.grid_sampler_2d: _grid_sampling,
        torch.ops.aten.mkldnn_rnn_layer: _lstm,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    }
    # The counter trips over results that could have a gradient.
    model.requires_grad_(False).eval()
    image = torch.zeros(1, preprocessing.channels, *widest_canvas(preprocessing))
    # When a graph is traced, a head takes all its steps instead of stopping where the text is over.
    whole = mock.patch.object(torch.compiler, "is_compiling", return_value=True)
    with whole, FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        model(image, torch.ones(1))
    return int(counter.get_total_flops())


def _grid_sampling(images: _Shape, grid: _Shape, *_: Any, out_shape: _Shape, **__: Any) -> int:
    """Bilinear sampling: each value is the weighted sum of four."""
    return 2 * 4 * prod(out_shape)


def _lstm(columns: _Shape, from_input: _Shape, from_state: _Shape, *_: Any, **__: Any) -> int:
    """One direction of one LSTM layer: columns (T, N, inputs), weights (4 hidden, inputs) and (4 hidden, hidden)."""
    return 2 * prod(columns[:2]) * (prod(from_input) + prod(from_state))


def _attention(query: _Shape, key: _Shape, value: _Shape, *_: Any, **__: Any) -> int:
    """Scores (N, heads, queries, keys) from `query` and `key` (N, heads, length, size), and the sum of `value`."""
    return 2 * prod(query[:3]) * key[2] * (query[3] + value[3])
