"""Small data sets on disk."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from wildtext.data.files import FileSource, open_list

WriteLmdb = Callable[[Path, Mapping[str, bytes]], Path]


def picture(number: int = 0, width: int = 24, height: int = 12, form: str = "PNG") -> bytes:
    """An image file; every number gives another one."""
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def image() -> Callable[..., bytes]:
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., FileSource]:
    """Make a folder with `labels.tsv` and one image for each label, and open it."""

    def make(labels: list[str], name: str = "words") -> FileSource:
        path = tmp_path / name
        path.mkdir()
        for number in range(len(labels)):
            (path / f"{number}.png").write_bytes(picture(number))
        lines = [f"{number}.png\t{label}\n" for number, label in enumerate(labels)]
        (path / "labels.tsv").write_text("".join(lines), encoding="utf-8")
        return open_list(path / "labels.tsv")

    return make


@pytest.fixture
def write_lmdb() -> WriteLmdb:
    """Write an LMDB as other projects do, with nothing but the lmdb package."""

    def write(path: Path, items: Mapping[str, bytes]) -> Path:
        path.mkdir(parents=True)
        with lmdb.open(str(path), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
            for key, value in items.items():
                transaction.put(key.encode(), value)
        return path

    return write
