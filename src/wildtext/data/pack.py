"""Pack labelled images into one LMDB, which is quicker to read and to copy than many small files."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

from wildtext.data.files import format_boxes
from wildtext.data.source import LabelledSource, Progress, reason_of
from wildtext.data.writer import Entry, LmdbWriter, Skipped, State, WriteReport, begin, clear, finish
from wildtext.errors import DataError, ImageError, SampleError
from wildtext.images import decode

log = logging.getLogger("wildtext.data")


def pack(source: LabelledSource, out: Path, *, check: bool = True, progress: Progress | None = None) -> WriteReport:
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
    part = begin(out)
    request = {"source": source.name, "size": source.size, "check": check}
    state, resumed = _pack_into(part, source, request, progress)
    return finish(part, out, state, name=source.name, resumed=resumed)


def _pack_into(
    part: Path, source: LabelledSource, request: dict[str, Any], progress: Progress | None
) -> tuple[State, int]:
    """Pack everything; returns the state at the end and how many samples earlier calls had dealt with."""
    with LmdbWriter(part) as writer:
        state = writer.resume()
        if state is not None and _fits(state, request, source):
            log.info("going on after sample %d of %d in %s", state.done, source.size, part)
            resumed = state.done
            return _pack_rest(writer, source, state, progress), resumed
        if writer.committed is None:
            return _pack_rest(writer, source, State(request), progress), 0
        if state is not None and state.request.keys() != request.keys():
            raise DataError(f"{part} was left by another command; finish or remove it, or choose another name")
    log.warning("%s was left by packing something else, or labels have changed since; starting over", part)
    clear(part)
    with LmdbWriter(part) as writer:
        return _pack_rest(writer, source, State(request), progress), 0


def _fits(state: State, request: dict[str, Any], source: LabelledSource) -> bool:
    """Whether the samples dealt with are the first ones of the source that is to be packed."""
    if state.request != request:
        return False
    labels = 0
    for index in range(state.done):
        labels = _add_label(labels, source, index)
    return labels == state.labels


def _pack_rest(writer: LmdbWriter, source: LabelledSource, state: State, progress: Progress | None) -> State:
    """Pack the samples that are left, chunk by chunk, and return the state at the end."""
    writer.store(_entries(source, state), state, source.size, progress)
    return state


def _entries(source: LabelledSource, state: State) -> Iterator[list[Entry]]:
    """The samples of the source after those that the state counts, one by one; keeps its checksum of labels."""
    for index in range(state.done, source.size):
        state.labels = _add_label(state.labels, source, index)
        try:
            yield [_fetch(source, index, check=state.request["check"])]
        except SampleError as error:
            name = source.where(index)
            yield [Skipped(name, reason_of(error, name))]


def _fetch(source: LabelledSource, index: int, *, check: bool) -> dict[str, bytes]:
    """Image, label and boxes of a sample as they are stored in the LMDB."""
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
    values = {"image": content, "label": label}
    if boxes is not None:
        values["boxes"] = json.dumps(format_boxes(boxes)).encode()
    return values


def _add_label(checksum: int, source: LabelledSource, index: int) -> int:
    try:
        text = source.text(index)
    except SampleError as error:
        text = str(error)
    return crc32(f"{text}\n".encode(errors="backslashreplace"), checksum)
