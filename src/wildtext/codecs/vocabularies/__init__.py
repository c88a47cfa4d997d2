"""Subword vocabularies: how a text splits into tokens, and what each token writes.

A vocabulary is a table of tokens and nothing else: the order of the tokens says which pieces are merged first, so the
tables that ship here, and those in bundles, need no list of merges and no library for tokenising.
"""

from __future__ import annotations

import base64
import re
import unicodedata
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, ClassVar

from wildtext.errors import BundleError

_SHIPPED = Path(__file__).parent
_LARGEST = 2**26
"""Bytes that a table may have; a damaged or malicious one could unpack to any size."""


@dataclass(frozen=True)
class Vocabulary(ABC):
    """A table of tokens.

    Attributes:
        kind: how bundles call it.
        tokens: UTF-8 of each token by its id, at most 255 bytes, which may be part of a character; empty for special
            tokens, which write nothing.
    """

    kind: ClassVar[str]
    tokens: tuple[bytes, ...] = field(repr=False)

    @abstractmethod
    def split(self, text: str) -> list[int]:
        """The ids of a text, all of whose characters the vocabulary has."""

    @abstractmethod
    def written(self, token: int) -> bytes:
        """What a token adds to a text."""

    @abstractmethod
    def _has(self, character: str) -> bool:
        """Whether a text may hold this character anywhere."""

    def lacks(self, characters: Iterable[str]) -> str:
        """Those of some characters that no sequence of tokens writes."""
        return "".join(character for character in characters if not self._has(character))

    @cached_property
    def ids(self) -> dict[bytes, int]:
        """Token to id, without special tokens."""
        return {token: index for index, token in enumerate(self.tokens) if token}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the table compressed."""
        return {"kind": self.kind, "table": base64.b64encode(pack(self.tokens)).decode("ascii")}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Vocabulary:
        """The inverse of `to_dict`.

        Raises:
            BundleError: the kind of vocabulary is unknown to this version, or the table is damaged.
        """
        kind = values["kind"]
        if kind not in _KINDS:
            raise BundleError(f"unknown vocabulary {kind!r}; this version knows {', '.join(_KINDS)}: upgrade wildtext")
        return _KINDS[kind](unpack(base64.b64decode(values["table"])))


class BytePairs(Vocabulary):
    """Byte-level byte pair encoding (Sennrich et al. 2016, as in GPT-2).

    Tokens are ordered as they were learnt: single bytes first, and the earlier a merged token stands, the earlier it is
    merged.
    """

    kind = "bpe"
    _WORD = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
    """What GPT-2 splits apart before it merges: letters, digits and other characters, each with a space in front."""

    def split(self, text: str) -> list[int]:
        """See `Vocabulary.split`; no space is put in front of the text."""
        return [index for word in self._WORD.findall(text) for index in self._merged(word.encode())]

    def _merged(self, word: bytes) -> list[int]:
        """Bytes of a word, two neighbours merged again and again, those first whose token stands first."""
        parts, never = [bytes([byte]) for byte in word], len(self.tokens)
        while True:
            ranks = [self.ids.get(left + right, never) for left, right in pairwise(parts)]
            first = min(ranks, default=never)
            if first == never:
                return [self.ids[part] for part in parts]
            place = ranks.index(first)
            parts[place : place + 2] = [parts[place] + parts[place + 1]]

    def written(self, token: int) -> bytes:
        """See `Vocabulary.written`."""
        return self.tokens[token]

    def _has(self, character: str) -> bool:
        return all(bytes([byte]) in self.ids for byte in character.encode())


class WordPieces(Vocabulary):
    """WordPiece (Schuster and Nakajima 2012, as in BERT): the longest token that fits, from left to right.

    Tokens that go on within a word begin with ``##``. Spaces between words are not written.
    """

    kind = "wordpiece"
    _WITHIN = b"##"

    def split(self, text: str) -> list[int]:
        """See `Vocabulary.split`."""
        return [index for word in _words(text) for index in self._pieces(word)]

    def _pieces(self, word: str) -> Iterator[int]:
        start = 0
        while start < len(word):
            mark = self._WITHIN if start else b""
            ends = range(len(word), start, -1)
            start, index = next(
                (end, self.ids[token]) for end in ends if (token := mark + word[start:end].encode()) in self.ids
            )
            yield index

    def written(self, token: int) -> bytes:
        """See `Vocabulary.written`."""
        return self.tokens[token].removeprefix(self._WITHIN)

    def _has(self, character: str) -> bool:
        # Any place in a word can be reached with single characters, whatever longer tokens there are.
        token = character.encode()
        return token in self.ids and (_stands_alone(character) or self._WITHIN + token in self.ids)


_KINDS: dict[str, type[Vocabulary]] = {made.kind: made for made in (BytePairs, WordPieces)}


@cache
def gpt2() -> BytePairs:
    """The 50,257 tokens of GPT-2 (Radford et al. 2019), the last of them special."""
    return BytePairs(unpack((_SHIPPED / "gpt2.table").read_bytes()))


@cache
def bert_uncased() -> WordPieces:
    """The 30,522 tokens of BERT base uncased (Devlin et al. 2019), which has neither capitals nor accents.

    998 of them are special: among them [PAD] = 0, [CLS] = 101, [SEP] = 102.
    """
    return WordPieces(unpack((_SHIPPED / "bert-uncased.table").read_bytes()))


def pack(tokens: tuple[bytes, ...]) -> bytes:
    """A table in few bytes: zlib of how many tokens (4 bytes, little-endian), the length of each (a byte), and them.

    >>> unpack(pack((b"a", b"", b"##ing")))
    (b'a', b'', b'##ing')
    """
    count = len(tokens).to_bytes(4, "little")
    return zlib.compress(count + bytes(map(len, tokens)) + b"".join(tokens), 9)


def unpack(packed: bytes) -> tuple[bytes, ...]:
    """The inverse of `pack`.

    Raises:
        BundleError: the bytes are no table.
    """
    try:
        data = zlib.decompressobj().decompress(packed, _LARGEST)
    except zlib.error as error:
        raise BundleError(f"this is no table of tokens: {error}") from error
    place = 4 + int.from_bytes(data[:4], "little")
    lengths = data[4:place]
    if place + sum(lengths) != len(data):
        raise BundleError(f"a table of {len(data)} bytes does not hold the {place - 4} tokens that it announces")
    tokens = []
    for length in lengths:
        tokens.append(data[place : place + length])
        place += length
    return tuple(tokens)


def _words(text: str) -> Iterator[str]:
    """What BERT splits apart: words between spaces, and characters that are words of their own."""
    for alone, characters in groupby(text, key=lambda character: character.isspace() or _stands_alone(character)):
        if alone:
            yield from (character for character in characters if not character.isspace())
        else:
            yield "".join(characters)


def _stands_alone(character: str) -> bool:
    """Whether a character is a word of its own: punctuation, symbols of ASCII, ideographs."""
    category = unicodedata.category(character)
    symbol = character.isascii() and category.startswith("S")
    return symbol or category.startswith("P") or unicodedata.name(character, "").startswith("CJK")
