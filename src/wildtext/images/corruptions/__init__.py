"""Corruptions in five strengths, to measure how much of them a recogniser bears.

They follow ImageNet-C (Hendrycks and Dietterich, ICLR 2019) as far as it makes sense for text, and add what happens to
crops of words. Augmentation (`images.policies`) is another thing: it draws amounts for batches of one size, and needs
torch; a measurement must hurt crops of any size alike, year after year, and run where torch is not installed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from wildtext.config.synth import nearest
from wildtext.errors import ConfigError
from wildtext.images.corruptions.blur import BLUR
from wildtext.images.corruptions.corruption import STRENGTHS, Corruption
from wildtext.images.corruptions.digital import DIGITAL
from wildtext.images.corruptions.geometry import GEOMETRY
from wildtext.images.corruptions.noise import NOISE
from wildtext.images.corruptions.scene import SCENE
from wildtext.types import Image

__all__ = ["CORRUPTIONS", "STRENGTHS", "Corruption", "checked", "corrupt"]

CORRUPTIONS: Mapping[str, Corruption] = {one.name: one for one in (*NOISE, *BLUR, *SCENE, *DIGITAL, *GEOMETRY)}
"""By name, in the order of their groups."""


def checked(name: str, strength: int) -> Corruption:
    """The corruption of a name, where there is such a name and such a strength.

    Raises:
        ConfigError: there is not.
    """
    if name not in CORRUPTIONS:
        raise ConfigError(f"there is no corruption {name!r}; {nearest(name, list(CORRUPTIONS))}")
    if strength not in STRENGTHS:
        raise ConfigError(f"the strength of {name} is {strength}, but must be {STRENGTHS[0]} to {STRENGTHS[-1]}")
    return CORRUPTIONS[name]


def corrupt(image: Image, name: str, strength: int, seed: int = 0) -> Image:
    """Make a picture worse.

    What is random depends on the pixels, the name and the seed alone: not on other pictures, and not on the strength,
    so that a picture is turned the same way at all of them.

    Args:
        image: (H, W, 3) uint8 RGB. One that is higher than wide is taken to lie on its side.
        name: a key of `CORRUPTIONS`.
        strength: 1 to 5.
        seed: tells repetitions apart, at least 0.

    Returns:
        (h, w, 3) uint8, of another size only where the corruption is one of geometry; shares no memory with `image`.

    Raises:
        ConfigError: there is no such corruption or strength.
    """
    corruption = checked(name, strength)
    standing = image.shape[0] > image.shape[1]
    lying = np.ascontiguousarray(np.rot90(image) if standing else image)
    random = np.random.default_rng((seed, zlib.crc32(name.encode()), zlib.crc32(lying.tobytes())))
    corrupted = corruption.apply(lying, corruption.amounts[strength - 1], random)
    return np.array(np.rot90(corrupted, -1) if standing else corrupted, order="C")
