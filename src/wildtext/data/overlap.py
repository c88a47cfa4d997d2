"""Validation images that are among the training images too, as the same file or a little changed.

Twins are looked for among images with the same label: without it, crops with little on them would all look alike.
Their files are the same byte for byte, or have nearly the same perceptual hash and mean colour, which survive scaling
and JPEG.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.data.concat import ConcatSource
from wildtext.data.source import LabelledSource
from wildtext.data.subset import spread
from wildtext.errors import ImageError, SampleError
from wildtext.images import decode
from wildtext.types import Image

_LIMIT = 10_000
"""Images of either side that are decoded: some seconds' work."""

_FILES, _LABELS = 10, 100
"""How many times the limit are the training files that are read, and the training labels."""

_MOST_BITS = 4
"""Bits of 64 in which the hashes of twins may differ. No more do in 98.6 % of the training crops of IIIT5K after each
side was scaled by up to a fifth and the whole was stored as JPEG of quality 60."""

_MOST_COLOUR = 16.0
"""Grey levels by which the mean colours of twins may differ. Common words in common fonts have nearly the same hash,
but rarely the same colours."""

_SIDE, _WAVES = 32, 8
"""Pixels along each side of the thumbnail that is hashed, and cosines along each side that have a bit in the hash."""

_EXAMPLES = 5

_COSINES = np.cos(np.arange(_WAVES)[:, None] * (np.arange(_SIDE) + 0.5) * np.pi / _SIDE)


@dataclass(frozen=True)
class Twin:
    """A validation image that is among the training images.

    Attributes:
        validation: where it lies in the validation data.
        training: where it lies in the training data.
        text: its label in the validation data.
        same: whether both files are the same byte for byte; else they look the same.
    """

    validation: str
    training: str
    text: str
    same: bool


@dataclass(frozen=True)
class Overlap:
    """How many validation images have a twin in the training data.

    Attributes:
        checked: validation images that were looked for.
        same: how many of them have the same file there.
        similar: how many others have an image there that looks the same.
        examples: a few of either.
    """

    checked: int
    same: int
    similar: int
    examples: tuple[Twin, ...]


def overlap(
    training: Sequence[LabelledSource], validation: Sequence[LabelledSource], *, limit: int = _LIMIT
) -> Overlap:
    """Look for validation images in the training data.

    Where there are more samples than the limits allow, some at even distances stand for all: the answer comes within
    seconds and is always the same. Samples that cannot be read are passed over.

    Args:
        training: the sources to train on.
        validation: the sources to measure with.
        limit: images of either side that are decoded at most. Ten times as many training files are compared byte for
            byte, those whose labels occur in the validation data, among a hundred times as many training samples.
    """
    held = _Samples.of(validation, limit)
    labels = {label for _, label in held.labels}
    candidates = _Samples.of(training, limit * _LABELS, labels).spread(limit * _FILES)
    same = _same_files(held, candidates)
    similar = _similar_images(held.without(same), candidates.spread(limit))
    twins = [
        Twin(held.source.where(ours), candidates.source.where(theirs), held.source.text(ours), ours in same)
        for ours, theirs in (same | similar).items()
    ]
    return Overlap(len(held.labels), len(same), len(similar), tuple(twins[:_EXAMPLES]))


def look(image: Image) -> tuple[int, NDArray[np.float64]]:
    """What an image looks like: a perceptual hash of 64 bits, and its mean colour (3,).

    The hash has a bit for each cosine of low frequency, which says whether it is stronger than their median.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    picture = pillow.fromarray(image).resize((_SIDE, _SIDE), pillow.Resampling.BICUBIC)
    strengths = _COSINES @ np.asarray(picture.convert("L"), np.float64) @ _COSINES.T
    bits = np.packbits(strengths > np.median(strengths))
    return int.from_bytes(bits.tobytes()), np.asarray(picture).mean((0, 1))


@dataclass(frozen=True)
class _Looks:
    """What samples with one label look like: their indices, hashes (N,) and mean colours (N, 3)."""

    indices: list[int]
    hashes: NDArray[np.uint64]
    colours: NDArray[np.float64]


@dataclass(frozen=True)
class _Samples:
    """Some samples of one side: the index of each, and its label without what differs between releases of a set."""

    source: LabelledSource
    labels: Sequence[tuple[int, str]]

    @classmethod
    def of(cls, sources: Sequence[LabelledSource], most: int, labels: Container[str] | None = None) -> _Samples:
        """At most so many samples at even distances; of them, those with one of the labels."""
        source = ConcatSource("", sources)
        pairs = _plain_labels(source, spread(range(source.size), most))
        return cls(source, [pair for pair in pairs if labels is None or pair[1] in labels])

    def spread(self, most: int) -> _Samples:
        return _Samples(self.source, spread(self.labels, most))

    def without(self, indices: Container[int]) -> _Samples:
        return _Samples(self.source, [pair for pair in self.labels if pair[0] not in indices])

    def digests(self) -> Iterator[tuple[int, tuple[str, bytes]]]:
        """Index, and label with digest of the file."""
        for index, label in self.labels:
            with suppress(SampleError):
                content = self.source.content(index)
                yield index, (label, hashlib.blake2b(content, digest_size=16).digest())

    def looks(self, labels: Container[str]) -> dict[str, _Looks]:
        """By label, of these labels, what its samples look like."""
        seen: defaultdict[str, list[tuple[int, int, NDArray[np.float64]]]] = defaultdict(list)
        for index, label in self.labels:
            if label in labels:
                with suppress(SampleError, ImageError):
                    image = decode(self.source.content(index))
                    seen[label].append((index, *look(image)))
        return {label: _stacked(found) for label, found in seen.items()}


def _stacked(found: Sequence[tuple[int, int, NDArray[np.float64]]]) -> _Looks:
    indices, hashes, colours = zip(*found, strict=True)
    return _Looks(list(indices), np.array(hashes, np.uint64), np.array(colours))


def _plain_labels(source: LabelledSource, indices: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Labels without case, spaces and punctuation."""
    for index in indices:
        with suppress(SampleError):
            text = source.text(index).casefold()
            yield index, text if text.isalnum() else "".join(filter(str.isalnum, text)) or text


def _same_files(held: _Samples, candidates: _Samples) -> dict[int, int]:
    """By held sample the candidate with the same label and the same file, where there is one."""
    files = {known: index for index, known in candidates.digests()}
    return {index: files[known] for index, known in held.digests() if known in files}


def _similar_images(held: _Samples, candidates: _Samples) -> dict[int, int]:
    """By held sample the candidate with the same label that looks most like it, where one looks like it at all."""
    theirs = candidates.looks({label for _, label in held.labels})
    twins = {}
    for label, ours in held.looks(theirs.keys()).items():
        others = theirs[label]
        for index, one, colour in zip(ours.indices, ours.hashes, ours.colours, strict=True):
            bits = np.bitwise_count(others.hashes ^ one)
            bits[np.abs(others.colours - colour).max(axis=1) > _MOST_COLOUR] = 64
            if bits.min() <= _MOST_BITS:
                twins[index] = others.indices[int(bits.argmin())]
    return twins
