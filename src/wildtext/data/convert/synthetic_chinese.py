"""Synthetic Chinese String: 3.6 million rendered images of ten characters each, 280 x 32 pixels.

A line of its lists has the name of an image and ten ids, e.g. ``20455828_2605100732.jpg 263 82 29 56 35 435 890 293 126
129``. An id is the number of a line in a file with 5,990 lines, counted from 0. The first of them says ``blank``, for
CTC, so the first character has id 1.

Copies of that file go about with that line removed, beside code that takes the ids as line numbers all the same. Every
label then reads as the characters that follow its own, unless the ids were rewritten too, and a model trains on them
without a complaint. So we look for evidence of how the ids count: with n characters they run from 0 to n - 1, or from 1
to n. The file lists some characters twice; both ids stand for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from wildtext.data.concat import ConcatSource
from wildtext.data.convert.listed import WordList, check_images, malformed
from wildtext.data.lines import Lines
from wildtext.errors import DataError

LENGTH = 10
"""Characters of every label."""

BLANK = "blank"

FirstId = Literal["auto", 0, 1]

_EXAMPLES = 3


@dataclass(frozen=True)
class Alphabet:
    """The file of characters, by line.

    Attributes:
        path: of the file.
        characters: in order, without the line that says blank; a line that is empty counts as one.
        has_blank: whether the file begins with that line.
    """

    path: Path
    characters: tuple[str, ...]
    has_blank: bool

    @classmethod
    def read(cls, path: Path) -> Alphabet:
        """Read the file.

        Raises:
            DataError: it cannot be read, has no characters, or a line with several.
        """
        lines = list(Lines(path))
        has_blank = lines[:1] == [BLANK]
        for number, line in enumerate(lines, start=1):
            if len(line) > 1 and not (has_blank and number == 1):
                raise DataError(f"{path}:{number}: {line[:40]!r} is more than one character; there is one on each line")
        characters = tuple(lines[has_blank:])
        if not characters:
            raise DataError(f"{path} has no characters; there is one on each line")
        return cls(path, characters, has_blank)

    def spell(self, ids: Sequence[int], first_id: int) -> str:
        """The label that ids stand for, where the first character has `first_id`.

        Raises:
            ValueError: an id has no character.
        """
        count = len(self.characters)
        for number in ids:
            if not first_id <= number < first_id + count:
                raise ValueError(f"id out of range: {number} is not in {first_id} to {first_id + count - 1}")
            if not self.characters[number - first_id]:
                raise ValueError(f"id of an empty line: {number}, of {self.path}")
        return "".join([self.characters[number - first_id] for number in ids])


@dataclass(frozen=True)
class Example:
    """A line that reads differently, depending on how ids count: where it stands, its image, and both labels."""

    where: str
    image: Path
    from_0: str
    from_1: str


@dataclass(frozen=True)
class Numbering:
    """How the ids count.

    Attributes:
        alphabet: what they count.
        first_id: id of the first character, 0 or 1.
        reason: how that is known; empty where it is a guess.
        examples: where it is a guess, labels to compare with their images.
    """

    alphabet: Alphabet
    first_id: int
    reason: str
    examples: tuple[Example, ...] = ()


@dataclass
class Evidence:
    """Where an id was found that tells how they count: how many lines, and the first of them."""

    number: int
    found: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, where: str) -> None:
        """Take down a line."""
        self.found += 1
        if len(self.places) < _EXAMPLES:
            self.places.append(where)

    def told(self) -> str:
        """In words; empty where nothing was found."""
        if not self.found:
            return ""
        more = f" and {self.found - len(self.places)} more" if self.found > len(self.places) else ""
        return f"id {self.number} occurs in {', '.join(self.places)}{more}"


def open_synthetic_chinese(
    lists: Sequence[Path], *, images: Path, charset: Path, first_id: FirstId = "auto"
) -> tuple[ConcatSource, Numbering]:
    """Open the data set as it was published.

    Args:
        lists: list files, e.g. train.txt and test.txt.
        images: the folder with the images.
        charset: the file with one character a line, with or without `blank` as its first line.
        first_id: id of the first character; `auto` finds out, from all lists together.

    Returns:
        The samples of all lists, and how their ids count.

    Raises:
        DataError: a file cannot be read, or the lists contradict each other or the file of characters.
    """
    check_images(images)
    alphabet = Alphabet.read(charset)
    lines = {path: Lines(path) for path in lists}
    if first_id == "auto":
        numbering = find_numbering(lines, alphabet, images)
    else:
        numbering = Numbering(alphabet, first_id, "as was asked for")
    read = partial(_read, alphabet, numbering.first_id)
    name = f"{', '.join(map(str, lists))} with images in {images}"
    return ConcatSource(name, [WordList(path, lines[path], images, read) for path in lists]), numbering


def find_numbering(lists: Mapping[Path, Lines], alphabet: Alphabet, images: Path) -> Numbering:
    """Find out how the ids of all lists count.

    Args:
        lists: the lines of each list by its path.
        alphabet: what the ids stand for.
        images: the folder with the images, for examples.

    Raises:
        DataError: the evidence contradicts itself.
    """
    count = len(alphabet.characters)
    zero, last = Evidence(0), Evidence(count)
    for where, _, ids in _well_formed(lists):
        for evidence in (zero, last):
            if evidence.number in ids:
                evidence.add(where)
    for_0 = zero.told()
    for_1 = f"{alphabet.path} begins with {BLANK!r}" if alphabet.has_blank else last.told()
    if for_0 and for_1:
        raise DataError(
            f"{for_0}, so the first of {count} characters in {alphabet.path} has id 0; but {for_1}, so it has id 1. "
            f"Mend what is wrong, or choose with --first-id 0 or --first-id 1, which leaves out what does not fit"
        )
    if for_0 or for_1:
        return Numbering(alphabet, 1 if for_1 else 0, for_0 or for_1)
    return Numbering(alphabet, 1, "", tuple(islice(_examples(lists, alphabet, images), _EXAMPLES)))


def _examples(lists: Mapping[Path, Lines], alphabet: Alphabet, images: Path) -> Iterator[Example]:
    """The lines that can be read both ways."""
    for where, name, ids in _well_formed(lists):
        try:
            labels = [alphabet.spell(ids, first_id) for first_id in (0, 1)]
        except ValueError:
            continue
        yield Example(where, images / name, from_0=labels[0], from_1=labels[1])


def _well_formed(lists: Mapping[Path, Lines]) -> Iterator[tuple[str, str, list[int]]]:
    """Where each line stands, its image and its ids; malformed lines are told of when the samples are written."""
    for path, lines in lists.items():
        for number, line in enumerate(lines, start=1):
            try:
                yield f"{path}:{number}", *_parse(line)
            except ValueError:
                continue


def _parse(line: str) -> tuple[str, list[int]]:
    """Name of the image, and the ids."""
    name, *numbers = line.split() or [""]
    try:
        if len(numbers) == LENGTH:
            return name, [int(number) for number in numbers]
    except ValueError:
        pass
    raise malformed(line, f"a name and {LENGTH} ids")


def _read(alphabet: Alphabet, first_id: int, line: str) -> tuple[str, str]:
    """Name of the image, and the label."""
    name, ids = _parse(line)
    return name, alphabet.spell(ids, first_id)
