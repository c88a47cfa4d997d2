"""Fit the temperature that makes a confidence say how often a reading is right.

Logits are divided by one number before they become probabilities. It is fitted on images that the model was not trained
on (temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2), there for the
likelihood of labels. Here confidence belongs to a whole text, and it is fitted for the likelihood of readings being
right or wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wildtext.data import short_names
from wildtext.data.source import LabelledSource, Progress, texts
from wildtext.errors import DataError, ImageError, SampleError
from wildtext.evaluation.metrics import comparable, expected_calibration_error
from wildtext.evaluation.reliability import Bin, reliability_bins
from wildtext.evaluation.statistics import percent_interval
from wildtext.inference.recognizer import Observation, Recognizer

TEMPERATURES = (0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.12, 1.3, 1.6, 2.0, 2.8, 4.0)
"""What is tried before the best is looked for between two of them; closer where most networks have it."""

FEW = 200
"""With fewer images a temperature is uncertain."""

_LEAST = 2
"""Right readings, and wrong ones, that it takes: one for each half."""

_CERTAIN = 1e-6
"""Confidence is kept so far from 0 and 1 where its logarithm is taken, or one image could outweigh all others."""


@dataclass(frozen=True)
class Quality:
    """How well confidence tells right readings from wrong ones.

    Attributes:
        images: that could be read.
        accuracy: how many of them are right, in percent.
        interval: its 95 % Wilson interval, in percent.
        confidence: the mean, in [0, 1].
        calibration_error: see `wildtext.evaluation.metrics.expected_calibration_error`.
        likelihood_loss: mean negative log-likelihood of being right or wrong, in nats.
        brier: mean square of the distance from 1 where a reading is right, and from 0 where it is wrong (Brier 1950).
        bins: those of the calibration error that have images, by increasing confidence.
    """

    images: int
    accuracy: float
    interval: tuple[float, float]
    confidence: float
    calibration_error: float
    likelihood_loss: float
    brier: float
    bins: tuple[Bin, ...]

    @classmethod
    def of(cls, confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> Quality:
        """Of readings (N,), at least one."""
        return cls(
            images=len(correct),
            accuracy=100 * float(correct.mean()),
            interval=percent_interval(int(correct.sum()), len(correct)),
            confidence=float(confidence.mean()),
            calibration_error=expected_calibration_error(confidence, correct),
            likelihood_loss=float(_likelihood_loss(confidence, correct)),
            brier=float(np.square(confidence - correct).mean()),
            bins=reliability_bins(confidence, correct),
        )


@dataclass(frozen=True)
class BeforeAfter:
    """Some images before and after calibration.

    Attributes:
        data: what they are called.
        before: with the temperature that the model had.
        after: with the one that was fitted on the other half of all images, so that no image is judged by a temperature
            that it helped to choose.
    """

    data: str
    before: Quality
    after: Quality


@dataclass(frozen=True)
class Calibration:
    """What fitting a temperature came to.

    Attributes:
        temperature: fitted on all images.
        before: that of the model until now.
        halves: those fitted on one half and on the other.
        protocol: under which readings are right.
        sets: each data set that has readable images.
        pooled: all images alike.
        unreadable: messages of the images that could not be read; they have no confidence and take no part.
    """

    temperature: float
    before: float
    halves: tuple[float, float]
    protocol: str
    sets: tuple[BeforeAfter, ...]
    pooled: BeforeAfter
    unreadable: tuple[str, ...]

    @property
    def improves(self) -> bool:
        """Whether a fitted temperature makes the likelihood larger on images that it was not fitted on."""
        return self.pooled.after.likelihood_loss < self.pooled.before.likelihood_loss

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to trust the temperature less."""
        found = []
        if self.pooled.before.images < FEW:
            found.append(
                f"{self.pooled.before.images} images are few: one half of them gave the temperature "
                f"{self.halves[0]:.3f}, the other {self.halves[1]:.3f}; {FEW} and more are better"
            )
        if self.temperature in (TEMPERATURES[0], TEMPERATURES[-1]):
            found.append(
                f"{self.temperature} is the last temperature that is tried, and a better one may lie beyond; such "
                "confidence comes from labels that are wrong or of another kind than the protocol compares"
            )
        if self.pooled.after.accuracy < self.pooled.before.accuracy:
            found.append(
                "with the temperature another head or orientation wins for some images: the accuracy falls from "
                f"{self.pooled.before.accuracy:.2f} % to {self.pooled.after.accuracy:.2f} %"
            )
        if self.improves and self.pooled.after.calibration_error > self.pooled.before.calibration_error:
            found.append("the likelihood gets better, the calibration error does not; see the bins")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "improves": self.improves, "warnings": list(self.warnings)}

    def summary(self) -> dict[str, Any]:
        """What a bundle tells of it, see `Bundle.calibration`."""
        return {
            "data": [one.data for one in self.sets],
            "images": self.pooled.after.images,
            "protocol": self.protocol,
            "calibration_error_before": round(self.pooled.before.calibration_error, 4),
            "calibration_error": round(self.pooled.after.calibration_error, 4),
        }


