"""Losses by name: functions of what a model gives and what its codec encoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from wildtext.codecs import Codec, Sequence, Subword
from wildtext.models import IGNORED, Model, Output
from wildtext.training.alignment import column_targets
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
        spans: (N, S, 2) from `character_spans`: where in the canvas characters stand, for heads that are `aligned`.
        smoothing: share of each answer that cross entropy spreads over all classes (Szegedy et al. 2016).
    """

    ids: Tensor
    lengths: Tensor
    spans: Tensor | None = None
    smoothing: float = 0.0

    @classmethod
    def encode(
        cls,
        codec: Codec,
        texts: list[str],
        device: torch.device,
        *,
        spans: Tensor | None = None,
        smoothing: float = 0.0,
    ) -> Targets:
        """Encode labels, in the form that the codec's charset declares, and move them to a device."""
        ids, lengths = codec.encode([codec.charset.normalize(text) for text in texts])
        places = None if spans is None else spans.to(device)
        return cls(torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device), places, smoothing)


def ctc(logits: Tensor, targets: Targets, codec: Codec) -> Tensor:
    """Negative log likelihood under CTC, each sample divided by its label's length, averaged.

    Where the targets say where characters stand, samples that cannot be read yet also get the cross entropy of their
    columns (`column_targets`).
    """
    return (_ctc(logits, targets) / targets.lengths).mean()


def ctc_undivided(logits: Tensor, targets: Targets, codec: Codec) -> Tensor:
    """Like `ctc`, but the likelihood is that of the whole label, so that long labels count more."""
    return _ctc(logits, targets).mean()


def _ctc(logits: Tensor, targets: Targets) -> Tensor:
    """The loss of each sample.

    `zero_infinity` is off: `CTC.problem` keeps out labels that do not fit, so an infinite loss is a defect to see.
    """
    log_probabilities = logits.float().log_softmax(-1)
    steps = torch.full_like(targets.lengths, logits.shape[1])
    likelihood = F.ctc_loss(log_probabilities.transpose(0, 1), targets.ids, steps, targets.lengths, reduction="none")
    if targets.spans is None:
        return likelihood
    classes = column_targets(targets.ids, targets.lengths, targets.spans, logits.shape[1])
    columns = F.nll_loss(log_probabilities.transpose(1, 2), classes, ignore_index=IGNORED, reduction="none").sum(dim=1)
    return likelihood + _unread(likelihood / targets.lengths) * columns


def _unread(likelihood: Tensor) -> Tensor:
    """How much each sample needs to be shown which columns hold which character, in [0, 1].

    All of it where it and the median sample have a negative log likelihood of two nats or more a character, and less
    the smaller these are: columns show a way to read, and a network that has found one is left free to choose its own.
    The median keeps words that nobody could read from filling the loss of a network that reads the others.
    """
    shares = (likelihood.detach() / 2).clamp(max=1)
    return shares * shares.median()


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
    return _mean_cross_entropy(logits[:, codec.skip :][counts], wanted[counts], targets.smoothing)


def multi_view(logits: Tensor, targets: Targets, codec: Codec) -> Tensor:
    """Cross entropy of several views of each label, averaged over the slots of all views that have an answer.

    Logits (N, V, T, C) and ids (N, V, T) come from the model, which knows what each view is asked.
    """
    counts = targets.ids != IGNORED
    return _mean_cross_entropy(logits[counts], targets.ids[counts], targets.smoothing)


def _mean_cross_entropy(rows: Tensor, ids: Tensor, smoothing: float) -> Tensor:
    if rows.numel() <= _CHUNK:
        return _summed(rows, ids, smoothing) / len(ids)
    most = max(_CHUNK // rows.shape[1], 1)
    sums = [
        checkpoint(_summed, *chunk, smoothing, use_reentrant=False, preserve_rng_state=False)
        for chunk in zip(torch.split(rows, most), torch.split(ids, most), strict=True)
    ]
    return torch.stack(sums).sum() / len(ids)


def _summed(rows: Tensor, ids: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy(rows.float(), ids, reduction="sum", label_smoothing=smoothing)


LOSSES: Mapping[str, Callable[[Tensor, Targets, Codec], Tensor]] = {
    "ctc": ctc,
    "ctc_undivided": ctc_undivided,
    "cross_entropy": cross_entropy,
    "multi_view": multi_view,
}

SMOOTHED = frozenset({"cross_entropy", "multi_view"})
"""Losses that know label smoothing."""

Boxes = Several[Floats | None]

MAP_LOSSES: Mapping[str, Callable[[Tensor, Boxes], Tensor]] = {"core_area": core_area}
"""Losses of maps: what the model gives, and for each sample the boxes (L, 4, 2) of its characters, in canvas pixels."""


def total_loss(output: Output, targets: Mapping[str, Targets], model: Model, boxes: Boxes) -> Tensor:
    """Weighted sum over the heads of a model and the maps that it wants supervised.

    Args:
        output: of the model, in training.
        targets: by head; a head with several views brings its own.
        model: says which losses it wants.
        boxes: for each sample the boxes of its characters, or None.
    """
    views = {name: replace(targets[name], ids=ids) for name, ids in (output.targets or {}).items()}
    targets = {**targets, **views}
    terms = [
        head.weight * LOSSES[head.loss](output.logits[name], targets[name], head.codec)
        for name, head in model.heads.items()
    ]
    terms += [
        supervision.weight * MAP_LOSSES[supervision.loss](output.maps[name], boxes)
        for name, supervision in model.supervised.items()
    ]
    return torch.stack(terms).sum()
