"""What training, export and reading rely on, for every architecture."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont
from torch import Tensor

from wildtext.charset import Charset
from wildtext.codecs import CTC, Sequence, log_softmax
from wildtext.errors import ConfigError
from wildtext.models import MODELS, Model, Output, build
from wildtext.training.alignment import character_spans
from wildtext.training.losses import LOSSES, Targets, total_loss

WORDS = ["taxi", "exit", "50km", "hotel", "open", "7up", "zoo", "menu"]

BOXES = [
    np.array([[(x, 6), (x + 10, 6), (x + 10, 26), (x, 26)] for x in range(10, 10 + 12 * len(word), 12)], np.float32)
    for word in WORDS
]
"""Made-up places of the characters, for maps that are supervised."""

_DTRB = {"channels": 64, "hidden": 32, "localisation": [8, 16, 16, 32], "max_length": 6}
_MGP = {"features": 32, "layers": 1, "heads": 2, "max_length": 6}
_PARSEQ = {"features": 32, "layers": 1, "heads": 2, "decoder_heads": 2, "max_length": 6}
_ACDS = {"channels": [16] * 5, "depths": [1] * 5, "features": 32, "heads": 2, "max_length": 6}
_SVTR = {"channels": [16, 32, 32], "depths": [1, 2, 1], "local": [1, 1, 0], "head_size": 8, "max_length": 6}
SMALL: dict[str, dict[str, Any]] = {
    "wildnet": {"channels": [8, 16, 32, 64], "depths": [0, 1, 1], "layers": 1, "heads": 2},
    "wildnet-small": {"channels": [8, 16, 32, 64], "depths": [0, 1, 1], "heads": 2},
    "wildnet-base": {"channels": [8, 16, 32, 64], "depths": [0, 1, 2], "heads": 2},
    "crnn": _DTRB,
    "rare": _DTRB,
    "star-net": _DTRB,
    "rosetta": _DTRB,
    "trba": _DTRB,
    "srn": {
        "channels": 16,
        "depths": [1, 1, 1, 1],
        "features": 32,
        "heads": 2,
        "encoder_units": 1,
        "semantic_units": 1,
    },
    "srn-resnet1d": {"features": 32, "heads": 2, "encoder_units": 1, "semantic_units": 1},
    "acds-str-small": {**_ACDS, "layers": 3},
    "acds-str-base": {**_ACDS, "layers": 4},
    "robustscanner": {"channels": [8, 8, 16, 16, 32, 32], "depths": [1, 1, 1, 1], "features": 32, "max_length": 6},
    "crnn-seq2seq": {"channels": 64, "hidden": 32, "dropout": 0.0, "max_length": 7},
    "mgp-str-tiny": _MGP,
    "mgp-str-small": {**_MGP, "granularities": ["characters", "bpe"]},
    "mgp-str-base": {**_MGP, "granularities": ["characters", "wordpiece"]},
    "char-str-small": _MGP,
    **dict.fromkeys(("svtrv2-tiny", "svtrv2-small", "svtrv2-base"), _SVTR),
    "parseq-tiny": _PARSEQ,
    "parseq-base": {**_PARSEQ, "decoding": "autoregressive", "refinements": 2},
}
"""Sizes at which a test is quick; an architecture that is not listed is tested as it is."""


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make(name: str) -> Model:
    """A small model whose weights are all in use: some layers start at zero, which hides what is behind them."""
    torch.manual_seed(0)
    model = build(name, Charset.load(MODELS[name].charset), SMALL.get(name))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return model


def images_of(name: str, words: list[str]) -> Tensor:
    """Black words on white, through the preset's preprocessing."""
    preprocessing = MODELS[name].preprocessing
    fitted = [preprocessing.fit(drawn(word)) for word in words]
    canvases, shares = np.stack([canvas for canvas, _ in fitted]), [share for _, share in fitted]
    return torch.from_numpy(preprocessing.normalize(canvases, shares))


