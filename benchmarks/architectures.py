"""Time of every architecture at full size on a processor, beside the implementations of other projects.

Reading is a forward pass in evaluation mode, greedy where one character follows another, with the same number of steps
for all; training is a forward pass, a loss and the gradients. The networks have fresh weights and see noise: what is
measured does not depend on them. Everybody works in a process of its own with the same torch, and they take turns. A
single thread is timed by what it used of the processor, so that other work on the machine counts for little; several
are timed by the clock.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from json import dumps, loads
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from wildtext.models import MODELS

Precision = Literal["float32", "bfloat16"]

PEERS = {
    "crnn": ("easyocr",),
    "star-net": ("easyocr",),
    "rosetta": ("easyocr",),
    "srn": ("openocr",),
    "robustscanner": ("mmocr", "openocr"),
    "mgp-str-tiny": ("transformers", "openocr"),
    "mgp-str-small": ("transformers", "openocr"),
    "mgp-str-base": ("transformers", "openocr"),
    "char-str-small": ("openocr",),
    **dict.fromkeys(("svtrv2-tiny", "svtrv2-small", "svtrv2-base"), ("openocr",)),
}
"""By preset the projects that have the same network in a package."""

REQUIREMENTS = (
    f"torch=={torch.__version__.partition('+')[0]}",
    *(
        "transformers==5.23.0",
        "addict",
        "opencv-python-headless",
        "pillow",
        "pyclipper",
        "scipy",
        "shapely",
        "termcolor",
        "yapf",
    ),
)
ALONE = ("easyocr==1.7.2", "openocr-python==0.1.5", "mmocr==1.0.1", "mmcv-lite==2.1.0", "mmengine==0.10.7")
"""What is installed without what it asks for, as the networks do not need that."""


@dataclass
class Row:
    """How long an architecture of a project takes for a call; `turns` are in seconds, `faster` is ours to it."""

    preset: str
    job: str
    batch: int
    precision: str
    project: str
    parameters: int
    turns: list[float] = field(default_factory=list)
    faster: float = 1.0

    @property
    def milliseconds(self) -> float:
        return 1000 * statistics.median(self.turns)


def main(
    *,
    only: tuple[str, ...] = tuple(MODELS),
    batches: tuple[int, ...] = (1, 8),
    train_batch: int = 8,
    precision: tuple[Precision, ...] = ("float32",),
    threads: int = os.cpu_count() or 1,
    rounds: int = 5,
    seconds: float = 0.5,
    peers: str = "build/architecture-peers",
    json: str = "",
) -> None:
    """Compare architectures.

    Args:
        only: Presets to measure.
        batches: Images that are read at once.
        train_batch: Images of a training step; 0 leaves training out.
        precision: Of the arithmetic; bfloat16 by autocast.
        threads: Threads of the processor.
        rounds: Turns of everybody.
        seconds: Least length of a turn.
        peers: Folder of the peers' environment, built with pip where it is missing; empty leaves the peers out.
        json: File for the figures as JSON.
    """
    python = environment(Path(peers)) if peers else ""
    jobs = [("read", batch) for batch in batches] + [("train", train_batch)] * bool(train_batch)
    print(f"{'preset':15} {'job':6} {'batch':>5} {'precision':9} {'project':20} {'M':>6} {'ms':>9} {'x':>6}")
    rows = []
    for preset in only:
        with ExitStack() as stack:
            workers = [stack.enter_context(Worker(sys.executable, "wildtext", preset, threads))]
            if python:
                workers += [
                    stack.enter_context(Worker(python, peer, preset, threads)) for peer in PEERS.get(preset, ())
                ]
            for job, batch in jobs:
                for arithmetic in precision:
                    rows += compare(workers, preset, job, batch, arithmetic, rounds=rounds, seconds=seconds)
    if json:
        figures = [asdict(row) | {"milliseconds": row.milliseconds} for row in rows]
        Path(json).write_text(dumps({"machine": machine(threads), "rows": figures}, indent=2))


class Worker:
    """A process with a network of one project."""

    def __init__(self, python: str, project: str, preset: str, threads: int):
        script = Path(__file__).with_name("architecture_workers.py")
        self.process = subprocess.Popen(
            [python, "-W", "ignore", script, project, preset, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )
        self.name = project
        about = self._answer()
        self.project = f"{project} {about['version']}"
        self.parameters: int = about["parameters"]

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def work(self, **job: Any) -> float:
        """Seconds of a call."""
        assert self.process.stdin is not None
        print(dumps(job), file=self.process.stdin, flush=True)
        seconds: float = self._answer()
        return seconds

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} failed with code {self.process.wait()}; what it said stands above")
        return loads(line)


def compare(
    workers: Sequence[Worker], preset: str, job: str, batch: int, precision: str, *, rounds: int, seconds: float
) -> list[Row]:
    """Let the workers take turns at a job, ours first, and print their rows.

    What slows down the machine for a while slows down the turns of a round alike, so their ratios are compared.
    """
    rows = [Row(preset, job, batch, precision, worker.project, worker.parameters) for worker in workers]
    for turn in range(rounds):
        for row, worker in zip(rows, workers, strict=True):
            settings = {"job": job, "batch": batch, "precision": precision, "seconds": seconds}
            row.turns.append(worker.work(**settings, warm_up=0 if turn else 2))
    for row in rows:
        row.faster = statistics.median(theirs / ours for theirs, ours in zip(row.turns, rows[0].turns, strict=True))
        times = f"{row.milliseconds:9.1f}" + (f" {row.faster:6.2f}" if row is not rows[0] else "")
        place = f"{preset:15} {job:6} {batch:5} {precision:9} {row.project:20}"
        print(f"{place} {row.parameters / 1e6:6.1f} {times}", flush=True)
    return rows


def environment(folder: Path) -> str:
    """The interpreter of an environment with the peers and with our version of torch."""
    python, complete = folder / "bin" / "python", folder / "complete.txt"
    wanted = "\n".join((*REQUIREMENTS, *ALONE))
    if not complete.exists() or complete.read_text() != wanted:
        print(f"building the peers' environment in {folder}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        for packages in (REQUIREMENTS, ("--no-deps", *ALONE)):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        complete.write_text(wanted)
    return str(python)


def machine(threads: int) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "processors": os.cpu_count(),
        "threads": threads,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    tyro.cli(main)
