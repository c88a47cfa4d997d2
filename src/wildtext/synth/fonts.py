"""Fonts for the synthetic source: any folder of them, or the ones that ship with the package."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import numpy as np

from wildtext.errors import ConfigError, DataError
from wildtext.synth.typeface import Typeface

SHIPPED = Path(__file__).parent / "fonts"
SUFFIXES = {".ttf", ".ttc", ".otf", ".woff", ".woff2"}
INDEX = "index.tsv"
UNKNOWN = "unknown"
SHARES: Mapping[str, float] = {
    "sans": 0.42,
    "serif": 0.22,
    "display": 0.24,
    "script": 0.07,
    "mono": 0.05,
    UNKNOWN: 1.0,
}
"""How often a font of each style is drawn; `unknown` are the fonts of a folder without an index."""

_FACES = 2048
_PROBES = 16


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    family: str
    style: str


class FontLibrary:
    """All fonts below a folder, in the order of their paths, opened when they are first drawn with.

    Where the folder has an `index.tsv`, its rows are the fonts: tab separated, with a header, at least the columns
    `path` (relative to the folder), `family` and `style`. `scripts/gather-fonts` writes it. Without one, every file
    below the folder is a font of style `unknown`, and files that share a folder are a family.

    Args:
        folder: where to look, at any depth; None takes the fonts that ship with wildtext.
        size: em size in pixels at which glyphs are rasterised.
        styles: relative share of each style; one that is left out is never drawn. None takes `SHARES`.

    Raises:
        ConfigError: a style is not known, a share is negative, or no font has a style with a share.
        DataError: there is no font in the folder, or its index is malformed or names a file that is not there.
    """

    def __init__(self, folder: Path | None = None, *, size: int = 40, styles: Mapping[str, float] | None = None):
        self.folder = folder or SHIPPED
        entries = sorted(_entries(self.folder), key=lambda entry: entry.name)
        if not entries:
            raise DataError(f"no fonts ({', '.join(sorted(SUFFIXES))}) in {self.folder}")
        self.paths = [self.folder / entry.name for entry in entries]
        self._entries = entries
        self._size = size
        self._reach = _cumulative(entries, SHARES if styles is None else styles, self.folder)
        self._last = bisect_left(self._reach, self._reach[-1])
        families = {(entry.style, entry.family): index for index, entry in reversed(list(enumerate(entries)))}
        self._first = sorted(families.values())
        self._with: dict[str, tuple[int, ...]] = {}
        self._open = lru_cache(maxsize=_FACES)(self._typeface)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Typeface:
        """Font `index` in the order of paths.

        Raises:
            DataError: the file cannot be opened as a font.
        """
        return self._open(index)

    def sample(self, random: np.random.Generator) -> Typeface:
        """Draw a style by its share, a family of it and a file of that, each as likely as the others.

        Raises:
            DataError: the file cannot be opened as a font.
        """
        return self._open(min(bisect_right(self._reach, random.random() * self._reach[-1]), self._last))

    def covering(self, text: str, random: np.random.Generator) -> Typeface | None:
        """A font that has all characters of a text, looking at one file of every family; None if there is none."""
        having = [self._having(character) for character in sorted(set(text))]
        indices = [index for index in having[0] if all(index in others for others in having[1:])] if having else []
        return self[indices[int(random.integers(len(indices)))]] if indices else None

    def _having(self, character: str) -> tuple[int, ...]:
        known = self._with.get(character)
        if known is None:
            known = self._with[character] = tuple(index for index in self._first if not self._left(index, [character]))
        return known

    def uncovered(self, characters: Iterable[str]) -> list[str]:
        """Those of the characters that no font can draw, judging each family by one of its fonts.

        Of many characters a few tell whether a font is worth a closer look. Fonts that cannot be opened count as
        having none.
        """
        missing = sorted(set(characters))
        for index in self._first:
            # Most fonts have nothing of a script that is not theirs; a few characters tell it.
            probes = missing[:: len(missing) // _PROBES + 1]
            if self._left(index, probes) != probes:
                missing = self._left(index, missing)
        return missing

    def _left(self, index: int, characters: list[str]) -> list[str]:
        # Not kept open: what a font lacks of thousands of characters would stay in memory with it.
        try:
            face = self._typeface(index)
            return [character for character in characters if not face.covers(character)]
        except DataError:
            return characters

    def _typeface(self, index: int) -> Typeface:
        entry = self._entries[index]
        return Typeface(self.paths[index], self._size, name=entry.name, style=entry.style)


def _cumulative(entries: list[_Entry], shares: Mapping[str, float], folder: Path) -> list[float]:
    """Running sum of the chances of all fonts."""
    for style, share in shares.items():
        if style not in SHARES:
            raise ConfigError(f"there is no style of fonts {style!r}; choose from {', '.join(SHARES)}")
        if not 0 <= share < math.inf:
            raise ConfigError(f"the share of the style {style!r} is {share}; it must be 0 or more")
    families = Counter(style for style, _ in {(entry.style, entry.family) for entry in entries})
    files = Counter((entry.style, entry.family) for entry in entries)
    reach = list(
        accumulate(
            shares.get(entry.style, 0.0) / families[entry.style] / files[entry.style, entry.family] for entry in entries
        )
    )
    if not reach[-1]:
        raise ConfigError(
            f"no font of {folder} has a style with a share ({', '.join(shares) or 'none is given'}); "
            f"it has {', '.join(sorted(families))}"
        )
    return reach


def _entries(folder: Path) -> Iterator[_Entry]:
    index = folder / INDEX
    if index.is_file():
        return _indexed(index)
    return (_found(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _found(path: Path) -> _Entry:
    return _Entry(path.as_posix(), path.parent.as_posix() if path.parent.name else path.stem, UNKNOWN)


def _indexed(index: Path) -> Iterator[_Entry]:
    try:
        lines = index.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{index}: cannot be read: {error}") from error
    header = lines[0].split("\t") if lines else []
    if not {"path", "family", "style"} <= set(header):
        raise DataError(
            f"{index}:1: the header needs the columns path, family and style; "
            f"write the index anew with scripts/gather-fonts --index {index.parent}"
        )
    seen: set[str] = set()
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) != len(header):
            raise DataError(f"{index}:{number}: has {len(cells)} columns; the header has {len(header)}")
        row = dict(zip(header, cells, strict=True))
        problem = _problem(row, index.parent, seen)
        if problem:
            raise DataError(f"{index}:{number}: {problem}")
        seen.add(row["path"])
        yield _Entry(row["path"], row["family"], row["style"])


def _problem(row: Mapping[str, str], folder: Path, seen: set[str]) -> str:
    if row["style"] not in SHARES:
        return f"there is no style {row['style']!r}; choose from {', '.join(SHARES)}"
    if row["path"] in seen:
        return f"{row['path']} is there twice"
    if not row["path"] or not (folder / row["path"]).is_file():
        return f"the file {row['path']!r} is missing; write the index anew with scripts/gather-fonts --index {folder}"
    return ""
