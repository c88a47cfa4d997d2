"""Measure a recogniser on labelled images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from wildtext.data.source import LabelledSource, Progress
from wildtext.errors import DataError, SampleError
from wildtext.evaluation.metrics import comparable, similarity
from wildtext.inference.recognizer import Recognizer
from wildtext.types import Image, Prediction


@dataclass(frozen=True)
class Result:
    """What came out on one data set.

    Attributes:
        name: of the data set.
        images: how many were counted; unreadable ones count as wrong.
        correct: how many were read exactly, under the protocol.
        similarity: mean of 1 - NED, in [0, 1].
        confidence: mean confidence, in [0, 1]; unreadable images count as 0.
        empty: labels of readable images that have no character of the protocol; an empty reading counts as correct.
        unreadable: messages of the images that could not be decoded.
        seconds: time for reading, decoding of images included.
    """

    name: str
    images: int
    correct: int
    similarity: float
    confidence: float
    empty: int
    unreadable: tuple[str, ...]
    seconds: float

    @property
    def accuracy(self) -> float:
        """Word accuracy in percent."""
        return 100 * self.correct / self.images


def evaluate(
    recognizer: Recognizer,
    source: LabelledSource,
    *,
    protocol: str = "36",
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Result:
    """Read every image of a source and compare with its label.

    Reading and label are both brought to what the protocol compares (36 folds case and accents), then compared for
    equality. No image is left out: one that cannot be decoded counts as wrong.

    Args:
        recognizer: what reads.
        source: labelled images.
        protocol: see `wildtext.evaluation.metrics.comparable`.
        batch_size: images that go through the network together; it does not change the result.
        progress: is told after each image.

    Raises:
        DataError: the source is empty.
    """
    if source.size == 0:
        raise DataError(f"{source.name} has no samples to evaluate")
    shared = comparable(protocol, recognizer.bundle.charset)
    began = time.perf_counter()
    count, correct, empty, similar, confident = source.size, 0, 0, 0.0, 0.0
    broken: list[str] = []
    for index, prediction in enumerate(recognizer.stream(_images(source, broken), batch_size=batch_size)):
        if progress is not None:
            progress(index + 1, count)
        if not isinstance(prediction, Prediction):
            continue
        truth = shared(source.text(index))
        reading = shared(prediction.text)
        confident += prediction.confidence
        correct += reading == truth
        empty += not truth
        similar += similarity(reading, truth)
    seconds = time.perf_counter() - began
    return Result(source.name, count, correct, similar / count, confident / count, empty, tuple(broken), seconds)


def _images(source: LabelledSource, broken: list[str]) -> Iterator[Image | bytes]:
    """The images in order; where one is broken its message goes to `broken`, and empty bytes keep its place."""
    for index in range(source.size):
        try:
            yield source[index].image
        except SampleError as error:
            broken.append(str(error))
            yield b""
