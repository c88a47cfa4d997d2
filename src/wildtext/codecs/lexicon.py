"""A list of words that a reading must be one of, and the trie in which a codec looks for the most probable."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wildtext.charset import Charset
from wildtext.errors import CharsetError, DataError

Letters = tuple[int, ...]
"""A word as a model may write it: a letter of an `Alphabet`, or a token, for each of its steps."""


_MOST_TRIES = 8
"""Tries that a lexicon keeps: enough for the heads of a model, or for a few models side by side."""


class Speller(Protocol):
    """A codec, as far as a lexicon needs it."""

    @property
    def charset(self) -> Charset:
        """The characters that it writes."""

    def spell(self, word: str, *, fold_case: bool) -> list[Letters]:
        """The ways to write a word; none where its model cannot write it."""


class Lexicon:
    """Words, one of which an image is known to say.

    >>> Lexicon(["EXIT", "Hotel", "EXIT "]).words
    ('EXIT', 'Hotel')

    Args:
        words: blanks around them and repetitions are dropped.
        fold_case: whether a model may write a word in any casing; what is read is the word as it stands here. Of words
            that differ in nothing else, only the first is ever read.
        name: what messages call the list, e.g. its path.

    Attributes:
        words: distinct, in the given order.

    Raises:
        DataError: there is no word, or something is no word.
    """

    def __init__(self, words: Iterable[str], *, fold_case: bool = True, name: str = "the lexicon"):
        if isinstance(words, str):
            raise DataError(f"{name} is the text {words!r}; give a list of words, or Lexicon.from_file(path)")
        words = list(words)
        if wrong := [word for word in words if not isinstance(word, str)]:
            raise DataError(f"{name} has {wrong[0]!r}, which is no text")
        stripped = (unicodedata.normalize("NFC", word.strip()) for word in words)
        self.words = tuple(dict.fromkeys(word for word in stripped if word))
        self.fold_case = fold_case
        self.name = name
        self._tries: tuple[tuple[Speller, Trie], ...] = ()
        self._building = Lock()
        if not self.words:
            raise DataError(f"{name} has no words; a reading must be one of them")

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def from_file(cls, path: Path | str, *, fold_case: bool = True) -> Lexicon:
        """A file with one word a line, UTF-8; empty lines are passed over.

        Raises:
            DataError: the file cannot be read, is no text, or has no words.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
            raise DataError(f"cannot read the lexicon {path}: {error}; it is text in UTF-8, a word a line") from error
        for number, line in enumerate(lines, start=1):
            if not line.isprintable() and any(unicodedata.category(each) == "Cc" for each in line.strip()):
                raise DataError(
                    f"{path}:{number}: {line[:40]!r} is no word; put one word on each line, and nothing else"
                )
        return cls(lines, fold_case=fold_case, name=f"the lexicon {path}")

    def trie(self, codec: Speller) -> Trie:
        """The words as a codec writes them; those of the codecs that were last asked for are kept.

        Raises:
            CharsetError: it can write none of them.
        """
        with self._building:
            for known, trie in self._tries:
                if known is codec or known == codec:
                    return trie
            trie = self._build(codec)
            self._tries = ((codec, trie), *self._tries[: _MOST_TRIES - 1])
            return trie

    def unreadable(self, codec: Speller) -> tuple[str, ...]:
        """The words that a codec cannot write, as they hold letters or digits outside its charset, or too many.

        Where the number of columns depends on the image, no word counts as too long.

        Raises:
            CharsetError: all are so.
        """
        return tuple(self.words[entry] for entry in self.trie(codec).absent)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: not the tries, which are sooner built than sent."""
        return {"words": self.words, "fold_case": self.fold_case, "name": self.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Lexicon.__init__(self, **state)

    def _build(self, codec: Speller) -> Trie:
        spellings: dict[Letters, int] = {}
        absent = []
        for entry, word in enumerate(self.words):
            ways = codec.spell(word, fold_case=self.fold_case)
            if not ways:
                absent.append(entry)
            for letters in ways:
                spellings.setdefault(letters, entry)
        if not spellings:
            raise CharsetError(
                f"{self.name}: the model, whose charset is {codec.charset.name}, can write none of its "
                f"{len(self.words)} words, such as {self.words[0]!r}"
            )
        return Trie(spellings, len(self.words), tuple(absent))


@dataclass(frozen=True, eq=False)
class Alphabet:
    """The letters that words are compared by: the characters of a charset or, without case, groups of them.

    Attributes:
        ids: character, in lower case where case is folded, to its letter.
        members: (letters, most variants) places in the charset of the characters of each letter; -1 fills up.
        fold_case: whether case is folded.
        single: letters that have one variant.
    """

    ids: dict[str, int]
    members: NDArray[np.int64]
    fold_case: bool
    single: frozenset[int]

    def spell(self, word: str, charset: Charset) -> Letters:
        """The letters of a word; none where it cannot be written.

        Punctuation, symbols and blanks that the charset lacks are left out, as they are from labels.
        """
        letters = []
        for character in charset.normalize(word):
            letter = self.ids.get(character.lower() if self.fold_case else character)
            if letter is not None:
                letters.append(letter)
            elif unicodedata.category(character)[0] not in "PSZ":
                return ()
        return tuple(letters)

    def merge(self, first: int, second: int) -> bool:
        """Whether neighbours are the same character in whatever casing they are written."""
        return first == second and first in self.single

    def text(self, letters: Letters) -> str:
        """What letters look like."""
        characters = list(self.ids)
        return "".join(characters[letter] for letter in letters)

    def emitted(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of each variant of each letter.

        Args:
            probabilities: (T, characters).

        Returns:
            (T, variants, letters); 0 where a letter has fewer variants.
        """
        chosen = probabilities[:, self.members.T]
        return np.where(self.members.T < 0, 0.0, chosen)


