"""Connectionist temporal classification (Graves et al., ICML 2006): one class per column, blanks and repeats merge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import eq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildtext.charset import Charset
from wildtext.codecs.columns import Columns
from wildtext.codecs.lexicon import Letters, Lexicon, alphabet
from wildtext.codecs.places import Meaning, Place
from wildtext.codecs.probabilities import tempered
from wildtext.codecs.spans import between, centre
from wildtext.codecs.trie_search import find_words
from wildtext.errors import CharsetError, ConfigError
from wildtext.types import Alternative, Character, Floats, Prediction

BLANK = 0
_BEAM_WIDTH = 8
_BEAM_FLOOR = 1e-3
_BEAM_CLASSES = 6
"""Beam search tries at each column the classes above this probability, and at most so many of them."""

Run = tuple[int, int, int]
"""One character on an alignment: its class, its first column and the column after its last."""


@dataclass(frozen=True)
class CTC:
    """The codec of CTC heads: class 0 is the blank, character i is class i + 1.

    Attributes:
        charset: the characters.
        steps: columns T of the head, which bounds the labels that fit; None where it depends on the image.
        stride: pixels of the canvas for each column, where canvases have several widths.
    """

    charset: Charset
    steps: int | None = None
    stride: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.stride is not None:
            raise ConfigError(f"CTC has either {self.steps} columns or one for every {self.stride} pixels, not both")
        if self.stride is not None and self.stride < 1:
            raise ConfigError(f"the stride of CTC is {self.stride} pixels, but must be at least 1")

    @property
    def classes(self) -> int:
        """Number of classes: the characters and the blank."""
        return len(self.charset) + 1

    def problem(self, text: str, canvas_width: int | None = None) -> str | None:
        """Why a normalised label cannot be a training target; None if it can.

        A label needs a column for each character and one more between two equal neighbours. With a stride, what fits
        depends on the width of the canvas.
        """
        if not text:
            return "empty label"
        if unknown := self.charset.unknown(text):
            return f"characters outside charset {self.charset.name}: {unknown!r}"
        needed = _columns(text, eq)
        if self.steps is not None and needed > self.steps:
            return f"needs {needed} CTC columns, the model has {self.steps}"
        if self.stride and canvas_width is not None and needed > canvas_width // self.stride:
            columns = canvas_width // self.stride
            return f"needs {needed} CTC columns, a canvas {canvas_width} pixels wide has {columns}"
        return None

    def encode(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Target ids (N, L), padded with the blank, and lengths (N,) of normalised labels.

        Raises:
            CharsetError: a label does not fit into the columns or the charset; the message names it.
        """
        for text in texts:
            if text and (problem := self.problem(text)):
                raise CharsetError(f"label {text!r}: {problem}")
        ids = np.full((len(texts), max(map(len, texts), default=0)), BLANK, np.int64)
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = [index + 1 for index in self.charset.encode(text)]
        return ids, np.array([len(text) for text in texts], np.int64)

    def decode(
        self,
        log_probabilities: Floats,
        *,
        top: int = 1,
        valid_width: float = 1.0,
        maps: dict[str, Floats] | None = None,
        lexicon: Lexicon | None = None,
        temperature: float = 1.0,
    ) -> Prediction:
        """The most probable text of one image.

        The best path is taken at once where its text holds more than half of the probability, since nothing can then
        be more probable; else a prefix beam search looks for a better one.

        Args:
            log_probabilities: (T, C) natural logarithms.
            top: how many readings to return, the first included.
            valid_width: share of the T columns that lie on the image, in (0, 1].
            maps: ``column_x`` (T,) tells where in the canvas each column looks, where a network moves them.
            lexicon: words, one of which is read: the one that is most probable over all alignments, in any casing where
                case is folded. See `find_words` for the scores.
            temperature: divides the logarithms, for the probabilities that are told. Texts are ranked without it: a sum
                over alignments may prefer another text at another temperature, and calibration is not to cost accuracy.
                Words of a lexicon are compared with it, see `Codec.decode`.
        """
        calibrated = tempered(log_probabilities, temperature)
        if lexicon is not None:
            return self._find(calibrated, lexicon, top, valid_width, maps)
        probabilities = np.exp(log_probabilities.astype(np.float64))
        runs = [run for run in _runs(probabilities.argmax(axis=1).tolist()) if run[0] != BLANK]
        best = tuple(run[0] for run in runs)
        readings = {best: text_probability(probabilities, best)}
        if readings[best] <= 0.5 or top > 1:
            for prefix in _beam_search(probabilities, max(_BEAM_WIDTH, 2 * top)):
                if probability := text_probability(probabilities, prefix):
                    readings.setdefault(prefix, probability)
        ranked = sorted(readings, key=lambda ids: -readings[ids])
        if ranked[0] != best:
            runs = align(probabilities, ranked[0])
        if temperature != 1:
            probabilities = np.exp(calibrated.astype(np.float64))
            readings = {ids: text_probability(probabilities, ids) for ids in ranked[:top]}
        return Prediction(
            text=self._text(ranked[0]),
            confidence=readings[ranked[0]],
            characters=_characters(self._text(ranked[0]), probabilities, runs, valid_width, maps),
            alternatives=tuple(Alternative(self._text(ids), readings[ids]) for ids in ranked[1:top]),
        )

    def ended(self, log_probabilities: Floats) -> bool:
        """Always true: the text is over with the last column."""
        return True

    def places(self, log_probabilities: Floats, text: str) -> list[Place]:
        """See `wildtext.codecs.Codec`; the best alignment of the text."""
        probabilities = np.exp(log_probabilities.astype(np.float64))
        runs = align(probabilities, tuple(index + 1 for index in self.charset.encode(text)))
        return [
            Place(range(first, end), first + int(probabilities[first:end, index].argmax()), index)
            for index, first, end in runs
        ]

    def ending(self, log_probabilities: Floats) -> None:
        """See `wildtext.codecs.Codec`; there is none."""

    def meaning(self, index: int) -> Meaning:
        """See `wildtext.codecs.Codec`."""
        return Meaning("", "blank") if index == BLANK else Meaning(self.charset.characters[index - 1])

    def spell(self, word: str, *, fold_case: bool) -> list[Letters]:
        """See `wildtext.codecs.lexicon.Speller`."""
        letters = alphabet(self.charset, fold_case=fold_case)
        spelled = letters.spell(word, self.charset)
        fits = self.steps is None or _columns(spelled, letters.merge) <= self.steps
        return [spelled] if spelled and fits else []

    def _find(
        self,
        log_probabilities: Floats,
        lexicon: Lexicon,
        top: int,
        valid_width: float,
        maps: dict[str, Floats] | None,
    ) -> Prediction:
        """The most probable word of a lexicon."""
        letters = alphabet(self.charset, fold_case=lexicon.fold_case)
        probabilities = np.exp(log_probabilities.astype(np.float64))
        emitted = letters.emitted(probabilities[:, 1:])
        # No column may be small as a whole, or hundreds of them together would be nothing.
        largest = probabilities.max(axis=1)
        steps = Columns(probabilities[:, BLANK] / largest, emitted / largest[:, None, None], largest)
        found = find_words(lexicon, self, steps, top, lambda: self.decode(log_probabilities).text)
        # On an alignment the casings of a letter count as one class.
        folded = np.concatenate([probabilities[:, :1], emitted.sum(axis=1)], axis=1)
        runs = align(folded, tuple(letter + 1 for letter in found.letters)) if found.possible else []
        shown = found.word if len(found.word) == len(found.letters) else letters.text(found.letters)
        return found.prediction(_characters(shown, folded, runs, valid_width, maps))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"kind": "ctc"} | ({"stride": self.stride} if self.stride else {"steps": self.steps})

    def _text(self, ids: tuple[int, ...]) -> str:
        return "".join(self.charset.characters[index - 1] for index in ids)


