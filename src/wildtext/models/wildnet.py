"""wildnet: dense 3x3 convolutions, two attention layers over the columns, CTC.

Made for the processors that people read on. Dense convolutions at 64 channels and more use the matrix units of a CPU to
the full, while grouped convolutions, LayerNorm and GELU at high resolution are bound by memory. So the trunk is a plain
residual network with batch normalisation, which folds into the convolutions when the model is exported, and attention
runs only over the columns that are left once the height is pooled away.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import CTC
from wildtext.errors import ConfigError
from wildtext.models.blocks import ConvNorm, EncoderLayer, ResidualBlock
from wildtext.models.checks import check_least
from wildtext.models.contract import Head, Model, Output

_PIXELS_PER_COLUMN = 4


@dataclass(frozen=True)
class WildNetConfig:
    """Sizes of `WildNet`; the defaults are the preset `wildnet`.

    Attributes:
        width: canvas width in pixels; the head has a column for every four.
        channels: of the stem, which halves height and width, and of each stage.
        strides: (height, width) of the convolution that begins each stage; over all stages the width is halved once.
        depths: residual blocks of each stage.
        layers: transformer layers over the columns.
        heads: attention heads of each.
    """

    width: int = 128
    channels: tuple[int, ...] = (32, 64, 128, 256)
    strides: tuple[tuple[int, int], ...] = ((1, 1), (2, 1), (2, 2))
    depths: tuple[int, ...] = (0, 1, 2)
    layers: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        stages = len(self.channels) - 1
        if stages < 1 or min(self.channels) < 1 or len(self.strides) != stages or len(self.depths) != stages:
            raise ConfigError(
                f"sizes 'channels' {self.channels}, 'strides' {self.strides} and 'depths' {self.depths} do not fit: "
                f"give the channels of the stem and of each stage, and strides and depth of each stage"
            )
        if any(len(stride) != 2 or min(stride) < 1 for stride in self.strides) or min(self.depths) < 0:
            raise ConfigError(f"size 'strides' is {self.strides}, 'depths' {self.depths}; strides are pairs from 1")
        if 2 * prod(across for _, across in self.strides) != _PIXELS_PER_COLUMN:
            raise ConfigError(f"size 'strides' is {self.strides}; its widths must multiply to 2, for the columns")
        if self.width < 1 or self.width % _PIXELS_PER_COLUMN:
            raise ConfigError(f"size 'width' is {self.width}; it must be a multiple of {_PIXELS_PER_COLUMN}")
        check_least(self, layers=0, heads=1)
        if self.channels[-1] % self.heads:
            raise ConfigError(f"size 'heads' is {self.heads}; it must divide the last of 'channels' {self.channels}")


class WildNet(Model):
    """Residual stages, height pooled, attention over columns, CTC. Input (N, 3, 32, width)."""

    def __init__(self, config: WildNetConfig, charset: Charset):
        super().__init__()
        self.config = config
        columns = config.width // _PIXELS_PER_COLUMN
        codec = CTC(charset, columns)
        self.heads = {"text": Head(codec, loss="ctc", aligned=True)}
        self.primary = "text"
        stem, *widths = config.channels
        sizes = zip(pairwise(config.channels), config.strides, config.depths, strict=True)
        self.trunk = nn.Sequential(
            ConvNorm(3, stem, stride=2),
            *(_stage(before, after, stride=stride, depth=depth) for (before, after), stride, depth in sizes),
        )
        features = widths[-1]
        self.position = nn.Parameter(torch.zeros(1, columns, features))
        self.context = nn.Sequential(*(EncoderLayer(features, config.heads) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(features)
        self.classifier = nn.Linear(features, codec.classes)
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        features = self.trunk(images.contiguous(memory_format=torch.channels_last))
        tokens = self.columns(features) + self.position
        return Output({"text": self.classifier(self.norm(self.context(tokens)))})

    def columns(self, features: Tensor) -> Tensor:
        """Give up the height: (N, C, h, w) to (N, w, C)."""
        return features.mean(dim=2).transpose(1, 2)


def _stage(in_channels: int, out_channels: int, *, stride: tuple[int, int], depth: int) -> nn.Sequential:
    blocks = [ResidualBlock(out_channels, out_channels) for _ in range(depth)]
    return nn.Sequential(ConvNorm(in_channels, out_channels, stride=stride), *blocks)
