"""ResNet50 with a feature pyramid, the trunk of SRN (Yu et al., CVPR 2020).

The network of He et al. (CVPR 2016) that keeps an eighth of the resolution from its second stage on, so that the
pyramid of Lin et al. (CVPR 2017) has nothing to enlarge: what the later stages saw of the whole word joins what the
earlier ones saw of its strokes, at the same places.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wildtext.models.blocks import initialise_convolutions

STRIDE = 8
"""How many pixels, down and across, one place of the features stands for."""

_STRIDES = (2, 2, 1, 1)
_EXPANSION = 4


class ResNetFPN(nn.Module):
    """(N, in_channels, H, W) to (N, width, H / 8, W / 8), for sizes that 8 divides.

    Args:
        in_channels: of the images.
        channels: of the stem; the 3x3 convolutions of the four stages have 1, 2, 4 and 8 times as many, and what the
            stages give has 4 times as many again.
        depths: blocks of the four stages.
        width: channels of the features.
    """

    def __init__(self, in_channels: int, channels: int, depths: Sequence[int], width: int):
        super().__init__()
        self.stem = nn.Sequential(*_normed(in_channels, channels, 7, stride=2), nn.ReLU(inplace=True))
        inner = [channels * factor for factor in (1, 2, 4, 8)]
        outer = [channels * _EXPANSION for channels in inner]
        self.stages = nn.ModuleList(
            _stage(before, between, depth, stride)
            for before, between, depth, stride in zip([channels, *outer[:-1]], inner, depths, _STRIDES, strict=True)
        )
        _, second, third, fourth = outer
        self.merge_third = _merge(fourth + third, third)
        self.merge_second = _merge(third + second, second)
        self.projection = nn.Conv2d(second, width, 1)
        initialise_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        # Here rather than for the images: with one channel both layouts are the same, and torch takes the slower.
        features, stages = self.stem(images).contiguous(memory_format=torch.channels_last), []
        for stage in self.stages:
            features = stage(features)
            stages.append(features)
        _, second, third, fourth = stages
        merged = self.merge_third(torch.cat([fourth, third], dim=1))
        merged = self.merge_second(torch.cat([merged, second], dim=1))
        out: Tensor = self.projection(merged)
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolution beside an identity, or a 1x1 convolution where shapes change.

    Where the channels grow and the resolution does not shrink, the 3x3 kernel has its four corners alone. Nothing
    speaks for that but the published weights, which have it.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__()
        out_channels = channels * _EXPANSION
        corners = stride == 1 and in_channels != out_channels
        self.branch = nn.Sequential(
            *_normed(in_channels, channels, 1),
            nn.ReLU(inplace=True),
            *(_corners(channels) if corners else _normed(channels, channels, 3, stride=stride)),
            nn.ReLU(inplace=True),
            *_normed(channels, out_channels, 1),
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or in_channels != out_channels:
            self.shortcut.extend(_normed(in_channels, out_channels, 1, stride=stride))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, 4 channels, H / stride, W / stride)."""
        out: Tensor = self.relu(self.branch(features) + self.shortcut(features))
        return out


def _stage(in_channels: int, channels: int, depth: int, stride: int) -> nn.Sequential:
    rest = (Bottleneck(channels * _EXPANSION, channels) for _ in range(depth - 1))
    return nn.Sequential(Bottleneck(in_channels, channels, stride), *rest)


def _merge(in_channels: int, channels: int) -> nn.Sequential:
    """Brings the channels of two stages down to those of the earlier one.

    The second convolution has a bias, which the normalisation behind it makes idle, but published weights have it.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 1),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def _corners(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, channels, 2, padding=1, dilation=2, bias=False), nn.BatchNorm2d(channels)


def _normed(in_channels: int, channels: int, kernel: int, *, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(in_channels, channels, kernel, stride, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(channels)
