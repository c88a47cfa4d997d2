"""Labelled image files: list files, folders with `labels.tsv`, JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wildtext.errors import DataError, ImageError, SampleError
from wildtext.images import decode
from wildtext.types import Floats, Sample

LABELS = "labels.tsv"


@dataclass(frozen=True)
class Entry:
    """One line of a list: where the image is, what it says, and where its characters are."""

    path: Path
    text: str
    boxes: Floats | None = None


class FileSource:
    """Images named by a list; paths are relative to the folder of the list."""

    def __init__(self, path: Path, entries: list[Entry]):
        self.path = path
        self.entries = entries

    @property
    def name(self) -> str:
        """Path of the list."""
        return str(self.path)

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self.entries)

    def text(self, index: int) -> str:
        """Label of an entry, as it is stored."""
        return self.entries[index].text

    def content(self, index: int) -> bytes:
        """The encoded image file of an entry.

        Raises:
            SampleError: the file cannot be read.
        """
        try:
            return self.entries[index].path.read_bytes()
        except OSError as error:
            raise SampleError(f"{self._where(index)}: {error.strerror}") from error

    def boxes(self, index: int) -> Floats | None:
        """Character boxes (len(text), 4, 2) of an entry in pixels of its image, where the list has them."""
        return self.entries[index].boxes

    def __getitem__(self, index: int) -> Sample:
        """Decode an entry.

        Raises:
            SampleError: the file cannot be read or is not an image.
        """
        entry = self.entries[index]
        try:
            return Sample(decode(self.content(index)), entry.text, entry.boxes, self._where(index))
        except ImageError as error:
            raise SampleError(f"{self._where(index)}: {error}") from error

    def _where(self, index: int) -> str:
        return str(self.entries[index].path)


def open_list(path: Path) -> FileSource:
    """A list file with ``path<TAB>text`` or ``path<blank>text`` on each line, UTF-8.

    Only the first blank separates, so texts may contain blanks; a tab, where there is one, takes precedence, so that
    paths may contain blanks too. Empty lines are passed over.

    Raises:
        DataError: the file cannot be read or a line has no text.
    """

    def parse(line: str) -> Entry:
        image, tab, text = line.partition("\t")
        if not tab:
            image, _, text = line.partition(" ")
        if not text:
            raise ValueError("expected a path, a tab and the text")
        return Entry(path.parent / image, text)

    return _open(path, parse)


def open_jsonl(path: Path) -> FileSource:
    """JSON Lines with ``path``, ``text`` and, optionally, ``boxes``: per code point a quadrilateral or null.

    Raises:
        DataError: the file cannot be read or a line is malformed.
    """

    def parse(line: str) -> Entry:
        record = json.loads(line)
        if not isinstance(record, dict) or not {"path", "text"} <= record.keys():
            raise ValueError('expected an object with "path" and "text"')
        return Entry(path.parent / record["path"], record["text"], parse_boxes(record.get("boxes"), record["text"]))

    return _open(path, parse)


def parse_boxes(value: Any, text: str) -> Floats | None:
    """Character boxes from JSON: a list with [[x, y] * 4] or null for each code point of the text.

    Raises:
        ValueError: their number or shape does not fit the text.
    """
    if value is None:
        return None
    missing = [[float("nan")] * 2] * 4
    boxes = np.array([missing if quad is None else quad for quad in value], np.float32)
    if boxes.shape != (len(text), 4, 2):
        raise ValueError(f"boxes have shape {boxes.shape}, but the text {text!r} needs {(len(text), 4, 2)}")
    return boxes


def _open(path: Path, parse: Callable[[str], Entry]) -> FileSource:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error}); convert it, e.g. with iconv") from error
    entries = []
    for number, line in enumerate(lines, start=1):
        line = line.rstrip("\r")
        if line.strip():
            try:
                entries.append(parse(line))
            except (ValueError, TypeError) as error:
                raise DataError(f"{path}:{number}: {error}: {line[:80]!r}") from error
    return FileSource(path, entries)
