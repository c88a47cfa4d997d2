"""Preprocessing: from one picture to model input, and back from JSON."""

import json
import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildtext.errors import ConfigError
from wildtext.images import Buckets, Canvas, Fixed, Padded, Preprocessing
from wildtext.images.preprocessing import Rounding
from wildtext.types import Image

OPENCV: dict[str, Image] = dict(np.load(Path(__file__).with_name("opencv_bilinear.npz")))
"""What OpenCV 4.13.0 (cv2.resize, cv2.cvtColor) makes of `noise`: ``0-7x5-16x40-RGB`` is number 0, 5 wide, made 40."""

PADDED = Preprocessing(Padded(32, 128, min_width=32, multiple=4))


def picture(height: int, width: int) -> Image:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def noise(height: int, width: int, number: int) -> Image:
    """What OpenCV was given as its picture `number`: noise, every other time in hard black and white."""
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
    return np.where(pixels > 127, 255, 0).astype(np.uint8) if number % 2 else pixels


def flat(colour: tuple[int, int, int], height: int = 8, width: int = 20) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize("canvas", [Fixed(32, 100), Padded(32, 100, min_width=10)])
@pytest.mark.parametrize("color", ["RGB", "BGR", "grey"])
@pytest.mark.parametrize("interpolation", ["bicubic", "opencv-bilinear"])
def test_fitting_is_a_pure_function(canvas: Fixed | Padded, color: Any, interpolation: Any) -> None:
    preprocessing = Preprocessing(canvas, color=color, interpolation=interpolation)
    image = picture(20, 30)
    image.flags.writeable = False
    before = image.copy()
    first, share = preprocessing.fit(image)
    preprocessing.fit(picture(5, 90))
    again, same_share = preprocessing.fit(image)
    assert np.array_equal(first, again)
    assert share == same_share
    assert np.array_equal(image, before)


@pytest.mark.parametrize(("height", "width"), [(2, 2), (10, 300), (300, 10), (32, 100)])
def test_a_fixed_canvas_is_filled_whatever_the_aspect(height: int, width: int) -> None:
    canvas, share = Preprocessing(Fixed(32, 100)).fit(picture(height, width))
    assert canvas.shape == (32, 100, 3)
    assert canvas.dtype == np.uint8
    assert share == 1.0


def test_an_image_of_the_size_of_the_canvas_stays_as_it_is() -> None:
    image = picture(32, 128)
    canvas, _ = PADDED.fit(image)
    assert np.array_equal(canvas, image)


@pytest.mark.parametrize(
    ("height", "width", "content"),
    [
        pytest.param(32, 64, 64, id="as it is"),
        pytest.param(64, 128, 64, id="shrunk"),
        pytest.param(16, 31, 64, id="rounded up to a multiple of 4"),
        pytest.param(32, 61, 64, id="rounded up to a multiple of 4"),
        pytest.param(32, 5, 32, id="no narrower than min_width"),
        pytest.param(2, 90_000, 128, id="no wider than the canvas"),
        pytest.param(90_000, 2, 32, id="very high"),
    ],
)
def test_padded_content_keeps_its_aspect_within_limits(height: int, width: int, content: int) -> None:
    assert PADDED.canvas.place(height, width).content == content


@pytest.mark.parametrize(
    ("height", "width", "content"),
    [(50, 10, 64), (50, 50, 64), (50, 51, 128), (50, 100, 128), (50, 101, 192), (50, 150, 192), (50, 151, 256)],
)
def test_paddleocr_gives_srn_one_to_four_squares(height: int, width: int, content: int) -> None:
    assert Padded(64, 256, min_width=64, multiple=64).place(height, width).content == content


SIZES = list(product(range(1, 301), repeat=2))


def robustscanner(height: int, width: int) -> int:
    """The width that PaddleOCR and mmocr give RobustScanner, as they compute it."""
    content = math.ceil(48 * (width / float(height)))
    if content % 4:
        content = round(content / 4) * 4
    return min(max(content, 48), 160)


