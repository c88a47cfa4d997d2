"""The training loop."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from pathlib import Path

from wildtext.config import Recipe
from wildtext.errors import TrainingError
from wildtext.training.distributed import joined_ranks, local_device
from wildtext.training.files import locked
from wildtext.training.progress import progress
from wildtext.training.run import Run
from wildtext.training.signals import stop_requests
from wildtext.training.state import has_state, told_when_full

log = logging.getLogger("wildtext.train")


def train(recipe: Recipe, folder: Path, *, resume: bool = False, seconds: float | None = None) -> Path:
    """Train a model, alone or together with the other processes of `torchrun`.

    The folder gets `recipe.json`, `plan.json`, `log.jsonl`, `state.safetensors` and the state before it (to resume
    from), `best.safetensors`, the bundle of the averaged weights with the best validation accuracy (or the last ones,
    without validation data), `mistakes.json` and `report.html`.

    Args:
        recipe: what to do.
        folder: where to leave it.
        resume: go on from the state in the folder.
        seconds: stop after this time, with the state saved; None goes on to the last step. Ctrl-C and SIGTERM have the
            same effect at any time.

    Returns:
        Path of the best bundle.

    Raises:
        TrainingError: the folder holds a run and `resume` is off, or another run than the one to resume; steps stay
            unsound; the state cannot be saved.
        ConfigError, DataError: the recipe or the data make no sense; raised before the first step.
    """
    if has_state(folder) and not resume:
        raise TrainingError(f"{folder} holds a run already; give --resume to go on, or another --name or --out")
    deadline = None if seconds is None else time.monotonic() + seconds
    device = local_device(recipe.loop.device)
    with told_when_full(folder), ExitStack() as stack:
        run = Run(recipe, folder, stack.enter_context(joined_ranks(device)), device)
        if run.ranks.first:
            stack.enter_context(locked(folder))
        run.start(resume)
        asked = stack.enter_context(stop_requests())
        if run.ranks.first:
            run.show = stack.enter_context(progress(recipe.loop.steps, run.state.step))
        if run.fine_tunes and run.state.step == 0:
            run.measure()
        for delivery in run.deliveries():
            run.step(delivery)
            stopping = run.ranks.any(asked() or (deadline is not None and time.monotonic() >= deadline))
            if run.due(recipe.loop.log_every) or stopping:
                run.report()
            if run.due(recipe.loop.evaluate_every):
                run.measure()
            elif stopping and run.lacks_bundle:
                run.keep()
            stopping = stopping or run.out_of_patience
            if run.due(recipe.loop.save_every) or stopping:
                run.save()
            if stopping:
                break
        run.finish()
    return run.best_path
