"""Synthetic words that are used several times, where rendering is slower than the network.

Step s gets its new words and, for each further use, those that were new `REUSE_AFTER`, twice as many, ... steps before.
So what a step gets is a function of its number: a resumed run fills the buffer again from the steps before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from wildtext.config import SYNTH
from wildtext.data.mixture import REUSE_AFTER, fresh
from wildtext.training.canvas import Canvases, joined


def is_synthetic(source: str) -> bool:
    """Whether a sample comes from the synthetic source, by where it says that it comes from."""
    return source.startswith(f"{SYNTH}#")


class Replay:
    """Holds the synthetic words of the last steps.

    Args:
        reuse: how often each is used; 1 holds none.
    """

    def __init__(self, reuse: int):
        self.reuse = reuse
        self.length = REUSE_AFTER * (reuse - 1)
        """Steps that it reaches back."""
        self._held: deque[list[Canvases]] = deque(maxlen=self.length)

    def hold(self, step: int, canvases: Sequence[Canvases]) -> None:
        """Keep the synthetic words among the canvases of a step for the steps to come."""
        rows = [(some, row) for some in canvases for row, source in enumerate(some.sources) if is_synthetic(source)]
        if step < self.length:
            # The first steps have nothing but new words. Of those as many are kept as a later step has.
            rows = rows[: fresh(step, len(rows), self.reuse)]
        self._held.append([some.rows([row for _, row in own]) for some, own in groupby(rows, key=itemgetter(0))])

    def add(self, step: int, canvases: Sequence[Canvases]) -> list[Canvases]:
        """The canvases of a step together with those that it uses again; one for each size."""
        again = []
        if step >= self.length:
            again = [some for use in range(1, self.reuse) for some in self._held[-REUSE_AFTER * use]]
        self.hold(step, canvases)
        return joined([*canvases, *again])
