"""The synthetic source: sample i of a seed is always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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
    ):
        self.name = "synth"
        self.seed = seed
        self._fonts = FontLibrary(fonts)
        self._corpus = Corpus(words)
        self._backgrounds = Backgrounds(backgrounds)

    @property
    def size(self) -> None:
        """Endless."""
        return None

    def __getitem__(self, index: int) -> Sample:
        """Draw sample `index`, any integer from 0."""
        random = np.random.default_rng((self.seed, index))
        text, face = self._text_and_font(random)
        line = draw_line(text, face, random, neighbours=random.random() < 0.22)
        mask, boxes = seen(line, random)
        image = capture(compose(mask, self._backgrounds, random), random)
        return Sample(image, text, boxes, f"{self.name}#{index}")

    def _text_and_font(self, random: np.random.Generator) -> tuple[str, Typeface]:
        text = self._corpus.sample(random)
        for _ in range(_TRIES):
            face = self._fonts[int(random.integers(len(self._fonts)))]
            if text and face.covers(text):
                return text, face
            text = self._corpus.sample(random)
        # Fonts that cover nothing of the corpus (symbol fonts among few) must not stop the stream.
        return "0", self._fonts[int(random.integers(len(self._fonts)))]
