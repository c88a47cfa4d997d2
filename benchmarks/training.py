"""Images per second of a training step, and of what feeds it alone, beside the loops of two other projects.

    python -m benchmarks.training

The peers (`training_peers.py`) let Pillow decode one crop after another, resize each alone, and train in fp32; PARSeq
also augments each crop with Pillow. All train the same network on the same crops, in one process with one thread, and
take turns, so that a machine that slows down slows all of them. Ratios are of what they use of the processor.
"""

from __future__ import annotations

import io
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from itertools import count, islice
from json import dumps
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import PIL
import torch
import tyro
from PIL import Image

from benchmarks.synth import machine
from benchmarks.training_peers import dtrb, dtrb_steps, open_lmdb, parseq, parseq_steps
from wildtext.charset import Charset
from wildtext.config import DataOptions, LoopOptions, ModelOptions, Recipe
from wildtext.data import open_source
from wildtext.data.collate import label_problem
from wildtext.data.lmdb import COUNT, sample_key
from wildtext.data.mixture import Ingredient, Mixture
from wildtext.errors import SampleError
from wildtext.images import Fixed
from wildtext.models import MODELS, Model, build
from wildtext.synth import SyntheticWords
from wildtext.training.canvas import paint
from wildtext.training.loader import deliveries
from wildtext.training.run import Run
from wildtext.types import Sample

ENDLESS = 1_000_000
WARM_UP = 2
"""Batches of everybody that do not count."""

CROP_HEIGHT = 31
"""Pixels, as of the crops of MJSynth."""

_TOGETHER = 256
"""Synthetic words that are drawn at once."""

Stream = Iterator[int]
"""Works through batch after batch, and tells how many images each has."""


@dataclass
class Row:
    """Images per second of the processor and of the clock, by turn; `faster` is how many times as many ours does."""

    job: str
    contestant: str
    cpu: list[float] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)
    faster: float = 1.0


def main(
    *,
    data: str = "",
    model: str = "wildnet",
    images: int = 2000,
    batch: int = 128,
    rounds: int = 7,
    loads: int = 8,
    steps: int = 2,
    only: tuple[str, ...] = (),
    json: str = "",
) -> None:
    """Compare training loops.

    Args:
        data: Where to take crops from, in any form that wildtext opens; without it they are drawn.
        model: Preset to train; its canvas must have one size.
        images: Crops to take. They stay in memory, so that no disk is measured.
        batch: Images of a step.
        rounds: Turns of everybody.
        loads: Batches in a turn of loading alone.
        steps: Steps in a turn of training.
        only: Jobs to do, as the table calls them, and `wait`; none stands for all.
        json: File for the figures as JSON.
    """
    torch.set_num_threads(1)
    if not isinstance(MODELS[model].preprocessing.canvas, Fixed):
        raise SystemExit(f"the peers stretch all crops to one size, which {model} does not; choose another --model")
    if images < batch:
        raise SystemExit(f"{images} crops do not fill a batch of {batch}; raise --images")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_crops(folder / "ours", data, model, images)
        contests = Contests(folder, model, batch)
        print(f"{'job':16} {'contestant':24} {'images / CPU-second':>20} {'images / second':>16} {'x':>6}")
        rows: list[Row] = []
        for job, streams in contests.jobs().items():
            if job in (only or (job,)):
                rows += compare(job, streams, rounds, loads if job.startswith("load") else steps)
        share = contests.data_wait(steps * rounds) if "wait" in (only or ("wait",)) else None
    if share is not None:
        print(f"of a step with one process that loads, {100 * share:.1f} % is waiting for data")
    if json:
        figures = [asdict(row) | {"median": statistics.median(row.cpu)} for row in rows]
        Path(json).write_text(
            dumps({"machine": circumstances(), "model": model, "rows": figures, "wait": share}, indent=2)
        )


