"""A step in parts moves running statistics as a step in one, and small parts are seen as in reading."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wildtext.training.statistics import as_part


def test_statistics_move_by_the_share_of_each_part() -> None:
    images = torch.randn(60, 3, 4, 4) + 5 * torch.arange(60).view(-1, 1, 1, 1) / 60
    plain, whole, parts = (nn.BatchNorm2d(3) for _ in range(3))
    plain(images)
    with as_part(60, 60, whole):
        whole(images)
    assert torch.equal(plain.state_dict()["running_mean"], whole.state_dict()["running_mean"])
    for part in torch.split(images, [10, 20, 30]):
        with as_part(len(part), 60, parts):
            parts(part)
    torch.testing.assert_close(
        parts.state_dict()["running_mean"], whole.state_dict()["running_mean"], rtol=0.05, atol=0
    )


def test_a_small_part_is_normalised_as_in_reading() -> None:
    layer, images = nn.BatchNorm2d(3), 5 + torch.randn(3, 3, 4, 4)
    with as_part(3, 60, layer):
        assert torch.equal(layer(images), layer.eval()(images))
    assert layer.training
    assert layer.state_dict()["running_mean"].tolist() == [0, 0, 0]
    with as_part(3, 3, layer), torch.no_grad():
        assert float(layer(images).mean().abs()) < 1e-3, "a small batch that is no part has its own statistics"


def test_layers_are_as_before_whatever_happens() -> None:
    layers = [nn.BatchNorm2d(3, momentum=0.2), nn.BatchNorm2d(3, momentum=None), nn.BatchNorm2d(3).eval()]
    network = nn.Sequential(*layers)

    def fail() -> None:
        with as_part(30, 60, network):
            assert [(layer.momentum, layer.training) for layer in layers] == [(0.1, True), (None, True), (0.05, False)]
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [(layer.momentum, layer.training) for layer in layers] == [(0.2, True), (None, True), (0.1, False)]
