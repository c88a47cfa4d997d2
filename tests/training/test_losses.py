"""Losses count what a head shall learn, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.models import Head, MapLoss, Model, Output
from wildtext.training import losses
from wildtext.training.losses import Targets, cross_entropy, total_loss

CHARSET = Charset("letters", ("a", "b"))
PLAIN = Sequence.dtrb(CHARSET, max_length=4)
TEXTS = ["ab", "abab", "b"]


def given(codec: Sequence) -> tuple[Tensor, Targets]:
    torch.manual_seed(0)
    logits = torch.randn(len(TEXTS), codec.skip + codec.slots, codec.classes, requires_grad=True)
    return logits, Targets.encode(codec, TEXTS, torch.device("cpu"))


@pytest.mark.parametrize(
    ("codec", "counted"),
    [
        (PLAIN, 3 + 5 + 2),
        (replace(PLAIN, skip=1), 3 + 5 + 2),
        (replace(PLAIN, begin=None), 3 + 5 + 2),
        (replace(PLAIN, begin=None, pad=1), 5 + 5 + 5),
        (replace(PLAIN, begin=None, slots=4, pad=1), 4 + 4 + 4),
    ],
    ids=["padding left out", "a skipped slot", "no begin token", "padding is the end", "no room for the end"],
)
def test_gradient_reaches_the_slots_that_count(codec: Sequence, counted: int) -> None:
    logits, targets = given(codec)
    loss = cross_entropy(logits, targets, codec)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.any(-1).sum() == counted
    assert not gradient[:, : codec.skip].any()
    wanted = targets.ids[:, 0 if codec.begin is None else 1 :]
    hits = [
        -float(logits.detach()[row, codec.skip + slot].log_softmax(-1)[wanted[row, slot]])
        for row, slot in gradient[:, codec.skip :].any(-1).nonzero().tolist()
    ]
    assert loss.item() == pytest.approx(sum(hits) / len(hits))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, targets = given(PLAIN)
    whole = cross_entropy(logits, targets, PLAIN)
    (gradient,) = torch.autograd.grad(whole, logits)
    monkeypatch.setattr(losses, "_CHUNK", 12)
    chunked = cross_entropy(logits, targets, PLAIN)
    torch.testing.assert_close(chunked, whole)
    torch.testing.assert_close(torch.autograd.grad(chunked, logits)[0], gradient)


class TwoHeads(Model):
    """A model with an auxiliary head and a map that is supervised."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = {"text": Head(PLAIN, "cross_entropy", 2.0), "visual": Head(PLAIN, "cross_entropy", 0.5)}
        self.primary = "text"
        self.supervised = {"core_area": MapLoss("core_area", weight=0.25)}

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        raise NotImplementedError


def test_total_is_weighted_over_heads_and_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, targets = given(PLAIN)
    other = nn.functional.pad(logits[:, 1:], (0, 0, 0, 1))
    core = torch.tensor(8.0)
    monkeypatch.setattr(losses, "MAP_LOSSES", {"core_area": lambda values, boxes: core})
    output = Output({"text": logits, "visual": other}, {"core_area": torch.zeros(3, 1, 2, 2)})
    total = total_loss(output, {"text": targets, "visual": targets}, TwoHeads(), [None, None, None])
    wanted = 2 * cross_entropy(logits, targets, PLAIN) + 0.5 * cross_entropy(other, targets, PLAIN) + 0.25 * core
    torch.testing.assert_close(total, wanted)
