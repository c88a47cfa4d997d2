"""Thin-plate-spline rectification: a small network finds where the text runs, a spline straightens it.

After Shi et al., "Robust Scene Text Recognition with Automatic Rectification" (CVPR 2016), in the form of
Baek et al., "What Is Wrong With Scene Text Recognition Model Comparisons?" (ICCV 2019).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildtext.models.blocks import ConvNorm


class Rectified(NamedTuple):
    """What `Rectifier` gives.

    Attributes:
        images: (N, C, H, W), straightened.
        fiducials: (N, F, 2) float32, the points of the input that come to lie on its upper and lower edge, as (x, y);
            -1 and 1 are the centres of the outermost pixels.
        grid: (N, H, W, 2) float32, where in the input each output pixel looks, in the same coordinates.
    """

    images: Tensor
    fiducials: Tensor
    grid: Tensor


class Rectifier(nn.Module):
    """Spatial transformer with a thin-plate spline.

    Args:
        size: (height, width) of the images.
        image_channels: of the images.
        fiducials: number of points F, half of them on each edge of the output.
        channels: of the convolutions of the localisation network.
    """

    inverse: Tensor
    basis: Tensor

    def __init__(self, size: tuple[int, int], image_channels: int, fiducials: int, channels: tuple[int, ...]):
        super().__init__()
        self.size = size
        widths = (image_channels, *channels)
        layers: list[nn.Module] = []
        for before, after in zip(widths, channels, strict=False):
            layers += [ConvNorm(before, after), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())
        final = nn.Linear(channels[-1] // 2, 2 * fiducials)
        self.points = nn.Sequential(nn.Linear(channels[-1], channels[-1] // 2), nn.ReLU(inplace=True), final)
        nn.init.zeros_(final.weight)
        with torch.no_grad():
            final.bias.copy_(initial_fiducials(fiducials).flatten())
        # Constants of the sizes: they are no part of the weights, and must not be rounded with them.
        self.register_buffer("inverse", spline_inverse(fiducials).float(), persistent=False)
        self.register_buffer("basis", spline_basis(*size, fiducials).float(), persistent=False)

    def forward(self, images: Tensor) -> Rectified:
        """(N, C, H, W) to the same shape, with the points and the grid that led there."""
        features = self.features(images)
        # The spline sums terms far larger than the coordinates it gives, which bfloat16 would spoil.
        with torch.autocast(images.device.type, enabled=False):
            points = self.points(features.to(self.points[0].weight.dtype)).float()
            return self.rectify(images, points.view(-1, self.inverse.shape[1], 2))

    def rectify(self, images: Tensor, fiducials: Tensor) -> Rectified:
        """Straighten images (N, C, H, W) whose text runs between the given points (N, F, 2)."""
        # Merged into one matrix the two would round less, but not as where published weights were trained.
        coefficients = self.inverse.float() @ fiducials
        grid = (self.basis.float() @ coefficients).view(-1, *self.size, 2)
        straight = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=True)
        return Rectified(straight.to(images.dtype), fiducials, grid)


def edge_points(count: int) -> Tensor:
    """(count, 2) float64: where the fiducials lie in the output, evenly along its upper and then its lower edge."""
    x = torch.linspace(-1, 1, count // 2, dtype=torch.float64)
    return torch.cat([torch.stack([x, torch.full_like(x, y)], 1) for y in (-1.0, 1.0)])


def initial_fiducials(count: int) -> Tensor:
    """(count, 2): where an untrained network puts them; two slanted lines (Shi et al., figure 6a)."""
    x, rise = torch.linspace(-1, 1, count // 2), torch.linspace(0, 1, count // 2)
    return torch.cat([torch.stack([x, -rise], 1), torch.stack([x, 1 - rise], 1)])


def spline_inverse(count: int) -> Tensor:
    """(count + 3, count) float64: turns fiducials into the coefficients of the spline, three of them affine.

    It is the inverse of the linear system that makes the spline pass through the fiducials at the edge points. Three
    more equations keep its kernels free of an affine part; their right side is zero, so their columns are dropped.
    """
    points = edge_points(count)
    distance = _distances(points, points)
    equations = torch.cat([_affine(points), torch.xlogy(distance**2, distance)], 1)
    constraints = torch.cat([torch.zeros(3, 3, dtype=torch.float64), _affine(points).T], 1)
    return torch.inverse(torch.cat([equations, constraints]))[:, :count]


def spline_basis(height: int, width: int, count: int) -> Tensor:
    """(height * width, count + 3) float64: evaluates the spline at the pixel centres, row by row."""
    pixels = torch.cartesian_prod(_centres(height), _centres(width)).flip(1)
    distance = _distances(pixels, edge_points(count))
    # The small offset is that of the grid with which published weights were trained.
    return torch.cat([_affine(pixels), distance**2 * (distance + 1e-6).log()], 1)


def _affine(points: Tensor) -> Tensor:
    """(P, 2) to (P, 3): 1, x, y."""
    return torch.cat([torch.ones_like(points[:, :1]), points], 1)


def _distances(points: Tensor, others: Tensor) -> Tensor:
    """(P, 2) and (Q, 2) to (P, Q)."""
    difference = points[:, None] - others
    return difference.square().sum(dim=2).sqrt()


def _centres(size: int) -> Tensor:
    """Pixel centres along one side, which runs from -1 to 1."""
    return (2 * torch.arange(size, dtype=torch.float64) + 1 - size) / size
