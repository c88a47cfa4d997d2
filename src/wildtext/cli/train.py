"""The command that trains."""

from __future__ import annotations

import logging
import os
import re
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from wildtext.cli.shared import OK
from wildtext.config import Recipe, read_recipe
from wildtext.errors import ConfigError, require

INIT = "default"
OUT = Path("runs")


def train_command(name: str = "", defaults: Recipe | None = None) -> Callable[..., int]:
    """The train command, with the values of a recipe as the defaults of its options.

    Args:
        name: of the recipe, as it is given first; empty where the recipe was made for the data of `--data`.
        defaults: the recipe.
    """
    values = defaults or Recipe()

    def train(
        recipe: Annotated[Positional[str], arg(metavar="RECIPE")] = "",
        /,
        *,
        data: tuple[str, ...] = (),
        init: str = INIT,
        out: Path = OUT,
        resume: bool = False,
        time_limit: str = "",
        dry_run: bool = False,
        range_test: bool = False,
        settings: Annotated[Recipe, arg(name="")] = values,
    ) -> int:
        """Train a model as a recipe says, or fine-tune trained weights on your own images with --data.

        Every value of the recipe can be changed with an option. With --data the recipe is made to suit the images.

        Args:
            recipe: A TOML file, or the name of a recipe that ships with wildtext, e.g. default. Comes first.
            data: Without a recipe: folders, list files or LMDBs of labelled images to fine-tune on.
            init: Without a recipe: the weights to start from, a name from `wildtext models` or a .safetensors bundle.
            out: Where the run gets a folder of its name, for checkpoints, log, report and the best bundle.
            resume: Go on from the last checkpoint of the run, with the recipe that it was begun with.
            time_limit: Save and stop after this time, e.g. 90s, 30m or 2h; go on later with --resume.
            dry_run: Take two steps to show shapes, a batch as the network sees it, memory and time; keep nothing else.
            range_test: Find a learning rate: raise it from step to step, and see where the loss falls and breaks.
            settings: Values of the recipe.
        """
        if recipe != name:
            raise ConfigError(f"put the recipe first: wildtext train {recipe} ...")
        if recipe and (data or init != INIT):
            raise ConfigError("--data and --init go without a recipe; with one, give --data.train and --model.init")
        if not recipe and not data:
            raise ConfigError("name a recipe, e.g. wildtext train default, or images to fine-tune on with --data")
        if dry_run and range_test:
            raise ConfigError("--dry-run and --range-test are two different rehearsals; give one of them")
        require("torch", extra="train")
        from wildtext.training import loop, rehearsal

        logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S")
        folder = out / settings.name
        if dry_run:
            rehearsal.dry_run(settings, folder)
        elif range_test:
            rehearsal.range_test(settings, folder)
        else:
            best = loop.train(settings, folder, resume=resume, seconds=_seconds(time_limit))
            if os.environ.get("RANK", "0") == "0":  # the number that torchrun gives a process
                print(best)
        return OK

    return train


def fine_tuning_recipe(arguments: Sequence[str]) -> Recipe | None:
    """The recipe that `--data` and `--init` of a command line ask for; None where there is no `--data`.

    Raises:
        WildtextError: weights or data cannot be read.
    """
    given = _glance(arguments)
    if given is None or not given.data:
        return None
    from wildtext.training.finetune import fine_tuning

    return fine_tuning(given.init, given.data)


def resumed_recipe(arguments: Sequence[str], recipe: Recipe) -> Recipe:
    """The recipe that a run was begun with, where a command line goes on with it; else the one that it names.

    So options need not be given again to go on.

    Args:
        arguments: of the command.
        recipe: that they name, or ask for.
    """
    given = _glance(arguments)
    if given is None or not given.resume:
        return recipe
    begun = given.out / (given.name or recipe.name) / "recipe.json"
    return read_recipe(begun) if begun.is_file() else recipe


def _glance(arguments: Sequence[str]) -> Namespace | None:
    """What the recipe depends on; None where it cannot be understood, of which the parser of the command will tell."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--init", default=INIT)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--name")
    try:
        return parser.parse_known_args(arguments)[0]
    except ArgumentError:
        return None


def _seconds(text: str) -> float | None:
    """A duration such as 90s, 30m or 2h; None for an empty text."""
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise ConfigError(f"--time-limit is {text!r}; write a number and s, m or h, e.g. 30m")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def shrink(
    state: Annotated[Positional[Path], arg(metavar="STATE")],
    out: Annotated[Positional[Path], arg(metavar="OUT")],
    /,
    *,
    keep: Literal["moments", "weights"] = "moments",
) -> int:
    """Write a smaller copy of the state of a run, to go on with it on another machine.

    There it belongs in the folder of the run, under the name state.safetensors.

    Args:
        state: The state.safetensors of a run.
        out: Where the copy goes.
        keep: moments stores the moments of the optimiser in 16 bits, three quarters of the size; weights stores the
            weights alone, in 16 bits, a quarter of the size, and the optimiser begins anew.
    """
    require("torch", extra="train")
    from wildtext.training import state as states

    states.shrink(state, out, keep=keep)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB in place of {state.stat().st_size / 1e6:.1f}")
    return OK
