"""Commands for the synthetic source."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from wildtext.cli.shared import FAILED, OK, print_written, progress_bar
from wildtext.config import Recipe, SynthOptions
from wildtext.errors import SampleError, require

if TYPE_CHECKING:
    from wildtext.synth import SyntheticWords


@dataclass(frozen=True)
class Drawing:
    """What is drawn."""

    recipe: str = ""
    """A TOML file, or the name of a recipe that ships with wildtext, e.g. default; its seed, model.charset and [synth]
    table become the defaults of --seed, --charset and --synth."""
    seed: int = 0
    """Sample i of a seed is always the same."""
    charset: str = "94+space"
    """36, 62, 90, 94 or chinese, each also with +space, or a file with one character a line; other labels are not
    drawn."""
    synth: SynthOptions = field(default_factory=SynthOptions)

    def source(self) -> SyntheticWords:
        """The synthetic source with these options."""
        from wildtext.charset import Charset

        require("torch", extra="train")
        from wildtext.synth import SyntheticWords

        return SyntheticWords(self.seed, self.synth, Charset.load(self.charset))


def _drawing(name: str, recipe: Recipe | None) -> Drawing:
    if recipe is None:
        return Drawing()
    charset = recipe.model.charset
    # A charset that is taken from other data says nothing of what may be drawn.
    return Drawing(name, recipe.seed, Drawing.charset if charset in ("", "data") else charset, recipe.synth)


def preview_command(name: str = "", recipe: Recipe | None = None) -> Callable[..., int]:
    """The command, with the values of the named recipe as the defaults of its options."""

    def preview(
        out: Annotated[Positional[Path], arg(metavar="OUT")],
        /,
        *,
        count: int = 96,
        start: int = 0,
        boxes: bool = False,
        drawing: Annotated[Drawing, arg(name="")] = _drawing(name, recipe),  # noqa: B008  # frozen
    ) -> int:
        """Show what the synthetic source draws.

        The exit status is 1 if some samples could not be drawn.

        Args:
            out: A file to write: .png for a contact sheet, .html for a page that groups samples by what is in them.
            count: Samples to draw.
            start: Index of the first.
            boxes: Draw the boxes of characters and words.
            drawing: What is drawn.
        """
        source = drawing.source()
        from wildtext.synth.preview import preview as show

        with progress_bar("drawing") as progress:
            errors = show(source, out, count, start=start, boxes=boxes, progress=progress)
        print(f"{out}: {count - len(errors)} samples")
        return _left_out(errors)

    return preview


def write_command(name: str = "", recipe: Recipe | None = None) -> Callable[..., int]:
    """The command, with the values of the named recipe as the defaults of its options."""

    def write(
        out: Annotated[Positional[Path], arg(metavar="OUT.lmdb")],
        /,
        *,
        count: int,
        workers: int = 1,
        drawing: Annotated[Drawing, arg(name="")] = _drawing(name, recipe),  # noqa: B008  # frozen
    ) -> int:
        """Write synthetic samples into an LMDB. Goes on where an earlier call was stopped.

        The exit status is 1 if some samples were left out.

        Args:
            out: The LMDB folder to write, e.g. synth.lmdb.
            count: Samples to draw.
            workers: Processes that draw; does not change what is drawn. 0 draws in the process of the command.
            drawing: What is drawn.
        """
        source = drawing.source()
        from wildtext.synth.write import write as run

        settings = {key: value for key, value in asdict(drawing).items() if key != "recipe"}
        with progress_bar("drawing") as progress:
            report = run(source, out, count, settings=settings, workers=workers, progress=progress)
        return print_written(report)

    return write


def compare_command(name: str = "", recipe: Recipe | None = None) -> Callable[..., int]:
    """The command, with the values of the named recipe as the defaults of its options."""

    def compare(
        *,
        real: Path,
        out: Path,
        count: int = 500,
        format: Literal["table", "json"] = "table",
        drawing: Annotated[Drawing, arg(name="")] = _drawing(name, recipe),  # noqa: B008  # frozen
    ) -> int:
        """Put synthetic samples beside real ones: a page with crops and histograms, and a table of distances.

        The exit status is 1 if some samples could not be drawn or read.

        Args:
            real: Your own labelled images: folder with labels.tsv, list file, JSON Lines or LMDB.
            out: The .html file to write.
            count: Samples of each side.
            format: table for people, json for programs.
            drawing: What is drawn.
        """
        from rich.console import Console

        from wildtext.data import open_source

        labelled = open_source(real)
        source = drawing.source()
        from wildtext.synth.compare import compare as run
        from wildtext.synth.compare import show

        with progress_bar("comparing") as progress:
            report = run(source, labelled, out, count, progress=progress)
        if format == "json":
            print(json.dumps(report.to_dict(), indent=2))
        else:
            show(report, Console())
            print(f"{out}: {report.ours} synthetic and {report.real} real samples")
        return _left_out(report.errors)

    return compare


def _left_out(errors: Iterable[SampleError]) -> int:
    """Name the samples that were left out; returns the exit status."""
    status = OK
    for error in errors:
        print(f"left out: {error}", file=sys.stderr)
        status = FAILED
    return status
