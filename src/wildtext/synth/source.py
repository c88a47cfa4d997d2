"""The synthetic source: sample i of a seed is always the same."""

from __future__ import annotations

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

    @property
    def size(self) -> None:
        """Endless."""
        return None

    def __getitem__(self, index: int) -> Sample:
        """Draw sample `index`, any integer from 0.

        Raises:
            SampleError: it needs a font or a photograph that is broken, or no font has the characters.
        """
        random = np.random.default_rng((self.seed, index))
        try:
            text, face = self._text_and_font(random)
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

    def _text_and_font(self, random: np.random.Generator) -> tuple[str, Typeface]:
        text = self._label(random)
        for _ in range(_TRIES):
            face = self._fonts[int(random.integers(len(self._fonts)))]
            if face.covers(text):
                return text, face
            text = self._label(random)
        # Fonts that cover nothing of the corpus (symbol fonts among few) must not stop the stream.
        face = self._fonts[int(random.integers(len(self._fonts)))]
        if not face.covers("0"):
            raise DataError(f"{face.path} and {_TRIES} others have no characters for the labels; choose other fonts")
        return "0", face
