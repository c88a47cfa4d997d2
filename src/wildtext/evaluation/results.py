"""What an evaluation found, and all of it as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

from wildtext.data import short_paths
from wildtext.evaluation.benchmarks import Total, recognise, totals
from wildtext.evaluation.comparison import POOLED, Comparison, compare, pooled_sets
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.metrics import covered

Records = Sequence[Mapping[str, Any]]
"""Plain values by name, row by row."""


@dataclass(frozen=True, eq=False)
class Summary:
    """All that an evaluation found, ready to be shown.

    Attributes:
        results: by model, then by data set; all models on the same images.
        protocol: what counted as the same text.
        runtimes: what ran each model.
        conditions: what else the figures depend on, by name, e.g. the lexicon that readings were taken from.
        tables: further tables by title, e.g. of speed, for people; their values are numbers, texts or None.
        lists: the same figures by name, for programs; their numbers are finite.
    """

    results: Sequence[Sequence[Result]]
    protocol: str
    runtimes: Sequence[str]
    conditions: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Records] = field(default_factory=dict)
    lists: Mapping[str, Records] = field(default_factory=dict)

    @cached_property
    def models(self) -> list[str]:
        """Names of the models."""
        return [results[0].model for results in self.results]

    @cached_property
    def sets(self) -> list[str]:
        """Names of the data sets: of the published set that one is, or else as short as tells them apart."""
        short = short_paths([result.data for result in self.results[0]])
        known = [recognise(result.data, len(result.judged)) for result in self.results[0]]
        names = [one.name if one else name for one, name in zip(known, short, strict=True)]
        return names if len(set(names)) == len(names) else short

    @property
    def rules(self) -> str:
        """Protocol and conditions in words."""
        return ", ".join([f"protocol {self.protocol}", *(f"{name} {value}" for name, value in self.conditions.items())])

    @property
    def caution(self) -> str:
        """Why these figures must not be compared with published ones; empty where they may."""
        if self.protocol == "36" and not self.conditions:
            return ""
        return (
            f"Figures for {self.rules} cannot be compared with published ones, which are for protocol 36, free reading "
            "and all images."
        )

    @cached_property
    def kept(self) -> list[int]:
        """Numbers of the data sets that count in `pooled`; others hold the images of those that do not."""
        return pooled_sets(self.results[0])

    @property
    def left_out(self) -> list[int]:
        """Numbers of the data sets that do not."""
        return [number for number in range(len(self.results[0])) if number not in self.kept]

    @cached_property
    def pooled(self) -> list[Result]:
        """Of each model all data sets as one, every image counting the same and once; of one data set, that set."""
        if len(self.results[0]) == 1:
            return [results[0] for results in self.results]
        return [pool([results[number] for number in self.kept]) for results in self.results]

    @cached_property
    def totals(self) -> list[list[Total]]:
        """By model, the totals of benchmarks that are complete."""
        return [totals(results) for results in self.results]

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every model beside the first."""
        return compare(self.results)


def pool(results: Sequence[Result]) -> Result:
    """Data sets as one: every image counts the same."""
    return Result(
        model=results[0].model,
        data=POOLED,
        judged=tuple(chain.from_iterable(result.judged for result in results)),
        fresh=sum(result.fresh for result in results),
        seconds=sum(result.seconds for result in results),
    )


def as_json(summary: Summary) -> str:
    """One JSON object with everything, unrounded; docs/evaluate.md tells its keys."""
    models = [
        {
            "model": model,
            "runtime": runtime,
            "results": [_record(result) for result in results],
            "all": _record(everything),
            "totals": [_total_record(total, summary.caution) for total in found],
        }
        for model, runtime, results, everything, found in zip(
            summary.models, summary.runtimes, summary.results, summary.pooled, summary.totals, strict=True
        )
    ]
    values = {
        "protocol": summary.protocol,
        "conditions": dict(summary.conditions),
        **models[0],
        "others": models[1:],
        "left_out_of_all": [summary.results[0][number].data for number in summary.left_out],
        "comparisons": [_comparison_record(one) for one in summary.comparisons],
        **summary.lists,
    }
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)


def _record(result: Result) -> dict[str, object]:
    metrics = result.metrics
    found = recognise(result.data, len(result.judged))
    return {
        "data": result.data,
        "benchmark_set": found.name if found else None,
        "images": metrics.images,
        "correct": metrics.correct,
        "accuracy": metrics.accuracy,
        "interval": metrics.interval,
        "one_minus_ned": metrics.similarity,
        "one_minus_ned_by_label": metrics.similarity_by_label,
        "character_error_rate": metrics.character_error_rate,
        "edits": metrics.edits,
        "characters": metrics.characters,
        "mean_confidence": metrics.confidence,
        "expected_calibration_error": metrics.calibration_error,
        "accuracy_at_coverage": [
            {"coverage": share, "images": covered(metrics.images, share), "accuracy": accuracy}
            for share, accuracy in metrics.coverage.items()
        ],
        "empty_labels": metrics.empty,
        "unreadable": result.unreadable,
        "fresh": result.fresh,
        "seconds": result.seconds,
    }


def _total_record(total: Total, caution: str) -> dict[str, object]:
    return {
        "total": total.benchmark.name,
        "reported_by": total.benchmark.about,
        "kind": "mean" if total.benchmark.mean else "micro",
        "sets": total.benchmark.sets,
        "images": total.images,
        "effective_images": total.effective_images,
        "correct": total.correct,
        "accuracy": total.accuracy,
        "interval": total.interval,
        "caution": caution,
    }


def _comparison_record(one: Comparison) -> dict[str, object]:
    return {
        **asdict(one),
        "first_accuracy": one.first_accuracy,
        "accuracy": one.accuracy,
        "difference": one.difference,
        "interval": one.interval,
        "p_value": one.p_value,
    }
