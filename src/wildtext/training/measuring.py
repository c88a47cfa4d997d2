"""How well a model reads while it is trained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wildtext.data import LabelledSource
from wildtext.data.subset import Subset
from wildtext.evaluation.evaluator import evaluate
from wildtext.inference.recognizer import Recognizer
from wildtext.training.distributed import Ranks


def measured(
    recognizer: Recognizer, sources: Sequence[LabelledSource], protocol: str, ranks: Ranks
) -> tuple[dict[str, float], float]:
    """Word accuracies in percent; each process reads a part of the images.

    Args:
        recognizer: the same in all processes.
        sources: none of them empty.
        protocol: see `wildtext.evaluation.metrics.comparable`.
        ranks: the processes.

    Returns:
        The accuracy on each source by its name, without more folders than it takes to tell them apart, and that on all
        images together, 0 without sources.
    """
    own = [Subset(source, ranks.part(range(source.size))) for source in sources]
    results = [evaluate(recognizer, part, protocol=protocol) if part.size else None for part in own]
    correct = ranks.sum([result.correct if result else 0 for result in results])
    accuracy = {
        name: round(100 * count / source.size, 2)
        for name, source, count in zip(_short_names(sources), sources, correct, strict=True)
    }
    total = sum(source.size for source in sources)
    return accuracy, 100 * sum(correct) / total if total else 0.0


def _short_names(sources: Sequence[LabelledSource]) -> list[str]:
    paths = [Path(os.path.abspath(source.name)).parts for source in sources]
    for parts in range(1, max(map(len, paths), default=0) + 1):
        names = ["/".join(path[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    # The same source several times, e.g. all of it and what is held out.
    return [f"{path[-1]} ({number})" for number, path in enumerate(paths, start=1)]
