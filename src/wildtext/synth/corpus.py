"""What is written in synthetic images: the words, numbers and codes of the street."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from wildtext.charset import NAMED
from wildtext.errors import DataError

SHIPPED = Path(__file__).parent / "words"

_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOOK_ALIKES = "0O1Il5S8B2Z6G"
_MAX_LENGTH = 25

Random = np.random.Generator


class Corpus:
    """An endless source of labels.

    Args:
        words: a UTF-8 file with one word a line to draw from; None takes the English words that ship with wildtext,
            common ones more often.

    Raises:
        DataError: the file cannot be read or holds no words.
    """

    def __init__(self, words: Path | None = None):
        if words is None:
            self._lists = [_read_words(SHIPPED / "common.txt"), _read_words(SHIPPED / "further.txt")]
        else:
            self._lists = [_read_words(words)]
        # kind of label, its share
        kinds: list[tuple[Callable[[Random], str], float]] = [
            (self._word, 0.62),
            (self._punctuated, 0.06),
            (self._two_words, 0.06),
            (_number, 0.08),
            (_code, 0.06),
            (_letters, 0.06),
            (self._address, 0.02),
            (_any_characters, 0.04),
        ]
        self._kinds = [kind for kind, _ in kinds]
        self._edges = np.cumsum([share for _, share in kinds])
        self._edges /= self._edges[-1]

    def sample(self, random: Random) -> str:
        """A label of 1 to 25 characters from printable ASCII, without blanks at its ends."""
        kind = self._kinds[int(np.searchsorted(self._edges, random.random(), side="right"))]
        return kind(random)[:_MAX_LENGTH].strip()

    def _plain(self, random: Random) -> str:
        words = self._lists[0 if len(self._lists) == 1 or random.random() < 0.7 else 1]
        return words[int(random.integers(len(words)))]

    def _word(self, random: Random) -> str:
        return _case(self._plain(random), random)

    def _two_words(self, random: Random) -> str:
        first, second = self._plain(random), self._plain(random)
        joined = f"{first[:12]}{_pick(' ' if random.random() < 0.85 else '-&/', random)}{second[:12]}"
        return _case(joined, random)

    def _punctuated(self, random: Random) -> str:
        word = self._word(random)
        form = int(random.integers(6))
        if form == 0:
            return word + _pick(".,:;!?", random)
        if form == 1:
            return f"({word})"
        if form == 2:
            return f'"{word}"'
        if form == 3:
            return word + ("'S" if word.isupper() else "'s")
        if form == 4:
            return _pick("#@&*-$", random) + word
        return ".".join(_run(_LETTERS, int(random.integers(2, 5)), random)) + "."

    def _address(self, random: Random) -> str:
        name = self._plain(random).lower()
        domain = _pick(("com", "net", "org", "co.uk", "de", "sg", "info"), random)
        form = _pick(("www.{}.{}", "{}.{}", "info@{}.{}", "@{}"), random)
        return form.format(name[:14], domain)


def _read_words(path: Path) -> list[str]:
    try:
        words = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise DataError(f"cannot read the word list {path}: {error}") from error
    words = [word.strip() for word in words if word.strip()]
    if not words:
        raise DataError(f"the word list {path} is empty; put one word on each line")
    return words


def _case(text: str, random: Random) -> str:
    """The case styles of the street: capitals most."""
    style = random.random()
    if style < 0.44:
        return text.upper()
    if style < 0.70:
        return text[:1].upper() + text[1:]
    if style < 0.97:
        return text.lower()
    return "".join(character.upper() if random.random() < 0.5 else character.lower() for character in text)


def _pick(choices: str | tuple[str, ...], random: Random) -> str:
    return choices[int(random.integers(len(choices)))]


def _run(choices: str, length: int, random: Random) -> list[str]:
    return [choices[index] for index in random.integers(len(choices), size=length)]


def _digits(length: int, random: Random) -> str:
    return "".join(_run(_DIGITS, length, random))


def _number(random: Random) -> str:
    form = int(random.integers(9))
    if form <= 2:
        return _digits(int(random.integers(1, 7)), random)
    if form == 3:
        return f"${int(random.integers(1, 1000))}.{_digits(2, random)}"
    if form == 4:
        return f"{int(random.integers(1, 100))}{_pick(('%', 'th', 'km', 'kg', 'ml', 'm', 'X', '+'), random)}"
    if form == 5:
        separator = _pick("/-.", random)
        return separator.join((_digits(2, random), _digits(2, random), _digits(int(_pick("24", random)), random)))
    if form == 6:
        return f"{int(random.integers(0, 24))}:{_digits(2, random)}{_pick(('', '', 'am', 'PM'), random)}"
    if form == 7:
        number = f"{_digits(3, random)}-{_digits(int(random.integers(3, 5)), random)}"
        return number + _pick(("", "-" + _digits(4, random)), random)
    return f"{int(random.integers(1, 100))},{_digits(3, random)}"


def _code(random: Random) -> str:
    form = int(random.integers(4))
    if form == 0:
        return "".join(_run(_LETTERS, int(random.integers(1, 4)), random)) + _digits(int(random.integers(1, 5)), random)
    if form == 1:
        return "".join(_run(_LETTERS + _DIGITS, int(random.integers(3, 11)), random))
    if form == 2:
        return f"{_digits(int(random.integers(1, 4)), random)}{_pick(_LETTERS, random)}"
    return "".join(_run(_LOOK_ALIKES, int(random.integers(2, 7)), random))


def _letters(random: Random) -> str:
    """Words that no dictionary has, so that the reader looks at the letters."""
    return _case("".join(_run(_LETTERS, int(random.integers(1, 11)), random)), random)


def _any_characters(random: Random) -> str:
    """Every printable character alike, so that rare ones are learnt."""
    return "".join(_run(NAMED["94"], int(random.integers(1, 9)), random))
