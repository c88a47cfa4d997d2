"""wildtext: read words in photographs.

>>> import wildtext
>>> recognizer = wildtext.load()
>>> predictions = recognizer.read(["sign.jpg", "menu.png"])  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wildtext.errors import WildtextError

if TYPE_CHECKING:
    from wildtext.charset import Charset
    from wildtext.codecs import Lexicon
    from wildtext.inference.explanation import Explanation
    from wildtext.inference.loading import load
    from wildtext.inference.recognizer import Recognizer
    from wildtext.types import Alternative, Character, Prediction, Sample

__version__ = "0.1.0"

__all__ = [
    "Alternative",
    "Character",
    "Charset",
    "Explanation",
    "Lexicon",
    "Prediction",
    "Recognizer",
    "Sample",
    "WildtextError",
    "load",
]

_HOMES = {
    "Alternative": "types",
    "Character": "types",
    "Charset": "charset",
    "Explanation": "inference.explanation",
    "Lexicon": "codecs",
    "Prediction": "types",
    "Recognizer": "inference.recognizer",
    "Sample": "types",
    "load": "inference.loading",
}


def __getattr__(name: str) -> Any:
    # Looked up on first use, so that `wildtext --help` need not wait for numpy and onnxruntime.
    if name in _HOMES:
        return getattr(import_module(f"wildtext.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'wildtext' has no attribute {name!r}")
