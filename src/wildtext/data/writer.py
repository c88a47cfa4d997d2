"""Write samples into an LMDB that grows beside its place and gets its name when it is complete.

Until then it is a folder whose name ends in `.part`. Each commit stores how far writing has come together with the
samples, so whatever interrupts the process, the next call can go on from the last commit.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from wildtext.data.lmdb import COUNT, DATA, PART, sample_key
from wildtext.data.source import Progress, kind_of
from wildtext.errors import DataError, require

if TYPE_CHECKING:
    from lmdb import Environment

SKIPPED = "skipped.tsv"
LOCK = "lock.mdb"

_PROGRESS = b"wildtext-pack-progress"
_FIRST_MAP_SIZE = 16 << 20
_COMMIT_SAMPLES = 1000
_COMMIT_BYTES = 32 << 20


@dataclass(frozen=True)
class Skipped:
    """A sample that was left out: what it is called, and why."""

    name: str
    reason: str

    @property
    def kind(self) -> str:
        """The reason without what differs from sample to sample."""
        return kind_of(self.reason)


Entry = dict[str, bytes] | Skipped
"""The values of one sample by the kind of their key, e.g. ``{"image": ..., "label": ...}``, or why it is left out."""


@dataclass(frozen=True)
class WriteReport:
    """What became of the samples.

    Attributes:
        path: the folder with the LMDB.
        written: samples in it.
        skipped: samples that were left out, in order; also in `skipped.tsv`, where there are any.
        resumed: samples that an earlier call, which was interrupted, had dealt with.
    """

    path: Path
    written: int
    skipped: tuple[Skipped, ...]
    resumed: int = 0

    @property
    def reasons(self) -> Counter[str]:
        """How many samples were left out, by kind of reason."""
        return Counter(one.kind for one in self.skipped)


@dataclass
class State:
    """How far writing has come. It is committed together with the samples that it counts.

    Attributes:
        request: what is written, as plain values for JSON; it must be the same to go on.
        done: samples dealt with.
        written: samples in the LMDB.
        labels: checksum of the labels of the samples dealt with, for sources that may change.
        skipped_bytes: length of `skipped.tsv`.
    """

    request: dict[str, Any]
    done: int = 0
    written: int = 0
    labels: int = 0
    skipped_bytes: int = 0

    def encode(self) -> bytes:
        """As it is stored."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, value: bytes | None) -> State | None:
        """The inverse of `encode`; None where there is nothing or it is of another version."""
        try:
            return None if value is None else cls(**json.loads(value))
        except (TypeError, ValueError):
            return None


