"""Street View Text, and ICDAR 2003 from whose form of XML it borrows.

    <image>
      <imageName>img/14_03.jpg</imageName>
      <lex>LIVING,ROOM,THEATERS</lex>
      <taggedRectangles>
        <taggedRectangle height="75" width="236" x="375" y="253"><tag>LIVING</tag></taggedRectangle>

Rectangles may reach beyond the photograph. ``lex`` has 50 words for each photograph; ICDAR 2003 has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml import sax
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from wildtext.data.concat import ConcatSource
from wildtext.data.convert.crops import CropSource, Word, rectangle
from wildtext.data.convert.listed import check_images
from wildtext.errors import DataError

_SIDES = ("x", "y", "width", "height")


def open_svt(files: Sequence[Path], images: Path | None = None) -> ConcatSource:
    """Open Street View Text as it was published; words are cut out of the photographs.

    Args:
        files: train.xml or test.xml.
        images: the folder that names of images are relative to; where None, that of each file.

    Raises:
        DataError: a file cannot be read or is no XML, or there is no such folder.
    """
    parts = [CropSource(_Tagged(path, check_images(images or path.parent), _read(path))) for path in files]
    return ConcatSource(", ".join(map(str, files)), parts)


def lexicons_of_svt(files: Sequence[Path]) -> dict[str, list[list[str]]]:
    """The lexicons of `open_svt` with the same files.

    Returns:
        For 50, the words of each sample in order; nothing where there are none.

    Raises:
        DataError: as `open_svt`.
    """
    words = [tag.lexicon for path in files for tag in _read(path)]
    return {"50": words} if any(words) else {}


@dataclass
class _Tag:
    """A tagged rectangle: its line in the file, image and lexicon, its sides as they stand, and its text."""

    line: int
    image: str
    lexicon: list[str]
    sides: dict[str, str]
    text: str = ""


@dataclass(frozen=True, eq=False)
class _Tagged:
    """The tagged rectangles of a file."""

    path: Path
    images: Path
    tags: list[_Tag]

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def size(self) -> int:
        return len(self.tags)

    def where(self, index: int) -> str:
        return f"{self.path}:{self.tags[index].line}"

    def word(self, index: int) -> Word:
        tag = self.tags[index]
        try:
            outline = rectangle(*(float(tag.sides[side]) for side in _SIDES))
        except (KeyError, ValueError) as error:
            raise ValueError(f"malformed rectangle: expected {', '.join(_SIDES)}, not {tag.sides}") from error
        return Word(self.images / tag.image, tag.text, outline)


class _Handler(ContentHandler):
    """Collects tagged rectangles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[_Tag] = []
        self._image = ""
        self._lexicon: list[str] = []
        self._text: list[str] = []

    def setDocumentLocator(self, locator: Locator) -> None:
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        self._text.clear()
        if name == "taggedRectangle":
            line = self._locator.getLineNumber() or 0
            self.tags.append(_Tag(line, self._image, self._lexicon, dict(attrs.items())))

    def characters(self, content: str) -> None:
        self._text.append(content)

    def endElement(self, name: str) -> None:
        text = "".join(self._text).strip()
        if name == "imageName":
            self._image, self._lexicon = text, []
        elif name == "lex":
            self._lexicon = [word.strip() for word in text.split(",") if word.strip()]
        elif name == "tag" and self.tags:
            self.tags[-1].text = text


def _read(path: Path) -> list[_Tag]:
    handler = _Handler()
    try:
        with path.open("rb") as file:
            sax.parse(file, handler)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except sax.SAXParseException as error:
        raise DataError(f"{path}:{error.getLineNumber()}: this is no XML: {error.getMessage()}") from error
    return handler.tags
