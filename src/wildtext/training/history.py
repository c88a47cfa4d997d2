"""What a training run has left in its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wildtext.errors import TrainingError
from wildtext.training.mistakes import Mistake, load_mistakes

Record = Mapping[str, Any]
"""A line of the log."""


@dataclass(frozen=True)
class History:
    """What a run has left in its folder.

    Attributes:
        recipe, plan: from `recipe.json` and `plan.json`; empty where these are missing.
        records: the lines of `log.jsonl`, in the order of steps.
        damaged: lines that are no records, such as one that was never finished.
        mistakes: from `mistakes.json`.
    """

    recipe: Mapping[str, Any]
    plan: Mapping[str, Any]
    records: tuple[Record, ...]
    damaged: int
    mistakes: tuple[Mistake, ...]

    @property
    def measurements(self) -> list[Record]:
        """The records that have accuracies."""
        return [record for record in self.records if record.get("accuracy")]

    @property
    def scored(self) -> list[Record]:
        """The measurements that have a score for all data sets together."""
        return [record for record in self.measurements if "score" in record]

    @property
    def best(self) -> Record:
        """The first of the best scored measurements, of which the bundle was kept; there must be one."""
        return max(self.scored, key=lambda record: float(record["score"]))

    @property
    def data_sets(self) -> list[str]:
        """Names of all that was measured with."""
        return list(dict.fromkeys(name for record in self.measurements for name in record["accuracy"]))

    @property
    def end(self) -> str | None:
        """How the run stopped: `done`, `request` or `patience`; None where it is still going on or was interrupted."""
        # A run that was resumed has gone on after earlier ends.
        return self.records[-1].get("stopped") if self.records else None

    def values(self, key: str) -> list[float]:
        """The finite values that the log has of a quantity."""
        return [record[key] for record in self.records if key in record and math.isfinite(record[key])]


def read_history(folder: Path) -> History:
    """Read what a run has left in its folder; it may still be going on.

    Raises:
        TrainingError: there is no `log.jsonl`, or another file is damaged.
    """
    path = folder / "log.jsonl"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise TrainingError(f"{folder} holds no training run: cannot read {path} ({error.strerror})") from error
    records = [record for line in lines if (record := _record(line)) is not None]
    return History(
        _read_json(folder / "recipe.json"),
        _read_json(folder / "plan.json"),
        tuple(sorted(records, key=lambda record: int(record["step"]))),
        len(lines) - len(records),
        tuple(load_mistakes(folder)),
    )


def _record(line: str) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None


def _read_json(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise TrainingError(f"{path} holds no JSON object, so it is not of a training run")
    return values
