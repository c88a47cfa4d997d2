"""Which image files a user means."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path

SUFFIXES = (
    *(".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)
"""File names that are taken for images when a folder is searched; a file that is named is always tried."""


def list_images(arguments: Iterable[str]) -> Iterator[str]:
    """Expand files, folders and glob patterns to paths, sorted within each argument.

    Folders are searched at any depth. What names nothing is passed on as it is, so that reading it reports the error.
    """
    for argument in arguments:
        if os.path.isdir(argument):
            found = _in_folder(Path(argument))
            yield from found or [argument]
        elif has_magic(argument) and not os.path.exists(argument):
            yield from sorted(path for path in glob(argument, recursive=True) if os.path.isfile(path)) or [argument]
        else:
            yield argument


def _in_folder(folder: Path) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()

    def unreadable(error: OSError) -> None:
        found.append(str(error.filename))  # reading it reports the error

    for parent, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        # Links to folders are followed, but not round in circles.
        if (place := os.path.realpath(parent)) in seen:
            folders.clear()
            continue
        seen.add(place)
        folders.sort()
        found.extend(os.path.join(parent, name) for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES)
    return found
