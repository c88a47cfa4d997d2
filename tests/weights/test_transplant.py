"""A model that is given another charset still reads what it read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.models.test_contract import WORDS, images_of, make
from wildtext.charset import Charset
from wildtext.errors import ConfigError
from wildtext.models import MODELS, Model
from wildtext.weights.bundle import Bundle
from wildtext.weights.transplant import grown, with_charset


@pytest.mark.parametrize("name", MODELS)
def test_known_characters_keep_their_logits(name: str) -> None:
    model = make(name).eval()
    bundle = Bundle.of(name, model, MODELS[name].preprocessing)
    # Subwords cannot write all that characters can.
    first, last = "!?" if "!" not in bundle.charset.characters else "é漢"
    charset = Charset("more", (first, *reversed(bundle.charset.characters), last), bundle.charset.fold_case, "NFC")
    torch.manual_seed(3)
    other = with_charset(model, bundle, charset)
    # The others of SRN's heads look at what the visual one writes, new characters included.
    key = "visual" if name == "srn" else model.primary
    head, codec = model.heads[key], other.heads[key].codec
    assert codec.charset == charset
    images = images_of(name, WORDS)
    with torch.inference_mode():
        before, after = (each(images).logits[key][:, 0] for each in (model, other))
    old = torch.from_numpy(head.codec.encode(["a1"])[0])[0]
    new = torch.from_numpy(codec.encode(["a1"])[0])[0]
    pairs = [(o, n) for o, n in zip(old.tolist(), new.tolist(), strict=True) if o < before.shape[1]]
    assert len(pairs) >= 2
    for o, n in pairs:
        if name.startswith("acds"):  # its logits are normalised over all classes
            continue
        torch.testing.assert_close(after[:, n], before[:, o], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("extra", ["", "!?"])
def test_there_and_back_all_weights_are_as_they_were(name: str, extra: str) -> None:
    model = make(name).eval()
    bundle = Bundle.of(name, model, MODELS[name].preprocessing)
    if extra and "!" in bundle.charset.characters:
        extra = "é漢"
    turned = Charset("turned", (*extra, *reversed(bundle.charset.characters)), bundle.charset.fold_case, "NFC")
    other = with_charset(model, bundle, turned)
    assert other.heads[other.primary].codec.charset == turned
    again = with_charset(other, Bundle.of(name, other, MODELS[name].preprocessing), bundle.charset).state_dict()
    changed = [key for key, value in model.state_dict().items() if not torch.equal(value, again[key])]
    assert not changed
    if not extra:
        moved = [key for key, value in model.state_dict().items() if not torch.equal(value, other.state_dict()[key])]
        assert moved, "rows go along with their characters"


def small_wildnet() -> tuple[Model, Bundle]:
    torch.manual_seed(1)
    model = make("wildnet").eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn_like(module.running_mean) * 0.1  # type: ignore[arg-type]
    return model, Bundle.of("wildnet", model, MODELS["wildnet"].preprocessing)


def test_a_model_with_more_layers_reads_as_before_and_learns_with_them() -> None:
    model, bundle = small_wildnet()
    deeper = grown(model, bundle, {"depths": [1, 2, 3], "layers": 3})
    assert sum(one.numel() for one in deeper.parameters()) > sum(one.numel() for one in model.parameters())
    images = images_of("wildnet", WORDS)
    with torch.inference_mode():
        assert torch.equal(deeper(images).logits["text"], model(images).logits["text"])
    deeper.train()
    deeper(images).logits["text"].square().mean().backward()
    silent = [name for name, one in deeper.named_parameters() if name not in dict(model.named_parameters())]
    assert sum(bool(deeper.get_parameter(name).grad.abs().sum() > 0) for name in silent) >= 10  # type: ignore[union-attr]


@pytest.mark.parametrize("sizes", [{"channels": [16, 16, 32, 64]}, {"layers": 0}, {"width": 256}])
def test_a_model_cannot_grow_otherwise(sizes: dict[str, Any]) -> None:
    model, bundle = small_wildnet()
    with pytest.raises(ConfigError, match="residual blocks or transformer layers"):
        grown(model, bundle, sizes)
