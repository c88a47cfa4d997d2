"""From a name or path to a recogniser."""

from __future__ import annotations

import os

from wildtext.errors import BundleError, ConfigError, require
from wildtext.inference.onnx_runtime import OnnxRuntime
from wildtext.inference.recognizer import Recognizer
from wildtext.weights.bundle import load_model, read_safetensors_header
from wildtext.weights.catalogue import find

_MOST_THREADS = 4 * max(os.cpu_count() or 1, 16)
"""A machine with fewer processors would only stall."""


def load(model: str = "default", *, device: str = "auto", threads: int = 0) -> Recognizer:
    """Load a recogniser.

    >>> import wildtext
    >>> recognizer = wildtext.load()
    >>> recognizer.bundle.architecture
    'wildnet'

    Args:
        model: a name from `wildtext models`, or the path of an `.onnx` or `.safetensors` bundle. Reading with
            `.safetensors` needs torch.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of one call; 0 takes the processors that this process may use. For `.safetensors` it sets
            torch's number of threads, which all of the process shares.

    Raises:
        BundleError: there is no such model, or its file is damaged.
        ConfigError: the device cannot be used, or `threads` is out of range.
        MissingExtraError: a `.safetensors` bundle was given and torch is not installed.
    """
    if not 0 <= threads <= _MOST_THREADS:
        raise ConfigError(f"threads is {threads}, but must be between 0 (automatic) and {_MOST_THREADS}")
    path = find(str(model), suffix=".onnx")
    if path.suffix == ".onnx":
        runtime = OnnxRuntime(path, device, threads)
        return Recognizer(runtime.bundle, runtime)
    if path.suffix != ".safetensors":
        raise BundleError(f"{path} is neither an .onnx nor a .safetensors bundle")
    read_safetensors_header(path)  # a broken file must be told before torch is asked for
    torch = require("torch", extra="train")
    network, bundle = load_model(path)
    from wildtext.inference.torch_runtime import TorchRuntime

    if threads:
        torch.set_num_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return Recognizer(bundle, TorchRuntime(network, device))
