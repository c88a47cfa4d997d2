"""What is written in synthetic images: the words, numbers and codes of the street."""

from __future__ import annotations

from bisect import bisect
from functools import partial
from itertools import accumulate
from pathlib import Path

from wildtext.config import LabelOptions
from wildtext.synth.corpus.chinese import Chinese
from wildtext.synth.corpus.draws import Random
from wildtext.synth.corpus.kinds import KINDS
from wildtext.synth.corpus.vocabulary import Vocabulary, english, of_words
from wildtext.synth.corpus.words import SHIPPED, read_words

__all__ = ["KINDS", "SHIPPED", "Corpus"]

_TRIES = 12


class Corpus:
    """An endless source of labels.

    Args:
        options: shares of the kinds of labels and of the case styles; flattening; the longest label.
        words: a UTF-8 file with one `word` or `word<TAB>count` a line to draw from; empty takes the English words that
            ship with wildtext, ``chinese`` the words of Chinese signs and the characters of GB 2312.

    Attributes:
        dropped: lines of the file that were passed over: longer than a label, or with control characters.

    Raises:
        DataError: the file cannot be read, a count is not a number above 0, or no words remain.
    """

    def __init__(self, options: LabelOptions = LabelOptions(), words: str | Path = ""):  # noqa: B008
        self.dropped = 0
        self._max_length = options.max_length
        self._vocabulary = self._read(options, words)
        drawn = {name: share for name, share in options.kinds.items() if share}
        self._names = list(drawn)
        self._kinds = [partial(KINDS[name], self._vocabulary) for name in drawn]
        self._edges = list(accumulate(drawn.values()))

    def sample(self, random: Random) -> tuple[str, str]:
        """Draw a label.

        Returns:
            The kind, and a label of 1 to `max_length` characters without blanks at its ends.
        """
        place = min(bisect(self._edges, random.random() * self._edges[-1]), len(self._kinds) - 1)
        for _ in range(_TRIES):
            label = self._kinds[place](random).strip()
            if len(label) <= self._max_length:
                return self._names[place], label
        return self._names[place], label[: self._max_length].strip()

    def characters(self) -> str:
        """All characters that the words can give in any case, in code point order, so that fonts can be checked."""
        return self._vocabulary.characters

    def _read(self, options: LabelOptions, words: str | Path) -> Vocabulary:
        if words == "":
            return english(options.cases, options.flatten)
        if words == "chinese":
            return Chinese(options.cases, options.flatten)
        own, self.dropped = read_words(Path(words), options.max_length)
        return of_words(own, options.cases, options.flatten)
