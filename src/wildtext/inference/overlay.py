"""Pictures with a colour for where each character was read."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image as pillow

from wildtext.codecs import Sequence as SequenceCodec
from wildtext.codecs import log_softmax
from wildtext.errors import ImageError
from wildtext.inference.evidence import Piece, find_pieces
from wildtext.inference.explanation import attention_over_image, observed, turned
from wildtext.inference.recognizer import Recognizer
from wildtext.types import Character, Floats, Image, Prediction

_WIDE, _TALL = (320, 64), (64, 160)
"""Largest width and height in pixels of the thumbnails of pictures that are wider than high, and of others."""

_STRENGTH = 0.5
"""Opacity of the colour where a character was looked for most."""


def places_overlay(recognizer: Recognizer, image: Image, prediction: Prediction) -> pillow.Image | None:
    """A small picture, turned as it was read, with a colour for where each character was read.

    Places come from the attention of the slots that wrote, where there is one slot for each character, and from the
    spans of the characters elsewhere: columns of CTC, subwords, heads that compete.

    Args:
        recognizer: what read.
        image: uint8 RGB (H, W, 3), as it was given to the recogniser.
        prediction: what it read.

    Returns:
        RGB, at most 320 x 64 pixels large, or 64 x 160 if it is not wider than high; see `thumbnail` and
        `attention_overlay`. None where nothing was read.
    """
    if not prediction.characters:
        return None
    attention = _attention(recognizer, image, prediction)
    return attention_overlay(
        thumbnail(turned(image, prediction)), span_maps(prediction.characters) if attention is None else attention
    )


def attention_overlay(image: pillow.Image, attention: Floats) -> pillow.Image:
    """A picture with a colour for where each character was looked for.

    Args:
        image: RGB, any size; it appears in grey.
        attention: (T, h, w), at least 0, a map over the image for each of T >= 1 characters. Only ratios within a map
            count.
    """
    peaks = np.maximum(attention.max(axis=(1, 2), keepdims=True), 1e-12)
    maps = np.stack([enlarged(values, image.size) for values in attention / peaks])
    weights = maps / np.maximum(maps.sum(axis=0), 1e-6)
    colour = np.einsum("thw,tc->hwc", weights, np.array(hues(len(maps)), np.float32))
    opacity = _STRENGTH * maps.max(axis=0)[..., None]
    grey = np.asarray(image.convert("L"), np.float32)[..., None]
    return pillow.fromarray(np.rint(grey * (1 - opacity) + colour * opacity).astype(np.uint8))


def hues(count: int) -> list[tuple[int, int, int]]:
    """RGB colours from red for the first character over yellow, green and blue to violet for the last."""
    shades = (colorsys.hsv_to_rgb(hue, 1, 1) for hue in np.linspace(0, 0.8, count).tolist())
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in shades]


def span_maps(parts: Sequence[Character | Piece]) -> Floats:
    """The spans of the parts of a reading as maps (T, 1, w)."""
    middles = (np.arange(_WIDE[0]) + 0.5) / _WIDE[0]
    inside = [(one.start <= middles) & (middles < one.end) for one in parts]
    return np.array(inside, np.float32)[:, None]


def enlarged(values: Floats, size: tuple[int, int]) -> Floats:
    """A map (h, w) in [0, 1] at (width, height) pixels."""
    resized = pillow.fromarray(values.astype(np.float32)).resize(size, pillow.Resampling.BILINEAR)
    return np.asarray(resized, np.float32).clip(0, 1)


def thumbnail(image: Image) -> pillow.Image:
    """A picture, made smaller to at most 320 x 64 pixels, or 64 x 160 if it is not wider than high."""
    picture = pillow.fromarray(image)
    picture.thumbnail(_WIDE if picture.width > picture.height else _TALL, pillow.Resampling.BICUBIC)
    return picture


def _attention(recognizer: Recognizer, image: Image, prediction: Prediction) -> Floats | None:
    """The attention (T, h, w) of the slots that wrote the characters, over the image; None if they show none."""
    bundle = recognizer.bundle
    codec = bundle.codecs[bundle.primary]
    if bundle.fused or not isinstance(codec, SequenceCodec):
        return None
    observations = next(recognizer.observe([image]))
    if isinstance(observations, ImageError):
        raise observations
    seen = observed(observations, prediction)
    attention = attention_over_image(seen, bundle.primary)
    # Rounding depends on the batch, so an image by itself may, once in a while, be read otherwise.
    again = recognizer.decode([seen])
    if attention is None or again.text != prediction.text:
        return None
    pieces = find_pieces(codec, log_softmax(seen.logits[bundle.primary]), again, attention, top=1)
    return np.stack([piece.attention for piece in pieces if piece.attention is not None])
