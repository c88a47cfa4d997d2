"""What images can be grouped by, and what the groups are called.

A bin "16 to 24 px" contains 16 and not 24; "4 to 5 characters" contains both.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from wildtext.evaluation.properties import Properties
from wildtext.evaluation.readings import Judged
from wildtext.evaluation.wording import counted

UNKNOWN = "unknown"
"""Name of the bin of images of which something cannot be told."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image, with all that it can be grouped by.

    Attributes:
        judged: its label, as it is stored and as it is compared, and how a model read it.
        properties: of the picture; None where it could not be decoded.
        data: name of its data set.
    """

    judged: Judged
    properties: Properties | None
    data: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """A picture that could be decoded, and the number of characters of its label."""

    properties: Properties
    characters: int


@dataclass(frozen=True, slots=True)
class Grouping:
    """Something by which images are parted into bins.

    Attributes:
        names: of the bins, in order; None takes the names that occur, in the order of their first image.
        bin_of: the name of the bin of an image.
        subject: of a sentence about a bin, with a place for its name.
    """

    names: tuple[str, ...] | None
    bin_of: Callable[[Item], str]
    subject: str

    def parted(self, items: Sequence[Item]) -> dict[str, list[int]]:
        """The places of the items of each bin that has any, in the order of the bins."""
        places: dict[str, list[int]] = {name: [] for name in self.names or ()}
        for place, item in enumerate(items):
            places.setdefault(self.bin_of(item), []).append(place)
        return {name: inside for name, inside in places.items() if inside}


def _measured(edges: Sequence[float], unit: str, value: Callable[[_Seen], float | None], subject: str) -> Grouping:
    """Bins of a number: below the first edge, from each edge to below the next, from the last on."""
    between = [f"{low:g} to {high:g}{unit}" for low, high in pairwise(edges)]
    names = (f"under {edges[0]:g}{unit}", *between, f"{edges[-1]:g}{unit} or more", UNKNOWN)

    def bin_of(item: Item) -> str:
        found = None if item.properties is None else value(_Seen(item.properties, len(item.judged.truth)))
        return UNKNOWN if found is None else names[bisect_right(edges, found)]

    return Grouping(names, bin_of, subject)


_LENGTHS = (0, 1, 2, 3, 5, 8, 12)
"""Last length of each bin of labels; a last bin has the longer ones."""


def _length(count: int) -> str:
    """The bin of labels of so many characters."""
    first = 0
    for last in _LENGTHS:
        if count <= last:
            return counted(last, "character") if first == last else f"{first} to {last} characters"
        first = last + 1
    return f"{first} characters or more"


_CHARACTERS = ("letters only", "digits only", "letters and digits", "punctuation", "blanks", "no character")


def _characters(item: Item) -> str:
    """The kind of the characters of a label as it is stored; of several kinds the less usual one."""
    label = item.judged.reading.truth.strip()
    if not label:
        return "no character"
    if any(one.isspace() for one in label):
        return "blanks"
    if not label.isalnum():
        return "punctuation"
    digits = sum(one.isdigit() for one in label)
    return "digits only" if digits == len(label) else "letters and digits" if digits else "letters only"


_CASES = ("small letters only", "capitals only", "one capital first", "mixed case", "no case")


def _case(item: Item) -> str:
    """How the letters of a label as it is stored are written."""
    letters = "".join(one for one in item.judged.reading.truth if one.lower() != one.upper())
    if not letters:
        return "no case"
    if letters.islower():
        return "small letters only"
    if letters.isupper():
        return "capitals only"
    return "one capital first" if letters[0].isupper() and letters[1:].islower() else "mixed case"


def _steepness(seen: _Seen) -> float | None:
    return None if seen.properties.slope is None else abs(seen.properties.slope)


def _width_per_character(seen: _Seen) -> float | None:
    return seen.properties.aspect / seen.characters if seen.characters else None


def _rotation(item: Item) -> str:
    prediction = item.judged.reading.prediction
    return UNKNOWN if prediction is None else f"{prediction.rotation}°"


GROUPINGS: dict[str, Grouping] = {
    "data": Grouping(None, lambda item: item.data, "Images of {}"),
    "length": Grouping(
        tuple(_length(last + offset) for last in _LENGTHS for offset in (0, 1)),
        lambda item: _length(len(item.judged.truth)),
        "Labels of {}",
    ),
    "characters": Grouping(_CHARACTERS, _characters, "Labels with {}"),
    "case": Grouping(_CASES, _case, "Labels with {}"),
    "height": _measured((16, 24, 32, 48, 96), " px", lambda one: one.properties.height, "Images {} high"),
    "aspect": _measured((1, 2, 3, 4, 6, 10), "", lambda one: one.properties.aspect, "Images with an aspect of {}"),
    "width per character": _measured(
        (0.3, 0.4, 0.5, 0.6, 0.8), "", _width_per_character, "Images with a width per character of {}"
    ),
    "contrast": _measured(
        (0.1, 0.2, 0.3, 0.5), "", lambda one: one.properties.contrast, "Images with a contrast of {}"
    ),
    "blur": _measured((0.5, 0.7, 0.9, 1.2, 2), " px", lambda one: one.properties.blur, "Images with a blur of {}"),
    "slope": _measured((2, 5, 10, 15, 20), "°", _steepness, "Lines that slope by {}"),
    "rotation": Grouping(None, _rotation, "Images that were turned by {} to be read"),
}
"""What images are parted by: the data set; length, kind of characters and case of the label; height and aspect of the
picture; its width per character of the label, in heights; its contrast, blur and slope (up or down), see `Properties`;
by how much the model turned it to read it."""
