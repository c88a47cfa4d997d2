"""Accuracy by what images and labels are like, and where a model loses most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wildtext.evaluation.groupings import GROUPINGS, UNKNOWN, Item
from wildtext.evaluation.properties import Properties
from wildtext.evaluation.readings import Judged
from wildtext.evaluation.statistics import binomial_tail, percent_interval

_LEAST_CHANCE = 0.001
"""A slice is a weakness where so many errors are less probable than this by chance: dozens of slices are looked at."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Images that are alike in one thing.

    Attributes:
        by: what they are alike in, one of `GROUPINGS`.
        name: of these images, e.g. ``under 16 px``.
        places: of the images, as positions in what was judged; at least one.
        wrong: places of those that were read wrong.
        interval: the 95 % Wilson interval of their accuracy, in percent.
        share: of all images, in (0, 1].
        share_of_errors: of all errors that are in these images, in [0, 1]; 0 where there are no errors.
        excess_errors: errors beyond what the error rate of its data set would give for each image; below 0 where there
            are fewer. For slices by data set it is the error rate of all images.
        chance: probability of at least so many errors if these images were no harder than the others, in [0, 1]
            (binomial, with the mean of those error rates).
    """

    by: str
    name: str
    places: tuple[int, ...]
    wrong: tuple[int, ...]
    interval: tuple[float, float]
    share: float
    share_of_errors: float
    excess_errors: float
    chance: float

    @property
    def images(self) -> int:
        """How many there are."""
        return len(self.places)

    @property
    def errors(self) -> int:
        """How many of them are read wrong."""
        return len(self.wrong)

    @property
    def correct(self) -> int:
        """How many of them are read right."""
        return self.images - self.errors

    @property
    def accuracy(self) -> float:
        """Word accuracy in percent."""
        return 100 * self.correct / self.images


@dataclass(frozen=True, slots=True)
class Weakness:
    """A slice in which a model clearly loses more than elsewhere.

    Attributes:
        slice: the images.
        sentence: what there is to say, for people.
    """

    slice: Slice
    sentence: str


def find_slices(judged: Sequence[Judged], properties: Sequence[Properties | None], data: Sequence[str]) -> list[Slice]:
    """Accuracy by everything that is known of the images.

    The slices by one thing part the images: each is in exactly one of them.

    Args:
        judged: of one model, of one or several data sets.
        properties: of the same images; None where one could not be decoded.
        data: the data set of each image.

    Returns:
        In the order of `GROUPINGS` and of the bins of each. Bins without images are left out, and so is what all images
        have in common.
    """
    items = [Item(*one) for one in zip(judged, properties, data, strict=True)]
    wrong = np.array([not one.correct for one in judged], bool)
    everywhere = np.full(len(wrong), wrong.mean() if len(wrong) else 0.0)
    expected = everywhere.copy()
    for places in GROUPINGS["data"].parted(items).values():
        expected[places] = wrong[places].mean()
    found: list[Slice] = []
    for by, grouping in GROUPINGS.items():
        bins = grouping.parted(items)
        if len(bins) > 1:
            rates = everywhere if by == "data" else expected
            found += [_slice(by, name, places, wrong, rates) for name, places in bins.items()]
    return found


def _slice(by: str, name: str, places: list[int], wrong: NDArray[np.bool_], rates: NDArray[np.float64]) -> Slice:
    """One slice.

    Args:
        by: see `Slice`.
        name: see `Slice`.
        places: see `Slice`.
        wrong: (N,) whether each of all images was read wrong.
        rates: (N,) the errors to expect for each.
    """
    images, errors, all_errors = len(places), int(wrong[places].sum()), int(wrong.sum())
    usual = float(rates[places].sum())
    return Slice(
        by=by,
        name=name,
        places=tuple(places),
        wrong=tuple(place for place in places if wrong[place]),
        interval=percent_interval(images - errors, images),
        share=images / len(wrong),
        share_of_errors=errors / all_errors if all_errors else 0.0,
        excess_errors=errors - usual,
        chance=binomial_tail(errors, images, min(usual / images, 1.0)),
    )


def weaknesses(found: Sequence[Slice]) -> list[Weakness]:
    """The slices in which a model clearly loses more than elsewhere.

    One thing can be the reason for what another shows: small images are blurred. So the first is the one with most
    excess errors, and each of the next the one with most among the images that none of those before it has, as long as
    these are clearly more than chance gives. Data sets do not count as reasons, and what cannot be told of images comes
    after all that can.

    Args:
        found: what `find_slices` gave.
    """
    clear = [one for one in found if one.chance < _LEAST_CHANCE and one.excess_errors > 0]
    places = {place for one in found for place in one.places}
    wrong = {place for one in found for place in one.wrong}
    usual = len(wrong) / max(len(places), 1)
    ranked: list[Weakness] = []
    while clear and places:
        # The images that are left are easier than all of them were.
        ease = len(wrong) / (len(places) * usual)
        lost = [(one.name != UNKNOWN, excess, one) for one in clear if (excess := _excess(one, places, ease)) > 0]
        if not lost:
            break
        best = max(lost, key=lambda each: each[:2])[2]
        ranked.append(Weakness(best, _sentence(best)))
        clear.remove(best)
        if best.by != "data":
            places.difference_update(best.places)
            wrong.difference_update(best.places)
    return ranked


def _excess(one: Slice, places: set[int], ease: float) -> float:
    """Excess errors of a slice among these images, which have so many times the errors that are usual for them.

    0 where chance could explain them.
    """
    usual = ease * (one.errors - one.excess_errors) / one.images
    images, errors = (sum(place in places for place in group) for group in (one.places, one.wrong))
    if not images or binomial_tail(errors, images, min(usual, 1.0)) >= _LEAST_CHANCE:
        return 0.0
    return errors - usual * images


def _sentence(one: Slice) -> str:
    told = one.name != UNKNOWN
    subject = GROUPINGS[one.by].subject.format(one.name) if told else f"Images whose {one.by} cannot be told"
    low, high = one.interval
    every = round(one.errors / one.share_of_errors)
    return (
        f"{subject}: {one.accuracy:.1f} % read right ({low:.1f} to {high:.1f}), "
        f"{one.errors:,} of the {every:,} errors in {100 * one.share:.1f} % of the images"
    )
