"""wildnet's stages can be shaped freely, as long as they leave a column for every four pixels."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wildtext.charset import Charset
from wildtext.errors import ConfigError
from wildtext.models import MODELS, build
from wildtext.models.wildnet import WildNet, WildNetConfig

CHARSET = Charset.named("36")


@pytest.mark.parametrize(
    "sizes",
    [
        {"channels": (4, 8), "strides": ((4, 2),), "depths": (1,)},
        {"channels": (4, 8, 8), "strides": ((2, 2), (2, 1)), "depths": (0, 2), "width": 64},
        {"channels": (4, 8, 8, 8), "strides": ((1, 1), (2, 1), (2, 2)), "depths": (0, 0, 1), "layers": 0},
    ],
)
@torch.no_grad()
def test_there_is_a_column_for_every_four_pixels(sizes: dict[str, Any]) -> None:
    config = WildNetConfig(**{"layers": 1, "heads": 2} | sizes)
    logits = WildNet(config, CHARSET).eval()(torch.zeros(2, 3, 32, config.width)).logits["text"]
    assert logits.shape == (2, config.width // 4, 37)


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        ({"depths": (1, 2)}, "'depths'"),
        ({"channels": (32,), "strides": (), "depths": ()}, "'channels'"),
        ({"strides": ((1, 1), (2, 2), (2, 2))}, "'strides'.*multiply to 2"),
        ({"strides": ((1, 1), (2,), (2, 2))}, "'strides'.*pairs"),
        ({"depths": (0, -1, 2)}, "'depths'"),
        ({"width": 130}, "'width' is 130"),
        ({"heads": 0}, "'heads' is 0"),
        ({"heads": 3}, "'heads' is 3"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(sizes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        WildNetConfig(**sizes)


def test_sizes_may_come_from_json() -> None:
    model = build("wildnet-small", CHARSET, {"strides": [[2, 1], [2, 2]], "channels": [4, 8, 8], "depths": [0, 1]})
    assert model.config.strides == ((2, 1), (2, 2))


def test_presets_have_the_documented_size() -> None:
    sizes = {
        name: sum(weights.numel() for weights in build(name, Charset.load(MODELS[name].charset)).parameters()) / 1e6
        for name in ("wildnet-small", "wildnet", "wildnet-base")
    }
    assert {name: round(size, 1) for name, size in sizes.items()} == {
        "wildnet-small": 3.6,
        "wildnet": 4.7,
        "wildnet-base": 11.2,
    }
