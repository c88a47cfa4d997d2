"""From a part of a delivery to model input, on the device of the model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wildtext.images import Preprocessing
from wildtext.images.fitting import fit, normalize
from wildtext.synth import Draft, alike, develop
from wildtext.synth.textures import Textures
from wildtext.training.loader import Part

_TOGETHER = 64
"""Drafts painted at once; frames are as wide as the widest word of them."""


def model_input(part: Part, preprocessing: Preprocessing, surfaces: Textures | None, device: torch.device) -> Tensor:
    """Paint what is left to be painted, and normalise all.

    Args:
        part: of a delivery of the loader.
        preprocessing: of the model.
        surfaces: of the source of the drafts; None where there are no drafts.
        device: of the model.

    Returns:
        (N, C, H, W) float32 on the device.
    """
    canvases = torch.from_numpy(part.batch.images).to(device)
    shares = torch.from_numpy(part.batch.valid_width).to(device)
    if part.drafts:
        assert surfaces is not None
        for rows in alike(part.drafts, _TOGETHER):
            drafts = [part.drafts[row] for row in rows]
            canvases[rows] = _developed(drafts, preprocessing, surfaces, device)
    return normalize(canvases, shares, preprocessing)


def _developed(
    drafts: Sequence[Draft], preprocessing: Preprocessing, surfaces: Textures, device: torch.device
) -> Tensor:
    with torch.no_grad():
        return fit(develop(drafts, surfaces, device), preprocessing)
