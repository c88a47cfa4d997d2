"""Files are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wildtext.errors import DataError, WildtextError


@contextmanager
def replacing(out: Path, *, error: type[WildtextError] = DataError) -> Iterator[Path]:
    """A path beside `out` to write to, which takes its place if all goes well; else `out` stays as it was.

    It is opened at once, so that hours of work are not lost to a folder that cannot be written to.

    Args:
        out: the file.
        error: what is raised where it cannot be written.

    Raises:
        DataError: `out` is a folder or cannot be written; or `error`.
    """
    if out.is_dir():
        raise error(f"cannot write {out}: it is a folder")
    unfinished = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, out)
    except OSError as refused:
        raise error(f"cannot write {out}: {refused.strerror or refused}") from refused
    finally:
        with suppress(OSError):
            unfinished.unlink()
