"""Readings of earlier calls: nothing is read twice, and what was interrupted goes on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import PIL

import wildtext
from wildtext.inference.recognizer import Recognizer
from wildtext.types import Alternative, Character, Prediction

_KEPT = 30 * 24 * 3600
"""Seconds after which a file that nobody opened is removed."""

_OWN = re.compile(r"(readings|properties)-[0-9a-f]{24}\.sqlite")
"""Names of our files; whatever else lies in the folder is not ours to remove."""

_READING_ROOMS = ("charset.py", "images", "codecs", "models", "inference", "weights/bundle.py")
"""Code that a reading depends on, beside the model and the image."""


class Cache:
    """JSON values by the content of images, kept in a file of SQLite.

    Several processes may use one file. Where the file cannot be used, e.g. on a full or read-only disk, a warning says
    so once and nothing is kept.

    Args:
        purpose: what the values depend on beside the image; each has a file of its own.
        folder: where the files are; None takes `cache_folder()`.
        fresh: whether to give nothing that was kept before; what is put replaces it.
    """

    def __init__(self, purpose: str, folder: Path | None = None, *, fresh: bool = False):
        folder = cache_folder() if folder is None else folder
        self._path = folder / f"{purpose}.sqlite"
        self._hidden = fresh
        self._own: set[bytes] = set()
        self._connection: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _remove_old(folder)
            self._connection = sqlite3.connect(self._path, timeout=30)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, value TEXT) WITHOUT ROWID")
            os.utime(self._path)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Any]:
        """The values of those keys that have one."""
        found: dict[bytes, Any] = {}
        if self._connection is None:
            return found
        try:
            for key in keys:
                if self._hidden and key not in self._own:
                    continue
                if row := self._connection.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone():
                    found[key] = json.loads(row[0])
        except (sqlite3.Error, ValueError) as error:
            self._give_up(error)
        return found

    def put(self, values: Mapping[bytes, Any]) -> None:
        """Keep values for good; a process that is killed afterwards does not lose them."""
        if self._connection is None or not values:
            return
        rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in values.items()]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", rows)
            if self._hidden:
                self._own.update(values)
        except sqlite3.Error as error:
            self._give_up(error)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _give_up(self, error: Exception) -> None:
        print(
            f"wildtext: nothing is kept for the next call, since {self._path} cannot be used ({error}); remove "
            f"it, or name another folder in WILDTEXT_CACHE",
            file=sys.stderr,
        )
        self.close()


def cache_folder() -> Path:
    """Where evaluation keeps what it read: `WILDTEXT_CACHE`, or the user's folder for such files."""
    own = os.environ.get("WILDTEXT_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wildtext"


def content_key(content: bytes) -> bytes:
    """The key of an image file by its bytes."""
    return hashlib.sha256(content).digest()[:16]


def readings_purpose(recognizer: Recognizer, weights: Path, beam: int) -> str:
    """A name for all that readings depend on beside the image: weights, runtime, options, and the code that reads.

    Args:
        recognizer: what reads.
        weights: the file of its bundle.
        beam: see `Recognizer.decode`.
    """
    state = hashlib.sha256()
    with weights.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    state.update(json.dumps([recognizer.runtime.name, beam]).encode())
    return _purpose("readings", state.digest() + code_digest(_READING_ROOMS))


def properties_purpose() -> str:
    """A name for all that properties of images depend on: the code that measures them."""
    return _purpose("properties", code_digest(("images", "evaluation/properties.py")))


def _purpose(kind: str, state: bytes) -> str:
    return f"{kind}-{hashlib.sha256(state).hexdigest()[:24]}"


def code_digest(rooms: Iterable[str]) -> bytes:
    """A digest of files or folders of wildtext, given by their names within it, and of the libraries that they use."""
    state = hashlib.sha256(f"{wildtext.__version__} {np.__version__} {PIL.__version__}".encode())
    root = Path(wildtext.__file__).parent
    for room in rooms:
        files = sorted((root / room).rglob("*")) if (root / room).is_dir() else [root / room]
        for file in files:
            if file.is_file() and file.suffix != ".pyc":
                state.update(file.read_bytes())
    return state.digest()


def to_json(prediction: Prediction) -> dict[str, Any]:
    """A prediction as plain values, none of them rounded."""
    return {
        "text": prediction.text,
        "confidence": prediction.confidence,
        "characters": [[one.text, one.confidence, one.start, one.end] for one in prediction.characters],
        "alternatives": [[one.text, one.confidence] for one in prediction.alternatives],
        "scores": dict(prediction.scores),
        "rotation": prediction.rotation,
    }


def from_json(values: Mapping[str, Any]) -> Prediction:
    """The inverse of `to_json`."""
    return Prediction(
        text=values["text"],
        confidence=values["confidence"],
        characters=tuple(Character(*one) for one in values["characters"]),
        alternatives=tuple(Alternative(*one) for one in values["alternatives"]),
        scores=values["scores"],
        rotation=values["rotation"],
    )


def _remove_old(folder: Path) -> None:
    oldest = time.time() - _KEPT
    for path in folder.glob("*.sqlite"):
        with suppress(OSError):
            if _OWN.fullmatch(path.name) and path.stat().st_mtime < oldest:
                for ending in ("", "-wal", "-shm"):
                    path.with_name(path.name + ending).unlink(missing_ok=True)
