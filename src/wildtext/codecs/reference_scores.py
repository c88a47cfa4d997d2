"""The scores that reference projects print beside a reading, for weights that were imported from them.

They stand in `Prediction.scores` for comparison; `Prediction.confidence` means the same for all models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wildtext.codecs.ctc import BLANK
from wildtext.codecs.sequence import Sequence
from wildtext.codecs.subword import Subword
from wildtext.types import Floats

if TYPE_CHECKING:
    from wildtext.codecs import Codec


def reference_score(rule: str, log_probabilities: Floats, codec: Codec) -> float:
    """A score from the (T, C) log probabilities of one image.

    Args:
        rule: a key of `RULES`.
        log_probabilities: natural logarithms.
        codec: of the head; where the text ends is seen from the best class of each slot, special tokens included. With
            CTC a character counts by the first of its columns.
    """
    ids = log_probabilities.argmax(axis=1)
    maxima = np.exp(log_probabilities.max(axis=1).astype(np.float64))
    if not isinstance(codec, Sequence | Subword):
        if rule != "steps":
            maxima = maxima[(ids != BLANK) & (np.diff(ids, prepend=BLANK) != 0)]
        return RULES[rule](maxima, len(maxima), True)
    ids, maxima = ids[codec.skip :], maxima[codec.skip :]
    if isinstance(codec, Sequence) and codec.end in codec.silent:
        maxima = maxima[~np.isin(ids, codec.silent)]
        return RULES[rule](maxima, len(maxima), False)
    ends = np.flatnonzero(ids == codec.end)
    return RULES[rule](maxima, int(ends[0]) if len(ends) else len(maxima), bool(len(ends)))


def _mean(maxima: NDArray[np.float64], length: int, ended: bool) -> float:
    """Mean over the characters; 0 without any."""
    return float(maxima[:length].mean()) if length else 0.0


def _before_end(maxima: NDArray[np.float64], length: int, ended: bool) -> float:
    """Product over the characters; 0 without any."""
    return float(maxima[:length].prod()) if length else 0.0


def _to_end(maxima: NDArray[np.float64], length: int, ended: bool) -> float:
    """Product over the characters and the end token; 0 if none was written."""
    return float(maxima[: length + 1].prod()) if ended else 0.0


def _steps(maxima: NDArray[np.float64], length: int, ended: bool) -> float:
    """Product over all that was written, the end token included; over all columns for CTC."""
    return float(maxima[: length + 1].prod())


RULES: Mapping[str, Callable[[NDArray[np.float64], int, bool], float]] = {
    "mean": _mean,
    "before-end": _before_end,
    "to-end": _to_end,
    "steps": _steps,
}
