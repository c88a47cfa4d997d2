"""Models that write one character after another can be led: what they say then is what teacher forcing says."""

from __future__ import annotations

import pytest
import torch

from tests.models.test_contract import WORDS, assert_near, images_of, make
from wildtext.codecs import Sequence
from wildtext.models import MODELS, Model

AUTOREGRESSIVE = ["rare", "trba", "robustscanner", "crnn-seq2seq", "parseq-base"]


def begin_of(model: Model) -> int:
    codec = model.heads[model.primary].codec
    assert isinstance(codec, Sequence)
    assert codec.begin is not None
    return codec.begin


@pytest.mark.parametrize("name", MODELS)
def test_models_tell_whether_they_write_one_character_after_another(name: str) -> None:
    model = make(name).eval()
    assert model.autoregressive == (name in AUTOREGRESSIVE or name.startswith("parseq"))
    if not model.autoregressive:
        with pytest.raises((NotImplementedError, AssertionError), match="one character after another"):
            model.look(images_of(name, WORDS[:1]))


@pytest.mark.parametrize("name", AUTOREGRESSIVE)
@pytest.mark.parametrize("valid_width", [None, 0.5])
@torch.no_grad()
def test_slot_by_slot_is_what_a_greedy_pass_says(name: str, valid_width: float | None) -> None:
    model, images = make(name).eval(), images_of(name, WORDS[:3])
    if "refinements" in model.switches:
        model.switch({"refinements": 0})
    shares = None if valid_width is None else torch.full((3,), valid_width)
    output = model(images, shares)
    wanted, maps = output.logits[model.primary], output.maps["attention"]
    memory = model.look(images, shares)
    tokens = torch.full((3,), begin_of(model))
    ended = torch.zeros(3, dtype=torch.bool)
    codec = model.heads[model.primary].codec
    assert isinstance(codec, Sequence)
    for slot in range(wanted.shape[1]):
        step = model.write(memory, tokens, slot)
        assert step.attention.shape == maps[:, slot].shape
        assert_near(step.logits[~ended], wanted[:, slot][~ended], 1e-4)
        assert_near(step.attention[~ended], maps[:, slot][~ended], 1e-4)
        memory, tokens = step.memory, step.logits.argmax(dim=1)
        ended |= tokens == codec.end


@pytest.mark.parametrize("name", AUTOREGRESSIVE)
@torch.no_grad()
def test_rows_may_be_repeated_and_reordered(name: str) -> None:
    model, images = make(name).eval(), images_of(name, WORDS[:2])
    rows = torch.tensor([1, 0, 1])
    first = model.write(model.look(images), torch.full((2,), begin_of(model)), 0)
    alone = model.write(tuple(part[rows] for part in first.memory), torch.tensor([3, 4, 5]), 1)
    for row, token in enumerate((3, 4, 5)):
        single = model.write(tuple(part[rows[row : row + 1]] for part in first.memory), torch.tensor([token]), 1)
        assert_near(single.logits, alone.logits[row : row + 1], 1e-4)
    assert not torch.allclose(alone.logits[0], alone.logits[2]), "what was written makes no difference"
