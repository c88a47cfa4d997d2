"""What an evaluation found, and all of it as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

from wildtext.evaluation.benchmarks import Total, distinct, recognise, totals
from wildtext.evaluation.comparison import POOLED, Comparison, compare
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.metrics import covered
from wildtext.evaluation.published import PUBLISHED

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
        extras: further tables by title, e.g. of speed; their values are finite numbers, texts or None.
        published: whether figures of others are shown too.
    """

    results: Sequence[Sequence[Result]]
    protocol: str
    runtimes: Sequence[str]
    conditions: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, Records] = field(default_factory=dict)
    published: bool = False

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return [results[0].model for results in self.results]

    @property
    def rules(self) -> str:
        """Protocol and conditions in words."""
        return ", ".join([f"protocol {self.protocol}", *(f"{name} {value}" for name, value in self.conditions.items())])

    @cached_property
    def left_out(self) -> list[Result]:
        """What does not count in `pooled`, since other data sets hold its images too."""
        return distinct(self.results[0])[1]

    @cached_property
    def pooled(self) -> list[Result]:
        """Of each model all data sets as one, every image counting the same and once; of one data set, that set."""
        return [results[0] if len(results) == 1 else pooled(distinct(results)[0]) for results in self.results]

    @cached_property
    def totals(self) -> list[list[Total]]:
        """By model, the totals of benchmarks that are complete."""
        return [totals(results) for results in self.results]

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every model beside the first."""
        return compare(self.results)


def pooled(results: Sequence[Result]) -> Result:
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
            "totals": [_total_record(total) for total in found],
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
        "left_out_of_all": [result.data for result in summary.left_out],
        "comparisons": [_comparison_record(one) for one in summary.comparisons],
        **summary.extras,
        **({"published": [asdict(one) for one in PUBLISHED]} if summary.published else {}),
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


def _total_record(total: Total) -> dict[str, object]:
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