@lru_cache(maxsize=16)
def alphabet(charset: Charset, *, fold_case: bool) -> Alphabet:
    """The letters of a charset."""
    groups: dict[str, list[int]] = {}
    for place, character in enumerate(charset.characters):
        groups.setdefault(character.lower() if fold_case else character, []).append(place)
    members = np.full((len(groups), max(map(len, groups.values()))), -1, np.int64)
    for row, places in zip(members, groups.values(), strict=True):
        row[: len(places)] = places
    single = frozenset(letter for letter, places in enumerate(groups.values()) if len(places) == 1)
    return Alphabet({key: letter for letter, key in enumerate(groups)}, members, fold_case, single)


@dataclass(frozen=True, eq=False)
class Level:
    """The nodes of a trie that are equally far from its root, in the order of what leads to them.

    Attributes:
        letters: (L,) the letter that each adds.
        parents: (L,) the node before, counted in the level before.
        repeats: (L,) whether that has the same letter.
        ends: (E,) nodes at which spellings end.
        entries: (E,) the words that are spelled so.
    """

    letters: NDArray[np.int64]
    parents: NDArray[np.int64]
    repeats: NDArray[np.bool_]
    ends: NDArray[np.int64]
    entries: NDArray[np.int64]


class Trie:
    """Spellings, with what they begin with in common.

    Args:
        spellings: at least one, and the number of the word that it spells.
        entries: how many words there are.
        absent: numbers of those without a spelling.

    Attributes:
        levels: those of the first letters, of the second and so on.
        size: nodes in all levels.
        spelling: the first spelling of each word.
    """

    def __init__(self, spellings: dict[Letters, int], entries: int, absent: tuple[int, ...] = ()):
        self.entries = entries
        self.absent = absent
        self.spelling: dict[int, Letters] = {}
        for letters, entry in spellings.items():
            self.spelling.setdefault(entry, letters)
        rows = sorted(spellings.items())
        self.levels = tuple(_levels([letters for letters, _ in rows], np.array([entry for _, entry in rows])))
        self.size = sum(len(level.letters) for level in self.levels)


def _levels(spellings: Sequence[Letters], entries: NDArray[np.int64]) -> Iterable[Level]:
    """The levels of sorted, distinct spellings: what differs from the spelling above begins a new node."""
    lengths = np.array([len(letters) for letters in spellings])
    table = np.full((len(spellings), lengths.max()), -1, np.int64)
    for row, letters in zip(table, spellings, strict=True):
        row[: len(letters)] = letters
    fresh = np.ones(table.shape, bool)
    np.logical_or.accumulate(table[1:] != table[:-1], axis=1, out=fresh[1:])
    before = np.zeros(len(table), np.int64)
    for depth in range(table.shape[1]):
        new = fresh[:, depth] & (lengths > depth)
        place = np.cumsum(new) - 1
        over = lengths == depth + 1
        repeats = table[new, depth] == table[new, depth - 1] if depth else np.zeros(int(new.sum()), bool)
        yield Level(table[new, depth], before[new], repeats, place[over], entries[over])
        before = place
