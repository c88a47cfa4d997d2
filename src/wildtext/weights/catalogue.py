"""The weights that ship with the package, by name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wildtext.errors import BundleError
from wildtext.weights.bundle import Bundle, read_safetensors_header

SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class Entry:
    """A pair of bundles with the same weights.

    Attributes:
        name: what `wildtext.load` takes.
        onnx: to read with.
        safetensors: to train from.
    """

    name: str
    onnx: Path
    safetensors: Path

    @property
    def bundle(self) -> Bundle:
        """The description, from the header of the file."""
        return read_safetensors_header(self.safetensors)

    @property
    def bytes(self) -> int:
        """Size of the file that reading needs."""
        return self.onnx.stat().st_size


def catalogue() -> dict[str, Entry]:
    """All shipped weights, by name."""
    paths = sorted(SHIPPED.glob("*.safetensors"))
    return {path.stem: Entry(path.stem, path.with_suffix(".onnx"), path) for path in paths}


def find(name: str, *, suffix: str) -> Path:
    """The file of a model that is given by its name in the catalogue or by a path.

    Args:
        name: a name of the catalogue, or a path to a bundle.
        suffix: which of the two files to take for a name: ``.onnx`` or ``.safetensors``.

    Raises:
        BundleError: there is neither such a name nor such a file.
    """
    entries = catalogue()
    if name in entries:
        return entries[name].safetensors.with_suffix(suffix)
    path = Path(name)
    if os.path.isfile(path):  # unlike Path.is_file it does not raise for names that cannot be
        return path
    raise BundleError(
        f"there is no model {name!r}: it is no file, and the catalogue has {', '.join(entries) or 'nothing'}"
    )
