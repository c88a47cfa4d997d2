"""Run a torch model: for `.safetensors` bundles, and for the model that is being trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wildtext.errors import ConfigError
from wildtext.inference.runtimes import Raw, Writing
from wildtext.models import Memory, Model, Step
from wildtext.types import Floats


class TorchRuntime:
    """Runs a model in evaluation mode, in float32 or in bf16 where asked.

    Args:
        model: is moved to the device and put into evaluation mode.
        device: ``cpu``, ``cuda``, ``cuda:1``.
        bf16: run matrix work in bfloat16; logits stay float32.

    Raises:
        ConfigError: the device does not exist.
    """

    def __init__(self, model: Model, device: str = "cpu", *, bf16: bool = False):
        try:
            self._device = torch.device(device)
            self._model = model.to(self._device).eval()
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"device {device!r} cannot be used: {error}") from error
        self._bf16 = bf16

    @property
    def name(self) -> str:
        """See `Runtime.name`."""
        return f"torch {torch.__version__} ({self._device})"

    @property
    def autoregressive(self) -> bool:
        """See `wildtext.inference.runtimes.Writer`."""
        return self._model.autoregressive

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        """See `Runtime.run`."""
        with self._inference():
            output = self._model(self._tensor(images), self._tensor(valid_width))
        return Raw(
            {name: _array(logits) for name, logits in output.logits.items()},
            {name: _array(values) for name, values in output.maps.items()},
        )

    def look(self, images: Floats, valid_width: Floats) -> Writing:
        """See `wildtext.inference.runtimes.Writer`."""
        with self._inference():
            return _TorchWriting(self, self._model.look(self._tensor(images), self._tensor(valid_width)))

    def write(self, memory: Memory, origins: NDArray[np.int64], tokens: NDArray[np.int64], slot: int) -> Step:
        """A slot of texts that go on from some rows of the memory, see `wildtext.models.Model.write`."""
        with self._inference():
            rows = self._tensor(origins)
            return self._model.write(tuple(part[rows] for part in memory), self._tensor(tokens), slot)

    @contextmanager
    def _inference(self) -> Iterator[None]:
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            yield

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self._device)


class _TorchWriting:
    """See `wildtext.inference.runtimes.Writing`."""

    def __init__(self, runtime: TorchRuntime, memory: Memory):
        self._runtime = runtime
        self._memory = memory
        self._slot = 0

    def go_on(self, origins: NDArray[np.int64], tokens: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """See `wildtext.inference.runtimes.Writing`."""
        step = self._runtime.write(self._memory, origins, tokens, self._slot)
        self._memory, self._slot = step.memory, self._slot + 1
        return _array(step.logits), _array(step.attention)


def _array(values: Tensor) -> Floats:
    found: Floats = values.float().cpu().numpy()
    return found
