"""What a reading rests on: the places of a head that wrote it, what else could stand there, and where they looked."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from wildtext.codecs import CTC, Codec, Sequence, Subword
from wildtext.codecs.ctc import BLANK, align
from wildtext.codecs.slots import best_path
from wildtext.types import Floats, Prediction


@dataclass(frozen=True, slots=True)
class Choice:
    """What a head could have written at a place.

    Attributes:
        text: a character or subword; empty where nothing is written.
        probability: that the head gives to it there, in [0, 1].
        special: why nothing is written: ``blank`` (between the characters of CTC), ``end`` (of the text) or ``none`` (a
            token without text); empty for characters and subwords.
    """

    text: str
    probability: float
    special: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: `text` or, where nothing is written, `special`."""
        written = {"special": self.special} if self.special else {"text": self.text}
        return {**written, "probability": round(self.probability, 6)}


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What a head wrote at one place: a character, or the characters of a subword.

    Attributes:
        text: one character; of a head of subwords maybe several; empty for the end of a text.
        probability: of this text at its place, in [0, 1].
        start, end: its span, as shares of the width of the image as it was read, in [0, 1].
        choices: the most probable things that could stand there, what does among them, most probable first; empty where
            several tokens write one character together, as none of them is text by itself.
        columns: for CTC the first column of the character, and the one after its last; None for other heads.
        attention: (h, w) float32, where the head looked: cells that tile the image as it was read. None where the model
            does not tell.
    """

    text: str
    probability: float
    start: float
    end: float
    choices: tuple[Choice, ...]
    columns: tuple[int, int] | None = None
    attention: Floats | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the attention."""
        return {
            "text": self.text,
            "probability": round(self.probability, 6),
            "start": round(self.start, 4),
            "end": round(self.end, 4),
            "choices": [choice.to_dict() for choice in self.choices],
            **({"columns": list(self.columns)} if self.columns else {}),
        }


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a piece was written.

    Attributes:
        rows: of the log probabilities.
        deciding: the one of them that says what else could stand there.
        written: the class that was chosen in it.
        characters: how many were written.
    """

    rows: range
    deciding: int
    written: int
    characters: int = 1


def find_pieces(
    codec: Codec, log_probabilities: Floats, reading: Prediction, attention: Floats | None = None, *, top: int = 5
) -> tuple[Piece, ...]:
    """Take a reading apart.

    Args:
        codec: of the head that was read.
        log_probabilities: (T, C) natural logarithms, of that head.
        reading: what the codec decodes from them.
        attention: (T, h, w), where each row looked, in cells that tile the image; None where the model does not tell.
        top: choices for each piece.
    """
    pieces, characters = [], iter(reading.characters)
    for place in _places(codec, log_probabilities, reading):
        written = list(islice(characters, place.characters))
        together = isinstance(codec, Subword) and len(place.rows) > 1
        pieces.append(
            Piece(
                "".join(character.text for character in written),
                written[0].confidence,
                written[0].start,
                written[-1].end,
                () if together else _choices(codec, np.exp(log_probabilities[place.deciding]), place.written, top),
                (place.rows.start, place.rows.stop) if isinstance(codec, CTC) else None,
                None if attention is None else attention[place.rows.start : place.rows.stop].mean(axis=0),
            )
        )
    return tuple(pieces)


def find_ending(codec: Codec, log_probabilities: Floats, *, top: int = 5) -> Piece | None:
    """The place where a head ended the text, as a piece without text and without width.

    The confidence of a reading includes it. None for CTC, for texts that fill all slots, and for heads whose texts go
    on behind an end.

    Args:
        codec: as for `find_pieces`.
        log_probabilities: as for `find_pieces`.
        top: choices to give.
    """
    if not isinstance(codec, Sequence | Subword) or not _stops(codec):
        return None
    path = _path(codec, log_probabilities)
    if path[-1] != codec.end:
        return None
    choices = _choices(codec, np.exp(log_probabilities[codec.skip + len(path) - 1]), codec.end, top)
    probability = next(choice.probability for choice in choices if choice.special == "end")
    return Piece("", probability, 1.0, 1.0, choices)


def _choices(codec: Codec, probabilities: Floats, written: int, top: int) -> tuple[Choice, ...]:
    """The most probable classes of a row (C,), the written one always among them."""
    ranked = (_choice(codec, index, probabilities) for index in np.argsort(-probabilities, kind="stable").tolist())
    choices = list(islice((choice for choice in ranked if choice is not None), top))
    chosen = _choice(codec, written, probabilities)
    if chosen is not None and chosen not in choices:
        choices[-1] = chosen
    return tuple(choices)


def _choice(codec: Codec, index: int, probabilities: Floats) -> Choice | None:
    """What a class stands for; None for tokens that no reading can hold."""
    probability = float(probabilities[index])
    if isinstance(codec, CTC):
        if index == BLANK:
            return Choice("", probability, "blank")
        return Choice(codec.charset.characters[index - 1], probability)
    assert isinstance(codec, Sequence | Subword)
    if index == codec.end:
        return Choice("", probability, "end")
    if isinstance(codec, Subword):
        written = codec.vocabulary.written(index).decode("utf-8", "replace")
        return Choice(written, probability, "" if written else "none")
    if codec.first <= index < codec.first + len(codec.charset):
        return Choice(codec.charset.characters[index - codec.first], probability)
    return Choice("", probability, "none") if index in codec.silent else None


def _places(codec: Codec, log_probabilities: Floats, reading: Prediction) -> Iterator[_Place]:
    if isinstance(codec, CTC):
        probabilities = np.exp(log_probabilities.astype(np.float64))
        ids = tuple(codec.charset.ids[character.text] + 1 for character in reading.characters)
        for index, first, end in align(probabilities, ids):
            yield _Place(range(first, end), first + int(probabilities[first:end, index].argmax()), index)
    elif isinstance(codec, Subword):
        yield from _subwords(codec, _path(codec, log_probabilities))
    elif isinstance(codec, Sequence):
        for row, index in enumerate(_path(codec, log_probabilities), codec.skip):
            if codec.first <= index < codec.first + len(codec.charset):
                yield _Place(range(row, row + 1), row, index)


def _path(codec: Sequence | Subword, log_probabilities: Floats) -> list[int]:
    """The class of each slot up to the end of the text, the end included."""
    if isinstance(codec, Subword):
        others = [*range(codec.end), *range(codec.end + 1, codec.classes)]
    else:
        others = [*range(codec.first, codec.first + len(codec.charset))]
        others += [index for index in codec.silent if index != codec.end]
    order = np.array([codec.end, *others])
    columns = best_path(log_probabilities[codec.skip :, order].astype(np.float64), stops=_stops(codec))
    path: list[int] = order[list(columns)].tolist()
    return path


def _stops(codec: Sequence | Subword) -> bool:
    return isinstance(codec, Subword) or codec.end not in codec.silent


def _subwords(codec: Subword, path: list[int]) -> Iterator[_Place]:
    """Tokens, those that write parts of one character together."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rows: list[int] = []
    written = ""
    last = len(path) - 1
    for slot, token in enumerate(path):
        content = b"" if token == codec.end else codec.vocabulary.written(token)
        written += decoder.decode(content, final=slot == last)
        if content:
            rows.append(slot)
        if rows and (slot == last or not decoder.getstate()[0]):
            first, final = (codec.skip + row for row in (rows[0], rows[-1]))
            yield _Place(range(first, final + 1), final, path[rows[-1]], len(written))
            rows, written = [], ""
