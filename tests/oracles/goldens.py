"""Oracles for tests: fake checkpoints of the references, and what the references gave with them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from tests.oracles import weights_recipe
from wildtext.charset import Charset
from wildtext.models import Model, build
from wildtext.weights.importers.contract import Imported

ORACLES = Path(__file__).parent


@cache
def oracle(name: str) -> tuple[dict[str, Any], dict[str, dict[str, NDArray[Any]]]]:
    """An oracle's spec and its fake checkpoint by part, with the names that the reference's file has."""
    return weights_recipe.load(ORACLES / name)


def fake_checkpoint(name: str) -> dict[str, Tensor]:
    """The fake checkpoint as tensors, named as importers get it.

    Names lack the `module.` of DataParallel, and have the part in front where the reference saves several files.
    """
    return {
        f"{part}.{key}".removeprefix(".").removeprefix("module."): torch.from_numpy(array)
        for part, arrays in oracle(name)[1].items()
        for key, array in arrays.items()
    }


def listing(name: str) -> set[str]:
    """The names that `fake_checkpoint` has, without making the tensors."""
    spec = json.loads((ORACLES / name / "spec.json").read_text(encoding="utf-8"))
    return {
        f"{part}.{key}".removeprefix(".").removeprefix("module.")
        for part, weights in weights_recipe.parts(spec).items()
        for key, _, _ in weights["keys"]
    }


def golden(name: str, file: str = "golden") -> dict[str, Tensor]:
    """Inputs (`input.*`) and outputs of the reference."""
    return load_file(ORACLES / name / f"{file}.safetensors")


def digest_matches(name: str) -> bool:
    """Whether the fake weights are those that the reference was run with."""
    spec, arrays = oracle(name)
    return all(
        weights_recipe.digest(arrays[part], weights.get("overrides", [])) == weights["sha256"]
        for part, weights in weights_recipe.parts(spec).items()
    )


def loaded(imported: Imported) -> Model:
    """The model of an imported checkpoint, in evaluation mode."""
    model = build(imported.architecture, imported.charset, imported.sizes)
    model.load_state_dict(imported.weights)
    return model.eval()


def parameter_count(preset: str, charset: Charset, sizes: dict[str, Any] | None = None) -> int:
    """Parameters of a preset, without making them."""
    with torch.device("meta"):
        model = build(preset, charset, sizes)
    return sum(parameter.numel() for parameter in model.parameters())


def intermediate(model: Model, *names: str) -> dict[str, Any]:
    """What parts of a model give, filled in when it runs."""
    seen: dict[str, Any] = {}
    for name in names:
        part = model.get_submodule(name)
        part.register_forward_hook(lambda _module, _inputs, output, name=name: seen.update({name: output}))
    return seen


def assert_close(got: Tensor, wanted: Tensor, tolerance: float = 1e-4) -> None:
    """Equal shapes, and values within a share of the largest one."""
    assert got.shape == wanted.shape
    error = float((got - wanted).abs().max() / wanted.abs().max())
    assert error <= tolerance, f"{error:.2g} of the largest value"
