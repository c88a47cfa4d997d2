"""Parameters by shell patterns for their names."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from wildtext.errors import ConfigError


def fitting(pattern: str, names: Iterable[str], option: str) -> list[str]:
    """The names that fit a pattern.

    Args:
        pattern: e.g. ``trunk.*``.
        names: of parameters.
        option: of the recipe that has the pattern, for messages.

    Raises:
        ConfigError: none fits; the message says how names begin.
    """
    names = list(names)
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        near = [name for name in names if name.partition(".")[0] == pattern.partition(".")[0]]
        # All parts of the model, or those of the one that the pattern begins with.
        parts = ", ".join(dict.fromkeys(".".join(name.split(".")[: 2 if near else 1]) for name in near or names))
        raise ConfigError(f"{option} has {pattern!r}, which fits no parameter; names begin with {parts}")
    return found
