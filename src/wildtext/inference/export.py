"""Write an `.onnx` bundle, and prove that it reads like the model it came from."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wildtext.codecs import log_softmax
from wildtext.errors import BundleError, require
from wildtext.files import replacing
from wildtext.inference.onnx_runtime import MAP_PREFIX, OnnxRuntime
from wildtext.inference.torch_runtime import TorchRuntime
from wildtext.models import Model
from wildtext.types import Floats
from wildtext.weights.bundle import KEY, Bundle, load_model

_OPSET = 20
_TOLERANCE = 1e-3
_LARGE = 1024
"""Constants with at least so many values are stored as float16."""


def export(model: Path, out: Path, switches: Mapping[str, Any] | None = None) -> None:
    """Turn a `.safetensors` bundle into an `.onnx` bundle with a dynamic batch.

    Height and width are dynamic too where canvases have several. Weights are stored as float16 and computed with as
    float32, so the file gives what the float16 weights of the `.safetensors` bundle give. It is kept only if
    onnxruntime agrees with torch in text, and in logits within 1e-3, at batch 1, 2 and 7, and at every size of canvas.

    Args:
        model: the bundle.
        out: where the graph goes.
        switches: other choices of how the model reads, see `Model.switch`.

    Raises:
        BundleError: the bundle cannot be read, the two disagree, or the disk refused; nothing is written then.
        ConfigError: there is no such switch.
        MissingExtraError: torch, onnx or onnxscript is not installed.
    """
    if out.suffix != ".onnx":
        raise BundleError(f"the file to write must end with .onnx, not {out.name!r}")
    network, bundle = load_model(model)
    network.switch(switches or {})
    bundle = replace(bundle, sizes=asdict(network.config), autoregressive=network.autoregressive)
    with replacing(out, error=BundleError) as unfinished:
        _write(network, bundle, unfinished)
        _prove(network, bundle, unfinished)


class _Graph(nn.Module):
    """The heads that are read and the maps, as a tuple, which is what ONNX knows."""

    PREFIX = "model."

    def __init__(self, model: Model):
        super().__init__()
        self.model = model
        self.heads = [name for name, head in model.heads.items() if not head.training_only]

    def forward(self, images: Tensor, valid_width: Tensor) -> tuple[Tensor, ...]:
        output = self.model(images, valid_width)
        return (*(output.logits[name] for name in self.heads), *output.maps.values())


def _write(network: Model, bundle: Bundle, path: Path) -> None:
    onnx = require("onnx", extra="train")
    require("onnxscript", extra="train")
    heights, widths = zip(*bundle.preprocessing.canvas.sizes, strict=True)
    # A dimension that may change must not be a single unit in the example, which the exporter would take for a rule.
    example = (torch.zeros(2, bundle.preprocessing.channels, max(heights), max(widths)), torch.ones(2))
    with torch.no_grad():
        maps = network(*example).maps
    graph = _Graph(network)
    names = [*graph.heads, *(MAP_PREFIX + name for name in maps)]
    batch = torch.export.Dim("batch", min=1, max=4096)
    sides = {2: _side("height", heights), 3: _side("width", widths)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own use of torch
        program = torch.onnx.export(
            graph,
            example,
            input_names=["images", "valid_width"],
            output_names=names,
            dynamic_shapes=({0: batch, **sides}, {0: batch}),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _store_half(onnx, proto, {name: value.numpy() for name, value in network.state_dict().items()})
    for traced in (proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        del traced.metadata_props[:]  # the exporter leaves stack traces here, with the paths of this machine
    onnx.helper.set_model_props(proto, {KEY: bundle.to_json()})
    path.write_bytes(proto.SerializeToString())


def _side(name: str, sizes: tuple[int, ...]) -> Any:
    """How height or width varies: in multiples of the greatest common divisor, as strides of networks want it."""
    if len(set(sizes)) == 1:
        return torch.export.Dim.STATIC
    unit = math.gcd(*sizes)
    return unit * torch.export.Dim(name, min=min(sizes) // unit, max=max(sizes) // unit)


def _store_half(onnx, proto, weights: dict[str, NDArray[np.float32]]) -> None:  # type: ignore[no-untyped-def]
    """Keep large constants as float16 with a cast behind, which a runtime folds away when it loads the graph.

    The exporter folds batch normalisation into convolutions, which scales their output channels by numbers that
    float16 cannot hold. There the stored weights stay as they were, and the scale follows the cast.
    """
    unfolding = []
    for tensor in proto.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < _LARGE:
            continue
        name, stored, scale = tensor.name, values, None
        if not _fits_half(values):
            stored = weights.get(name.removeprefix(_Graph.PREFIX), values)
            scale = _channel_scale(stored, values)
            if scale is None or not _fits_half(stored):
                continue  # a computed constant rather than a stored weight: it must stay exact
        half, single = name + ".half", name if scale is None else name + ".single"
        tensor.CopyFrom(onnx.numpy_helper.from_array(stored.astype(np.float16), half))
        unfolding.append(onnx.helper.make_node("Cast", [half], [single], to=onnx.TensorProto.FLOAT))
        if scale is not None:
            proto.graph.initializer.append(onnx.numpy_helper.from_array(scale, name + ".scale"))
            unfolding.append(onnx.helper.make_node("Mul", [single, name + ".scale"], [name]))
    nodes = [*unfolding, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def _fits_half(values: NDArray[np.float32]) -> bool:
    return np.array_equal(values.astype(np.float16).astype(np.float32), values)


def _channel_scale(stored: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """What takes `stored` to `values`, one number for each output channel (first axis); None if nothing does."""
    if stored.shape != values.shape:
        return None
    axes = tuple(range(1, stored.ndim))
    energy = (stored.astype(np.float64) ** 2).sum(axis=axes, keepdims=True)
    product = (stored.astype(np.float64) * values).sum(axis=axes, keepdims=True)
    scale = (product / np.maximum(energy, 1e-30)).astype(np.float32)
    return scale if np.allclose(stored * scale, values, rtol=1e-5, atol=1e-8) else None


def _prove(network: Model, bundle: Bundle, path: Path) -> None:
    exported, reference = OnnxRuntime(path, "cpu"), TorchRuntime(network)
    first, *others = dict.fromkeys(bundle.preprocessing.canvas.sizes)
    # One graph serves all sizes, so it is enough to vary the batch with one of them.
    for size, count in [*product([first], (1, 2, 7)), *product(others, (1,))]:
        images, shares = _noise(bundle, size, count)
        got, wanted = exported.run(images, shares), reference.run(images, shares)
        for name, codec in bundle.codecs.items():
            error = float(np.abs(got.logits[name] - wanted.logits[name]).max())
            texts = [[codec.decode(row).text for row in log_softmax(raw.logits[name])] for raw in (got, wanted)]
            if not error <= _TOLERANCE or texts[0] != texts[1]:
                raise BundleError(
                    f"the exported graph disagrees with torch at batch {count} of {size[0]} x {size[1]} pixels, head "
                    f"{name!r}: logits differ by {error:.2g} (at most {_TOLERANCE:g} is accepted), texts {texts[0]} "
                    f"and {texts[1]}"
                )


def _noise(bundle: Bundle, size: tuple[int, int], count: int) -> tuple[Floats, Floats]:
    """Coarse random pictures of several shapes, as the model would get them on canvases of this height and width."""
    random = np.random.default_rng(count)
    canvas = bundle.preprocessing.canvas
    # Eight blocks of 4 x 8 pixels above each other: the last bucket has pictures as many times as wide as it has sizes.
    widths = [width for width in range(3, 40 + 4 * len(canvas.sizes)) if canvas.place(32, 8 * width)[:2] == size]
    fitted = []
    for width in random.choice(widths, count):
        blocks = random.integers(0, 256, (8, int(width), 3), np.uint8)
        fitted.append(bundle.preprocessing.fit(blocks.repeat(4, axis=0).repeat(8, axis=1)))
    shares = np.array([share for _, share in fitted], np.float32)
    return bundle.preprocessing.normalize(np.stack([canvas for canvas, _ in fitted]), shares), shares
