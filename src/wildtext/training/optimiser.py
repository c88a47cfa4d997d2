"""Optimiser, learning rate and moving average."""

from __future__ import annotations

import math

import torch
from torch import nn

from wildtext.config import OptimiserOptions


def make_optimiser(model: nn.Module, options: OptimiserOptions) -> torch.optim.Optimizer:
    """AdamW; weight decay on matrices and kernels alone (biases and normalisation should not shrink)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.99), fused=True)


def learning_rate(step: int, steps: int, options: OptimiserOptions) -> float:
    """Linear warm-up, then a cosine to zero at `steps`; a function of the step alone, so resuming needs no state."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    progress = (step - options.warmup) / max(steps - options.warmup, 1)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the exponential average of weights and statistics one step; it follows quickly at first."""
    follow = 1 - min(decay, (1 + step) / (10 + step))
    for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, follow)
        else:
            mean.copy_(value)
