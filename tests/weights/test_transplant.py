"""A model that is given another charset still reads what it read."""

from __future__ import annotations

import pytest
import torch

from tests.models.test_contract import WORDS, images_of, make
from wildtext.charset import Charset
from wildtext.models import MODELS
from wildtext.weights.bundle import Bundle
from wildtext.weights.transplant import with_charset


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
