"""SynthAdd: 1.2 million rendered words that the authors of SAR added to SynthText, with many punctuation marks.

A line of its lists has an image and a word in quotation marks, e.g. ``1.jpg,"LABEL"``. The images of the list gt_7.txt
lie in crop_img_7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from wildtext.data.concat import ConcatSource
from wildtext.data.convert.listed import WordList, check_images, malformed
from wildtext.data.lines import Lines

_QUOTED = re.compile(r'\s*(?P<image>[^,\s]+)\s*,\s*"(?P<word>.*)"\s*')
_PLAIN = re.compile(r"\s*(?P<image>[^,\s]+)(?:\s*,\s*|\s+)(?P<word>.*?)\s*")
_NUMBER = re.compile(r"gt_(\d+)")


def open_synthadd(lists: Sequence[Path], images: Path | None = None) -> ConcatSource:
    """Open SynthAdd as it was published.

    Args:
        lists: annotationlist/gt_1.txt to gt_20.txt.
        images: the folder that holds crop_img_1 to crop_img_20; where None, the one above that of each list.

    Raises:
        DataError: a list cannot be read, or there is no such folder.
    """
    parts = [_open(path, check_images(path.absolute().parent.parent if images is None else images)) for path in lists]
    return ConcatSource(", ".join(map(str, lists)), parts)


def _open(path: Path, images: Path) -> WordList:
    number = _NUMBER.fullmatch(path.stem)
    return WordList(path, Lines(path), images, partial(_read, f"crop_img_{number[1]}" if number else ""))


def _read(folder: str, line: str) -> tuple[str, str]:
    """Name of the image, and the word. What stands in quotation marks is taken as it is, backslashes included."""
    match = _QUOTED.fullmatch(line) or _PLAIN.fullmatch(line)
    if match is None or not match["word"]:
        raise malformed(line, "'1.jpg,\"LABEL\"'")
    image = match["image"]
    return (image if "/" in image else f"{folder}/{image}"), match["word"]
