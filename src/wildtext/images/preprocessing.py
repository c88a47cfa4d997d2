"""What happens to one image before a model sees it: a pure function, stored in every bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.errors import ConfigError
from wildtext.types import Floats, Image

Color = Literal["RGB", "BGR", "grey"]
Interpolation = Literal["bicubic", "bilinear"]
Vertical = Literal["none", "rotate", "best-of"]

_FILTERS = {"bicubic": pillow.Resampling.BICUBIC, "bilinear": pillow.Resampling.BILINEAR}


@dataclass(frozen=True)
class Fixed:
    """Every image is stretched to one size, whatever its aspect."""

    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1:
            raise ConfigError(f"a canvas of {self.height} x {self.width} pixels holds nothing; give at least 1 x 1")

    def content_width(self, height: int, width: int) -> int:
        """Pixels of the canvas width that an image of this size fills."""
        return self.width


@dataclass(frozen=True)
class Padded:
    """The image keeps its aspect within limits and is padded on the right.

    The content is `width * self.height / height` pixels wide, rounded up to a multiple of `multiple` and kept within
    `min_width` and `width`; the canvas is always `width` wide.
    """

    height: int
    width: int
    min_width: int
    multiple: int = 1

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1:
            raise ConfigError(f"a canvas of {self.height} x {self.width} pixels holds nothing; give at least 1 x 1")
        if not 0 <= self.min_width <= self.width or self.multiple < 1:
            raise ConfigError(
                f"a padded canvas needs 0 <= min_width <= width and multiple >= 1, not min_width {self.min_width}, "
                f"width {self.width}, multiple {self.multiple}"
            )

    def content_width(self, height: int, width: int) -> int:
        """Pixels of the canvas width that an image of this size fills."""
        steps = -(-width * self.height // (height * self.multiple))
        return min(max(steps * self.multiple, self.min_width), self.width)


Canvas = Fixed | Padded


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes model input.

    The canvas depends on the image and these settings alone, never on other images, so a reading cannot change with
    the batch around it.

    Attributes:
        canvas: the size that images are brought to.
        color: channel order of the model's input; `grey` has one channel (ITU-R 601 luma).
        interpolation: Pillow's filter, antialiased when it shrinks.
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
        height, width = image.shape[:2]
        content = self.canvas.content_width(height, width)
        picture = pillow.fromarray(np.ascontiguousarray(image))
        if self.color == "grey":
            picture = picture.convert("L")
        resized = np.asarray(picture.resize((content, self.canvas.height), _FILTERS[self.interpolation]))
        resized = resized.reshape(self.canvas.height, content, self.channels)
        if self.color == "BGR":
            resized = resized[..., ::-1]
        if content == self.canvas.width:
            return np.ascontiguousarray(resized), 1.0
        canvas = np.zeros((self.canvas.height, self.canvas.width, self.channels), np.uint8)
        canvas[:, :content] = resized
        return canvas, content / self.canvas.width

    def normalize(self, canvases: NDArray[np.uint8], valid_width: Sequence[float] | Floats) -> Floats:
        """Turn canvases into model input.

        Args:
            canvases: (N, H, W, C) uint8 from `fit`.
            valid_width: N shares from `fit`.

        Returns:
            (N, C, H, W) float32.
        """
        pixels = canvases.transpose(0, 3, 1, 2).astype(np.float32)
        values = (pixels * np.float32(self.scale) - _per_channel(self.mean)) / _per_channel(self.std)
        for row, share in zip(values, valid_width, strict=True):
            if share < 1:
                row[:, :, round(share * self.canvas.width) :] = self.pad_value
        return np.ascontiguousarray(values, np.float32)

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
        kinds: dict[str, type[Fixed] | type[Padded]] = {"fixed": Fixed, "padded": Padded}
        kind = canvas.pop("kind")
        if kind not in kinds:
            raise ConfigError(f"unknown kind of canvas {kind!r}; this version knows {', '.join(kinds)}")
        values["mean"], values["std"] = tuple(values["mean"]), tuple(values["std"])
        return cls(canvas=kinds[kind](**canvas), **values)


def _per_channel(values: tuple[float, ...]) -> Floats:
    return np.asarray(values, np.float32).reshape(1, -1, 1, 1)
