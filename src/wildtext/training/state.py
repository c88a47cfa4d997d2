"""Everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import errno
import json
import logging
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wildtext.config import Recipe
from wildtext.errors import TrainingError
from wildtext.models import Model
from wildtext.training.guards import Guard

log = logging.getLogger("wildtext.train")

STATE = "state.safetensors"
PREVIOUS = "state.previous.safetensors"
DAMAGED = "state.damaged.safetensors"

_KEY = "wildtext-state"
_CHECKSUM = "checksum"
_FIXED = (
    "seed", "model", "data.train", "data.validation", "data.protocol", "data.hold_out", "data.augment", "data.reuse",
    "synth", "optimiser", "loop.batch_size", "loop.accumulate", "loop.label_smoothing", "loop.precision",
)  # fmt: skip
"""Values of the recipe that a resumed run must share with its beginning, or its data and steps would be others."""


class Saved(NamedTuple):
    """What a file of state holds: tensors by name, and plain values."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


class DamagedState(TrainingError):
    """A file of state that is missing, cut off or altered."""


@dataclass
class TrainingState:
    """The moving parts of a run.

    Order of data, learning rate and random numbers are functions of the step, so the step stands for them.

    Attributes:
        model: the network that is trained.
        average: its exponential moving average.
        optimiser: with its moments.
        scaler: of the loss, for fp16.
        recipe: what the run is.
        guard: against unsound steps.
        step: steps done.
        images: images seen.
        seconds: time spent training, over all sessions.
        best: best validation accuracy so far, in percent.
        since_best: measurements since then.
        sizes: samples of each source that is drawn from, None for an endless one; what a step gets depends on them.
        initial: validation accuracy of the weights that it began with, in percent; below zero where not measured.
    """

    model: Model
    average: Model
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    recipe: Recipe
    sizes: tuple[int | None, ...] = ()
    guard: Guard = field(default_factory=Guard)
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    best: float = -1.0
    since_best: int = 0
    initial: float = -1.0

    def save(self, folder: Path) -> None:
        """Write the state, atomically, and keep the one before: whatever happens, a good one is there.

        Raises:
            TrainingError: the disk refused, e.g. because it is full; what was there is untouched.
        """
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        values = {name: getattr(self, name) for name in _PLAIN} | {"sizes": self.sizes}
        values |= {"guard": self.guard.to_dict(), "scaler": self.scaler.state_dict(), "recipe": self.recipe.to_dict()}
        write_state(folder / STATE, Saved(tensors, values), keep=folder / PREVIOUS)

    def take(self, saved: Saved, path: Path) -> None:
        """Go on from a saved state: fill model, average, optimiser and all that is counted.

        Args:
            saved: the state.
            path: where it comes from, for messages.

        Raises:
            TrainingError: it belongs to a run with another recipe, or with other data.
        """
        _check_recipe(saved.values["recipe"], self.recipe, path)
        try:
            if tuple(saved.values["sizes"]) != self.sizes:
                raise TrainingError(
                    f"{path} was begun on sources with {saved.values['sizes']} usable samples, which now have "
                    f"{list(self.sizes)}; restore the data, or begin another run with --model.init"
                )
            self.model.load_state_dict(_below(saved.tensors, "model."))
            self.average.load_state_dict(_below(saved.tensors, "average."))
            self._load_optimiser(_below(saved.tensors, "optimiser."))
            if saved.values["scaler"]:
                self.scaler.load_state_dict(saved.values["scaler"])
            self.guard = Guard(**saved.values["guard"])
            for name in _PLAIN:
                setattr(self, name, saved.values[name])
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise TrainingError(f"cannot resume from {path}: {error}") from error

    def _load_optimiser(self, tensors: dict[str, Tensor]) -> None:
        if not tensors:
            log.warning("the state has no moments of the optimiser, which begins anew; the loss may rise for a while")
            return
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = value
        # The fused optimiser goes through memory: a moment must lie there like its parameter.
        parameters = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        for number, values in moments.items():
            like = parameters[number]
            values |= {
                name: torch.empty_like(like).copy_(value) for name, value in values.items() if value.shape == like.shape
            }
        self.optimiser.load_state_dict({"state": moments, "param_groups": self.optimiser.state_dict()["param_groups"]})


_PLAIN = ("step", "images", "seconds", "best", "since_best", "initial")


def has_state(folder: Path) -> bool:
    """Whether a folder holds a run that can be gone on with."""
    return any((folder / name).exists() for name in (STATE, PREVIOUS))


