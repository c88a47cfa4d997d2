"""Parts of a model that training leaves as they are."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from wildtext.errors import ConfigError
from wildtext.training.patterns import fitting


def freeze(model: nn.Module, patterns: Iterable[str]) -> None:
    """Keep the parameters whose names fit one of the patterns from being trained.

    Args:
        model: is changed.
        patterns: shell patterns for names of parameters, e.g. ``trunk.*``.

    Raises:
        ConfigError: a pattern fits no name, or nothing would be left to train.
    """
    parameters = dict(model.named_parameters())
    for pattern in patterns:
        for name in fitting(pattern, parameters, "model.freeze"):
            parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise ConfigError("model.freeze leaves nothing to train")


def training_mode(model: nn.Module) -> None:
    """Put a model into training mode, but for layers that are frozen: their running statistics stay as they are too."""
    model.train()
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()
