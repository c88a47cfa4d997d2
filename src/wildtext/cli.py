"""The command line. Each sub-command maps to one function below; nothing heavy is imported before it runs."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg

from wildtext.config import Recipe, find_recipe
from wildtext.errors import ConfigError, WildtextError, require

OK, FAILED, UNUSABLE = 0, 1, 2
"""Exit statuses: all went well; some images could not be read; nothing could be done."""


def read(
    paths: Annotated[Positional[tuple[str, ...]], arg(metavar="PATH...")],
    /,
    *,
    model: str = "default",
    format: Literal["table", "jsonl", "csv"] = "table",
    top: int = 1,
    batch_size: int = 32,
    threads: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Read the text in images of words and short lines.

    Prints one row per image, in order. The exit status is 0 if all images were read and 1 if some could not be.

    Args:
        paths: Image files, folders (searched at any depth), glob patterns; - reads one image from standard input.
        model: A name from `wildtext models`, or the path of an .onnx or .safetensors bundle.
        format: table for people; jsonl and csv for programs.
        top: Readings per image, the best included.
        batch_size: Images that go through the network together; does not change the readings.
        threads: CPU threads; 0 takes the processors that this process may use.
        device: Where the network runs.
    """
    from wildtext.inference.console import read_paths

    if not paths:
        raise ConfigError("name at least one image, folder or pattern, or - for standard input")
    failed = read_paths(paths, model=model, form=format, top=top, batch_size=batch_size, threads=threads, device=device)
    return FAILED if failed else OK


def models(*, format: Literal["table", "json"] = "table") -> int:
    """List the weights that ship with wildtext.

    Args:
        format: table for people, json for programs.
    """
    from wildtext.weights.catalogue import catalogue

    described: list[dict[str, Any]] = []
    for entry in catalogue().values():
        bundle = entry.bundle
        described.append(
            {
                "name": entry.name,
                "architecture": bundle.architecture,
                "parameters": bundle.parameters,
                "charset": f"{bundle.charset.name} ({len(bundle.charset)} characters)",
                "bytes": entry.bytes,
                "licence": bundle.licence,
                "origin": bundle.origin,
                "accuracy": bundle.accuracy,
            }
        )
    if format == "json":
        print(json.dumps(described, indent=2, ensure_ascii=False))
        return OK
    for model in described:
        print(model.pop("name"))
        for key, value in model.items():
            shown = ", ".join(f"{name} {number} %" for name, number in value.items()) if key == "accuracy" else value
            print(f"  {key:<13} {shown}")
    return OK


