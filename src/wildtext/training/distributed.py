"""Several processes that train one model, on one machine or many.

Each process gets its part of every batch, and gradients are averaged (`DistributedDataParallel`), so a recipe means the
same on any number of processes. `torchrun` tells a process which one it is, through the environment; whoever has begun
a process group already, e.g. Ray Train, is joined.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from wildtext.errors import ConfigError

T = TypeVar("T")

_PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: one may have a large source to look through."""


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is.

    Attributes:
        rank: from 0; process 0 writes files and speaks.
        size: number of processes.
        group: for small messages between processors; None where there is one process.
    """

    rank: int = 0
    size: int = 1
    group: dist.ProcessGroup | None = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def part(self, items: Sequence[T]) -> Sequence[T]:
        """What of a batch or a data set is for this process; together the processes get all, each item once."""
        return items[self.rank :: self.size]

    def sum(self, values: Sequence[float]) -> list[float]:
        """Numbers added up over all processes, element by element."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total, group=self.group)
        return [float(value) for value in total.tolist()]

    def any(self, here: bool) -> bool:
        """Whether something holds in at least one process."""
        return self.sum([float(here)])[0] > 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace floating-point tensors, on the device of the model, by their means over all processes."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
        dist.all_reduce(flat)
        pieces = torch.split(flat / self.size, [tensor.numel() for tensor in tensors])
        for tensor, piece in zip(tensors, pieces, strict=True):
            tensor.copy_(piece.view_as(tensor))

    def share(self, find: Callable[[], T]) -> T:
        """What process 0 finds, for all of them."""
        if self.size == 1:
            return find()
        things = [find() if self.first else None]
        dist.broadcast_object_list(things, src=0, group=self.group)
        return cast(T, things[0])


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the other processes for the time of a run; a group that was begun elsewhere is left as it is.

    All but process 0 keep what they log to themselves, warnings and errors excepted.

    Args:
        device: of this process; decides what gradients travel by (NCCL on GPUs, else gloo).

    Raises:
        ConfigError: the environment says that there are several processes, but not how to reach them.
    """
    begun_here = not _joined() and int(os.environ.get("WORLD_SIZE", "1")) > 1
    if begun_here:
        try:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
        except (ValueError, RuntimeError) as error:
            raise ConfigError(
                f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but the other processes cannot be reached: {error}; "
                f"start the command with torchrun"
            ) from error
    if _joined():
        group = dist.new_group(backend="gloo", timeout=_PATIENCE)
        ranks = Ranks(dist.get_rank(), dist.get_world_size(), group)
        with _quiet(ranks):
            yield ranks
        # Not after an error: NCCL would wait for the others here, who wait for this process.
        dist.destroy_process_group(None if begun_here else group)
    else:
        yield Ranks()


def local_device(name: str) -> torch.device:
    """The device of this process; of several GPUs of a machine each process gets its own.

    Args:
        name: ``auto`` takes CUDA where there is one; otherwise a name of torch.

    Raises:
        ConfigError: it does not exist here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    try:
        torch.empty(1, device=name)
        device = torch.device(name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"loop.device is {name!r}, which cannot be used: {error}") from error
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


@contextmanager
def _quiet(ranks: Ranks) -> Iterator[None]:
    log = logging.getLogger("wildtext")
    level = log.level
    if not ranks.first:
        log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # A kernel for one channel lies in both orders at once, and its gradient may name the other one.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            yield
    finally:
        log.setLevel(level)


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()
