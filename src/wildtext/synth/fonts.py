"""Fonts for the renderer: any folder of them, or the ones that ship with the package."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from wildtext.errors import DataError

SHIPPED = Path(__file__).parent / "fonts"
SUFFIXES = {".ttf", ".otf", ".woff", ".woff2"}


class Typeface:
    """A font at one size, with the question which characters it can draw."""

    def __init__(self, path: Path, size: int):
        self.path = path
        self.size = size
        try:
            self.font = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
        except OSError as error:
            raise DataError(f"{path}: not a usable font: {error}") from error
        self._missing = self._shape("\ufffe")
        self._covered: dict[str, bool] = {" ": True}

    def covers(self, text: str) -> bool:
        """Whether every character of the text has a glyph with ink."""
        return all(self._covers(character) for character in text)

    def _covers(self, character: str) -> bool:
        known = self._covered.get(character)
        if known is None:
            # Pillow does not tell a missing glyph from a present one, but all missing ones look the same.
            shape = self._shape(character)
            known = self._covered[character] = any(shape[1]) and shape != self._missing
        return known

    def _shape(self, character: str) -> tuple[tuple[int, int], bytes]:
        mask = self.font.getmask(character, mode="L")
        return mask.size, bytes(mask)


class FontLibrary:
    """All fonts below a folder, opened when they are first drawn with.

    Args:
        folder: where to look, at any depth; None takes the fonts that ship with wildtext.
        size: em size in pixels at which glyphs are rasterised.

    Raises:
        DataError: there is no font in the folder.
    """

    def __init__(self, folder: Path | None = None, *, size: int = 44):
        self.folder = folder or SHIPPED
        self.paths = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not self.paths:
            raise DataError(f"no fonts ({', '.join(sorted(SUFFIXES))}) in {self.folder}")
        self._open = lru_cache(maxsize=4096)(lambda path: Typeface(path, size))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Typeface:
        return self._open(self.paths[index])
