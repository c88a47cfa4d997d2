"""Print what an evaluation found."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from wildtext.evaluation.evaluator import Result


def pooled(results: Sequence[Result]) -> Result:
    """All data sets as one: every image counts the same."""
    images = sum(result.images for result in results)
    return Result(
        "all",
        images,
        sum(result.correct for result in results),
        sum(result.similarity * result.images for result in results) / images,
        sum(result.confidence * result.images for result in results) / images,
        sum(result.empty for result in results),
        tuple(message for result in results for message in result.unreadable),
        sum(result.seconds for result in results),
    )


def as_json(results: Sequence[Result], *, model: str, protocol: str, runtime: str) -> str:
    """One JSON object: what was measured, a record per data set, and the record of all together."""
    values = {
        "model": model,
        "protocol": protocol,
        "runtime": runtime,
        "results": [_record(result) for result in results],
        "all": _record(pooled(results)),
    }
    return json.dumps(values, indent=2, ensure_ascii=False)


def as_table(results: Sequence[Result], *, protocol: str) -> None:
    """A table on standard output, with a last row for all data sets together where there are several."""
    table = Table(title=f"word accuracy, protocol {protocol}", box=None, pad_edge=False, title_justify="left")
    table.add_column("data", overflow="fold")
    for column in ("images", "accuracy", "1-NED", "confidence", "unreadable", "images/s"):
        table.add_column(column, justify="right", overflow="fold")
    for result in [*results, *([pooled(results)] if len(results) > 1 else [])]:
        table.add_row(
            result.name,
            str(result.images),
            f"{result.accuracy:.2f} %",
            f"{result.similarity:.4f}",
            f"{result.confidence:.4f}",
            str(len(result.unreadable)),
            f"{result.images / result.seconds:.0f}",
        )
    # Where nobody looks at a terminal, long names must not be folded to an assumed width.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _record(result: Result) -> dict[str, object]:
    return {
        "data": result.name,
        "images": result.images,
        "correct": result.correct,
        "accuracy": round(result.accuracy, 4),
        "one_minus_ned": round(result.similarity, 6),
        "mean_confidence": round(result.confidence, 6),
        "empty_labels": result.empty,
        "unreadable": list(result.unreadable),
        "seconds": round(result.seconds, 3),
    }
