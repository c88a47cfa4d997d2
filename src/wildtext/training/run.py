"""The parts of a training run, and what is done with them at each step."""

from __future__ import annotations

import copy
import json
import logging
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wildtext.codecs import Codec
from wildtext.config import Recipe
from wildtext.errors import ConfigError, TrainingError
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.torch_runtime import TorchRuntime
from wildtext.training import setup
from wildtext.training.canvas import Canvases, paint
from wildtext.training.distributed import Ranks, local_device
from wildtext.training.duration import duration
from wildtext.training.files import write_whole
from wildtext.training.freezing import freeze
from wildtext.training.guards import dump
from wildtext.training.holdout import HeldOut
from wildtext.training.journal import Journal
from wildtext.training.loader import Delivery, deliveries
from wildtext.training.measuring import measured
from wildtext.training.mistakes import find_mistakes, save_mistakes
from wildtext.training.optimiser import make_optimiser
from wildtext.training.progress import Show
from wildtext.training.replay import Replay, is_synthetic
from wildtext.training.report import write_report
from wildtext.training.state import TrainingState, find_state, has_state
from wildtext.training.step import Outcome, Stepper
from wildtext.weights.bundle import Bundle, save_model

log = logging.getLogger("wildtext.train")

_MISTAKES = 60
"""Mistakes that a report shows."""


