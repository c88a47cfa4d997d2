"""Samples that are kept out of training, to measure with."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wildtext.data import LabelledSource
from wildtext.errors import ConfigError, SampleError, TrainingError
from wildtext.training.files import write_whole

FILE = "held-out.json"
"""Where a run remembers them."""

_MOST = 5000
"""Samples of a source that are held out: more would make a measurement slower, and hardly more exact."""


@dataclass(frozen=True)
class Chosen:
    """The samples of a source that are held out.

    Attributes:
        size: usable samples that the source had when they were chosen.
        indices: theirs, ascending.
        labels: checksum of their labels, which tells whether they are still the same.
    """

    size: int
    indices: tuple[int, ...]
    labels: int


@dataclass
class HeldOut:
    """Which samples of which source are held out.

    Attributes:
        share: of the samples of each source.
        seed: decides which.
        known: those that were chosen, by name of the source.
    """

    share: float
    seed: int
    known: dict[str, Chosen] = field(default_factory=dict)

    def recall(self, folder: Path) -> None:
        """Take up what the run in a folder has held out, where it says so.

        Raises:
            TrainingError: the file that tells is damaged.
        """
        path = folder / FILE
        if not path.exists():
            return
        try:
            for name, stored in json.loads(path.read_text(encoding="utf-8")).items():
                indices = tuple(map(int, stored["indices"]))
                self.known[name] = Chosen(int(stored["size"]), indices, int(stored["labels"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"{path} tells which samples must not be trained on, but is damaged: {error}; begin another run with "
                f"another --out or --name"
            ) from error

    def of(self, name: str, source: LabelledSource, usable: NDArray[np.int64]) -> NDArray[np.int64]:
        """The samples of a source that are held out, in ascending order.

        Args:
            name: of the source in the recipe.
            source: all its samples.
            usable: indices of those that can be used.

        Raises:
            TrainingError: the source has other samples than when the run began.
            ConfigError: it has too few to hold any out.
        """
        if name not in self.known:
            self.known[name] = self._choose(name, source, usable)
        chosen = self.known[name]
        there = chosen.size == len(usable) and bool(np.isin(chosen.indices, usable).all())
        if not there or chosen.labels != _checksum(source, chosen.indices):
            raise TrainingError(
                f"{name} has other samples than when the run began, {len(usable)} usable ones where there were "
                f"{chosen.size}, so it is not known which must not be trained on; restore the data, or begin another "
                f"run with another --out or --name"
            )
        return np.array(chosen.indices, np.int64)

    def save(self, folder: Path) -> None:
        """Remember them in the folder of a run."""
        write_whole(folder / FILE, json.dumps({name: asdict(chosen) for name, chosen in self.known.items()}))

    def _choose(self, name: str, source: LabelledSource, usable: NDArray[np.int64]) -> Chosen:
        count = min(max(round(self.share * len(usable)), 1), _MOST)
        if count >= len(usable):
            raise ConfigError(
                f"data.hold_out is {self.share:g}, but {name} has only {len(usable)} usable, too few to learn from and "
                f"to measure with; add samples, or set data.hold_out to 0 and name others in data.validation"
            )
        # Broken images would count as wrong in every measurement.
        shuffled = np.random.default_rng((self.seed, 0x5EED)).permutation(usable).tolist()
        indices = tuple(sorted(islice((index for index in shuffled if _sound(source, index)), count)))
        return Chosen(len(usable), indices, _checksum(source, indices))


def _sound(source: LabelledSource, index: int) -> bool:
    try:
        source[index]
    except SampleError:
        return False
    return True


def _checksum(source: LabelledSource, indices: Iterable[int]) -> int:
    return zlib.crc32("\n".join(source.text(index) for index in indices).encode())