def evaluate(
    *,
    model: str = "default",
    data: tuple[str, ...],
    protocol: Literal["36", "62", "94"] = "36",
    format: Literal["table", "json"] = "table",
    batch_size: int = 64,
    threads: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Measure a model on labelled images.

    The exit status is 1 if some images could not be read; they count as wrong.

    Args:
        model: A name from `wildtext models`, or the path of an .onnx or .safetensors bundle.
        data: Folders with labels.tsv, list files, JSON Lines or LMDBs.
        protocol: Characters that count: 36 compares 0-9a-z only, without case and accents; 62 and 94 with case.
        format: table for people, json for programs.
        batch_size: Images that go through the network together; does not change the result.
        threads: CPU threads; 0 takes the processors that this process may use.
        device: Where the network runs.
    """
    from wildtext.data import open_source
    from wildtext.evaluation.evaluator import evaluate as measure
    from wildtext.evaluation.results import as_json, as_table
    from wildtext.inference.loading import load

    if not data:
        raise ConfigError("--data needs at least one source of labelled images")
    sources = [open_source(path) for path in data]
    recognizer = load(model, device=device, threads=threads)
    results = []
    for source in sources:
        with _progress(f"evaluating {source.name}") as progress:
            result = measure(recognizer, source, protocol=protocol, batch_size=batch_size, progress=progress)
        results.append(result)
        for message in result.unreadable:
            print(f"counted as wrong: {message}", file=sys.stderr)
        if result.empty:
            print(f"{source.name}: {result.empty} labels have no character of protocol {protocol}", file=sys.stderr)
    if format == "json":
        print(as_json(results, model=model, protocol=protocol, runtime=recognizer.runtime.name))
    else:
        as_table(results, protocol=protocol)
    return FAILED if any(result.unreadable for result in results) else OK


def export(
    model: Annotated[Positional[str], arg(metavar="MODEL")],
    out: Annotated[Positional[Path], arg(metavar="OUT.onnx")],
    /,
) -> int:
    """Turn a .safetensors bundle into an .onnx bundle to read with, and prove that the two agree.

    Args:
        model: A name from `wildtext models`, or the path of a .safetensors bundle.
        out: The .onnx file to write.
    """
    from wildtext.weights.catalogue import find

    require("torch", extra="train")
    from wildtext.inference.export import export as write

    write(find(model, suffix=".safetensors"), out)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, agrees with torch in text and logits at batch 1, 2 and 7")
    return OK


def _train_command(name: str = "", defaults: Recipe | None = None) -> Callable[..., int]:
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


def pack(
    source: Annotated[Positional[Path], arg(metavar="SOURCE")],
    out: Annotated[Positional[Path], arg(metavar="OUT.lmdb")],
    /,
) -> int:
    """Write labelled images into an LMDB, which trains faster than files. Goes on where an earlier call was stopped.

    The exit status is 1 if some samples were left out.

    Args:
        source: Folder with labels.tsv, list file, JSON Lines or LMDB.
        out: The LMDB folder to write, e.g. train.lmdb.
    """
    from wildtext.data import open_source
    from wildtext.data.pack import SKIPPED
    from wildtext.data.pack import pack as write

    with _progress("packing") as progress:
        report = write(open_source(source), out, progress=progress)
    if report.resumed:
        print(f"went on after {report.resumed} samples of an earlier call")
    print(f"{report.path}: {report.written} samples")
    for reason, count in report.reasons.most_common():
        print(f"left out {count}: {reason}")
    if report.skipped:
        print(f"the samples that were left out are listed in {out / SKIPPED}")
    return FAILED if report.skipped else OK


def inspect(
    source: Annotated[Positional[Path], arg(metavar="SOURCE")], /, *, format: Literal["table", "json"] = "table"
) -> int:
    """Show what labelled images hold: counts, characters, lengths, sizes, odd samples.

    Args:
        source: Folder with labels.tsv, list file, JSON Lines or LMDB.
        format: table for people, json for programs.
    """
    from rich.console import Console

    from wildtext.data import open_source
    from wildtext.data.inspect import inspect as survey
    from wildtext.data.inspect import show

    with _progress("inspecting") as progress:
        summary = survey(open_source(source), progress=progress)
    if format == "json":
        print(json.dumps(summary.to_dict(), indent=2, ensure_ascii=False))
    else:
        show(summary, Console())
    return OK


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


_HELP = {"-h", "--help"}

COMMANDS: dict[str, Callable[..., int]] = {
    "read": read,
    "models": models,
    "train": _train_command(),
    "evaluate": evaluate,
    "export": export,
    "data pack": pack,
    "data inspect": inspect,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["--version"]:
        from wildtext import __version__

        print(f"wildtext {__version__}")
        return OK
    try:
        commands = dict(COMMANDS)
        if arguments[:1] == ["train"]:
            name = next((argument for argument in arguments[1:2] if not argument.startswith("-")), "")
            commands["train"] = _train_command(name, find_recipe(name) if name else None)
        if arguments[:1] == ["data"]:
            commands = {name: command for name, command in commands.items() if name.startswith("data ")}
            arguments = ["--help"] if set(arguments[1:2]) <= _HELP else [" ".join(arguments[:2]), *arguments[2:]]
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
