"""Labelled images in an LMDB, in the layout of deep-text-recognition-benchmark (DTRB).

num-samples         how many samples there are, in decimal digits
image-000000001     the encoded image file of the first sample
label-000000001     its label, UTF-8
boxes-000000001     optional: its character boxes, JSON, as `wildtext.data.files.parse_boxes` reads them
parameters-000000001  optional: what was drawn, of synthetic samples, JSON, as `wildtext.synth.write` writes it

The image is stored as the file was, in any format that Pillow knows.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from wildtext.data.files import parse_boxes
from wildtext.errors import DataError, ImageError, SampleError, require
from wildtext.images import decode
from wildtext.types import Floats, Sample

if TYPE_CHECKING:
    from lmdb import Environment, Transaction

DATA = "data.mdb"
COUNT = b"num-samples"

PART = ".part"
"""Suffix of a folder that is being written; what it holds is no data set yet."""

_TOGETHER = 4096
"""Labels that are read in one transaction."""


def sample_key(kind: str, index: int) -> bytes:
    """The key of sample `index`, from 0, e.g. ``image-000000001`` for ``("image", 0)``."""
    return f"{kind}-{index + 1:09d}".encode()


class LmdbSource:
    """Samples of one LMDB.

    The database is opened when it is first needed in a process, so a source may be pickled or carried through a fork.

    Args:
        path: the folder that holds `data.mdb`, or the database file itself.

    Raises:
        DataError: it is not an LMDB, is cut off, or has another layout.
        MissingExtraError: the package lmdb is not installed.
    """

    def __init__(self, path: Path | str):
        path = Path(path)
        self.path = path.parent if path.name == DATA else path
        self._file = path / DATA if path.is_dir() else path
        self._handle: _Handle | None = None
        self._size = self._count()

    @property
    def name(self) -> str:
        """Path of the folder, or of the file where it is not called `data.mdb`."""
        return str(self.path)

    @property
    def size(self) -> int:
        """Number of samples."""
        return self._size

    def where(self, index: int) -> str:
        """Path and image key of a sample."""
        return f"{self.path}#{sample_key('image', index).decode()}"

    def text(self, index: int) -> str:
        """Label of a sample, as it is stored.

        Raises:
            SampleError: there is none or it is not UTF-8.
        """
        with self._reading() as reader:
            return reader.text(index)

    def texts(self) -> Iterator[str | SampleError]:
        """The labels of all samples in order, with the error in place of each that cannot be read."""
        for start in range(0, self._size, _TOGETHER):
            # What the caller does between two labels must not keep a transaction open.
            with self._reading() as reader:
                labels = [reader.text_or_error(index) for index in range(start, min(start + _TOGETHER, self._size))]
            yield from labels

    def content(self, index: int) -> bytes:
        """The encoded image file of a sample.

        Raises:
            SampleError: there is none.
        """
        with self._reading() as reader:
            return reader.content(index)

    def boxes(self, index: int) -> Floats | None:
        """Character boxes (len(text), 4, 2) of a sample in pixels of its image, where the database has them.

        Raises:
            SampleError: they are malformed or do not fit the label.
        """
        with self._reading() as reader:
            return reader.boxes(index)

    def __getitem__(self, index: int) -> Sample:
        """Decode a sample.

        Raises:
            SampleError: a part of it is missing, malformed or not an image.
        """
        with self._reading() as reader:
            return reader.sample(index)

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        """Decode many samples in one transaction, with the error in place of each that is broken."""
        with self._reading() as reader:
            return [reader.sample_or_error(index) for index in indices]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    def _count(self) -> int:
        with self._reading() as reader:
            value = reader.value(COUNT)
        if value is not None and value.isdigit():
            return int(value)
        found = "no key num-samples" if value is None else f"num-samples = {value[:40]!r}, which is no number"
        raise DataError(
            f"{self.path} has {found}, so it is not in the layout of DTRB (num-samples, image-000000001, "
            f"label-000000001, ...) or was not written to its end; write it again, e.g. with: wildtext data pack"
        )

    @contextmanager
    def _reading(self) -> Iterator[_Reader]:
        """What reads in one transaction."""
        if self._handle is None or self._handle.process != os.getpid():
            self._handle = _handle(self._file)
        try:
            transaction = self._handle.environment.begin()
        except require("lmdb", extra="data").Error as error:
            raise DataError(f"{self.path} cannot be read any more: {error}; was it written to meanwhile?") from error
        with transaction:
            yield _Reader(self, transaction)


class _Reader:
    """Looks up the parts of samples of a source in one transaction."""

    def __init__(self, source: LmdbSource, transaction: Transaction):
        self._source = source
        self._transaction = transaction

    def value(self, key: bytes) -> bytes | None:
        """What the database holds under a key."""
        try:
            value = self._transaction.get(key)
        except require("lmdb", extra="data").Error as error:
            raise SampleError(f"{self._source.path}: the database is damaged at {key.decode()}: {error}") from error
        return None if value is None else bytes(value)

    def text(self, index: int) -> str:
        value = self._required("label", index)
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            key = sample_key("label", index).decode()
            where = self._source.where(index)
            raise SampleError(f"{where}: the label is not UTF-8 ({key}: {value[:40]!r})") from error

    def text_or_error(self, index: int) -> str | SampleError:
        try:
            return self.text(index)
        except SampleError as error:
            return error

    def content(self, index: int) -> bytes:
        return self._required("image", index)

    def boxes(self, index: int) -> Floats | None:
        value = self._part("boxes", index)
        if value is None:
            return None
        try:
            return parse_boxes(json.loads(value), self.text(index))
        except ValueError as error:
            key = sample_key("boxes", index).decode()
            raise SampleError(f"{self._source.where(index)}: the boxes are malformed ({key}): {error}") from error

    def sample(self, index: int) -> Sample:
        where = self._source.where(index)
        try:
            image = decode(self.content(index))
        except ImageError as error:
            raise SampleError(f"{where}: {error}") from error
        word, parameters = self._drawn(index)
        return Sample(image, self.text(index), self.boxes(index), where, word, parameters)

    def sample_or_error(self, index: int) -> Sample | SampleError:
        try:
            return self.sample(index)
        except SampleError as error:
            return error

    def _drawn(self, index: int) -> tuple[Floats | None, dict[str, Any]]:
        """Word quadrilateral and parameters of a synthetic sample; nothing of others."""
        value = self._part("parameters", index)
        if value is None:
            return None, {}
        try:
            parameters = dict(json.loads(value))
            # The word is stored like the only box of a text of one character.
            quads = parse_boxes([parameters.pop("word", None)], "?")
            return None if quads is None or np.isnan(quads).any() else quads[0], parameters
        except (TypeError, ValueError) as error:
            key = sample_key("parameters", index).decode()
            where = self._source.where(index)
            raise SampleError(f"{where}: the parameters are malformed ({key}): {error}") from error

    def _required(self, kind: str, index: int) -> bytes:
        value = self._part(kind, index)
        if value is None:
            key = sample_key(kind, index).decode()
            raise SampleError(f"{self._source.where(index)}: the {kind} is missing (there is no key {key})")
        return value

    def _part(self, kind: str, index: int) -> bytes | None:
        if not 0 <= index < self._source.size:
            raise IndexError(f"{self._source.path} has samples 0 to {self._source.size - 1}, not {index}")
        return self.value(sample_key(kind, index))


@dataclass(eq=False)
class _Handle:
    """An open database and the process that opened it."""

    process: int
    environment: Environment


# LMDB forbids to open a file twice in one process, so sources of the same file share its handle.
_handles: WeakValueDictionary[tuple[int, int], _Handle] = WeakValueDictionary()
_opening = threading.Lock()


def _handle(file: Path) -> _Handle:
    """The handle of a database file in this process, opened if need be."""
    try:
        status = file.stat()
    except OSError as error:
        raise DataError(f"cannot open {file}: {error.strerror}") from error
    identity = status.st_dev, status.st_ino
    with _opening:
        handle = _handles.get(identity)
        if handle is not None and handle.process != os.getpid():
            # It came through a fork. LMDB wants it opened anew, and the copy closed first.
            handle.environment.close()
            handle = None
        if handle is None:
            handle = _Handle(os.getpid(), _open(file, status.st_size))
            _handles[identity] = handle
        return handle


def _open(file: Path, size: int) -> Environment:
    lmdb = require("lmdb", extra="data")
    try:
        environment: Environment = lmdb.open(
            str(file), subdir=False, readonly=True, lock=False, readahead=False, meminit=False
        )
    except lmdb.Error as error:
        raise DataError(f"cannot open {file} as an LMDB ({size:,} bytes): {error}") from error
    expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if size < expected:
        # Reading past the end of a mapped file would kill the process with SIGBUS.
        environment.close()
        raise DataError(f"{file} is cut off: it has {size:,} bytes of {expected:,}; copy or download it again")
    return environment
