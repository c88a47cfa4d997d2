"""Write synthetic samples into an LMDB, to look at, to share, or to train from where drawing is too slow.

The layout is that of `wildtext.data.lmdb`, with one more key for each sample:

image-000000001         the picture as PNG, so that it is exactly what the source draws
label-000000001         its label, UTF-8
boxes-000000001         its character boxes, JSON
parameters-000000001    JSON: everything that was drawn, as in `Sample.parameters`, and "word", the quadrilateral of the
                        whole text as [[x, y] * 4] in pixels, or null
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from wildtext.data.files import format_boxes
from wildtext.data.source import Progress, reason_of
from wildtext.data.writer import Entry, LmdbWriter, Skipped, State, WriteReport, begin, finish
from wildtext.errors import DataError, SampleError, require
from wildtext.images.encode import encode_png
from wildtext.synth.blocks import Drawable, blocks, check_count
from wildtext.types import Sample

_AHEAD = 3
"""Blocks for each worker that are drawn before they are needed."""


def write(
    source: Drawable,
    out: Path,
    count: int,
    *,
    settings: Mapping[str, Any],
    workers: int = 1,
    progress: Progress | None = None,
) -> WriteReport:
    """Write the first samples of a synthetic source into an LMDB, which is the same for any number of workers.

    The LMDB grows in a folder beside `out`, called `out` with `.part`, and gets its name when it is complete. After an
    interruption, the same call goes on from there. Samples that cannot be drawn are left out, counted and listed.

    Args:
        source: what to write; it travels to the workers by pickle.
        out: the folder to make.
        count: samples to draw.
        settings: what decides the samples, as plain values for JSON; an unfinished folder is only gone on with where
            they are the same.
        workers: processes that draw; 0 draws in this one.
        progress: is told after each block of samples.

    Raises:
        DataError: `out` exists, an unfinished one has other settings, the disk is full, another process writes the
            same, a worker died, or no sample could be drawn.
        MissingExtraError: the package lmdb or torch is not installed.
    """
    from wildtext import __version__

    check_count(count)
    if workers < 0:
        raise DataError(f"{workers} workers cannot draw; give at least 0")
    # Other versions may draw other samples.
    request = json.loads(json.dumps({**settings, "count": count, "version": __version__}))
    part = begin(out)
    with LmdbWriter(part) as writer:
        state = _resume(writer, request)
        resumed = state.done
        with closing(_encoded(source, list(blocks(resumed, count)), workers)) as encoded:
            writer.store(encoded, state, count, progress)
    return finish(part, out, state, name=source.name, resumed=resumed)


def _resume(writer: LmdbWriter, request: dict[str, Any]) -> State:
    state = writer.resume()
    if state is None:
        if writer.committed is not None:
            raise DataError(f"{writer.part} cannot be gone on with; remove it to start over")
        return State(request)
    if differences := list(_differences(state.request, request)):
        raise DataError(
            f"{writer.part} was begun with other settings: {', '.join(differences)}; "
            f"give the same ones to go on, or remove it to start over"
        )
    return state


def _differences(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """What was changed between two nested tables, e.g. ``seed was 1 and is 2``."""
    for key in sorted(before.keys() | now.keys()):
        was, is_now = before.get(key), now.get(key)
        if isinstance(was, dict) and isinstance(is_now, dict):
            yield from _differences(was, is_now, f"{prefix}{key}.")
        elif was != is_now:
            yield f"{prefix}{key} was {was!r} and is {is_now!r}"


def _encode(source: Drawable, indices: Sequence[int]) -> list[Entry]:
    """Draw a block of samples and bring each to the form in which it is stored."""
    return [
        Skipped(name, reason_of(drawn, name)) if isinstance(drawn, SampleError) else _values(drawn)
        for name, drawn in zip((f"{source.name}#{i}" for i in indices), source.samples(indices), strict=True)
    ]


def _values(sample: Sample) -> dict[str, bytes]:
    values = {"image": encode_png(sample.image), "label": sample.text.encode()}
    if sample.boxes is not None:
        values["boxes"] = json.dumps(format_boxes(sample.boxes)).encode()
    word = None if sample.word is None else format_boxes(sample.word[None])[0]
    values["parameters"] = json.dumps({**sample.parameters, "word": word}, ensure_ascii=False).encode()
    return values


def _encoded(source: Drawable, todo: Sequence[range], workers: int) -> Generator[list[Entry]]:
    """The blocks in order, drawn ahead by the workers."""
    if workers == 0:
        with _one_thread():
            yield from map(partial(_encode, source), todo)
        return
    # Spawned, since a fork would carry along locks that torch's threads hold.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(todo) or 1), context, _start_worker, (source,))
    try:
        pending: deque[Future[list[Entry]]] = deque()
        for indices in todo:
            pending.append(pool.submit(_work, indices))
            if len(pending) > _AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(
            "a worker ended unexpectedly, perhaps for lack of memory; give the same command again, with fewer "
            "--workers if need be: it goes on where it stopped"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch with one thread, as in a worker, since sums may depend on how they are shared out."""
    torch = require("torch", extra="train")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_sources: list[Drawable] = []
"""What this worker draws from; empty in other processes."""


def _start_worker(source: Drawable) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    require("torch", extra="train").set_num_threads(1)
    _sources.append(source)


def _end_with_parent() -> None:
    # A parent that is killed cannot tell its workers, which would wait for work forever.
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _work(indices: Sequence[int]) -> list[Entry]:
    return _encode(_sources[0], indices)
