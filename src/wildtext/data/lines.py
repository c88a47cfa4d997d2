"""Text files that may have millions of lines."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wildtext.errors import DataError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Lines:
    """The lines of a UTF-8 text file without their ends; empty lines at its end do not count.

    A line is decoded when it is asked for: all of them as strings would take several times the memory of the file, and
    every process that touches a string gets a copy of its page.

    Raises:
        DataError: the file cannot be read or is not UTF-8.
    """

    def __init__(self, path: Path):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        _check(path, content)
        first = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
        last = len(content)
        while last > first and content[last - 1 : last] in (b"\r", b"\n"):
            last -= 1
        newlines = np.flatnonzero(np.frombuffer(content, np.uint8)[:last] == ord("\n"))
        self._content = content
        self._starts = np.concatenate([[first], newlines + 1, np.full(int(last > first), last + 1)])

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, index: int) -> str:
        return self._content[self._starts[index] : self._starts[index + 1] - 1].decode().rstrip("\r")

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))


def _check(path: Path, content: bytes) -> None:
    """Complain, with the line and the way out, of a file that is not UTF-8."""
    if content.startswith(_UTF_16) or b"\0" in content:
        raise DataError(f"{path}:1: this is UTF-16, not UTF-8; {_way_out(path, 'UTF-16')}")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        around = content[max(error.start - 10, 0) : error.start + 10]
        raise DataError(
            f"{path}:{number}: byte 0x{content[error.start]:02x} in {around!r} is not UTF-8; "
            f"{_way_out(path, 'LATIN1')}, with the encoding that it has, e.g. GB18030 where it is Chinese"
        ) from error


def _way_out(path: Path, encoding: str) -> str:
    return f"convert the file, e.g. with: iconv -f {encoding} -t UTF-8 {path} > converted{path.suffix}"
