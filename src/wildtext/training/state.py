"""Everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wildtext.config import Recipe
from wildtext.errors import TrainingError
from wildtext.models import Model

log = logging.getLogger("wildtext.train")

_KEY = "wildtext-state"
_FIXED = ("seed", "model", "data.train", "synth", "optimiser", "loop.batch_size", "loop.precision")
"""Values of the recipe that a resumed run must share with its beginning, or its data and steps would be others."""


@dataclass
class TrainingState:
    """The moving parts of a run. Data order and learning rate are functions of the step, so the step stands for them.

    Attributes:
        model: the network that is trained.
        average: its exponential moving average.
        optimiser: with its moments.
        recipe: what the run is.
        step: steps done.
        images: images seen.
        seconds: time spent training, over all sessions.
        best: best validation accuracy so far, in percent.
    """

    model: Model
    average: Model
    optimiser: torch.optim.Optimizer
    recipe: Recipe
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    best: float = -1.0

    def save(self, path: Path) -> None:
        """Write the state, atomically: whatever happens, the previous file or the new one is there.

        Raises:
            TrainingError: the disk refused, e.g. because it is full; the previous file is untouched.
        """
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors["random"] = torch.get_rng_state()
        if self._cuda is not None:
            tensors["random.cuda"] = torch.cuda.get_rng_state(self._cuda)
        numbers = {"step": self.step, "images": self.images, "seconds": self.seconds, "best": self.best}
        contents = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
        unfinished = path.with_name(path.name + ".part")
        try:
            save_file(contents, unfinished, metadata={_KEY: json.dumps({**numbers, "recipe": self.recipe.to_dict()})})
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except (OSError, SafetensorError) as error:
            unfinished.unlink(missing_ok=True)
            raise TrainingError(f"cannot save the state to {path}: {error}; the previous one is untouched") from error

    def load(self, path: Path) -> None:
        """Take the state from a file into model, average, optimiser and the generators of random numbers.

        Raises:
            TrainingError: the file is missing or damaged, or belongs to a run with another recipe.
        """
        try:
            with safe_open(path, "pt") as file:
                numbers = json.loads((file.metadata() or {})[_KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            _check_recipe(numbers["recipe"], self.recipe, path)
            self.model.load_state_dict(_below(tensors, "model."))
            self.average.load_state_dict(_below(tensors, "average."))
            self._load_optimiser(_below(tensors, "optimiser."))
            torch.set_rng_state(tensors["random"])
            if "random.cuda" in tensors and self._cuda is not None:
                torch.cuda.set_rng_state(tensors["random.cuda"], self._cuda)
            self.step, self.images = numbers["step"], numbers["images"]
            self.seconds, self.best = numbers["seconds"], numbers["best"]
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise TrainingError(f"cannot resume from {path}: {error}") from error

    @property
    def _cuda(self) -> torch.device | None:
        device = next(self.model.parameters()).device
        return device if device.type == "cuda" else None

    def _load_optimiser(self, tensors: dict[str, Tensor]) -> None:
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = value
        # The fused optimiser goes through memory: a moment must lie there like its parameter.
        parameters = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        for number, values in moments.items():
            like = parameters[number]
            values |= {
                name: torch.empty_like(like, dtype=value.dtype).copy_(value)
                for name, value in values.items()
                if value.shape == like.shape
            }
        self.optimiser.load_state_dict({"state": moments, "param_groups": self.optimiser.state_dict()["param_groups"]})


def _check_recipe(begun: dict[str, Any], wanted: Recipe, path: Path) -> None:
    """Refuse to go on with another recipe.

    Raises:
        TrainingError: naming the value that differs.
    """
    given = json.loads(json.dumps(wanted.to_dict()))  # as the file has it: lists for tuples
    for key in _FIXED:
        before, now = _value(begun, key), _value(given, key)
        if before != now:
            raise TrainingError(
                f"{path} was begun with {key} = {before}, not {now}; resume with the same recipe, or start another run"
            )
    if begun["loop"]["steps"] != given["loop"]["steps"]:
        log.warning(
            "the run was begun for %d steps and will now go to %d; its learning rate follows the new number",
            begun["loop"]["steps"],
            given["loop"]["steps"],
        )


def _value(recipe: dict[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return recipe[section][name] if name else recipe[section]


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