class Run:
    """A training run.

    Args:
        recipe: what to do.
        folder: where to leave it.
        ranks: the processes that train together.
        device: of this process; by default what the recipe says.

    Attributes:
        state: what changes from step to step.
        stepper: takes the steps.
        journal: keeps the log, once the run has started; of process 0 alone.
        show: is given every record of the log.
    """

    def __init__(self, recipe: Recipe, folder: Path, ranks: Ranks | None = None, device: torch.device | None = None):
        self.recipe = recipe
        self.folder = folder
        self.best_path = folder / "best.safetensors"
        self.ranks = ranks or Ranks()
        self.device = device or local_device(recipe.loop.device)
        if recipe.loop.threads:
            torch.set_num_threads(recipe.loop.threads)
        torch.manual_seed(recipe.seed)
        model, self.preprocessing, self._new_characters = setup.make_model(recipe)
        freeze(model, recipe.model.freeze)
        model.to(self.device)
        self.codecs: dict[str, Codec] = {name: head.codec for name, head in model.heads.items()}
        held_out = HeldOut(recipe.data.hold_out, recipe.seed)
        if has_state(folder):
            held_out.recall(folder)
        self.data = setup.make_data(recipe, list(self.codecs.values()), self.preprocessing, held_out)
        self._replay = Replay(recipe.data.reuse)
        self._check_size()
        average = copy.deepcopy(model).requires_grad_(False)
        precision = setup.usable_precision(recipe.loop.precision, self.device)
        scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")
        sizes = tuple(ingredient.size for ingredient in self.data.mixture.ingredients)
        self.state = TrainingState(model, average, make_optimiser(model, recipe.optimiser), scaler, recipe, sizes)
        self.stepper = Stepper(self.state, self.preprocessing, self.ranks, precision)
        self.journal: Journal
        self.show: Show = lambda record: None
        self._waited = 0.0
        self._began = time.monotonic()
        self._last: Outcome | None = None
        self._told: set[str] = set()

    @property
    def fine_tunes(self) -> bool:
        """Whether it goes on from trained weights."""
        return bool(self.recipe.model.init)

    @property
    def lacks_bundle(self) -> bool:
        """Whether there is no bundle of this run yet, or only one that is older than it need be."""
        return not self.data.validation or self.state.best < 0

    @property
    def out_of_patience(self) -> bool:
        """Whether as many measurements as the recipe allows have brought nothing better."""
        return 0 < self.recipe.loop.patience <= self.state.since_best

    def due(self, every: int) -> bool:
        """Whether something that is done every so many steps, and after the last, is to be done now."""
        return self.state.step % every == 0 or self.state.step == self.recipe.loop.steps

    def start(self, resume: bool) -> None:
        """Begin anew or take up the state that is in the folder."""
        state = self.state
        if self.ranks.any(resume):  # where they share no disk, some do not find the run
            state.take(*self.ranks.share(lambda: find_state(self.folder)))
        if self.ranks.first:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_json("recipe.json", self.recipe.to_dict())
            self._write_json("plan.json", self.plan())
            self.data.held_out.save(self.folder)
            if not state.step:
                setup.warn_of_overlap(self.data)
            self.journal = Journal(
                self.folder, tensorboard=self.recipe.loop.tensorboard, resumed=state.step if resume else None
            )
        self._tell_plan()
        self._began = time.monotonic() - state.seconds

    def deliveries(self) -> Iterator[Delivery]:
        """What the steps that are left get."""
        done = self.state.step
        first = max(done - self._replay.length, 0)
        last = done if self.out_of_patience else self.recipe.loop.steps
        fetched = self._fetched(first, last, self.recipe.data.workers)
        waiting = time.monotonic()
        for step, delivery in enumerate(fetched, first):
            if step < done:
                self._replay.hold(step, self._painted(delivery))
                continue
            self._waited = time.monotonic() - waiting
            yield delivery
            waiting = time.monotonic()

    def step(self, delivery: Delivery) -> Outcome:
        """One step of gradient descent."""
        for message in delivery.skipped:
            if message not in self._told:  # a broken image comes again in each epoch
                log.warning("skipped %s", message)
                self._told.add(message)
        canvases = self.canvases(delivery)
        outcome = self._last = self.stepper.take(canvases)
        if outcome.problem is not None:
            self._unsound(outcome, canvases)
        new = sum(map(is_synthetic, delivery.sources))
        rendered, skipped = map(round, self.ranks.sum([new, len(delivery.skipped)]))
        if self.ranks.first:
            self.journal.step(outcome, waited=self._waited, rendered=rendered, skipped=skipped)
        return outcome

    def canvases(self, delivery: Delivery) -> list[Canvases]:
        """What the network shall see in the step that comes next: with words that are used again, augmented.

        All randomness of a step, in the network too, is a function of seed, step and process.
        """
        key = (self.recipe.seed, self.state.step, self.ranks.rank)
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]))
        random = np.random.default_rng(key)
        together = self._replay.add(self.state.step, self._painted(delivery))
        return [some.augmented(self.recipe.data.augment, random) for some in together]

    def report(self) -> None:
        """A line for the console and the log."""
        if not self.ranks.first or self._last is None:
            return
        state = self.state
        summary = self.journal.summary(self._last)
        rate = summary["images_per_second"]
        left = (self.recipe.loop.steps - state.step) * self.recipe.loop.batch_size / max(rate, 1e-9)
        self.log(
            "step %d/%d  loss %.4f  %.0f images/s  %s left",
            state.step,
            self.recipe.loop.steps,
            summary.get("loss", float("nan")),
            rate,
            duration(left),
        )
        self._write(**summary)

    def measure(self) -> None:
        """Measure the averaged weights, and keep them if they are the best so far."""
        began = time.monotonic()
        state = self.state
        runtime = TorchRuntime(state.average, str(self.device), bf16=self.stepper.dtype is torch.bfloat16)
        recognizer = Recognizer(self._bundle(), runtime)
        accuracy, score = measured(recognizer, self.data.validation, self.recipe.data.protocol, self.ranks)
        if state.step == 0 and accuracy:
            state.initial = score
        if better := score > state.best or not accuracy:
            state.best, state.since_best = score, 0
        else:
            state.since_best += 1
        if self.ranks.first:
            for name, value in accuracy.items():
                self.log("  %s: %.2f %%", name, value)
            if accuracy:
                self._write(accuracy=accuracy, score=round(score, 3))
                self._keep_mistakes(recognizer, save=better)
            if better:
                self.keep(accuracy)
            self.journal.leave_out(time.monotonic() - began)

    def keep(self, accuracy: dict[str, float] | None = None) -> None:
        """Write the averaged weights as the bundle of the run.

        Args:
            accuracy: what was measured; a run that is stopped before its first measurement has nothing to tell.
        """
        if self.ranks.first:
            save_model(self.best_path, self.state.average, self._bundle(**self._history(accuracy or {})))

    def save(self) -> None:
        """Write the state to go on from."""
        self.state.seconds = self._seconds
        if self.ranks.first:
            self.state.save(self.folder)

    def finish(self) -> None:
        """Say how the run ended, and write its report."""
        if not self.ranks.first:
            return
        state = self.state
        why = "done" if state.step >= self.recipe.loop.steps else "patience" if self.out_of_patience else "request"
        if why == "request":
            self.log("stopped after step %d; go on with --resume", state.step)
        if why == "patience":
            self.log("nothing better in %d measurements, so it stops after step %d", state.since_best, state.step)
        if state.initial >= 0:
            count = sum(source.size for source in self.data.validation)
            self.log("accuracy on %d images: %.2f %% before, %.2f %% after", count, state.initial, state.best)
            if state.best == state.initial:
                self.log("nothing was better than the weights that it began with, so %s has those", self.best_path)
        self._write(stopped=why)
        self.journal.close()
        try:
            self.log("report: %s", write_report(self.folder))
        except TrainingError as error:
            log.warning("there is no report of the run, which is complete all the same: %s", error)

    def plan(self) -> dict[str, Any]:
        """What the run is about to do, as plain values."""
        charset = self.codecs[self.state.model.primary].charset
        return {
            "samples": self.data.samples,
            "held_out": sum(len(chosen.indices) for chosen in self.data.held_out.known.values()),
            "validation": sum(source.size for source in self.data.validation),
            "charset": "".join(charset.characters),
            "new_characters": self._new_characters,
            "steps": self.recipe.loop.steps,
            "batch_size": self.recipe.loop.batch_size,
        }

    def log(self, message: str, *values: object) -> None:
        """Tell something, once for all processes."""
        if self.ranks.first:
            log.info(message, *values)

    def _fetched(self, start: int, stop: int, workers: int) -> Iterator[Delivery]:
        return deliveries(
            self.data.mixture,
            self.preprocessing,
            list(self.codecs.values()),
            start=start,
            stop=stop,
            workers=workers,
            # A processor paints in the loader's processes, so that the network does not wait for it.
            two_stages=self.device.type != "cpu",
            rank=self.ranks.rank,
            ranks=self.ranks.size,
        )

    def _tell_plan(self) -> None:
        """What is trained, and how long that will take, from the first step that is left, which is not taken."""
        state, loop, workers = self.state, self.recipe.loop, self.recipe.data.workers
        parameters = sum(parameter.numel() for parameter in state.model.parameters())
        where = f"{self.ranks.size} x {self.device.type}" if self.ranks.size > 1 else str(self.device)
        self.log("%s: %.2f M parameters on %s", self.recipe.model.name, parameters / 1e6, where)
        left = loop.steps - state.step
        if left <= 0 or self.out_of_patience:
            return
        began = time.perf_counter()
        delivery = next(self._fetched(state.step, state.step + 1, 0))
        fetching = time.perf_counter() - began
        # Words that are used again will join those that are new.
        share = loop.batch_size / self.ranks.size / len(delivery)
        stepping = self.stepper.rehearse(self._painted(delivery)) * share
        seconds = left * (max(stepping, fetching / workers) if workers else stepping + fetching)
        self.log(
            "steps %d to %d of %d images, which take about %s",
            state.step + 1,
            loop.steps,
            loop.batch_size,
            duration(seconds),
        )

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _check_size(self) -> None:
        """Refuse a batch in which some process would have no part.

        Raises:
            ConfigError: there are more processes than new samples in a step.
        """
        fresh = len(self.data.mixture.draws(self._replay.length))
        if fresh < self.ranks.size:
            raise ConfigError(
                f"a step has {fresh} new samples, too few for {self.ranks.size} processes; raise loop.batch_size, "
                f"which is {self.recipe.loop.batch_size}, or lower data.reuse, which is {self.recipe.data.reuse}"
            )

    def _painted(self, delivery: Delivery) -> list[Canvases]:
        return [paint(part, self.preprocessing, self.data.surfaces, self.device) for part in delivery.parts]

    def _unsound(self, outcome: Outcome, canvases: list[Canvases]) -> None:
        """Tell that a step was skipped; stop where that keeps happening."""
        guard, step = self.state.guard, self.state.step
        self.log("step %d is skipped: %s (%d so far)", step, outcome.problem, guard.skipped)
        if guard.gives_up:
            folder = self.folder if self.ranks.first else self.folder / f"process-{self.ranks.rank}"
            folder.mkdir(parents=True, exist_ok=True)
            where = dump(folder, step, canvases, {"problem": outcome.problem, "learning_rate": outcome.rate})
            raise TrainingError(
                f"{guard.in_a_row} steps in a row made no sense; at step {step}, {outcome.problem}. Look at its batch "
                f"in {where}, then begin another run with a lower optimiser.learning_rate; with --model.init it "
                f"can go on from a bundle of this one"
            )

    def _keep_mistakes(self, recognizer: Recognizer, *, save: bool) -> None:
        """Mistakes of the best weights are for the report, those of all measurements for TensorBoard."""
        if not save and not self.recipe.loop.tensorboard:
            return
        mistakes = find_mistakes(recognizer, self.data.validation, protocol=self.recipe.data.protocol, count=_MISTAKES)
        self.journal.mistakes(self.state.step, mistakes)
        if save:
            save_mistakes(self.folder, mistakes)

    def _bundle(self, **facts: Any) -> Bundle:
        return Bundle.of(self.recipe.model.name, self.state.average, self.preprocessing, **facts)

    def _history(self, accuracy: dict[str, float]) -> dict[str, Any]:
        """What a bundle tells of its making."""
        training = {
            "recipe": setup.without_paths(self.recipe),
            "steps": self.state.step,
            "images": self.state.images,
            "hours": round(self._seconds / 3600, 3),
            "device": f"{self.device} ({platform.machine()}, {torch.get_num_threads()} threads)",
        }
        licence, origin = self.recipe.licence, self.recipe.origin
        return {"accuracy": accuracy, "training": training, "licence": licence, "origin": origin}

    def _write(self, **values: Any) -> None:
        record = {"step": self.state.step, "images": self.state.images, "seconds": round(self._seconds, 1), **values}
        self.journal.write(record)
        self.show(record)

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        write_whole(self.folder / name, json.dumps(values, indent=2, ensure_ascii=False))
