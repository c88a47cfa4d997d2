"""Pack labelled images into one LMDB, which is quicker to read and to copy than many small files."""

from __future__ import annotations

import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from zlib import crc32

from wildtext.data.files import format_boxes
from wildtext.data.lmdb import COUNT, DATA, PART, sample_key
from wildtext.data.source import LabelledSource, Progress, kind_of, reason_of
from wildtext.errors import DataError, ImageError, SampleError, require
from wildtext.images import decode

if TYPE_CHECKING:
    from lmdb import Environment

log = logging.getLogger("wildtext.data")

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


@dataclass(frozen=True)
class PackReport:
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


def pack(source: LabelledSource, out: Path, *, check: bool = True, progress: Progress | None = None) -> PackReport:
    """Write an LMDB in the layout of DTRB, with the image files as they are stored and their character boxes.

    The LMDB grows in a folder beside `out`, called `out` with `.part`, and gets its name when it is complete. After an
    interruption, the same call goes on from there; where the labels of the source have changed since, it starts over.
    Samples that are broken or have an empty label are left out, counted and listed.

    Args:
        source: what to pack.
        out: the folder to make.
        check: decode every image, to find those that are damaged.
        progress: is told after each sample.

    Raises:
        DataError: `out` exists, the disk is full, another process writes the same, or no sample is fit to be packed.
        MissingExtraError: the package lmdb is not installed.
    """
    if os.path.lexists(out):
        raise DataError(f"{out} exists already; remove it or choose another name")
    part = out.with_name(out.name + PART)
    wanted = _State(source.name, source.size, check)
    with _explained(part):
        part.mkdir(parents=True, exist_ok=True)
    state = _pack_into(part, source, wanted, progress)
    report = _report(out, part, state)
    with _explained(part):
        _finish(part, out)
    return report


@dataclass
class _State:
    """How far packing has come. It is committed together with the samples that it counts.

    Attributes:
        source, size, check: what is packed; it must be the same to go on.
        done: samples dealt with.
        written: samples in the LMDB.
        labels: checksum of the labels of the samples dealt with.
        skipped_bytes: length of `skipped.tsv`.
        resumed: what `done` was when this call began.
    """

    source: str
    size: int
    check: bool
    done: int = 0
    written: int = 0
    labels: int = 0
    skipped_bytes: int = 0
    resumed: int = 0

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, value: bytes | None) -> _State | None:
        """The inverse of `encode`; None where there is nothing or it is of another version."""
        try:
            return None if value is None else cls(**json.loads(value))
        except (TypeError, ValueError):
            return None

    def fits(self, wanted: _State, source: LabelledSource) -> bool:
        """Whether the samples dealt with are the first ones of the source that is to be packed."""
        if (self.source, self.size, self.check) != (wanted.source, wanted.size, wanted.check):
            return False
        labels = 0
        for index in range(self.done):
            labels = _add_label(labels, source, index)
        return labels == self.labels


