"""Labelled image files: list files, folders with `labels.tsv`, JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildtext.errors import DataError, ImageError, SampleError
from wildtext.images import decode, read_file
from wildtext.types import Floats, Sample

LABELS = "labels.tsv"

_FAR = 1e9
"""No coordinate, in pixels, is as far out as this; also keeps infinity and what float32 cannot hold away."""


@dataclass(frozen=True, slots=True, eq=False)
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
        """Path of the list, or of its folder where the list has the usual name."""
        return str(self.path.parent if self.path.name == LABELS else self.path)

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self.entries)

    def where(self, index: int) -> str:
        """Path of an entry's image."""
        return str(self.entries[index].path)

    def text(self, index: int) -> str:
        """Label of an entry, as it is stored."""
        return self.entries[index].text

    def content(self, index: int) -> bytes:
        """The encoded image file of an entry.

        Raises:
            SampleError: the file cannot be read.
        """
        try:
            return read_file(self.entries[index].path)
        except ImageError as error:
            raise SampleError(f"{self.where(index)}: {error}") from error

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
            return Sample(decode(self.content(index)), entry.text, entry.boxes, self.where(index))
        except ImageError as error:
            raise SampleError(f"{self.where(index)}: {error}") from error


def open_list(path: Path) -> FileSource:
    """A list file with ``path<TAB>text`` or ``path<blank>text`` on each line, UTF-8.

    Only the first blank separates, so texts may contain blanks; a tab, where there is one, takes precedence, so that
    paths may contain blanks too. A tab with nothing after it is an empty label. Empty lines are passed over.

    Raises:
        DataError: the file cannot be read or a line has no path or no text.
    """

    def parse(line: str) -> Entry:
        image, tab, text = line.partition("\t")
        if not tab:
            image, _, text = line.partition(" ")
        if not image or not (tab or text):
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
        image, text = record["path"], record["text"]
        if not (isinstance(image, str) and image and isinstance(text, str)):
            raise ValueError('"path" and "text" must be strings')
        return Entry(path.parent / image, text, parse_boxes(record.get("boxes"), text))

    return _open(path, parse)


def parse_boxes(value: Any, text: str) -> Floats | None:
    """Character boxes from JSON: a list with [[x, y] * 4] or null for each code point of the text.

    Returns:
        (len(text), 4, 2) float32 with NaN in place of null; None where `value` is None.

    Raises:
        ValueError: their number or shape does not fit the text, or a coordinate is no number within reason.
    """
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != len(text):
        found = f"{len(value)} boxes" if isinstance(value, list) else type(value).__name__
        raise ValueError(f"the text {text!r} needs a list of {len(text)} boxes, not {found}")
    boxes = np.full((len(text), 4, 2), np.nan, np.float32)
    for box, quad in zip(boxes, value, strict=True):
        if quad is not None:
            box[:] = _parse_quad(quad)
    return boxes


def format_boxes(boxes: Floats) -> list[list[list[float]] | None]:
    """The inverse of `parse_boxes`: plain values for JSON, exact and short, null where a character has no box."""
    return [[[float(str(x)), float(str(y))] for x, y in quad] if np.isfinite(quad).all() else None for quad in boxes]


def _parse_quad(quad: Any) -> NDArray[np.float64]:
    try:
        corners = np.array(quad, np.float64)
    except (ValueError, TypeError):
        corners = np.empty(0)
    if corners.shape != (4, 2) or not (np.abs(corners) < _FAR).all():
        raise ValueError(f"a box is [[x, y], [x, y], [x, y], [x, y]] or null, not {json.dumps(quad)[:80]}")
    return corners


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 text file without their ends; the last one is empty where the file ends as it should.

    Raises:
        DataError: the file cannot be read or is not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error}); convert it, e.g. with iconv") from error
    return [line.rstrip("\r") for line in lines]


def _open(path: Path, parse: Callable[[str], Entry]) -> FileSource:
    entries = []
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            try:
                entries.append(parse(line))
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}:{number}: {error}: {line[:80]!r}") from error
    return FileSource(path, entries)
