"""Why a model reads what it reads: everything that it shows about one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.codecs import CTC, log_softmax
from wildtext.codecs.ctc import BLANK
from wildtext.errors import ConfigError, ImageError
from wildtext.images import ImageLike, Preprocessing, decode
from wildtext.inference.evidence import Piece, find_ending, find_pieces
from wildtext.inference.recognizer import Observation, Recognizer
from wildtext.types import Floats, Image, Prediction

_LEAST = 0.05
"""A class that no column of CTC gives so much probability to is left out of the timeline."""

_MOST = 24
"""Classes of a timeline; the written ones and the blank are in it whatever their number."""


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """What each column of a CTC head says.

    Attributes:
        classes: texts of the classes that matter, the blank first, as an empty text; the others in the order in which
            they are most probable.
        probabilities: (T, len(classes)) float32; rows sum to at most 1.
        x: (T,) float32, where each column looks, as a share of the width of the image as it was read; above 1 in
            padding.
    """

    classes: tuple[str, ...]
    probabilities: Floats
    x: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What a model shows about one image. What it does not show is None or empty.

    Maps over the image are cells (h, w) that tile it, whatever their number.

    Attributes:
        image: (H, W, 3) uint8 RGB, as it was read: turned by `prediction.rotation` degrees counter-clockwise.
        prediction: the reading, with alternatives.
        head: name of the head that it comes from.
        pieces: what the reading is made of: its characters, or, from a head of subwords, its tokens.
        ending: where the text was ended, and what else could stand there; None for CTC, and where no slot was left.
        opinions: what each head reads by itself, by name; empty where there is only one.
        timeline: what each column says, where the head is CTC.
        core_area: (h, w) float32, the probability of lying in the middle of a character.
        fiducials: (F, 2) float32, the points that rectification found along the upper edge of the text, and then those
            along the lower one, as (x, y) in shares of the width and the height of the image.
        rectified: (h, w, 3) uint8 RGB, what the network reads after rectification, as large as its canvas.
        lacking: sentences that say what this bundle cannot show although its model could, and how to get it.
    """

    image: Image
    prediction: Prediction
    head: str
    pieces: tuple[Piece, ...]
    ending: Piece | None = None
    opinions: Mapping[str, Prediction] = field(default_factory=dict)
    timeline: Timeline | None = None
    core_area: Floats | None = None
    fiducials: Floats | None = None
    rectified: Image | None = None
    lacking: tuple[str, ...] = ()

    def picture(self) -> pillow.Image:
        """All of this in one picture: RGB, 1200 pixels wide."""
        from wildtext.inference.picture import draw_explanation  # which draws explanations, and so imports them

        return draw_explanation(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: all but the pictures and the maps over the image."""
        values = self.prediction.to_dict()
        del values["characters"]
        values |= {"head": self.head, "pieces": [piece.to_dict() for piece in self.pieces]}
        if self.ending is not None:
            values["ending"] = [choice.to_dict() for choice in self.ending.choices]
        values["opinions"] = {
            head: {"text": opinion.text, "confidence": round(opinion.confidence, 6)}
            for head, opinion in self.opinions.items()
        }
        if self.timeline is not None:
            values["timeline"] = {
                "classes": list(self.timeline.classes),
                "x": _rounded(self.timeline.x),
                "probabilities": _rounded(self.timeline.probabilities),
            }
        if self.fiducials is not None:
            values["fiducials"] = _rounded(self.fiducials)
        return {**values, "lacking": list(self.lacking)}


def explain(recognizer: Recognizer, image: ImageLike, *, top: int = 5) -> Explanation:
    """Read an image and keep all that the model shows about it.

    Args:
        recognizer: what reads.
        image: as for `Recognizer.read`.
        top: choices for each character, and readings, the best included.

    Raises:
        ConfigError: `top` is below 1.
        ImageError: the image cannot be decoded.
    """
    if top < 1:
        raise ConfigError(f"top must be at least 1, not {top}")
    pixels = decode(image)
    observations = next(recognizer.observe([pixels]))
    if isinstance(observations, ImageError):
        raise observations
    prediction = recognizer.decode(observations, top=top)
    seen = observed(observations, prediction)
    opinions = {head: _opinion(recognizer, seen, head, top) for head in recognizer.bundle.codecs}
    head = _winner(recognizer, opinions, prediction)
    scores = log_softmax(seen.logits[head], recognizer.bundle.temperature)
    codec = recognizer.bundle.codecs[head]
    return Explanation(
        turned(pixels, prediction),
        prediction,
        head,
        find_pieces(codec, scores, prediction, attention_over_image(seen, head), top=top),
        find_ending(codec, scores, top=top),
        opinions if len(opinions) > 1 else {},
        _timeline(codec, np.exp(scores), prediction, seen) if isinstance(codec, CTC) else None,
        _core_area(seen),
        _fiducials(seen),
        _rectified(seen, recognizer.bundle.preprocessing),
        _lacking(seen),
    )


def observed(observations: tuple[Observation, ...], prediction: Prediction) -> Observation:
    """What was seen in the orientation that was read."""
    return next(seen for seen in observations if seen.angle == prediction.rotation)


def turned(image: Image, prediction: Prediction) -> Image:
    """The image as it was read."""
    return np.ascontiguousarray(np.rot90(image, prediction.rotation // 90))


def attention_over_image(seen: Observation, head: str) -> Floats | None:
    """Where each slot or column of a head looked: (T, h, w), cells that tile the image; None if the model hides it."""
    attention = seen.maps.get(f"attention.{head}", seen.maps.get("attention"))
    if attention is None:
        return None
    if "column_x" in seen.maps:
        attention = _side_by_side(attention, seen.maps["column_x"])
    return _on_image(attention, seen)


def _on_image(maps: Floats, seen: Observation) -> Floats:
    """The columns of maps (..., w) over the canvas that lie on the image, and not on padding."""
    return maps[..., : max(round(seen.valid_width * maps.shape[-1]), 1)]


def _side_by_side(attention: Floats, column_x: Floats) -> Floats:
    """Attention (T, h, w) whose columns lie side by side in the canvas, from one whose columns look at `column_x`."""
    width = attention.shape[2]
    order = np.argsort(column_x)
    even = (np.arange(width) + 0.5) / width
    rows = [np.interp(even, column_x[order], row[order], 0, 0) for row in attention.reshape(-1, width)]
    return np.array(rows, np.float32).reshape(attention.shape)


def _opinion(recognizer: Recognizer, seen: Observation, head: str, top: int) -> Prediction:
    """What a head reads by itself."""
    alone = replace(recognizer.bundle, primary=head, fused=(), scores={})
    return Recognizer(alone, recognizer.runtime).decode([seen], top=top)


def _winner(recognizer: Recognizer, opinions: Mapping[str, Prediction], prediction: Prediction) -> str:
    """The head that a reading comes from: of those that compete, the first that reads the same, as confidently."""
    bundle, read = recognizer.bundle, (prediction.text, prediction.confidence)
    if not bundle.fused:
        return bundle.primary
    return next(head for head in bundle.fused if (opinions[head].text, opinions[head].confidence) == read)


def _timeline(codec: CTC, probabilities: Floats, prediction: Prediction, seen: Observation) -> Timeline:
    written = {codec.charset.ids[character.text] + 1 for character in prediction.characters}
    peaks = probabilities.max(axis=0)
    others = [index for index in np.argsort(-peaks).tolist() if index != BLANK and index not in written]
    likely = [index for index in others[: max(_MOST - len(written), 0)] if peaks[index] >= _LEAST]
    shown = [BLANK, *sorted((*written, *likely), key=lambda index: int(probabilities[:, index].argmax()))]
    columns = len(probabilities)
    x = seen.maps.get("column_x", ((np.arange(columns) + 0.5) / columns).astype(np.float32))
    classes = tuple("" if index == BLANK else codec.charset.characters[index - 1] for index in shown)
    return Timeline(classes, probabilities[:, shown], x / np.float32(seen.valid_width))


def _core_area(seen: Observation) -> Floats | None:
    logits = seen.maps.get("core_area")
    if logits is None:
        return None
    # The logistic function by way of the hyperbolic tangent, which overflows nowhere.
    return _on_image((0.5 * (1 + np.tanh(0.5 * logits[0]))).astype(np.float32), seen)


def _fiducials(seen: Observation) -> Floats | None:
    points = seen.maps.get("fiducials")
    return None if points is None else (points / [seen.valid_width, 1]).astype(np.float32)


def _rectified(seen: Observation, preprocessing: Preprocessing) -> Image | None:
    """Model input (C, H, W) back to a picture."""
    values = seen.maps.get("rectified")
    if values is None:
        return None
    mean, std = (np.asarray(constants, np.float32) for constants in (preprocessing.mean, preprocessing.std))
    pixels = (values.transpose(1, 2, 0) * std + mean) / np.float32(preprocessing.scale)
    picture: NDArray[np.uint8] = np.rint(pixels).clip(0, 255).astype(np.uint8)
    if preprocessing.color == "BGR":
        picture = picture[..., ::-1]
    return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))


def _lacking(seen: Observation) -> tuple[str, ...]:
    if "column_x" in seen.maps and not {"fiducials", "rectified"} <= seen.maps.keys():
        return (
            "The rectified image and its fiducials are not in this .onnx bundle, which an earlier version wrote; "
            "make it again with: wildtext export MODEL.safetensors OUT.onnx",
        )
    return ()


def _rounded(values: Floats) -> Any:
    return np.round(values.astype(np.float64), 4).tolist()