@dataclass
class _Chunk:
    """Samples that will be committed together: what goes into the LMDB, its bytes, and what into `skipped.tsv`."""

    items: list[tuple[bytes, bytes]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    volume: int = 0

    def add(self, kind: str, index: int, value: bytes) -> None:
        self.items.append((sample_key(kind, index), value))
        self.volume += len(value)


class _Writer:
    """An LMDB that grows as it needs to, and the list of skipped samples beside it.

    Attributes:
        committed: the encoded state that was committed last; None where there is none yet.
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
            raise DataError(f"{part} is in the way, and packing did not leave it; remove it or choose another name")
        with _explained(part):
            self.skipped = (part / SKIPPED).open("ab")

    def __enter__(self) -> _Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.skipped.close()
        self.environment.close()

    def resume(self, wanted: _State, source: LabelledSource) -> _State | None:
        """How far an earlier call with the same request came; None where there was none."""
        state = _State.decode(self.committed)
        if state is None or not state.fits(wanted, source):
            return None
        if (self.part / SKIPPED).stat().st_size < state.skipped_bytes:
            return None
        self.skipped.truncate(state.skipped_bytes)  # what was listed after the last commit will be listed again
        return replace(state, resumed=state.done)

    def commit(self, chunk: _Chunk, state: _State) -> None:
        """Write a chunk and the state after it."""
        lines = (f"{_one_line(one.name)}\t{_one_line(one.reason)}\n" for one in chunk.skipped)
        encoded = "".join(lines).encode(errors="backslashreplace")
        with _explained(self.part):
            self.skipped.write(encoded)
            self.skipped.flush()
            os.fsync(self.skipped.fileno())
        state.skipped_bytes += len(encoded)
        self._write([*chunk.items, (_PROGRESS, state.encode())])
        self.committed = state.encode()

    def complete(self, state: _State) -> None:
        """Turn the LMDB into a data set: set its number of samples, drop what only packing needs."""
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


def _pack_into(part: Path, source: LabelledSource, wanted: _State, progress: Progress | None) -> _State:
    with _Writer(part) as writer:
        state = writer.resume(wanted, source)
        if state is not None:
            log.info("going on after sample %d of %d in %s", state.done, state.size, part)
        if state is not None or writer.committed is None:
            return _pack_rest(writer, source, state or wanted, progress)
    log.warning("%s was left by packing something else, or labels have changed since; starting over", part)
    _clear(part)
    with _Writer(part) as writer:
        return _pack_rest(writer, source, wanted, progress)


def _pack_rest(writer: _Writer, source: LabelledSource, state: _State, progress: Progress | None) -> _State:
    """Pack the samples that are left, chunk by chunk, and return the state at the end."""
    chunk, since = _Chunk(), state.done
    while state.done < state.size:
        _take(source, state, chunk)
        if progress is not None:
            progress(state.done, state.size)
        if state.done - since >= _COMMIT_SAMPLES or chunk.volume >= _COMMIT_BYTES:
            writer.commit(chunk, state)
            chunk, since = _Chunk(), state.done
    writer.commit(chunk, state)
    if state.written:
        writer.complete(state)
    return state


def _take(source: LabelledSource, state: _State, chunk: _Chunk) -> None:
    """Put the next sample of the source into the chunk."""
    index = state.done
    try:
        label, content, boxes = _fetch(source, index, state.check)
    except SampleError as error:
        name = source.where(index)
        chunk.skipped.append(Skipped(name, reason_of(error, name)))
    else:
        chunk.add("image", state.written, content)
        chunk.add("label", state.written, label)
        if boxes is not None:
            chunk.add("boxes", state.written, boxes)
        state.written += 1
    state.labels = _add_label(state.labels, source, index)
    state.done += 1


def _fetch(source: LabelledSource, index: int, check: bool) -> tuple[bytes, bytes, bytes | None]:
    """Label, image and boxes of a sample as they are stored in the LMDB."""
    text, content, boxes = source.text(index), source.content(index), source.boxes(index)
    if not text:
        raise SampleError("empty label")
    try:
        label = text.encode()
        if check:
            decode(content)
    except UnicodeEncodeError as error:
        raise SampleError(f"the label has a lone surrogate: {text!r}") from error
    except ImageError as error:
        raise SampleError(str(error)) from error
    return label, content, None if boxes is None else json.dumps(format_boxes(boxes)).encode()


def _add_label(checksum: int, source: LabelledSource, index: int) -> int:
    try:
        text = source.text(index)
    except SampleError as error:
        text = str(error)
    return crc32(f"{text}\n".encode(errors="backslashreplace"), checksum)


def _report(out: Path, part: Path, state: _State) -> PackReport:
    """Read the list of skipped samples back, which earlier calls wrote to as well."""
    lines = (part / SKIPPED).read_text(encoding="utf-8").split("\n")[:-1]
    skipped = tuple(Skipped(*line.split("\t")) for line in lines)
    if not state.written:
        _clear(part)
        with suppress(OSError):
            part.rmdir()
        first = f"; the first: {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise DataError(f"{state.source}: none of {state.size} samples could be packed{first}")
    return PackReport(out, state.written, skipped, state.resumed)


def _finish(part: Path, out: Path) -> None:
    (part / LOCK).unlink(missing_ok=True)
    if not (part / SKIPPED).stat().st_size:
        (part / SKIPPED).unlink()
    part.rename(out)


def _clear(part: Path) -> None:
    """Remove what packing wrote, and nothing else."""
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
