"""Files of a run: never half written, and never by two runs at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wildtext.errors import TrainingError

LOCK = "running"


def write_whole(path: Path, text: str) -> None:
    """Write a text file, so that whatever happens the whole of it or of the one before is there.

    Raises:
        OSError: the disk refused; what was there before is untouched.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a folder. Where the system has no locks, nothing is kept.

    Raises:
        TrainingError: another process trains there.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingError(f"another process trains in {folder}; wait for it, or give another --name") from error
        except OSError:  # some network disks have no locks
            yield
            return
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()
