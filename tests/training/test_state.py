"""What a run goes on from is what it stopped with."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from wildtext.charset import Charset
from wildtext.config import ModelOptions, OptimiserOptions, Recipe
from wildtext.models import build
from wildtext.training.optimiser import make_optimiser
from wildtext.training.state import TrainingState, find_state

SMALL = {"channels": 16, "depths": [1, 1, 1, 1], "features": 32, "heads": 2, "encoder_units": 1, "semantic_units": 1}
RECIPE = Recipe(model=ModelOptions("srn", "36", SMALL))


def fresh() -> TrainingState:
    torch.manual_seed(0)
    model = build("srn", Charset.named("36"), SMALL)
    optimiser = make_optimiser(model, OptimiserOptions())
    return TrainingState(model, copy.deepcopy(model), optimiser, torch.amp.GradScaler("cpu", enabled=False), RECIPE)


def step(state: TrainingState) -> None:
    torch.manual_seed(1)
    loss = state.model.train()(torch.randn(2, 1, 64, 256)).logits["text"].square().mean()
    state.optimiser.zero_grad()
    loss.backward()
    state.optimiser.step()


def test_kernels_may_lie_in_any_order(tmp_path: Path) -> None:
    # The fused optimiser does not look at strides, and the kernels of this model lie channels last.
    whole, stopped, resumed = fresh(), fresh(), fresh()
    for state in (whole, stopped):
        step(state)
    stopped.save(tmp_path)
    resumed.take(*find_state(tmp_path))
    for state in (whole, resumed):
        step(state)
    for name, value in whole.model.state_dict().items():
        assert resumed.model.state_dict()[name].equal(value), name
