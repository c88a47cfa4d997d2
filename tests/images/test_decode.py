"""Decoding: whatever comes in, either its picture comes out or an `ImageError` that says why not."""

import io
import os
import struct
import threading
import warnings
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.errors import ImageError
from wildtext.images import decode

RAMP = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
COLOURS = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=-1)
ORIENTATION = 0x0112


def encoded(image: pillow.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG file of a few bytes that claims any size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def noise(height: int = 40, width: int = 60) -> pillow.Image:
    return pillow.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def close(picture: NDArray[np.uint8], expected: Any, tolerance: int = 0) -> bool:
    difference = np.abs(picture.astype(int) - np.broadcast_to(expected, picture.shape).astype(int))
    return picture.dtype == np.uint8 and int(difference.max()) <= tolerance


def grey(values: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(values[..., None], 3, axis=2)


# What is fine


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA", "ICO"])
def test_lossless_formats_give_their_pixels(kind: str) -> None:
    options = {"sizes": [(40, 40)], "bitmap_format": "png"} if kind == "ICO" else {}
    picture = noise(40, 40)
    assert close(decode(encoded(picture, kind, **options)), np.asarray(picture))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "JPEG2000"])
def test_lossy_formats_give_nearly_their_pixels(kind: str) -> None:
    picture = pillow.new("RGB", (16, 8), (204, 102, 51))
    assert close(decode(encoded(picture, kind)), (204, 102, 51), tolerance=6)


