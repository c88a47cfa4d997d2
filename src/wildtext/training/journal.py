"""What a run writes down while it goes on: `log.jsonl`, a line on the console, TensorBoard."""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wildtext.training.board import Board
from wildtext.training.files import write_whole
from wildtext.training.mistakes import Mistake
from wildtext.training.step import Outcome

log = logging.getLogger("wildtext.train")

FILE = "log.jsonl"


@dataclass
class _Since:
    """What happened since the last line of the log."""

    time: float
    losses: list[float] = field(default_factory=list)
    images: int = 0
    rendered: int = 0
    waited: float = 0.0
    skipped_samples: int = 0
    skipped_steps: int = 0


class Journal:
    """Keeps the records of one run.

    Args:
        folder: of the run.
        tensorboard: whether TensorBoard gets them too.
        resumed: the step that the run goes on from; what was written after it is dropped, as those steps will be done
            again. None begins a run.

    Raises:
        MissingExtraError: TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path, *, tensorboard: bool, resumed: int | None):
        self._path = folder / FILE
        self._trim(-1 if resumed is None else resumed)
        self._board = Board(folder / "tensorboard", resumed=resumed) if tensorboard else None
        self._since = _Since(time.monotonic())

    def step(self, outcome: Outcome, *, waited: float, rendered: int, skipped: int) -> None:
        """Take down a step.

        Args:
            outcome: of the step.
            waited: seconds that it waited for data.
            rendered: samples of it that were new from the synthetic source.
            skipped: samples that could not be used.
        """
        since = self._since
        if outcome.problem is None:
            since.losses.append(outcome.loss)
            since.images += outcome.images
        else:
            since.skipped_steps += 1
        since.waited += waited
        since.rendered += rendered
        since.skipped_samples += skipped

    def summary(self, outcome: Outcome) -> dict[str, Any]:
        """What happened since the last summary, and at the last step."""
        since, self._since = self._since, _Since(time.monotonic())
        seconds = max(self._since.time - since.time, 1e-9)
        values: dict[str, Any] = {
            "images_per_second": round(since.images / seconds, 1),
            "learning_rate": outcome.rate,
            "data_wait": round(min(since.waited / seconds, 1.0), 4),
        }
        if math.isfinite(outcome.norm):  # JSON has no other numbers
            values["gradient_norm"] = round(outcome.norm, 4)
        if since.losses:
            values["loss"] = round(sum(since.losses) / len(since.losses), 5)
        if since.rendered:
            values["rendered_per_second"] = round(since.rendered / seconds, 1)
        for name in ("skipped_samples", "skipped_steps"):
            if count := getattr(since, name):
                values[name] = count
        return values

    def write(self, record: dict[str, Any]) -> None:
        """Write a record.

        Raises:
            OSError: the disk refused.
        """
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        if self._board is not None:
            self._board.record(record)

    def mistakes(self, step: int, mistakes: list[Mistake]) -> None:
        """Show mistakes in TensorBoard."""
        if self._board is not None:
            self._board.mistakes(step, mistakes)

    def leave_out(self, seconds: float) -> None:
        """Do not count time that was no training, e.g. that of a measurement."""
        self._since.time += seconds

    def close(self) -> None:
        """Write what is still in memory."""
        if self._board is not None:
            self._board.close()

    def _trim(self, step: int) -> None:
        if not self._path.exists():
            return
        kept = []
        for line in self._path.read_text(encoding="utf-8").splitlines(keepends=True):
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError, TypeError):
                continue  # a line that was being written when the run was killed
        write_whole(self._path, "".join(kept))
