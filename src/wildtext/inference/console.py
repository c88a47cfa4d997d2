"""Read files and print a row for each: for people as a table, for programs as JSON Lines or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wildtext.codecs import Lexicon
from wildtext.errors import ConfigError
from wildtext.images import ImageLike
from wildtext.images.decode import MAX_BYTES
from wildtext.images.listing import list_images
from wildtext.inference.loading import load
from wildtext.inference.recognizer import Recognizer
from wildtext.types import Prediction

Form = Literal["table", "jsonl", "csv"]
Row = Callable[[str, Prediction | Exception], None]

STDIN = "-"
_BAR_FROM = 200
"""Fewer images than this are read before a bar could be looked at."""


def read_paths(
    arguments: Iterable[str],
    *,
    model: str,
    form: Form,
    top: int,
    batch_size: int,
    threads: int,
    device: str,
    lexicon: Path | None = None,
    beam: int = 0,
    min_confidence: float = 0.0,
) -> int:
    """Read the images that the arguments name and print a row for each, in order, in bounded memory.

    Args:
        arguments: files, folders and patterns.
        model: see `load`.
        form: of the rows.
        top: see `Recognizer.read`.
        batch_size: see `Recognizer.read`.
        threads: see `load`.
        device: see `load`.
        lexicon: a file with words, one of which each image says.
        beam: see `Recognizer.decode`.
        min_confidence: readings with less abstain.

    Returns:
        How many images could not be read.

    Raises:
        ConfigError: a number is out of range, or there is nothing that a beam could search.
        DataError: the lexicon is no list of words.
    """
    if not 0 <= min_confidence <= 1:
        raise ConfigError(f"--min-confidence is a probability, between 0 and 1, not {min_confidence}")
    words = None if lexicon is None else Lexicon.from_file(lexicon)
    paths = list(list_images(arguments))
    recognizer = load(model, device=device, threads=threads)
    if words is not None:
        _tell_unreadable(words, recognizer)
    results = recognizer.stream(map(_content, paths), top=top, batch_size=batch_size, lexicon=words, beam=beam)
    write = _WRITERS[form](Manner(top, min_confidence), paths)
    failed = 0
    for path, result in zip(_with_bar(paths, form), results, strict=True):
        failed += not isinstance(result, Prediction)
        write(path, result)
    if failed and form == "table":
        print(f"{failed} of {len(paths)} images could not be read", file=sys.stderr)
    return failed


@dataclass(frozen=True)
class Manner:
    """What is printed of a reading.

    Attributes:
        top: readings of each image, the best included.
        min_confidence: readings with less abstain; 0 for none.
    """

    top: int
    min_confidence: float

    def abstains(self, reading: Prediction) -> bool:
        """Whether a reading is too unsure to be relied on."""
        return reading.confidence < self.min_confidence


def _tell_unreadable(lexicon: Lexicon, recognizer: Recognizer) -> None:
    """Tell on standard error which words will never be read, as none of the heads can write them."""
    bundle = recognizer.bundle
    lacking = set.intersection(*(set(lexicon.unreadable(bundle.codecs[head])) for head in recognizer.heads))
    if absent := [word for word in lexicon.words if word in lacking]:
        shown = ", ".join(map(_printable, absent[:3])) + (", ..." if len(absent) > 3 else "")
        reason = f"with letters outside charset {bundle.charset.name}, or too many"
        print(
            f"{lexicon.name}: {len(absent)} of {len(lexicon)} words are never read, {reason}: {shown}", file=sys.stderr
        )


def _content(path: str) -> ImageLike:
    if path == STDIN:
        return sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
    return Path(path)


def _with_bar(paths: Sequence[str], form: Form) -> Iterator[str]:
    """The paths, under a progress bar where there are many and a terminal to see it on."""
    console = Console(stderr=True)
    # A bar would fold long lines that share its terminal, and programs' lines must stay whole.
    spoils = form != "table" and sys.stdout.isatty()
    if not console.is_terminal or spoils or len(paths) < _BAR_FROM:
        yield from paths
        return
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Rows go above the bar where both share a terminal, and past it where they go to a file.
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        yield from progress.track(paths)


def _reason(path: str, error: Exception) -> str:
    """The error without the path in front, which has a column of its own."""
    return str(error).removeprefix(f"{Path(path)}: ")


def _printable(text: str) -> str:
    """A file name may hold line ends and commands to the terminal; in a table they are escaped."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _table(manner: Manner, paths: Sequence[str]) -> Row:
    width = min(max((len(path) for path in paths), default=0), 60)

    def write(path: str, result: Prediction | Exception) -> None:
        shown = _printable(path if len(path) <= width else "…" + path[1 - width :])
        if isinstance(result, Prediction):
            others = "".join(f"   {other.text} {other.confidence:.1%}" for other in result.alternatives)
            text = "(unsure)" if manner.abstains(result) else f"{result.text}{others}"
            print(f"{shown:<{width}}  {result.confidence:>6.1%}  {text}", flush=True)
        else:
            print(f"{shown:<{width}}   error  {_printable(_reason(path, result))}", flush=True)

    return write


def _jsonl(manner: Manner, paths: Sequence[str]) -> Row:
    def write(path: str, result: Prediction | Exception) -> None:
        record: dict[str, Any] = {"path": path}
        record |= result.to_dict() if isinstance(result, Prediction) else {"error": _reason(path, result)}
        if manner.min_confidence and isinstance(result, Prediction):
            record["abstained"] = manner.abstains(result)
        print(json.dumps(record, ensure_ascii=not _speaks_unicode()), flush=True)

    return write


def _csv(manner: Manner, paths: Sequence[str]) -> Row:
    header = ["path", "text", "confidence", "error", *(["abstained"] if manner.min_confidence else [])]
    header += [f"{name}_{rank}" for rank in range(2, manner.top + 1) for name in ("text", "confidence")]

    def put(values: Sequence[str | float]) -> None:
        # Standard output is looked up for each row, since a progress bar may stand before it. All texts are quoted:
        # the csv module leaves a carriage return alone otherwise.
        filled = [*values, *[""] * (len(header) - len(values))]
        csv.writer(sys.stdout, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerow(filled)
        sys.stdout.flush()

    put(header)

    def write(path: str, result: Prediction | Exception) -> None:
        if isinstance(result, Prediction):
            others = [value for other in result.alternatives for value in (other.text, round(other.confidence, 6))]
            unsure = [str(manner.abstains(result)).lower()] if manner.min_confidence else []
            put([path, result.text, round(result.confidence, 6), "", *unsure, *others])
        else:
            put([path, "", "", _reason(path, result)])

    return write


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


_WRITERS: dict[Form, Callable[[Manner, Sequence[str]], Row]] = {"table": _table, "jsonl": _jsonl, "csv": _csv}
