"""A small network for canvases of several sizes; the fixture `any_size` makes it known to the package."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import CTC
from wildtext.images import Buckets, Preprocessing
from wildtext.models import Head, Model, Output, Preset
from wildtext.models.blocks import EncoderLayer

BUCKETS = Preprocessing(Buckets(((32, 32), (24, 48), (16, 48), (16, 64), (16, 80))))


@dataclass(frozen=True)
class AnySizeConfig:
    """`channels` of all layers."""

    channels: int = 8


class AnySize(Model):
    """Convolve, attend to all places, take the mean of each column, CTC. Input (N, 3, H, W), both multiples of 4."""

    def __init__(self, config: AnySizeConfig, charset: Charset):
        super().__init__()
        self.config = config
        codec = CTC(charset, stride=4)
        self.heads = {"text": Head(codec, loss="ctc")}
        self.primary = "text"
        self.stem = nn.Conv2d(3, config.channels, 4, stride=4)
        self.norm = nn.BatchNorm2d(config.channels)
        self.context = EncoderLayer(config.channels, 2)
        self.classifier = nn.Linear(config.channels, codec.classes)

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        grid = torch.tanh(self.norm(self.stem(images)))
        places = self.context(grid.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, grid.shape[2:])
        return Output({"text": self.classifier(places.mean(dim=2).transpose(1, 2))})


PRESET = Preset(AnySize, AnySizeConfig(), BUCKETS, "36")
