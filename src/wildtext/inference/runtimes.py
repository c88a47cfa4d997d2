"""What runs a network: one stateless protocol, so that everything above it need not know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wildtext.types import Floats


@dataclass(frozen=True)
class Raw:
    """Arrays that a network gives for N images.

    Attributes:
        logits: per head (N, T, C).
        maps: see `wildtext.models.contract.Output`.
    """

    logits: dict[str, Floats]
    maps: dict[str, Floats] = field(default_factory=dict)


class Runtime(Protocol):
    """Runs a network. Calls keep no state and may come from several threads at once."""

    @property
    def name(self) -> str:
        """What runs it and where, for people, e.g. ``onnxruntime (cpu)``."""

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        """Run N images, (N, C, H, W) float32 normalised, with the (N,) share of the width that they fill."""


class Writing(Protocol):
    """One image that an autoregressive model has looked at, and texts that it is writing about it."""

    def go_on(self, origins: NDArray[np.int64], tokens: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """What the next slot of each text holds.

        Args:
            origins: (B,) which text of the call before each goes on from; for the first call zeros.
            tokens: (B,) ids that the slot before holds; for the first call the begin token.

        Returns:
            Logits (B, C) of the primary head, and attention (B, h, w).
        """


@runtime_checkable
class Writer(Protocol):
    """A runtime that can be led, character by character, where its model allows it."""

    @property
    def autoregressive(self) -> bool:
        """Whether the model writes one character after another."""

    def look(self, images: Floats, valid_width: Floats) -> Writing:
        """Look at one image, (1, C, H, W), as for `Runtime.run`."""
