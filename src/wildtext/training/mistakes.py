"""What a model reads wrong, and where it looked."""

from __future__ import annotations

import base64
import colorsys
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as pillow

from wildtext.codecs import Sequence as SequenceCodec
from wildtext.data.source import LabelledSource, fetch
from wildtext.errors import TrainingError
from wildtext.evaluation.metrics import comparable
from wildtext.inference.recognizer import Recognizer
from wildtext.training.files import write_whole
from wildtext.types import Floats, Image, Prediction, Sample

FILE = "mistakes.json"
"""Where a run keeps its mistakes."""

_READ = 384
"""Images that are read to find mistakes, of all sources together."""

_CHUNK = 64
"""Images that are held in memory at a time."""

_WIDE, _TALL = (320, 64), (64, 160)
"""Largest width and height in pixels of the thumbnails of pictures that are wider than high, and of others."""

_MOST_BYTES = 1_000_000
"""Of the file of mistakes; the least confident ones are left out beyond it."""

_STRENGTH = 0.5
"""Opacity of the colour where a character was looked for most."""


@dataclass(frozen=True)
class Mistake:
    """An image that was read wrong.

    Attributes:
        image: a small copy of it, as JPEG.
        places: the same with a colour for where each character was read, see `attention_overlay`, as JPEG; empty where
            nothing was read.
        truth: its label.
        reading: what the model read.
        confidence: of the reading, in [0, 1].
        source: name of the data, as in the log.
    """

    image: bytes
    places: bytes
    truth: str
    reading: str
    confidence: float
    source: str


