"""Images that are worth a look: why models fail, and where a label may be wrong.

Places are positions in what was judged, the same for all models. Images that could not be decoded are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from wildtext.evaluation.metrics import similarity
from wildtext.evaluation.readings import Judged
from wildtext.evaluation.wording import counted

SURE = 0.9
"""Confidence from which a single model is believed against a label."""

AGREED = 0.5
"""Confidence from which each of several models is believed that read the same."""


@dataclass(frozen=True, slots=True)
class Case:
    """One image of a gallery.

    Attributes:
        place: of the image.
        reason: why it is in the gallery, with the numbers behind it, as a phrase for people.
    """

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label that may be wrong.

    Attributes:
        place: of the image.
        text: what was read instead, as the protocol compares it.
        confidence: the least of the models that read it, in [0, 1].
        reason: what speaks against the label, as a phrase for people.
    """

    place: int
    text: str
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """An image that models read differently.

    Attributes:
        place: of the image.
        right: numbers of the models that read it right; there may be none.
        confidence: the least of all models, in [0, 1].
        reason: who read what, as a phrase for people.
    """

    place: int
    right: tuple[int, ...]
    confidence: float
    reason: str


def confidently_wrong(judged: Sequence[Judged], count: int) -> list[Case]:
    """Wrong readings, the most confident first."""
    wrong = [(place, one) for place, one in _decoded(judged) if not one.correct]
    wrong.sort(key=lambda pair: -pair[1].confidence)
    return [
        Case(place, f"wrong with confidence {one.confidence:.2f}, {counted(one.edits, 'edit')}")
        for place, one in wrong[:count]
    ]


def worst(judged: Sequence[Judged], count: int) -> list[Case]:
    """Wrong readings with most edits for the length of the longer text, of equals those with most edits."""
    wrong = [(place, one) for place, one in _decoded(judged) if not one.correct]
    wrong.sort(key=lambda pair: (similarity(pair[1].text, pair[1].truth), -pair[1].edits))
    return [
        Case(place, f"{counted(one.edits, 'edit')} in {counted(max(len(one.text), len(one.truth)), 'character')}")
        for place, one in wrong[:count]
    ]


def least_confident_right(judged: Sequence[Judged], count: int) -> list[Case]:
    """Right readings, the least confident first."""
    right = [(place, one) for place, one in _decoded(judged) if one.correct]
    right.sort(key=lambda pair: pair[1].confidence)
    return [Case(place, f"right with confidence {one.confidence:.2f}") for place, one in right[:count]]


def label_doubts(models: Sequence[Sequence[Judged]], count: int) -> list[Doubt]:
    """Labels that confident readings contradict, the most confident first.

    Several models: all of them, or all but one of three or more, read the same other text with a confidence of `AGREED`
    at least, and none reads the label. Models that were trained on the same data can share their mistakes.

    One model: it reads another text with a confidence of `SURE` at least, and there is more against the label: the text
    is the label of other images, or one contains the other, or they differ in a single character or a swap of two. This
    is weaker evidence: often it is the model that is wrong.

    Args:
        models: for each model all images, in the same order; at least one.
        count: doubts to give at most.
    """
    if len(models) == 1:
        doubts = list(_doubts_of_one(models[0]))
    else:
        shared = (_shared_doubt(place, row) for place, row in _rows(models))
        doubts = [doubt for doubt in shared if doubt is not None]
    return sorted(doubts, key=lambda doubt: -doubt.confidence)[:count]


def models_differ(models: Sequence[Sequence[Judged]], names: Sequence[str], count: int) -> list[Difference]:
    """Images that some models read right and others wrong, then those that all read wrong and not all alike.

    Of either kind, those come first of which the least sure model is most sure.

    Args:
        models: for each model all images, in the same order; at least two.
        names: of the models.
        count: images to give at most.
    """
    differences = []
    for place, row in _rows(models):
        if len({one.text for one in row}) > 1:
            right = tuple(number for number, one in enumerate(row) if one.correct)
            told = [
                f"{name}: “{one.text}” ({one.confidence:.2f}, {'right' if one.correct else 'wrong'})"
                for name, one in zip(names, row, strict=True)
            ]
            differences.append(Difference(place, right, min(one.confidence for one in row), "; ".join(told)))
    return sorted(differences, key=lambda one: (not one.right, -one.confidence))[:count]


def _doubts_of_one(judged: Sequence[Judged]) -> Iterator[Doubt]:
    labels = Counter(one.truth for one in judged)
    for place, one in _decoded(judged):
        if one.correct or not one.text or one.confidence < SURE:
            continue
        signs = []
        if labels[one.text]:
            signs.append(f"which is the label of {counted(labels[one.text], 'other image')}")
        if one.truth in one.text or one.text in one.truth:
            signs.append("which has the label in it" if one.truth in one.text else "which is in the label")
        # Optimal string alignment takes a swap of neighbours for one edit, Levenshtein for two.
        elif OSA.distance(one.truth, one.text) == 1:
            signs.append("which is one edit away" if one.edits == 1 else "which has two characters swapped")
        if signs:
            reason = f"read with confidence {one.confidence:.2f} as “{one.text}”, {' and '.join(signs)}"
            yield Doubt(place, one.text, one.confidence, reason)


def _shared_doubt(place: int, row: Sequence[Judged]) -> Doubt | None:
    """What several models have against the label of one image."""
    text, votes = Counter(one.text for one in row).most_common(1)[0]
    needed = len(row) if len(row) < 3 else len(row) - 1
    least = min(one.confidence for one in row if one.text == text)
    if not text or votes < needed or least < AGREED or any(one.correct for one in row):
        return None
    reason = f"{votes} of {len(row)} models read “{text}”, with confidence {least:.2f} or more"
    return Doubt(place, text, least, reason)


def _decoded(judged: Iterable[Judged]) -> Iterator[tuple[int, Judged]]:
    """Images that could be decoded, with their places."""
    return ((place, one) for place, one in enumerate(judged) if one.reading.prediction is not None)


def _rows(models: Sequence[Sequence[Judged]]) -> Iterator[tuple[int, tuple[Judged, ...]]]:
    """For each image that every model could decode, its place and what each model read."""
    for place, row in enumerate(zip(*models, strict=True)):
        if all(one.reading.prediction is not None for one in row):
            yield place, row
