"""Every error that wildtext raises on purpose.

    WildtextError
    ├── ImageError          an image that cannot be decoded or is unfit to be read
    ├── CharsetError        a character set that is malformed, or text that it cannot express
    ├── ConfigError         a recipe, an option or a combination of them that makes no sense
    ├── DataError           a data source that is missing, empty or broken
    │   └── SampleError     one sample of a source that is broken; the rest may be fine
    ├── BundleError         a model file that is missing, foreign, damaged or too new
    ├── MissingExtraError   an optional dependency that is not installed (also an ImportError)
    └── TrainingError       a training run that cannot start, continue or be saved

Each message says what was wrong, with the value, and what to do about it.
"""

from types import ModuleType


class WildtextError(Exception):
    """Base of all errors that wildtext raises on purpose."""


class ImageError(WildtextError):
    """An image that cannot be decoded or is unfit to be read."""


class CharsetError(WildtextError):
    """A character set that is malformed, or text that it cannot express."""


class ConfigError(WildtextError):
    """A recipe, an option or a combination of them that makes no sense."""


class DataError(WildtextError):
    """A data source that is missing, empty or broken."""


class SampleError(DataError):
    """One sample of a data source that is broken; the rest may be fine."""


class BundleError(WildtextError):
    """A model file that is missing, foreign, damaged or of a newer format."""


class MissingExtraError(WildtextError, ImportError):
    """An optional dependency that is not installed."""


class TrainingError(WildtextError):
    """A training run that cannot start, continue or be saved."""


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        module: the dotted name to import, e.g. ``"lmdb"``.
        extra: the extra of the package that brings it, e.g. ``"data"``.

    Raises:
        MissingExtraError: the module is not installed; the message names the extra.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"this needs the package {module.partition('.')[0]!r}, which cannot be imported ({error}); "
            f"install it with: pip install 'wildtext[{extra}]'"
        ) from error
