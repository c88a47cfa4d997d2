"""Train on a Ray cluster: python examples/ray_train.py RECIPE OUT WORKERS.

RECIPE is a TOML file or the name of a recipe that ships with wildtext. Its data and OUT must be at the same place for
all workers, e.g. on a network disk. A run that loses a worker goes on from its last state, up to three times.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from wildtext.config import Recipe, find_recipe
from wildtext.training.loop import train
from wildtext.training.state import has_state


def train_in_worker(options: dict[str, Any]) -> None:
    """What each worker does. Ray has made them known to each other, and training joins them."""
    recipe: Recipe = options["recipe"]
    folder = options["out"] / recipe.name
    train(recipe, folder, resume=has_state(folder))


def main(recipe: str, out: Path, workers: int) -> None:
    """Train with so many workers, each with a GPU where there are any."""
    trainer = TorchTrainer(
        train_in_worker,
        train_loop_config={"recipe": find_recipe(recipe), "out": out.resolve()},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=torch.cuda.is_available()),
        run_config=RunConfig(storage_path=str(out.resolve() / "ray"), failure_config=FailureConfig(max_failures=3)),
    )
    trainer.fit()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
