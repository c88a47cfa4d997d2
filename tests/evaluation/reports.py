"""Reports of made-up results, written to a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np

from wildtext.charset import Charset
from wildtext.codecs import CTC
from wildtext.errors import SampleError
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.properties import properties_of
from wildtext.evaluation.report import write_report
from wildtext.images import Fixed, Preprocessing
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.runtimes import Raw
from wildtext.types import Floats, Image, Sample
from wildtext.weights.bundle import Bundle


class Pictures:
    """Stripes of random colours, which differ from image to image; `broken` ones cannot be had."""

    def __init__(self, name: str, labels: Sequence[str], *, noise: bool = False, broken: frozenset[int] = frozenset()):
        self.name = name
        self.labels = labels
        self.noise = noise
        self.broken = broken

    @property
    def size(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Image:
        size = (40, 120, 3) if self.noise else (1, 12, 3)
        pixels = np.random.default_rng([index, *self.name.encode()]).integers(0, 256, size, np.uint8)
        return pixels if self.noise else pixels.repeat(20, axis=0).repeat(5, axis=1)

    def __getitem__(self, index: int) -> Sample:
        if index in self.broken:
            raise SampleError(f"{self.where(index)}: broken")
        return Sample(self.image(index), self.text(index))

    def where(self, index: int) -> str:
        return f"{self.name}/{index}.png"

    def text(self, index: int) -> str:
        return self.labels[index]

    def content(self, index: int) -> bytes:
        raise NotImplementedError

    def boxes(self, index: int) -> Floats | None:
        return None


class Blind:
    """A network that says nothing: readings are made up."""

    name = "fake"

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        raise NotImplementedError


def blind() -> Recognizer:
    charset = Charset.named("94")
    return Recognizer(
        Bundle("fake", {}, charset, {"text": CTC(charset, 20)}, "text", Preprocessing(Fixed(8, 32))), Blind()
    )


def reported(
    out: Path, results: Sequence[Sequence[Result]], *, noise: bool = False, protocol: str = "36", **further: Any
) -> Path:
    """A report of results by model and data set."""
    sources = [
        Pictures(
            one.data,
            [judged.reading.truth for judged in one.judged],
            noise=noise,
            broken=frozenset(judged.reading.index for judged in one.judged if judged.reading.prediction is None),
        )
        for one in results[0]
    ]
    properties = [
        [None if index in source.broken else properties_of(source.image(index)) for index in range(source.size)]
        for source in sources
    ]
    return write_report(
        out, results, sources, [blind() for _ in results], protocol=protocol, properties=properties, **further
    )


def words_of(page: Path) -> str:
    """What a person reads on a page, without style and script."""
    seen = re.sub(r"<(style|script)\b.*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", seen)).split())
