"""Word images that a text file lists, one on each line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wildtext.data.lines import Lines
from wildtext.errors import DataError, ImageError, SampleError
from wildtext.images import decode, read_file
from wildtext.types import Floats, Sample


@dataclass(frozen=True, eq=False)
class WordList:
    """The samples of one list. Lines are parsed when they are asked for, as there may be millions.

    Attributes:
        path: of the list; messages have it and the number of the line.
        lines: of the list.
        images: the folder that holds the images.
        read: what a line says: the name of its image, and its label. It raises `ValueError` with a reason.
    """

    path: Path
    lines: Lines
    images: Path
    read: Callable[[str], tuple[str, str]]

    @property
    def name(self) -> str:
        """Path of the list."""
        return str(self.path)

    @property
    def size(self) -> int:
        """Number of lines."""
        return len(self.lines)

    def where(self, index: int) -> str:
        """The list, and the number of the line in it, from 1."""
        return f"{self.path}:{index + 1}"

    def text(self, index: int) -> str:
        """Label of a line.

        Raises:
            SampleError: the line is malformed.
        """
        return self._read(index)[1]

    def content(self, index: int) -> bytes:
        """The image file of a line.

        Raises:
            SampleError: the line is malformed, or the file cannot be read.
        """
        image = self.images / self._read(index)[0]
        try:
            return read_file(image)
        except ImageError as error:
            raise SampleError(f"{self.where(index)}: {error}: {image}") from error

    def boxes(self, index: int) -> Floats | None:
        """None: nothing is known about where the characters are."""
        return None

    def __getitem__(self, index: int) -> Sample:
        """Decode the image of a line.

        Raises:
            SampleError: the line is malformed, or its image cannot be read.
        """
        try:
            return Sample(decode(self.content(index)), self.text(index), None, self.where(index))
        except ImageError as error:
            raise SampleError(f"{self.where(index)}: {error}") from error

    def _read(self, index: int) -> tuple[str, str]:
        try:
            return self.read(self.lines[index])
        except ValueError as error:
            raise SampleError(f"{self.where(index)}: {error}") from error


def check_images(folder: Path) -> Path:
    """The folder, if it is one.

    Raises:
        DataError: it is not.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; it should hold the images that the lists name")
    return folder


def malformed(line: str, expected: str) -> ValueError:
    """The error of a line that has another form than the release has."""
    return ValueError(f"malformed line: expected {expected}, not {line[:80]!r}")
