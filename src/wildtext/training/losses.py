"""Losses by name: functions of what a model gives and what its codec encoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from wildtext.codecs import Codec, Sequence
from wildtext.models import Head, Output


@dataclass(frozen=True)
class Targets:
    """Encoded labels of one head.

    Attributes:
        ids: (N, L) padded ids.
        lengths: (N,) how many of them count.
    """

    ids: Tensor
    lengths: Tensor

    @classmethod
    def encode(cls, codec: Codec, texts: list[str], device: torch.device) -> Targets:
        """Encode labels, in the form that the codec's charset declares, and move them to a device."""
        ids, lengths = codec.encode([codec.charset.normalize(text) for text in texts])
        return cls(torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device))


def ctc(logits: Tensor, targets: Targets, codec: Codec) -> Tensor:
    """Negative log likelihood under CTC, each sample divided by its label's length, averaged.

    `zero_infinity` is off: `CTC.problem` keeps out labels that do not fit, so an infinite loss is a defect to see.
    """
    log_probabilities = logits.float().log_softmax(-1).transpose(0, 1)
    steps = torch.full_like(targets.lengths, logits.shape[1])
    return F.ctc_loss(log_probabilities, targets.ids, steps, targets.lengths, reduction="mean")


def cross_entropy(logits: Tensor, targets: Targets, codec: Codec) -> Tensor:
    """Cross entropy per character slot, the end token included, padding left out, averaged over slots."""
    assert isinstance(codec, Sequence)
    wanted = targets.ids if codec.begin is None else targets.ids[:, 1:]
    # Padding may share its id with a real token, so what counts is decided by the lengths.
    counted = targets.lengths - int(codec.begin is not None)
    place = torch.arange(wanted.shape[1], device=wanted.device)
    wanted = wanted.masked_fill(place >= counted[:, None], -100)
    return F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=-100)


LOSSES: Mapping[str, Callable[[Tensor, Targets, Codec], Tensor]] = {"ctc": ctc, "cross_entropy": cross_entropy}


def total_loss(output: Output, targets: Mapping[str, Targets], heads: Mapping[str, Head]) -> Tensor:
    """Weighted sum over the heads of a model."""
    terms = [
        head.weight * LOSSES[head.loss](output.logits[name], targets[name], head.codec) for name, head in heads.items()
    ]
    return torch.stack(terms).sum()
