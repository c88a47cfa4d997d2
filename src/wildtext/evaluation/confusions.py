"""Which characters a model takes for which, and which it leaves out or invents.

Label and text are aligned with the fewest edits (Levenshtein 1966). Where several alignments need as few, that of
rapidfuzz is taken: equal characters at the beginning are matched first, then those at the end, and what is between
depends on the two texts alone. Images that could not be decoded do not count here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from wildtext.evaluation.readings import Judged


@dataclass(frozen=True, slots=True)
class Confusion:
    """One kind of error with characters.

    Attributes:
        truth: the character of the label; empty where one was read that is not there.
        read: what was read in its place; empty where it was left out.
        count: how often it happened.
        rate: that over the occurrences of `truth` in labels; for what is not there, over all characters of labels.
        places: of the images where it happened, each once, as positions in what was judged.
    """

    truth: str
    read: str
    count: int
    rate: float
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CharacterCount:
    """How one character was read.

    Attributes:
        character: as the protocol compares it.
        occurrences: in labels: `matched` + `replaced` + `left_out`.
        matched: how many of them were read.
        replaced: how many were taken for another character.
        left_out: for how many nothing was read.
        mistaken: how often another character was taken for this one.
        inserted: how often it was read where there is nothing.
    """

    character: str
    occurrences: int
    matched: int
    replaced: int
    left_out: int
    mistaken: int
    inserted: int


@dataclass(frozen=True, slots=True)
class PositionCount:
    """Errors by where they are in the label.

    Attributes:
        position: ``first`` character, ``last`` character, those ``between`` them, or the ``only`` one of a label.
        characters: how many such characters labels have.
        lost: how many of them were replaced or left out.
        inserted: characters read where there is nothing: before the first, behind the last, between two; beside the
            only one. In an empty label they count as ``only``.
    """

    position: str
    characters: int
    lost: int
    inserted: int

    @property
    def rate(self) -> float:
        """Errors per character, at least 0; NaN where there is no such character."""
        return (self.lost + self.inserted) / self.characters if self.characters else float("nan")


POSITIONS = ("first", "between", "last", "only")


@dataclass(frozen=True)
class Confusions:
    """All errors with characters.

    Attributes:
        images: how many were counted.
        pairs: every kind of error that happened, the most frequent first, then in the order of characters.
        characters: of labels and texts, in code point order.
        positions: one entry for each of `POSITIONS`.
    """

    images: int
    pairs: tuple[Confusion, ...]
    characters: tuple[CharacterCount, ...]
    positions: tuple[PositionCount, ...]

    @property
    def occurrences(self) -> int:
        """Characters of all labels."""
        return sum(one.occurrences for one in self.characters)

    @property
    def substitutions(self) -> int:
        """Characters that were taken for others."""
        return sum(one.replaced for one in self.characters)

    @property
    def deletions(self) -> int:
        """Characters that were left out."""
        return sum(one.left_out for one in self.characters)

    @property
    def insertions(self) -> int:
        """Characters that were read where there are none."""
        return sum(one.inserted for one in self.characters)

    @property
    def edits(self) -> int:
        """All three together: the sum of `Judged.edits` over the images."""
        return self.substitutions + self.deletions + self.insertions

    def most_confused(self, count: int) -> list[str]:
        """The characters that take part in most substitutions, in code point order: the ones worth a matrix.

        Args:
            count: at most so many.
        """
        errors = {one.character: one.replaced + one.mistaken for one in self.characters}
        worst = sorted((character for character in errors if errors[character]), key=lambda one: (-errors[one], one))
        return sorted(worst[:count])


def count_confusions(judged: Sequence[Judged]) -> Confusions:
    """Align every label with what was read, and count what differs."""
    tally = _Tally()
    for place, one in enumerate(judged):
        if one.reading.prediction is not None:
            tally.add(place, one.truth, one.text)
    return tally.result()


class _Tally:
    """Counts of edits while images are gone through."""

    def __init__(self) -> None:
        self.images = 0
        self.labels: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.places: defaultdict[tuple[str, str], dict[int, None]] = defaultdict(dict)
        self.present: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.inserted: Counter[str] = Counter()
        self.read: set[str] = set()

    def add(self, place: int, truth: str, text: str) -> None:
        """Count one image."""
        self.images += 1
        self.labels.update(truth)
        self.read.update(text)
        self.present.update(_position(index, len(truth)) for index in range(len(truth)))
        for edit in Levenshtein.editops(truth, text):
            before = "" if edit.tag == "insert" else truth[edit.src_pos]
            after = "" if edit.tag == "delete" else text[edit.dest_pos]
            self.pairs[before, after] += 1
            self.places[before, after][place] = None
            if before:
                self.lost[_position(edit.src_pos, len(truth))] += 1
            else:
                self.inserted[_gap(edit.src_pos, len(truth))] += 1

    def result(self) -> Confusions:
        """What was counted."""
        # An empty truth stands for every place where something can be inserted.
        occurrences = self.labels + Counter({"": self.labels.total()})
        pairs = _ranked(self.pairs, occurrences, self.places)
        return Confusions(self.images, pairs, self._characters(), self._positions())

    def _characters(self) -> tuple[CharacterCount, ...]:
        replaced, mistaken = Counter[str](), Counter[str]()
        for (truth, read), count in self.pairs.items():
            if truth and read:
                replaced[truth] += count
                mistaken[read] += count
        counts = []
        for one in sorted(self.read.union(self.labels)):
            occurrences, left_out = self.labels[one], self.pairs[one, ""]
            matched = occurrences - replaced[one] - left_out
            counts.append(
                CharacterCount(one, occurrences, matched, replaced[one], left_out, mistaken[one], self.pairs["", one])
            )
        return tuple(counts)

    def _positions(self) -> tuple[PositionCount, ...]:
        return tuple(PositionCount(one, self.present[one], self.lost[one], self.inserted[one]) for one in POSITIONS)


def _ranked(
    pairs: Mapping[tuple[str, str], int],
    occurrences: Mapping[str, int],
    places: Mapping[tuple[str, str], Iterable[int]],
) -> tuple[Confusion, ...]:
    """Pairs of characters, the most frequent first."""
    return tuple(
        Confusion(truth, read, count, count / max(occurrences[truth], 1), tuple(places[truth, read]))
        for (truth, read), count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    )


def _position(index: int, length: int) -> str:
    """Where character `index` of a label of this length stands."""
    if length == 1:
        return "only"
    return "first" if index == 0 else "last" if index == length - 1 else "between"


def _gap(index: int, length: int) -> str:
    """Where something stands that was inserted before character `index` of a label of this length."""
    if length < 2:
        return "only"
    return "first" if index == 0 else "last" if index == length else "between"


@dataclass(frozen=True, slots=True)
class CaseConfusions:
    """Letters that were read in the wrong case, whatever the protocol says of case.

    It means something where labels and model both know case.

    Attributes:
        letters: how many letters of labels were read, in either case; what has no case is left out.
        words: images that the protocol counts as right and where only the case of letters is not that of the label.
        pairs: the letters, the most frequent first; rates are over the occurrences that were read in either case.
    """

    letters: int
    words: int
    pairs: tuple[Confusion, ...]

    @property
    def count(self) -> int:
        """How many of the letters were read in the wrong case."""
        return sum(pair.count for pair in self.pairs)


def case_confusions(judged: Sequence[Judged]) -> CaseConfusions:
    """Compare the case of letters between labels as they are stored and texts as the model wrote them."""
    letters: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    places: defaultdict[tuple[str, str], dict[int, None]] = defaultdict(dict)
    words = 0
    for place, one in enumerate(judged):
        if one.reading.prediction is None:
            continue
        truth, text = one.reading.truth, one.reading.prediction.text
        words += one.correct and truth != text and _folded(truth) == _folded(text)
        for before, after in _matched(truth, text):
            letters[before] += before.lower() != before.upper()
            if before != after:
                pairs[before, after] += 1
                places[before, after][place] = None
    return CaseConfusions(letters.total(), words, _ranked(pairs, letters, places))


def _matched(truth: str, text: str) -> list[tuple[str, str]]:
    """Pairs of characters of two texts that are the same but for their case."""
    pairs: list[tuple[str, str]] = []
    for block in Levenshtein.opcodes(_folded(truth), _folded(text)):
        if block.tag == "equal":
            pairs += zip(truth[block.src_start : block.src_end], text[block.dest_start : block.dest_end], strict=True)
    return pairs


def _folded(text: str) -> str:
    """In small letters, character by character; a character that would turn into two stays as it is."""
    return "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
