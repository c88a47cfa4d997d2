"""Weighted lists of words, and which of their characters are rare."""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path

from wildtext.errors import DataError
from wildtext.synth.corpus.draws import Random, pick

SHIPPED = Path(__file__).parents[1] / "words"

# Running English has short words far more often than a list of all its words has them.
_BY_LENGTH = (0.0, 0.3, 4.0, 16.0, 9.0, 4.0, 2.4, 1.5, 0.9, 0.55, 0.4, 0.3)


class WordList:
    """Words, each with a weight.

    Args:
        words: at least one.
        weights: above 0, one for each word; None draws all alike.
    """

    def __init__(self, words: Sequence[str], weights: Iterable[float] | None = None):
        self.words = tuple(words)
        self._edges = None if weights is None else list(accumulate(weights))

    def __len__(self) -> int:
        return len(self.words)

    def draw(self, random: Random) -> str:
        """One of the words."""
        if self._edges is None:
            return pick(self.words, random)
        place = bisect(self._edges, random.random() * self._edges[-1])
        return self.words[min(place, len(self.words) - 1)]


def by_length(words: Sequence[str]) -> WordList:
    """Words of which the short ones are common."""
    return WordList(words, [_BY_LENGTH[min(len(word), len(_BY_LENGTH) - 1)] for word in words])


def by_rank(words: Sequence[str]) -> WordList:
    """Words of which the first ones are common, as Zipf's law has it."""
    return WordList(words, [1 / (rank + 60) for rank in range(len(words))])


@cache
def shipped(name: str) -> tuple[str, ...]:
    """The words of a list that ships with wildtext."""
    return tuple((SHIPPED / f"{name}.txt").read_text(encoding="utf-8").split())


def read_words(path: Path, max_length: int) -> tuple[WordList, int]:
    """Read a file with one `word` or `word<TAB>count` a line; UTF-8.

    Returns:
        The words, drawn as often as they are counted (once where no count is given), and how many lines were dropped
        because they are longer than `max_length` or hold control characters.

    Raises:
        DataError: the file cannot be read, a count is not a number above 0, or no words remain.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise DataError(f"cannot read the word list {path}: {error}") from error
    counts: dict[str, float] = {}
    dropped = 0
    for number, line in enumerate(lines, start=1):
        word, tab, count = line.partition("\t")
        word = unicodedata.normalize("NFC", word.strip())
        if not word:
            continue
        weight = _count(count, f"{path}:{number}") if tab else 1.0
        if len(word) > max_length or any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in word):
            dropped += 1
        else:
            counts[word] = counts.get(word, 0.0) + weight
    if not counts:
        reason = f"all {dropped} lines are longer than {max_length} or hold control characters" if dropped else "empty"
        raise DataError(f"the word list {path} has no words ({reason}); put one word on each line")
    return WordList(tuple(counts), counts.values() if len(set(counts.values())) > 1 else None), dropped


def _count(text: str, where: str) -> float:
    try:
        count = float(text)
    except ValueError:
        count = 0.0
    if not 0 < count < math.inf:
        raise DataError(f"{where}: the count {text.strip()!r} is not a number above 0; write word<TAB>count")
    return count


class Rarity:
    """How rare the characters of a word are among given words; case does not count."""

    def __init__(self, words: Iterable[str]):
        counts = Counter("".join(words).lower())
        total = sum(counts.values())
        self._cost = {character: total / count for character, count in counts.items()}
        self._unseen = float(total)

    def __call__(self, word: str) -> float:
        """Mean over the characters of 1 / frequency; 0 for no characters."""
        cost, unseen = self._cost, self._unseen
        return sum([cost.get(character, unseen) for character in word.lower()]) / max(1, len(word))
