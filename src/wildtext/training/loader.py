"""Fetch batches ahead of the training step, in other processes."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from wildtext.codecs import Codec
from wildtext.data.collate import collate
from wildtext.data.mixture import Mixture
from wildtext.data.source import Source, fetch
from wildtext.errors import SampleError, WildtextError
from wildtext.images import Preprocessing
from wildtext.synth import Draft, SyntheticWords
from wildtext.types import Batch, Sample

_PR_SET_PDEATHSIG = 1
"""Of Linux: the signal that a process gets when its parent ends."""


@dataclass(frozen=True, eq=False)
class Part:
    """A batch whose synthetic images may be left to be painted where the model is.

    Attributes:
        batch: the samples; canvases of drafts are blank.
        drafts: by row of the batch.
    """

    batch: Batch
    drafts: dict[int, Draft]

    def __len__(self) -> int:
        return len(self.batch)


@dataclass(frozen=True, eq=False)
class Delivery:
    """The samples of one step.

    Attributes:
        parts: one for each size of canvas that the samples got.
        skipped: a message for each sample that was drawn for this step but could not be used.
    """

    parts: tuple[Part, ...]
    skipped: tuple[str, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def sources(self) -> list[str]:
        """Where each sample comes from."""
        return [source for part in self.parts for source in part.batch.sources]


class _Deliveries(Dataset["Delivery | WildtextError"]):
    def __init__(
        self,
        mixture: Mixture,
        preprocessing: Preprocessing,
        codecs: Sequence[Codec],
        *,
        rank: int,
        ranks: int,
        two_stages: bool,
    ):
        self.mixture = mixture
        self.preprocessing = preprocessing
        self.codecs = codecs
        self.rank = rank
        self.ranks = ranks
        self.two_stages = two_stages

    def __getitem__(self, number: int) -> Delivery | WildtextError:
        try:
            return self._deliver(number)
        except WildtextError as error:
            # Raised in another process, it would come with the story of that process.
            return error

    def _deliver(self, number: int) -> Delivery:
        draws = self.mixture.draws(number)[self.rank :: self.ranks]
        samples, drafts = _blank(draws) if self.two_stages else (fetch(draws), {})
        collated = collate(samples, self.preprocessing, self.codecs)
        parts = [
            Part(batch, {row: drafts[source] for row, source in enumerate(batch.sources) if source in drafts})
            for batch in collated.batches
        ]
        return Delivery(tuple(parts), collated.skipped)


def _blank(draws: Sequence[tuple[Source, int]]) -> tuple[list[Sample | SampleError], dict[str, Draft]]:
    """Samples in the order of their draws, with blank pictures where painting is left for later; drafts by source."""
    drawn = [_draft(source, index) if isinstance(source, SyntheticWords) else None for source, index in draws]
    others = iter(fetch([draw for draw, draft in zip(draws, drawn, strict=True) if draft is None]))
    drafts = {draft.source: draft for draft in drawn if isinstance(draft, Draft)}
    return [draft.blank() if isinstance(draft, Draft) else draft or next(others) for draft in drawn], drafts


def _draft(source: SyntheticWords, index: int) -> Draft | Sample | SampleError:
    """Stage one; the whole sample if text runs down or up in it, which is turned after it is painted."""
    try:
        draft = source.draft(index)
        return source.finished(draft) if draft.layout.turns else draft
    except SampleError as error:
        return error


def deliveries(
    mixture: Mixture,
    preprocessing: Preprocessing,
    codecs: Sequence[Codec],
    *,
    start: int,
    stop: int,
    workers: int,
    two_stages: bool,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[Delivery]:
    """What steps number `start` to `stop - 1` get from a mixture, in order, whatever the number of processes.

    Args:
        mixture: what batches are drawn from.
        preprocessing: of the model.
        codecs: of the model.
        start: number of the first step.
        stop: number of the step after the last.
        workers: processes that fetch; 0 does it here.
        two_stages: synthetic words come as drafts, for a device that paints faster than processors.
        rank: of the process that trains.
        ranks: processes that train, each on its own part of every batch.

    Raises:
        DataError: none of the samples of a step could be used.
    """
    loader = DataLoader(
        _Deliveries(mixture, preprocessing, codecs, rank=rank, ranks=ranks, two_stages=two_stages),
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_begin_worker,
        # A generator of its own keeps the loader from drawing on torch's, whose state a resumed run takes up.
        generator=torch.Generator(),
    )
    for delivery in loader:
        if isinstance(delivery, WildtextError):
            raise delivery
        yield delivery


def _begin_worker(worker: int) -> None:
    # Workers render and decode one batch at a time; more threads would only compete with the network.
    torch.set_num_threads(1)
    # Terminals and clusters send their signals to all processes of a run. The one that trains decides what they mean,
    # and ends its workers by other means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        # If that process is killed, nobody else would end its workers.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
