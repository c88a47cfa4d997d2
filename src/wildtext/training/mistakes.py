"""What a model reads wrong, and where it looked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as pillow

from wildtext.data.source import LabelledSource, fetch
from wildtext.data.subset import spread
from wildtext.errors import TrainingError
from wildtext.evaluation.metrics import comparable
from wildtext.images.encode import encode
from wildtext.inference.overlay import places_overlay, thumbnail
from wildtext.inference.recognizer import Recognizer
from wildtext.training.files import write_whole
from wildtext.types import Prediction, Sample

FILE = "mistakes.json"
"""Where a run keeps its mistakes."""

_READ = 384
"""Images that are read to find mistakes, of all sources together."""

_CHUNK = 64
"""Images that are held in memory at a time."""

_MOST_BYTES = 1_000_000
"""Of the file of mistakes; the least confident ones are left out beyond it."""


@dataclass(frozen=True)
class Mistake:
    """An image that was read wrong.

    Attributes:
        image: a small copy of it, as JPEG.
        places: the same with a colour for where each character was read, see `places_overlay`, as JPEG; empty where
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
            _jpeg(thumbnail(sample.image)),
            _jpeg(places_overlay(recognizer, sample.image, prediction)),
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


def _readings(recognizer: Recognizer, source: LabelledSource, most: int) -> Iterator[tuple[Sample, Prediction]]:
    """Samples of a source, spread evenly, with what is read in them."""
    chosen = spread(range(source.size), most)
    for start in range(0, len(chosen), _CHUNK):
        fetched = fetch([(source, index) for index in chosen[start : start + _CHUNK]])
        samples = [sample for sample in fetched if isinstance(sample, Sample)]
        for sample, prediction in zip(samples, recognizer.stream(sample.image for sample in samples), strict=True):
            if isinstance(prediction, Prediction):
                yield sample, prediction


def _jpeg(picture: pillow.Image | None) -> bytes:
    """The bytes of a picture; none of None."""
    return b"" if picture is None else encode(picture, "JPEG", quality=85)


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
