"""The loss of core-area maps: where the middle of a character is (Xue et al., IEEE TIP 34, 2025).

The core area of a character is its quadrilateral, shrunk to half its width and height about its centre: what is left
keeps clear of the neighbours even where their boxes touch. A map of it tells a recogniser where characters are, and
where they are known, because the words were painted or annotated, the map can be learnt from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wildtext.types import Floats

_SHARE = 0.5
"""Width and height of a core, as shares of those of its character."""

_LEAST_AREA = 1e-3
"""Square pixels; a core below is a line or a point, and no pixel belongs to it."""

_POSITIVE_WEIGHT = 2.0
"""Most pixels lie outside; those inside count twice, as in the reference implementation."""


def core_area(logits: Tensor, boxes: Sequence[Floats | None]) -> Tensor:
    """Binary cross entropy per pixel, core pixels counted twice, averaged over the samples whose boxes are known.

    Args:
        logits: (N, 1, H, W); their sigmoid is the probability that a pixel lies in the core of a character.
        boxes: for each sample the quadrilaterals (L, 4, 2) of its characters as `core_mask` takes them, or None where
            they are not known.

    Returns:
        The loss; zero where no boxes are known.
    """
    known = [row for row, box in enumerate(boxes) if box is not None]
    if not known:
        return logits.float().sum() * 0
    height, width = logits.shape[-2:]
    mask = core_mask([box for box in boxes if box is not None], height, width, logits.device)
    weight = torch.full((), _POSITIVE_WEIGHT, device=logits.device)
    return F.binary_cross_entropy_with_logits(logits[known].float(), mask, pos_weight=weight)


def core_mask(boxes: Sequence[Floats], height: int, width: int, device: torch.device) -> Tensor:
    """The pixels that lie in the core of a character.

    A pixel belongs to a core if its centre lies in it or on its edge, where the reference implementation rounds the
    corners and fills one row and one column more. Corners may come in any order and lie outside the canvas; of a
    quadrilateral that is not convex the part counts from which all of it can be seen.

    Args:
        boxes: for each sample the quadrilaterals (L, 4, 2) of its characters: x and y of the corners, in pixels from
            the corner of the canvas. Rows with numbers that are not finite are left out.
        height: of the canvas, in pixels.
        width: of the canvas, in pixels.
        device: where the mask shall be.

    Returns:
        (N, 1, height, width) float32, 1 inside and 0 outside.
    """
    corners = torch.from_numpy(np.concatenate([*boxes, np.empty((0, 4, 2))]).astype(np.float32)).to(device)
    samples = torch.from_numpy(np.repeat(np.arange(len(boxes)), [len(box) for box in boxes])).to(device)
    sound = corners.isfinite().all(dim=2).all(dim=1)
    inside = _inside(_cores(corners[sound]), height, width)
    count = torch.zeros(len(boxes), height, width, device=device).index_add_(0, samples[sound], inside)
    return count.clamp(max=1).unsqueeze(1)


def _cores(corners: Tensor) -> Tensor:
    """Quadrilaterals (K, 4, 2) shrunk about their centres, the corners brought into an order round the centre."""
    centres = corners.mean(dim=1, keepdim=True)
    rays = _SHARE * (corners - centres)
    order = torch.atan2(rays[..., 1], rays[..., 0]).argsort(dim=1)
    return centres + rays.gather(1, order.unsqueeze(2).expand_as(rays))


def _inside(polygons: Tensor, height: int, width: int) -> Tensor:
    """(K, height, width): 1 where a pixel's centre lies on the inner side of all edges of a polygon (K, 4, 2), else 0.

    Edge by edge, so that 256 words of 8 characters take about 100 MB, and not four times as much.
    """
    x = torch.arange(width, device=polygons.device) + 0.5
    y = torch.arange(height, device=polygons.device) + 0.5
    first, second = (polygons[:, 2:] - polygons[:, :2]).unbind(1)
    areas = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    inside = (areas > _LEAST_AREA)[:, None, None].expand(-1, height, width)
    for start, end in zip(polygons.unbind(1), polygons.roll(-1, dims=1).unbind(1), strict=True):
        along = (end - start)[:, :, None]
        down = along[:, 0] * (y - start[:, 1:])
        right = along[:, 1] * (x - start[:, :1])
        inside = inside & (down.unsqueeze(2) >= right.unsqueeze(1))
    return inside.float()
