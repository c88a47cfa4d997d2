"""Labelled word images per CPU-second: the synthetic source against SynthTIGER and TRDG, in the same run.

Everyone has the fonts and the common words that ship with wildtext, one process and one thread. All paint at about 48
rows; two thirds of ours are then sampled down to fewer, as by a camera. Only the time after a warm-up counts, as user
and system seconds of the process. The engines take turns, and the median of the turns stands. SynthTIGER's wheel has
no template, so that `synth_peers.py` holds one of its usual components; give --tiger-example a clone of its
repository to measure with its own template and settings too.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from json import dumps, loads
from pathlib import Path
from typing import Any

import torch
import tyro

import wildtext
from wildtext import synth
from wildtext.charset import Charset
from wildtext.codecs import CTC
from wildtext.config import LabelOptions, SynthOptions
from wildtext.data.mixture import Ingredient, Mixture
from wildtext.errors import SampleError
from wildtext.models import MODELS
from wildtext.synth import SyntheticWords
from wildtext.training.canvas import paint
from wildtext.training.loader import deliveries
from wildtext.types import Sample

SHIPPED = Path(synth.__file__).parent
FONTS, WORDS = SHIPPED / "fonts", SHIPPED / "words" / "common.txt"
REQUIREMENTS = ("numpy<1.24", "Pillow<10", "fonttools", "synthtiger==1.2.1", "trdg==1.8.0")
WARM_UP = 50
CHUNK = 256


@dataclass
class Turn:
    """What some images took: seconds of the processor; and their mean number of pixels."""

    images: int
    seconds: float
    pixels: float


Work = Callable[[int], Turn]
"""Draws so many images."""


@dataclass
class Row:
    """What one engine does in a CPU-second; `pixels` is the mean size of its images, 0 where it makes none."""

    engine: str
    images: int
    pixels: float = 0.0
    rates: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.rates)


def main(
    *,
    images: int = 2000,
    peer_images: int = 200,
    rounds: int = 3,
    backgrounds: str = "",
    peers: str = "build/peers",
    tiger_example: str = "",
    feed: bool = False,
    workers: int = os.cpu_count() or 1,
    json: str = "",
) -> None:
    """Compare sources of synthetic words.

    Args:
        images: Images of ours in a round.
        peer_images: Images of each peer in a round.
        rounds: Turns of every engine.
        backgrounds: Folder of photographs for all engines; without it all grounds are painted.
        peers: Folder of the peers' environment, built with pip where it is missing; empty leaves the peers out.
        tiger_example: Clone of SynthTIGER's repository, to measure its own template too.
        feed: Measure also how fast a training step can be fed, in images per second of the clock.
        workers: Processes of the training loader.
        json: File for the figures as JSON.
    """
    torch.set_num_threads(1)
    options = SynthOptions(words=str(WORDS), backgrounds=backgrounds, labels=LabelOptions(kinds={"word": 1.0}))
    source = SyntheticWords(1, options)
    engines = {
        "wildtext": (ours(source.samples), images),
        "wildtext, stage one alone": (ours(partial(drafts, source)), images),
    }
    if peers:
        python = environment(Path(peers))
        for name in ("synthtiger", "trdg", *(["synthtiger-example"] if tiger_example else [])):
            version, work = peer(python, [name, str(FONTS), str(WORDS), backgrounds, tiger_example])
            engines[f"{name} {version}"] = work, peer_images
    rows = compare(engines, rounds)
    show(rows)
    result: dict[str, Any] = {"machine": machine(), "rows": [asdict(row) | {"median": row.median} for row in rows]}
    if feed:
        rate = fed(source, workers)
        result["feed"] = {"workers": workers, "images_per_second": rate}
        print(f"fed to a training step by {workers} workers: {rate:.0f} images / second")
    if json:
        Path(json).write_text(dumps(result, indent=2))


def show(rows: list[Row]) -> None:
    print(f"{'engine':28} {'images / CPU-second':>20} {'lowest':>8} {'highest':>8} {'pixels':>8}")
    for row in rows:
        pixels = f"{row.pixels:8.0f}" if row.pixels else f"{'-':>8}"
        print(f"{row.engine:28} {row.median:20.1f} {min(row.rates):8.1f} {max(row.rates):8.1f} {pixels}")


def compare(engines: dict[str, tuple[Work, int]], rounds: int) -> list[Row]:
    """Let the engines take turns, after a warm-up of each."""
    rows = [Row(name, images) for name, (_, images) in engines.items()]
    for work, _ in engines.values():
        work(WARM_UP)
    for _ in range(rounds):
        for row, (work, images) in zip(rows, engines.values(), strict=True):
            turn = work(images)
            row.rates.append(turn.images / turn.seconds)
            row.pixels = turn.pixels
    return rows


def ours(draw: Callable[[Sequence[int]], Sequence[object]]) -> Work:
    """Our source, which is at its best with many samples at once; a turn goes on where the last one ended."""
    begun = 0

    def work(count: int) -> Turn:
        nonlocal begun
        before, drawn = resource.getrusage(resource.RUSAGE_SELF), 0
        sizes = []
        for first in range(begun, begun + count, CHUNK):
            results = draw(range(first, min(first + CHUNK, begun + count)))
            drawn += sum(not isinstance(result, SampleError) for result in results)
            sizes += [result.image.shape[0] * result.image.shape[1] for result in results if isinstance(result, Sample)]
        begun += count
        after = resource.getrusage(resource.RUSAGE_SELF)
        seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return Turn(drawn, seconds, statistics.mean(sizes or [0]))

    return work


def drafts(source: SyntheticWords, indices: Sequence[int]) -> list[object]:
    """Words before they are painted: their ink and their boxes."""
    results: list[object] = []
    for index in indices:
        try:
            results.append(source.draft(index))
        except SampleError as error:
            results.append(error)
    return results


def environment(folder: Path) -> str:
    """The interpreter of an environment with the peers, which need an old numpy and an old Pillow."""
    python, complete = folder / "bin" / "python", folder / "complete.txt"
    if not complete.exists() or complete.read_text().split("\n") != list(REQUIREMENTS):
        print(f"building the peers' environment in {folder}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        complete.write_text("\n".join(REQUIREMENTS))
    return str(python)


def peer(python: str, arguments: list[str]) -> tuple[str, Work]:
    """The version of a peer and its process at work."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    process = subprocess.Popen(
        [python, "-W", "ignore", Path(__file__).with_name("synth_peers.py"), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | threads,
    )
    requests, replies = process.stdin, process.stdout
    assert requests is not None
    assert replies is not None

    def reply() -> dict[str, Any]:
        line = replies.readline()
        if not line:
            raise SystemExit(f"{arguments[0]} failed; what it said stands above")
        answer: dict[str, Any] = loads(line)
        return answer

    def work(count: int) -> Turn:
        print(count, file=requests, flush=True)
        return Turn(**reply())

    return reply()["version"], work


def fed(source: SyntheticWords, workers: int, *, batch_size: int = 256) -> float:
    """Images in a second of the clock that reach a model as its input; a GPU paints them itself."""
    # Far more than the loader draws ahead (4 a worker), so that its stock at the start counts for little.
    count = 20 * max(workers, 2)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    preset = MODELS["wildnet"]
    warm_up = 4 * max(workers, 1)
    stream = deliveries(
        Mixture([Ingredient(source)], batch_size),
        preset.preprocessing,
        [CTC(Charset.named(preset.charset))],
        start=0,
        stop=warm_up + count,
        workers=workers,
        two_stages=device.type == "cuda",
    )
    inputs = (
        [
            paint(part, preset.preprocessing, source.textures, device).normalized(preset.preprocessing)
            for part in delivery.parts
        ]
        for delivery in stream
    )
    for _ in islice(inputs, warm_up):
        pass
    began = time.perf_counter()
    images = sum(len(canvases) for parts in inputs for canvases in parts)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return images / (time.perf_counter() - began)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "wildtext": wildtext.__version__,
    }


if __name__ == "__main__":
    tyro.cli(main)
