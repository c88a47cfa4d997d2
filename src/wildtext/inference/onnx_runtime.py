"""Run an `.onnx` bundle with onnxruntime."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime as ort

from wildtext.errors import BundleError, ConfigError
from wildtext.images import Preprocessing
from wildtext.inference.runtimes import Raw
from wildtext.types import Floats
from wildtext.weights.bundle import KEY, Bundle

MAP_PREFIX = "map."
"""Graph outputs that are maps carry this before their name; all others are logits of heads."""

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntime:
    """Runs the graph of an `.onnx` bundle.

    Args:
        path: the bundle.
        device: ``auto`` (CUDA where this build of onnxruntime has it, else the CPU), ``cpu`` or ``cuda``.
        threads: CPU threads of one call; 0 takes the processors that this process may use.

    Raises:
        BundleError: the file is missing, not ONNX, or not a bundle of wildtext.
        ConfigError: the device is unknown or not in this build of onnxruntime.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int = 0):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if not path.is_file():
            raise BundleError(f"there is no model file at {path}")
        providers = _providers(device)
        try:
            self._session = ort.InferenceSession(path, options, providers=providers)
        except Exception as error:  # onnxruntime has an unrelated class for each kind of failure
            raise BundleError(f"onnxruntime cannot load {path}: {error}") from error
        if device == "cuda" and _PROVIDERS["cuda"] not in self._session.get_providers():
            raise ConfigError("onnxruntime could not start CUDA, see its messages; or use --device cpu")
        metadata = self._session.get_modelmeta().custom_metadata_map
        if KEY not in metadata:
            raise BundleError(
                f"{path} is an ONNX file, but not a bundle of wildtext: it has no {KEY!r} metadata; "
                f"make one with: wildtext export MODEL.safetensors OUT.onnx"
            )
        self.bundle = Bundle.from_json(metadata[KEY], path)
        inputs = {node.name: node.shape for node in self._session.get_inputs()}
        self._inputs = list(inputs)
        self._outputs = [node.name for node in self._session.get_outputs()]
        fits = _fit(inputs.get("images", []), self.bundle.preprocessing)
        if not fits or not inputs.keys() <= {"images", "valid_width"} or self.bundle.primary not in self._outputs:
            raise BundleError(
                f"the graph in {path} does not fit its description: inputs {inputs}, outputs {self._outputs}"
            )

    @property
    def name(self) -> str:
        """See `Runtime.name`."""
        device = "cuda" if "CUDAExecutionProvider" in self._session.get_providers() else "cpu"
        return f"onnxruntime {ort.__version__} ({device})"

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        """See `Runtime.run`."""
        feed = {"images": images, "valid_width": valid_width}
        values = self._session.run(None, {name: feed[name] for name in self._inputs})
        outputs = dict(zip(self._outputs, values, strict=True))
        return Raw(
            {name: value for name, value in outputs.items() if not name.startswith(MAP_PREFIX)},
            {name.removeprefix(MAP_PREFIX): value for name, value in outputs.items() if name.startswith(MAP_PREFIX)},
        )


def _fit(shape: list[int | str | None], preprocessing: Preprocessing) -> bool:
    """Whether a graph whose images have this shape takes the canvases: dimensions that are no numbers are dynamic."""
    heights, widths = map(set, zip(*preprocessing.canvas.sizes, strict=True))
    wanted = ({preprocessing.channels}, heights, widths)
    return len(shape) == 4 and all(
        {given} == sizes if len(sizes) == 1 else not isinstance(given, int)
        for given, sizes in zip(shape[1:], wanted, strict=True)
    )


def _providers(device: str) -> list[str]:
    available = ort.get_available_providers()
    if device == "auto":
        return [provider for provider in (_PROVIDERS["cuda"], _PROVIDERS["cpu"]) if provider in available]
    if device not in _PROVIDERS:
        raise ConfigError(f"unknown device {device!r}; .onnx bundles run on auto, {', '.join(_PROVIDERS)}")
    if _PROVIDERS[device] not in available:
        raise ConfigError(f"this build of onnxruntime has no {device}; install onnxruntime-gpu or use --device cpu")
    return [_PROVIDERS[device], *([_PROVIDERS["cpu"]] if device != "cpu" else [])]
