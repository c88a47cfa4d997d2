"""What a reading rests on: the places of a head that wrote it, what else could stand there, and where they looked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from wildtext.codecs import CTC, Codec, Place
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
    for place in codec.places(log_probabilities, reading.text):
        written = list(islice(characters, place.characters))
        pieces.append(
            Piece(
                "".join(character.text for character in written),
                written[0].confidence,
                written[0].start,
                written[-1].end,
                _choices(codec, log_probabilities, place, top),
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
    place = codec.ending(log_probabilities)
    if place is None:
        return None
    choices = _choices(codec, log_probabilities, place, top)
    probability = next(choice.probability for choice in choices if choice.special == "end")
    return Piece("", probability, 1.0, 1.0, choices)


def _choices(codec: Codec, log_probabilities: Floats, place: Place, top: int) -> tuple[Choice, ...]:
    """The most probable classes at a place, the written one always among them."""
    if place.written is None:
        return ()
    probabilities = np.exp(log_probabilities[place.deciding])
    ranked = (_choice(codec, index, probabilities) for index in np.argsort(-probabilities, kind="stable").tolist())
    choices = list(islice((choice for choice in ranked if choice is not None), top))
    chosen = _choice(codec, place.written, probabilities)
    if chosen is not None and chosen not in choices:
        choices[-1] = chosen
    return tuple(choices)


def _choice(codec: Codec, index: int, probabilities: Floats) -> Choice | None:
    """What a class stands for; None for tokens that no reading can hold."""
    meaning = codec.meaning(index)
    return None if meaning is None else Choice(meaning.text, float(probabilities[index]), meaning.special)
