"""Which of several models is better, on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wildtext.errors import DataError
from wildtext.evaluation.benchmarks import distinct
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.statistics import difference_interval, mcnemar

POOLED = "all"
"""What all data sets together are called."""


@dataclass(frozen=True)
class Comparison:
    """A model beside the first one, on the images of one data set.

    Attributes:
        data: name of the data set, or `POOLED`.
        first: name of the model that is compared with.
        model: name of the model that is compared.
        images: how many both were measured on.
        first_correct: images that the first model reads.
        correct: images that the other one reads.
        only_first: images that only the first model reads.
        only_model: images that only the other one reads.
    """

    data: str
    first: str
    model: str
    images: int
    first_correct: int
    correct: int
    only_first: int
    only_model: int

    @property
    def first_accuracy(self) -> float:
        """Word accuracy of the first model, in percent."""
        return 100 * self.first_correct / self.images

    @property
    def accuracy(self) -> float:
        """Word accuracy of the other model, in percent."""
        return 100 * self.correct / self.images

    @property
    def difference(self) -> float:
        """How much better the other model is, in percentage points; below 0 where it is worse."""
        return 100 * (self.only_model - self.only_first) / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference in percentage points, see `difference_interval`."""
        low, high = difference_interval(self.only_first, self.only_model, self.images)
        return 100 * low, 100 * high

    @property
    def p_value(self) -> float:
        """That models equally good differ as much or more, see `mcnemar`; not corrected for several comparisons."""
        return mcnemar(self.only_first, self.only_model)


def pooled_sets(results: Sequence[Result]) -> list[int]:
    """Numbers of the data sets that `POOLED` is made of; images that published sets share count once, see `distinct`.

    Args:
        results: of one model.
    """
    kept, _ = distinct(results)
    return [number for number, result in enumerate(results) if any(result is one for one in kept)]


def compare(results: Sequence[Sequence[Result]]) -> list[Comparison]:
    """Compare every model with the first one, on each data set and, where there are several, on all of them.

    All of them are those of `pooled_sets`.

    Args:
        results: by model, then by data set.

    Returns:
        By data set, then by model.

    Raises:
        DataError: models were measured on other images than the first one.
    """
    first, *others = results
    for other in others:
        _check(first, other)
    comparisons = [_compare(one.data, [one], [other[place]]) for place, one in enumerate(first) for other in others]
    if len(first) > 1:
        kept = pooled_sets(first)
        pooled = [[row[number] for number in kept] for row in results]
        comparisons += [_compare(POOLED, pooled[0], other) for other in pooled[1:]]
    return comparisons


def _compare(data: str, first: Sequence[Result], other: Sequence[Result]) -> Comparison:
    one, two = (
        np.array([judged.correct for result in results for judged in result.judged], bool) for results in (first, other)
    )
    return Comparison(
        data,
        first[0].model,
        other[0].model,
        len(one),
        int(one.sum()),
        int(two.sum()),
        int((one & ~two).sum()),
        int((two & ~one).sum()),
    )


def _check(first: Sequence[Result], other: Sequence[Result]) -> None:
    """Make sure that two models were measured on the same images."""
    who = f"{other[0].model if other else 'a model'} cannot be compared with {first[0].model}"
    what = "evaluate them on the same data in one call"
    if len(first) != len(other):
        raise DataError(f"{who}: the one has {len(other)} data sets and the other {len(first)}; {what}")
    for one, two in zip(first, other, strict=True):
        if one.data != two.data:
            raise DataError(f"{who}: {two.data} stands where the other has {one.data}; {what}")
        if len(one.judged) != len(two.judged):
            raise DataError(f"{who}: {one.data} has {len(two.judged)} images and {len(one.judged)}; {what}")
        for mine, yours in zip(one.judged, two.judged, strict=True):
            here, there = mine.reading, yours.reading
            if (here.index, here.where) != (there.index, there.where):
                raise DataError(f"{who}: in {one.data}, {there.where} stands where the other has {here.where}; {what}")
