"""Between text and a model's probabilities, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wildtext.charset import Charset
from wildtext.codecs.ctc import CTC
from wildtext.codecs.reference_scores import RULES, reference_score
from wildtext.codecs.sequence import Sequence
from wildtext.codecs.subword import Subword
from wildtext.errors import BundleError
from wildtext.types import Floats, Prediction

__all__ = ["CTC", "RULES", "Codec", "Sequence", "Subword", "codec_from_dict", "log_softmax", "reference_score"]


class Codec(Protocol):
    """Pairs with a head of a model: turns labels into its target ids and its probabilities into text."""

    @property
    def classes(self) -> int:
        """Number of classes C that the head predicts."""

    @property
    def charset(self) -> Charset:
        """The characters that it writes."""

    def problem(self, text: str, canvas_width: int | None = None) -> str | None:
        """Why a normalised label cannot be a training target; None if it can.

        `canvas_width` is that of its image's canvas, in pixels; None leaves out what depends on it.
        """

    def encode(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Padded target ids (N, L) and lengths (N,) of normalised labels."""

    def decode(
        self,
        log_probabilities: Floats,
        *,
        top: int = 1,
        valid_width: float = 1.0,
        maps: dict[str, Floats] | None = None,
    ) -> Prediction:
        """The reading of one image from its (T, C) natural-log probabilities, with `top - 1` alternatives.

        `valid_width` is the share of the canvas that holds the image; `maps` are what the model shows beside its
        logits, of this image.
        """

    def ended(self, log_probabilities: Floats) -> bool:
        """Whether the reading of (T, C) log probabilities came to an end, or the slots ran out before."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `codec_from_dict` takes them back."""


_KINDS: dict[str, Callable[..., Codec]] = {"ctc": CTC, "sequence": Sequence, "subword": Subword.from_dict}


def codec_from_dict(values: dict[str, Any], charset: Charset) -> Codec:
    """The inverse of a codec's `to_dict`.

    Raises:
        BundleError: the kind of codec is unknown to this version.
    """
    values = dict(values)
    kind = values.pop("kind")
    if kind not in _KINDS:
        raise BundleError(f"unknown codec {kind!r}; this version knows {', '.join(_KINDS)}: upgrade wildtext")
    return _KINDS[kind](charset, **values)


def log_softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Log probabilities over the last axis, after dividing logits by a calibration temperature."""
    # In place, as heads of subwords have megabytes of logits for each image.
    scores: Floats = np.divide(logits, np.float32(temperature), dtype=np.float32)
    scores -= scores.max(axis=-1, keepdims=True)
    scores -= np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    return scores
