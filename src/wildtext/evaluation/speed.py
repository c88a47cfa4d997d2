"""How fast a recogniser reads on this machine, and how large it is."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildtext.errors import ConfigError, DataError
from wildtext.evaluation.flops import count_flops, widest_canvas
from wildtext.inference.recognizer import Recognizer
from wildtext.types import Image

_MOST, _LEAST = 200, 3
"""How often something is timed, at most, and at least where one time is long."""

_SECONDS = 5.0
"""After so long no further time is taken, once there are enough."""

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Speed:
    """What reading costs. Times are from a decoded image to its text: resizing, network, decoding of its outputs.

    Attributes:
        machine: model of its processor.
        runtime: what runs the network and where.
        threads: processor threads of one call.
        reads: how many images were read one by one.
        median_ms, p90_ms, p99_ms: percentiles of the time that one of them took, in milliseconds.
        batch_size: images that went through the network together in the other measurement.
        images_per_second: how many were read in batches of this size, by the median time of a batch.
        parameters: trained values of the model.
        bundle_bytes: size of the file.
        flops: see `count_flops`, which says also when it is None.
        canvas: height and width in pixels of the image that they are for, the widest.
    """

    machine: str
    runtime: str
    threads: int
    reads: int
    median_ms: float
    p90_ms: float
    p99_ms: float
    batch_size: int
    images_per_second: float
    parameters: int
    bundle_bytes: int
    flops: int | None
    canvas: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "canvas": list(self.canvas)}

    def rows(self) -> list[tuple[str, str]]:
        """Names and figures for people."""
        height, width = self.canvas
        flops = "not known" if self.flops is None else f"{self.flops / 1e9:.2f} G for {height} x {width} pixels"
        return [
            ("machine", self.machine),
            ("runtime", self.runtime),
            ("threads", str(self.threads)),
            (
                "one image",
                f"{self.median_ms:.1f} ms median, {self.p90_ms:.1f} ms 90th, {self.p99_ms:.1f} ms 99th percentile "
                f"of {self.reads}",
            ),
            (f"batches of {self.batch_size}", f"{self.images_per_second:.0f} images/s"),
            ("parameters", f"{self.parameters / 1e6:.2f} M"),
            ("file", f"{self.bundle_bytes / 1e6:.1f} MB"),
            ("FLOPs", flops),
        ]


def measure_speed(
    recognizer: Recognizer, images: Sequence[Image], *, path: Path, batch_size: int = 32, threads: int = 0
) -> Speed:
    """Time a recogniser on images one by one, and then in batches, after it has warmed up on all their sizes.

    It takes about ten seconds, and longer where a batch takes more than two. Nothing else should run on the machine.

    Args:
        recognizer: what reads.
        images: (H, W, 3) uint8 RGB each, such as it will be used for; they are read in turn, again and again.
        path: the file of its bundle.
        batch_size: images of a batch.
        threads: what the recogniser was loaded with; 0 stands for the processors that this process may use.

    Raises:
        DataError: there are no images.
        ConfigError: `batch_size` is below 1.
    """
    if not images:
        raise DataError("there are no images to measure the speed of reading with")
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, not {batch_size}")
    recognizer.read(_one_of_each_size(recognizer, images), batch_size=1)
    single = _times(lambda number: recognizer.read(images[number % len(images)]))
    batches = _times(
        lambda number: recognizer.read(
            [images[place % len(images)] for place in range(number * batch_size, (number + 1) * batch_size)],
            batch_size=batch_size,
        )
    )
    median, p90, p99 = (1000 * np.percentile(single, (50, 90, 99))).tolist()
    return Speed(
        machine=_machine(),
        runtime=recognizer.runtime.name,
        threads=threads or len(os.sched_getaffinity(0)),
        reads=len(single),
        median_ms=median,
        p90_ms=p90,
        p99_ms=p99,
        batch_size=batch_size,
        images_per_second=batch_size / float(np.median(batches)),
        parameters=recognizer.bundle.parameters,
        bundle_bytes=path.stat().st_size,
        flops=count_flops(recognizer.bundle),
        canvas=widest_canvas(recognizer.bundle.preprocessing),
    )


def _one_of_each_size(recognizer: Recognizer, images: Sequence[Image]) -> list[Image]:
    """For each choice of canvases that images get, turned or not, the first that gets it."""
    preprocessing = recognizer.bundle.preprocessing
    found: dict[tuple[tuple[int, int], ...], Image] = {}
    for image in images:
        views = [turned.shape for _, turned in preprocessing.orientations(image)]
        found.setdefault(tuple(preprocessing.canvas.place(view[0], view[1])[:2] for view in views), image)
    return list(found.values())


def _times(read: Callable[[int], object]) -> NDArray[np.float64]:
    """Seconds that calls with 1, 2, 3 and so on take; the call with 0 comes before and does not count."""
    read(0)
    times: list[float] = []
    while len(times) < _MOST and (len(times) < _LEAST or sum(times) < _SECONDS):
        began = time.perf_counter()
        read(len(times) + 1)
        times.append(time.perf_counter() - began)
    return np.array(times)


def _machine() -> str:
    """The model of the processor, as far as the system tells."""
    with suppress(OSError):
        for line in _CPUINFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
