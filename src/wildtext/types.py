"""The values that pass between the rooms: samples, batches and predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""RGB picture, (H, W, 3) uint8."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One labelled word image.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        text: the label.
        boxes: (len(text), 4, 2) float32, a quadrilateral per code point of `text`, clockwise from its top left,
            as (x, y) in pixels of `image`; a row of NaN where a character has no box. None where nothing is known.
        source: where the sample comes from, for messages, e.g. ``"train.lmdb#12"``.
        word: (4, 2) float32, the quadrilateral of the whole text in the same order and pixels; None if not known.
        parameters: how a synthetic image was made, as plain values for JSON; empty for others.
    """

    image: Image
    text: str
    boxes: Floats | None = None
    source: str = ""
    word: Floats | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.boxes is not None and self.boxes.shape != (len(self.text), 4, 2):
            raise ValueError(
                f"{self.source or 'sample'}: boxes have shape {self.boxes.shape}, "
                f"but the label {self.text!r} needs {(len(self.text), 4, 2)}"
            )

    def turned(self, quarters: int) -> Sample:
        """The sample turned counter-clockwise by quarter turns, with what is known about places in it."""
        image, boxes, word = self.image, self.boxes, self.word
        for _ in range(quarters % 4):
            width = image.shape[1]
            boxes, word = (None if points is None else _turned(points, width) for points in (boxes, word))
            image = np.rot90(image)
        return replace(self, image=np.ascontiguousarray(image), boxes=boxes, word=word)


def _turned(points: Floats, width: int) -> Floats:
    """Where points (..., 2) of a picture of this width are after a quarter turn counter-clockwise."""
    return np.stack([points[..., 1], width - points[..., 0]], axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Samples brought to one canvas, as the data room hands them to training.

    Attributes:
        images: (N, H, W, C) uint8, resized and padded but not yet normalised (augmentation comes in between).
        valid_width: (N,) float32 in (0, 1], the share of the canvas width that holds the image.
        texts: the N labels.
        boxes: for each sample (len(text), 4, 2) float32 in pixels of the canvas, or None.
        sources: where each sample comes from.
    """

    images: NDArray[np.uint8]
    valid_width: Floats
    texts: tuple[str, ...]
    boxes: tuple[Floats | None, ...]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a reading.

    Attributes:
        text: the character.
        confidence: probability of this character at its place, in [0, 1].
        start: left end of its span, as a share of the width of the image as it was read, in [0, 1].
        end: right end of its span, likewise; `start <= end`.
    """

    text: str
    confidence: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another reading of the same image, with the probability that the model gives to it."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model reads in one image.

    Attributes:
        text: the most probable text that decoding found, before any calibration; empty where the model sees none.
        confidence: the model's probability of exactly this text, in [0, 1] (calibrated if the bundle is).
        characters: one entry per character of `text`.
        alternatives: other readings, the most probable before calibration first; only as many as were asked for.
        scores: further scores by name: the score of the reference project of an imported model; the confidence of each
            head where several compete.
        rotation: by how many degrees the image was turned counter-clockwise before it was read: 0, 90 or 270.
            Spans of characters run along the width of the turned image.
    """

    text: str
    confidence: float
    characters: tuple[Character, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    rotation: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the keys that ``wildtext read --format jsonl`` documents."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 6),
            "characters": [
                {
                    "character": character.text,
                    "confidence": round(character.confidence, 6),
                    "start": round(character.start, 4),
                    "end": round(character.end, 4),
                }
                for character in self.characters
            ],
            "alternatives": [
                {"text": other.text, "confidence": round(other.confidence, 6)} for other in self.alternatives
            ],
            "scores": dict(self.scores),
            "rotation": self.rotation,
        }
