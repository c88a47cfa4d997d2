"""Labelled image files: list files, folders with `labels.tsv`, JSON Lines, and the JSON of mmocr."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from wildtext.data.lines import Lines
from wildtext.errors import DataError, ImageError, SampleError
from wildtext.images import decode, read_file
from wildtext.types import Floats, Sample

LABELS = "labels.tsv"

_IMAGES = "full_images"
"""What Union14M-L calls the folder of its images, which its lists do not name."""

_FAR = 1e9
"""No coordinate, in pixels, is as far out as this; also keeps infinity and what float32 cannot hold away."""

Record = TypeVar("Record", covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One line of a list: where the image is, as the list has it, what it says, and where its characters are."""

    path: str
    text: str
    boxes: Floats | None = None


class Indexed(Protocol[Record]):
    """A sequence, as far as it is needed here."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Record: ...


@dataclass(frozen=True, eq=False)
class Parsed(Generic[Record]):
    """Entries that are parsed when they are asked for: millions of them would take gigabytes in every process.

    Attributes:
        records: e.g. the lines of a list.
        kept: which of them are entries.
        parse: makes an entry of a record.
    """

    records: Indexed[Record]
    kept: Sequence[int] | NDArray[np.int64]
    parse: Callable[[Any], Entry]

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int, /) -> Entry:
        return self.parse(self.records[int(self.kept[index])])


class FileSource:
    """Images named by a list.

    Args:
        path: of the list, for messages.
        entries: what it says.
        root: the folder that paths are relative to; where None, that of the list.
    """

    def __init__(self, path: Path, entries: Indexed[Entry], root: Path | None = None):
        self.path = path
        self.entries = entries
        self.root = path.parent if root is None else root

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
        return str(self._file(index))

    def text(self, index: int) -> str:
        """Label of an entry, as it is stored."""
        return self.entries[index].text

    def content(self, index: int) -> bytes:
        """The encoded image file of an entry.

        Raises:
            SampleError: the file cannot be read.
        """
        try:
            return read_file(self._file(index))
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

    def _file(self, index: int) -> Path:
        return self.root / self.entries[index].path


def open_list(path: Path) -> FileSource:
    """A list file with ``path<TAB>text`` or ``path<blank>text`` on each line, UTF-8.

    Only the first blank separates, so texts may contain blanks; a tab, where there is one, takes precedence, so that
    paths may contain blanks too. A tab with nothing after it is an empty label. Empty lines are passed over.

    Raises:
        DataError: the file cannot be read, or a line has no path or no text, or several images.
    """
    return _open_lines(path, _parse_line)


def open_jsonl(path: Path) -> FileSource:
    """JSON Lines with ``path``, ``text`` and, optionally, ``boxes``: per code point a quadrilateral or null.

    The path may also be called ``filename``, as in lists of mmocr 0.x.

    Raises:
        DataError: the file cannot be read or a line is malformed.
    """
    return _open_lines(path, _parse_object)


def open_json(path: Path) -> FileSource:
    """The JSON of mmocr 1.x: ``{"data_list": [{"img_path": ..., "instances": [{"text": ...}]}, ...]}``.

    Raises:
        DataError: the file cannot be read or has another form.
    """
    try:
        document = json.loads("\n".join(Lines(path)))
        if not (isinstance(document, dict) and isinstance(document.get("data_list"), list)):
            raise ValueError('expected mmocr\'s {"metainfo": ..., "data_list": [...]}')
        pairs = [_parse_item(number, item) for number, item in enumerate(document["data_list"])]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: {error}. If it has an object on each line, call it .jsonl") from error
    root = _find_root(path, pairs[0][0]) if pairs else path.parent
    return FileSource(path, Parsed(pairs, range(len(pairs)), _parse_pair), root)


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


def _open_lines(path: Path, parse: Callable[[str], Entry]) -> FileSource:
    """Open a list, checking every line."""
    lines = Lines(path)
    kept: list[int] = []
    root = path.parent
    for number, line in enumerate(lines):
        if line.strip():
            try:
                entry = parse(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}:{number + 1}: {error}: {line[:80]!r}") from error
            if not kept:
                root = _find_root(path, entry.path)
            kept.append(number)
    return FileSource(path, Parsed(lines, np.array(kept, np.int64), parse), root)


def _find_root(path: Path, first: str) -> Path:
    """The folder that paths in a list are relative to: its own, or where that has not the first image, one above.

    Lists of PaddleOCR and mmocr are often relative to a folder that only a configuration names.
    """
    for folder in (path.parent, *path.absolute().parents[1:3]):
        for root in (folder, folder / _IMAGES):
            if os.path.exists(root / first):
                return root
    return path.parent


def _parse_line(line: str) -> Entry:
    image, tab, text = line.partition("\t")
    if not tab:
        image, _, text = line.partition(" ")
    if not image or not (tab or text):
        raise ValueError("expected a path, a tab and the text")
    if tab and image.startswith("[") and isinstance(_json_or_none(image), list):
        raise ValueError("expected one image, not a list; give every image a line of its own")
    if tab and text.startswith("[{") and isinstance(_json_or_none(text), list):
        raise ValueError("expected the text of a word, not the boxes of a photograph; cut its words out first")
    return Entry(image, text)


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _parse_object(line: str) -> Entry:
    record = json.loads(line)
    key = "filename" if isinstance(record, dict) and "filename" in record else "path"
    if not isinstance(record, dict) or not {key, "text"} <= record.keys():
        raise ValueError('expected an object with "path" (or "filename") and "text"')
    image, text = record[key], record["text"]
    if not (isinstance(image, str) and image and isinstance(text, str)):
        raise ValueError(f'"{key}" and "text" must be strings')
    return Entry(image, text, parse_boxes(record.get("boxes"), text))


def _parse_item(number: int, item: Any) -> tuple[str, str]:
    """Path and text of one item of mmocr's list."""
    try:
        image, (instance,) = item["img_path"], item["instances"]
        text = instance["text"]
    except (KeyError, TypeError, ValueError):
        image = text = None
    if not (isinstance(image, str) and image and isinstance(text, str)):
        raise ValueError(
            f'data_list[{number}]: expected {{"img_path": ..., "instances": [{{"text": ...}}]}} with one instance, not '
            f"{json.dumps(item)[:80]}"
        )
    return image, text


def _parse_pair(pair: tuple[str, str]) -> Entry:
    return Entry(*pair)
