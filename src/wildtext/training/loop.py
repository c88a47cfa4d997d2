"""The training loop."""

from __future__ import annotations

import copy
import json
import logging
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from wildtext.codecs import Codec
from wildtext.config import Recipe
from wildtext.errors import TrainingError
from wildtext.evaluation.evaluator import evaluate
from wildtext.evaluation.results import pooled
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.torch_runtime import TorchRuntime
from wildtext.training import setup
from wildtext.training.alignment import character_spans
from wildtext.training.canvas import model_input
from wildtext.training.freezing import freeze, training_mode
from wildtext.training.loader import Delivery, Part, deliveries
from wildtext.training.losses import Targets, total_loss
from wildtext.training.optimiser import learning_rate, make_optimiser, update_average
from wildtext.training.state import TrainingState
from wildtext.training.statistics import as_part
from wildtext.weights.bundle import Bundle, save_model

log = logging.getLogger("wildtext.train")


def train(recipe: Recipe, folder: Path, *, resume: bool = False, seconds: float | None = None) -> Path:
    """Train a model.

    The folder gets `recipe.json`, `log.jsonl`, `state.safetensors` (to resume from) and `best.safetensors`, the bundle
    of the averaged weights with the best validation accuracy (or the last ones, without validation data).

    Args:
        recipe: what to do.
        folder: where to leave it.
        resume: go on from the state in the folder.
        seconds: stop after this time, with the state saved; None goes on to the last step.

    Returns:
        Path of the best bundle.

    Raises:
        TrainingError: the folder holds a run and `resume` is off, or another run than the one to resume; the loss is
            not finite; the state cannot be saved.
        ConfigError, DataError: the recipe or the data make no sense; raised before the first step.
    """
    run = Run(recipe, folder)
    run.start(resume)
    deadline = None if seconds is None else time.monotonic() + seconds
    state, loop = run.state, recipe.loop
    for delivery in run.deliveries():
        run.step(delivery)
        last = state.step == loop.steps
        stopping = not last and deadline is not None and time.monotonic() >= deadline
        if state.step % loop.log_every == 0 or last:
            run.report()
        if state.step % loop.evaluate_every == 0 or last or (stopping and run.lacks_bundle):
            run.measure()
        if state.step % loop.save_every == 0 or last or stopping:
            run.save()
        if stopping:
            log.info("time is up after step %d; go on with --resume", state.step)
            break
    return run.best_path


