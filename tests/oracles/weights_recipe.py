"""Fake checkpoints for parity tests: every tensor follows from its name, shape and dtype.

An oracle is a folder with `spec.json`, which lists the tensors of a reference's checkpoint, and `golden.safetensors`,
what the reference gave with the weights that this module makes. So an importer and a model are proven without a
published checkpoint.

Numbers come from PCG64 seeded with the CRC-32 of the name: 24 bits of each raw output, scaled to mean 0 and variance 1.
All arithmetic up to the final rounding is exact or elementwise float64, so that the arrays are the same everywhere.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rule = dict[str, Any]
Array = NDArray[Any]
Doubles = NDArray[np.float64]

_SPREAD = math.sqrt(12)  # brings a uniform number in [-1/2, 1/2) to variance 1
_WHOLE_EMBEDDINGS = {"cls_token", "dist_token", "pos_embed", "position_embedding", "mask_token"}
_SHIFTS = {"mean": 0.0, "bias": 0.0, "var": 1.0, "norm": 1.0}


def load(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Array]]]:
    """The spec of an oracle and the fake checkpoint that it describes, by part: "" where it is one file."""
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    return spec, {part: checkpoint(weights) for part, weights in parts(spec).items()}


def parts(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The listing of each file of a checkpoint."""
    found: dict[str, dict[str, Any]] = spec["weights"].get("parts", {"": spec["weights"]})
    return found


def checkpoint(weights: dict[str, Any]) -> dict[str, Array]:
    """All tensors of a listing, in its order."""
    layout, rules = weights.get("layout", "torch"), weights.get("overrides", [])
    return {name: tensor(name, tuple(shape), dtype, layout, rules) for name, shape, dtype in weights["keys"]}


def digest(arrays: dict[str, Array], rules: list[Rule]) -> str:
    """SHA-256 over names, shapes, dtypes and values, constant tables (which depend on the maths library) left out."""
    total = hashlib.sha256()
    for name, array in arrays.items():
        if "constant" not in _rule(name, array.ndim, rules):
            shape = ",".join(str(size) for size in array.shape)
            total.update(f"{name}|{shape}|{array.dtype.str}\n".encode())
            total.update(array.tobytes())
    return total.hexdigest()


def tensor(name: str, shape: tuple[int, ...], dtype: str, layout: str, rules: list[Rule]) -> Array:
    """One tensor; `layout` is ``torch``, with matrices (out, in), or ``paddle``, with matrices (in, out)."""
    rule = _rule(name, len(shape), rules)
    if "alias_of" in rule:
        return tensor(rule["alias_of"], shape, dtype, layout, rules)
    if "constant" in rule:
        return CONSTANTS[rule["constant"]](shape).reshape(shape).astype(dtype)
    kind = rule.get("kind") or _kind(name, shape, dtype)
    if kind == "counter":
        return np.zeros(shape, dtype)
    values = _random(name, shape)
    inputs = (0,) if kind == "matrix" and layout == "paddle" else tuple(range(1, len(shape)))
    if kind in ("matrix", "conv") and rule.get("centre", shape[inputs[0]] >= 8):
        values -= values.sum(axis=inputs, keepdims=True) / math.prod(shape[axis] for axis in inputs)
    fan_in = rule.get("fan_in") or math.prod(shape[axis] for axis in inputs)
    values = _spread(kind, values * _SPREAD, float(rule.get("scale", 1.0)), fan_in)
    for row in rule.get("zero_rows", []):
        values[row] = 0
    for row, value in rule.get("set", []):
        values[row] = value
    return np.ascontiguousarray(values.astype(dtype))


def _random(name: str, shape: tuple[int, ...]) -> Doubles:
    """Multiples of 2**-24 in [-1/2, 1/2), whose sums are exact in any order."""
    raw = np.random.PCG64(zlib.crc32(name.encode())).random_raw(math.prod(shape))
    return (raw >> np.uint64(40)).astype(np.float64).reshape(shape) * 2.0**-24 - 0.5