@pytest.mark.parametrize(
    ("canvas", "reference"),
    [
        pytest.param(Padded(48, 160, 48, 4, "nearest"), robustscanner, id="RobustScanner"),
        pytest.param(Padded(32, 280, 1, 1, "down"), lambda h, w: min(max(int(w * 32 / h), 1), 280), id="seq2seq"),
    ],
)
def test_widths_are_those_of_the_references(canvas: Padded, reference: Any) -> None:
    assert all(canvas.place(*size).content == reference(*size) for size in SIZES)


@pytest.mark.parametrize(
    ("rounding", "widths"),
    [("up", [4, 4, 4, 8, 8, 8, 8, 12]), ("down", [1, 1, 4, 4, 4, 4, 8, 8]), ("nearest", [1, 1, 4, 4, 8, 8, 8, 8])],
)
def test_widths_are_rounded_as_declared(rounding: Rounding, widths: list[int]) -> None:
    canvas = Padded(10, 100, 0, 4, rounding)
    assert [canvas.place(10, width).content for width in (1, 2, 4, 5, 6, 7, 8, 10)] == widths


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 64), st.integers(1, 300), st.integers(1, 16), st.data())
def test_padded_content_is_never_narrower_than_its_aspect_asks(
    height: int, width: int, high: int, wide: int, multiple: int, data: st.DataObject
) -> None:
    canvas = Padded(high, wide, data.draw(st.integers(0, wide)), multiple)
    content = canvas.place(height, width).content
    assert 1 <= content <= wide
    assert content == wide or content >= width * high / height
    assert content in (wide, canvas.min_width) or content % multiple == 0


SVTRV2 = Buckets(((64, 64), (48, 96), (40, 112), *((32, 32 * ratio) for ratio in range(4, 13))))


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        pytest.param(40, 10, (64, 64), id="tall"),
        pytest.param(40, 40, (64, 64), id="square"),
        pytest.param(20, 29, (64, 64), id="up to one and a half squares"),
        pytest.param(20, 30, (48, 96), id="halves go to the even ratio above"),
        pytest.param(20, 50, (48, 96), id="or below"),
        pytest.param(20, 51, (40, 112), id="three squares"),
        pytest.param(20, 70, (32, 128), id="four squares"),
        pytest.param(20, 90, (32, 128), id="four and a half squares"),
        pytest.param(20, 91, (32, 160), id="five squares"),
        pytest.param(20, 240, (32, 384), id="twelve squares"),
        pytest.param(20, 9000, (32, 384), id="wider than all"),
    ],
)
def test_an_image_goes_to_the_bucket_for_its_aspect(height: int, width: int, size: tuple[int, int]) -> None:
    assert SVTRV2.place(height, width) == (*size, size[1])
    canvas, share = Preprocessing(SVTRV2).fit(picture(height, width))
    assert (canvas.shape, share) == ((*size, 3), 1.0)
    # It is stretched to the bucket as it would be to a canvas of that size alone.
    assert np.array_equal(canvas, Preprocessing(Fixed(*size)).fit(picture(height, width))[0])


@pytest.mark.parametrize("canvas", [SVTRV2, Fixed(32, 100), Padded(32, 100, 10)])
@given(st.integers(1, 500), st.integers(1, 5000))
def test_all_places_are_of_the_sizes_that_a_canvas_names(canvas: Canvas, height: int, width: int) -> None:
    place = canvas.place(height, width)
    assert (place.height, place.width) in canvas.sizes
    assert 1 <= place.content <= place.width


def test_canvases_of_a_bucket_are_normalised_together() -> None:
    preprocessing = Preprocessing(SVTRV2)
    fitted = [preprocessing.fit(picture(20, width))[0] for width in (55, 60, 65)]
    assert preprocessing.normalize(np.stack(fitted), [1.0] * 3).shape == (3, 3, 40, 112)


def test_buckets_that_hold_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one size"):
        Buckets(())
    with pytest.raises(ConfigError, match="0 x 32 pixels holds nothing"):
        Buckets(((32, 32), (0, 32)))