def find_mistakes(
    recognizer: Recognizer, sources: Sequence[LabelledSource], *, protocol: str, count: int
) -> list[Mistake]:
    """The wrong readings that the model is most sure of, among a few hundred images.

    Args:
        recognizer: what reads.
        sources: labelled images; the same number of each is read, spread evenly over it.
        protocol: what counts as the same text, see `wildtext.evaluation.metrics.comparable`.
        count: mistakes to give at most.

    Returns:
        Mistakes, the most confident first. Images that cannot be read are no mistakes of the model, and left out.
    """
    shared = comparable(protocol, recognizer.bundle.charset)
    wrong: list[tuple[Prediction, Sample, str]] = []
    for source in sources:
        for sample, prediction in _readings(recognizer, source, _READ // len(sources)):
            if shared(prediction.text) != shared(sample.text):
                wrong.append((prediction, sample, Path(source.name).name))
                wrong.sort(key=lambda found: -found[0].confidence)
                del wrong[count:]
    return [
        Mistake(
            _jpeg(_thumbnail(sample.image)),
            _places(recognizer, sample.image, prediction),
            sample.text,
            prediction.text,
            prediction.confidence,
            name,
        )
        for prediction, sample, name in wrong
    ]


def save_mistakes(folder: Path, mistakes: Sequence[Mistake]) -> None:
    """Write `mistakes.json`, atomically and less than 1 MB large.

    Raises:
        TrainingError: the disk refused; what was there before is untouched.
    """
    path = folder / FILE
    try:
        write_whole(path, f"[{','.join(_within(_MOST_BYTES, mistakes))}]\n")
    except OSError as error:
        raise TrainingError(f"cannot write {path}: {error.strerror}") from error


def load_mistakes(folder: Path) -> list[Mistake]:
    """What `save_mistakes` wrote; nothing where a run has not written any.

    Raises:
        TrainingError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return []
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(records, list):
            raise ValueError("not a list")
        return [_from_json(record) for record in records]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path} cannot be read ({error!r}); remove it to go on without it") from error


def attention_overlay(image: pillow.Image, attention: Floats) -> pillow.Image:
    """A picture with a colour for where each character was looked for.

    Hues run from red for the first character over yellow, green and blue to violet for the last.

    Args:
        image: RGB, any size; it appears in grey.
        attention: (T, h, w), at least 0, a map over the image for each of T >= 1 characters. Only ratios within a map
            count.
    """
    peaks = np.maximum(attention.max(axis=(1, 2), keepdims=True), 1e-12)
    maps = np.stack([_enlarged(values, image.size) for values in attention / peaks])
    hues = np.linspace(0, 0.8, len(maps))
    colours = 255 * np.array([colorsys.hsv_to_rgb(hue, 1, 1) for hue in hues], np.float32)
    weights = maps / np.maximum(maps.sum(axis=0), 1e-6)
    colour = np.einsum("thw,tc->hwc", weights, colours)
    opacity = _STRENGTH * maps.max(axis=0)[..., None]
    grey = np.asarray(image.convert("L"), np.float32)[..., None]
    return pillow.fromarray(np.rint(grey * (1 - opacity) + colour * opacity).astype(np.uint8))


def _readings(recognizer: Recognizer, source: LabelledSource, most: int) -> Iterator[tuple[Sample, Prediction]]:
    """Samples of a source, spread evenly, with what is read in them."""
    chosen = np.unique(np.linspace(0, source.size - 1, min(most, source.size)).round().astype(int)).tolist()
    for start in range(0, len(chosen), _CHUNK):
        fetched = fetch([(source, index) for index in chosen[start : start + _CHUNK]])
        samples = [sample for sample in fetched if isinstance(sample, Sample)]
        for sample, prediction in zip(samples, recognizer.stream(sample.image for sample in samples), strict=True):
            if isinstance(prediction, Prediction):
                yield sample, prediction


def _places(recognizer: Recognizer, image: Image, prediction: Prediction) -> bytes:
    """The picture, turned as it was read, with the places of its characters."""
    if not prediction.text:
        return b""
    turned = np.ascontiguousarray(np.rot90(image, prediction.rotation // 90))
    attention = _attention(recognizer, turned, len(prediction.text))
    if attention is None:
        attention = _spans(prediction)
    return _jpeg(attention_overlay(_thumbnail(turned), attention))


def _attention(recognizer: Recognizer, turned: Image, characters: int) -> Floats | None:
    """The attention (T, h, w) of the slots that wrote the characters, over the image.

    None where there is none, or where its slots are not characters: columns of CTC, subwords, or heads that compete.
    """
    bundle = recognizer.bundle
    codec = bundle.codecs[bundle.primary]
    if bundle.fused or not isinstance(codec, SequenceCodec):
        return None
    canvas, share = bundle.preprocessing.fit(turned)
    shares = np.array([share], np.float32)
    raw = recognizer.runtime.run(bundle.preprocessing.normalize(canvas[None], shares), shares)
    attention = raw.maps.get("attention", raw.maps.get(f"attention.{bundle.primary}"))
    ids = raw.logits[bundle.primary][0].argmax(axis=1) - codec.first
    writing = np.flatnonzero((ids >= 0) & (ids < len(codec.charset)))
    slots = writing[writing >= codec.skip][:characters]
    if attention is None or not len(slots):
        return None
    maps: Floats = attention[0, slots]
    if "column_x" in raw.maps:
        maps = _unrectified(maps, raw.maps["column_x"][0])
    return maps[:, :, : max(round(share * maps.shape[2]), 1)]


def _unrectified(attention: Floats, column_x: Floats) -> Floats:
    """Attention (T, h, w) whose columns lie side by side in the canvas, from one whose columns look at `column_x`."""
    width = attention.shape[2]
    order = np.argsort(column_x)
    even = (np.arange(width) + 0.5) / width
    rows = [np.interp(even, column_x[order], row[order], 0, 0) for row in attention.reshape(-1, width)]
    return np.array(rows, np.float32).reshape(attention.shape)


def _spans(prediction: Prediction) -> Floats:
    """The spans of the characters as maps (T, 1, w)."""
    middles = (np.arange(_WIDE[0]) + 0.5) / _WIDE[0]
    inside = [(one.start <= middles) & (middles < one.end) for one in prediction.characters]
    return np.array(inside, np.float32)[:, None]


def _enlarged(values: Floats, size: tuple[int, int]) -> Floats:
    resized = pillow.fromarray(values.astype(np.float32)).resize(size, pillow.Resampling.BILINEAR)
    return np.asarray(resized, np.float32).clip(0, 1)


def _thumbnail(image: Image) -> pillow.Image:
    picture = pillow.fromarray(image)
    picture.thumbnail(_WIDE if picture.width > picture.height else _TALL, pillow.Resampling.BICUBIC)
    return picture


def _jpeg(picture: pillow.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=85)
    return content.getvalue()


def _within(most: int, mistakes: Sequence[Mistake]) -> Iterator[str]:
    """The JSON of the first mistakes that take less than so many bytes together."""
    for mistake in mistakes:
        record = _to_json(mistake)
        most -= len(record) + 2
        if most <= 0:
            return
        yield record


def _to_json(mistake: Mistake) -> str:
    pictures = {name: base64.b64encode(getattr(mistake, name)).decode() for name in ("image", "places")}
    return json.dumps({**vars(mistake), **pictures})


def _from_json(record: dict[str, str | float]) -> Mistake:
    pictures = {name: base64.b64decode(str(record[name])) for name in ("image", "places")}
    return Mistake(**{**record, **pictures})  # type: ignore[arg-type]
