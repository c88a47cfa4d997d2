"""Augmentation of training crops by named policy: drawn picture by picture, applied to batches on any device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor

from wildtext.config.synth import nearest
from wildtext.errors import ConfigError
from wildtext.images.effects import LUMA, Amounts, Drawn, Effect, Frames, tensors
from wildtext.images.policies import geometry
from wildtext.images.policies.parseq import PARSEQ
from wildtext.images.policies.photo import PHOTO
from wildtext.images.policies.policy import EFFECTS, FIRST, Policy
from wildtext.images.policies.straug import STRAUG, STRAUG_SAFE
from wildtext.types import Floats

__all__ = ["POLICIES", "Policy", "augment", "transform"]

POLICIES: Mapping[str, Policy] = {
    "none": Policy(lambda random: {}, fill=None),
    "photo": PHOTO,
    "parseq": PARSEQ,
    "straug": STRAUG,
    "straug-safe": STRAUG_SAFE,
}
"""What a recipe may name."""

_TOGETHER = 1 << 20
"""Pixels changed at once on a processor, whose memory for larger tensors is slow to come."""

Boxes = tuple[Floats | None, ...]


def augment(
    canvases: Tensor, valid_width: Tensor, boxes: Sequence[Floats | None], policy: str, random: np.random.Generator
) -> tuple[Tensor, Boxes]:
    """Change pictures as a policy says.

    Args:
        canvases: (N, H, W, C) uint8 on any device, C 1 or 3, resized to the canvas of the model.
        valid_width: (N,), the share of the width that holds the picture; what lies beyond stays as it is.
        boxes: for each picture quadrilaterals (L, 4, 2) in pixels of the canvas, or None.
        policy: the name of one of `POLICIES`.
        random: decides, one picture after another.

    Returns:
        New canvases and boxes; with the policy "none" and where nothing befalls a picture, those that were given. Boxes
        are where the characters are now, even outside the canvas; rows with numbers that are not finite stay so.

    Raises:
        ConfigError: there is no such policy.
    """
    if policy not in POLICIES:
        raise ConfigError(f"there is no augmentation {policy!r}; {nearest(policy, list(POLICIES))}")
    chosen = POLICIES[policy]
    drawn = [chosen.draw(random) for _ in range(len(canvases))]
    return transform(canvases, valid_width, boxes, drawn, chosen.fill)


def transform(
    canvases: Tensor, valid_width: Tensor, boxes: Sequence[Floats | None], drawn: Sequence[Drawn], fill: float | None
) -> tuple[Tensor, Boxes]:
    """Change pictures as it was drawn; each depends on what was drawn for it alone.

    Args:
        canvases: as for `augment`.
        valid_width: as for `augment`.
        boxes: as for `augment`.
        drawn: for each picture, amounts by effect.
        fill: of the policy.
    """
    rows = [row for row, effects in enumerate(drawn) if effects]
    if not rows:
        return canvases, tuple(boxes)
    device = canvases.device
    widths = (valid_width.float().cpu() * canvases.shape[2]).round().clamp(min=1)
    parts = [canvases]
    for part in _parts(rows, canvases):
        old = canvases.index_select(0, torch.tensor(part, device=device))
        frames = _frames(old, widths[part].to(device))
        _change(frames, [drawn[row] for row in part], fill)
        parts.append(_canvases(frames, old, int(widths[part].min())))
    sources = np.arange(len(canvases))
    sources[rows] = len(canvases) + np.arange(len(rows))
    changed = torch.cat(parts).index_select(0, torch.from_numpy(sources).to(device))
    return changed, _moved(boxes, drawn, widths, canvases.shape[1])


def _parts(rows: list[int], canvases: Tensor) -> Iterator[list[int]]:
    height, width = canvases.shape[1:3]
    size = max(_TOGETHER // (height * width), 1) if canvases.device.type == "cpu" else len(rows)
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _frames(canvases: Tensor, widths: Tensor) -> Frames:
    # Grey becomes three equal colours, for which all effects are made.
    pixels = canvases.permute(0, 3, 1, 2).expand(-1, 3, -1, -1).contiguous().float()
    return Frames(pixels, torch.full_like(widths, canvases.shape[1]), widths)


def _canvases(frames: Frames, old: Tensor, narrowest: int) -> Tensor:
    """The pictures in whole grey levels, and what lay beyond them before; none has fewer columns than `narrowest`."""
    pixels = frames.pixels
    if old.shape[3] == 1:
        pixels = (pixels * torch.tensor(LUMA, device=pixels.device)[:, None, None]).sum(1, keepdim=True)
    new = torch.stack(pixels.add_(0.5).to(torch.uint8).unbind(1), 3)
    beyond = (frames.x >= 1)[:, 0, :, narrowest:, None]
    new[:, :, narrowest:] = torch.where(beyond, old[:, :, narrowest:], new[:, :, narrowest:])
    return new


def _change(frames: Frames, drawn: Sequence[Drawn], fill: float | None) -> None:
    """All effects, in their order; the pixels of `frames` are overwritten."""
    _befall(FIRST, frames, drawn)
    moving = [row for row, effects in enumerate(drawn) if geometry.moves(effects)]
    for bent in (False, True):
        rows = [row for row in moving if geometry.bends(drawn[row]) == bent]
        if rows:
            _overwrite(frames, rows, partial(geometry.warp, drawn=[drawn[row] for row in rows], fill=fill))
    _befall(EFFECTS, frames, drawn)


def _befall(effects: Sequence[Effect], frames: Frames, drawn: Sequence[Drawn]) -> None:
    rows: dict[str, list[int]] = {effect.name: [] for effect in effects}
    for row, names in enumerate(drawn):
        for name in names:
            rows.get(name, []).append(row)
    for effect in effects:
        if chosen := rows[effect.name]:
            amounts = tensors([drawn[row][effect.name] for row in chosen], frames.pixels.device)
            _overwrite(frames, chosen, partial(_applied, effect, amounts))


def _applied(effect: Effect, amounts: Amounts, frames: Frames) -> Frames:
    return cast(Frames, effect.apply(frames, amounts))


def _overwrite(frames: Frames, rows: Sequence[int], change: Callable[[Frames], Frames]) -> None:
    """Change some of the pictures in place, and keep their levels in range."""
    index = torch.tensor(rows, device=frames.pixels.device)
    part = Frames(*(values.index_select(0, index) for values in (frames.pixels, frames.heights, frames.widths)))
    frames.pixels.index_copy_(0, index, change(part).pixels.clamp_(0, 255))


def _moved(boxes: Sequence[Floats | None], drawn: Sequence[Drawn], widths: Tensor, height: int) -> Boxes:
    """The boxes where the effects have moved what is in them."""
    moved = list(boxes)
    pairs = enumerate(zip(boxes, drawn, strict=True))
    known = {row: quads for row, (quads, effects) in pairs if quads is not None and geometry.moves(effects)}
    if known:
        most = max(len(quads) for quads in known.values())
        points = np.full((len(known), most, 4, 2), np.nan, np.float32)
        for place, quads in zip(points, known.values(), strict=True):
            place[: len(quads)] = quads
        part = widths[list(known)]
        frames = Frames(torch.empty(len(known), 0), torch.full_like(part, height), part)
        targets = torch.from_numpy(points).flatten(1, 2).mT
        found = geometry.follow(targets, frames, [drawn[row] for row in known]).mT.reshape(points.shape).numpy()
        for (row, quads), place in zip(known.items(), found, strict=True):
            moved[row] = place[: len(quads)].copy()
    return tuple(moved)
