"""Labelled images from files and LMDB, and their way into batches."""

from __future__ import annotations

from pathlib import Path

from wildtext.data.files import LABELS, open_jsonl, open_list
from wildtext.data.source import LabelledSource, Source
from wildtext.errors import DataError

__all__ = ["LabelledSource", "Source", "open_source"]


def open_source(path: Path | str) -> LabelledSource:
    """Open labelled images, whatever form they have.

    Args:
        path: a folder with `labels.tsv`, an LMDB (or a folder of them, at any depth), a `.jsonl` file, or a list file
            with ``path<TAB>text`` on each line.

    Raises:
        DataError: there is nothing there, or nothing that is known.
    """
    path = Path(path)
    if path.is_dir():
        if (path / LABELS).is_file():
            return open_list(path / LABELS)
        raise DataError(f"{path} holds neither {LABELS} nor an LMDB (data.mdb)")
    if not path.exists():
        raise DataError(f"there is no data at {path}")
    return open_jsonl(path) if path.suffix == ".jsonl" else open_list(path)
