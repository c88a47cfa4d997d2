"""What runs a network: one stateless protocol, so that everything above it need not know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

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
