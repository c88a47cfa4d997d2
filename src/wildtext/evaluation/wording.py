"""Words that figures are told with."""

from __future__ import annotations


def counted(count: int, one: str) -> str:
    """A count with its noun.

    >>> counted(1, "image"), counted(2000, "image")
    ('1 image', '2,000 images')
    """
    return f"{count:,} {one if count == 1 else one + 's'}"
