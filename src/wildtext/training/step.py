"""One step of gradient descent: forward, backward, update."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from wildtext.images import Preprocessing
from wildtext.models import Model, Output
from wildtext.training.alignment import character_spans
from wildtext.training.canvas import Canvases
from wildtext.training.distributed import Ranks
from wildtext.training.freezing import training_mode
from wildtext.training.losses import Targets, total_loss
from wildtext.training.optimiser import learning_rate, set_rate, update_average
from wildtext.training.state import TrainingState
from wildtext.training.statistics import as_part, running_statistics

log = logging.getLogger("wildtext.train")

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": None}


@dataclass(frozen=True)
class Outcome:
    """What came of a step, over all processes.

    Attributes:
        loss: mean over the samples.
        norm: of the gradient, before it was clipped.
        rate: learning rate.
        images: samples.
        problem: why the step was skipped; None if it was taken.
    """

    loss: float
    norm: float
    rate: float
    images: int
    problem: str | None


class Stepper:
    """Takes steps with a state.

    Args:
        state: what is trained; its recipe decides how.
        preprocessing: of the model.
        ranks: the processes that take each step together.
        precision: key of `DTYPES`, that the device can do.
    """

    def __init__(self, state: TrainingState, preprocessing: Preprocessing, ranks: Ranks, precision: str):
        self.state = state
        self.preprocessing = preprocessing
        self.ranks = ranks
        self.dtype = DTYPES[precision]
        self.device = next(state.model.parameters()).device
        self.schedule: Callable[[int], float] = partial(
            learning_rate, steps=state.recipe.loop.steps, options=state.recipe.optimiser
        )
        """Gives the learning rate of a step."""
        self._network: Model | DistributedDataParallel = state.model
        if state.recipe.loop.compile:
            state.model.compile()
        if ranks.size > 1:
            self._network = DistributedDataParallel(state.model)
            # Statistics of normalisation are averaged below, once a step, and not copied from process 0. The argument
            # of this name is deprecated, and the one in its place unknown to older versions of torch.
            self._network.broadcast_buffers = False
        self._statistics = running_statistics(state.model)

    def take(self, canvases: Sequence[Canvases]) -> Outcome:
        """Take a step, unless its loss or gradient is unsound.

        Args:
            canvases: the samples of this process, as the network shall see them.
        """
        state, options = self.state, self.state.recipe.optimiser
        rate = self.schedule(state.step)
        set_rate(state.optimiser, rate)
        before = [value.clone() for value in self._statistics]
        images = self._count(canvases)
        loss = self._add_gradients(canvases, images)
        state.scaler.unscale_(state.optimiser)
        norm = float(torch.nn.utils.clip_grad_norm_(state.model.parameters(), options.clip))
        overflow = math.isfinite(loss) and not math.isfinite(norm) and state.scaler.get_scale() > 1
        problem = None if overflow else state.guard.problem(loss, norm)
        if problem is None:
            self._share_statistics(before)
            state.scaler.step(state.optimiser)
            state.scaler.update()
            update_average(state.average, state.model, options.ema, state.step)
            state.images += images
        else:
            state.scaler.update()
            self._put_back(before)
        state.step += 1
        return Outcome(loss, norm, rate, images, problem)

    def rehearse(self, canvases: Sequence[Canvases]) -> float:
        """Seconds that forward and backward take, without a step being taken; where torch.compile fails, it is left."""
        before = [value.clone() for value in self._statistics]
        if self.state.recipe.loop.compile:
            self._try_compiled(canvases[0])
        images = self._count(canvases)
        for _ in range(2):  # the first is slow: memory, kernels and compilers get ready
            began = time.perf_counter()
            self._add_gradients(canvases, images)
        seconds = time.perf_counter() - began
        self.state.optimiser.zero_grad(set_to_none=True)
        self._put_back(before)
        return seconds

    def loss(self, canvases: Canvases) -> Tensor:
        """Mean loss over samples of one canvas size."""
        model, recipe = self.state.model, self.state.recipe
        # Weights that can read have columns of their own choice for each character, and would have to give them up.
        told = not recipe.model.init
        targets = {}
        for name, head in model.heads.items():
            spans = character_spans(canvases.boxes, canvases.images.shape[2]) if head.aligned and told else None
            targets[name] = Targets.encode(
                head.codec, list(canvases.texts), self.device, spans=spans, smoothing=recipe.loop.label_smoothing
            )
        images = canvases.normalized(self.preprocessing)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            ids = {name: target.ids for name, target in targets.items()}
            output = cast(Output, self._network(images, canvases.valid_width, ids))
        return total_loss(output, targets, model, canvases.boxes)

    def _try_compiled(self, canvases: Canvases) -> None:
        """Let the compiled network go there and back, or do without it, all processes alike."""
        # A failure would confuse the processes if they exchanged gradients.
        network, self._network = self._network, self.state.model
        failure = None
        try:
            self.loss(canvases).backward()  # type: ignore[no-untyped-call]
        except Exception as error:  # its compilers raise all kinds
            failure = f"{type(error).__name__}: {error}".partition("\n")[0]
        self._network = network
        if self.ranks.any(failure is not None):
            log.warning("torch.compile fails here, so the network runs as it is: %s", failure or "in another process")
            self.state.model._compiled_call_impl = None

    def _count(self, canvases: Sequence[Canvases]) -> int:
        """Samples of all processes together."""
        return round(self.ranks.sum([sum(map(len, canvases))])[0])

    def _add_gradients(self, canvases: Sequence[Canvases], images: int) -> float:
        """Add up the gradients of all samples; gives the loss over all processes.

        Losses are means, and each piece counts by its share of the samples: so a step is a mean over all of them,
        whatever the sizes of their canvases and however many processes they are spread over.
        """
        state = self.state
        state.optimiser.zero_grad(set_to_none=True)
        training_mode(state.model)
        here = sum(map(len, canvases))
        largest = math.ceil(here / state.recipe.loop.accumulate)
        pieces = [piece for some in canvases for piece in some.pieces(largest)]
        total = torch.zeros((), device=self.device)
        for number, piece in enumerate(pieces, start=1):
            with as_part(len(piece), here, state.model), self._exchange(last=number == len(pieces)):
                # The processes exchange the mean of their gradients, where their sum is wanted.
                term = len(piece) / images * self.loss(piece)
                state.scaler.scale(term * self.ranks.size).backward()  # type: ignore[no-untyped-call]
            total += term.detach()
        return self.ranks.sum([total.item()])[0]

    def _put_back(self, before: Sequence[Tensor]) -> None:
        """Give normalisation the statistics that it had."""
        for value, old in zip(self._statistics, before, strict=True):
            value.copy_(old)

    def _share_statistics(self, before: Sequence[Tensor]) -> None:
        """Move running statistics by the mean of what each process would move them by; frozen ones stay as they are."""
        if self.ranks.size == 1:
            return
        moving = [
            (value, old) for value, old in zip(self._statistics, before, strict=True) if value.is_floating_point()
        ]
        changes = [value - old for value, old in moving]
        self.ranks.average(changes)
        for (value, old), change in zip(moving, changes, strict=True):
            value.copy_(old + change)

    @contextmanager
    def _exchange(self, *, last: bool) -> Iterator[None]:
        """Processes exchange gradients once a step, with those of the last piece."""
        if isinstance(self._network, DistributedDataParallel) and not last:
            with self._network.no_sync():
                yield
        else:
            yield
