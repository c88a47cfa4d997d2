"""Decode whatever a user has at hand to an RGB array, safely."""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import UnidentifiedImageError, features

from wildtext.errors import ImageError
from wildtext.types import Image

ImageLike = str | os.PathLike[str] | bytes | bytearray | memoryview | pillow.Image | NDArray[Any]
"""A path, the bytes of an image file, a Pillow image, or a uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)."""

MAX_PIXELS = 64_000_000
"""A crop of one word never comes near this; a file that claims more is broken or a decompression bomb."""

MAX_BYTES = 8 * MAX_PIXELS
"""More than an uncompressed file of so many pixels needs."""

MIN_SIDE = 2
"""Pixels; anything thinner holds no stroke."""


_FOREIGN = {"EPS", "WMF"}
"""Formats that are programs, which Pillow hands to an interpreter; never for files from strangers."""

_ORIENTATION = 0x0112
_TURNS: dict[Any, pillow.Transpose] = {
    2: pillow.Transpose.FLIP_LEFT_RIGHT,
    3: pillow.Transpose.ROTATE_180,
    4: pillow.Transpose.FLIP_TOP_BOTTOM,
    5: pillow.Transpose.TRANSPOSE,
    6: pillow.Transpose.ROTATE_270,
    7: pillow.Transpose.TRANSVERSE,
    8: pillow.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation; 1 is upright."""

_JPEG = b"\xff\xd8\xff"
_METADATA = b"\xff\xe1"
"""The marker of EXIF and XMP in a JPEG; compressed data never holds it."""

_turbo: Any = None
"""simplejpeg, where it is installed and Pillow has the same library below."""
with suppress(ImportError):
    if features.check_feature("libjpeg_turbo"):
        _turbo = import_module("simplejpeg")


def decode(image: ImageLike) -> Image:
    """Decode an image to RGB.

    EXIF rotation is applied, the first frame of an animation is taken, 16-bit and float greys are scaled to 8 bits,
    CMYK is converted, and transparent pixels become white or black, whichever the visible ones stand out from.

    Returns:
        (H, W, 3) uint8, which may be read-only or share memory with an array that was given.

    Raises:
        ImageError: with the reason, and the path where there is one.
    """
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, pillow.Image):
        return _from_pillow(image)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(image))
    if isinstance(image, (str, os.PathLike)):
        return _from_path(Path(os.fsdecode(image)))
    raise ImageError(
        f"cannot read an image from {type(image).__name__}; give a path, bytes, a Pillow image or a uint8 array"
    )


def read_file(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        ImageError: it cannot be read, is no ordinary file (reading a pipe would wait forever), or is too large; the
            message has no path.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("this is a folder, and no image files were found in it")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("not an ordinary file")
        _check_bytes(status.st_size)
        return path.read_bytes()
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from error
    except ValueError as error:  # a name that no file can have
        raise ImageError(str(error)) from error


def _from_path(path: Path) -> Image:
    try:
        return _from_bytes(read_file(path))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def _from_bytes(content: bytes) -> Image:
    if not content:
        raise ImageError("the file is empty (0 bytes)")
    _check_bytes(len(content))
    picture = _plain_jpeg(content)
    if picture is not None:
        return picture
    with _guarded(), pillow.open(io.BytesIO(content)) as opened:
        return _to_rgb(opened)


def _plain_jpeg(content: bytes) -> Image | None:
    """The picture of a JPEG that is in order and has no metadata; whatever else there is, None leaves it to Pillow.

    simplejpeg and Pillow both let libjpeg-turbo decode, with the same settings, so every pixel is the same; but around
    it Pillow does several times as much as the decoding of a small crop takes.
    """
    if _turbo is None or not content.startswith(_JPEG) or _METADATA in content:
        return None
    try:
        height, width, colours, _ = _turbo.decode_jpeg_header(content)
        if colours not in ("YCbCr", "Gray") or min(height, width) < MIN_SIDE or height * width > MAX_PIXELS:
            return None
        picture: Image = _turbo.decode_jpeg(content)
        return picture
    except Exception:  # damaged, and Pillow says how
        return None


def _from_pillow(image: pillow.Image) -> Image:
    try:
        with _guarded():
            return _to_rgb(image)
    except ImageError as error:
        path = getattr(image, "filename", "")
        raise ImageError(f"{path}: {error}" if path else str(error)) from error


def _from_array(array: NDArray[Any]) -> Image:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise ImageError(
            f"an array must be uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), "
            f"not {array.dtype} of shape {array.shape}"
        )
    if array.size == 0:
        raise ImageError(f"the array is empty: shape {array.shape}")
    _check_size(array.shape[1], array.shape[0])
    if channels == 4:
        return _flatten(array)
    if channels == 1:
        array = np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(array)


class _Silence:
    """Hides what Pillow warns of, which is raised as an error where it matters.

    `warnings.catch_warnings` alone would leave wrong filters behind when several threads decode at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


_silence = _Silence()


@contextmanager
def _guarded() -> Iterator[None]:
    """Whatever Pillow does inside ends well or in an `ImageError`."""
    try:
        with _silence:
            yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError("not an image in a format that Pillow knows") from error
    except pillow.DecompressionBombError as error:
        raise ImageError(f"too large: more than {MAX_PIXELS:,} pixels are not decoded") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise ImageError(f"cannot be decoded: {error or type(error).__name__}") from error


def _to_rgb(image: pillow.Image) -> Image:
    _check_size(*image.size)
    if image.format in _FOREIGN:
        raise ImageError(f"{image.format} files are not read: they are programs; convert it to PNG first")
    image.load()  # damage must show here, not where errors of metadata are forgiven
    _check_size(*image.size)  # icons hold pictures of other sizes than they declare
    turned = _upright(image)
    if turned.mode.startswith(("I", "F")):
        return _scale_grey(np.asarray(turned))
    if turned.mode == "La":
        turned = turned.convert("LA")
    if turned.mode in ("LA", "P", "PA", "RGBa") or "transparency" in turned.info:
        turned = turned.convert("RGBA")
    if turned.mode == "RGBA":
        return _flatten(np.asarray(turned))
    return np.asarray(turned if turned.mode == "RGB" else turned.convert("RGB"))


def _upright(image: pillow.Image) -> pillow.Image:
    # Not ImageOps.exif_transpose, which refuses images whose other EXIF entries it cannot write back.
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION))
    except Exception:  # metadata that cannot be parsed leave the pixels as good as they are
        return image
    return image if turn is None else image.transpose(turn)


