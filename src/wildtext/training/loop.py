"""The training loop."""

from __future__ import annotations

import copy
import json
import logging
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from wildtext.charset import Charset
from wildtext.codecs import Codec
from wildtext.config import Recipe, parse_share
from wildtext.data import LabelledSource, open_source
from wildtext.data.collate import usable
from wildtext.data.mixture import Ingredient, Mixture
from wildtext.errors import ConfigError, TrainingError
from wildtext.evaluation.evaluator import Result, evaluate
from wildtext.images import Preprocessing
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.torch_runtime import TorchRuntime
from wildtext.models import MODELS, Model, build
from wildtext.synth import SyntheticWords
from wildtext.training.loader import batches
from wildtext.training.losses import Targets, total_loss
from wildtext.training.optimiser import learning_rate, make_optimiser, update_average
from wildtext.training.state import TrainingState
from wildtext.types import Batch
from wildtext.weights.bundle import Bundle, load_model, save_model

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
        TrainingError: the folder holds a run and `resume` is off, the loss is not finite, or the state cannot be saved.
        ConfigError, DataError: the recipe or the data make no sense; raised before the first step.
    """
    run = Run(recipe, folder)
    run.start(resume)
    deadline = None if seconds is None else time.monotonic() + seconds
    state, loop = run.state, recipe.loop
    for batch in run.batches():
        loss = run.step(batch)
        last = state.step == loop.steps
        stopping = deadline is not None and time.monotonic() >= deadline
        if state.step % loop.log_every == 0 or last:
            run.report(loss)
        if state.step % loop.evaluate_every == 0 or last:
            run.measure()
        if state.step % loop.save_every == 0 or last or stopping:
            state.save(run.state_path)
        if stopping and not last:
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
        self.device = _device(recipe.loop.device)
        if recipe.loop.threads:
            torch.set_num_threads(recipe.loop.threads)
        torch.manual_seed(recipe.seed)
        model, self.preprocessing = _make_model(recipe)
        model.to(self.device)
        self.codecs: dict[str, Codec] = {name: head.codec for name, head in model.heads.items()}
        self.mixture = _make_mixture(recipe, list(self.codecs.values()))
        self.validation = [_open_validation(path) for path in recipe.data.validation]
        average = copy.deepcopy(model).requires_grad_(False)
        self.state = TrainingState(model, average, make_optimiser(model, recipe.optimiser), recipe=recipe.to_dict())
        self._since = _Progress(time.monotonic(), 0, 0.0)

    @property
    def model(self) -> Model:
        """The network that is trained."""
        assert isinstance(self.state.model, Model)
        return self.state.model

    def start(self, resume: bool) -> None:
        """Begin anew or take up the state that is in the folder."""
        if resume:
            self.state.load(self.state_path)
        elif self.state_path.exists():
            raise TrainingError(f"{self.folder} holds a run already; give --resume to go on, or another --out")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "recipe.json").write_text(json.dumps(self.recipe.to_dict(), indent=2), encoding="utf-8")
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        log.info(
            "%s: %.2f M parameters on %s, steps %d to %d of %d images",
            self.recipe.model.name,
            parameters / 1e6,
            self.device,
            self.state.step + 1,
            self.recipe.loop.steps,
            self.recipe.loop.batch_size,
        )
        self._since = _Progress(time.monotonic(), self.state.images, 0.0)

    def batches(self) -> Iterator[Batch]:
        """The batches that are left."""
        return batches(
            self.mixture,
            self.preprocessing,
            list(self.codecs.values()),
            start=self.state.step,
            stop=self.recipe.loop.steps,
            workers=self.recipe.data.workers,
        )

    def step(self, batch: Batch) -> float:
        """One step of gradient descent; returns the loss."""
        began = time.monotonic()
        for message in batch.skipped:
            log.warning("skipped %s", message)
        model, optimiser, options = self.model.train(), self.state.optimiser, self.recipe.optimiser
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(self.state.step, self.recipe.loop.steps, options)
        images = torch.from_numpy(self.preprocessing.normalize(batch.images, batch.valid_width)).to(self.device)
        shares = torch.from_numpy(batch.valid_width).to(self.device)
        targets = {name: Targets.encode(codec, list(batch.texts), self.device) for name, codec in self.codecs.items()}
        half = self.recipe.loop.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            output = model(images, shares, {name: target.ids for name, target in targets.items()})
        loss = total_loss(output, targets, model.heads)
        value = loss.item()
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {value} at step {self.state.step + 1}; lower optimiser.learning_rate or go on from the "
                f"last state with --resume. Samples: {', '.join(batch.sources[:5])} ..."
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), options.clip)
        optimiser.step()
        update_average(self.state.average, model, options.ema, self.state.step)
        self.state.step += 1
        self.state.images += len(batch)
        self.state.seconds += time.monotonic() - began
        self._since.loss += value
        return value

    def report(self, loss: float) -> None:
        """A line for the console and the log."""
        now, since = time.monotonic(), self._since
        images = self.state.images - since.images
        rate = images / max(now - since.time, 1e-9)
        left = (self.recipe.loop.steps - self.state.step) * self.recipe.loop.batch_size / max(rate, 1e-9)
        mean = since.loss / max(images / self.recipe.loop.batch_size, 1)
        log.info(
            "step %d/%d  loss %.4f  %.0f images/s  %.0f min left",
            self.state.step,
            self.recipe.loop.steps,
            mean,
            rate,
            left / 60,
        )
        self._write(loss=round(mean, 5), images_per_second=round(rate, 1))
        self._since = _Progress(now, self.state.images, 0.0)

    def measure(self) -> None:
        """Measure the averaged weights, and keep them if they are the best so far."""
        average = self.state.average
        assert isinstance(average, Model)
        bundle = Bundle.of(self.recipe.model.name, average, self.preprocessing)
        runtime = TorchRuntime(average, str(self.device), bf16=self.recipe.loop.precision == "bf16")
        results = [
            evaluate(Recognizer(bundle, runtime), source, protocol=self.recipe.data.protocol)
            for source in self.validation
        ]
        accuracy = {result.name: round(result.accuracy, 2) for result in results}
        for result in results:
            log.info("  %s: %.2f %% of %d", result.name, result.accuracy, result.images)
        self._write(accuracy=accuracy)
        pooled = _pooled(results)
        if pooled > self.state.best or not results:
            self.state.best = pooled
            save_model(self.best_path, average, self._describe(bundle, accuracy))

    def _describe(self, bundle: Bundle, accuracy: dict[str, float]) -> Bundle:
        training = {
            "recipe": self.recipe.to_dict(),
            "steps": self.state.step,
            "images": self.state.images,
            "hours": round(self.state.seconds / 3600, 3),
            "device": f"{self.device} ({platform.machine()}, {torch.get_num_threads()} threads)",
        }
        return replace(bundle, accuracy=accuracy, training=training)

    def _write(self, **values: Any) -> None:
        record = {
            "step": self.state.step,
            "images": self.state.images,
            "seconds": round(self.state.seconds, 1),
            **values,
        }
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


@dataclass
class _Progress:
    """What the next report counts from."""

    time: float
    images: int
    loss: float


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"loop.device is {name!r}, which cannot be used: {error}") from error


def _make_model(recipe: Recipe) -> tuple[Model, Preprocessing]:
    options = recipe.model
    if options.init:
        model, bundle = load_model(Path(options.init))
        return model, bundle.preprocessing
    if options.name not in MODELS:
        raise ConfigError(f"model.name is {options.name!r}; known are {', '.join(MODELS)}")
    preset = MODELS[options.name]
    charset = Charset.load(options.charset or preset.charset)
    return build(options.name, charset, options.sizes), preset.preprocessing


def _make_mixture(recipe: Recipe, codecs: list[Codec]) -> Mixture:
    ingredients = []
    for name, share in map(parse_share, recipe.data.train):
        if name == "synth":
            ingredients.append(Ingredient(_make_synth(recipe, codecs[0].charset), share))
            continue
        source = open_source(name)
        checked = usable(source, codecs)
        log.info("%s: %d of %d samples can be used", name, len(checked.indices), checked.total)
        for reason, count in checked.dropped.most_common():
            log.info("  %d dropped: %s, e.g. %s", count, reason, checked.examples[reason][0])
        ingredients.append(Ingredient(source, share, checked.indices))
    return Mixture(ingredients, recipe.loop.batch_size, recipe.seed)


def _make_synth(recipe: Recipe, charset: Charset) -> SyntheticWords:
    paths = {
        name: Path(value) if value else None
        for name, value in (
            ("fonts", recipe.synth.fonts),
            ("words", recipe.synth.words),
            ("backgrounds", recipe.synth.backgrounds),
        )
    }
    return SyntheticWords(recipe.seed, charset=charset, **paths)


def _open_validation(path: str) -> LabelledSource:
    source = open_source(path)
    if source.size == 0:
        raise ConfigError(f"data.validation: {path} has no samples")
    return source


def _pooled(results: list[Result]) -> float:
    images = sum(result.images for result in results)
    return 100 * sum(result.correct for result in results) / images if images else 0.0
