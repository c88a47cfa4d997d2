"""A stand-in for the synthetic source, which draws in no time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wildtext.charset import Charset
from wildtext.config import SynthOptions
from wildtext.errors import SampleError
from wildtext.types import Sample


class FakeWords:
    """Coloured noise with a dark bar for each character. Every sample whose index ends in 7 cannot be drawn."""

    name = "synth"
    size = None

    def __init__(self, seed: int = 0, options: SynthOptions | None = None, charset: Charset | None = None):
        self.seed = seed
        self.options = options or SynthOptions()

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        return [self._draw(index) for index in indices]

    def _draw(self, index: int) -> Sample | SampleError:
        if index % 10 == 7:
            return SampleError(f"synth#{index}: no font has it")
        random = np.random.default_rng((self.seed, index))
        text = f"<{index}>"
        image = random.integers(150, 256, (self.options.layout.height, 20 * len(text), 3), np.uint8)
        lefts = 20 * np.arange(len(text), dtype=np.float32) + 5
        for left in lefts.astype(int):
            image[8:40, left : left + 10] //= 4
        boxes = np.stack([np.array([[x, 8], [x + 10, 8], [x + 10, 40], [x, 40]], np.float32) for x in lefts])
        word = np.array([boxes[0, 0], boxes[-1, 1], boxes[-1, 2], boxes[0, 3]])
        parameters = {
            "kind": "code" if index % 2 else "word",
            "style": "display",
            "seed": self.seed,
            "index": index,
            "layout": {"height": 48, **({"arc": {"degrees": 30.5}} if index % 3 == 0 else {})},
            "appearance": {"shadow": {"shift": [1, 2]}},
            "capture": {},
        }
        return Sample(image, text, boxes, f"synth#{index}", word, parameters)
