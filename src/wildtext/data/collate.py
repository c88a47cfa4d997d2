"""From drawn samples to batches, each on canvases of one size, and which samples can be drawn at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from wildtext.charset import Charset
from wildtext.codecs import Codec
from wildtext.data.source import LabelledSource, kind_of, texts
from wildtext.errors import DataError, SampleError
from wildtext.images import Preprocessing
from wildtext.types import Batch, Floats, Sample

_EXAMPLES = 5


@dataclass
class Usable:
    """Which samples of a source can be trained on.

    Attributes:
        indices: their indices.
        total: samples of the source.
        dropped: how many were left out, by kind of reason.
        examples: a few labels for each kind.
    """

    indices: NDArray[np.int64]
    total: int
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Collated:
    """What became of samples that were drawn together.

    Attributes:
        batches: one for each size of canvas that the samples got, the sizes in ascending order.
        skipped: a message for each sample that could not be used.
    """

    batches: tuple[Batch, ...]
    skipped: tuple[str, ...]


def usable(source: LabelledSource, codecs: Iterable[Codec], canvas_width: int | None = None) -> Usable:
    """Check every label of a source against the codecs of a model, before training starts.

    Args:
        source: what to check.
        codecs: of the model.
        canvas_width: of the widest canvas, in pixels; None leaves out what depends on it.
    """
    codecs = list(codecs)
    keep = np.ones(source.size, bool)
    result = Usable(np.empty(0, np.int64), source.size)
    for index, text in enumerate(texts(source)):
        if isinstance(text, SampleError):
            problem: str | None = "label that cannot be read"
        else:
            problem = label_problem(text, codecs, canvas_width)
        if problem is None:
            continue
        keep[index] = False
        kind = kind_of(problem)
        result.dropped[kind] += 1
        examples = result.examples.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(str(text) if isinstance(text, SampleError) else f"{source.where(index)}: {text!r}")
    result.indices = np.flatnonzero(keep)
    return result


def label_problem(text: str, codecs: Iterable[Codec], canvas_width: int | None = None) -> str | None:
    """Why a label as stored cannot be learnt by these codecs on a canvas of this width; None if it can."""
    for codec in codecs:
        if problem := codec.problem(codec.charset.normalize(text), canvas_width):
            return problem
    return None


def collate(fetched: Sequence[Sample | SampleError], preprocessing: Preprocessing, codecs: Sequence[Codec]) -> Collated:
    """Bring samples to their canvases.

    A sample that is broken, or whose label does not fit the canvas of its image, is left out and named in
    `Collated.skipped`, never replaced.

    Args:
        fetched: from `wildtext.data.source.fetch`.
        preprocessing: decides the canvases.
        codecs: of the model, which say what labels can be learnt.

    Raises:
        DataError: none of the samples could be used.
        ValueError: there are none.
    """
    if not fetched:
        raise ValueError("a batch needs at least one sample")
    by_size: defaultdict[tuple[int, int], list[Sample]] = defaultdict(list)
    skipped: list[str] = []
    for sample in fetched:
        if isinstance(sample, SampleError):
            skipped.append(str(sample))
            continue
        sample = _normalized(_upright(sample, preprocessing), codecs[0].charset)
        height, width, _ = preprocessing.canvas.place(*sample.image.shape[:2])
        if problem := label_problem(sample.text, codecs, width):
            skipped.append(f"{sample.source}: {sample.text!r}: {problem}")
        else:
            by_size[height, width].append(sample)
    if not by_size:
        raise DataError(f"none of {len(fetched)} samples could be used; the first: {skipped[0]}")
    return Collated(tuple(_batch(by_size[size], preprocessing) for size in sorted(by_size)), tuple(skipped))


def _batch(samples: Sequence[Sample], preprocessing: Preprocessing) -> Batch:
    """Samples whose canvases have one size, brought to them."""
    fitted = [preprocessing.fit(sample.image) for sample in samples]
    return Batch(
        images=np.stack([canvas for canvas, _ in fitted]),
        valid_width=np.array([share for _, share in fitted], np.float32),
        texts=tuple(sample.text for sample in samples),
        boxes=tuple(_boxes_on_canvas(*pair) for pair in zip(samples, fitted, strict=True)),
        sources=tuple(sample.source for sample in samples),
    )


def _upright(sample: Sample, preprocessing: Preprocessing) -> Sample:
    """Turn a tall crop whose text is known to run down or up in the way in which reading would get it right."""
    if sample.word is None or len(sample.text) < 2:
        return sample
    x, y = sample.word[1] - sample.word[0]
    quarters = 0 if abs(y) <= 2 * abs(x) else 1 if y > 0 else 3
    ways = {degrees for degrees, _ in preprocessing.orientations(sample.image)}
    return sample.turned(quarters) if 90 * quarters in ways else sample


def _normalized(sample: Sample, charset: Charset) -> Sample:
    """The sample with its label in the form of the charset; boxes follow their characters.

    A character that becomes several has no box any more. Where characters merge, no box is kept.
    """
    text = charset.normalize(sample.text)
    if text == sample.text:
        return sample
    if sample.boxes is None:
        return replace(sample, text=text)
    pieces = [charset.normalize(character) for character in sample.text]
    if "".join(pieces) != text:
        return replace(sample, text=text, boxes=None)
    lengths = np.array([len(piece) for piece in pieces])
    boxes = np.repeat(sample.boxes, lengths, axis=0)
    boxes[np.repeat(lengths > 1, lengths)] = np.nan
    return replace(sample, text=text, boxes=boxes)


def _boxes_on_canvas(sample: Sample, fitted: tuple[NDArray[np.uint8], float]) -> Floats | None:
    if sample.boxes is None:
        return None
    canvas, share = fitted
    height, width = sample.image.shape[:2]
    scale = np.array([canvas.shape[1] * share / width, canvas.shape[0] / height], np.float32)
    return np.asarray(sample.boxes * scale, np.float32)