@pytest.mark.parametrize("kind", [str, Path, "bytes", "pillow", "array", "entry"])
def test_every_way_to_hand_over_an_image_gives_the_same(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "wörd 1.png"
    path.write_bytes(encoded(pillow.fromarray(COLOURS), "PNG"))
    with pillow.open(path) as opened, os.scandir(os.fsencode(tmp_path)) as entries:
        ways: dict[Any, Any] = {
            str: str(path),
            Path: path,
            "bytes": path.read_bytes(),
            "pillow": opened,
            "array": COLOURS,
            "entry": next(entries),
        }
        assert close(decode(ways[kind]), COLOURS)


WHITE: dict[str, Any] = {"1": 1, "CMYK": 0, "YCbCr": (255, 128, 128), "HSV": (0, 0, 255), "LAB": (255, 128, 128)}


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"])
def test_white_is_white_in_every_opaque_mode(mode: str) -> None:
    assert close(decode(pillow.new(mode, (6, 4), WHITE.get(mode, "white"))), 255, tolerance=1)


def test_one_bit_is_black_and_white() -> None:
    bits = RAMP > 120
    assert close(decode(encoded(pillow.fromarray(bits), "PNG")), grey(bits * 255))


def test_a_palette_gives_its_colours() -> None:
    picture = pillow.fromarray(COLOURS).quantize(24)
    assert close(decode(encoded(picture, "PNG")), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted(kind: str) -> None:
    # Photoshop and Pillow store the inks of JPEG inverted and mark them so; in TIFF they are as they are.
    cyan = pillow.new("CMYK", (16, 8), (255, 0, 0, 0))
    assert close(decode(encoded(cyan, kind)), (0, 255, 255), tolerance=3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(kind: str) -> None:
    deep = RAMP.astype(np.uint16) * 257
    assert close(decode(encoded(pillow.fromarray(deep), kind)), grey(RAMP))


def test_16_bit_grey_with_a_transparent_shade_is_scaled() -> None:
    deep = RAMP.astype(np.uint16) * 257
    assert close(decode(encoded(pillow.fromarray(deep), "PNG", transparency=3)), grey(RAMP))


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_tiff_of_either_byte_order_is_scaled(order: str) -> None:
    mode = {"<": "I;16", ">": "I;16B"}[order]
    deep = (RAMP.astype(np.uint16) * 257).astype(f"{order}u2")
    assert close(decode(encoded(pillow.frombytes(mode, (6, 4), deep.tobytes()), "TIFF")), grey(RAMP))


@pytest.mark.parametrize("factor", [1, 257])
def test_32_bit_grey_is_taken_for_8_or_16_bits_by_its_values(factor: int) -> None:
    assert close(decode(pillow.fromarray(RAMP.astype(np.int32) * factor)), grey(RAMP))


@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_float_tiff_is_taken_for_0_to_1_or_0_to_255_by_its_values(scale: float) -> None:
    picture = pillow.fromarray(RAMP.astype(np.float32) * np.float32(scale))
    assert close(decode(encoded(picture, "TIFF")), grey(RAMP))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_greys_of_no_known_range_are_stretched(kind: type[np.generic]) -> None:
    values = (RAMP.astype(np.float64) - 115) * 1000
    picture = decode(pillow.fromarray(values.astype(kind)))
    assert (picture.min(), picture.max()) == (0, 255)


def test_floats_that_are_not_finite_do_no_harm() -> None:
    values = RAMP.astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    picture = decode(encoded(pillow.fromarray(values), "TIFF"))
    assert close(picture[1:], grey(RAMP)[1:])
    assert picture[0, 1, 0] == RAMP.max()
    assert close(decode(pillow.fromarray(np.full((4, 6), np.nan, np.float32))), 0)


def text_on_nothing(ink: tuple[int, int, int]) -> pillow.Image:
    picture = pillow.new("RGBA", (12, 8), (*ink, 0))
    picture.paste((*ink, 255), (4, 2, 8, 6))
    return picture


@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255), (200, 0, 0), (255, 255, 0)])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_text_on_transparency_stays_visible(ink: tuple[int, int, int], kind: str) -> None:
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    picture = decode(encoded(text_on_nothing(ink), kind, **options)).astype(int)
    assert picture[4, 6].tolist() == list(ink)
    assert abs(picture[4, 6] - picture[0, 0]).max() >= 128


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("mode", ["LA", "PA", "La", "RGBa", "P", "L"])
def test_every_kind_of_transparency_keeps_text_visible(mode: str, level: int) -> None:
    picture = text_on_nothing((level, level, level))
    if mode == "P":
        picture = pillow.open(io.BytesIO(encoded(picture, "GIF")))
    elif mode == "L":
        other = pillow.new("L", (12, 8), 77)
        other.paste(level, (4, 2, 8, 6))
        picture = pillow.open(io.BytesIO(encoded(other, "PNG", transparency=77)))
    elif mode == "La":
        picture = picture.convert("LA").convert("La")
    elif mode == "PA":
        alpha = picture.getchannel("A")
        picture = picture.convert("RGB").convert("P")
        picture.putalpha(alpha)
    else:
        picture = picture.convert(mode)
    assert picture.mode == mode
    result = decode(picture)
    assert result[4, 6, 0] == level
    assert result[0, 0, 0] == 255 - level


def test_half_transparent_pixels_are_blended() -> None:
    picture = pillow.new("RGBA", (4, 4), (0, 0, 0, 51))
    assert close(decode(picture), 204)


