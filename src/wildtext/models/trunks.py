"""Convolutional trunks of Baek et al., "What Is Wrong With Scene Text Recognition Model Comparisons?" (ICCV 2019).

Both bring an image 32 pixels high to one row of columns, and keep nearly every fourth column of its width.
"""

from __future__ import annotations

from torch import nn

from wildtext.models.blocks import ConvNorm, ResidualBlock, initialise_convolutions


class VGG(nn.Sequential):
    """The seven convolutions of CRNN (Shi, Bai and Yao, TPAMI 2017), some with batch normalisation.

    (N, in_channels, 32, W) to (N, channels, 1, W // 4 - 1).
    """

    def __init__(self, in_channels: int, channels: int):
        first, second, third = channels // 8, channels // 4, channels // 2
        super().__init__(
            *_biased(in_channels, first),
            nn.MaxPool2d(2),
            *_biased(first, second),
            nn.MaxPool2d(2),
            *_biased(second, third),
            *_biased(third, third),
            nn.MaxPool2d((2, 1)),
            ConvNorm(third, channels),
            ConvNorm(channels, channels),
            nn.MaxPool2d((2, 1)),
            *_biased(channels, channels, kernel=2, padding=0),
        )
        initialise_convolutions(self)

    @staticmethod
    def centres(width: int) -> list[int]:
        """For each output column the middle of what it looks at, in pixels from the left edge of the input."""
        return [4 * column + 4 for column in range(width // 4 - 1)]


class ResNet(nn.Sequential):
    """The residual network of FAN (Cheng et al., ICCV 2017), 29 convolutions deep.

    (N, in_channels, 32, W) to (N, channels, 1, W // 4 + 1).
    """

    def __init__(self, in_channels: int, channels: int):
        stem, first, second, third = channels // 16, channels // 8, channels // 4, channels // 2
        super().__init__(
            ConvNorm(in_channels, stem),
            ConvNorm(stem, first),
            nn.MaxPool2d(2),
            *_stage(first, second, depth=1),
            ConvNorm(second, second),
            nn.MaxPool2d(2),
            *_stage(second, third, depth=2),
            ConvNorm(third, third),
            nn.MaxPool2d(2, stride=(2, 1), padding=(0, 1)),
            *_stage(third, channels, depth=5),
            ConvNorm(channels, channels),
            *_stage(channels, channels, depth=3),
            *_narrowing(channels, stride=(2, 1), padding=(0, 1)),
            *_narrowing(channels, stride=1, padding=0),
        )
        initialise_convolutions(self)

    @staticmethod
    def centres(width: int) -> list[int]:
        """For each output column the middle of what it looks at, in pixels from the left edge of the input."""
        return [4 * column for column in range(width // 4 + 1)]


TRUNKS: dict[str, type[VGG | ResNet]] = {"vgg": VGG, "resnet": ResNet}


def _biased(in_channels: int, channels: int, *, kernel: int = 3, padding: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(in_channels, channels, kernel, padding=padding), nn.ReLU(inplace=True)


def _stage(in_channels: int, channels: int, *, depth: int) -> list[nn.Module]:
    return [ResidualBlock(in_channels if number == 0 else channels, channels) for number in range(depth)]


def _narrowing(channels: int, *, stride: int | tuple[int, int], padding: int | tuple[int, int]) -> list[nn.Module]:
    """A 2x2 convolution that lowers the height."""
    return [
        nn.Conv2d(channels, channels, 2, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    ]
