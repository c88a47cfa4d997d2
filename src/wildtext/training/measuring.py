"""How well a model reads while it is trained."""

from __future__ import annotations

from collections.abc import Sequence

from wildtext.data import LabelledSource, short_names
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
    correct = ranks.sum([result.metrics.correct if result else 0 for result in results])
    accuracy = {
        name: round(100 * count / source.size, 2)
        for name, source, count in zip(short_names(sources), sources, correct, strict=True)
    }
    total = sum(source.size for source in sources)
    return accuracy, 100 * sum(correct) / total if total else 0.0
