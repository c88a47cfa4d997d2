"""The command line. Each sub-command maps to one function; nothing heavy is imported before it runs."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from io import TextIOWrapper

import tyro

from wildtext.cli import data, models, synth
from wildtext.cli.calibrate import calibrate
from wildtext.cli.evaluate import evaluate
from wildtext.cli.explain import explain
from wildtext.cli.shared import FAILED, OK, UNUSABLE
from wildtext.cli.train import fine_tuning_recipe, resumed_recipe, shrink, train_command
from wildtext.config import Recipe, find_recipe
from wildtext.errors import ConfigError, WildtextError

__all__ = ["COMMANDS", "FAILED", "OK", "UNUSABLE", "entry", "main"]

_HELP = {"-h", "--help"}

_WITH_RECIPE: dict[str, Callable[[str, Recipe | None], Callable[..., int]]] = {
    "train": train_command,
    "synth preview": synth.preview_command,
    "synth write": synth.write_command,
    "synth compare": synth.compare_command,
}
"""Commands whose options have the values of a recipe as their defaults."""

COMMANDS: dict[str, Callable[..., int]] = {
    "read": models.read,
    "models": models.models,
    "train": train_command(),
    "shrink": shrink,
    "evaluate": evaluate,
    "calibrate": calibrate,
    "explain": explain,
    "export": models.export,
    "import": models.import_weights,
    "data pack": data.pack,
    "data inspect": data.inspect,
    "data convert mjsynth": data.convert_mjsynth,
    "data convert synthtext": data.convert_synthtext,
    "data convert synthadd": data.convert_synthadd,
    "data convert icdar-words": data.convert_icdar_words,
    "data convert icdar-localisation": data.convert_icdar_localisation,
    "data convert iiit5k": data.convert_iiit5k,
    "data convert svt": data.convert_svt,
    "data convert synthetic-chinese": data.convert_synthetic_chinese,
    "synth preview": synth.preview_command(),
    "synth write": synth.write_command(),
    "synth compare": synth.compare_command(),
}

_GROUPS = {name[: place + 1] for name in COMMANDS for place, letter in enumerate(name) if letter == " "}
"""What names of commands begin with, e.g. ``"data "`` and ``"data convert "``."""


_SEVERAL = {"--data", "--data.train", "--data.validation", "--model.freeze", "--optimiser.drops", "--switch"}
"""Options that take several values."""


def _recipe_name(arguments: Sequence[str]) -> str:
    """The recipe that a command line names: first after `train`, or after --recipe; empty where it names none."""
    if arguments[:1] == ["train"]:
        return next((argument for argument in arguments[1:2] if not argument.startswith("-")), "")
    if arguments[:1] == ["synth"]:
        for number, argument in enumerate(arguments):
            option, equals, value = argument.partition("=")
            if option == "--recipe":
                return value if equals else next(iter(arguments[number + 1 :]), "")
    return ""


def _refuse_repeated(arguments: Sequence[str]) -> None:
    """Refuse an option with several values that is given twice: the parser would forget what it was given first.

    Raises:
        ConfigError: naming it.
    """
    options = Counter(argument.partition("=")[0] for argument in arguments)
    for option, count in options.items():
        if count > 1 and option in _SEVERAL:
            raise ConfigError(f"{option} is given {count} times; give it once, with all its values behind it")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["--version"]:
        from wildtext import __version__

        print(f"wildtext {__version__}")
        return OK
    try:
        commands = dict(COMMANDS)
        if name := _recipe_name(arguments):
            recipe = find_recipe(name)
            if arguments[0] == "train":
                recipe = resumed_recipe(arguments[1:], recipe)
            commands.update({command: build(name, recipe) for command, build in _WITH_RECIPE.items()})
        elif arguments[:1] == ["train"] and (made := fine_tuning_recipe(arguments[1:])):
            commands["train"] = train_command("", resumed_recipe(arguments[1:], made))
        _refuse_repeated(arguments)
        group = ""
        while arguments and f"{group}{arguments[0]} " in _GROUPS:
            group += f"{arguments.pop(0)} "
        if group:
            commands = {name: command for name, command in commands.items() if name.startswith(group)}
            arguments = ["--help"] if set(arguments[:1]) <= _HELP else [group + arguments[0], *arguments[1:]]
        status: int = tyro.extras.subcommand_cli_from_dict(
            commands, prog="wildtext", description="Read words in photographs.", args=arguments
        )
        return status
    except WildtextError as error:
        print(f"wildtext: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("wildtext: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`); Python must not complain when it closes standard output.
        sys.stdout = None
        return OK
    except OSError as error:
        print(f"wildtext: {error}", file=sys.stderr)
        sys.stdout = None  # it may hold what could not be written, e.g. to a full disk
        return UNUSABLE


def entry() -> None:
    """The console script."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # closed by the caller: `>&-`
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A path or a reading that the terminal's encoding lacks must not end the command.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main())
