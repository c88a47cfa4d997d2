"""wildnet: dense 3x3 convolutions, two attention layers over the columns, CTC.

Made for the processors that people read on. Dense convolutions at 64 channels and more use the matrix units of a CPU to
the full, while grouped convolutions, LayerNorm and GELU at high resolution are bound by memory. So the trunk is a plain
residual network with batch normalisation, which folds into the convolutions when the model is exported, and attention
runs only over the columns that are left once the height is pooled away.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import CTC
from wildtext.models.blocks import ConvNorm, EncoderLayer, ResidualBlock
from wildtext.models.contract import Head, Model, Output


@dataclass(frozen=True)
class WildNetConfig:
    """Sizes of `WildNet`; the defaults are the preset `wildnet`.

    Attributes:
        width: canvas width in pixels; the head has a column for every four.
        channels: of the stem and of the three stages at (height, width) strides (2, 2), (4, 2) and (8, 4).
        depths: residual blocks per stage.
        layers: transformer layers over the columns.
        heads: attention heads of each.
    """

    width: int = 128
    channels: tuple[int, int, int, int] = (32, 64, 128, 256)
    depths: tuple[int, int, int] = (0, 1, 2)
    layers: int = 2
    heads: int = 4


class WildNet(Model):
    """Three residual stages, height pooled, attention over columns, CTC. Input (N, 3, 32, width)."""

    def __init__(self, config: WildNetConfig, charset: Charset):
        super().__init__()
        self.config = config
        steps = config.width // 4
        codec = CTC(charset, steps)
        self.heads = {"text": Head(codec, loss="ctc")}
        self.primary = "text"
        stem, first, second, third = config.channels
        self.trunk = nn.Sequential(
            ConvNorm(3, stem, stride=2),
            _stage(stem, first, stride=1, depth=config.depths[0]),
            _stage(first, second, stride=(2, 1), depth=config.depths[1]),
            _stage(second, third, stride=2, depth=config.depths[2]),
        )
        self.position = nn.Parameter(torch.zeros(1, steps, third))
        self.context = nn.Sequential(*(EncoderLayer(third, config.heads) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(third)
        self.classifier = nn.Linear(third, codec.classes)
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        features = self.trunk(images.contiguous(memory_format=torch.channels_last))
        columns = features.mean(dim=2).transpose(1, 2) + self.position
        return Output({"text": self.classifier(self.norm(self.context(columns)))})


def _stage(in_channels: int, out_channels: int, *, stride: int | tuple[int, int], depth: int) -> nn.Sequential:
    blocks = [ResidualBlock(out_channels, out_channels) for _ in range(depth)]
    return nn.Sequential(ConvNorm(in_channels, out_channels, stride=stride), *blocks)
