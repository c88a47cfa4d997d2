"""Which parts of a head's output wrote a text, for those who show what a reading rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Place:
    """Where a head wrote a part of a text, or ended it.

    Attributes:
        rows: of its (T, C) log probabilities.
        deciding: the one of them that says what else could stand there.
        written: the class that was chosen in it; None where several rows write one character together.
        characters: how many were written, for a part of a text.
    """

    rows: range
    deciding: int
    written: int | None
    characters: int = 1


class Meaning(NamedTuple):
    """What a class stands for.

    Attributes:
        text: a character or subword; empty where nothing is written.
        special: why nothing is written: ``blank`` (between the characters of CTC), ``end`` (of the text) or ``none`` (a
            token without text); empty for characters and subwords.
    """

    text: str
    special: str = ""
