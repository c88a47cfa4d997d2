"""Read images: the one path from whatever a user has to `Prediction`."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.codecs import log_softmax, reference_score
from wildtext.errors import ConfigError, ImageError
from wildtext.images import ImageLike, decode
from wildtext.inference.runtimes import Runtime
from wildtext.types import Floats, Prediction
from wildtext.weights.bundle import Bundle


class Recognizer:
    """Reads text in images of words and short lines.

    It keeps no state between calls, so one may be shared between threads. Make it with `wildtext.load`.

    Attributes:
        bundle: what the weights are.
        runtime: what runs them.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime):
        self.bundle = bundle
        self.runtime = runtime

    def read(self, images: ImageLike | Iterable[ImageLike], *, top: int = 1, batch_size: int = 32) -> list[Prediction]:
        """Read one image or many.

        Args:
            images: a path, the bytes of a file, a Pillow image, a uint8 array (H, W) or (H, W, 3 or 4), or several.
            top: readings per image, the best included; more than one fills `Prediction.alternatives`.
            batch_size: images that go through the network together; it does not change the readings.

        Returns:
            One prediction for each image, in order; a list also for one image.

        Raises:
            ImageError: an image cannot be decoded; nothing is returned then. `stream` goes on instead.
        """
        single = isinstance(images, _ONE) or not isinstance(images, Iterable)
        predictions = []
        for number, result in enumerate(
            self.stream([images] if single else images, top=top, batch_size=batch_size)  # type: ignore[list-item, arg-type]
        ):
            if isinstance(result, ImageError):
                raise ImageError(f"image {number}: {result}") from result
            predictions.append(result)
        return predictions

    def stream(
        self, images: Iterable[ImageLike], *, top: int = 1, batch_size: int = 32
    ) -> Iterator[Prediction | ImageError]:
        """Read any number of images in bounded memory.

        Yields:
            In order, a prediction for each image, or the error that says why it could not be read.

        Raises:
            ConfigError: `top` or `batch_size` is below 1.
        """
        if top < 1 or batch_size < 1:
            raise ConfigError(f"top and batch_size must be at least 1, not {top} and {batch_size}")
        remaining = iter(images)
        while chunk := list(islice(remaining, batch_size)):
            yield from self._read_chunk(chunk, top, batch_size)

    def _read_chunk(self, chunk: list[ImageLike], top: int, batch_size: int) -> list[Prediction | ImageError]:
        preprocessing = self.bundle.preprocessing
        views: list[_View] = []
        results: dict[int, Prediction | ImageError] = {}
        for position, item in enumerate(chunk):
            try:
                image = decode(item)
            except ImageError as error:
                results[position] = error
                continue
            # Only canvases are kept: a chunk of photographs at full size could fill the memory.
            for angle, turned in preprocessing.orientations(image):
                views.append(_View(position, angle, *preprocessing.fit(turned)))
        for view, reading in zip(views, self._read_views(views, top, batch_size), strict=True):
            other = results.get(view.position)
            if not isinstance(other, Prediction) or _rank(reading) > _rank(other):
                results[view.position] = reading
        return [results[position] for position in range(len(chunk))]

    def _read_views(self, views: list[_View], top: int, batch_size: int) -> list[Prediction]:
        """The readings of views, in their order; only canvases of one size go through the network together."""
        by_size: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, view in enumerate(views):
            by_size[view.canvas.shape].append(number)
        readings: dict[int, Prediction] = {}
        for numbers in by_size.values():
            for start in range(0, len(numbers), batch_size):
                part = numbers[start : start + batch_size]
                readings.update(zip(part, self._read_batch([views[number] for number in part], top), strict=True))
        return [readings[number] for number in range(len(views))]

    def _read_batch(self, views: list[_View], top: int) -> list[Prediction]:
        shares = np.array([view.valid_width for view in views], np.float32)
        images = self.bundle.preprocessing.normalize(np.stack([view.canvas for view in views]), shares)
        raw = self.runtime.run(images, shares)
        heads = self.bundle.fused or (self.bundle.primary,)
        readings = []
        for row, view in enumerate(views):
            maps = {name: values[row] for name, values in raw.maps.items()}
            # One image at a time: the logits of a batch over 50,000 subwords do not fit into a processor's cache.
            scores = {head: log_softmax(raw.logits[head][row], self.bundle.temperature) for head in heads}
            reading = self._decode(scores, maps, top, float(shares[row]))
            readings.append(replace(reading, rotation=view.angle))
        return readings

    def _decode(self, scores: dict[str, Floats], maps: dict[str, Floats], top: int, valid_width: float) -> Prediction:
        """The reading of one image from the log probabilities (T, C) of the heads that are read."""
        bundle = self.bundle
        readings: dict[str, Prediction] = {}
        for head, values in scores.items():
            own = f"attention.{head}"
            shown = {**maps, "attention": maps[own]} if own in maps else maps
            readings[head] = bundle.codecs[head].decode(values, top=top, valid_width=valid_width, maps=shown)
        best, opinions = bundle.primary, {}
        if bundle.fused:
            # A text that the slots were too few for loses against one that came to its end.
            best = max(readings, key=lambda head: (bundle.codecs[head].ended(scores[head]), readings[head].confidence))
            opinions = {head: reading.confidence for head, reading in readings.items()}
        printed = {
            name: reference_score(rule, scores[best], bundle.codecs[best]) for name, rule in bundle.scores.items()
        }
        return replace(readings[best], scores={**opinions, **printed})


_ONE = (str, bytes, bytearray, memoryview, os.PathLike, pillow.Image, np.ndarray)


class _View(NamedTuple):
    """One way to look at an image: its position in the chunk, degrees turned, and what `Preprocessing.fit` gave."""

    position: int
    angle: int
    canvas: NDArray[np.uint8]
    valid_width: float


def _rank(reading: Prediction) -> tuple[bool, float]:
    """Which of several orientations wins: some text before none, then the more confident."""
    return bool(reading.text), reading.confidence
