"""SynthText: 858,750 photographs with 7.3 million rendered words and a box for each of 29 million characters.

The cell arrays of gt.mat have an entry for each photograph: ``imnames`` its name; ``txt`` its words, with white space
between them, in several texts; ``wordBB`` and ``charBB`` the boxes of words, and of characters that are not white
space, in the same order, (2, 4, N) for x and y, and four corners clockwise from the top left.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildtext.data.convert.crops import CropSource, Word
from wildtext.data.convert.listed import check_images
from wildtext.data.convert.matlab import as_text, read_variable
from wildtext.errors import DataError
from wildtext.types import Floats

_NO_WHITE_SPACE = re.compile(r"\S+", re.ASCII)


def open_synthtext(path: Path, images: Path | None = None) -> CropSource:
    """Open SynthText as it was published; words are cut out of the photographs, with the boxes of their characters.

    This reads all of gt.mat, which takes some gigabytes of memory.

    Args:
        path: gt.mat.
        images: the folder that names of images are relative to; where None, that of gt.mat.

    Raises:
        DataError: the file cannot be read or holds something else, or there is no such folder.
        MissingExtraError: the package scipy is not installed.
    """
    return CropSource(_Annotated(path, check_images(images or path.parent)))


class _Annotated:
    """The words of all photographs."""

    def __init__(self, path: Path, images: Path):
        self.path = path
        self.images = images
        # One variable after the other: as MATLAB's cells they take several times the memory.
        self._names = [as_text(cell) for cell in _cells(path, "imnames")]
        self._texts = [as_text(cell) for cell in _cells(path, "txt")]
        self._words = _Quads(path, "wordBB")
        self._characters = _Quads(path, "charBB")
        counts = {len(self._names), len(self._texts), len(self._words), len(self._characters)}
        if len(counts) > 1:
            raise DataError(f"{path} is damaged: imnames, txt, wordBB and charBB are of different lengths")

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def size(self) -> int:
        return self._words.total

    def where(self, index: int) -> str:
        photograph, number = self._words.locate(index)
        return f"{self.images / self._names[photograph]}#{number + 1}"

    def word(self, index: int) -> Word:
        photograph, number = self._words.locate(index)
        words = _NO_WHITE_SPACE.findall(self._texts[photograph])
        outlines, characters = self._words[photograph], self._characters[photograph]
        if len(words) != len(outlines):
            raise ValueError(f"words do not fit their boxes: {len(words)} words and {len(outlines)} boxes")
        start = sum(map(len, words[:number]))
        total = start + sum(map(len, words[number:]))
        if total != len(characters):
            raise ValueError(f"characters do not fit their boxes: {total} characters and {len(characters)} boxes")
        text = words[number]
        path = self.images / self._names[photograph]
        return Word(path, text, outlines[number], characters[start : start + len(text)])


class _Quads:
    """Boxes of each photograph, (N, 4, 2) float32, stored in one array."""

    def __init__(self, path: Path, name: str):
        cells = _cells(path, name)
        self._starts = np.cumsum([0, *(np.size(cell) // 8 for cell in cells)])
        self._quads = np.empty((self._starts[-1], 4, 2), np.float32)
        for photograph, cell in enumerate(cells):
            if np.size(cell):
                self[photograph][:] = _corners_last(path, name, cell)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, photograph: int) -> Floats:
        return self._quads[self._starts[photograph] : self._starts[photograph + 1]]

    @property
    def total(self) -> int:
        """Number of boxes of all photographs."""
        return len(self._quads)

    def locate(self, index: int) -> tuple[int, int]:
        """The photograph of a box, and its number there, from 0."""
        photograph = int(np.searchsorted(self._starts, index, side="right")) - 1
        return photograph, index - int(self._starts[photograph])


def _cells(path: Path, name: str) -> NDArray[Any]:
    return read_variable(path, name).ravel()


def _corners_last(path: Path, name: str, cell: NDArray[Any]) -> NDArray[Any]:
    """The boxes of one photograph, (N, 4, 2); MATLAB drops the last axis of a single one."""
    if cell.shape[:2] != (2, 4) or cell.ndim > 3:
        raise DataError(f"{path}: {name} has an entry of shape {cell.shape} where (2, 4, N) is expected")
    return cell.reshape(2, 4, -1).transpose(2, 1, 0)
