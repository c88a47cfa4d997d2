"""From a part of a delivery to canvases on the device of the model, and from those to its input."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from wildtext.images import Preprocessing
from wildtext.images.fitting import fit, normalize
from wildtext.images.policies import augment
from wildtext.synth import Draft, alike, develop
from wildtext.synth.textures import Textures
from wildtext.training.loader import Part
from wildtext.types import Batch, Floats

_TOGETHER = 64
"""Drafts painted at once; frames are as wide as the widest word of them."""


@dataclass(frozen=True, eq=False)
class Canvases:
    """Samples on canvases of one size, on the device of the model.

    Attributes:
        images: (N, H, W, C) uint8.
        valid_width: (N,) float32, the share of the canvas width that holds the image.
        texts: the N labels.
        boxes: for each sample (len(text), 4, 2) float32 in pixels of the canvas, or None.
        sources: where each sample comes from.
    """

    images: Tensor
    valid_width: Tensor
    texts: tuple[str, ...]
    boxes: tuple[Floats | None, ...]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def rows(self, rows: Sequence[int]) -> Canvases:
        """Some of the samples."""
        chosen = torch.tensor(rows, dtype=torch.long, device=self.images.device)
        return Canvases(
            self.images[chosen],
            self.valid_width[chosen],
            tuple(self.texts[row] for row in rows),
            tuple(self.boxes[row] for row in rows),
            tuple(self.sources[row] for row in rows),
        )

    def pieces(self, largest: int) -> list[Canvases]:
        """All of the samples, in pieces of as nearly the same size as can be, none larger than `largest`."""
        count = -(-len(self) // largest)
        if count == 1:
            return [self]
        return [self.rows(rows.tolist()) for rows in np.array_split(np.arange(len(self)), count)]

    def augmented(self, policy: str, random: np.random.Generator) -> Canvases:
        """The samples, changed at random as a policy of `wildtext.images.policies` says."""
        images, boxes = augment(self.images, self.valid_width, self.boxes, policy, random)
        return replace(self, images=images, boxes=boxes)

    def normalized(self, preprocessing: Preprocessing) -> Tensor:
        """(N, C, H, W) float32, what the model sees."""
        return normalize(self.images, self.valid_width, preprocessing)


def joined(canvases: Iterable[Canvases]) -> list[Canvases]:
    """Canvases of the same size as one; the sizes in ascending order."""
    by_size: defaultdict[tuple[int, ...], list[Canvases]] = defaultdict(list)
    for some in canvases:
        by_size[tuple(some.images.shape[1:])].append(some)
    return [_concatenated(by_size[size]) for size in sorted(by_size)]


def _concatenated(several: Sequence[Canvases]) -> Canvases:
    if len(several) == 1:
        return several[0]
    return Canvases(
        torch.cat([some.images for some in several]),
        torch.cat([some.valid_width for some in several]),
        tuple(text for some in several for text in some.texts),
        tuple(box for some in several for box in some.boxes),
        tuple(source for some in several for source in some.sources),
    )


def paint(part: Part, preprocessing: Preprocessing, surfaces: Textures | None, device: torch.device) -> Canvases:
    """Bring a part to the device, and paint there what is left to be painted.

    Args:
        part: of a delivery of the loader.
        preprocessing: of the model.
        surfaces: of the source of the drafts; None where there are no drafts.
        device: of the model.
    """
    canvases = _moved(part.batch, device)
    if part.drafts:
        assert surfaces is not None
        for rows in alike(part.drafts, _TOGETHER):
            drafts = [part.drafts[row] for row in rows]
            canvases.images[rows] = _developed(drafts, preprocessing, surfaces, device)
    return canvases


def _moved(batch: Batch, device: torch.device) -> Canvases:
    images, valid_width = torch.from_numpy(batch.images), torch.from_numpy(batch.valid_width)
    if device.type == "cuda":
        # From pinned memory the copy goes on while the GPU still works on the step before.
        images = images.pin_memory().to(device, non_blocking=True)
        valid_width = valid_width.pin_memory().to(device, non_blocking=True)
    return Canvases(images.to(device), valid_width.to(device), batch.texts, batch.boxes, batch.sources)


def _developed(
    drafts: Sequence[Draft], preprocessing: Preprocessing, surfaces: Textures, device: torch.device
) -> Tensor:
    with torch.no_grad():
        return fit(develop(drafts, surfaces, device), preprocessing)
