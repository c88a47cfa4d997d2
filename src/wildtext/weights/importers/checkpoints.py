"""Open the files of other projects without running what is in them.

A pickle is a program. The ones here may build tensors, arrays and plain containers; whatever else a file asks for is
refused by its name.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from wildtext.errors import BundleError
from wildtext.weights.importers.contract import listed

_TORCH_LEGACY = bytes.fromhex("80028a0a6cfc9c46f920")
"""How files of torch before version 1.6 begin."""

_WRAPPERS = ("state_dict", "model", "model_state_dict")
_BOOKKEEPING = {"StructuredToParameterName@@"}


class _Refused(pickle.UnpicklingError):
    """A pickle asks for something that is not admitted; the text is its name."""


def _latin1(text: str, encoding: str) -> bytes:
    """How pickles of Python 2 hold bytes."""
    if encoding != "latin1":
        raise _Refused(f"the encoding {encoding}")
    return text.encode("latin1")


_BUILDERS: dict[str, Any] = {"_reconstruct": np.zeros(1).__reduce__()[0], "scalar": np.float32(0).__reduce__()[0]}
"""What numpy's own pickles call, under the names of two generations of its modules."""

_ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
    **{(f"numpy.{core}.multiarray", name): build for core in ("core", "_core") for name, build in _BUILDERS.items()},
}


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors in a file of torch, Paddle or safetensors, by name.

    A wrapping ``state_dict`` and the ``module.`` of DataParallel are taken off.

    Raises:
        BundleError: the file cannot be read, asks for what is not admitted, or holds no tensors by name.
    """
    content = _content(path)
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise BundleError(f"{path} holds a {type(content).__name__}, not tensors by name")
    tensors = {
        str(name): torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in content.items()
        if name not in _BOOKKEEPING
    }
    if foreign := [name for name, value in tensors.items() if not isinstance(value, Tensor)]:
        raise BundleError(
            f"{path} has entries that are no tensors: {listed(foreign)}; save its weights alone, as a state dict"
        )
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _content(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            start = file.read(len(_TORCH_LEGACY))
        if path.suffix == ".safetensors":
            return load_file(path)
        if start == _TORCH_LEGACY or zipfile.is_zipfile(path):
            return _torch(path)
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except OSError as error:
        raise BundleError(f"cannot open {path}: {error.strerror or error}") from error
    except _Refused as error:
        raise BundleError(
            f"{path} asks for {error}, which is neither a tensor nor a plain container; it was not loaded. "
            f"Open it where you trust it, and save its weights alone, as a state dict"
        ) from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise BundleError(f"{path} is not a checkpoint that can be read: {error}") from error


def _torch(path: Path) -> Any:
    scalars = [type(np.dtype(code)) for code in "?bBhHiIqQefd"]
    with torch.serialization.safe_globals([np.ndarray, np.dtype, *_BUILDERS.values(), *scalars]):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            asked = re.search(r"GLOBAL (\S+)", str(error))
            if asked is None:
                raise
            raise _Refused(asked[1]) from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise _Refused(f"{module}.{name}")
        return _ADMITTED[module, name]
