"""The texts that a model file carries beside its weights: exchanged without reading those, or a library for either.

    .safetensors    8 bytes with the length of the JSON, little-endian; the JSON, with texts under ``__metadata__``; the
                    tensors, whose offsets count from the end of the JSON
    .onnx           a protobuf message ModelProto; its field 14, ``metadata_props``, holds a key (1) and a value (2),
                    and is there as often as there are texts

See the documents of safetensors, onnx.proto, and the encoding of protocol buffers.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from wildtext.errors import BundleError
from wildtext.files import replacing

_METADATA_PROPS = 14
_KEY, _VALUE = 1, 2
_NUMBER, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5
"""Kinds of protobuf fields: a number of variable length, 8 bytes, so many bytes as a number says, 4 bytes."""

_ALIGNMENT = 8
_PIECE = 1 << 20


def replace_text(path: Path, key: str, text: str, out: Path) -> None:
    """Copy a model file with another text under a key; all else stays, byte for byte.

    Args:
        path: a `.safetensors` or `.onnx` file.
        key: what the text is under; there must be one.
        text: the new one.
        out: where to, replaced as a whole; it may be `path`.

    Raises:
        BundleError: `path` is missing or damaged, it has no text under the key, or the disk refused.
    """
    copy = {".safetensors": _copy_safetensors, ".onnx": _copy_onnx}.get(path.suffix)
    if copy is None:
        raise BundleError(f"{path} is neither an .onnx nor a .safetensors bundle")
    try:
        source = path.open("rb")
    except OSError as error:
        raise BundleError(f"cannot open {path}: {error.strerror}") from error
    with source, replacing(out, error=BundleError) as unfinished, unfinished.open("wb") as target:
        try:
            found = copy(source, target, key, text)
        except (struct.error, ValueError, LookupError, TypeError) as error:
            raise BundleError(f"{path} is no {path.suffix} file, or a damaged one: {error}") from error
        if not found:
            raise BundleError(f"{path} is not a bundle of wildtext: it has no {key!r} header")


def read_safetensors_table(file: BinaryIO) -> dict[str, Any]:
    """The JSON of a safetensors file: its tensors by name, and its texts under ``__metadata__``.

    Raises:
        ValueError: the file is damaged or something else, also as `struct.error`.
    """
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _size(file):
        raise ValueError("its header is longer than the file")
    table = json.loads(file.read(length))
    if not isinstance(table, dict) or not isinstance(table.get("__metadata__", {}), dict):
        raise ValueError("its header is no table of tensors")
    return table


def _copy_safetensors(source: BinaryIO, target: BinaryIO, key: str, text: str) -> bool:
    """Copy with another text; returns whether there was one."""
    table = read_safetensors_table(source)
    texts = table.get("__metadata__", {})
    if key not in texts:
        return False
    ends = [place["data_offsets"][1] for name, place in table.items() if name != "__metadata__"]
    if max(ends, default=0) != _size(source) - source.tell():
        raise ValueError("its tensors do not end where the file does")
    texts[key] = text
    header = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    target.write(struct.pack("<Q", len(header)) + header)
    shutil.copyfileobj(source, target, _PIECE)
    return True


def _copy_onnx(source: BinaryIO, target: BinaryIO, key: str, text: str) -> bool:
    """Copy with another text, which comes last; returns whether there was one."""
    found = False
    for field in _fields(source):
        source.seek(field.content)
        if field.number == _METADATA_PROPS and _entry_key(source.read(field.end - field.content)) == key.encode():
            found = True
            continue
        source.seek(field.start)
        _copy_bytes(source, target, field.end - field.start)
    entry = _counted(_KEY, key.encode()) + _counted(_VALUE, text.encode())
    target.write(_counted(_METADATA_PROPS, entry))
    return found


class _Field(NamedTuple):
    """A field of a protobuf message: its number, and where in the file it, its content and what follows it begin."""

    number: int
    start: int
    content: int
    end: int


def _fields(file: BinaryIO) -> Iterator[_Field]:
    """The fields of the message that a file holds.

    Raises:
        ValueError: it holds none, or not to its end.
    """
    size, start = _size(file), 0
    while start < size:
        file.seek(start)
        number, kind = divmod(_read_number(file), 8)
        if kind not in (_NUMBER, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES):
            raise ValueError(f"there is no field of kind {kind} at byte {start}")
        length = _read_number(file) if kind in (_NUMBER, _COUNTED) else {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}[kind]
        content = file.tell()
        end = content if kind == _NUMBER else content + length
        if end > size:
            raise ValueError(f"the field at byte {start} is longer than what is left")
        yield _Field(number, start, content, end)
        start = end


def _entry_key(entry: bytes) -> bytes:
    """The key of a text in ``metadata_props``."""
    return next((entry[field.content : field.end] for field in _fields(io.BytesIO(entry)) if field.number == _KEY), b"")


def _read_number(file: BinaryIO) -> int:
    """Seven bits a byte, the lowest first; the highest bit of a byte says that another follows."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("it ends within a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number in it has more than 64 bits")


def _written_number(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _counted(number: int, content: bytes) -> bytes:
    """A field that says how many bytes it has."""
    return _written_number(number * 8 + _COUNTED) + _written_number(len(content)) + content


def _copy_bytes(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count:
        piece = source.read(min(count, _PIECE))
        if not piece:
            raise ValueError("it became shorter while it was read")
        target.write(piece)
        count -= len(piece)


def _size(file: BinaryIO) -> int:
    """Bytes of a file; where one reads in it stays."""
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(place)
    return size
