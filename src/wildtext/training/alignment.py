"""Where characters stand, in columns: what CTC has to find out by itself, told where it is known.

CTC learns from a label alone which columns belong to which character. A fresh network first learns to write blanks
everywhere, and stays there for tens of thousands of images, because all alignments are equally wrong. Painted words
come with the boxes of their characters, so for them an alignment is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wildtext.codecs.ctc import BLANK
from wildtext.models import IGNORED
from wildtext.types import Floats

_SHARE = 0.6
"""Width of the part of a character that is read as it, as a share of its own: what lies between is blank."""


def character_spans(boxes: Sequence[Floats | None], canvas_width: int) -> Tensor:
    """Left and right ends of characters.

    Args:
        boxes: for each sample the quadrilaterals (L, 4, 2) of its characters, in pixels of the canvas, or None.
        canvas_width: in pixels.

    Returns:
        (N, longest L, 2) float32 shares of the canvas width; NaN where a character is not known or there is none.
    """
    longest = max((len(box) for box in boxes if box is not None), default=0)
    spans = np.full((len(boxes), longest, 2), np.nan, np.float32)
    for row, box in zip(spans, boxes, strict=True):
        if box is not None:
            across = box[:, :, 0]
            row[: len(box)] = np.stack([across.min(axis=1), across.max(axis=1)], axis=1) / canvas_width
    return torch.from_numpy(spans)


def column_targets(ids: Tensor, lengths: Tensor, spans: Tensor, columns: int) -> Tensor:
    """The class of each column, if columns are spread evenly over the canvas.

    A column belongs to the nearest character whose middle part holds the column's centre; each character has at least
    the column at its own centre, unless a neighbour is nearer to it. Of a character that repeats the one before it or
    is repeated, that one column is all: CTC needs a blank between equal characters.

    Args:
        ids: (N, L) classes of the characters.
        lengths: (N,) how many of them count.
        spans: (N, at most L, 2) from `character_spans`.
        columns: how many there are.

    Returns:
        (N, columns) classes, the blank between characters; `IGNORED` throughout where the place of a character of the
        label is not known.
    """
    count, longest = ids.shape
    known = spans.new_full((count, longest, 2), torch.nan)
    known[:, : spans.shape[1]] = spans
    counts = torch.arange(longest, device=ids.device) < lengths[:, None]
    repeats = (ids[:, 1:] == ids[:, :-1]) & counts[:, 1:]
    start = torch.zeros_like(counts[:, :1])
    single = torch.cat([start, repeats], dim=1) | torch.cat([repeats, start], dim=1)

    middle, width = known.mean(dim=2), known[:, :, 1] - known[:, :, 0]
    reach = (width * _SHARE / 2).masked_fill(single, 0).clamp(min=0.5 / columns)
    centres = (torch.arange(columns, device=ids.device) + 0.5) / columns
    distance = (centres[:, None] - middle[:, None, :]).abs()  # (N, columns, L)
    distance = distance.masked_fill(~(distance <= reach[:, None, :]), torch.inf).masked_fill(
        ~counts[:, None], torch.inf
    )
    nearest, which = distance.min(dim=2)
    classes = ids.gather(1, which).masked_fill(nearest.isinf(), BLANK)
    unknown = (known.isnan().any(dim=2) & counts).any(dim=1)
    return classes.masked_fill(unknown[:, None], IGNORED)