def drawn(word: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    picture = pillow.new("RGB", (100, 32), "white")
    ImageDraw.Draw(picture).text((6, 2), word, fill="black", font=ImageFont.load_default(22))
    return np.asarray(picture)


def targets_of(model: Model, words: list[str]) -> dict[str, Targets]:
    return {key: Targets.encode(head.codec, words, torch.device("cpu")) for key, head in model.heads.items()}


def forced(model: Model, images: Tensor, words: list[str]) -> Output:
    """A pass in which autoregressive heads are given the words."""
    output: Output = model(images, targets={key: target.ids for key, target in targets_of(model, words).items()})
    return output


def greedy(model: Model, images: Tensor) -> list[str]:
    """The texts that the model's primary head reads."""
    with torch.no_grad():
        logits = model(images).logits[model.primary].float().numpy()
    codec = model.heads[model.primary].codec
    return [codec.decode(log_softmax(row)).text for row in logits]


def assert_near(got: Tensor, wanted: Tensor, share: float) -> None:
    """Within a share of the largest value."""
    assert (got - wanted).abs().max() <= share * wanted.abs().max().clamp_min(1)


def test_heads_fit_their_codecs_and_losses(name: str) -> None:
    model = make(name)
    assert model.primary in model.heads
    assert not model.heads[model.primary].training_only
    for head in model.heads.values():
        assert head.loss in LOSSES
        assert head.weight > 0


@torch.no_grad()
def test_logits_have_a_class_for_each_of_the_codec(name: str) -> None:
    model = make(name).eval()
    logits = model(images_of(name, WORDS[:2])).logits
    assert logits.keys() == {key for key, head in model.heads.items() if not head.training_only}
    for key, values in logits.items():
        codec = model.heads[key].codec
        assert values.dtype == torch.float32
        assert values.shape[::2] == (2, codec.classes)
        if isinstance(codec, CTC) and codec.steps is not None:
            assert values.shape[1] == codec.steps
        if isinstance(codec, Sequence):
            assert values.shape[1] == codec.skip + codec.slots


@torch.no_grad()
def test_maps_have_the_promised_shapes(name: str) -> None:
    model = make(name).eval()
    output = model(images_of(name, WORDS[:2]))
    attention, column_x = output.maps.get("attention"), output.maps.get("column_x")
    if attention is not None:
        assert attention.shape[:2] == output.logits[model.primary].shape[:2]
        torch.testing.assert_close(attention.sum((2, 3)), torch.ones(attention.shape[:2]))
    if column_x is not None:
        assert column_x.ndim == 2
        assert 0 <= float(column_x.min()) <= float(column_x.max()) <= 1
    if attention is not None and column_x is not None:
        assert attention.shape[3] == column_x.shape[1]


def test_loss_is_finite_and_reaches_every_parameter(name: str) -> None:
    model = make(name).train()
    loss = total_loss(forced(model, images_of(name, WORDS), WORDS), targets_of(model, WORDS), model, BOXES)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key


@torch.no_grad()
def test_reading_does_not_depend_on_the_batch(name: str) -> None:
    model, images = make(name).eval(), images_of(name, WORDS)
    together = model(images)
    for row in (0, 5):
        alone = model(images[row : row + 1])
        for key, logits in together.logits.items():
            assert_near(alone.logits[key], logits[row : row + 1], 1e-4)
        for key, values in together.maps.items():
            assert_near(alone.maps[key], values[row : row + 1], 1e-4)


@torch.no_grad()
def test_feeding_back_what_was_written_changes_nothing(name: str) -> None:
    model, images = make(name).eval(), images_of(name, WORDS)
    written = model(images).logits
    targets = {}
    for key, logits in written.items():
        codec = model.heads[key].codec
        ids = logits.argmax(-1)
        if isinstance(codec, Sequence) and codec.begin is not None:
            ids = torch.nn.functional.pad(ids, (1, 0), value=codec.begin)
        targets[key] = ids
    given = model(images, targets=targets)
    for key, logits in written.items():
        if key not in (given.targets or {}):  # several views answer other questions than reading asks
            assert_near(given.logits[key], logits, 1e-4)


@torch.no_grad()
def test_bfloat16_stays_close(name: str) -> None:
    model, images = make(name).eval(), images_of(name, WORDS)
    torch.manual_seed(0)  # what views are asked may be drawn
    exact = forced(model, images, WORDS)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        rough = forced(model, images, WORDS)
    for key, logits in exact.logits.items():
        assert_near(rough.logits[key].float(), logits, 0.05)
    for key, values in exact.maps.items():
        assert_near(rough.maps[key].float(), values, 0.05)


@torch.no_grad()
def test_config_rebuilds_the_model(name: str) -> None:
    model, images = make(name).eval(), images_of(name, WORDS[:2])
    sizes = json.loads(json.dumps(asdict(model.config)))
    again = build(name, model.heads[model.primary].codec.charset, sizes)
    again.load_state_dict(model.state_dict())
    assert again.config == model.config
    assert again.eval()(images).logits[model.primary].equal(model(images).logits[model.primary])


def test_unknown_model_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown model 'crnm'; known are .*crnn"):
        build("crnm", Charset.named("36"))


def test_unknown_size_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"model '{name}' has no size 'depht'; it has "):
        build(name, Charset.named("36"), {"depht": 3})


@pytest.mark.slow
def test_learns_eight_words_by_heart(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, Charset.load(MODELS[name].charset), SMALL.get(name)).train()
    images = images_of(name, WORDS)
    spans = character_spans(BOXES, images.shape[3])
    targets = {
        key: replace(target, spans=spans if model.heads[key].aligned else None)
        for key, target in targets_of(model, WORDS).items()
    }
    # With its normalisations behind the sums, SVTRv2 bears no more.
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3 if name.startswith("svtrv2") else 3e-3)
    for step in range(800):
        loss = total_loss(forced(model, images, WORDS), targets, model, BOXES)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        if step % 20 == 19 and greedy(model.eval(), images) == WORDS:
            return
        model.train()
    assert greedy(model.eval(), images) == WORDS
