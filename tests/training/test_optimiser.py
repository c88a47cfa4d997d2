"""Learning rates follow their schedule, and optimisers move what they should as fast as they should."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import pytest
import torch
from torch import nn

from wildtext.config import OptimiserOptions
from wildtext.errors import ConfigError
from wildtext.training.freezing import freeze
from wildtext.training.optimiser import learning_rate, make_optimiser, set_rate, update_average

STEPS = 100

Schedule = Literal["cosine", "one-cycle", "step", "constant"]


def options(schedule: Schedule, warmup: int = 10) -> OptimiserOptions:
    return OptimiserOptions(
        learning_rate=1.0, schedule=schedule, warmup=warmup, drops=(40, 70) if schedule == "step" else ()
    )


def rates(options: OptimiserOptions) -> list[float]:
    """The learning rates of all steps of a run."""
    return [learning_rate(step, STEPS, options) for step in range(STEPS)]


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 3))


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def take_step(model: nn.Module, optimiser: torch.optim.Optimizer, *, rate: float = 0.1) -> None:
    optimiser.zero_grad()
    model(torch.linspace(-1, 1, 20).view(5, 4)).square().sum().backward()
    set_rate(optimiser, rate)
    optimiser.step()


def moves(model: nn.Module, changed: OptimiserOptions) -> dict[str, float]:
    """How far the weights of a model go in one step."""
    before = weights(model)
    take_step(model, make_optimiser(model, changed))
    return {name: float((value - before[name]).abs().max()) for name, value in weights(model).items()}


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_warm_up_rises_in_equal_steps_to_the_peak(schedule: Schedule) -> None:
    assert rates(options(schedule))[:10] == pytest.approx([step / 10 for step in range(1, 11)])


def test_one_cycle_begins_at_a_25th_of_the_peak_and_ends_at_nearly_nothing() -> None:
    one_cycle = options("one-cycle")
    assert rates(one_cycle)[0] == pytest.approx(1 / 25)
    assert learning_rate(STEPS, STEPS, one_cycle) == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
@pytest.mark.parametrize("warmup", [0, 1, 10])
def test_cosines_rise_to_the_peak_and_fall_from_it_without_a_leap(schedule: Schedule, warmup: int) -> None:
    found = rates(options(schedule, warmup))
    top = found.index(max(found))
    assert found[top] == pytest.approx(1.0)
    assert top <= warmup
    assert found[:top] == sorted(found[:top])
    assert found[top:] == sorted(found[top:], reverse=True)
    # A cosine over 90 steps falls by at most pi / 2 / 90 with each; ten steps of warm-up rise by a tenth to a sixth.
    falls = [before - after for before, after in itertools.pairwise(found[top:])]
    assert max(falls) < math.pi / 2 / (STEPS - warmup) * 1.01
    assert found[-1] < 1e-3
    assert learning_rate(STEPS, STEPS, options(schedule, warmup)) == pytest.approx(0, abs=1e-5)


def test_steps_take_a_tenth_at_each_drop() -> None:
    found = rates(options("step"))
    assert found[10:40] == [1.0] * 30
    assert found[40:70] == pytest.approx([0.1] * 30)
    assert found[70:] == pytest.approx([0.01] * 30)


def test_a_constant_rate_stays() -> None:
    assert rates(options("constant", warmup=0)) == [1.0] * STEPS


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "step", "constant"])
def test_a_run_that_is_shorter_than_its_warm_up_never_goes_beyond_the_peak(schedule: Schedule) -> None:
    long = options(schedule, warmup=2 * STEPS)
    assert 0 < max(rates(long)) <= 1.0
    # A run may be given more steps later, and fewer.
    assert 0 <= learning_rate(3 * STEPS, STEPS, long) <= 1.0


@pytest.mark.parametrize("name", ["adamw", "adam", "adadelta"])
def test_every_optimiser_makes_the_loss_smaller(name: Literal["adamw", "adam", "adadelta"]) -> None:
    model, images = network(), torch.linspace(-1, 1, 20).view(5, 4)
    optimiser = make_optimiser(model, OptimiserOptions(name=name))
    before = model(images).square().sum().item()
    for _ in range(60):
        take_step(model, optimiser, rate=1.0 if name == "adadelta" else 0.01)
    assert model(images).square().sum().item() < before / 2


@pytest.mark.parametrize("name", ["adamw", "adam", "adadelta"])
def test_only_matrices_decay(name: Literal["adamw", "adam", "adadelta"]) -> None:
    model = network()
    before = weights(model)
    optimiser = make_optimiser(model, OptimiserOptions(name=name, weight_decay=0.5))
    for value in model.parameters():
        value.grad = torch.zeros_like(value)
    set_rate(optimiser, 0.1)
    optimiser.step()
    shrunk = {name for name, value in weights(model).items() if value.abs().sum() < before[name].abs().sum()}
    assert shrunk == {"0.weight", "2.weight"}
    for vector in ("0.bias", "1.weight", "1.bias", "2.bias"):
        assert torch.equal(weights(model)[vector], before[vector]), vector


def test_parameters_have_the_rates_of_their_patterns_and_the_last_pattern_wins() -> None:
    changed = OptimiserOptions(weight_decay=0.0, rates={"0.*": 0.5, "*.bias": 0.25, "1.weight": 0.0})
    found = moves(network(), changed)
    # The first step of Adam goes as far as the learning rate, whatever the gradient.
    assert found == pytest.approx(
        {
            "0.weight": 0.05,
            "0.bias": 0.025,
            "1.weight": 0.0,
            "1.bias": 0.025,
            "2.weight": 0.1,
            "2.bias": 0.025,
        },
        rel=1e-3,
    )


def test_factors_follow_the_schedule() -> None:
    model = network()
    optimiser = make_optimiser(model, OptimiserOptions(rates={"0.*": 0.1}))
    for rate in (1.0, 0.3):
        set_rate(optimiser, rate)
        of = {parameter: group["lr"] for group in optimiser.param_groups for parameter in group["params"]}
        assert of[model.get_parameter("0.weight")] == of[model.get_parameter("0.bias")] == pytest.approx(0.1 * rate)
        assert of[model.get_parameter("2.weight")] == pytest.approx(rate)


def test_a_pattern_that_fits_nothing_names_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"optimiser\.rates has 'trunk\.\*', .* names begin with 0, 1, 2"):
        make_optimiser(network(), OptimiserOptions(rates={"trunk.*": 0.1}))
    with pytest.raises(ConfigError, match=r"'0\.kernel', .* names begin with 0\.weight, 0\.bias$"):
        make_optimiser(network(), OptimiserOptions(rates={"0.kernel": 0.1}))


@pytest.mark.parametrize("name", ["adamw", "adam", "adadelta"])
def test_what_is_frozen_is_left_alone_even_by_weight_decay(name: Literal["adamw", "adam", "adadelta"]) -> None:
    model = network()
    freeze(model, ["0.*"])
    found = moves(model, OptimiserOptions(name=name, weight_decay=0.5))
    assert found["0.weight"] == found["0.bias"] == 0
    assert found["2.weight"] > 0


def test_a_pattern_for_what_is_frozen_is_refused() -> None:
    model = network()
    freeze(model, ["0.*"])
    with pytest.raises(ConfigError, match=r"'0\.\*', which fits no parameter"):
        make_optimiser(model, OptimiserOptions(rates={"0.*": 0.1}))


def test_the_average_follows_quickly_at_first_and_slowly_later() -> None:
    model, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2).requires_grad_(False)
    with torch.no_grad():
        model.weight.fill_(2.0)
    model.running_mean = torch.tensor([4.0, 4.0])
    model.num_batches_tracked = torch.tensor(7)
    update_average(average, model, 0.99, step=0)
    assert average.weight.tolist() == pytest.approx([1.9, 1.9])
    assert average.running_mean is not None
    assert average.running_mean.tolist() == pytest.approx([3.6, 3.6])
    assert average.num_batches_tracked is not None
    assert average.num_batches_tracked.item() == 7
    update_average(average, model, 0.99, step=10**6)
    assert average.weight.tolist() == pytest.approx([1.901, 1.901])