def find_state(folder: Path) -> tuple[Saved, Path]:
    """The last good state of a run, and its file.

    A damaged one is moved aside: left where it is, it would take the place of the good one before it at the next save.

    Raises:
        TrainingError: there is none.
    """
    if not has_state(folder):
        raise TrainingError(f"cannot resume: {folder} has no saved state; leave --resume out to begin the run")
    paths = [folder / STATE, folder / PREVIOUS]
    problems = []
    for path in paths:
        try:
            saved = read_state(path)
        except DamagedState as problem:
            problems.append(str(problem))
            continue
        if problems:
            if paths[0].exists():
                os.replace(paths[0], folder / DAMAGED)
            log.warning("%s; going on from the one before it, of step %d", problems[0], saved.values["step"])
        return saved, path
    raise TrainingError(f"cannot resume: {'; '.join(problems)}; begin anew with another --out or --name")


def read_state(path: Path) -> Saved:
    """What a file of state holds.

    Raises:
        DamagedState: it is missing, cut off or altered.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            text, checksum = metadata[_KEY], metadata[_CHECKSUM]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise DamagedState(f"there is no {path}") from error
    except KeyError as error:
        raise DamagedState(f"{path} is no state of a run; those are called {STATE}") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise DamagedState(f"{path} is damaged: {error}") from error
    if checksum != _checksum(tensors, text):
        raise DamagedState(f"{path} is damaged: its contents do not have the checksum that they were written with")
    return Saved(tensors, json.loads(text))


def write_state(path: Path, saved: Saved, *, keep: Path | None = None) -> None:
    """Write a file of state, atomically.

    Args:
        path: where to.
        saved: the state.
        keep: where to move the file that is at `path`.

    Raises:
        TrainingError: the disk refused; what was there is untouched.
    """
    contents = {name: value.detach().cpu().clone().contiguous() for name, value in saved.tensors.items()}
    text = json.dumps(saved.values)
    unfinished = path.with_name(path.name + ".part")
    try:
        save_file(contents, unfinished, metadata={_KEY: text, _CHECKSUM: _checksum(contents, text)})
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            os.replace(path, keep)
        os.replace(unfinished, path)
    except (OSError, SafetensorError) as error:
        unfinished.unlink(missing_ok=True)
        raise TrainingError(
            f"cannot save the state to {path}: {error}; what was saved before is untouched, so go on with --resume "
            f"once there is room"
        ) from error


@contextmanager
def told_when_full(folder: Path) -> Iterator[None]:
    """Say what to do where the disk of a run is full.

    Raises:
        TrainingError: it is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise TrainingError(
            f"cannot write to {folder}: {error.strerror}; the saved state is intact, so go on with --resume once there "
            f"is room"
        ) from error


def shrink(source: Path, target: Path, *, keep: Literal["moments", "weights"]) -> None:
    """Write a smaller copy of a state, to take to another machine.

    Args:
        source: a file of state.
        target: the file to write.
        keep: ``moments`` stores those of the optimiser in bfloat16 and weights as they are; ``weights`` stores weights
            alone, in float16.

    Raises:
        TrainingError: the source is damaged, or the target cannot be written.
    """
    tensors, values = read_state(source)
    optimiser = {name: value for name, value in tensors.items() if name.startswith("optimiser.")}
    weights = {name: value for name, value in tensors.items() if name not in optimiser}
    if keep == "moments":
        small = {**weights, **_as_type(optimiser, torch.bfloat16)}
    else:
        small = _as_type(weights, torch.float16)
    write_state(target, Saved(small, values))


def _as_type(tensors: Mapping[str, Tensor], kind: torch.dtype) -> dict[str, Tensor]:
    """Matrices and kernels in fewer bits; vectors and counts are too small to be worth the loss."""
    return {
        name: value.to(kind) if value.is_floating_point() and value.ndim > 1 else value
        for name, value in tensors.items()
    }


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    total = zlib.crc32(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        total = zlib.crc32(f"{name} {value.dtype} {tuple(value.shape)}".encode(), total)
        total = zlib.crc32(value.reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"


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
        log.info(
            "the run was begun for %d steps and will now go to %d; its learning rate follows the new number",
            begun["loop"]["steps"],
            given["loop"]["steps"],
        )


def _value(recipe: dict[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return recipe[section][name] if name else recipe[section]


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
