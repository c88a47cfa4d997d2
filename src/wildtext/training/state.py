"""Everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from wildtext.errors import TrainingError

_KEY = "wildtext-state"


@dataclass
class TrainingState:
    """The moving parts of a run. Data order and learning rate are functions of the step, so the step stands for them.

    Attributes:
        model: the network that is trained.
        average: its exponential moving average.
        optimiser: with its moments.
        step: steps done.
        images: images seen.
        seconds: time spent training, over all sessions.
        best: best validation accuracy so far, in percent.
    """

    model: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    best: float = -1.0
    recipe: dict[str, Any] = field(default_factory=dict)

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
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        numbers = {"step": self.step, "images": self.images, "seconds": self.seconds, "best": self.best}
        contents = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
        unfinished = path.with_name(path.name + ".part")
        try:
            save_file(contents, unfinished, metadata={_KEY: json.dumps({**numbers, "recipe": self.recipe})})
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except (OSError, SafetensorError) as error:
            unfinished.unlink(missing_ok=True)
            raise TrainingError(f"cannot save the state to {path}: {error}; the previous one is untouched") from error

    def load(self, path: Path) -> None:
        """Take the state from a file into model, average, optimiser and the generators of random numbers.

        Raises:
            TrainingError: the file is missing, damaged, or belongs to another model.
        """
        try:
            with safe_open(path, "pt") as file:
                numbers = json.loads((file.metadata() or {})[_KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            self.model.load_state_dict(_below(tensors, "model."))
            self.average.load_state_dict(_below(tensors, "average."))
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise TrainingError(f"cannot resume from {path}: {error}") from error
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _below(tensors, "optimiser.").items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = value
        self.optimiser.load_state_dict({"state": moments, "param_groups": self.optimiser.state_dict()["param_groups"]})
        torch.set_rng_state(tensors["random"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
        self.step, self.images = numbers["step"], numbers["images"]
        self.seconds, self.best = numbers["seconds"], numbers["best"]


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
