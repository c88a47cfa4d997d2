"""What the brightness of an image tells without looking at where it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def split_level(counts: NDArray[np.intp]) -> int:
    """The grey level that parts pixels into a dark and a bright cluster with the least variance inside (Otsu 1979).

    The dark cluster is at or below it. Pixels of one level are all in the dark cluster.

    Args:
        counts: (256,) pixels of each grey level, at least one.
    """
    dark, sums = counts.cumsum(), (counts * np.arange(256)).cumsum()
    bright = dark[-1] - dark
    # A level leaves pixels on both sides, or it parts nothing.
    inside = np.flatnonzero((dark > 0) & (bright > 0))
    if not len(inside):
        return 255
    distance = (sums[-1] - sums[inside]) / bright[inside] - sums[inside] / dark[inside]
    return int(inside[(dark[inside] * bright[inside] * distance**2).argmax()])