def fit_temperature(
    recognizer: Recognizer,
    sources: Sequence[LabelledSource],
    protocol: str = "36",
    *,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> Calibration:
    """Find the temperature that suits labelled images best.

    All images are read twice: at the temperatures that are tried, and at those that were found. Only confidences are
    kept, so memory does not grow with the outputs of the network. Readings are judged at each temperature, since
    another head or orientation of an image may win.

    Args:
        recognizer: what reads. Its present temperature has no part in what is found.
        sources: labelled images that it was not trained on.
        protocol: says which readings are right, see `wildtext.evaluation.metrics.comparable`.
        batch_size: images that go through the network together; it does not change the result.
        progress: is told after each image, of twice as many as there are.

    Raises:
        DataError: there are no images, or next to none are read right, or next to none wrong.
    """
    steps, images = count(1), sum(source.size for source in sources)

    def told() -> None:
        if progress is not None:
            progress(next(steps), 2 * images)

    reader = _Reader(recognizer, sources, comparable(protocol, recognizer.bundle.charset), batch_size, told)
    present = recognizer.bundle.temperature
    tried = reader.read(lambda _: (present, *TEMPERATURES))
    _check(tried, protocol)
    second = _second_half(tried.correct[:, 0])
    halves = (_best(tried, ~second), _best(tried, second))
    foreign = np.where(second, *halves)
    judged = reader.read(lambda row: (float(foreign[row % len(foreign)]),))
    if not np.array_equal(judged.source, tried.source):
        raise DataError("the images changed while they were read; leave them alone, and start again")

    def compare(data: str, rows: NDArray[np.bool_]) -> BeforeAfter:
        before, after = (Quality.of(one.confidence[rows, 0], one.correct[rows, 0]) for one in (tried, judged))
        return BeforeAfter(data, before, after)

    everything = np.ones(len(second), bool)
    by_source = [(name, tried.source == number) for number, name in enumerate(short_names(sources))]
    return Calibration(
        temperature=_best(tried, everything),
        before=present,
        halves=halves,
        protocol=protocol,
        sets=tuple(compare(name, rows) for name, rows in by_source if rows.any()),
        pooled=compare("all", everything),
        unreadable=tried.unreadable,
    )


class _Readings(NamedTuple):
    """N images at G temperatures.

    Attributes:
        source: (N,) the number of the data set.
        confidence: (N, G).
        correct: (N, G).
        unreadable: messages of images that are not among them.
    """

    source: NDArray[np.int64]
    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]
    unreadable: tuple[str, ...]


class _Item(NamedTuple):
    """A sample as it is stored: what messages call it, its label and image file, and what is wrong with it, if any."""

    where: str
    label: str
    content: bytes
    problem: str


class _Seen(NamedTuple):
    """An image that could be read: the number of its source, its label as it is compared, and what is seen in it."""

    source: int
    truth: str
    observations: tuple[Observation, ...]


