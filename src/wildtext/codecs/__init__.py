"""Between text and a model's probabilities, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wildtext.charset import Charset
from wildtext.codecs.ctc import CTC
from wildtext.codecs.lexicon import Letters, Lexicon
from wildtext.codecs.places import Meaning, Place
from wildtext.codecs.probabilities import log_softmax
from wildtext.codecs.reference_scores import RULES, reference_score
from wildtext.codecs.sequence import Sequence
from wildtext.codecs.subword import Subword
from wildtext.errors import BundleError
from wildtext.types import Floats, Prediction

__all__ = [
    "CTC",
    "RULES",
    "Codec",
    "Lexicon",
    "Meaning",
    "Place",
    "Sequence",
    "Subword",
    "codec_from_dict",
    "log_softmax",
    "reference_score",
]


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
        lexicon: Lexicon | None = None,
        temperature: float = 1.0,
    ) -> Prediction:
        """The reading of one image from its (T, C) natural-log probabilities, with `top - 1` alternatives.

        `valid_width` is the share of the canvas that holds the image; `maps` are what the model shows beside its
        logits, of this image; a `lexicon` has words, one of which is read.

        A calibration `temperature` divides the logarithms. It changes the probabilities that are told, and never what
        is read freely, nor the order of the alternatives. The words of a lexicon are compared by the probabilities that
        are told; there it may change what is read, where the head is unsure.
        """

    def ended(self, log_probabilities: Floats) -> bool:
        """Whether the reading of (T, C) log probabilities came to an end, or the slots ran out before."""

    def places(self, log_probabilities: Floats, text: str) -> list[Place]:
        """What wrote the text that `decode` reads freely from (T, C) log probabilities, in its order."""

    def ending(self, log_probabilities: Floats) -> Place | None:
        """What ended that text; None where it is over with the last row."""

    def meaning(self, index: int) -> Meaning | None:
        """What a class stands for; None for a class that no text can hold."""

    def spell(self, word: str, *, fold_case: bool) -> list[Letters]:
        """The ways to write a word, for a lexicon; none where the head cannot write it."""

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
