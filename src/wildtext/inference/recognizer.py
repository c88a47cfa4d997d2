"""Read images: the one path from whatever a user has to `Prediction`."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.codecs import Lexicon, Sequence, log_softmax, reference_score
from wildtext.errors import ConfigError, ImageError
from wildtext.images import ImageLike, decode
from wildtext.inference.beam import Beam
from wildtext.inference.runtimes import Runtime, Writer
from wildtext.types import Floats, Prediction
from wildtext.weights.bundle import Bundle

if TYPE_CHECKING:
    from wildtext.inference.explanation import Explanation


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What a network sees in one orientation of one image.

    Attributes:
        angle: by how many degrees the image was turned counter-clockwise: 0, 90 or 270.
        canvas: (h, w, C) uint8, the turned image as it was brought to the size of the network.
        valid_width: share of the canvas width that holds the image, in (0, 1].
        logits: per head (T, C), not divided by a temperature.
        maps: of this image, see `wildtext.models.contract.Output`.
    """

    angle: int
    canvas: NDArray[np.uint8]
    valid_width: float
    logits: dict[str, Floats]
    maps: dict[str, Floats]


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

    def read(
        self,
        images: ImageLike | Iterable[ImageLike],
        *,
        top: int = 1,
        batch_size: int = 32,
        lexicon: Lexicon | None = None,
        beam: int = 0,
    ) -> list[Prediction]:
        """Read one image or many.

        Args:
            images: a path, the bytes of a file, a Pillow image, a uint8 array (H, W) or (H, W, 3 or 4), or several.
            top: readings per image, the best included; more than one fills `Prediction.alternatives`.
            batch_size: images that go through the network together; it does not change the readings.
            lexicon: words, one of which each image says; see `decode`.
            beam: see `decode`.

        Returns:
            One prediction for each image, in order; a list also for one image.

        Raises:
            CharsetError: the model can write none of the lexicon's words.
            ConfigError: a number is out of range, or there is nothing that a beam could search.
            ImageError: an image cannot be decoded; nothing is returned then. `stream` goes on instead.
        """
        single = isinstance(images, _ONE) or not isinstance(images, Iterable)
        predictions = []
        several: Iterable[ImageLike] = [images] if single else images  # type: ignore[list-item, assignment]
        results = self.stream(several, top=top, batch_size=batch_size, lexicon=lexicon, beam=beam)
        for number, result in enumerate(results):
            if isinstance(result, ImageError):
                raise ImageError(f"image {number}: {result}") from result
            predictions.append(result)
        return predictions

    def stream(
        self,
        images: Iterable[ImageLike],
        *,
        top: int = 1,
        batch_size: int = 32,
        lexicon: Lexicon | None = None,
        beam: int = 0,
    ) -> Iterator[Prediction | ImageError]:
        """Read any number of images in bounded memory; arguments and errors are those of `read`.

        Yields:
            In order, a prediction for each image, or the error that says why it could not be read.
        """
        self._check(top, lexicon, beam)
        for seen in self.observe(images, batch_size=batch_size):
            if isinstance(seen, ImageError):
                yield seen
            else:
                yield self.decode(seen, top=top, lexicon=lexicon, beam=beam)

    def observe(
        self, images: Iterable[ImageLike], *, batch_size: int = 32
    ) -> Iterator[tuple[Observation, ...] | ImageError]:
        """Run the network, and leave its outputs as they are: for those who decode them in several ways, or show them.

        Yields:
            In order, for each image what was seen in each orientation that is tried, most often just one, or the error
            that says why it could not be read.

        Raises:
            ConfigError: `batch_size` is below 1.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, not {batch_size}")
        remaining = iter(images)
        while chunk := list(islice(remaining, batch_size)):
            yield from self._observe_chunk(chunk, batch_size)

    def decode(
        self,
        observations: Iterable[Observation],
        *,
        top: int = 1,
        temperature: float | None = None,
        lexicon: Lexicon | None = None,
        beam: int = 0,
    ) -> Prediction:
        """The reading of one image: of its orientations, some text wins over none, then the more confident one.

        Args:
            observations: what `observe` gave for the image.
            top: readings to give, the best included.
            temperature: divides the logits, which changes confidences; None takes that of the bundle. What one head
                reads freely in one orientation stays the same, see `wildtext.codecs.Codec.decode`; but orientations,
                competing heads and words of a lexicon are compared by these confidences.
            lexicon: words, one of which the image says. The reading is always one of them, `confidence` the probability
                that the model writes it, and `scores` compare it with the others, see
                `wildtext.codecs.trie_search.find_words`.
            beam: texts that an autoregressive model goes on with side by side, so that it finds more probable ones than
                when it writes greedily, and alternatives and words of a lexicon get their exact probability; 0 leaves
                it at the probabilities of the greedy pass.

        Raises:
            CharsetError, ConfigError: as `read`.
        """
        self._check(top, lexicon, beam)
        divisor = self.bundle.temperature if temperature is None else temperature
        return max((self._decode(seen, top, divisor, lexicon, beam) for seen in observations), key=_rank)

    def explain(self, image: ImageLike, *, top: int = 5) -> Explanation:
        """What a reading of one image rests on, to look at or to draw; see `Explanation`.

        Args:
            image: as for `read`.
            top: choices to tell for each character, and readings for each head.

        Raises:
            ConfigError: `top` is below 1.
            ImageError: the image cannot be decoded.
        """
        from wildtext.inference.explanation import explain

        return explain(self, image, top=top)

    def _check(self, top: int, lexicon: Lexicon | None, beam: int) -> None:
        """Complain of what cannot be done before the first image is read."""
        if top < 1:
            raise ConfigError(f"top must be at least 1, not {top}")
        if beam < 0:
            raise ConfigError(f"the width of a beam must be at least 1, or 0 for none, not {beam}")
        if beam:
            self._writer()
        if lexicon is not None:
            if not isinstance(lexicon, Lexicon):
                raise ConfigError(
                    f"a lexicon is a wildtext.Lexicon, made with Lexicon(words) or Lexicon.from_file(path), and no "
                    f"{type(lexicon).__name__}"
                )
            for head in self.heads:
                lexicon.trie(self.bundle.codecs[head])

    def _writer(self) -> Writer:
        """What a beam search can lead."""
        runtime, codec = self.runtime, self.bundle.codecs[self.bundle.primary]
        if isinstance(runtime, Writer) and runtime.autoregressive:
            return runtime
        steps = isinstance(codec, Sequence) and codec.begin is not None
        if isinstance(runtime, Writer) or not steps or self.bundle.autoregressive is False:
            raise ConfigError(
                f"a beam is for models that write one character after another, and {self.bundle.architecture} does "
                f"not; without a beam it gives alternatives and takes a lexicon all the same"
            )
        if self.bundle.autoregressive is None:
            raise ConfigError(
                f"a beam is for models that write one character after another, and this bundle does not say whether "
                f"{self.bundle.architecture} does: if so, read with the .safetensors bundle that it was exported from; "
                f"otherwise read without a beam"
            )
        raise ConfigError(
            f"{runtime.name} runs a graph that writes as it was exported, and no beam can lead it: read with the "
            f".safetensors bundle that it was exported from, or without a beam"
        )

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that are read."""
        return self.bundle.fused or (self.bundle.primary,)

    def _observe_chunk(self, chunk: list[ImageLike], batch_size: int) -> list[tuple[Observation, ...] | ImageError]:
        preprocessing = self.bundle.preprocessing
        views: list[_View] = []
        errors: dict[int, ImageError] = {}
        for position, item in enumerate(chunk):
            try:
                image = decode(item)
            except ImageError as error:
                errors[position] = error
                continue
            # Only canvases are kept: a chunk of photographs at full size could fill the memory.
            for angle, turned in preprocessing.orientations(image):
                views.append(_View(position, angle, *preprocessing.fit(turned)))
        seen: defaultdict[int, list[Observation]] = defaultdict(list)
        for view, observation in zip(views, self._observe_views(views, batch_size), strict=True):
            seen[view.position].append(observation)
        return [errors[place] if place in errors else tuple(seen[place]) for place in range(len(chunk))]

    def _observe_views(self, views: list[_View], batch_size: int) -> list[Observation]:
        """What is seen in views, in their order; only canvases of one size go through the network together."""
        by_size: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, view in enumerate(views):
            by_size[view.canvas.shape].append(number)
        observations: dict[int, Observation] = {}
        for numbers in by_size.values():
            for start in range(0, len(numbers), batch_size):
                part = numbers[start : start + batch_size]
                observations.update(zip(part, self._run([views[number] for number in part]), strict=True))
        return [observations[number] for number in range(len(views))]

    def _run(self, views: list[_View]) -> Iterator[Observation]:
        shares = np.array([view.valid_width for view in views], np.float32)
        images = self.bundle.preprocessing.normalize(np.stack([view.canvas for view in views]), shares)
        raw = self.runtime.run(images, shares)
        for row, view in enumerate(views):
            yield Observation(
                view.angle,
                view.canvas,
                view.valid_width,
                {name: values[row] for name, values in raw.logits.items()},
                {name: values[row] for name, values in raw.maps.items()},
            )

    def _decode(
        self, seen: Observation, top: int, temperature: float, lexicon: Lexicon | None, beam: int
    ) -> Prediction:
        searched = self._search(seen, top, temperature, lexicon, beam) if beam else None
        if searched is not None:
            return replace(searched, rotation=seen.angle)
        bundle = self.bundle
        scores = {head: log_softmax(seen.logits[head]) for head in self.heads}
        readings: dict[str, Prediction] = {}
        for head, values in scores.items():
            own = f"attention.{head}"
            maps = {**seen.maps, "attention": seen.maps[own]} if own in seen.maps else seen.maps
            readings[head] = bundle.codecs[head].decode(
                values, top=top, valid_width=seen.valid_width, maps=maps, lexicon=lexicon, temperature=temperature
            )
        best, opinions = bundle.primary, {}
        if bundle.fused:
            # A text that the slots were too few for loses against one that came to its end.
            finished = {head: bundle.codecs[head].ended(scores[head]) for head in readings if lexicon is None}
            best = max(readings, key=lambda head: (finished.get(head, True), readings[head].confidence))
            opinions = {head: reading.confidence for head, reading in readings.items()}
        # What a reference prints is about what is read freely.
        printed = {
            name: reference_score(rule, scores[best], bundle.codecs[best])
            for name, rule in bundle.scores.items()
            if lexicon is None
        }
        return replace(readings[best], scores={**readings[best].scores, **opinions, **printed}, rotation=seen.angle)

    def _search(
        self, seen: Observation, top: int, temperature: float, lexicon: Lexicon | None, width: int
    ) -> Prediction | None:
        """The best text that a beam search finds; None where it finds no word of the lexicon."""
        codec = self.bundle.codecs[self.bundle.primary]
        assert isinstance(codec, Sequence), "the writer was asked for"
        shares = np.array([seen.valid_width], np.float32)
        images = self.bundle.preprocessing.normalize(seen.canvas[None], shares)
        beam = Beam(self._writer().look(images, shares), codec, width, temperature)
        if lexicon is None:
            return beam.read(top, seen.maps, seen.valid_width)
        return beam.find(lexicon, top, seen.maps, seen.valid_width)


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
