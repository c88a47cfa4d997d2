"""Character sets: which characters a model knows, and how a label becomes a string over them.

Case folding and Unicode normalisation are part of the charset, so that training, evaluation and reading cannot differ.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from wildtext.errors import CharsetError

Normalization = Literal["none", "NFC", "NFKC", "ascii"]

_DIGITS = "0123456789"
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_CHINESE_PUNCTUATION = "。，、！？：；（）《》【】“”…·¥"  # noqa: RUF001


def hanzi(first: int, last: int) -> str:
    """The Chinese characters in rows `first` to `last` of GB 2312: the common ones in 16 to 55, the others in 56 to 87.

    >>> len(hanzi(16, 55)), len(hanzi(56, 87))
    (3755, 3008)
    """
    codes = bytes(part for row in range(first, last + 1) for cell in range(1, 95) for part in (0xA0 + row, 0xA0 + cell))
    return codes.decode("gb2312", errors="ignore")


STANDARD = {
    "36": _DIGITS + _LOWER,
    "62": _DIGITS + _LOWER + _LOWER.upper(),
    "94": _DIGITS + _LOWER + _LOWER.upper() + _PUNCTUATION,
}
"""What is compared and reported: each set is part of the next."""

NAMED = {
    **STANDARD,
    # What PaddleOCR and MMOCR train RobustScanner and SAR with: 94 without ^ { | }.
    "90": "".join(character for character in STANDARD["94"] if character not in "^{|}"),
    "chinese": STANDARD["94"] + hanzi(16, 87) + _CHINESE_PUNCTUATION,
}


@dataclass(frozen=True)
class Charset:
    """An ordered set of characters with the normalisation that leads into it.

    Attributes:
        name: how people call it: ``36``, ``94+space``, the stem of a file.
        characters: distinct single code points; the position is the character's id.
        fold_case: whether labels are lower-cased.
        normalization: Unicode form that labels are brought to. ``ascii`` decomposes (NFKD) and drops accents.
    """

    name: str
    characters: tuple[str, ...]
    fold_case: bool = False
    normalization: Normalization = "NFC"

    def __post_init__(self) -> None:
        if not self.characters:
            raise CharsetError(f"charset {self.name!r} is empty; it needs at least one character")
        for character in self.characters:
            if len(character) != 1:
                raise CharsetError(f"charset {self.name!r}: {character!r} is not one code point")
            if self.fold_case and character != character.lower():
                raise CharsetError(f"charset {self.name!r} folds case, so no label can ever hold its {character!r}")
        repeated = [character for character, count in Counter(self.characters).items() if count > 1]
        if repeated:
            raise CharsetError(f"charset {self.name!r} lists {repeated[0]!r} more than once")

    def __len__(self) -> int:
        return len(self.characters)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Character to id."""
        return {character: index for index, character in enumerate(self.characters)}

    @classmethod
    def named(cls, name: str) -> Charset:
        """One of the sets ``36``, ``62``, ``94``, ``90`` and ``chinese``, each also with ``+space``.

        36 folds case. Those of Latin letters map to ASCII by dropping accents. 90 is 94 without ``^ { | }``; chinese is
        94, the 6,763 characters of GB 2312 and the punctuation between them.

        >>> Charset.named("36").normalize("Café")
        'cafe'

        Raises:
            CharsetError: the name is unknown.
        """
        base, plus, space = name.partition("+")
        if base not in NAMED or (plus and space != "space"):
            known = ", ".join(f"{key}, {key}+space" for key in NAMED)
            raise CharsetError(f"unknown charset {name!r}; known are {known}, or give a file with one character a line")
        characters = tuple(NAMED[base]) + ((" ",) if plus else ())
        return cls(name, characters, fold_case=base == "36", normalization="NFC" if base == "chinese" else "ascii")

    @classmethod
    def from_file(cls, path: Path | str) -> Charset:
        """A dictionary file with one character a line, as PaddleOCR's; UTF-8.

        Empty lines are passed over and a character that is listed again keeps its first place.

        Raises:
            CharsetError: the file cannot be read, is not UTF-8 or has a line with several characters.
        """
        path = Path(path)
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
            raise CharsetError(f"cannot read the charset file {path}: {error}") from error
        characters = [line.rstrip("\r") for line in lines]
        for number, character in enumerate(characters, start=1):
            if len(character) > 1:
                raise CharsetError(f"{path}:{number}: {character!r} is more than one character; put one on each line")
        return cls(path.stem, tuple(dict.fromkeys(character for character in characters if character)))

    @classmethod
    def from_texts(cls, texts: Iterable[str], name: str = "inferred") -> Charset:
        """The set of all characters in the given labels, in code point order."""
        found: set[str] = set()
        for text in texts:
            found.update(unicodedata.normalize("NFC", text))
        return cls(name, tuple(sorted(found)))

    def extended(self, texts: Iterable[str]) -> Charset:
        """This set and, behind it, the characters of labels that it lacks; itself where it lacks none.

        Characters that ASCII normalisation would have turned into others count as lacking, e.g. é beside e; with one of
        them the normalisation becomes NFC, so that it stays what it is. What cannot be printed is no character.
        """
        found: set[str] = set()
        for text in texts:
            found.update(unicodedata.normalize("NFC", text.lower() if self.fold_case else text))
        new = sorted(character for character in found - set(self.characters) if character.isprintable())
        if not new:
            return self
        return Charset(f"{self.name}+{len(new)}", (*self.characters, *new), self.fold_case)

    @classmethod
    def load(cls, name_or_path: str) -> Charset:
        """A standard set by its name, or a dictionary file by its path."""
        # Not Path.is_file, which raises where the text is too long for a name.
        return cls.from_file(name_or_path) if os.path.isfile(name_or_path) else cls.named(name_or_path)

    @cached_property
    def _members(self) -> frozenset[str]:
        return frozenset(self.characters)

    def normalize(self, text: str) -> str:
        """Bring a label to the form that this charset declares. Unknown characters are left in place."""
        if text.isascii():
            pass  # it has every form already, and this is asked millions of times
        elif self.normalization == "ascii":
            decomposed = unicodedata.normalize("NFKD", text)
            text = "".join(character for character in decomposed if not unicodedata.combining(character))
        elif self.normalization != "none":
            text = unicodedata.normalize(self.normalization, text)
        return text.lower() if self.fold_case else text

    def unknown(self, text: str) -> str:
        """The characters of a normalised text that are not in this charset, each once."""
        if self._members.issuperset(text):
            return ""
        return "".join(dict.fromkeys(character for character in text if character not in self.ids))

    def encode(self, text: str) -> list[int]:
        """Ids of a normalised text.

        Raises:
            CharsetError: a character is not in the charset.
        """
        try:
            return [self.ids[character] for character in text]
        except KeyError:
            raise CharsetError(f"{text!r} has {self.unknown(text)!r}, which charset {self.name!r} lacks") from None

    def restrict(self, text: str) -> str:
        """Normalise a text and drop every character outside the charset, as evaluation protocols do."""
        return "".join(character for character in self.normalize(text) if character in self.ids)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "characters": "".join(self.characters),
            "fold_case": self.fold_case,
            "normalization": self.normalization,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Charset:
        """The inverse of `to_dict`."""
        return cls(values["name"], tuple(values["characters"]), values["fold_case"], values["normalization"])
