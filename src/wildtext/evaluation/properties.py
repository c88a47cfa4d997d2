"""Plain numbers about the picture of a word, measured on its pixels alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.data.source import LabelledSource, Progress
from wildtext.errors import ImageError, SampleError
from wildtext.evaluation.cache import Cache, content_key
from wildtext.images import decode
from wildtext.images.brightness import split_level
from wildtext.types import Image

_LEVELS = 8
"""Grey levels between the dark and the bright pixels of a picture, at least, so that its edges can be measured."""

_SAMPLED = 512
"""Rows and columns in which edges are measured, at most, spread evenly: photographs have far more than it takes."""

_ROWS, _COLUMNS = 24, 160
"""About the largest size at which the slope is looked for."""

_STEPS = 8
"""Directions that are tried on either side of the level."""

_LEAST_GAIN = 0.05
"""Share of the variance by which the best direction must surpass the middle one, or none stands out."""

Grey = NDArray[np.uint8]
"""Brightness (luma of ITU-R 601), (H, W) in [0, 255]."""


_KEPT_AT_ONCE = 256
"""Images whose properties are written to the cache together."""


@dataclass(frozen=True, slots=True)
class Properties:
    """What a picture is like.

    Attributes:
        width: in pixels.
        height: in pixels.
        contrast: difference between the mean brightness of the bright and of the dark pixels, in [0, 1]. They are
            parted where the variance inside both is least (Otsu 1979), which most often parts text and ground.
        blur: width of the edges in pixels of the picture, as the standard deviation of the Gaussian that would make
            them of sharp steps. About 0.35 is as sharp as pixels can be; scaling a picture up scales it too. None where
            there are no edges: hardly any difference in brightness, or a side of one pixel.
        slope: by how many degrees the line of text rises to the right, in (-45, 45). None where it cannot be told: in
            pictures that are higher than wide, and where no direction stands out.
    """

    width: int
    height: int
    contrast: float
    blur: float | None
    slope: float | None

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Properties:
        """The inverse of `to_dict`."""
        return cls(**values)


def properties_of(image: Image) -> Properties:
    """Measure a picture.

    Args:
        image: (H, W, 3) uint8 RGB, at least one pixel.
    """
    picture = pillow.fromarray(image).convert("L")
    grey = np.asarray(picture)
    counts = np.array(picture.histogram())
    return Properties(picture.width, picture.height, _contrast(counts), _blur(grey, _spread(counts)), _slope(picture))


def _contrast(counts: NDArray[np.intp]) -> float:
    """Distance of the means of the two clusters of least variance, in [0, 1].

    Args:
        counts: (256,) pixels of each brightness.
    """
    levels, dark = np.arange(256), np.arange(256) <= split_level(counts)
    if not counts[~dark].any():
        return 0.0
    means = (float(np.average(levels[part], weights=counts[part])) for part in (~dark, dark))
    return (next(means) - next(means)) / 255


def _spread(counts: NDArray[np.intp]) -> int:
    """Grey levels between the 2nd and the 98th percentile: the height of edges, which blur hardly changes."""
    below = counts.cumsum()
    dark, bright = np.searchsorted(below, [0.02 * below[-1], 0.98 * below[-1]])
    return int(bright - dark)


def _blur(grey: Grey, spread: int) -> float | None:
    """Width of the edges from the steepness of brightness, see `Properties`.

    A step of height C that a Gaussian of standard deviation s has blurred has the gradient g(x) = C N(x; 0, s), so that
    the sum of g³ over that of g² is C / (s √(3π)). The powers give weight to the edges of the text, not to noise.

    Args:
        grey: (H, W).
        spread: height of the edges, in grey levels.
    """
    if spread < _LEVELS or min(grey.shape) < 2:
        return None
    down, right = (math.ceil(side / _SAMPLED) for side in grey.shape)
    here = grey[:-1:down, :-1:right].astype(np.float32)
    square = (grey[1::down, :-1:right] - here) ** 2 + (grey[:-1:down, 1::right] - here) ** 2
    # What is steeper than the whole spread, also across a corner, is the rim of a highlight.
    square = square[square <= 2 * spread**2]
    if not square.any():
        return None
    steepness = float((square * np.sqrt(square)).sum() / square.sum())
    return spread / (math.sqrt(3 * math.pi) * steepness)


def _slope(picture: pillow.Image) -> float | None:
    """Direction of the line of text in degrees, see `Properties`.

    Text is where brightness changes. Lines are laid through the picture in several directions, and the one is taken
    whose lines explain most of the variance of the gradient (coefficient of determination, adjusted for their number).
    A word that fills its picture rises by the height of the picture at most, so that steeper lines are not tried.

    Args:
        picture: of mode ``L``.
    """
    if picture.width < picture.height:
        return None
    factor = max(round(max(picture.height / _ROWS, picture.width / _COLUMNS)), 1)
    grey = np.asarray(picture.reduce(factor), np.float32)
    if min(grey.shape) < 4:
        return None
    changes = np.hypot(np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1])
    changes -= changes.mean()
    if not changes.any():
        return None
    steepest = math.atan2(picture.height, picture.width)
    angles = np.linspace(-steepest, steepest, 2 * _STEPS + 1)
    explained = np.array([_explained(changes, math.tan(angle)) for angle in angles])
    best = int(explained.argmax())
    if best in (0, 2 * _STEPS) or explained[best] - np.median(explained) < _LEAST_GAIN:
        return None
    before, top, after = explained[best - 1 : best + 2]
    # The peak of the parabola through the best slope and its neighbours.
    shift = 0.5 * (before - after) / (before - 2 * top + after)
    return math.degrees(angles[best] + shift * (angles[1] - angles[0]))


def _explained(values: NDArray[np.float32], rise: float) -> float:
    """Share of the variance that lines explain which rise by so many pixels for each to the right, adjusted.

    Args:
        values: (H, W) with mean 0, not all the same.
        rise: tangent of the slope.
    """
    rows, columns = values.shape
    offsets = np.rint(np.arange(columns) * rise).astype(np.intp)
    lines = (np.arange(rows)[:, None] + (offsets - offsets.min())).ravel()
    counts = np.bincount(lines)
    sums = np.bincount(lines, weights=values.ravel())
    between = (sums**2 / counts).sum() / np.square(values).sum()
    return float(1 - (1 - between) * (values.size - 1) / max(values.size - len(counts), 1))


def measured_properties(
    source: LabelledSource, indices: Iterable[int], cache: Cache, progress: Progress | None = None
) -> list[Properties | None]:
    """The properties of images of a source, in the order of the indices; None where an image cannot be decoded.

    Args:
        source: labelled images.
        indices: of the samples.
        cache: properties that were measured before, see `properties_purpose`; new ones are added.
        progress: is told after each image.
    """
    indices = list(indices)
    found: list[Properties | None] = []
    new: dict[bytes, dict[str, Any]] = {}
    for index in indices:
        try:
            content = source.content(index)
            key = content_key(content)
            if known := cache.get([key]):
                found.append(Properties.from_dict(known[key]))
            else:
                measured = properties_of(decode(content))
                found.append(measured)
                new[key] = measured.to_dict()
        except (SampleError, ImageError):
            found.append(None)
        if len(new) == _KEPT_AT_ONCE or len(found) == len(indices):
            cache.put(new)
            new = {}
        if progress is not None:
            progress(len(found), len(indices))
    return found
