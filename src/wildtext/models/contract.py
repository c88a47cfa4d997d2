"""What every recogniser promises, so that training, export and reading need to know no architecture."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from wildtext.codecs import Codec
from wildtext.errors import ConfigError

IGNORED = -100
"""Target id of a slot that nothing is learnt from."""


@dataclass(frozen=True)
class Head:
    """One output of a model.

    Attributes:
        codec: how its classes map to text.
        loss: name in `wildtext.training.losses.LOSSES`.
        weight: factor of its loss.
        training_only: whether it is left out when the model is exported.
        aligned: whether its columns are spread evenly over the canvas, so that training may tell it where characters
            stand.
    """

    codec: Codec
    loss: str
    weight: float = 1.0
    training_only: bool = False
    aligned: bool = False


@dataclass(frozen=True)
class MapLoss:
    """How training supervises a map.

    Attributes:
        loss: name in `wildtext.training.losses.MAP_LOSSES`.
        weight: factor of its loss.
    """

    loss: str
    weight: float


@dataclass(frozen=True)
class Output:
    """What a forward pass gives.

    Attributes:
        logits: per head (N, T, C), or (N, V, T, C) in training where a head sees V views of a label.
        maps: what a person may want to look at or a loss may supervise: ``attention`` (N, T, h, w) sums to 1 over
            (h, w), and is called ``attention.<head>`` where heads look at different places; ``column_x`` (N, w) says
            where in the canvas, as a share of its width, a feature column looks; ``core_area`` (N, 1, H, W) has the
            logits of lying in the middle of a character; ``fiducials`` (N, F, 2) are the points between which text was
            found to run, along its upper and then its lower edge, as (x, y) in shares of the canvas; ``rectified``
            (N, C, H, W) is the input after they were brought to the edges.
        targets: per head with several views, in training, the ids (N, V, T) that belong to its logits; `IGNORED`
            where a view has no answer.
    """

    logits: dict[str, Tensor]
    maps: dict[str, Tensor] = field(default_factory=dict)
    targets: dict[str, Tensor] | None = None


Memory = tuple[Tensor, ...]
"""What a model keeps while it writes: tensors (rows, ...), one row for each text that it may become."""


@dataclass(frozen=True)
class Step:
    """One slot of several texts, see `Model.write`.

    Attributes:
        logits: (rows, C) of what the slot holds.
        attention: (rows, h, w), where the model looked; sums to 1.
        memory: for the next slot.
    """

    logits: Tensor
    attention: Tensor
    memory: Memory


class Model(nn.Module):
    """A recogniser: pixels in, named logits out, and nothing else.

    No strings, losses, device moves or export flags live in a model.

    Attributes:
        config: frozen dataclass of sizes; with the charset it rebuilds the model.
        heads: the outputs by name.
        primary: name of the head that is read.
        fused: heads whose readings compete: the most confident one wins, the first among equals. Empty where the
            primary head alone is read.
        supervised: maps that training supervises, by name.
        switches: fields of the config that say how a trained model reads, see `switch`.
        autoregressive: whether its primary head can write one character after another, by `look` and `write`.
    """

    config: Any
    heads: Mapping[str, Head]
    primary: str
    fused: tuple[str, ...] = ()
    supervised: Mapping[str, MapLoss] = MappingProxyType({})
    switches: tuple[str, ...] = ()
    autoregressive: bool = False

    def switch(self, choices: Mapping[str, Any]) -> None:
        """Change how a trained model reads; its weights stay what they are.

        Args:
            choices: values for fields of its config that are in `switches`.

        Raises:
            ConfigError: there is no such switch, or no such choice.
        """
        for name, choice in choices.items():
            if name not in self.switches:
                known = ", ".join(self.switches) or "none"
                raise ConfigError(f"this architecture has no switch {name!r}; it has {known}")
            now = getattr(self.config, name)
            if type(choice) is not type(now):
                raise ConfigError(f"switch {name!r} is {now!r}, and cannot be {choice!r}, which is of another kind")
        self.config = replace(self.config, **choices)

    @abstractmethod
    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """Run the network.

        Args:
            images: (N, C, H, W) float32, normalised by the bundle's preprocessing.
            valid_width: (N,) share of the width that holds the image; None means all of it.
            targets: per head the ids (N, L) of its codec. Autoregressive heads are teacher-forced with them and decode
                greedily, for a fixed number of steps, without.
        """

    def look(self, images: Tensor, valid_width: Tensor | None = None) -> Memory:
        """Look at images once, to `write` texts about them; takes what `forward` takes.

        Returns:
            What to give to `write`, a row for each image. Rows may be repeated, reordered and left out.
        """
        raise NotImplementedError(f"{type(self).__name__} does not write one character after another")

    def write(self, memory: Memory, tokens: Tensor, slot: int) -> Step:
        """Say what a slot holds, given what was written before it, as `forward` does with targets.

        Args:
            memory: what `look` gave for the first slot, and the step before for the others.
            tokens: (rows,) ids of what the slot before holds; the begin token for the first.
            slot: number of the slot, from 0.
        """
        raise NotImplementedError(f"{type(self).__name__} does not write one character after another")
