"""Losses by name: functions of what a model gives and what its codec encoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from wildtext.codecs import Codec, Sequence, Subword
from wildtext.models import Model, Output
from wildtext.training.core_area import core_area
from wildtext.types import Floats

_CHUNK = 2**24
"""Logits whose cross entropy is taken at once."""


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
    """Cross entropy per slot that counts, averaged over slots.

    It is taken in float32, and where there are many classes in chunks whose intermediate values are computed again for
    the gradient: 27 slots of the 50,257 classes of GPT-2 would need 5.4 MB for each copy of each sample.
    """
    assert isinstance(codec, Sequence | Subword)
    wanted = targets.ids if codec.begin is None else targets.ids[:, 1:]
    # Padding may share its id with a real token, so what counts is decided by the lengths.
    counted = targets.lengths - int(codec.begin is not None)
    counts = torch.arange(wanted.shape[1], device=wanted.device) < counted[:, None]
    rows, ids = logits[:, codec.skip :][counts], wanted[counts]
    if rows.numel() <= _CHUNK:
        return _summed(rows, ids) / len(ids)
    most = max(_CHUNK // rows.shape[1], 1)
    sums = [
        checkpoint(_summed, *chunk, use_reentrant=False, preserve_rng_state=False)
        for chunk in zip(torch.split(rows, most), torch.split(ids, most), strict=True)
    ]
    return torch.stack(sums).sum() / len(ids)


def _summed(rows: Tensor, ids: Tensor) -> Tensor:
    return F.cross_entropy(rows.float(), ids, reduction="sum")


LOSSES: Mapping[str, Callable[[Tensor, Targets, Codec], Tensor]] = {"ctc": ctc, "cross_entropy": cross_entropy}

Boxes = Several[Floats | None]

MAP_LOSSES: Mapping[str, Callable[[Tensor, Boxes], Tensor]] = {"core_area": core_area}
"""Losses of maps: what the model gives, and for each sample the boxes (L, 4, 2) of its characters, in canvas pixels."""


def total_loss(output: Output, targets: Mapping[str, Targets], model: Model, boxes: Boxes) -> Tensor:
    """Weighted sum over the heads of a model and the maps that it wants supervised.

    Args:
        output: of the model, in training.
        targets: by head.
        model: says which losses it wants.
        boxes: for each sample the boxes of its characters, or None.
    """
    terms = [
        head.weight * LOSSES[head.loss](output.logits[name], targets[name], head.codec)
        for name, head in model.heads.items()
    ]
    terms += [
        supervision.weight * MAP_LOSSES[supervision.loss](output.maps[name], boxes)
        for name, supervision in model.supervised.items()
    ]
    return torch.stack(terms).sum()
