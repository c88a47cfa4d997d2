"""Commands for labelled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from wildtext.cli.shared import OK, print_written, progress_bar


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
