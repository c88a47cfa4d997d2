"""What the test of SRN.pytorch printed (github.com/chenjun2hao/SRN.pytorch, commit 46a2293).

Its figures leave out images that a model of 36 characters cannot get right, so they are higher than those of a protocol
that counts every image, and must not stand beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from rapidfuzz.distance import Levenshtein

from wildtext.evaluation.benchmarks import namesakes
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.readings import Reading

LONGEST = 25
"""Characters of a stored label."""

CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyz$#")
"""Of a label in lower case. The last two are the marks for end and padding, which the filter lets through."""

KEPT = {
    "IIIT5k_3000": 3000,
    "SVT": 647,
    "IC03_860": 860,
    "IC03_867": 867,
    "IC13_857": 857,
    "IC13_1015": 1015,
    "IC15_1811": 1811,
    "IC15_2077": 1932,
    "SVTP": 645,
    "CUTE80": 287,
}
"""Images that SRN.pytorch measured in each of its sets, all of them 11,921; solved from the digits that it printed."""

WARNING = (
    "The filter of SRN.pytorch left out images: these figures can be compared with what it printed, and with no "
    "others. normalized_ED is a sum over images, and lower is better."
)


@dataclass(frozen=True)
class LegacyFigures:
    """What was printed about one data set.

    Attributes:
        data: its name.
        images: that were kept.
        correct: of these.
        distance: sum of edits / length of the label, 1 where the label is empty.
    """

    data: str
    images: int
    correct: int
    distance: float

    @property
    def accuracy(self) -> float:
        """Word accuracy in percent."""
        return 100 * self.correct / self.images


def keeps(label: str) -> bool:
    """Whether SRN.pytorch measures an image with this label, as it is stored: nothing is dropped from it first."""
    return len(label) <= LONGEST and CHARACTERS.issuperset(label.lower())


def legacy_figures(result: Result) -> LegacyFigures:
    """Accuracy and edit distance of one data set as SRN.pytorch counted them.

    Args:
        result: of samples that `keeps` kept; its protocol does not matter.
    """
    pairs = [(_text(one.reading), _before_end(one.reading.truth)) for one in result.judged]
    own = (one.name for one in namesakes(result.data) if KEPT.get(one.name) == len(pairs))
    return LegacyFigures(
        next(own, PurePath(result.data).name),
        len(pairs),
        sum(text == truth for text, truth in pairs),
        sum(Levenshtein.distance(text or "", truth) / len(truth) if truth else 1.0 for text, truth in pairs),
    )


def as_text(results: Sequence[Result]) -> str:
    """What SRN.pytorch would have printed, with a warning and without its times and sizes.

    Args:
        results: of one model, of samples that `keeps` kept.
    """
    figures = [legacy_figures(result) for result in results]
    line = "-" * 80
    lines = [WARNING, line]
    for one in figures:
        lines += [
            f"{one.data}\t{one.images} images",
            f"Acc {one.accuracy:.3f}\t normalized_ED {one.distance:.3f}",
            line,
        ]
    each = "".join(f"{one.data}: {one.accuracy:.3f}\t" for one in figures)
    total = 100 * sum(one.correct for one in figures) / sum(one.images for one in figures)
    return "\n".join([*lines, f"accuracy: {each}total_accuracy: {total:.3f}", *_departures(figures)])


def _text(reading: Reading) -> str | None:
    return None if reading.prediction is None else _before_end(reading.prediction.text)


def _before_end(text: str) -> str:
    """A text as the codec of SRN.pytorch can tell it: its characters in lower case, up to the mark of the end."""
    return "".join(character for character in text.lower().partition("$")[0] if character in CHARACTERS)


def _departures(figures: Sequence[LegacyFigures]) -> list[str]:
    """In which sets the images are not those of SRN.pytorch, so that the total is another one."""
    found = {one.data: one.images for one in figures}
    reasons = [
        f"{name} has {count:,} images and not {KEPT[name]:,}" if name in KEPT else f"{name} is none of its sets"
        for name, count in found.items()
        if KEPT.get(name) != count
    ]
    if missing := [name for name in KEPT if name not in found]:
        reasons.append(f"{', '.join(missing)}: not there")
    return [f"The total is over other images than that of SRN.pytorch. {'; '.join(reasons)}."] if reasons else []