class Contests:
    """Who does which jobs.

    Args:
        folder: holds the crops as `ours`, and gets what else is written.
        model: preset to train.
        batch: images of a step.
    """

    def __init__(self, folder: Path, model: str, batch: int):
        self.folder = folder
        self.name = model
        self.batch = batch
        self.charset = Charset.named(MODELS[model].charset)
        self.preprocessing = MODELS[model].preprocessing
        # LMDB forbids to open a file twice in one process.
        shutil.copytree(folder / "ours", folder / "theirs")
        self.environment = open_lmdb(folder / "theirs")

    def jobs(self) -> dict[str, dict[str, Stream]]:
        """By job the contestants, ours first."""
        peers = (self.environment, self.charset, *self._canvas(), self.batch)
        return {
            "load": {
                "wildtext": self._ours("none"),
                "DTRB": _counted(dtrb(*peers)),
                "PARSeq": _counted(parseq(*peers, augments=False)),
            },
            "load, augmented": {
                "wildtext, parseq": self._ours("parseq"),
                "wildtext, photo": self._ours("photo"),
                "PARSeq": _counted(parseq(*peers, augments=True)),
            },
            "step": {
                "wildtext, bf16": self._our_steps("none"),
                "DTRB, fp32": dtrb_steps(dtrb(*peers), self._network()),
                "PARSeq, fp32": parseq_steps(parseq(*peers, augments=False), self._network()),
            },
            "step, augmented": {
                "wildtext, bf16, parseq": self._our_steps("parseq"),
                "PARSeq, fp32": parseq_steps(parseq(*peers, augments=True), self._network()),
            },
        }

    def data_wait(self, steps: int) -> float:
        """Share of the time of our steps in which they wait for the process that loads."""
        run = self._run("photo", workers=1)
        waited, began = 0.0, time.perf_counter()
        arriving = run.deliveries()
        for step in range(WARM_UP + steps):
            if step == WARM_UP:
                waited, began = 0.0, time.perf_counter()
            asked = time.perf_counter()
            delivery = next(arriving)
            waited += time.perf_counter() - asked
            run.step(delivery)
        return waited / (time.perf_counter() - began)

    def _ours(self, policy: str) -> Stream:
        codecs = [head.codec for head in self._network().heads.values()]
        mixture = Mixture([Ingredient(open_source(self.folder / "ours"))], self.batch)
        random = np.random.default_rng(1)
        fetched = deliveries(mixture, self.preprocessing, codecs, start=0, stop=ENDLESS, workers=0, two_stages=False)
        for delivery in fetched:
            for part in delivery.parts:
                canvases = paint(part, self.preprocessing, None, torch.device("cpu")).augmented(policy, random)
                canvases.normalized(self.preprocessing)
            yield len(delivery)

    def _our_steps(self, policy: str) -> Stream:
        run = self._run(policy, workers=0)
        for delivery in run.deliveries():
            run.step(delivery)
            yield len(delivery)

    def _run(self, policy: str, *, workers: int) -> Run:
        recipe = Recipe(
            model=ModelOptions(name=self.name),
            data=DataOptions(train=(str(self.folder / "ours"),), workers=workers, augment=policy),
            loop=LoopOptions(steps=ENDLESS, batch_size=self.batch, precision="bf16", device="cpu", threads=1),
        )
        run = Run(recipe, self.folder / f"run-{policy}-{workers}")
        run.start(resume=False)
        return run

    def _network(self) -> Model:
        return build(self.name, self.charset)

    def _canvas(self) -> tuple[str, tuple[int, int]]:
        """Pillow's name of the colours, and the size."""
        canvas = self.preprocessing.canvas
        assert isinstance(canvas, Fixed)
        return "L" if self.preprocessing.color == "grey" else "RGB", (canvas.height, canvas.width)


def _counted(batches: Iterator[tuple[torch.Tensor, Sequence[str]]]) -> Stream:
    return (len(images) for images, _ in batches)


def compare(job: str, streams: dict[str, Stream], rounds: int, batches: int) -> list[Row]:
    """Let the contestants take turns, ours first, and print their rows."""
    rows = [Row(job, contestant) for contestant in streams]
    for turn in range(-1, rounds):
        for row, stream in zip(rows, streams.values(), strict=True):
            began = time.process_time(), time.perf_counter()
            images = sum(islice(stream, WARM_UP if turn < 0 else batches))
            cpu, clock = time.process_time() - began[0], time.perf_counter() - began[1]
            if turn >= 0:
                row.cpu.append(images / cpu)
                row.clock.append(images / clock)
    for row in rows:
        row.faster = statistics.median(ours / theirs for ours, theirs in zip(rows[0].cpu, row.cpu, strict=True))
        rates = f"{statistics.median(row.cpu):20.0f} {statistics.median(row.clock):16.0f}"
        print(
            f"{job:16} {row.contestant:24} {rates}" + (f" {row.faster:6.2f}" if row is not rows[0] else ""), flush=True
        )
    return rows


def write_crops(folder: Path, data: str, model: str, images: int) -> None:
    """Write an LMDB of crops with labels that the model can learn.

    Raises:
        SystemExit: there are fewer.
    """
    codecs = [head.codec for head in build(model, Charset.named(MODELS[model].charset)).heads.values()]
    found = stored(data) if data else drawn(codecs[0].charset)
    crops = list(islice((crop for crop in found if label_problem(crop[1], codecs) is None), images))
    if len(crops) < images:
        raise SystemExit(f"{data} has {len(crops)} crops that {model} can learn; lower --images, which is {images}")
    folder.mkdir()
    with lmdb.open(str(folder), map_size=1 << 32) as environment, environment.begin(write=True) as transaction:
        transaction.put(COUNT, str(images).encode())
        for index, (image, text) in enumerate(crops):
            transaction.put(sample_key("image", index), image)
            transaction.put(sample_key("label", index), text.encode())


def stored(data: str) -> Iterator[tuple[bytes, str]]:
    """Files and labels of a data set."""
    source = open_source(data)
    for index in range(source.size):
        with suppress(SampleError):
            yield source.content(index), source.text(index)


def drawn(charset: Charset) -> Iterator[tuple[bytes, str]]:
    """Synthetic words, stored as MJSynth stores its crops."""
    source = SyntheticWords(1, charset=charset)
    for start in count(0, _TOGETHER):
        for sample in source.samples(range(start, start + _TOGETHER)):
            if isinstance(sample, Sample):
                height, width = sample.image.shape[:2]
                picture = Image.fromarray(sample.image).resize((max(width * CROP_HEIGHT // height, 1), CROP_HEIGHT))
                buffer = io.BytesIO()
                picture.save(buffer, "JPEG")
                yield buffer.getvalue(), sample.text


def circumstances() -> dict[str, Any]:
    """What the figures depend on."""
    return {**machine(), "pillow": PIL.__version__, "simplejpeg": find_spec("simplejpeg") is not None}


if __name__ == "__main__":
    tyro.cli(main)
