"""Which pixels are in the core of a character, and what the loss makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from wildtext.training.core_area import core_area, core_mask
from wildtext.types import Floats

CPU = torch.device("cpu")
RECTANGLE = np.array([[[8, 0], [24, 0], [24, 32], [8, 32]]], np.float32)
"""Its core goes from 12 to 20 in x, from 8 to 24 in y."""


def quadrilaterals(random: np.random.Generator, count: int) -> Floats:
    """Convex ones, their corners on ellipses, clockwise from somewhere; some reach beyond the canvas."""
    angles = np.sort(
        random.uniform(0, 2 * np.pi, (count, 1)) + np.arange(4) * np.pi / 2 + random.uniform(0, 1.2, (count, 4))
    )
    centres = random.uniform((-5, -5), (133, 37), (count, 1, 2))
    radii = random.uniform(2, 25, (count, 1, 2))
    corners = centres + radii * np.stack([np.cos(angles), np.sin(angles)], axis=2)
    return np.asarray(corners, np.float32)


def crossings(polygon: NDArray[np.float64], x: float, y: float) -> bool:
    """Whether a point is inside, by counting the edges that lie to its right."""
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside


def test_mask_equals_that_of_a_pixel_by_pixel_count() -> None:
    boxes = quadrilaterals(np.random.default_rng(3), 12)
    mask = core_mask([boxes[:5], boxes[5:]], 32, 128, CPU)
    cores = (boxes + boxes.mean(axis=1, keepdims=True, dtype=np.float64)) / 2
    for row, group in enumerate((cores[:5], cores[5:])):
        wanted = [[any(crossings(core, x + 0.5, y + 0.5) for core in group) for x in range(128)] for y in range(32)]
        assert mask[row, 0].bool().tolist() == wanted


def test_core_is_the_middle_half() -> None:
    wanted = torch.zeros(1, 1, 32, 128)
    wanted[..., 8:24, 12:20] = 1
    assert core_mask([RECTANGLE], 32, 128, CPU).equal(wanted)


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [2, 3, 0, 1], [0, 2, 1, 3], [0, 1, 3, 2]])
def test_order_of_the_corners_does_not_matter(order: list[int]) -> None:
    boxes = quadrilaterals(np.random.default_rng(4), 6)
    assert core_mask([boxes[:, order]], 32, 128, CPU).equal(core_mask([boxes], 32, 128, CPU))


@pytest.mark.parametrize(
    "box",
    [
        [[9.5, 9.5]] * 4,
        [[0, 9.5], [40, 9.5], [80, 9.5], [120, 9.5]],
        [[3, 3], [30, 30], [3, 3], [30, 30]],
        [[np.nan, np.nan]] * 4,
        [[0, 0], [np.inf, 0], [np.inf, 32], [0, 32]],
        [[200, 0], [240, 0], [240, 32], [200, 32]],
    ],
    ids=["point", "line", "slanted line", "unknown", "infinite", "outside"],
)
def test_what_has_no_core_leaves_no_trace(box: list[list[float]]) -> None:
    boxes = np.concatenate([np.array([box], np.float32), RECTANGLE])
    assert core_mask([boxes], 32, 128, CPU).equal(core_mask([RECTANGLE], 32, 128, CPU))


def test_a_triangle_has_a_core() -> None:
    box = np.array([[[20, 4], [40, 28], [0, 28], [0, 28]]], np.float32)
    assert core_mask([box], 32, 128, CPU).sum() > 60


def test_words_without_characters_have_empty_masks() -> None:
    mask = core_mask([np.empty((0, 4, 2), np.float32), RECTANGLE], 32, 128, CPU)
    assert mask.sum((1, 2, 3)).tolist() == [0, 16 * 8]


def test_loss_counts_core_pixels_twice() -> None:
    logits = torch.randn(1, 1, 32, 128)
    inside = F.softplus(-logits)[..., 8:24, 12:20].sum()
    everywhere = F.softplus(logits)
    outside = everywhere.sum() - everywhere[..., 8:24, 12:20].sum()
    torch.testing.assert_close(core_area(logits, [RECTANGLE]), (2 * inside + outside) / (32 * 128))


def test_loss_leaves_unknown_samples_out() -> None:
    logits = torch.randn(3, 1, 32, 128, requires_grad=True)
    loss = core_area(logits, [None, RECTANGLE, None])
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss == core_area(logits[1:2], [RECTANGLE])
    assert logits.grad is not None
    assert logits.grad.flatten(1).any(1).tolist() == [False, True, False]


def test_loss_without_boxes_is_zero_and_can_be_differentiated() -> None:
    logits = torch.randn(2, 1, 32, 128, dtype=torch.bfloat16, requires_grad=True)
    loss = core_area(logits, [None, None])
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss == 0
    assert logits.grad is not None
    assert not logits.grad.any()
