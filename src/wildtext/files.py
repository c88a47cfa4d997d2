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
    check_writable(out, error=error)
    out = out.resolve()  # a link stays one, and what it leads to is replaced
    unfinished = out.with_name(out.name + ".part")
    with _refused(out, error):
        unfinished.touch()
    try:
        yield unfinished
        with _refused(out, error), unfinished.open("rb") as file:
            os.fsync(file.fileno())
            os.replace(unfinished, out)
    except OSError as refused:
        # A full disk names no file; what names another one is about that.
        if refused.filename not in (None, str(unfinished)):
            raise
        raise error(f"cannot write {out}: {refused.strerror or refused}") from refused
    finally:
        with suppress(OSError):
            unfinished.unlink()


def check_writable(out: Path, *, error: type[WildtextError] = DataError) -> None:
    """Complain of a file that cannot be written, before the work that it is for; its folder is made.

    Raises:
        DataError: `out` is a folder or cannot be written; or `error`.
    """
    with _refused(out, error):
        if out.is_dir():
            raise error(f"cannot write {out}: it is a folder")
        if out.exists() and not out.is_file():
            raise error(f"cannot write {out}: it is a device or a pipe, and no file")
        target = out.resolve()
        if target.parent.exists() and not target.parent.is_dir():
            raise error(f"cannot write {out}: {target.parent} is no folder")
        unfinished = target.with_name(target.name + ".part")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        unfinished.unlink()


@contextmanager
def _refused(out: Path, error: type[WildtextError]) -> Iterator[None]:
    try:
        yield
    except OSError as refused:
        raise error(f"cannot write {out}: {refused.strerror or refused}") from refused