def _spread(kind: str, values: Doubles, scale: float, fan_in: int) -> Doubles:
    if kind in _SHIFTS:
        return (_SHIFTS[kind] + 0.1 * (np.abs(values) if kind == "var" else values)) * scale
    if kind == "embed":
        return values * scale
    return values * (scale / math.sqrt(fan_in))


def _rule(name: str, ndim: int, rules: list[Rule]) -> Rule:
    """The first override that fits."""
    fitting = (rule for rule in rules if fnmatchcase(name, rule["pattern"]) and rule.get("ndim", ndim) == ndim)
    return next(fitting, {})


def _kind(name: str, shape: tuple[int, ...], dtype: str) -> str:
    """What a tensor is for, from the last two parts of its name."""
    owner, leaf = f".{name}".split(".")[-2:]
    if np.dtype(dtype).kind in "iub" or leaf == "num_batches_tracked":
        return "counter"
    if leaf.endswith("running_mean") or leaf == "_mean":
        return "mean"
    if leaf.endswith("running_var") or leaf == "_variance":
        return "var"
    if len(shape) < 2 or leaf.startswith("bias"):
        return "norm" if leaf == "weight" and len(shape) == 1 else "bias"
    if leaf.startswith(("weight_ih", "weight_hh")):
        return "recurrent"
    embedding = owner in ("emb", "emb0", "emb1") or "embedding" in owner
    if leaf in _WHOLE_EMBEDDINGS or (leaf == "weight" and len(shape) == 2 and embedding):
        return "embed"
    return "matrix" if len(shape) == 2 else "conv"


def _sinusoids(shape: tuple[int, ...]) -> Doubles:
    """(1, positions, width): sine in even and cosine in odd columns."""
    column = np.arange(shape[2])
    angle = np.arange(shape[1])[:, None] / np.power(10000, 2 * (column // 2) / shape[2])
    return np.where(column % 2 == 0, np.sin(angle), np.cos(angle))


def _edge_points(count: int) -> Doubles:
    x = np.linspace(-1, 1, count // 2)
    return np.concatenate([np.stack([x, np.full_like(x, y)], axis=1) for y in (-1, 1)])


def _slanted_points(shape: tuple[int, ...]) -> Doubles:
    x, rise = np.linspace(-1, 1, shape[0] // 4), np.linspace(0, 1, shape[0] // 4)
    return np.concatenate([np.stack([x, -rise], axis=1), np.stack([x, 1 - rise], axis=1)])


def _spline_inverse(shape: tuple[int, ...]) -> Doubles:
    """Inverse of the thin-plate-spline system of the edge points."""
    points = _edge_points(shape[0] - 3)
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distance, 1)
    affine = np.hstack([np.ones((len(points), 1)), points])
    kernel = distance**2 * np.log(distance)
    # The reference puts the constraints on the points before the one on the sum.
    constraints = np.hstack([np.zeros((3, 3)), np.roll(affine.T, -1, axis=0)])
    return np.linalg.inv(np.vstack([np.hstack([affine, kernel]), constraints]))


def _spline_basis(shape: tuple[int, ...]) -> Doubles:
    """1, x, y and the kernel to each edge point, at the pixel centres of a 32x100 image, row by row."""
    y, x = np.meshgrid((np.arange(32) + 0.5) / 16 - 1, (np.arange(100) + 0.5) / 50 - 1, indexing="ij")
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    distance = np.linalg.norm(pixels[:, None] - _edge_points(shape[1] - 3), axis=2)
    return np.hstack([np.ones((len(pixels), 1)), pixels, distance**2 * np.log(distance + 1e-6)])


CONSTANTS: dict[str, Callable[[tuple[int, ...]], Doubles]] = {
    "sinusoid_table": _sinusoids,
    "tps_inverse": _spline_inverse,
    "tps_basis_32x100": _spline_basis,
    "tps_initial_fiducials": _slanted_points,
}
