"""MJSynth, also called Synth90k: 8.9 million rendered words.

A line of its lists has an image and the number of its word in the lexicon, e.g. ``./2425/1/115_Lube_45484.jpg 45484``.
The word as it was rendered stands in the name of the image, between the underscores.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from wildtext.data.concat import ConcatSource
from wildtext.data.convert.listed import WordList, check_images, malformed
from wildtext.data.lines import Lines

_LINE = re.compile(r"(?P<image>(?:\S*/)?\d+_(?P<word>[^/\s]+)_\d+\.jpg)(?: \d+)?")


def open_mjsynth(lists: Sequence[Path], images: Path | None = None) -> ConcatSource:
    """Open MJSynth as it was published.

    Args:
        lists: annotation_train.txt, annotation_val.txt or annotation_test.txt.
        images: the folder that the paths in the lists are relative to; where None, that of each list.

    Raises:
        DataError: a list cannot be read, or there is no such folder.
    """
    parts = [WordList(path, Lines(path), check_images(images or path.parent), _read) for path in lists]
    return ConcatSource(", ".join(map(str, lists)), parts)


def _read(line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise malformed(line, "'./2425/1/115_Lube_45484.jpg 45484'")
    return match["image"], match["word"]
