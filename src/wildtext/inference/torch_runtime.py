"""Run a torch model: for `.safetensors` bundles, and for the model that is being trained."""

from __future__ import annotations

import torch

from wildtext.errors import ConfigError
from wildtext.inference.runtimes import Raw
from wildtext.models import Model
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

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        """See `Runtime.run`."""
        pixels = torch.from_numpy(images).to(self._device)
        shares = torch.from_numpy(valid_width).to(self._device)
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            output = self._model(pixels, shares)
        return Raw(
            {name: logits.float().cpu().numpy() for name, logits in output.logits.items()},
            {name: values.float().cpu().numpy() for name, values in output.maps.items()},
        )
