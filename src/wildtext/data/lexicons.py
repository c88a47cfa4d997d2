"""Lexicons of benchmarks: for each image a list of words, one of which it says.

IIIT5K was published with 50 and with 1,000 words for each image, Street View Text with 50. They lie beside the samples
in ``lexicon-50.tsv`` and ``lexicon-1k.tsv``. Each line has an image and its words, with tabs between. An image has the
name of its key in an LMDB (``image-000000001``), or that of its file, relative to the folder. The order is free, and
lines of images that are not there do no harm.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from wildtext.codecs import Lexicon
from wildtext.data.concat import ConcatSource
from wildtext.data.lines import Lines
from wildtext.data.lmdb import sample_key
from wildtext.data.source import LabelledSource, texts
from wildtext.data.writer import WriteReport
from wildtext.errors import DataError
from wildtext.files import replacing

SIZES = ("50", "1k")
"""Lexicons that are another one for each image."""

FULL = "full"
"""The lexicon of all labels of a source."""


def file_name(size: str) -> str:
    """What the lexicons of a size are called."""
    return f"lexicon-{size}.tsv"


def open_lexicons(source: LabelledSource, which: str) -> Callable[[int], Lexicon]:
    """The lexicons of a source, without case.

    Args:
        source: labelled images.
        which: ``50`` or ``1k`` for the list of each image beside the samples; ``full`` for all labels of the source; or
            the path of a file with one word a line.

    Returns:
        What gives the lexicon of sample `index`.

    Raises:
        DataError: there is no such file, it has no words, or it lacks a sample.
    """
    if which in SIZES:
        rows = list(_rows(source, which))
        return lambda index: _parsed(rows[index])
    if which == FULL:
        labels = (text for text in texts(source) if isinstance(text, str))
        shared = Lexicon(labels, name=f"the lexicon of all labels of {source.name}")
    elif not os.path.isfile(which):
        raise DataError(f"there is no lexicon {which}; name {', '.join(SIZES)}, {FULL}, or a file with a word a line")
    else:
        shared = Lexicon.from_file(which)
    return lambda index: shared


def write_lexicons(
    source: LabelledSource, report: WriteReport, lexicons: Mapping[str, Sequence[Sequence[str]]]
) -> None:
    """Write the lexicons of an LMDB beside its samples, those that were left out left out.

    Args:
        source: what it was made of.
        report: what became of its samples.
        lexicons: by size, the words of each sample of the source; none where it has no lexicon.

    Raises:
        DataError: the disk is full, or samples were left out that have their names in common with others.
    """
    absent = {_one_line(skipped.name) for skipped in report.skipped}
    kept = [index for index in range(source.size) if _one_line(source.where(index)) not in absent]
    if len(kept) != report.written:
        raise DataError(f"{source.name}: images are listed twice, so their lexicons cannot be told apart")
    for size, words in lexicons.items():
        lines = [
            "\t".join([sample_key("image", number).decode(), *map(_one_line, words[index])]) + "\n"
            for number, index in enumerate(kept)
            if words[index]
        ]
        with replacing(report.path / file_name(size)) as file:
            file.write_bytes("".join(lines).encode())


def _rows(source: LabelledSource, size: str) -> Iterator[str]:
    """The words of each sample, with tabs between, in order."""
    if isinstance(source, ConcatSource):
        for part in source.parts:
            yield from _rows(part, size)
        return
    folder = Path(source.name) if os.path.isdir(source.name) else Path(source.name).parent
    path = folder / file_name(size)
    if not path.is_file():
        raise DataError(
            f"{source.name} has no lexicons of {size} words, which would be in {path}; wildtext data convert writes "
            f"them for iiit5k (50, 1k) and svt (50)"
        )
    lines = {os.path.normpath(image): words for image, _, words in (line.partition("\t") for line in Lines(path))}
    for index in range(source.size):
        where = source.where(index)
        key = where.removeprefix(f"{source.name}#")
        words = lines.get(key if key != where else os.path.relpath(where, folder), "")
        if not words.strip():
            raise DataError(f"{path} has no words for {where}; a line has the image and its words, with tabs between")
        yield words


@lru_cache(maxsize=256)
def _parsed(words: str) -> Lexicon:
    """The lexicon of an image; those of neighbours are often the same, and keep what was prepared of them."""
    return Lexicon(words.split("\t"))


def _one_line(text: str) -> str:
    return " ".join(text.split())
