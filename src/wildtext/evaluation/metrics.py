"""How good readings are."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from rapidfuzz.distance import Levenshtein

from wildtext.charset import Charset


def comparable(protocol: str, charset: Charset) -> Callable[[str], str]:
    """What a protocol brings readings and labels to before they are compared.

    Args:
        protocol: ``36``, ``62`` or ``94`` keep the characters of that charset alone, after its normalisation; ``all``
            keeps all but the blanks at either end, in Unicode's form NFC, as other scripts need it; ``own`` brings
            texts to the form that the model was taught, e.g. without case where it cannot write it, and keeps all else.
        charset: of the model.
    """
    if protocol == "all":
        return lambda text: unicodedata.normalize("NFC", text).strip()
    if protocol == "own":
        return lambda text: charset.normalize(text).strip()
    return Charset.named(protocol).restrict


def similarity(reading: str, truth: str) -> float:
    """1 - NED of one word: 1 - edits / length of the longer of the two; 1 where both are empty."""
    return float(Levenshtein.normalized_similarity(reading, truth))
