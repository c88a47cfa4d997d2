"""What is in a data set, and what is odd about it: look before you train."""

from __future__ import annotations

import unicodedata
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wildtext.charset import STANDARD, Charset
from wildtext.data.source import LabelledSource, Progress, kind_of, reason_of
from wildtext.errors import ImageError, SampleError
from wildtext.images import decode

LONG_LABEL = 25
"""Characters; longer labels are left out by most published recipes."""

LOW_IMAGE = 8
"""Pixels; lower images hold no readable letter."""

WIDE_ASPECT = 15
"""Width over height; wider images lose their strokes on the usual canvases."""

_HEIGHTS = (8, 16, 24, 32, 48, 64, 96, 128, 256)
_ASPECTS = (0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15)
_EXAMPLES = 5
_INVISIBLE = ("Cc", "Cf", "Cs", "Co")
_STANDARD = tuple(name + space for name in STANDARD for space in ("", "+space"))
_WIDEST = _STANDARD[-1]
_BAR = 40
_LISTED = 20


@dataclass(frozen=True)
class Histogram:
    """How many values lie below the first limit, between each limit and the next, and from the last one on."""

    limits: tuple[float, ...]
    counts: tuple[int, ...]

    def to_dict(self) -> list[dict[str, float | None]]:
        """Plain values for JSON: ``from <= value < to``, with null where there is no end."""
        ends = [None, *self.limits, None]
        return [{"from": ends[i], "to": ends[i + 1], "count": count} for i, count in enumerate(self.counts)]


@dataclass
class Finding:
    """How many samples share something worth knowing, and a few of them."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """Count a sample, and keep it if it is among the first."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)


Findings = dict[str, Finding]


@dataclass(frozen=True)
class Summary:
    """What was found in a data set.

    Attributes:
        name: of the data set.
        samples: how many it has.
        inspected: how many of them were looked at.
        with_boxes: how many of these have character boxes.
        broken: samples that cannot be used, by reason.
        odd: samples that can be used, but are worth a look.
        characters: every character of the labels as they are stored, with its count, the most frequent first.
        charset: the smallest standard charset that has all of them; None if none has.
        label_lengths: how many labels have how many code points, by length.
        heights: of the images, in pixels.
        aspects: width over height of the images.
    """

    name: str
    samples: int
    inspected: int
    with_boxes: int
    broken: Findings
    odd: Findings
    characters: dict[str, int]
    charset: str | None
    label_lengths: dict[int, int]
    heights: Histogram
    aspects: Histogram

    @property
    def outside(self) -> dict[str, int]:
        """Characters that no standard charset has, with their counts."""
        known = Charset.named(_WIDEST).ids
        return {character: count for character, count in self.characters.items() if character not in known}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "samples": self.samples,
            "inspected": self.inspected,
            "with_boxes": self.with_boxes,
            "broken": _plain(self.broken),
            "odd": _plain(self.odd),
            "charset": self.charset,
            "characters": self.characters,
            "outside": self.outside,
            "label_lengths": {str(length): count for length, count in self.label_lengths.items()},
            "heights": self.heights.to_dict(),
            "aspects": self.aspects.to_dict(),
        }