def test_an_image_with_nothing_visible_is_white() -> None:
    assert close(decode(pillow.new("RGBA", (4, 4), (9, 9, 9, 0))), 255)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_taken(kind: str) -> None:
    frames = [pillow.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    assert close(decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)), (255, 0, 0))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(kind: str, orientation: int) -> None:
    # What a camera held that way would store, so that undoing it gives the upright picture.
    stored = {
        1: COLOURS,
        2: COLOURS[:, ::-1],
        3: COLOURS[::-1, ::-1],
        4: COLOURS[::-1],
        5: COLOURS.transpose(1, 0, 2),
        6: np.rot90(COLOURS),
        7: COLOURS[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(COLOURS, 3),
    }[orientation]
    exif = pillow.Exif()
    exif[ORIENTATION] = orientation
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(pillow.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options)
    assert close(decode(content), COLOURS)


def test_exif_orientation_of_a_jpeg_is_undone() -> None:
    exif = pillow.Exif()
    exif[ORIENTATION] = 6
    assert decode(encoded(pillow.new("RGB", (40, 16)), "JPEG", exif=exif)).shape == (40, 16, 3)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_broken_exif_leaves_the_picture_readable(exif: bytes) -> None:
    picture = pillow.new("RGB", (16, 8), "white")
    assert close(decode(encoded(picture, "JPEG", exif=exif)), 255)


@pytest.mark.parametrize("value", [0, 9, 77])
def test_an_orientation_that_does_not_exist_is_ignored(value: int) -> None:
    exif = pillow.Exif()
    exif[ORIENTATION] = value
    assert close(decode(encoded(pillow.fromarray(COLOURS), "PNG", exif=exif)), COLOURS)


@pytest.mark.parametrize("array", [RAMP, RAMP[..., None], COLOURS, np.dstack([COLOURS, np.full_like(RAMP, 255)])])
def test_arrays_of_every_documented_shape_are_taken(array: NDArray[np.uint8]) -> None:
    expected = COLOURS if array.ndim == 3 and array.shape[2] > 1 else grey(RAMP)
    assert close(decode(array), expected)


@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_read_only_and_strided_arrays_are_taken(channels: int) -> None:
    shape = (9, 14, channels) if channels else (9, 14)
    whole = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    view = whole[::-2, 1::3]
    view.flags.writeable = False
    before = view.copy()
    assert close(decode(view), decode(np.ascontiguousarray(view)))
    assert np.array_equal(view, before)
    turned = whole.swapaxes(0, 1)
    assert close(decode(turned), decode(turned.copy()))


def test_transparent_arrays_are_put_on_a_background() -> None:
    assert close(decode(np.asarray(text_on_nothing((0, 0, 0))))[0, 0], 255)


def test_an_image_of_pillow_is_not_changed() -> None:
    picture = noise().quantize(8)
    before = picture.copy()
    decode(picture)
    assert picture == before


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_a_jpeg_has_the_pixels_that_pillow_gives_it(subsampling: str, progressive: bool, grey: bool) -> None:
    for quality, width in ((30, 60), (90, 37), (75, 2)):
        picture = noise(31, width).resize((width, 31), pillow.Resampling.BOX).convert("L" if grey else "RGB")
        content = encoded(picture, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
        with pillow.open(io.BytesIO(content)) as opened:
            assert close(decode(content), np.asarray(opened.convert("RGB")))


def outcome(content: bytes) -> str | tuple[tuple[int, ...], bytes]:
    try:
        picture = decode(content)
        return picture.shape, picture.tobytes()
    except ImageError as error:
        return str(error)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_jpeg_comes_out_the_same_without_simplejpeg(data: st.DataObject) -> None:
    pytest.importorskip("simplejpeg")
    turned = pillow.Exif()
    turned[ORIENTATION] = data.draw(st.sampled_from([1, 3, 6]))
    options: dict[str, Any] = data.draw(st.sampled_from([{}, {"progressive": True}, {"exif": turned}, {"quality": 20}]))
    mode = data.draw(st.sampled_from(["RGB", "L", "CMYK", "YCbCr"]))
    content = bytearray(encoded(noise(12, 20).convert(mode), "JPEG", **options))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    with_it = outcome(bytes(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("wildtext.images.decode"), "_turbo", None)
        assert outcome(bytes(content)) == with_it


# What is not


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", r"empty \(0 bytes\)", id="empty"),
        pytest.param(b"Dear reader,\n", "not an image in a format", id="text"),
        pytest.param(b"\0" * 1000, "not an image in a format", id="zeros"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "not an image|cannot be decoded", id="signature alone"),
        pytest.param(b"\xff\xd8\xff", "not an image|cannot be decoded", id="start of a JPEG alone"),
        pytest.param(png_header(60_000, 60_000), "too large: more than 64,000,000 pixels", id="bomb"),
        pytest.param(png_header(10_000, 10_000), "too large: 10000 x 10000 pixels", id="bomb that makes Pillow warn"),
        pytest.param(png_header(8_001, 8_000), "too large: 8001 x 8000 pixels", id="bomb that Pillow would decode"),
        pytest.param(png_header(0, 5), "too small|not an image|cannot be decoded", id="no pixels"),
        pytest.param(encoded(pillow.new("RGB", (1, 1)), "PNG"), "too small: 1 x 1 pixels", id="one pixel"),
        pytest.param(encoded(pillow.new("RGB", (90, 1)), "PNG"), "too small: 90 x 1 pixels", id="one row"),
        pytest.param(encoded(noise(), "EPS"), "EPS files are not read", id="program"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image in a format", id="drawing"),
    ],
)
def test_a_file_that_is_no_usable_image_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "crop.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        decode(path)
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(ImageError, match=reason):
        decode(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000"])
def test_a_truncated_file_is_named_with_the_reason(tmp_path: Path, kind: str) -> None:
    content = encoded(noise(), kind)
    path = tmp_path / "half"
    for share in (0.2, 0.5, 0.8):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ImageError, match=r"half: (cannot be decoded: .+|not an image in a format)"):
            decode(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_damage_raises_anything_but_an_image_error(kind: str, data: st.DataObject) -> None:
    content = bytearray(encoded(noise(12, 20), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode(bytes(content))
    except ImageError:
        return
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert picture.dtype == np.uint8


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.png", "No such file"),
        ("", "this is a folder"),
        ("no\0file", "null"),
        ("x" * 300, "too long"),
    ],
)
def test_a_path_that_cannot_be_opened_is_named_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        decode(str(tmp_path / name))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 6), np.float32),
        np.zeros((4, 6, 3), np.uint16),
        np.zeros((4, 6), bool),
        np.zeros((4, 6), object),
        np.zeros((3, 4, 6), np.uint8),
        np.zeros((4, 6, 2), np.uint8),
        np.zeros((1, 4, 6, 3), np.uint8),
        np.zeros(6, np.uint8),
        np.zeros((), np.uint8),
        np.array("text"),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_other_arrays_are_refused_with_their_type_and_shape(array: NDArray[Any]) -> None:
    with pytest.raises(ImageError, match="an array must be uint8 of shape") as caught:
        decode(array)
    assert f"not {array.dtype} of shape {array.shape}" in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 6, 3), (4, 0), (0, 0, 4)])
