"""Optimisers, learning rates and the moving average."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wildtext.config import OptimiserOptions
from wildtext.training.patterns import fitting

_LOW = 25.0
"""With one-cycle, how many times lower than the peak the rate begins."""


def make_optimiser(model: nn.Module, options: OptimiserOptions) -> torch.optim.Optimizer:
    """The optimiser of the parameters that are trained, with a group for each factor of the learning rate.

    Weight decay goes to matrices and kernels alone: biases and normalisation should not shrink. Each group says under
    ``factor`` what `set_rate` multiplies the learning rate with.

    Raises:
        ConfigError: a pattern of `optimiser.rates` fits no parameter that is trained.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    for name, factor in _factors(trained, options.rates).items():
        groups.setdefault((factor, trained[name].ndim > 1), []).append(trained[name])
    return _KINDS[options.name](
        [
            {"params": parameters, "factor": factor, "weight_decay": options.weight_decay if decays else 0.0}
            for (factor, decays), parameters in sorted(groups.items(), key=lambda group: group[0], reverse=True)
        ],
        lr=options.learning_rate,
    )


def _factors(parameters: Mapping[str, Tensor], rates: Mapping[str, float]) -> dict[str, float]:
    factors = dict.fromkeys(parameters, 1.0)
    for pattern, factor in rates.items():
        factors.update(dict.fromkeys(fitting(pattern, parameters, "optimiser.rates"), factor))
    return factors


def _adamw(groups: list[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99), fused=True)


def _adam(groups: list[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=lr, fused=True)


def _adadelta(groups: list[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    return torch.optim.Adadelta(groups, lr=lr, rho=0.95, eps=1e-8)


_KINDS = {"adamw": _adamw, "adam": _adam, "adadelta": _adadelta}


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its learning rate: the common one times the factor of the group."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def learning_rate(step: int, steps: int, options: OptimiserOptions) -> float:
    """The learning rate of a step, from 0; a function of the step alone, so resuming needs no state.

    Warm-up is linear, with one-cycle (Smith and Topin 2019) a cosine from a 25th of the peak. The cosines end at zero,
    with one-cycle at 1 / 10,000 of where it began.
    """
    peak = options.learning_rate
    if step < options.warmup:
        if options.schedule == "one-cycle":
            return _cosine(peak / _LOW, peak, step / options.warmup)
        return peak * (step + 1) / options.warmup
    progress = min((step - options.warmup) / max(steps - options.warmup, 1), 1.0)
    match options.schedule:
        case "cosine":
            return _cosine(peak, 0.0, progress)
        case "one-cycle":
            return _cosine(peak, peak / _LOW / 1e4, progress)
        case "step":
            return peak * float(0.1 ** sum(step >= drop for drop in options.drops))
        case "constant":
            return peak


def _cosine(start: float, end: float, progress: float) -> float:
    """From start to end as half a period of a cosine."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the exponential average of weights and statistics one step; it follows quickly at first."""
    follow = 1 - min(decay, (1 + step) / (10 + step))
    pairs = list(zip(average.state_dict().values(), model.state_dict().values(), strict=True))
    floating = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_([mean for mean, _ in floating], [value for _, value in floating], follow)
    for mean, value in pairs:
        if not mean.is_floating_point():
            mean.copy_(value)