def _flatten(rgba: NDArray[np.uint8]) -> Image:
    """Put transparent pixels on white or black, whichever contrasts more with what is visible."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    if alpha.min() == 1:
        return np.ascontiguousarray(rgba[..., :3])
    colour = rgba[..., :3].astype(np.float32)
    visible = float((colour * alpha).sum() / max(float(alpha.sum()) * 3, 1e-6))
    background = 0.0 if visible > 127.5 else 255.0
    return np.rint(colour * alpha + background * (1 - alpha)).astype(np.uint8)


def _scale_grey(values: NDArray[Any]) -> Image:
    """16-bit, 32-bit and float greys to 8 bits: by their nominal range where it is known, else by their extremes."""
    grey = values.astype(np.float64)
    finite = grey[np.isfinite(grey)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    grey = np.nan_to_num(grey, nan=low, posinf=high, neginf=low)
    if low >= 0 and high <= 255:
        low, high = (0.0, 1.0) if values.dtype.kind == "f" and high <= 1 else (0.0, 255.0)
    elif low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    grey = np.rint((grey - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _check_bytes(count: int) -> None:
    if count > MAX_BYTES:
        raise ImageError(f"too large: {count:,} bytes; image files over {MAX_BYTES:,} bytes are not read")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"too large: {width} x {height} pixels; more than {MAX_PIXELS:,} pixels are not decoded")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"too small: {width} x {height} pixels; text needs at least {MIN_SIDE} in both directions")
