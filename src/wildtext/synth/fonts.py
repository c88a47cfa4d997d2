"""Fonts for the synthetic source: any folder of them, or the ones that ship with the package."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageFont, features

from wildtext.errors import ConfigError, DataError

SHIPPED = Path(__file__).parent / "fonts"
SUFFIXES = {".ttf", ".otf", ".woff", ".woff2"}
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

_TELLING = "aegrt"
"""Small letters that look least like their capitals."""
_FACES = 2048
_GLYPHS = 256
_PAIRS = 4096
# Letters are drawn one by one, so a pair must not be measured as a ligature or with letters made for the pair.
_SINGLE = ["-liga", "-clig", "-calt"]
_RAQM = features.check_feature("raqm")


@dataclass(frozen=True, slots=True, eq=False)
class Glyph:
    """One character as a font draws it, cut to its ink.

    Attributes:
        ink: (h, w) uint8 coverage, read-only; (0, 0) for a blank.
        left: pixels from the pen to the left end of the ink; negative where it reaches back.
        top: pixels from the ascender line of the font down to the top of the ink; negative where it reaches above.
        advance: pixels from this pen to the next.
    """

    ink: NDArray[np.uint8]
    left: int
    top: int
    advance: float


class Typeface:
    """A font at one size.

    Args:
        path: a font file.
        size: em size in pixels.
        name: what messages and parameters call it; the path if empty.
        style: one of the keys of `SHARES`.

    Raises:
        DataError: the file cannot be opened as a font.
    """

    def __init__(self, path: Path, size: int, *, name: str = "", style: str = UNKNOWN):
        self.path = path
        self.size = size
        self.name = name or path.as_posix()
        self.style = style
        self.font = self._open(ImageFont.Layout.BASIC)
        self._shaping: ImageFont.FreeTypeFont | None = None
        self._glyphs: dict[str, Glyph] = {}
        self._kerning: dict[tuple[str, str], float] = {}
        self._lengths: dict[str, float] = {}
        self._missing = self._draw("\ufffe")
        self._covered = {" "}
        self._uncovered: set[str] = set()

    def covers(self, text: str) -> bool:
        """Whether every character of the text has a glyph with ink, or is a space."""
        return self._covered.issuperset(text) or all(self._covers(character) for character in text)

    @cached_property
    def capitals_only(self) -> bool:
        """Whether small letters are drawn as capitals, of whatever size."""
        return self.covers(_TELLING) and all(
            _likeness(self.glyph(letter).ink, self.glyph(letter.upper()).ink) > 0.85 for letter in _TELLING
        )

    def glyph(self, character: str) -> Glyph:
        """One character as the font draws it by itself; what the font shows for a missing one if it has none.

        Raises:
            DataError: the font is broken at this character.
        """
        known = self._glyphs.get(character)
        if known is None:
            if len(self._glyphs) >= _GLYPHS:
                del self._glyphs[next(iter(self._glyphs))]
            known = self._glyphs[character] = self._draw(character)
        return known

    def kerning(self, left: str, right: str) -> float:
        """Pixels to add between two neighbouring characters; negative brings them closer.

        Without Raqm in Pillow only the old kern tables count, which few fonts have.
        """
        pair = (left, right)
        known = self._kerning.get(pair)
        if known is None:
            if len(self._kerning) >= _PAIRS:
                del self._kerning[next(iter(self._kerning))]
            alone = self._length(left) + self._length(right)
            known = self._kerning[pair] = self._measure(left + right) - alone
        return known

    def _open(self, layout: ImageFont.Layout) -> ImageFont.FreeTypeFont:
        try:
            return ImageFont.truetype(self.path, self.size, layout_engine=layout)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: not a usable font: {error}") from error

    def _covers(self, character: str) -> bool:
        if character in self._covered:
            return True
        if character in self._uncovered:
            return False
        # Pillow does not tell a missing glyph from a present one, but all missing ones look the same.
        drawn = self.glyph(character)
        covered = drawn.ink.size > 0 and not np.array_equal(drawn.ink, self._missing.ink)
        (self._covered if covered else self._uncovered).add(character)
        return covered

    def _draw(self, character: str) -> Glyph:
        try:
            mask, (left, top) = self.font.getmask2(character, mode="L")
            advance = self.font.getlength(character)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: the font is broken at {character!r}: {error}") from error
        box = mask.getbbox()
        if box is None:
            return Glyph(np.zeros((0, 0), np.uint8), 0, 0, advance)
        width, height = mask.size
        coverage = np.frombuffer(bytes(mask), np.uint8).reshape(height, width)
        ink = coverage[box[1] : box[3], box[0] : box[2]].copy()
        ink.setflags(write=False)
        return Glyph(ink, int(left) + box[0], int(top) + box[1], advance)

    def _length(self, character: str) -> float:
        known = self._lengths.get(character)
        if known is None:
            known = self._lengths[character] = self._measure(character)
        return known

    def _measure(self, text: str) -> float:
        if not _RAQM:
            return self.font.getlength(text)
        if self._shaping is None:
            self._shaping = self._open(ImageFont.Layout.RAQM)
        return self._shaping.getlength(text, features=_SINGLE)


def _likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of two glyphs at one size, at most 1."""
    first, second = (np.asarray(pillow.fromarray(ink).resize((16, 16)), np.float64) for ink in (one, other))
    first, second = first - first.mean(), second - second.mean()
    return float((first * second).sum() / max(np.sqrt((first**2).sum() * (second**2).sum()), 1e-6))


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

    def uncovered(self, characters: Iterable[str]) -> list[str]:
        """Those of the characters that no font can draw, judging each family by one of its fonts.

        It stops at the first fonts that have them all. Fonts that cannot be opened count as having none.
        """
        missing = sorted(set(characters))
        judged: set[tuple[str, str]] = set()
        for index, entry in enumerate(self._entries):
            if not missing:
                break
            if (entry.style, entry.family) not in judged:
                judged.add((entry.style, entry.family))
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
        raise DataError(f"{index}:1: the header needs the columns path, family and style, separated by tabs")
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
