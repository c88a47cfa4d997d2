"""Variables of MATLAB files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildtext.errors import DataError, require


def list_variables(path: Path) -> dict[str, str]:
    """The names of the variables in a MATLAB file, and their classes, e.g. ``cell`` or ``struct``.

    Raises:
        DataError: it cannot be read.
        MissingExtraError: the package scipy is not installed.
    """
    return {name: kind for name, _, kind in _call("whosmat", path)}


def read_variable(path: Path, name: str) -> NDArray[Any]:
    """One variable of a MATLAB file; the others are passed over.

    Raises:
        DataError: it cannot be read, or has no such variable.
        MissingExtraError: the package scipy is not installed.
    """
    content = _call("loadmat", path, variable_names=[name])
    if name not in content:
        raise DataError(f"{path} has no variable {name!r}, but {', '.join(list_variables(path)) or 'none'}")
    variable: NDArray[Any] = content[name]
    return variable


def as_text(cell: Any) -> str:
    """A text of MATLAB; one of several lines has them joined by line feeds."""
    return "\n".join(map(str, np.ravel(cell)))


def _call(function: str, path: Path, **options: Any) -> Any:
    matlab = require("scipy.io", extra="convert")
    try:
        with path.open("rb") as file:
            return getattr(matlab, function)(file, **options)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except NotImplementedError as error:
        raise DataError(f"{path} is of MATLAB 7.3; save it again in MATLAB with the option -v7") from error
    except Exception as error:  # scipy raises nearly anything on files that are damaged or no MATLAB files
        raise DataError(f"cannot read {path} as a MATLAB file: {error or type(error).__name__}") from error
