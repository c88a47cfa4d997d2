"""Microseconds that augmenting one training crop takes, by policy: drawing what befalls it, and changing its pixels.

Batches are words of the synthetic source on the canvas of the usual models. A batch counts from the moment that it lies
on the device until the result does. Policies take turns; the median batch stands, with the fastest and the slowest.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor

from wildtext.images import Fixed, Preprocessing
from wildtext.images.policies import POLICIES, augment
from wildtext.synth import SyntheticWords
from wildtext.types import Floats, Sample

WORDS = 64
"""Different ones in a batch."""


@dataclass
class Row:
    """Microseconds a picture: to draw, and in all; with the fastest and the slowest batch."""

    policy: str
    draw: float
    median: float
    fastest: float
    slowest: float


def main(
    *,
    policy: tuple[str, ...] = tuple(sorted(set(POLICIES) - {"none"})),
    batch: int = 256,
    height: int = 32,
    width: int = 128,
    rounds: int = 20,
    threads: int = 1,
    device: str = "cpu",
    boxes: bool = False,
    json: Path | None = None,
) -> None:
    """Time policies in turns.

    Args:
        policy: their names.
        batch: pictures in a batch.
        height: rows of the canvas.
        width: columns of the canvas.
        rounds: batches that count for each policy, after one that does not.
        threads: of a processor.
        device: where the pictures lie.
        boxes: move the boxes of the characters too.
        json: write the figures there.
    """
    torch.set_num_threads(threads)
    canvases, quads = words(batch, Preprocessing(canvas=Fixed(height, width)))
    canvases = canvases.to(device)
    known = quads if boxes else [None] * batch
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in policy}
    for number in range(rounds + 1):
        for name in policy:
            taken[name].append(timed(name, canvases, known, np.random.default_rng(number)))
    rows = [row(name, pairs[1:], batch) for name, pairs in taken.items()]
    print(f"{batch} x {height} x {width} on {device}, {threads} threads, torch {torch.__version__}; us a picture")
    print(f"{'policy':12} {'drawing':>8} {'in all':>8} {'fastest':>8} {'slowest':>8}")
    for line in rows:
        print(f"{line.policy:12} {line.draw:8.1f} {line.median:8.1f} {line.fastest:8.1f} {line.slowest:8.1f}")
    if json is not None:
        json.write_text(dumps([asdict(line) for line in rows], indent=2), encoding="utf-8")


def words(batch: int, preprocessing: Preprocessing) -> tuple[Tensor, list[Floats | None]]:
    """A batch of canvases, and boxes on them."""
    samples = [sample for sample in SyntheticWords().samples(range(WORDS)) if isinstance(sample, Sample)]
    canvases, quads = [], []
    for sample in samples:
        canvas, _ = preprocessing.fit(sample.image)
        scale = np.divide(canvas.shape[1::-1], sample.image.shape[1::-1], dtype=np.float32)
        canvases.append(canvas)
        quads.append(None if sample.boxes is None else sample.boxes * scale)
    chosen = [row % len(samples) for row in range(batch)]
    return torch.from_numpy(np.stack([canvases[row] for row in chosen])), [quads[row] for row in chosen]


def timed(
    policy: str, canvases: Tensor, boxes: Sequence[Floats | None], random: np.random.Generator
) -> tuple[float, float]:
    """Seconds to draw, and seconds to augment, which draws too."""
    whole = torch.ones(len(canvases))
    began = time.perf_counter()
    for _ in range(len(canvases)):
        POLICIES[policy].draw(random)
    drawn = time.perf_counter()
    augment(canvases, whole, boxes, policy, random)
    if canvases.is_cuda:
        torch.cuda.synchronize(canvases.device)
    return drawn - began, time.perf_counter() - drawn


def row(policy: str, pairs: Sequence[tuple[float, float]], batch: int) -> Row:
    draws, totals = ([seconds / batch * 1e6 for seconds in column] for column in zip(*pairs, strict=True))
    return Row(policy, statistics.median(draws), statistics.median(totals), min(totals), max(totals))


if __name__ == "__main__":
    tyro.cli(main)
