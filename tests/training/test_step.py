"""A step is the same however it is computed, and one that makes no sense leaves no trace."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tests.training.test_training import SMALL, recipe
from wildtext.config import ModelOptions, OptimiserOptions, Recipe
from wildtext.errors import ConfigError, TrainingError
from wildtext.training.canvas import Canvases
from wildtext.training.loop import train
from wildtext.training.run import Run
from wildtext.training.setup import usable_precision
from wildtext.training.step import Outcome, Stepper

CROSS_ENTROPY = ModelOptions("crnn-seq2seq", "36", {"channels": 64, "hidden": 32})


def looped(**changes: Any) -> Recipe:
    return recipe(loop=replace(recipe().loop, **changes))


def begun(options: Recipe, folder: Path) -> tuple[Run, list[Canvases]]:
    """A run that has not taken a step, and what the first one shall get."""
    run = Run(options, folder)
    return run, run.canvases(next(run.deliveries()))


def begun_in_fp16(folder: Path) -> tuple[Run, list[Canvases]]:
    """A run as it would be on a GPU without bf16."""
    run, canvases = begun(recipe(), folder)
    run.state.scaler = torch.amp.GradScaler("cpu")
    run.stepper = Stepper(run.state, run.preprocessing, run.ranks, "fp16")
    return run, canvases


def assert_moves_to_sound_weights(run: Run, canvases: list[Canvases]) -> None:
    before = weights(run.state.model)
    for _ in range(3):
        outcome = run.stepper.take(canvases)
        assert math.isfinite(outcome.loss)
        assert outcome.problem is None
    after = weights(run.state.model)
    assert differing(before, after)
    assert all(value.dtype == before[name].dtype for name, value in after.items())
    assert all(value.isfinite().all() for value in after.values())


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    return {name for name, value in one.items() if not torch.equal(value, other[name])}


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[int], float], None]:
    """Multiply the loss of some steps, from 0, with something."""
    loss = Stepper.loss

    def spoil(steps: set[int], factor: float) -> None:
        monkeypatch.setattr(
            Stepper, "loss", lambda self, canvases: loss(self, canvases) * (factor if self.state.step in steps else 1)
        )

    return spoil


def test_a_step_in_pieces_is_the_step_in_one_piece(tmp_path: Path, any_size: str) -> None:
    found = []
    for accumulate in (1, 3, 24):
        # Statistics of normalisation are those of a piece, so it is frozen; the gradient is compared before clipping.
        options = recipe(
            model=ModelOptions(any_size, "36", freeze=("norm.*",)),
            optimiser=OptimiserOptions(warmup=2, clip=1e9),
            loop=replace(recipe().loop, batch_size=24, accumulate=accumulate),
        )
        run, canvases = begun(options, tmp_path)
        assert len(canvases) > 1
        outcome = run.stepper.take(canvases)
        found.append((outcome, gradients(run.state.model)))
    (whole, wanted), *others = found
    assert len(wanted) > 10
    for outcome, got in others:
        assert outcome.loss == pytest.approx(whole.loss, rel=1e-4)
        assert outcome.norm == pytest.approx(whole.norm, rel=1e-3)
        assert outcome.images == whole.images == 24
        for name, value in wanted.items():
            torch.testing.assert_close(got[name], value, rtol=1e-3, atol=1e-6, msg=name)


def test_labels_are_smoothed_for_cross_entropy(tmp_path: Path) -> None:
    losses = []
    for smoothing in (0.0, 0.1):
        options = recipe(model=CROSS_ENTROPY, loop=replace(recipe().loop, label_smoothing=smoothing))
        run, canvases = begun(options, tmp_path)
        losses.append(run.stepper.loss(canvases[0]).item())
    assert math.isfinite(losses[1])
    assert abs(losses[1] - losses[0]) > 1e-4


def test_labels_are_not_smoothed_for_ctc(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loop\.label_smoothing is for cross entropy, and no head of wildnet"):
        train(looped(label_smoothing=0.1), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_sixteen_bits_train_on_a_processor(tmp_path: Path) -> None:
    run, canvases = begun(looped(precision="bf16"), tmp_path)
    assert_moves_to_sound_weights(run, canvases)


def test_a_scaled_loss_in_fp16_trains(tmp_path: Path) -> None:
    run, canvases = begun_in_fp16(tmp_path)
    assert run.state.scaler.get_scale() > 1
    assert_moves_to_sound_weights(run, canvases)


@pytest.mark.parametrize(
    ("wanted", "has_bf16", "taken"),
    [("fp16", True, "bf16"), ("fp16", False, "fp32"), ("bf16", False, "fp32"), ("bf16", True, "bf16")],
)
def test_a_processor_takes_what_it_can_do_and_tells(
    wanted: str, has_bf16: bool, taken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has_bf16)
    with caplog.at_level("INFO"):
        assert usable_precision(wanted, torch.device("cpu")) == taken
    assert (f"{taken} is taken" in caplog.text) is (taken != wanted)


def test_a_compiler_that_fails_is_told_of_and_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def compiler(*_: Any, **__: Any) -> Any:
        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("no C compiler\nand a long story of it")

        return broken

    plain, canvases = begun(recipe(), tmp_path)
    wanted = [plain.stepper.take(canvases) for _ in range(2)]
    monkeypatch.setattr(torch, "compile", compiler)
    run, canvases = begun(looped(compile=True), tmp_path)
    run.stepper.rehearse(canvases)
    outcomes = [run.stepper.take(canvases) for _ in range(2)]
    assert [outcome.loss for outcome in outcomes] == [outcome.loss for outcome in wanted]
    assert not differing(weights(plain.state.model), weights(run.state.model))
    (message,) = (record.getMessage() for record in caplog.records if "torch.compile" in record.getMessage())
    assert "no C compiler" in message
    assert "long story" not in message


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # its compilers have warnings of their own
def test_a_compiled_network_computes_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain, canvases = begun(recipe(), tmp_path)
    compiled, _ = begun(looped(compile=True), tmp_path)
    compiled.stepper.rehearse(canvases)
    for _ in range(2):
        wanted, got = (run.stepper.take(canvases) for run in (plain, compiled))
        assert got.loss == pytest.approx(wanted.loss, rel=1e-4)
        assert got.norm == pytest.approx(wanted.norm, rel=1e-3)
    assert "torch.compile" not in caplog.text


@pytest.mark.parametrize(
    ("factor", "told"), [(float("nan"), "the loss is nan"), (1e6, "is typical"), (float("inf"), "the loss is inf")]
)
def test_a_step_that_makes_no_sense_leaves_no_trace(
    factor: float, told: str, tmp_path: Path, spoil: Callable[[set[int], float], None]
) -> None:
    run, canvases = begun(recipe(), tmp_path)
    state = run.state
    spoil({1}, factor)
    first = run.stepper.take(canvases)
    model, average, moments = weights(state.model), weights(state.average), copy.deepcopy(state.optimiser.state_dict())
    images = state.images
    assert any("running_mean" in name for name in model)

    second = run.stepper.take(canvases)

    assert first.problem is None
    assert second.problem is not None
    assert told in second.problem
    assert (state.step, state.images, state.guard.skipped) == (2, images, 1)
    # The count of batches of a normalisation has no effect on anything.
    assert all(name.endswith("num_batches_tracked") for name in differing(model, weights(state.model)))
    assert not differing(average, weights(state.average))
    for number, values in state.optimiser.state_dict()["state"].items():
        assert not differing(moments["state"][number], values)

    third = run.stepper.take(canvases)
    assert third.problem is None
    assert state.guard.in_a_row == 0
    assert differing(model, weights(state.model))
    assert all(value.isfinite().all() for value in weights(state.model).values())


def test_skipped_steps_are_logged_and_the_run_goes_on(tmp_path: Path, spoil: Callable[[set[int], float], None]) -> None:
    spoil({1, 4}, float("nan"))
    train(recipe(), tmp_path)
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    records = [json.loads(line, parse_constant=refuse) for line in lines]
    assert {record["step"]: record.get("skipped_steps", 0) for record in records if "loss" in record} == {
        2: 1,
        4: 0,
        6: 1,
    }
    assert records[-1] | {"seconds": 0} == {"step": 6, "images": 16, "seconds": 0, "stopped": "done"}


def test_steps_that_keep_making_no_sense_stop_the_run_and_leave_their_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[set[int], float], None]
) -> None:
    seen: list[list[Canvases]] = []
    take = Run.canvases

    def recorded(self: Run, *given: Any) -> list[Canvases]:
        seen.append(take(self, *given))
        return seen[-1]

    monkeypatch.setattr(Run, "canvases", recorded)
    # One sound step between two unsound ones starts the count anew.
    spoil({0, 2, 3, 4, 5, 6}, float("nan"))
    with pytest.raises(TrainingError, match=r"5 steps in a row made no sense; at step 7, .*unsound-step-7\.png"):
        train(looped(steps=20), tmp_path)
    (picture,) = tmp_path.glob("*.png")
    with Image.open(picture) as opened:
        opened.load()
        assert min(opened.size) > 30
    told = json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))
    assert told["step"] == 7
    assert "nan" in told["problem"]
    batch = [(source, text) for some in seen[6] for source, text in zip(some.sources, some.texts, strict=True)]
    assert [(sample["source"], sample["text"]) for sample in told["samples"]] == batch


def test_fp16_lowers_its_scale_where_gradients_overflow_and_counts_that_as_no_problem(tmp_path: Path) -> None:
    run, canvases = begun_in_fp16(tmp_path)
    state = run.state
    before = weights(state.model)
    # Doubled until the gradient of a half-precision weight is beyond 65,504.
    state.scaler.load_state_dict(state.scaler.state_dict() | {"scale": 2.0**60})
    outcome = run.stepper.take(canvases)
    assert not math.isfinite(outcome.norm)
    assert outcome.problem is None
    assert state.guard.skipped == 0
    assert state.scaler.get_scale() < 2.0**60
    parameters = {name for name, _ in state.model.named_parameters()}
    assert not parameters & differing(before, weights(state.model))
    assert all(value.isfinite().all() for value in weights(state.model).values())


def outcome_of(options: Recipe, folder: Path, form: torch.memory_format) -> Outcome:
    run, canvases = begun(options, folder)
    run.state.model.to(memory_format=form)  # type: ignore[call-overload]
    return [run.stepper.take(canvases) for _ in range(2)][-1]


@pytest.mark.parametrize("model", [ModelOptions("wildnet", "36", SMALL), CROSS_ENTROPY])
def test_weights_may_lie_channels_last(model: ModelOptions, tmp_path: Path) -> None:
    plain, last = (
        outcome_of(recipe(model=model), tmp_path, form) for form in (torch.contiguous_format, torch.channels_last)
    )
    assert last.loss == pytest.approx(plain.loss, rel=1e-3)
    assert last.norm == pytest.approx(plain.norm, rel=1e-2)
