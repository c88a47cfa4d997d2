"""IIIT5K: 5,000 words from the web, with boxes of their characters.

``trainCharBound`` and ``testCharBound`` are structs with ``ImgName``, ``chars`` and ``charBB``, a row of x, y, width
and height for each character; ``traindata`` and ``testdata`` have ``ImgName`` and ``GroundTruth``, and no boxes, but
for each image lexicons of 50 and of 1,000 words, ``smallLexi`` and ``mediumLexi``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildtext.data.concat import ConcatSource
from wildtext.data.convert.crops import rectangle
from wildtext.data.convert.listed import check_images
from wildtext.data.convert.matlab import as_text, list_variables, read_variable
from wildtext.data.files import Entry, FileSource
from wildtext.errors import DataError
from wildtext.types import Floats

log = logging.getLogger("wildtext.data")

_LEXICONS = {"50": "smallLexi", "1k": "mediumLexi"}


def open_iiit5k(files: Sequence[Path], images: Path | None = None) -> ConcatSource:
    """Open IIIT5K as it was published. Words whose boxes are not as many as their characters go without boxes.

    Args:
        files: trainCharBound.mat and the like.
        images: the folder that names of images are relative to; where None, that of each file.

    Raises:
        DataError: a file cannot be read or holds something else, or there is no such folder.
        MissingExtraError: the package scipy is not installed.
    """
    parts = [FileSource(path, _read(path), check_images(images or path.parent)) for path in files]
    return ConcatSource(", ".join(map(str, files)), parts)


def lexicons_of_iiit5k(files: Sequence[Path]) -> dict[str, list[list[str]]]:
    """The lexicons of `open_iiit5k` with the same files.

    Lists with boxes have none; those of the list without boxes beside them are taken, by the names of the images.

    Returns:
        For each size that there is, the words of each sample in order; none where they are not known.

    Raises:
        DataError: as `open_iiit5k`.
        MissingExtraError: the package scipy is not installed.
    """
    found: dict[str, list[list[str]]] = {size: [] for size in _LEXICONS}
    for path in files:
        beside = path.with_name(path.name.replace("CharBound", "data"))
        by_image = {as_text(record["ImgName"]): record for record in (_records(beside) if beside.is_file() else ())}
        for record in _records(path):
            published = by_image.get(as_text(record["ImgName"]), record)
            for size, field in _LEXICONS.items():
                words = np.ravel(published[field]) if field in (published.dtype.names or ()) else ()
                found[size].append([as_text(word) for word in words])
    return {size: words for size, words in found.items() if any(words)}


def _records(path: Path) -> NDArray[Any]:
    """The records of the struct in a file."""
    structs = [name for name, kind in list_variables(path).items() if kind == "struct"]
    return read_variable(path, structs[0]).ravel() if structs else np.empty(0)


def _read(path: Path) -> list[Entry]:
    records = _records(path)
    fields = records.dtype.names or ()
    label = "chars" if "chars" in fields else "GroundTruth"
    if not {"ImgName", label} <= set(fields):
        raise DataError(
            f"{path} has no struct with ImgName, and chars or GroundTruth, as in trainCharBound.mat and traindata.mat"
        )
    entries = []
    for number, record in enumerate(records, start=1):
        text = as_text(record[label])
        boxes = _boxes(record["charBB"], text) if "charBB" in fields else None
        if boxes is None and "charBB" in fields:
            log.warning("%s: record %d: the boxes do not fit %r; it is kept without them", path, number, text)
        entries.append(Entry(as_text(record["ImgName"]), text, boxes))
    return entries


def _boxes(rows: Any, text: str) -> Floats | None:
    """Corners of boxes that are given as x, y, width and height; None where they do not fit the text."""
    rows = np.asarray(rows, np.float64)
    if rows.shape != (len(text), 4):
        return None
    return np.array([rectangle(*row) for row in rows], np.float32).reshape(-1, 4, 2)