class Run:
    """The parts of a training run, and what is done with them at each step."""

    def __init__(self, recipe: Recipe, folder: Path):
        self.recipe = recipe
        self.folder = folder
        self.state_path = folder / "state.safetensors"
        self.best_path = folder / "best.safetensors"
        self.log_path = folder / "log.jsonl"
        self.device = setup.make_device(recipe.loop.device)
        if recipe.loop.threads:
            torch.set_num_threads(recipe.loop.threads)
        torch.manual_seed(recipe.seed)
        model, self.preprocessing = setup.make_model(recipe)
        freeze(model, recipe.model.freeze)
        model.to(self.device)
        self.codecs: dict[str, Codec] = {name: head.codec for name, head in model.heads.items()}
        self.mixture = setup.make_mixture(recipe, list(self.codecs.values()), self.preprocessing)
        self.surfaces = setup.surfaces(self.mixture)
        self.validation = setup.open_validation(recipe)
        average = copy.deepcopy(model).requires_grad_(False)
        self.state = TrainingState(model, average, make_optimiser(model, recipe.optimiser), recipe)
        self._began = time.monotonic()
        self._since = _Progress(self._began)

    @property
    def lacks_bundle(self) -> bool:
        """Whether there is no bundle of this run yet, or only one that is older than it need be."""
        return not self.validation or not self.best_path.exists()

    def start(self, resume: bool) -> None:
        """Begin anew or take up the state that is in the folder."""
        state = self.state
        if resume:
            state.load(self.state_path)
            self._trim_log()
        elif self.state_path.exists():
            raise TrainingError(f"{self.folder} holds a run already; give --resume to go on, or another --out")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "recipe.json").write_text(json.dumps(self.recipe.to_dict(), indent=2), encoding="utf-8")
        parameters = sum(parameter.numel() for parameter in state.model.parameters())
        log.info(
            "%s: %.2f M parameters on %s, steps %d to %d of %d images",
            self.recipe.model.name,
            parameters / 1e6,
            self.device,
            state.step + 1,
            self.recipe.loop.steps,
            self.recipe.loop.batch_size,
        )
        self._began = time.monotonic() - state.seconds
        self._since = _Progress(time.monotonic(), state.step, state.images)

    def deliveries(self) -> Iterator[Delivery]:
        """What the steps that are left get."""
        return deliveries(
            self.mixture,
            self.preprocessing,
            list(self.codecs.values()),
            start=self.state.step,
            stop=self.recipe.loop.steps,
            workers=self.recipe.data.workers,
            # A processor paints in the loader's processes, so that the network does not wait for it.
            two_stages=self.device.type != "cpu",
        )

    def step(self, delivery: Delivery) -> None:
        """One step of gradient descent."""
        for message in delivery.skipped:
            log.warning("skipped %s", message)
        state, options = self.state, self.recipe.optimiser
        for group in state.optimiser.param_groups:
            group["lr"] = learning_rate(state.step, self.recipe.loop.steps, options)
        state.optimiser.zero_grad(set_to_none=True)
        loss = self._add_gradients(delivery)
        norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), options.clip)
        if not torch.isfinite(loss) or not torch.isfinite(norm):
            raise TrainingError(
                f"at step {state.step + 1} the loss is {loss.item():g} and the norm of its gradient {norm.item():g}; "
                f"lower optimiser.learning_rate, or go on from the last state with --resume. "
                f"Samples: {', '.join(delivery.sources[:5])} ..."
            )
        state.optimiser.step()
        update_average(state.average, state.model, options.ema, state.step)
        state.step += 1
        state.images += len(delivery)
        self._since.loss += loss.item()

    def report(self) -> None:
        """A line for the console and the log."""
        state, since = self.state, self._since
        now = _Progress(time.monotonic(), state.step, state.images)
        rate = (now.images - since.images) / max(now.time - since.time, 1e-9)
        left = (self.recipe.loop.steps - state.step) * self.recipe.loop.batch_size / max(rate, 1e-9)
        loss = since.loss / max(now.step - since.step, 1)
        log.info(
            "step %d/%d  loss %.4f  %.0f images/s  %.0f min left",
            state.step,
            self.recipe.loop.steps,
            loss,
            rate,
            left / 60,
        )
        self._write(loss=round(loss, 5), images_per_second=round(rate, 1))
        self._since = now

    def measure(self) -> None:
        """Measure the averaged weights, and keep them if they are the best so far."""
        state, average = self.state, self.state.average
        bundle = Bundle.of(self.recipe.model.name, average, self.preprocessing)
        recognizer = Recognizer(bundle, TorchRuntime(average, str(self.device), bf16=self._half))
        results = [evaluate(recognizer, source, protocol=self.recipe.data.protocol) for source in self.validation]
        accuracy = {Path(result.name).name: round(result.accuracy, 2) for result in results}
        for name, value in accuracy.items():
            log.info("  %s: %.2f %%", name, value)
        score = pooled(results).accuracy if results else 0.0
        self._write(accuracy=accuracy)
        if score > state.best or not results:
            state.best = score
            save_model(self.best_path, average, self._describe(bundle, accuracy))

    def save(self) -> None:
        """Write the state to go on from."""
        self.state.seconds = self._seconds
        self.state.save(self.state_path)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def _half(self) -> bool:
        return self.recipe.loop.precision == "bf16"

    def _add_gradients(self, delivery: Delivery) -> torch.Tensor:
        """Add up the gradients of all parts, and give the loss.

        Losses are means, and each part counts by its share of the samples: so a step is a mean over all of them,
        whatever the sizes of their canvases.
        """
        training_mode(self.state.model)
        loss = torch.zeros((), device=self.device)
        for part in delivery.parts:
            with as_part(len(part), len(delivery), self.state.model):
                term = len(part) / len(delivery) * self._loss(part)
            term.backward()  # type: ignore[no-untyped-call]
            loss += term.detach()
        return loss

    def _loss(self, part: Part) -> torch.Tensor:
        batch, model = part.batch, self.state.model
        images = model_input(part, self.preprocessing, self.surfaces, self.device)
        shares = torch.from_numpy(batch.valid_width).to(self.device)
        targets = {}
        for name, head in model.heads.items():
            spans = character_spans(batch.boxes, batch.images.shape[2]) if head.aligned else None
            targets[name] = Targets.encode(head.codec, list(batch.texts), self.device, spans=spans)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            output = model(images, shares, {name: target.ids for name, target in targets.items()})
        return total_loss(output, targets, model, batch.boxes)

    def _describe(self, bundle: Bundle, accuracy: dict[str, float]) -> Bundle:
        training = {
            "recipe": setup.without_paths(self.recipe),
            "steps": self.state.step,
            "images": self.state.images,
            "hours": round(self._seconds / 3600, 3),
            "device": f"{self.device} ({platform.machine()}, {torch.get_num_threads()} threads)",
        }
        licence, origin = self.recipe.licence, self.recipe.origin
        return replace(bundle, accuracy=accuracy, training=training, licence=licence, origin=origin)

    def _write(self, **values: Any) -> None:
        record = {"step": self.state.step, "images": self.state.images, "seconds": round(self._seconds, 1), **values}
        with self.log_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def _trim_log(self) -> None:
        """Drop what was logged after the state that is resumed; those steps will be done again."""
        if not self.log_path.exists():
            return
        lines = self.log_path.read_text(encoding="utf-8").splitlines(keepends=True)
        unfinished = self.log_path.with_name(self.log_path.name + ".part")
        unfinished.write_text(
            "".join(line for line in lines if json.loads(line)["step"] <= self.state.step), encoding="utf-8"
        )
        os.replace(unfinished, self.log_path)


@dataclass
class _Progress:
    """What the next report counts from."""

    time: float
    step: int = 0
    images: int = 0
    loss: float = 0.0