def _columns(label: Sequence[Any], merge: Callable[[Any, Any], bool]) -> int:
    """Columns that a label needs: one for each letter, and one for a blank between two that would merge."""
    return len(label) + sum(map(merge, label, label[1:]))


def _characters(
    shown: Iterable[str],
    probabilities: NDArray[np.float64],
    runs: list[Run],
    valid_width: float,
    maps: dict[str, Floats] | None,
) -> tuple[Character, ...]:
    """The characters of a text with their places on an alignment; the whole width where there is none."""
    shown = list(shown)
    if len(runs) != len(shown):
        return tuple(Character(character, 0.0, 0.0, 1.0) for character in shown)
    column_x, columns = (maps or {}).get("column_x"), len(probabilities)
    spans = between([centre(first, end - 1, columns, valid_width, column_x) for _, first, end in runs])
    return tuple(
        Character(character, min(float(probabilities[first:end, index].max()), 1.0), *span)
        for character, (index, first, end), span in zip(shown, runs, spans, strict=True)
    )


def text_probability(probabilities: NDArray[np.float64], ids: tuple[int, ...]) -> float:
    """Probability of a label over all alignments: the forward algorithm (Graves et al. 2006, equations 5 to 8).

    Args:
        probabilities: (T, C), rows sum to 1. Float64 holds the product of a few hundred columns.
        ids: classes of the label, without blanks.
    """
    states = np.full(2 * len(ids) + 1, BLANK)
    states[1::2] = ids
    # A character may be entered straight from the one before it, past the blank, unless the two are equal.
    may_skip = np.zeros(len(states))
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    emitted = probabilities[:, states]
    forward = np.zeros(len(states) + 2)  # two leading zeros stand for "before the first state"
    forward[2:4] = emitted[0, :2]
    for row in emitted[1:]:
        forward[2:] = (forward[2:] + forward[1:-1] + may_skip * forward[:-2]) * row
    return min(float(forward[-1] + (forward[-2] if ids else 0.0)), 1.0)


