"""What is frozen stays as it is, statistics included."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wildtext.errors import ConfigError
from wildtext.training.freezing import freeze, training_mode


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 1, 1))


def test_frozen_layers_keep_weights_and_statistics() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    freeze(model, ["0.*", "1.*"])
    training_mode(model)
    optimiser = torch.optim.SGD([value for value in model.parameters() if value.requires_grad], lr=0.1)
    model(torch.randn(4, 1, 8, 8)).square().mean().backward()
    optimiser.step()
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert changed == {"3.weight", "3.bias"}
    assert model[2].training, "dropout has nothing to freeze"


@pytest.mark.parametrize(
    ("pattern", "message"), [("trunk.*", r"'trunk\.\*', which fits no parameter"), ("*", "leaves nothing to train")]
)
def test_patterns_must_make_sense(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        freeze(network(), [pattern])
