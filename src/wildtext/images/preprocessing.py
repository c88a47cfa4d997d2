"""What happens to one image before a model sees it: a pure function, stored in every bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.errors import ConfigError
from wildtext.images import opencv
from wildtext.types import Floats, Image

Color = Literal["RGB", "BGR", "grey"]
Interpolation = Literal["bicubic", "bilinear", "opencv-bilinear"]
Rounding = Literal["up", "down", "nearest"]
Vertical = Literal["none", "rotate", "best-of"]

_FILTERS = {"bicubic": pillow.Resampling.BICUBIC, "bilinear": pillow.Resampling.BILINEAR}


class Place(NamedTuple):
    """The canvas that one image gets.

    Attributes:
        height, width: of the canvas.
        content: columns of it, from the left, that the image fills.
    """

    height: int
    width: int
    content: int


@dataclass(frozen=True)
class Fixed:
    """Every image is stretched to one size, whatever its aspect."""

    height: int
    width: int

    def __post_init__(self) -> None:
        _check_size(self.height, self.width)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of every canvas that there is: here only one."""
        return ((self.height, self.width),)

    def place(self, height: int, width: int) -> Place:
        """The canvas that an image of this size gets."""
        return Place(self.height, self.width, self.width)


@dataclass(frozen=True)
class Padded:
    """The image keeps its aspect within limits and is padded on the right.

    The content is `width * self.height / height` pixels wide, rounded to a multiple of `multiple` and kept within
    `min_width`, but at least 1, and `width`; the canvas is always `width` wide.

    Attributes:
        height, width: of the canvas.
        min_width: the least width of the content.
        multiple: the content is so many pixels wide, or twice as many, and so on.
        rounding: how it gets there. `up` is our own way, and suits PaddleOCR's SRN with a multiple of 64 (one, two,
            three or four squares). The others exist for imported weights, whose training data was fitted so: `down`
            cuts off what is left over (crnn_seq2seq_ocr), and `nearest` takes whole pixels, rounded up, and then the
            nearest multiple, halves to the even one (RobustScanner).
    """

    height: int
    width: int
    min_width: int
    multiple: int = 1
    rounding: Rounding = "up"

    def __post_init__(self) -> None:
        _check_size(self.height, self.width)
        if not 0 <= self.min_width <= self.width or self.multiple < 1:
            raise ConfigError(
                f"a padded canvas needs 0 <= min_width <= width and multiple >= 1, not min_width {self.min_width}, "
                f"width {self.width}, multiple {self.multiple}"
            )
        if self.rounding not in get_args(Rounding):
            raise ConfigError(f"rounding {self.rounding!r} is unknown; choose from {', '.join(get_args(Rounding))}")

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of every canvas that there is: here only one."""
        return ((self.height, self.width),)

    def place(self, height: int, width: int) -> Place:
        """The canvas that an image of this size gets."""
        if self.rounding == "up":
            steps = -(-width * self.height // (height * self.multiple))
        elif self.rounding == "down":
            steps = width * self.height // (height * self.multiple)
        else:
            steps = round(-(-width * self.height // height) / self.multiple)
        return Place(self.height, self.width, min(max(steps * self.multiple, self.min_width, 1), self.width))


@dataclass(frozen=True)
class Buckets:
    """Every image is stretched to the size for its aspect: the multi-size resizing of SVTRv2 (Du et al. 2025).

    An image that is about r times as wide as high, r = `width / height` rounded to the nearest whole number (halves to
    the even one), gets the size number r. The first size is also for what is narrower, the last for what is wider.

    Attributes:
        sizes: (height, width) of the canvases for r = 1, 2, 3 and so on.
    """

    sizes: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ConfigError("a canvas of buckets needs at least one size")
        for height, width in self.sizes:
            _check_size(height, width)

    def place(self, height: int, width: int) -> Place:
        """The canvas that an image of this size gets."""
        ratio = min(max(round(width / height), 1), len(self.sizes))
        canvas_height, canvas_width = self.sizes[ratio - 1]
        return Place(canvas_height, canvas_width, canvas_width)


Canvas = Fixed | Padded | Buckets

_CANVASES: dict[str, type[Fixed] | type[Padded] | type[Buckets]] = {
    "fixed": Fixed,
    "padded": Padded,
    "buckets": Buckets,
}


def _check_size(height: int, width: int) -> None:
    if min(height, width) < 1:
        raise ConfigError(f"a canvas of {height} x {width} pixels holds nothing; give at least 1 x 1")


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes model input.

    The canvas depends on the image and these settings alone, never on other images, so a reading cannot change with
    the batch around it.

    Attributes:
        canvas: the size that images are brought to.
        color: channel order of the model's input; `grey` has one channel (ITU-R 601 luma).
        interpolation: `bicubic` and `bilinear` are Pillow's filters, antialiased when they shrink. `opencv-bilinear`
            does, pixel for pixel, what `cv2.resize` does, which is not antialiased; imported weights have it that were
            trained so. With it, grey is taken after resizing, with OpenCV's rounding.
        scale, mean, std: model input is ``(pixel * scale - mean) / std``; mean and std have one value or one a channel.
        pad_value: value of padded columns, after normalisation.
        vertical: what happens to crops at least twice as high as wide. `rotate` turns them counter-clockwise, `best-of`
            also reads them upright and turned clockwise, and the most confident reading wins.
    """

    canvas: Canvas
    color: Color = "RGB"
    interpolation: Interpolation = "bicubic"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    pad_value: float = 0.0
    vertical: Vertical = "best-of"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("color", self.color, get_args(Color)),
            ("interpolation", self.interpolation, get_args(Interpolation)),
            ("vertical", self.vertical, get_args(Vertical)),
        ):
            if value not in known:
                raise ConfigError(f"{name} {value!r} is unknown; choose from {', '.join(known)}")
        if {len(self.mean), len(self.std)} - {1, self.channels}:
            raise ConfigError(
                f"mean and std need one value, or one for each of {self.channels} channels of {self.color} input, "
                f"not {len(self.mean)} and {len(self.std)}"
            )
        if 0 in self.std:
            raise ConfigError(f"std divides pixels, so none of its values may be 0: {self.std}")

    @property
    def channels(self) -> int:
        """Channels of the model's input."""
        return 1 if self.color == "grey" else 3

    def orientations(self, image: Image) -> list[tuple[int, Image]]:
        """The ways to try this image: degrees turned counter-clockwise, and the turned image."""
        if self.vertical == "none" or image.shape[0] < 2 * image.shape[1]:
            return [(0, image)]
        if self.vertical == "rotate":
            return [(90, np.rot90(image))]
        return [(0, image), (90, np.rot90(image)), (270, np.rot90(image, 3))]

    def fit(self, image: Image) -> tuple[NDArray[np.uint8], float]:
        """Bring an image to the canvas.

        Args:
            image: (h, w, 3) uint8 RGB.

        Returns:
            The canvas, (H, W, C) uint8 (padding is zero until `normalize`), and the share of its width that the image
            fills, in (0, 1].
        """
        place = self.canvas.place(*image.shape[:2])
        if self.interpolation == "opencv-bilinear":
            resized = self._resize_as_opencv(image, place)
        else:
            resized = self._resize_as_pillow(image, place)
        if self.color == "BGR":
            resized = resized[..., ::-1]
        if place.content == place.width:
            return np.ascontiguousarray(resized), 1.0
        canvas = np.zeros((place.height, place.width, self.channels), np.uint8)
        canvas[:, : place.content] = resized
        return canvas, place.content / place.width

    def _resize_as_pillow(self, image: Image, place: Place) -> NDArray[np.uint8]:
        """(canvas height, content, C), BGR still as RGB."""
        # Half as long as `fromarray`, which is general.
        picture = pillow.frombytes("RGB", (image.shape[1], image.shape[0]), np.ascontiguousarray(image).data)
        if self.color == "grey":
            picture = picture.convert("L")
        resized = np.asarray(picture.resize((place.content, place.height), _FILTERS[self.interpolation]))
        return resized.reshape(place.height, place.content, self.channels)

    def _resize_as_opencv(self, image: Image, place: Place) -> NDArray[np.uint8]:
        """(canvas height, content, C), BGR still as RGB."""
        resized = opencv.resize(image, place.height, place.content)
        if self.color != "grey":
            return resized
        red, green, blue = resized.astype(np.int32).transpose(2, 0, 1)
        grey: NDArray[np.int32] = opencv.grey(red, green, blue)
        return grey.astype(np.uint8)[:, :, None]

    def normalize(self, canvases: NDArray[np.uint8], valid_width: Sequence[float] | Floats) -> Floats:
        """Turn canvases into model input.

        Args:
            canvases: (N, H, W, C) uint8 from `fit`, all of one size.
            valid_width: N shares from `fit`.

        Returns:
            (N, C, H, W) float32.
        """
        values: Floats = canvases.transpose(0, 3, 1, 2).astype(np.float32, order="C")
        # In place, as the memory of new arrays costs more than the arithmetic.
        values *= np.float32(self.scale)
        values -= _per_channel(self.mean)
        values /= _per_channel(self.std)
        for row, share in zip(values, valid_width, strict=True):
            if share < 1:
                row[:, :, round(share * canvases.shape[2]) :] = self.pad_value
        return values

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = asdict(self)
        values["canvas"] = {"kind": type(self.canvas).__name__.lower(), **asdict(self.canvas)}
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """The inverse of `to_dict`.

        Raises:
            ConfigError: the canvas is of a kind that this version does not know, or a value makes no sense.
        """
        values = dict(values)
        canvas = dict(values.pop("canvas"))
        kind = canvas.pop("kind")
        if kind not in _CANVASES:
            raise ConfigError(f"unknown kind of canvas {kind!r}; this version knows {', '.join(_CANVASES)}")
        if kind == "buckets":
            canvas["sizes"] = tuple((int(height), int(width)) for height, width in canvas["sizes"])
        values["mean"], values["std"] = tuple(values["mean"]), tuple(values["std"])
        return cls(canvas=_CANVASES[kind](**canvas), **values)


def _per_channel(values: tuple[float, ...]) -> Floats:
    return np.asarray(values, np.float32).reshape(1, -1, 1, 1)
