"""Ground truth of the ICDAR Robust Reading Competitions.

Word recognition has one file for all word images, with lines like ``word_1.png, "PROPER"``. Localisation has a file for
each photograph, called gt_ and the photograph, with a line for each word:

    158 128 411 181 "Footpath"                              left, top, right, bottom (2013, training)
    38, 43, 920, 215, "Tiredness"                           the same (2011; 2013, test)
    377,117,463,117,465,130,378,130,Genaxis Theatre         four corners, clockwise (2015)
    377,117,463,117,465,130,378,130,Latin,Genaxis           the same with the script (MLT 2017 and 2019)

In quotation marks, a backslash stands before quotation marks and backslashes; elsewhere it is an ordinary character.
What nobody could read says ``###``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wildtext.data.concat import ConcatSource
from wildtext.data.convert.crops import CropSource, Word, rectangle
from wildtext.data.convert.listed import WordList, check_images, malformed
from wildtext.data.lines import Lines
from wildtext.errors import DataError
from wildtext.images.listing import SUFFIXES

_ILLEGIBLE = "###"

_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\b\s*"
_SCRIPTS = "Arabic|Latin|Chinese|Japanese|Korean|Bangla|Hindi|Symbols|Mixed|None"
_WORD = re.compile(r"\s*([^,]*[^,\s])\s*,\s*(\S.*?)\s*")
_CORNERS = re.compile(rf"{','.join([_NUMBER] * 8)},\s*(?:(?:{_SCRIPTS}),)?(\S.*?)\s*")
_RECTANGLE = re.compile(rf'{",".join([_NUMBER] * 4)},\s*(".*")\s*')
_SPACED = re.compile(rf'{"".join([_NUMBER] * 4)}(".*")\s*')


def open_icdar_words(lists: Sequence[Path], images: Path | None = None) -> ConcatSource:
    """Open ground truth of word recognition.

    Args:
        lists: the files, e.g. gt.txt.
        images: the folder with the word images; where None, that of each file.

    Raises:
        DataError: a file cannot be read, or there is no such folder.
    """
    parts = [WordList(path, Lines(path), check_images(images or path.parent), _read_word) for path in lists]
    return ConcatSource(", ".join(map(str, lists)), parts)


def open_icdar_localisation(folder: Path, images: Path | None = None) -> CropSource:
    """Open ground truth of localisation; words are cut out of the photographs.

    Args:
        folder: holds the files gt_*.txt.
        images: the folder with the photographs; where None, the same.

    Raises:
        DataError: there is no such file or folder, or a file cannot be read.
    """
    files = sorted(check_images(folder).glob("gt_*.txt"))
    if not files:
        raise DataError(f"{folder} has no files gt_*.txt, one for each photograph")
    photographs = {
        path.stem: path for path in check_images(images or folder).iterdir() if path.suffix.lower() in SUFFIXES
    }
    lines = [(file, number, line) for file in files for number, line in enumerate(Lines(file), 1) if line.strip()]
    return CropSource(_Localised(folder, photographs, lines))


@dataclass(frozen=True, eq=False)
class _Localised:
    """The words of all photographs.

    Attributes:
        folder: with the ground truth.
        photographs: by name without suffix.
        lines: file, number from 1, and line, of each word.
    """

    folder: Path
    photographs: dict[str, Path]
    lines: list[tuple[Path, int, str]]

    @property
    def name(self) -> str:
        return str(self.folder)

    @property
    def size(self) -> int:
        return len(self.lines)

    def where(self, index: int) -> str:
        file, number, _ = self.lines[index]
        return f"{file}:{number}"

    def word(self, index: int) -> Word:
        file, _, line = self.lines[index]
        name = file.stem.removeprefix("gt_")
        if name not in self.photographs:
            raise ValueError(f"there is no photograph: {name}")
        if match := _CORNERS.fullmatch(line):
            outline, text = np.array(match.groups()[:8], np.float64).reshape(4, 2), match[9]
        elif match := _RECTANGLE.fullmatch(line) or _SPACED.fullmatch(line):
            left, top, right, bottom = map(float, match.groups()[:4])
            outline, text = rectangle(left, top, right - left, bottom - top), _unquote(match[5])
        else:
            raise malformed(line, "'38, 43, 920, 215, \"Tiredness\"' or eight coordinates and the text")
        return Word(self.photographs[name], _legible(text), outline)


def _read_word(line: str) -> tuple[str, str]:
    match = _WORD.fullmatch(line)
    if match is None:
        raise malformed(line, "'word_1.png, \"PROPER\"'")
    return match[1], _legible(_unquote(match[2]))


def _legible(text: str) -> str:
    if text == _ILLEGIBLE:
        raise ValueError(f"marked as illegible ({_ILLEGIBLE})")
    return text


def _unquote(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    return text