def _runs(path: list[int]) -> list[Run]:
    """Stretches of equal entries of a path: the entry, its first column and the column after its last."""
    runs: list[Run] = []
    column = 0
    for entry, group in groupby(path):
        end = column + sum(1 for _ in group)
        runs.append((entry, column, end))
        column = end
    return runs


def align(probabilities: NDArray[np.float64], ids: tuple[int, ...]) -> list[Run]:
    """The best path among those that spell the given label (Viterbi)."""
    states = np.full(2 * len(ids) + 1, BLANK)
    states[1::2] = ids
    may_skip = np.zeros(len(states), bool)
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    with np.errstate(divide="ignore"):
        emitted = np.log(probabilities[:, states])
    score = np.full(len(states), -np.inf)
    score[:2] = emitted[0, :2]
    origins = []
    for row in emitted[1:]:
        stay, step = score, np.concatenate(([-np.inf], score[:-1]))
        skip = np.where(may_skip, np.concatenate(([-np.inf, -np.inf], score))[: len(states)], -np.inf)
        moves = np.stack([stay, step, skip])
        origins.append(moves.argmax(axis=0))
        score = moves.max(axis=0) + row
    state = len(states) - 1 if not ids or score[-1] >= score[-2] else len(states) - 2
    path = [state]
    for origin in reversed(origins):
        state -= int(origin[state])
        path.append(state)
    path.reverse()
    # Characters are the odd states; two equal ones in a row are told apart by their states, not by their classes.
    return [(int(states[state]), first, end) for state, first, end in _runs(path) if state % 2]


def _beam_search(probabilities: NDArray[np.float64], width: int) -> list[tuple[int, ...]]:
    """Prefix beam search: likely labels, whose probabilities are then computed exactly by the caller."""
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}  # ending in a blank, ending in a character
    likely = np.argsort(-probabilities, axis=1)[:, :_BEAM_CLASSES]
    for row, classes in zip(probabilities, likely, strict=True):
        candidates = [index for index in classes.tolist() if row[index] >= _BEAM_FLOOR]
        blank = float(row[BLANK])
        after: defaultdict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for prefix, (in_blank, in_character) in beam.items():
            total = in_blank + in_character
            after[prefix][0] += total * blank
            if prefix:
                after[prefix][1] += in_character * float(row[prefix[-1]])
            for index in candidates:
                if index != BLANK:
                    source = in_blank if prefix and prefix[-1] == index else total
                    after[(*prefix, index)][1] += source * float(row[index])
        kept = sorted(after, key=lambda prefix: -sum(after[prefix]))[:width]
        beam = {prefix: (after[prefix][0], after[prefix][1]) for prefix in kept}
    return list(beam)