@dataclass
class Chunk:
    """Samples that will be committed together: what goes into the LMDB, and what into `skipped.tsv`."""

    items: list[tuple[bytes, bytes]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    dealt: int = 0
    volume: int = 0

    @property
    def full(self) -> bool:
        """Whether it should be committed."""
        return self.dealt >= _COMMIT_SAMPLES or self.volume >= _COMMIT_BYTES

    def add(self, values: dict[str, bytes], state: State) -> None:
        """Put the next sample in: its values by the kind of their key, e.g. ``{"image": ..., "label": ...}``."""
        for kind, value in values.items():
            self.items.append((sample_key(kind, state.written), value))
            self.volume += len(value)
        state.written += 1
        self._count(state)

    def skip(self, skipped: Skipped, state: State) -> None:
        """Leave the next sample out."""
        self.skipped.append(skipped)
        self._count(state)

    def _count(self, state: State) -> None:
        state.done += 1
        self.dealt += 1


class LmdbWriter:
    """An LMDB that grows as it needs to, and the list of skipped samples beside it.

    Args:
        part: the folder to write in, from `begin`.

    Attributes:
        committed: the encoded state that was committed last; None where there is none yet.

    Raises:
        DataError: there is another data set in the folder, or the disk refuses.
        MissingExtraError: the package lmdb is not installed.
    """

    def __init__(self, part: Path):
        self.part = part
        self.lmdb = require("lmdb", extra="data")
        try:
            self.environment: Environment = self.lmdb.open(str(part), map_size=_FIRST_MAP_SIZE)
            with self.environment.begin() as transaction:
                self.committed: bytes | None = transaction.get(_PROGRESS)
        except self.lmdb.Error as error:
            raise DataError(f"cannot open {part}: {error}; if it was left damaged, remove it") from error
        if self.committed is None and self.environment.stat()["entries"]:
            self.environment.close()
            raise DataError(f"{part} is in the way, and no interrupted call left it; remove it or choose another name")
        with _explained(part):
            self.skipped = (part / SKIPPED).open("ab")

    def __enter__(self) -> LmdbWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.skipped.close()
        self.environment.close()

    def resume(self) -> State | None:
        """How far an earlier call came; None where there was none, or it cannot be gone on from."""
        state = State.decode(self.committed)
        if state is None or (self.part / SKIPPED).stat().st_size < state.skipped_bytes:
            return None
        return state

    def store(
        self, parts: Iterable[Iterable[Entry]], state: State, total: int, progress: Progress | None = None
    ) -> None:
        """Write what is left, committing now and then, and turn the LMDB into a data set.

        Args:
            parts: the samples after those that the state counts; after each part progress is told.
            state: how far writing has come; brought up to date.
            total: samples that there are, for the progress.
            progress: is told how many samples are dealt with.

        Raises:
            DataError: the disk is full, or another process writes the same.
        """
        chunk = Chunk()
        for part in parts:
            for one in part:
                if isinstance(one, Skipped):
                    chunk.skip(one, state)
                else:
                    chunk.add(one, state)
            if progress is not None:
                progress(state.done, total)
            if chunk.full:
                self.commit(chunk, state)
                chunk = Chunk()
        self.commit(chunk, state)
        if state.written:
            self.complete(state)

    def commit(self, chunk: Chunk, state: State) -> None:
        """Write a chunk and the state after it.

        Raises:
            DataError: the disk is full, or another process writes the same.
        """
        lines = (f"{_one_line(one.name)}\t{_one_line(one.reason)}\n" for one in chunk.skipped)
        encoded = "".join(lines).encode(errors="backslashreplace")
        with _explained(self.part):
            self.skipped.truncate(state.skipped_bytes)  # what was listed after the last commit is listed again
            self.skipped.write(encoded)
            self.skipped.flush()
            os.fsync(self.skipped.fileno())
        state.skipped_bytes += len(encoded)
        self._write([*chunk.items, (_PROGRESS, state.encode())])
        self.committed = state.encode()

    def complete(self, state: State) -> None:
        """Turn the LMDB into a data set: set its number of samples, drop what only writing needs."""
        self._write([(COUNT, str(state.written).encode())], drop=_PROGRESS)

    def _write(self, items: list[tuple[bytes, bytes]], drop: bytes | None = None) -> None:
        while True:
            try:
                with self.environment.begin(write=True) as transaction:
                    if transaction.get(_PROGRESS) != self.committed:
                        raise DataError(f"another process is writing {self.part}; wait for it or choose another name")
                    for key, value in items:
                        transaction.put(key, value)
                    if drop is not None:
                        transaction.delete(drop)
                return
            except self.lmdb.MapFullError:
                self.environment.set_mapsize(2 * self.environment.info()["map_size"])
            except self.lmdb.Error as error:
                raise _cannot_write(self.part, error) from error


def begin(out: Path) -> Path:
    """Make the folder, beside `out`, in which the LMDB grows; an unfinished one is kept.

    Raises:
        DataError: `out` exists, or the folder cannot be made.
    """
    if os.path.lexists(out):
        raise DataError(f"{out} exists already; remove it or choose another name")
    part = out.with_name(out.name + PART)
    with _explained(part):
        part.mkdir(parents=True, exist_ok=True)
    return part


def finish(part: Path, out: Path, state: State, *, name: str, resumed: int) -> WriteReport:
    """Give a complete LMDB its name and report.

    Args:
        part: the folder from `begin`.
        out: its name from now on.
        state: as it was committed last.
        name: of the source, for messages.
        resumed: samples that earlier calls had dealt with.

    Raises:
        DataError: no sample was written, or the folder cannot be renamed.
    """
    # Earlier calls wrote to the list of skipped samples as well.
    lines = (part / SKIPPED).read_text(encoding="utf-8").split("\n")[:-1]
    skipped = tuple(Skipped(*line.split("\t")) for line in lines)
    if not state.written:
        clear(part)
        with suppress(OSError):
            part.rmdir()
        first = f"; the first: {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise DataError(f"{name}: none of {state.done} samples could be written{first}")
    with _explained(part):
        (part / LOCK).unlink(missing_ok=True)
        if not skipped:
            (part / SKIPPED).unlink()
        part.rename(out)
    return WriteReport(out, state.written, skipped, resumed)


def clear(part: Path) -> None:
    """Remove what writing left in a folder, and nothing else."""
    for name in (DATA, LOCK, SKIPPED):
        (part / name).unlink(missing_ok=True)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@contextmanager
def _explained(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _cannot_write(part, error) from error


def _cannot_write(part: Path, error: Exception) -> DataError:
    return DataError(
        f"cannot write {part}: {error}. If the disk is full, make room and give the same command again: "
        f"it goes on where it stopped"
    )
