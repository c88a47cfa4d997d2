"""ResNet45, the residual trunk of many recognisers that write in slots, and a feature pyramid on top of it.

The network is that of ASTER (Shi et al., TPAMI 2019), as ABINet (Fang et al., CVPR 2021) strides it: it stops at a
quarter of the resolution in both directions, so that 32 x 128 pixels leave 8 x 32 features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from wildtext.models.blocks import ConvNorm, initialise_convolutions

_STRIDES = (2, 1, 2, 1, 1)


class ResNet45(nn.Module):
    """A stem and five stages of residual blocks.

    Args:
        in_channels: of the images.
        channels: of the five stages; the stem has as many as the first.
        depths: blocks of the five stages.
    """

    def __init__(self, in_channels: int, channels: Sequence[int], depths: Sequence[int]):
        super().__init__()
        self.stem = ConvNorm(in_channels, channels[0])
        self.stages = nn.ModuleList(
            nn.Sequential(Block(before, width, stride), *(Block(width, width) for _ in range(depth - 1)))
            for before, width, depth, stride in zip(
                (channels[0], *channels[:-1]), channels, depths, _STRIDES, strict=True
            )
        )
        initialise_convolutions(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """What the stem and the stages give for (N, in_channels, H, W).

        The stem keeps the resolution; the first two stages have (H / 2, W / 2), the last three (H / 4, W / 4).
        """
        features = [self.stem(images)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features


class Block(nn.Module):
    """A 1x1 and a 3x3 convolution, which has the stride, beside an identity or a strided 1x1 convolution."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            *ConvNorm(channels, channels, stride=stride, relu=False),
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or in_channels != channels:
            self.shortcut.extend([nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)])
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, channels, H / stride, W / stride)."""
        out: Tensor = self.relu(self.branch(features) + self.shortcut(features))
        return out


class Pyramid(nn.Module):
    """Brings the fourth stage of a `ResNet45` back to the resolution of the image, with the second and the stem.

    Args:
        stem: channels of the stem.
        second: channels of the second stage.
        fourth: channels of the fourth stage.
    """

    def __init__(self, stem: int, second: int, fourth: int):
        super().__init__()
        self.channels = stem + second + fourth
        self.merge_second = Merge(fourth, second)
        self.merge_stem = Merge(fourth + second, stem)

    def forward(self, stem: Tensor, second: Tensor, fourth: Tensor) -> Tensor:
        """What the stages give to (N, `channels`, H, W)."""
        merged: Tensor = self.merge_stem(self.merge_second(fourth, second), stem)
        return merged


class Merge(nn.Module):
    """Doubles the resolution of coarse features and mixes fine ones in: 1x1 convolution of both, batch normalisation.

    A 1x1 convolution and the repetition of neighbours can trade places. So the coarse features are convolved before
    they are enlarged, at a quarter of the cost.
    """

    def __init__(self, coarse: int, fine: int):
        super().__init__()
        self.coarse = nn.Conv2d(coarse, coarse + fine, 1, bias=False)
        self.fine = nn.Conv2d(fine, coarse + fine, 1, bias=False)
        self.norm = nn.BatchNorm2d(coarse + fine)
        initialise_convolutions(self)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """(N, coarse, H, W) and (N, fine, 2 H, 2 W) to (N, coarse + fine, 2 H, 2 W)."""
        merged: Tensor = self.norm(F.interpolate(self.coarse(coarse), scale_factor=2) + self.fine(fine))
        return merged
