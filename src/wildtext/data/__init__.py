"""Labelled images from files and LMDB, and their way into batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from wildtext.data.concat import ConcatSource
from wildtext.data.files import LABELS, open_json, open_jsonl, open_list
from wildtext.data.lmdb import DATA, PART, LmdbSource
from wildtext.data.source import LabelledSource, Source
from wildtext.errors import DataError
from wildtext.images.listing import SUFFIXES

__all__ = [
    "ConcatSource",
    "LabelledSource",
    "LmdbSource",
    "Source",
    "open_sets",
    "open_source",
    "short_names",
    "short_paths",
]


def open_source(path: Path | str) -> LabelledSource:
    """Open labelled images, whatever form they have.

    Args:
        path: a folder with `labels.tsv`, an LMDB (its folder, or its `.mdb` or `.lmdb` file), a folder of LMDBs at any
            depth, a `.jsonl` file, a `.json` file of mmocr, or a list file with ``path<TAB>text`` on each line. Folders
            that end in `.part` are unfinished and passed over.

    Raises:
        DataError: there is nothing there, or nothing that is known.
        MissingExtraError: it is an LMDB and the package lmdb is not installed.
    """
    path = Path(path)
    # The functions of os.path say no where those of Path raise, e.g. for folders that may not be entered.
    if os.path.isdir(path):
        return _open_folder(path)
    if not os.path.exists(path):
        raise DataError(f"there is no data at {path}, or it may not be read")
    if path.suffix.lower() in SUFFIXES:
        raise DataError(f"{path} is an image; name the folder, list or LMDB that has its label too")
    if path.suffix in (".mdb", ".lmdb"):
        return LmdbSource(path)
    return {".jsonl": open_jsonl, ".json": open_json}.get(path.suffix, open_list)(path)


def open_sets(path: Path | str) -> list[LabelledSource]:
    """Open labelled images as the data sets that they are made of, to tell of each by itself.

    Args:
        path: what `open_source` takes, or a folder that holds folders with `labels.tsv` or LMDBs at any depth; each
            of those is a set.

    Raises:
        DataError: as `open_source`.
        MissingExtraError: likewise.
    """
    folder = Path(path)
    if not os.path.isdir(folder) or os.path.isfile(folder / LABELS) or os.path.isfile(folder / DATA):
        return [open_source(folder)]
    files = [file for name in (LABELS, DATA) for file in glob(f"**/{name}", root_dir=folder, recursive=True)]
    parts = sorted({(folder / file).parent for file in files})
    return [open_source(part) for part in parts if part.suffix != PART] or [open_source(folder)]


def short_names(sources: Sequence[LabelledSource]) -> list[str]:
    """Names of sources without more folders than it takes to tell them apart."""
    return short_paths([source.name for source in sources])


def short_paths(paths: Sequence[str], *, least: int = 1) -> list[str]:
    """Paths without more folders than it takes to tell them apart.

    Args:
        paths: of files or folders.
        least: parts that are left at least, the last one included.
    """
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    for count in range(least, max(map(len, parts), default=0) + 1):
        names = ["/".join(path[-count:]) for path in parts]
        if len(set(names)) == len(names):
            return names
    # The same one several times, e.g. all of a source and what is held out of it.
    return [f"{path[-1]} ({number})" for number, path in enumerate(parts, start=1)]


def _open_folder(folder: Path) -> LabelledSource:
    if os.path.isfile(folder / LABELS):
        return open_list(folder / LABELS)
    if os.path.isfile(folder / DATA):
        return LmdbSource(folder)
    # Unlike Path.rglob, glob follows links to folders, which collections of data sets are often made of.
    nested = [folder / found for found in sorted(glob(f"**/{DATA}", root_dir=folder, recursive=True))]
    finished = [file.parent for file in nested if file.parent.suffix != PART]
    if not finished:
        raise DataError(
            f"{folder} holds neither {LABELS} nor, at any depth, an LMDB ({DATA}); on each line of {LABELS} are the "
            f"path of an image, a tab and its text"
        )
    return ConcatSource(str(folder), [LmdbSource(file) for file in finished])
