"""Where characters stand becomes what columns shall say, and helps CTC out of its blanks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from wildtext.charset import Charset
from wildtext.codecs import CTC
from wildtext.models import IGNORED
from wildtext.training.alignment import character_spans, column_targets
from wildtext.training.losses import Targets, ctc, ctc_undivided
from wildtext.types import Floats

CODEC = CTC(Charset("letters", ("a", "b", "c")), 16)
WIDTH = 64
"""Of the canvas: a column is 4 pixels wide."""


def boxes(*spans: tuple[float, float]) -> Floats:
    """Upright boxes between these x."""
    return np.array([[(left, 0), (right, 0), (right, 32), (left, 32)] for left, right in spans], np.float32)


def columns(text: str, *spans: tuple[float, float]) -> str:
    """What each column shall say: a dot is the blank, a question mark nothing."""
    targets = given([text], [boxes(*spans) if spans else None])
    assert targets.spans is not None
    (classes,) = column_targets(targets.ids, targets.lengths, targets.spans, 16).tolist()
    return "".join({0: ".", IGNORED: "?"}.get(index) or "abc"[index - 1] for index in classes)


def given(texts: list[str], known: list[Floats | None]) -> Targets:
    return Targets.encode(CODEC, texts, torch.device("cpu"), spans=character_spans(known, WIDTH))


@pytest.mark.parametrize(
    ("text", "spans", "wanted"),
    [
        ("ab", [(0, 20), (40, 60)], ".aaa.......bbb.."),
        ("ab", [(0, 6), (6, 9)], "ab.............."),
        ("aa", [(0, 20), (24, 44)], "..a.....a......."),
        ("ba", [(40, 60), (0, 20)], ".aaa.......bbb.."),
    ],
    ids=["the middle of each", "at least one column", "a blank between equal ones", "in whatever order they stand"],
)
def test_columns_say_the_character_they_are_in(text: str, spans: list[tuple[float, float]], wanted: str) -> None:
    assert columns(text, *spans) == wanted


@pytest.mark.parametrize("spans", [[], [(0, 20)], [(0, 20), (float("nan"), 40)]], ids=["none", "too few", "one not"])
def test_nothing_is_said_where_a_place_is_not_known(spans: list[tuple[float, float]]) -> None:
    assert columns("ab", *spans) == "?" * 16


def test_a_long_label_beside_a_short_one_changes_nothing() -> None:
    known: list[Floats | None] = [boxes((0, 20), (40, 60)), boxes((0, 8), (8, 16), (16, 24), (24, 32))]
    together, alone = given(["ab", "abca"], known), given(["ab"], known[:1])
    assert together.spans is not None
    assert alone.spans is not None
    first = column_targets(together.ids, together.lengths, together.spans, 16)[0]
    assert torch.equal(first, column_targets(alone.ids, alone.lengths, alone.spans, 16)[0])


def certain(text: str) -> Tensor:
    """Logits that leave no doubt: (1, 16, C)."""
    rows = torch.full((1, 16, CODEC.classes), -20.0)
    for column, character in enumerate(text.ljust(16, ".")):
        rows[0, column, ".abc".index(character)] = 20
    return rows


@pytest.mark.parametrize("loss", [ctc, ctc_undivided])
def test_samples_without_places_are_left_alone(loss: Callable[[Tensor, Targets, CTC], Tensor]) -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 16, CODEC.classes), given(["ab", "abca"], [None, None])
    plain = loss(logits, replace(targets, spans=None), CODEC)
    torch.testing.assert_close(loss(logits, targets, CODEC), plain)
    one = given(["ab", "abca"], [boxes((0, 20), (40, 60)), None])
    assert loss(logits, one, CODEC) > plain


def test_who_reads_is_free_to_choose_columns() -> None:
    targets = given(["ab"], [boxes((0, 20), (40, 60))])
    elsewhere = certain("ab").requires_grad_()
    loss = ctc(elsewhere, targets, CODEC)
    (gradient,) = torch.autograd.grad(loss, elsewhere)
    assert loss.item() < 1e-3
    assert gradient.abs().max() < 1e-3


def test_who_cannot_read_is_shown_the_columns() -> None:
    targets = given(["ab"], [boxes((0, 20), (40, 60))])
    blank = certain("").requires_grad_()
    (gradient,) = torch.autograd.grad(ctc(blank, targets, CODEC), blank)
    steps = (-gradient[0]).argmax(-1)
    assert "".join(".abc"[step] for step in steps[[1, 2, 3, 11, 12, 13]].tolist()) == "aaabbb"
