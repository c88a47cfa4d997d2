"""What keeps one bad batch from spoiling a run."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wildtext.synth.sheet import flow, sheet
from wildtext.training.canvas import Canvases
from wildtext.types import Sample

_MOST_IN_A_ROW = 5
_MEMORY = 0.98
"""Share of the typical loss that one more sound step leaves as it is."""
_EXPLODED = 10.0
"""A loss so many times the typical one, and above so many nats: worse than guessing among 20,000 characters."""


@dataclass
class Guard:
    """Judges steps by their loss and gradient.

    Attributes:
        typical: moving average of the loss of sound steps; infinite before the first.
        skipped: unsound steps so far.
        in_a_row: of them, since the last sound one.
    """

    typical: float = math.inf
    skipped: int = 0
    in_a_row: int = 0

    def problem(self, loss: float, norm: float) -> str | None:
        """What is wrong with a step, counted; None for a sound one.

        Args:
            loss: of the step.
            norm: of its gradient.
        """
        problem = self._problem(loss, norm)
        if problem is None:
            self.typical = loss if math.isinf(self.typical) else _MEMORY * self.typical + (1 - _MEMORY) * loss
            self.in_a_row = 0
        else:
            self.skipped += 1
            self.in_a_row += 1
        return problem

    @property
    def gives_up(self) -> bool:
        """Whether so many steps in a row were unsound that going on makes no sense."""
        return self.in_a_row >= _MOST_IN_A_ROW

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the state of a run."""
        return asdict(self)

    def _problem(self, loss: float, norm: float) -> str | None:
        if not math.isfinite(loss) or not math.isfinite(norm):
            return f"the loss is {loss:g} and the norm of its gradient {norm:g}"
        if loss > _EXPLODED * max(self.typical, 1):
            return f"the loss is {loss:g}, where {self.typical:.3g} is typical"
        return None


def dump(folder: Path, step: int, canvases: list[Canvases], facts: dict[str, Any]) -> Path:
    """Write a batch for inspection: a picture of what the network saw, and what is known of each sample.

    Args:
        folder: of the run.
        step: that the batch belongs to.
        canvases: its samples, as they were augmented.
        facts: to store with them.

    Returns:
        Path of the picture; the JSON beside it has the same stem.
    """
    path = folder / f"unsound-step-{step}.png"
    sheet(flow(drawn(canvases))).save(path)
    samples = [
        {"source": source, "text": text}
        for some in canvases
        for source, text in zip(some.sources, some.texts, strict=True)
    ]
    path.with_suffix(".json").write_text(
        json.dumps({"step": step, **facts, "samples": samples}, indent=2, ensure_ascii=False), encoding="utf-8"
    )
    return path


def drawn(canvases: list[Canvases]) -> list[Sample]:
    """Canvases as samples, for a contact sheet: grey ones in three channels, without their padding."""
    samples = []
    for some in canvases:
        pictures = some.images.cpu().numpy()
        for row, (picture, share) in enumerate(zip(pictures, some.valid_width.tolist(), strict=True)):
            content = picture[:, : max(round(share * picture.shape[1]), 1)].repeat(3 // picture.shape[2], axis=2)
            samples.append(Sample(content, some.texts[row], some.boxes[row], some.sources[row]))
    return samples
