"""Batch normalisation where the samples of a step go through the network in parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_ENOUGH = 8
"""Images whose own mean and variance are sound enough to normalise them with."""


@contextmanager
def as_part(count: int, whole: int, model: nn.Module) -> Iterator[None]:
    """Let batch normalisation know that its images are a part of those of a step.

    Running statistics move by the share of the part, so that a step of many parts moves them as much as a step of one,
    and a part of ten images less than one of a hundred. A small part is normalised with the running statistics, as it
    will be when the model reads, and leaves them as they are: a network learns to tell a few images by their own mean
    and variance, and reads nothing without them.

    Args:
        count: images of the part.
        whole: images of the step.
        model: in training mode.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    before = [(layer, layer.momentum, layer.training) for layer in layers]
    for layer, momentum, training in before:
        layer.momentum = None if momentum is None else count / whole * momentum
        layer.train(training and count >= min(_ENOUGH, whole))
    try:
        yield
    finally:
        for layer, momentum, training in before:
            layer.momentum = momentum
            layer.train(training)


def running_statistics(model: nn.Module) -> list[Tensor]:
    """Running means and variances of all batch normalisation of a model, and how many batches they are made of."""
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    return [value for layer in layers for value in layer.buffers()]
