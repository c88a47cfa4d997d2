"""Where words and names come from: English, a file of one's own, or Chinese."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from wildtext.synth.corpus.draws import Random
from wildtext.synth.corpus.words import Rarity, WordList, by_length, by_rank, shipped

_CANDIDATES = 4


# Marks before and after a word, as often as signs have them.
MARKS = (
    ("", "."), ("", "."), ("", "."), ("", "."), ("", "."), ("", ","), ("", ","), ("", ","), ("", "!"), ("", "!"),
    ("", "!"), ("", "?"), ("", ":"), ("", ";"), ("", "..."), ("", "!!"), ("", "*"), ("", "+"), ("", "-"), ("", "'"),
    ("(", ")"), ("(", ")"), ('"', '"'), ('"', '"'), ('"', ""), ("", '"'), ("'", "'"), ("[", "]"), ("(", ""), ("", ")"),
    ("#", ""), ("@", ""), ("&", ""), ("*", "*"), ("-", "-"), ("<", ">"), ("/", ""), ("", "/"), ("~", "~"), ("{", "}"),
    ("$", ""), ("_", "_"), ("", '."'), ("", ".)"), ("", '!"'), ("|", "|"), ("=", ""), ("", "?!"), ("^", ""), ("`", "`"),
)  # fmt: skip


class Vocabulary:
    """Words and names in the case styles of the street.

    Args:
        lists: word lists with their shares.
        names: of persons and places.
        cases: share of each case style.
        flatten: chance that a word is the one with the rarest characters out of four.

    Attributes:
        joiner: what stands between the words of a phrase.
        marks: before and after punctuated words.
        characters: all characters of words and names in any case, in code point order.
        letters: the letters of the words, lower-cased, for strings that are no words.
        foreign: the characters of the words that are not ASCII.
    """

    joiner = " "
    marks: tuple[tuple[str, str], ...] = MARKS

    def __init__(
        self,
        lists: Sequence[tuple[WordList, float]],
        names: WordList,
        cases: Mapping[str, float],
        flatten: float,
    ):
        self._lists = [words for words, _ in lists]
        self._edges = _edges([share for _, share in lists])
        self._names = names
        self._cases = list(cases)
        self._case_edges = _edges(list(cases.values()))
        self._flatten = flatten
        words = [word for group in self._lists for word in group.words]
        self._rarity = Rarity(words)
        # Sets have no order that is the same in the next process.
        self.characters = "".join(sorted(_characters([*words, *names.words])))
        own = "".join(sorted(_characters(words)))
        self.foreign = "".join(character for character in own if not character.isascii())
        letters = "".join(character for character in own if character.isalpha() and character == character.lower())
        # A list of numbers has none.
        self.letters = letters or "".join(own)

    def raw(self, random: Random) -> str:
        """A word as it stands in its list."""
        if random.random() >= self._flatten:
            return self._draw(random)
        return max([self._draw(random) for _ in range(_CANDIDATES)], key=self._rarity)

    def word(self, random: Random) -> str:
        """A word in one of the case styles."""
        return self.case(self.raw(random), random)

    def name(self, random: Random) -> str:
        """A name of a person or a place as it is written in running text."""
        return self._names.draw(random)

    def case(self, text: str, random: Random) -> str:
        """The text in one of the case styles."""
        return _STYLES[self._cases[bisect(self._case_edges, random.random())]](text, random)

    def _draw(self, random: Random) -> str:
        return self._lists[bisect(self._edges, random.random())].draw(random)


def english(cases: Mapping[str, float], flatten: float) -> Vocabulary:
    """Words of the street, common and less common English words."""
    lists = [
        (by_rank(shipped("street")), 0.42),
        (by_length(shipped("common")), 0.42),
        (by_length(shipped("further")), 0.16),
    ]
    return Vocabulary(lists, WordList(shipped("names")), cases, flatten)


def of_words(words: WordList, cases: Mapping[str, float], flatten: float) -> Vocabulary:
    """Words of one's own, with the names that ship with wildtext."""
    return Vocabulary([(words, 1.0)], WordList(shipped("names")), cases, flatten)


def _edges(shares: Sequence[float]) -> list[float]:
    """Upper edges of intervals in [0, 1) as wide as the shares, without the last, which is 1."""
    total = sum(shares)
    return [edge / total for edge in accumulate(shares)][:-1]


def _characters(words: Sequence[str]) -> set[str]:
    text = "\n".join(words)
    return {*text, *text.upper(), *text.lower()} - {"\n"}


def _title(text: str, _: Random) -> str:
    """Each word with a capital; the others of McDonald and DVDs stay."""
    text = text.lower() if text.isupper() else text
    return " ".join([word[:1].upper() + word[1:] for word in text.split(" ")])


def _mixed(text: str, random: Random) -> str:
    draws = random.random(len(text)).tolist()
    return "".join([part.upper() if draw < 0.5 else part.lower() for part, draw in zip(text, draws, strict=True)])


_STYLES: dict[str, Callable[[str, Random], str]] = {
    "upper": lambda text, _: text.upper(),
    "title": _title,
    "lower": lambda text, _: text.lower(),
    "mixed": _mixed,
}
