"""Checks of sizes that the configs of several architectures share."""

from __future__ import annotations

from typing import Any

from wildtext.errors import ConfigError


def check_least(config: Any, **leasts: int) -> None:
    """Refuse sizes that are below the given ones.

    Raises:
        ConfigError: naming the size and the least value.
    """
    for name, least in leasts.items():
        if getattr(config, name) < least:
            raise ConfigError(f"size {name!r} is {getattr(config, name)}; the least is {least}")


def check_choice(config: Any, **choices: tuple[str, ...]) -> None:
    """Refuse sizes that are none of the given words.

    Raises:
        ConfigError: naming the size and what it can be.
    """
    for name, known in choices.items():
        if getattr(config, name) not in known:
            raise ConfigError(f"size {name!r} is {getattr(config, name)!r}; known are {', '.join(known)}")


def check_image_channels(channels: int) -> None:
    """Refuse images that are neither grey nor coloured.

    Raises:
        ConfigError: naming the number.
    """
    if channels not in (1, 3):
        raise ConfigError(f"size 'image_channels' is {channels}; images have 1 or 3")


def check_dropout(share: float) -> None:
    """Refuse a share that hides all, or makes no sense.

    Raises:
        ConfigError: naming the share.
    """
    if not 0 <= share < 1:
        raise ConfigError(f"size 'dropout' is {share}; it must be at least 0 and below 1")