@settings(deadline=None)
@given(st.integers(2, 60), st.integers(2, 300))
def test_the_valid_share_tells_where_padding_begins(height: int, width: int) -> None:
    canvas, share = PADDED.fit(flat((255, 255, 255), height, width))
    content = round(share * 128)
    assert 0 < share <= 1
    assert content == PADDED.canvas.place(height, width).content
    assert canvas[:, :content].min() == 255
    assert content == 128 or canvas[:, content:].max() == 0


def test_padding_has_its_value_after_normalisation() -> None:
    preprocessing = replace(PADDED, pad_value=-7.0)
    fitted = [preprocessing.fit(flat((255, 255, 255), 32, width)) for width in (40, 128)]
    shares = np.array([share for _, share in fitted], np.float32)
    images = preprocessing.normalize(np.stack([canvas for canvas, _ in fitted]), shares)
    assert set(images[0, :, :, 40:].ravel()) == {-7.0}
    assert set(images[0, :, :, :40].ravel()) == {1.0}
    assert set(images[1].ravel()) == {1.0}


@pytest.mark.parametrize("width", range(1, 700, 13))
def test_shares_of_single_precision_still_find_the_first_padded_column(width: int) -> None:
    preprocessing = Preprocessing(Padded(4, 700, min_width=1), pad_value=9.0)
    canvas, share = preprocessing.fit(flat((0, 0, 0), 4, width))
    row = preprocessing.normalize(canvas[None], np.array([share], np.float32))[0, 0, 0]
    assert np.flatnonzero(row == 9.0).tolist() == list(range(width, 700))


@pytest.mark.parametrize(("color", "channels"), [("RGB", [200, 100, 50]), ("BGR", [50, 100, 200]), ("grey", [124])])
def test_channels_come_in_the_declared_order(color: Any, channels: list[int]) -> None:
    preprocessing = Preprocessing(Fixed(8, 20), color=color)
    canvas, _ = preprocessing.fit(flat((200, 100, 50)))
    assert canvas.shape == (8, 20, preprocessing.channels)
    assert canvas[3, 5].tolist() == channels


def test_normalisation_is_per_channel() -> None:
    preprocessing = Preprocessing(Fixed(8, 20), mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 4.0))
    canvas, share = preprocessing.fit(flat((255, 0, 51)))
    images = preprocessing.normalize(canvas[None], [share])
    assert images.shape == (1, 3, 8, 20)
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    assert images[0, :, 0, 0] == pytest.approx([0.9, -0.1, -0.025])


def test_normalising_does_not_change_the_canvases() -> None:
    canvas, share = PADDED.fit(picture(32, 40))
    before = canvas.copy()
    PADDED.normalize(canvas[None], [share])
    assert np.array_equal(canvas, before)


def test_an_image_does_not_depend_on_its_batch() -> None:
    fitted = [PADDED.fit(picture(32, width)) for width in (40, 90, 200)]
    together = PADDED.normalize(np.stack([canvas for canvas, _ in fitted]), [share for _, share in fitted])
    for row, (canvas, share) in zip(together, fitted, strict=True):
        assert np.array_equal(row, PADDED.normalize(canvas[None], [share])[0])


@pytest.mark.parametrize("name", OPENCV)
def test_every_pixel_is_that_of_opencv(name: str) -> None:
    number, before, after, color = name.split("-")
    (high, wide), (height, width) = (map(int, size.split("x")) for size in (before, after))
    colors: Any = color
    preprocessing = Preprocessing(Fixed(height, width), color=colors, interpolation="opencv-bilinear")
    image = noise(high, wide, int(number))
    wanted = OPENCV[name].reshape(height, width, preprocessing.channels)
    assert np.array_equal(preprocessing.fit(image)[0], wanted)
    # Turned crops are views of the picture with other strides.
    assert np.array_equal(preprocessing.fit(np.rot90(np.rot90(image, 3).copy()))[0], wanted)


def test_resizing_as_opencv_does_not_smooth_what_it_shrinks() -> None:
    stripes = np.zeros((32, 400, 3), np.uint8)
    stripes[:, ::4] = 255
    smooth, jagged = (
        Preprocessing(Fixed(32, 100), interpolation=interpolation).fit(stripes)[0]
        for interpolation in ("bilinear", "opencv-bilinear")
    )
    assert smooth[:, 5:-5].min() > 20
    assert jagged.max() == 0


