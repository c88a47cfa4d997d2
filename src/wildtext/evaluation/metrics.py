"""How good readings are."""

from __future__ import annotations

from rapidfuzz.distance import Levenshtein


def similarity(reading: str, truth: str) -> float:
    """1 - NED of one word: 1 - edits / length of the longer of the two; 1 where both are empty."""
    return float(Levenshtein.normalized_similarity(reading, truth))
