"""The synthetic source: sample i of a seed is always the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from wildtext.charset import Charset
from wildtext.errors import DataError, SampleError
from wildtext.synth.corpus import Corpus
from wildtext.synth.fonts import FontLibrary, Typeface
from wildtext.synth.render import draw_line, seen
from wildtext.synth.scene import Backgrounds, capture, compose
from wildtext.types import Sample

_TRIES = 20


class SyntheticWords:
    """An endless, indexable source of rendered words with character boxes.

    Sample i depends on the seed, i and the fonts, words and backgrounds alone; any process can draw any sample.

    Args:
        seed: tells streams apart.
        fonts: folder of font files; None takes those that ship with wildtext.
        words: file with one word a line; None takes the English words that ship with wildtext.
        backgrounds: folder of photographs; None paints all backgrounds.
        charset: only labels that it can express are drawn; None draws all.

    Raises:
        DataError: a folder or file is missing or has nothing to use.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        fonts: Path | None = None,
        words: Path | None = None,
        backgrounds: Path | None = None,
        charset: Charset | None = None,
    ):
        self.name = "synth"
        self.seed = seed
        self._fonts = FontLibrary(fonts)
        self._corpus = Corpus(words)
        self._backgrounds = Backgrounds(backgrounds)
        self._charset = charset
        self._again = partial(SyntheticWords, seed, fonts=fonts, words=words, backgrounds=backgrounds, charset=charset)

    def __reduce__(self) -> tuple[partial[SyntheticWords], tuple[()]]:
        # Open fonts and photographs cannot travel to another process; it opens its own.
        return self._again, ()

    @property
    def size(self) -> None:
        """Endless."""
        return None

    def __getitem__(self, index: int) -> Sample:
        """Draw sample `index`, any integer from 0.

        Raises:
            SampleError: it needs a font or a photograph that is broken, or no font has the characters.
        """
        return self._draw(index, self._label)

    def render(self, text: str, index: int = 0) -> Sample:
        """Draw a given text; `index` chooses how it looks.

        Raises:
            SampleError: no font has all its characters, or a font or a photograph is broken.
        """
        return self._draw(index, lambda _: text)

    def _draw(self, index: int, label: Callable[[np.random.Generator], str]) -> Sample:
        random = np.random.default_rng((self.seed, index))
        try:
            text, face = self._text_and_font(label, random)
            line = draw_line(text, face, random, neighbours=random.random() < 0.22)
            mask, boxes = seen(line, random)
            image = capture(compose(mask, self._backgrounds, random), random)
        except DataError as error:
            raise SampleError(f"{self.name}#{index}: {error}") from error
        return Sample(image, text, boxes, f"{self.name}#{index}")

    def _label(self, random: np.random.Generator) -> str:
        for _ in range(_TRIES * 10):
            text = self._corpus.sample(random)
            if text and (self._charset is None or not self._charset.unknown(self._charset.normalize(text))):
                return text
        assert self._charset is not None
        raise DataError(f"no label of the corpus fits charset {self._charset.name}; give a word list that does")

    def _text_and_font(
        self, label: Callable[[np.random.Generator], str], random: np.random.Generator
    ) -> tuple[str, Typeface]:
        for _ in range(_TRIES):
            text = label(random)
            face = self._fonts[int(random.integers(len(self._fonts)))]
            if face.covers(text):
                return text, face
        raise DataError(f"none of {_TRIES} fonts from {self._fonts.folder} has all of {text!r}; choose other fonts")
