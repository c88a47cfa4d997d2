"""The command that trains."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from wildtext.cli.shared import OK
from wildtext.config import Recipe
from wildtext.errors import ConfigError, require


def train_command(name: str = "", defaults: Recipe | None = None) -> Callable[..., int]:
    """The train command, with the values of the named recipe as the defaults of its options."""
    values = defaults or Recipe()

    def train(
        recipe: Annotated[Positional[str], arg(metavar="RECIPE")],
        /,
        *,
        out: Path = Path("runs"),
        resume: bool = False,
        time_limit: str = "",
        settings: Annotated[Recipe, arg(name="")] = values,
    ) -> int:
        """Train a model as a recipe says; every value of the recipe can be changed with an option.

        Args:
            recipe: A TOML file, or the name of a recipe that ships with wildtext, e.g. default. Comes first.
            out: Where the run gets a folder of its name, for checkpoints, log and the best bundle.
            resume: Go on from the last checkpoint of the run.
            time_limit: Save and stop after this time, e.g. 90s, 30m or 2h; go on later with --resume.
            settings: Values of the recipe.
        """
        if recipe != name:
            raise ConfigError(f"put the recipe first: wildtext train {recipe} ...")
        require("torch", extra="train")
        from wildtext.training.loop import train as run

        logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S")
        best = run(settings, out / settings.name, resume=resume, seconds=_seconds(time_limit))
        print(best)
        return OK

    return train


def _seconds(text: str) -> float | None:
    """A duration such as 90s, 30m or 2h; None for an empty text."""
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise ConfigError(f"--time-limit is {text!r}; write a number and s, m or h, e.g. 30m")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
