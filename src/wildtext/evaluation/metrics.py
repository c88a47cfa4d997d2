"""How good readings are."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from wildtext.charset import STANDARD, Charset
from wildtext.errors import ConfigError
from wildtext.evaluation.readings import Judged
from wildtext.evaluation.statistics import percent_interval

COVERAGES = (0.5, 0.8, 0.9, 0.95, 1.0)
"""Shares of the images, the most confident first, at which accuracy is told."""

BINS = 15
"""Of equal width, in which confidence is compared with accuracy (Guo et al. 2017)."""


@dataclass(frozen=True)
class Metrics:
    """What readings are worth, over all images alike.

    Attributes:
        images: how many were counted; an unreadable one counts as wrong, with no confidence and no similarity.
        correct: how many were read exactly, under the protocol.
        interval: the 95 % Wilson interval of the word accuracy, in percent.
        similarity: mean of 1 - edits / length of the longer text, in [0, 1]: 1-NED of DTRB, PARSeq and PaddleOCR.
        similarity_by_label: mean of 1 - edits / length of the label, at most 1: after the older DTRB and SRN.pytorch.
        edits: of all images together.
        characters: of all labels together.
        confidence: mean confidence, in [0, 1].
        calibration_error: expected calibration error of the confidence, in [0, 1].
        coverage: word accuracy in percent of the share of the images that the model is most confident of, by share.
        empty: labels of readable images that have no character of the protocol; an empty reading counts as correct.
        unreadable: how many images could not be decoded.
    """

    images: int
    correct: int
    interval: tuple[float, float]
    similarity: float
    similarity_by_label: float
    edits: int
    characters: int
    confidence: float
    calibration_error: float
    coverage: dict[float, float]
    empty: int
    unreadable: int

    @property
    def accuracy(self) -> float:
        """Word accuracy in percent."""
        return 100 * self.correct / self.images

    @property
    def character_error_rate(self) -> float:
        """Edits over characters of the labels, at least 0; where no label has any, 1 if something was read, else 0."""
        return self.edits / self.characters if self.characters else float(self.edits > 0)


def measure(judged: Sequence[Judged]) -> Metrics:
    """Count what readings are worth.

    Args:
        judged: at least one.
    """
    correct = np.array([one.correct for one in judged], bool)
    confidence = np.array([one.confidence for one in judged], float)
    readable = np.array([one.reading.prediction is not None for one in judged], bool)
    edits = np.array([one.edits for one in judged])
    label = np.array([len(one.truth) for one in judged])
    similarities = [similarity(one.text, one.truth) for one in judged]
    return Metrics(
        images=len(judged),
        correct=int(correct.sum()),
        interval=percent_interval(int(correct.sum()), len(judged)),
        similarity=float(np.where(readable, similarities, 0).mean()),
        similarity_by_label=float(np.where(readable, _by_label(edits, label), 0).mean()),
        edits=int(edits.sum()),
        characters=int(label.sum()),
        confidence=float(confidence.mean()),
        calibration_error=expected_calibration_error(confidence, correct),
        coverage={share: accuracy_at_coverage(confidence, correct, share) for share in COVERAGES},
        empty=int((readable & (label == 0)).sum()),
        unreadable=int((~readable).sum()),
    )


def comparable(protocol: str, charset: Charset) -> Callable[[str], str]:
    """What a protocol brings readings and labels to before they are compared.

    Args:
        protocol: ``36``, ``62`` or ``94`` keep the characters of that charset alone, after its normalisation; ``all``
            keeps all but the blanks at either end, in Unicode's form NFC, as other scripts need it; ``own`` brings
            texts to the form that the model was taught, e.g. without case where it cannot write it, and keeps all else.
        charset: of the model.

    Raises:
        ConfigError: there is no such protocol.
    """
    if protocol == "all":
        return lambda text: unicodedata.normalize("NFC", text).strip()
    if protocol == "own":
        return lambda text: charset.normalize(text).strip()
    if protocol not in STANDARD:
        raise ConfigError(f"there is no protocol {protocol!r}; known are {', '.join(STANDARD)}, all and own")
    return Charset.named(protocol).restrict


def similarity(reading: str, truth: str) -> float:
    """1 - NED of one word: 1 - edits / length of the longer of the two; 1 where both are empty."""
    return float(Levenshtein.normalized_similarity(reading, truth))


def _by_label(edits: NDArray[np.int_], lengths: NDArray[np.int_]) -> NDArray[np.float64]:
    """1 - edits / length of the label; where that is empty, 1 for an empty reading and 0 for others."""
    return np.where(lengths > 0, 1 - edits / np.maximum(lengths, 1), edits == 0)


def confidence_bins(confidence: NDArray[np.float64]) -> NDArray[np.int_]:
    """The bin, from 0, of each confidence: above b / 15 and at most (b + 1) / 15 it is b; 0 is in the first.

    Args:
        confidence: (N,) in [0, 1].
    """
    return np.searchsorted(np.arange(1, BINS) / BINS, confidence)


def expected_calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Mean distance of confidence and accuracy over bins of equal width, weighted by their images (Guo et al. 2017).

    Args:
        confidence: (N,) in [0, 1], N at least 1.
        correct: (N,).
    """
    surplus = np.bincount(confidence_bins(confidence), weights=confidence - correct, minlength=BINS)
    return float(np.abs(surplus).sum() / len(confidence))


def covered(images: int, share: float) -> int:
    """How many images a share of them is, rounded up."""
    return int(np.ceil(share * images - 1e-9))


def accuracy_at_coverage(confidence: NDArray[np.float64], correct: NDArray[np.bool_], share: float) -> float:
    """Word accuracy in percent of the most confident images; of equally confident ones, equal parts count.

    Args:
        confidence: (N,) in [0, 1], N at least 1.
        correct: (N,).
        share: of the N images, in (0, 1], see `covered`.
    """
    count = covered(len(confidence), share)
    least = np.sort(confidence)[-count]
    above, level = confidence > least, confidence == least
    right = correct[above].sum() + correct[level].mean() * (count - above.sum())
    return float(100 * right / count)
