"""A recipe for going on from trained weights on a user's own images, chosen by how many there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wildtext.config import SYNTH, DataOptions, LoopOptions, ModelOptions, OptimiserOptions, Recipe, parse_share
from wildtext.data import open_source
from wildtext.errors import ConfigError
from wildtext.weights.bundle import read_safetensors_header
from wildtext.weights.catalogue import find

_EPOCHS = 30
_FEWEST_STEPS, _MOST_STEPS = 300, 20_000
_SMALLEST_BATCH, _LARGEST_BATCH = 8, 128
_BATCHES = 8
"""An epoch has at least so many, unless batches would become tiny."""
_HELD_OUT = 0.1
_FEWEST_HELD_OUT = 20
_MEASUREMENTS = 20
_PATIENCE = 6


def fine_tuning(init: str, data: Sequence[str]) -> Recipe:
    """A recipe for fine-tuning.

    A tenth of the samples, or 20 where there are few, is held out to measure with. Characters that the weights do not
    know are added to their charset. Weights move slowly and are averaged; crops are augmented with the policy `photo`.

    Args:
        init: the weights to start from: a name of the catalogue or a `.safetensors` bundle.
        data: sources of labelled images.

    Raises:
        BundleError: the weights cannot be read.
        DataError: a source cannot be opened.
        ConfigError: there are too few samples.
    """
    if SYNTH in data:
        raise ConfigError(f"--data {SYNTH} would be the synthetic source; for a folder of that name, write ./{SYNTH}")
    bundle = read_safetensors_header(find(init, suffix=".safetensors"))
    sources = [open_source(parse_share(name)[0]) for name in data]
    count = sum(source.size for source in sources)
    if count < 2:
        raise ConfigError(
            f"--data has {count} {'sample' if count == 1 else 'samples'}, but fine-tuning needs at least two, and some "
            f"fifty to be of use"
        )
    hold_out = min(max(_HELD_OUT, _FEWEST_HELD_OUT / count), 0.5)
    trained = count * (1 - hold_out)
    batch = _SMALLEST_BATCH
    while batch < _LARGEST_BATCH and 2 * batch * _BATCHES <= trained:
        batch *= 2
    steps = round(min(max(_EPOCHS * trained / batch, _FEWEST_STEPS), _MOST_STEPS))
    every = max(steps // _MEASUREMENTS, 1)
    return Recipe(
        name=Path(os.path.abspath(sources[0].name)).stem,
        model=ModelOptions(bundle.architecture, charset="data", init=init),
        data=DataOptions(
            train=tuple(data),
            hold_out=hold_out,
            protocol="own",
            augment="photo",
            workers=min(os.cpu_count() or 1, 4) - 1,
        ),
        optimiser=OptimiserOptions(learning_rate=3e-4, warmup=steps // 20, ema=0.99),
        loop=LoopOptions(
            steps=steps,
            batch_size=batch,
            evaluate_every=every,
            save_every=every,
            log_every=max(every // 5, 1),
            patience=_PATIENCE,
        ),
    )