@pytest.mark.parametrize(("vertical", "angles"), [("none", [0]), ("rotate", [90]), ("best-of", [0, 90, 270])])
def test_high_crops_are_turned_as_declared(vertical: Any, angles: list[int]) -> None:
    image = picture(20, 10)
    turned = Preprocessing(Fixed(8, 20), vertical=vertical).orientations(image)
    assert [angle for angle, _ in turned] == angles
    for angle, view in turned:
        assert np.array_equal(view, np.rot90(image, angle // 90))


@pytest.mark.parametrize("vertical", ["none", "rotate", "best-of"])
def test_other_crops_stay_upright(vertical: Any) -> None:
    image = picture(19, 10)
    assert [angle for angle, _ in Preprocessing(Fixed(8, 20), vertical=vertical).orientations(image)] == [0]


def test_turned_crops_can_be_fitted() -> None:
    image = picture(40, 10)
    for _, view in PADDED.orientations(image):
        assert np.array_equal(PADDED.fit(view)[0], PADDED.fit(view.copy())[0])


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(Fixed(32, 100)),
        Preprocessing(Padded(48, 320, min_width=48, multiple=8), color="BGR", vertical="rotate", pad_value=-1.0),
        Preprocessing(Fixed(32, 128), "RGB", "bilinear", 1 / 127.5, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        Preprocessing(Fixed(32, 128), "grey", scale=0.1, vertical="none"),
        Preprocessing(Padded(48, 160, 48, 4, "nearest"), "BGR", "opencv-bilinear"),
        Preprocessing(SVTRV2),
    ],
)
def test_settings_survive_json(preprocessing: Preprocessing) -> None:
    assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing


def test_reading_settings_does_not_change_them() -> None:
    values = PADDED.to_dict()
    Preprocessing.from_dict(values)
    assert values == PADDED.to_dict()


def test_settings_from_before_widths_could_be_rounded_down_are_read() -> None:
    values = PADDED.to_dict()
    del values["canvas"]["rounding"]
    assert Preprocessing.from_dict(values) == PADDED


def test_a_canvas_of_a_newer_version_is_named() -> None:
    values = PADDED.to_dict() | {"canvas": {"kind": "spiral", "turns": 3}}
    with pytest.raises(ConfigError, match="unknown kind of canvas 'spiral'; this version knows fixed, padded, buckets"):
        Preprocessing.from_dict(values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"color": "gray"}, "color 'gray' is unknown; choose from RGB, BGR, grey"),
        ({"interpolation": "lanczos"}, "interpolation 'lanczos'"),
        ({"vertical": "up"}, "vertical 'up'"),
        ({"mean": (0.1, 0.2)}, "one for each of 3 channels of RGB input, not 2 and 1"),
        ({"std": ()}, "mean and std need one value"),
        ({"color": "grey", "mean": (0.1, 0.2, 0.3)}, "one for each of 1 channels of grey"),
        ({"std": (0.5, 0.0, 0.5)}, "none of its values may be 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(PADDED, **changes)


@pytest.mark.parametrize("sizes", [(0, 100), (32, 0), (-1, 5)])
def test_a_canvas_without_pixels_is_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="holds nothing"):
        Fixed(*sizes)
    with pytest.raises(ConfigError, match="holds nothing"):
        Padded(*sizes, min_width=0)


@pytest.mark.parametrize(("min_width", "multiple"), [(101, 1), (-1, 1), (10, 0)])
def test_limits_of_a_padded_canvas_that_contradict_each_other_are_refused(min_width: int, multiple: int) -> None:
    with pytest.raises(ConfigError, match="a padded canvas needs"):
        Padded(32, 100, min_width, multiple)


def test_a_rounding_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="rounding 'off' is unknown; choose from up, down, nearest"):
        Padded(32, 100, 10, rounding="off")  # type: ignore[arg-type]