@dataclass(frozen=True)
class _Reader:
    """Reads all images of several sources.

    Attributes:
        recognizer, sources, batch_size: see `fit_temperature`.
        shared: brings texts to what the protocol compares.
        told: is called after each image.
    """

    recognizer: Recognizer
    sources: Sequence[LabelledSource]
    shared: Callable[[str], str]
    batch_size: int
    told: Callable[[], None]

    def read(self, temperatures: Callable[[int], Sequence[float]]) -> _Readings:
        """Read each image at the temperatures for the row that it gets."""
        source: list[int] = []
        confidence: list[list[float]] = []
        correct: list[list[bool]] = []
        unreadable: list[str] = []
        for seen in self._observe():
            if isinstance(seen, _Seen):
                at = temperatures(len(source))
                readings = [self.recognizer.decode(seen.observations, temperature=temperature) for temperature in at]
                source.append(seen.source)
                confidence.append([reading.confidence for reading in readings])
                correct.append([self.shared(reading.text) == seen.truth for reading in readings])
            else:
                unreadable.append(seen)
            self.told()
        return _Readings(np.array(source, np.int64), np.array(confidence), np.array(correct, bool), tuple(unreadable))

    def _observe(self) -> Iterator[_Seen | str]:
        """What is seen in each image, or why nothing is."""
        for number, source in enumerate(self.sources):
            items = _items(source)
            while chunk := list(islice(items, self.batch_size)):
                found = self.recognizer.observe([item.content for item in chunk], batch_size=self.batch_size)
                for item, observations in zip(chunk, found, strict=True):
                    if isinstance(observations, ImageError):
                        yield item.problem or f"{item.where}: {observations}"
                    else:
                        yield _Seen(number, self.shared(item.label), observations)


def _items(source: LabelledSource) -> Iterator[_Item]:
    """All samples; a broken one has an empty image file."""
    for index, label in enumerate(texts(source)):
        try:
            if isinstance(label, SampleError):
                raise label
            yield _Item(source.where(index), label, source.content(index), "")
        except SampleError as error:
            yield _Item(source.where(index), "", b"", str(error))


def _check(readings: _Readings, protocol: str) -> None:
    images = len(readings.source)
    if not images:
        broken = "".join(f"; {len(readings.unreadable)} are broken, e.g. {one}" for one in readings.unreadable[:1])
        raise DataError(f"there is no image to fit a temperature on{broken}")
    right = int(readings.correct[:, 0].sum())
    if min(right, images - right) < _LEAST:
        raise DataError(
            f"{right} of {images} images are read right under protocol {protocol}; a temperature can be fitted where "
            f"at least {_LEAST} are right and {_LEAST} wrong: give more images, or such as the model will meet in use"
        )


def _second_half(correct: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of N readings are in the second half: every other one by chance, of the right and of the wrong ones alike.

    Where a reading stands among the others plays no part. The same readings are always divided the same way.
    """
    shuffled = np.random.default_rng(0).permutation(len(correct))
    by_outcome = shuffled[np.argsort(correct[shuffled], kind="stable")]
    second = np.zeros(len(correct), bool)
    second[by_outcome[1::2]] = True
    return second


def _best(tried: _Readings, rows: NDArray[np.bool_]) -> float:
    """The temperature where the loss of these rows is least: at the vertex of a parabola through the best that was
    tried and its neighbours, over the logarithm of the temperature.
    """
    losses = _likelihood_loss(tried.confidence[rows, 1:], tried.correct[rows, 1:])
    best = int(losses.argmin())
    near = slice(best - 1, best + 2)
    if best in (0, len(TEMPERATURES) - 1):
        return TEMPERATURES[best]
    bend, slope, _ = np.polyfit(np.log(TEMPERATURES[near]), losses[near], 2)
    return float(np.exp(-slope / (2 * bend)))


def _likelihood_loss(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean negative log-likelihood over the first axis: the binary cross entropy."""
    likelihood = np.where(correct, confidence, 1 - confidence)
    loss: NDArray[np.float64] = -np.log(np.clip(likelihood, _CERTAIN, 1)).mean(axis=0)
    return loss
