"""Single random choices; numpy's own ways to them take ten times as long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Random = np.random.Generator

UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
_POOLS = {"#": DIGITS, "@": UPPER, "*": UPPER + DIGITS}


def pick(choices: Sequence[T], random: Random) -> T:
    """One of the choices, each as likely."""
    return choices[int(random.random() * len(choices))]


def between(low: int, high: int, random: Random) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(random.random() * (high - low + 1))


def run(choices: Sequence[str], length: int, random: Random) -> str:
    """Characters drawn one by one."""
    size = len(choices)
    return "".join([choices[int(value * size)] for value in random.random(length).tolist()])


def fill(pattern: str, random: Random) -> str:
    """The pattern with each # replaced by a digit, @ by a capital and * by either."""
    draws = random.random(len(pattern)).tolist()
    pools = [_POOLS.get(mark, mark) for mark in pattern]
    return "".join([pool[int(value * len(pool))] for pool, value in zip(pools, draws, strict=True)])
