"""Commands for labelled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from wildtext.cli.shared import OK, print_written, progress_bar
from wildtext.errors import ConfigError

if TYPE_CHECKING:
    from wildtext.data.convert.synthetic_chinese import Numbering


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
    from wildtext.data.pack import pack as write

    with progress_bar("packing") as progress:
        report = write(open_source(source), out, progress=progress)
    return print_written(report)


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

    with progress_bar("inspecting") as progress:
        summary = survey(open_source(source), progress=progress)
    if format == "json":
        print(json.dumps(summary.to_dict(), indent=2, ensure_ascii=False))
    else:
        show(summary, Console())
    return OK


def convert_synthetic_chinese(
    paths: Annotated[Positional[tuple[Path, ...]], arg(metavar="LABELS... OUT.lmdb")],
    /,
    *,
    images: Path,
    charset: Path,
    first_id: Literal["auto", 0, 1] = "auto",
) -> int:
    """Write the data set Synthetic Chinese String into an LMDB. Goes on where an earlier call was stopped.

    Its lists say "NAME.jpg 263 82 29 ...": an image and ten ids of characters. The exit status is 1 if some lines were
    left out; they are listed with file and line.

    Args:
        paths: The list files, e.g. train.txt, and the LMDB folder to write.
        images: The folder with the images.
        charset: The file with one character a line, e.g. char_std_5990.txt, with or without "blank" as its first line.
        first_id: The id of the first character after "blank"; auto finds out, and tells when it has to guess.
    """
    from wildtext.data.convert.synthetic_chinese import open_synthetic_chinese
    from wildtext.data.pack import pack as write

    if len(paths) < 2:
        raise ConfigError("name the lists to read, and then the LMDB to write")
    *lists, out = paths
    source, numbering = open_synthetic_chinese(lists, images=images, charset=charset, first_id=first_id)
    _print_numbering(numbering)
    with progress_bar("converting") as progress:
        report = write(source, out, progress=progress)
    return print_written(report)


def _print_numbering(numbering: Numbering) -> None:
    """Tell how ids count; where that is a guess, how to check it."""
    first, alphabet = numbering.first_id, numbering.alphabet
    count = len(alphabet.characters)
    print(f"{alphabet.path}: {count} characters; the first has id {first}", end="")
    if numbering.reason:
        print(f": {numbering.reason}")
        return
    print(f", by assumption: the lists have neither id 0 nor id {count}, which would tell. Compare with the images:")
    for example in numbering.examples:
        print(f"  {example.where}: {example.image}")
        print(f"    as written now:     {example.from_1}")
        print(f"    with --first-id 0:  {example.from_0}")
    print(
        "If the images say what the second labels say, stop, and give the command again with --first-id 0.", flush=True
    )
