"""Checks the font files below a folder and writes the index that wildtext.synth reads; see gather-fonts."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

try:
    import numpy as np
    from fontTools.ttLib import TTFont
    from numpy.typing import NDArray
    from PIL import Image

    from wildtext.errors import DataError
    from wildtext.synth.fonts import INDEX, SUFFIXES, FontLibrary
    from wildtext.synth.typeface import Typeface
except ImportError as error:
    sys.exit(f"error: {error}; install what this needs with: pip install 'wildtext[fonts]'")

DROPPED = "dropped.tsv"
LIST = Path(__file__).parent / "font-families.txt"
UPPER, LOWER, DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"
CHARACTERS = UPPER + LOWER + DIGITS
# Guessing finds 2 of the 62; the wildest script fonts have 5 and more.
RECOGNISED = 5
CATEGORIES = {
    "sans-serif": "sans",
    "serif": "serif",
    "display": "display",
    "handwriting": "script",
    "monospace": "mono",
}
LICENCES = {
    "sil open font license": "OFL-1.1",
    "apache license": "Apache-2.0",
    "ubuntu font licen": "Ubuntu-font-1.0",
}


class Unfit(Exception):
    """A font file that must not be drawn with, and why."""


@dataclass(frozen=True)
class Family:
    """A line of font-families.txt: the client that has it, its name there, its style (empty: judged by the font)."""

    client: str
    name: str
    style: str


@dataclass(frozen=True)
class Row:
    """A line of index.tsv."""

    path: str
    family: str
    style: str
    weight: int
    width: str
    italic: int
    licence: str


@cache
def listed() -> list[Family]:
    """The families of font-families.txt."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [Family(*line.split("\t")) for line in lines if line and not line.startswith("#")]


def write_index(folder: Path) -> tuple[int, int]:
    """Check and describe all fonts below a folder; returns how many are in the index and how many were dropped."""
    rows: list[Row] = []
    dropped: list[tuple[str, str]] = []
    for family, paths in groupby(found(folder), key=lambda path: path.parent):
        before = len(rows), len(dropped)
        for path in paths:
            try:
                rows.append(inspect(path, folder))
            except Unfit as reason:
                dropped.append((path.relative_to(folder).as_posix(), " ".join(str(reason).split())))
        name = family.relative_to(folder).as_posix()
        print(f"{name}: {len(rows) - before[0]} fonts, {len(dropped) - before[1]} dropped", flush=True)
    save(folder / INDEX, [tuple(field.name for field in fields(Row)), *(astuple(row) for row in rows)])
    save(folder / DROPPED, [("path", "reason"), *dropped])
    return len(rows), len(dropped)


def found(folder: Path) -> Iterator[Path]:
    """All font files, also through links to folders, in the order of their paths; hidden folders do not count."""
    paths = []
    for place, below, files in os.walk(folder, followlinks=True):
        below[:] = [name for name in below if not name.startswith(".")]
        paths += [Path(place, name) for name in files if Path(name).suffix.lower() in SUFFIXES]
    return iter(sorted(paths, key=lambda path: path.relative_to(folder).as_posix()))


def inspect(path: Path, folder: Path) -> Row:
    """Check and describe one font."""
    try:
        with TTFont(path, lazy=True, fontNumber=0) as font:
            check(path, font)
            return describe(path, folder, font)
    except Unfit:
        raise
    except Exception as error:  # fontTools raises whatever a broken table makes it stumble over
        raise Unfit(f"fontTools cannot read it: {type(error).__name__}: {error}") from error