def inspect(source: LabelledSource, *, sample_limit: int | None = None, progress: Progress | None = None) -> Summary:
    """Look at every sample of a data set: its label, its boxes, and its image, decoded.

    Args:
        source: the data set.
        sample_limit: look at no more than so many samples, spread evenly; None looks at all.
        progress: is told after each sample.
    """
    count = source.size if sample_limit is None else min(sample_limit, source.size)
    survey = _Survey(source)
    for done in range(count):
        survey.add(done * source.size // count)
        if progress is not None:
            progress(done + 1, count)
    return survey.summary(count)


def show(summary: Summary, console: Console) -> None:
    """Print a summary for people."""
    looked = "" if summary.inspected == summary.samples else f", {summary.inspected:,} of them inspected"
    console.print(Text(f"{summary.name}: {summary.samples:,} samples{looked}", style="bold"))
    if summary.with_boxes:
        console.print(f"{summary.with_boxes:,} with character boxes")
    console.print(_characters_line(summary))
    for title, findings in (("broken", summary.broken), ("odd", summary.odd)):
        if findings:
            console.print(_findings_table(title, findings))
    console.print(_bars("label length", *_lengths(summary)))
    console.print(_bars("image height", _ranges(summary.heights), summary.heights.counts))
    console.print(_bars("width / height", _ranges(summary.aspects), summary.aspects.counts))


class _Survey:
    """What has been seen so far."""

    def __init__(self, source: LabelledSource):
        self.source = source
        self.broken: Findings = {}
        self.odd: Findings = {}
        self.characters: Counter[str] = Counter()
        self.lengths: Counter[int] = Counter()
        self.with_boxes = 0
        # Of each decoded sample. Arrays, since a data set may have many millions.
        self.indices = array("Q")
        self.digests = array("Q")
        self.heights = array("L")
        self.widths = array("L")

    def add(self, index: int) -> None:
        """Look at one sample."""
        source, where = self.source, self.source.where(index)
        try:
            text = source.text(index)
            self._add_label(where, text)
            self.with_boxes += source.boxes(index) is not None
            content = source.content(index)
            height, width = decode(content).shape[:2]
        except SampleError as error:
            reason = reason_of(error, where)
            self.broken.setdefault(kind_of(reason), Finding()).add(f"{where}: {reason}")
        except ImageError as error:
            self.broken.setdefault(kind_of(str(error)), Finding()).add(f"{where}: {error}")
        else:
            self._add_image(f"{where}: {width} x {height} pixels", height, width)
            self.indices.append(index)
            self.digests.append(_digest(text, content))

    def summary(self, inspected: int) -> Summary:
        """Everything together."""
        self._find_duplicates()
        heights = np.array(self.heights, np.float64)
        return Summary(
            name=self.source.name,
            samples=self.source.size,
            inspected=inspected,
            with_boxes=self.with_boxes,
            broken=_most_first(self.broken),
            odd=_most_first(self.odd),
            characters=dict(sorted(self.characters.items(), key=lambda item: (-item[1], item[0]))),
            charset=_covering(self.characters),
            label_lengths=dict(sorted(self.lengths.items())),
            heights=_histogram(_HEIGHTS, heights),
            aspects=_histogram(_ASPECTS, np.array(self.widths, np.float64) / heights),
        )

    def _add_label(self, where: str, text: str) -> None:
        self.characters.update(text)
        self.lengths[len(text)] += 1
        for kind, applies in (
            ("empty label", not text),
            ("label begins or ends with a blank", text != text.strip()),
            ("label with control or invisible characters", any(map(_invisible, text))),
            (f"label longer than {LONG_LABEL} characters", len(text) > LONG_LABEL),
        ):
            if applies:
                self._note(kind, f"{where}: {text!r}")

    def _add_image(self, example: str, height: int, width: int) -> None:
        self.heights.append(height)
        self.widths.append(width)
        for kind, applies in (
            ("image taller than twice its width", height > 2 * width),
            (f"image under {LOW_IMAGE} pixels high", height < LOW_IMAGE),
            (f"image wider than {WIDE_ASPECT} times its height", width > WIDE_ASPECT * height),
        ):
            if applies:
                self._note(kind, example)

    def _note(self, kind: str, example: str) -> None:
        self.odd.setdefault(kind, Finding()).add(example)

    def _find_duplicates(self) -> None:
        digests = np.array(self.digests, np.uint64)
        order = np.argsort(digests, kind="stable")
        repeats = np.append(False, digests[order][1:] == digests[order][:-1])[: len(order)]
        firsts = np.maximum.accumulate(np.where(repeats, 0, np.arange(len(order))))
        pairs = np.stack([order, order[firsts]], axis=1)[repeats]
        for sample, original in pairs[pairs[:, 0].argsort()]:
            names = self.source.where(self.indices[sample]), self.source.where(self.indices[original])
            self._note("same label and image as another sample", f"{names[0]} is {names[1]}")


def _digest(text: str, content: bytes) -> int:
    label = text.encode(errors="backslashreplace")
    return int.from_bytes(blake2b(label + b"\0" + content, digest_size=8).digest())


def _invisible(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE


def _covering(characters: Counter[str]) -> str | None:
    """The smallest standard charset that has all characters as they are, without folding case or dropping accents."""
    for name in _STANDARD:
        if characters and characters.keys() <= Charset.named(name).ids.keys():
            return name
    return None


def _histogram(limits: tuple[float, ...], values: NDArray[np.float64]) -> Histogram:
    places = np.searchsorted(limits, values, side="right")
    return Histogram(limits, tuple(int(count) for count in np.bincount(places, minlength=len(limits) + 1)))


def _most_first(findings: Findings) -> Findings:
    return dict(sorted(findings.items(), key=lambda item: -item[1].count))


def _plain(findings: Findings) -> dict[str, Any]:
    return {kind: {"count": finding.count, "examples": finding.examples} for kind, finding in findings.items()}


def _characters_line(summary: Summary) -> Text:
    line = Text(f"{len(summary.characters)} different characters")
    if summary.charset is not None:
        line.append(f", all in charset {summary.charset}")
    elif summary.outside:
        listed = [f"{_visible(character)} {count:,} x" for character, count in summary.outside.items()]
        more = f" and {len(listed) - _LISTED:,} more" if len(listed) > _LISTED else ""
        line.append(f"; outside charset {_WIDEST}: {', '.join(listed[:_LISTED])}{more}")
    return line


def _visible(character: str) -> str:
    code = f"U+{ord(character):04X}"
    return f"{character} ({code})" if character.isprintable() and not unicodedata.combining(character) else code


def _findings_table(title: str, findings: Findings) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_column(style="dim", overflow="fold")
    for kind, finding in findings.items():
        table.add_row(f"{finding.count:,}", Text(kind), Text("\n".join(finding.examples)))
    return table


def _lengths(summary: Summary) -> tuple[list[str], list[int]]:
    """Lengths and their counts; the long ones, which may be many, together."""
    counts = {str(length): count for length, count in summary.label_lengths.items() if length <= LONG_LABEL}
    if more := sum(count for length, count in summary.label_lengths.items() if length > LONG_LABEL):
        counts[f"above {LONG_LABEL}"] = more
    return list(counts), list(counts.values())


def _ranges(histogram: Histogram) -> list[str]:
    limits = [f"{limit:g}" for limit in histogram.limits]
    inner = [f"{low} to {high}" for low, high in pairwise(limits)]
    return [f"below {limits[0]}", *inner, f"from {limits[-1]}"]


def _bars(title: str, labels: Sequence[str], counts: Sequence[int]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column()
    most = max(counts, default=0)
    for label, count in zip(labels, counts, strict=True):
        table.add_row(label, f"{count:,}", "█" * -(-_BAR * count // max(most, 1)))
    return table
