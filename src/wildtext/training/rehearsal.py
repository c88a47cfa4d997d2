"""A few steps before a run is begun in earnest: is everything as it should be, and which learning rate suits it?"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from wildtext.config import Recipe
from wildtext.errors import ConfigError, TrainingError
from wildtext.synth.sheet import flow, sheet
from wildtext.training.duration import duration
from wildtext.training.guards import drawn
from wildtext.training.run import Run

log = logging.getLogger("wildtext.train")

_LOWEST, _HIGHEST = 1e-6, 1.0
_STEPS = 120
"""Of a range test; the rate grows by an eighth with each."""
_MEMORY = 0.9
_BROKEN = 4.0
"""A loss so many times the lowest one says that the rate is too high."""
_SAFE = 10.0
"""How many times lower than at the lowest loss the rate should be (Smith 2017 takes the steepest fall, which is nearly
the same and harder to tell from noise)."""


def dry_run(recipe: Recipe, folder: Path) -> Path:
    """Take two steps and tell what they were like; the only thing that is kept is the picture.

    Args:
        recipe: of the run.
        folder: gets `dry-run.png`, the samples of the first step as the network sees them.

    Returns:
        Path of the picture.

    Raises:
        WildtextError: whatever would stop the run before its first step.
    """
    run = _alone(recipe, folder)
    began = time.perf_counter()
    delivery = next(run.deliveries())
    fetched = time.perf_counter() - began
    canvases = run.canvases(delivery)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dry-run.png"
    sheet(flow(drawn(canvases), boxes=True)).save(path)
    for some in canvases:
        log.info("input: %s", tuple(some.normalized(run.preprocessing).shape))
    for name, head in run.state.model.heads.items():
        log.info("head %s: %s, %d classes", name, head.loss, head.codec.classes)
    stepped = run.stepper.rehearse(canvases)
    outcome = run.stepper.take(canvases)
    log.info("loss %.4f, norm of the gradient %.3g", outcome.loss, outcome.norm)
    if outcome.problem:
        log.warning("such a step would be skipped: %s", outcome.problem)
    log.info("memory: %.2f GB", _memory(run.device) / 1e9)
    log.info("a step takes %.2f s, and fetching its samples %.2f s in one process", stepped, fetched)
    waiting = fetched if recipe.data.workers == 0 else max(fetched / recipe.data.workers - stepped, 0.0)
    log.info("%d steps take about %s", recipe.loop.steps, duration(recipe.loop.steps * (stepped + waiting)))
    log.info("the first batch: %s", path)
    return path


def range_test(recipe: Recipe, folder: Path) -> float:
    """Raise the learning rate from step to step until the loss breaks (Smith 2017, Cyclical learning rates).

    Args:
        recipe: of the run; its schedule and learning rate are not used.
        folder: gets `range-test.json`.

    Returns:
        The rate that it suggests as `optimiser.learning_rate`.

    Raises:
        WildtextError: whatever would stop the run before its first step.
    """
    run = _alone(replace(recipe, loop=replace(recipe.loop, steps=_STEPS)), folder)
    growth = (_HIGHEST / _LOWEST) ** (1 / (_STEPS - 1))
    run.stepper.schedule = lambda step: _LOWEST * growth**step
    smooth, lowest, best = 0.0, math.inf, _LOWEST
    points = []
    for delivery in run.deliveries():
        outcome = run.stepper.take(run.canvases(delivery))
        if outcome.problem:
            break
        smooth = _MEMORY * smooth + (1 - _MEMORY) * outcome.loss
        loss = smooth / (1 - _MEMORY**run.state.step)
        points.append({"learning_rate": outcome.rate, "loss": outcome.loss, "smoothed": loss})
        if run.state.step % 10 == 0:
            log.info("learning rate %.1e  loss %.4f", outcome.rate, loss)
        if loss < lowest:
            lowest, best = loss, outcome.rate
        if loss > _BROKEN * lowest:
            break
    if not points:
        raise TrainingError(f"not even a learning rate of {_LOWEST:g} makes sense: {outcome.problem}; see --dry-run")
    suggested = best / _SAFE
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "range-test.json"
    path.write_text(json.dumps({"suggested": suggested, "points": points}, indent=1), encoding="utf-8")
    log.info("the loss is lowest at %.1e; try optimiser.learning_rate = %.1e (%s)", best, suggested, path)
    return suggested


def _alone(recipe: Recipe, folder: Path) -> Run:
    """A run of this process.

    Raises:
        ConfigError: there are other processes, which would all do the same.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("--dry-run and --range-test are for one process; start them without torchrun")
    return Run(recipe, folder)


def _memory(device: torch.device) -> int:
    """Bytes: the most that the network has held on a GPU, or the process in main memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource  # only Unix has it

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