def save(path: Path, rows: list[tuple[object, ...]]) -> None:
    """Write a table, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    partial.replace(path)


# Checking


def check(path: Path, font: TTFont) -> None:
    """Raise Unfit unless the file draws all letters and digits, as letters and digits."""
    mapped = font.getBestCmap() or {}
    missing = [character for character in CHARACTERS if ord(character) not in mapped]
    if missing:
        raise Unfit(f"has no {''.join(missing)}")
    try:
        face = Typeface(path, 40)
        blank = "".join(chr(code) for code in range(33, 127) if code in mapped and not face.glyph(chr(code)).ink.size)
        # At this size a hairline may fall between two rows; that is no fault of the font.
        blank = "".join(character for character in blank if not Typeface(path, 200).glyph(character).ink.size)
    except DataError as error:
        raise Unfit(f"Pillow cannot draw it: {error}") from error
    if blank:
        raise Unfit(f"draws nothing for {blank}")
    for group in (UPPER, LOWER, DIGITS):
        same = alike(face, group)
        if same:
            raise Unfit(f"draws the same for {''.join(same)}")
    found = recognised(face)
    if found < RECOGNISED:
        raise Unfit(f"does not draw letters: {found} of {len(CHARACTERS)} can be told")


def alike(face: Typeface, group: str) -> list[str]:
    """Characters that look exactly like an earlier one of the group, if they are more than a slip."""
    glyphs = [face.glyph(character) for character in group]
    inks = [(glyph.ink.shape, glyph.ink.tobytes()) for glyph in glyphs]
    same = [character for index, character in enumerate(group) if inks[index] in inks[:index]]
    return same if len(same) > 1 else []


def recognised(face: Typeface) -> int:
    """How many characters look more like themselves in the shipped fonts than like any other; case does not count."""
    names = np.array([ord(character.lower()) for character in CHARACTERS])
    best = np.argmax(shapes(face) @ references().T, axis=1)
    return int((names[best % len(CHARACTERS)] == names).sum())


def shapes(face: Typeface) -> NDArray[np.float32]:
    """(62, 400) the characters' inks stretched to one square, centred and of length one."""
    inks = [Image.fromarray(face.glyph(character).ink) for character in CHARACTERS]
    squares = [np.asarray(ink.resize((20, 20), Image.Resampling.BILINEAR), np.float32).ravel() for ink in inks]
    centred = np.stack(squares) - np.mean(squares, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6), np.float32)


@cache
def references() -> NDArray[np.float32]:
    """The shapes of all shipped fonts, below each other."""
    library = FontLibrary()
    return np.concatenate([shapes(library[index]) for index in range(len(library))])


# Describing


def describe(path: Path, folder: Path, font: TTFont) -> Row:
    """The index line of a font."""
    metadata = package_facts(path.parent)
    line = {family.name: family for family in listed()}.get(path.parent.name)
    own_folder = bool(metadata) or (line is not None and line.client == "npm")
    words = f"{path.stem} {path.parent.name} {name_of(font, 1)} {name_of(font, 2)} {name_of(font, 17)}".lower()
    family = path.parent.name if own_folder else name_of(font, 16) or name_of(font, 1) or path.stem
    return Row(
        path=path.relative_to(folder).as_posix(),
        family=" ".join(family.split()),
        style=CATEGORIES.get(metadata.get("category", ""), "") or (line.style if line else "") or guess(font, words),
        weight=int(font["OS/2"].usWeightClass) if "OS/2" in font else 400,
        width=width_of(font, words),
        italic=int(bool(font["head"].macStyle & 2) or "italic" in words or "oblique" in words),
        licence=licence_of(path.parent, font),
    )


@cache
def package_facts(folder: Path) -> dict[str, Any]:
    """What a @fontsource package says about its family."""
    file = folder / "metadata.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def name_of(font: TTFont, number: int) -> str:
    """An entry of the name table; empty if the font has none."""
    return (font["name"].getDebugName(number) or "") if "name" in font else ""


def guess(font: TTFont, words: str) -> str:
    """A style from the font's own claims and its names; display where they say nothing."""
    panose = font["OS/2"].panose if "OS/2" in font else None
    signs = {
        "mono": bool(font["post"].isFixedPitch) or re.search(r"mono\b|courier|typewriter", words),
        "script": (panose and panose.bFamilyType == 3) or re.search("script|hand|brush|calligra", words),
        "sans": (panose and panose.bFamilyType == 2 and panose.bSerifStyle >= 11) or re.search("sans|gothic", words),
        "serif": (panose and panose.bFamilyType == 2 and panose.bSerifStyle >= 2) or re.search("serif|roman", words),
    }
    return next((style for style, sign in signs.items() if sign), "display")


def width_of(font: TTFont, words: str) -> str:
    """Normal, condensed or expanded."""
    claimed = font["OS/2"].usWidthClass if "OS/2" in font else 5
    if claimed < 5 or re.search("condensed|narrow|compressed", words):
        return "condensed"
    return "expanded" if claimed > 5 or re.search("expanded|extended|wide", words) else "normal"


def licence_of(folder: Path, font: TTFont) -> str:
    """An SPDX expression from what lies beside the font, or else from the font."""
    stated_by_package = package_facts(folder).get("license")
    if isinstance(stated_by_package, dict):
        return str(stated_by_package["type"])
    files = [path for path in sorted(folder.iterdir()) if re.match("(?i)licen|copy|ofl|ufl", path.name)]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file()]
    stated = re.search(r"(?m)^License: *(\S.*)", texts[0]) if texts else None
    text = " ".join(" ".join([*texts, name_of(font, 13), name_of(font, 14)]).lower().split())
    for phrase, identifier in LICENCES.items():
        if phrase in text:
            return identifier
    return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", stated[1]).strip("-") if stated else "NOASSERTION"