def test_empty_arrays_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="empty"):
        decode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(1, 6), (4, 1, 3), (60_000, 60_000), (60_000, 60_000, 4)])
def test_arrays_of_a_useless_size_are_refused_before_they_are_copied(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"too (small|large): \d+ x \d+ pixels"):
        decode(np.broadcast_to(np.uint8(0), shape))


def test_an_image_of_pillow_that_is_closed_is_refused() -> None:
    picture = pillow.open(io.BytesIO(encoded(noise(), "PNG")))
    picture.close()
    with pytest.raises(ImageError, match="closed"):
        decode(picture)


def test_an_image_of_pillow_that_is_truncated_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.jpg"
    path.write_bytes(encoded(noise(), "JPEG")[:700])
    with pillow.open(path) as picture, pytest.raises(ImageError, match="cannot be decoded") as caught:
        decode(picture)
    assert str(path) in str(caught.value)


def test_an_image_of_pillow_without_pixels_is_refused() -> None:
    with pytest.raises(ImageError, match="too small"):
        decode(pillow.new("RGB", (0, 4)))


@pytest.mark.parametrize("thing", [None, 7, io.BytesIO(b"x"), [COLOURS]])
def test_other_things_are_refused_by_their_type(thing: Any) -> None:
    with pytest.raises(ImageError, match=type(thing).__name__):
        decode(thing)


def test_threads_leave_the_filters_of_warnings_as_they_were() -> None:
    before = list(warnings.filters)
    content = encoded(noise(), "PNG")
    threads = [threading.Thread(target=lambda: [decode(content) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
