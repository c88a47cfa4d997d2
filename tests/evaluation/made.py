"""Results without a model or images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.readings import Reading, judge
from wildtext.types import Prediction

Word = tuple[str, str | None] | tuple[str, str | None, float]
"""Label, reading (None: the image cannot be decoded), and confidence, 0.5 where it does not matter."""


def made(
    words: Sequence[Word], data: str = "words", model: str = "ours", shared: Callable[[str], str] = lambda text: text
) -> Result:
    readings = []
    for index, (truth, text, *confidence) in enumerate(words):
        prediction = None if text is None else Prediction(text, float((*confidence, 0.5)[0]), ())
        readings.append(
            Reading(index, f"{data}/{index}.png", truth, prediction, "" if prediction else f"{index}: broken")
        )
    return Result(model=model, data=data, judged=judge(readings, shared), fresh=len(readings), seconds=0.5)


def counted(right: Sequence[bool], data: str = "words", model: str = "ours") -> Result:
    """A result of which only it is known which images are read."""
    return made([("a", "a" if one else "b") for one in right], data, model)


def sized(data: str, images: int, correct: int, model: str = "ours") -> Result:
    """A result of so many images, the first of them correct."""
    return counted([place < correct for place in range(images)], data, model)
