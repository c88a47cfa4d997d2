"""A training run in TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wildtext.errors import require
from wildtext.images import decode
from wildtext.synth.sheet import flow, sheet
from wildtext.training.mistakes import Mistake
from wildtext.types import Sample

_TAGS = {
    "loss": "training/loss",
    "learning_rate": "training/learning_rate",
    "gradient_norm": "training/gradient_norm",
    "skipped_steps": "training/skipped_steps",
    "images_per_second": "speed/images_per_second",
    "rendered_per_second": "speed/rendered_per_second",
    "data_wait": "speed/data_wait",
    "skipped_samples": "speed/skipped_samples",
    "score": "accuracy/all together",
}

_HEADS = "| label | reading | sure | data |\n|---|---|---|---|\n"


class Board:
    """Writes what a run logs as events for TensorBoard.

    Args:
        folder: of the events.
        resumed: the step that a run goes on from. TensorBoard then hides what was written of later steps before, which
            are done again. None begins a run.

    Raises:
        MissingExtraError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path, *, resumed: int | None = None):
        require("tensorboard", extra="tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        purge = None if resumed is None else resumed + 1
        self._writer = SummaryWriter(folder, purge_step=purge, flush_secs=30)

    def record(self, record: dict[str, Any]) -> None:
        """Write the numbers of a line of the log."""
        scalars = {tag: record[key] for key, tag in _TAGS.items() if key in record}
        scalars |= {f"accuracy/{name}": value for name, value in record.get("accuracy", {}).items()}
        for tag, value in scalars.items():
            self._writer.add_scalar(tag, value, record["step"])

    def mistakes(self, step: int, mistakes: Sequence[Mistake]) -> None:
        """Write sheets of what was read wrong and of where its characters were found, and a table of the texts.

        Captions on the sheets have the label and the reading; the table has them in all scripts.
        """
        for tag, field in (("mistakes/images", "image"), ("mistakes/places", "places")):
            shown = [_captioned(mistake, getattr(mistake, field)) for mistake in mistakes if getattr(mistake, field)]
            if shown:
                picture = np.asarray(sheet(flow(shown)))
                self._writer.add_image(tag, picture, step, dataformats="HWC")
        if mistakes:
            self._writer.add_text("mistakes", _HEADS + "\n".join(map(_row, mistakes)), step)

    def close(self) -> None:
        """Write what is still in memory."""
        self._writer.close()


def _captioned(mistake: Mistake, picture: bytes) -> Sample:
    return Sample(decode(picture), f"{mistake.truth} > {mistake.reading or '(nothing)'}")


def _row(mistake: Mistake) -> str:
    cells = (mistake.truth, mistake.reading or "(nothing)", f"{mistake.confidence:.1%}", mistake.source)
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Text in which neither Markdown nor HTML finds a sign of theirs."""
    words = " ".join(text.split())
    return "".join(letter if letter.isalnum() or letter == " " else f"&#{ord(letter)};" for letter in words)
