"""Fetch batches ahead of the training step, in other processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from wildtext.codecs import Codec
from wildtext.data.collate import collate
from wildtext.data.mixture import Mixture
from wildtext.images import Preprocessing
from wildtext.types import Batch


class _Batches(Dataset[Batch]):
    def __init__(self, mixture: Mixture, preprocessing: Preprocessing, codecs: Sequence[Codec]):
        self.mixture = mixture
        self.preprocessing = preprocessing
        self.codecs = codecs

    def __getitem__(self, batch: int) -> Batch:
        return collate(self.mixture.draws(batch), self.preprocessing, self.codecs)


def batches(
    mixture: Mixture,
    preprocessing: Preprocessing,
    codecs: Sequence[Codec],
    *,
    start: int,
    stop: int,
    workers: int,
) -> Iterator[Batch]:
    """Batches number `start` to `stop - 1` of a mixture, in order, whatever the number of processes."""
    loader = DataLoader(
        _Batches(mixture, preprocessing, codecs),
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_one_thread,
        # A generator of its own keeps the loader from drawing on torch's, whose state a resumed run takes up.
        generator=torch.Generator(),
    )
    return iter(loader)


def _one_thread(worker: int) -> None:
    # Workers render and decode one sample at a time; more threads would only compete with the network.
    torch.set_num_threads(1)
