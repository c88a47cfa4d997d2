"""Words beside strings without sense, to see how much readers lean on language."""

from __future__ import annotations

from operator import eq

from wildtext.config import LabelOptions
from wildtext.synth.corpus import Corpus
from wildtext.synth.corpus.draws import Random, run
from wildtext.synth.corpus.words import shipped

_SHORTEST = 3
"""Letters; shorter words have hardly any language in them."""

_LISTS = ("street", "common", "further")
"""Of the shipped words, those that are drawn from."""


def word_pairs(count: int, random: Random) -> tuple[list[str], list[str]]:
    """Words of the lexicon, and for each a string without sense, of the same length and case.

    Letters of the strings are drawn from those of all the words, and as many of them are doubled as in the word; none
    of the strings is a word of the lexicon.

    Args:
        count: of the words.
        random: decides.
    """
    corpus = Corpus(LabelOptions(kinds={"word": 1.0}, flatten=0.0))
    lexicon = {word.lower() for name in _LISTS for word in shipped(name)}
    words: list[str] = []
    while len(words) < count:
        word = corpus.sample(random)[1]
        if len(word) >= _SHORTEST and word.isascii() and word.isalpha():
            words.append(word)
    letters = "".join(words).lower()
    return words, [_senseless(word, letters, lexicon, random) for word in words]


def _senseless(word: str, letters: str, lexicon: set[str], random: Random) -> str:
    # Doubled letters are harder for CTC, and letters that are drawn are doubled more often than those of words.
    string = run(letters, len(word), random)
    while string in lexicon or _doubled(string) != _doubled(word):
        string = run(letters, len(word), random)
    return "".join(new.upper() if old.isupper() else new for old, new in zip(word, string, strict=True))


def _doubled(text: str) -> int:
    """Letters that are like the one before, whatever their case."""
    folded = text.lower()
    return sum(map(eq, folded, folded[1:]))
