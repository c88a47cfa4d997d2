"""Attention and parallel decoders: one class per character slot, up to an end token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildtext.charset import Charset
from wildtext.codecs.lexicon import Letters, Lexicon, alphabet
from wildtext.codecs.places import Meaning, Place
from wildtext.codecs.probabilities import tempered
from wildtext.codecs.slots import END, Path, Slots, best_path, end_place, other_texts, path_probabilities, target_ids
from wildtext.codecs.spans import attention_spans
from wildtext.codecs.trie_search import find_words
from wildtext.errors import CharsetError
from wildtext.types import Character, Floats, Prediction


@dataclass(frozen=True)
class Sequence:
    """The codec of heads that write one character after another.

    Target ids are ``[begin] characters [end] padding``; a head without a begin token (`begin` None) leaves it out.
    Its logits say what follows the begin token: slots, of which the first `len(text)` are characters, then the end.

    Attributes:
        charset: the characters.
        max_length: longest label, in characters.
        classes: number of classes C, special tokens included.
        first: id of the first character; character i is class `first + i`.
        begin, end, pad: ids of the special tokens; pad may equal begin. Where it equals the end, a head learns to fill
            up with it; otherwise padding is no part of what it learns.
        unknown: id for characters outside the charset; None forbids them.
        slots: slots that are read; 0 stands for one more than `max_length`, for the end. A label that fills all slots
            has no end token.
        skip: slots that the head has in front of those, and that are not read.
        silent: ids that a slot may hold and that write nothing. With the end among them a text goes on behind it.
    """

    charset: Charset
    max_length: int
    classes: int
    first: int
    begin: int | None
    end: int
    pad: int
    unknown: int | None = None
    slots: int = 0
    skip: int = 0
    silent: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "slots", self.slots or self.max_length + 1)
        object.__setattr__(self, "silent", tuple(self.silent))
        if self.slots < self.max_length:
            raise CharsetError(f"{self.slots} slots cannot hold labels of {self.max_length} characters")

    @classmethod
    def dtrb(cls, charset: Charset, max_length: int = 25) -> Sequence:
        """The ids of the attention decoders of Baek et al. 2019: [GO] = padding = 0, [s] = 1, characters from 2."""
        return cls(charset, max_length, classes=len(charset) + 2, first=2, begin=0, end=1, pad=0)

    @classmethod
    def mgp(cls, charset: Charset, max_length: int = 25) -> Sequence:
        """The ids of the character heads of Wang, Da and Yao 2022.

        [GO] = padding = 0, [s] = 1, characters from 2. The first slot stands for [GO]; one further on writes nothing.
        """
        classes = len(charset) + 2
        return cls(charset, max_length, classes, first=2, begin=0, end=1, pad=0, skip=1, silent=(0,))

    def problem(self, text: str, canvas_width: int | None = None) -> str | None:
        """Why a normalised label cannot be a training target on a canvas of any width; None if it can."""
        if not text:
            return "empty label"
        if self.unknown is None and (unknown := self.charset.unknown(text)):
            return f"characters outside charset {self.charset.name}: {unknown!r}"
        if len(text) > self.max_length:
            return f"{len(text)} characters, the model writes at most {self.max_length}"
        return None

    def encode(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Target ids (N, L) and lengths (N,), begin and end tokens included, of normalised labels.

        L is the same for every batch: the slots, and the begin token in front of them.

        Raises:
            CharsetError: a label is too long or outside the charset; the message names it.
        """
        for text in texts:
            if text and (problem := self.problem(text)):
                raise CharsetError(f"label {text!r}: {problem}")
        labels = [[self._id(character) for character in text] for text in texts]
        return target_ids(labels, begin=self.begin, end=self.end, pad=self.pad, slots=self.slots)

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
        """The text of one image: the best class of each slot up to the first end token.

        Confidence is the product of the probabilities up to and including the end token, or of all slots where none
        was written. Alternatives combine the slots' other classes, given the probabilities of this one pass; for
        autoregressive heads that is an approximation. One that ends earlier can be more probable than the text, which
        stays what the best classes spell, as in the papers of these decoders.

        Args:
            log_probabilities: (T, C) natural logarithms.
            top: how many readings to return, the first included.
            valid_width: share of the canvas width that holds the image, in (0, 1].
            maps: ``attention`` (T, h, w) gives the characters their spans, and ``column_x`` (w,) tells where in the
                image each column of the attention looks; without attention a span is the whole width.
            lexicon: words, one of which is read: the one that is most probable given the probabilities of this one
                pass, in any casing where case is folded. See `find_words` for the scores.
            temperature: divides the logarithms, for the probabilities that are told; see `Codec.decode`.
        """
        told = self._reachable(tempered(log_probabilities, temperature))
        if lexicon is not None:
            return self._find(told, lexicon, top, valid_width, maps)
        scores = self._reachable(log_probabilities)
        best = best_path(scores, stops=self._stops)
        written = [place.deciding for place in self._places(best)]
        spans = attention_spans(maps or {}, written, valid_width)
        steps = path_probabilities(told, best)
        return Prediction(
            text=self._text(best),
            confidence=float(steps.prod()),
            characters=tuple(
                Character(character, float(steps[row - self.skip]), *span)
                for character, row, span in zip(self._text(best), written, spans, strict=True)
            ),
            alternatives=tuple(other_texts(scores, told, best, self._text, top - 1, stops=self._stops)),
        )

    def ended(self, log_probabilities: Floats) -> bool:
        """Whether an end token was written; a text without one may be cut off."""
        return END in best_path(self._reachable(log_probabilities), stops=self._stops)

    def places(self, log_probabilities: Floats, text: str) -> list[Place]:
        """See `wildtext.codecs.Codec`."""
        return self._places(best_path(self._reachable(log_probabilities), stops=self._stops))

    def ending(self, log_probabilities: Floats) -> Place | None:
        """See `wildtext.codecs.Codec`."""
        path = best_path(self._reachable(log_probabilities), stops=self._stops)
        return end_place(path, skip=self.skip, end=self.end) if self._stops else None

    def meaning(self, index: int) -> Meaning | None:
        """See `wildtext.codecs.Codec`."""
        if index == self.end:
            return Meaning("", "end")
        if self.first <= index < self.first + len(self.charset):
            return Meaning(self.charset.characters[index - self.first])
        return Meaning("", "none") if index in self.silent else None

    def spell(self, word: str, *, fold_case: bool) -> list[Letters]:
        """See `wildtext.codecs.lexicon.Speller`."""
        letters = alphabet(self.charset, fold_case=fold_case).spell(word, self.charset)
        return [letters] if 0 < len(letters) <= self.slots else []

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("max_length", "classes", "first", "begin", "end", "pad", "unknown", "slots", "skip", "silent")
        return {"kind": "sequence", **{name: getattr(self, name) for name in names}}

    def _find(
        self,
        scores: NDArray[np.float64],
        lexicon: Lexicon,
        top: int,
        valid_width: float,
        maps: dict[str, Floats] | None,
    ) -> Prediction:
        """The most probable word of a lexicon; `scores` are those of `_reachable`."""
        letters = alphabet(self.charset, fold_case=lexicon.fold_case)
        probabilities, written = np.exp(scores), len(self.charset)
        end, silent = probabilities[:, END], probabilities[:, 1 + written :].sum(axis=1)
        emitted = letters.emitted(probabilities[:, 1 : 1 + written])
        slots = Slots(emitted, end, silent) if self._stops else Slots(emitted, np.zeros_like(end), silent + end)
        free = best_path(scores, stops=self._stops)
        found = find_words(lexicon, self, slots, top, lambda: self._text(free))
        places = slots.places(found.letters)
        spans = attention_spans(maps or {}, [self.skip + slot for slot in places], valid_width)
        shown = found.word if len(found.word) == len(places) else letters.text(found.letters)
        chances = np.minimum(emitted.sum(axis=1)[places, list(found.letters)], 1.0).tolist()
        return found.prediction(
            tuple(
                Character(character, chance, *span)
                for character, chance, span in zip(shown, chances, spans, strict=True)
            )
        )

    @property
    def _stops(self) -> bool:
        return self.end not in self.silent

    def _reachable(self, log_probabilities: Floats) -> NDArray[np.float64]:
        """The slots that are read, with columns in the order end, characters, silent ids.

        Other tokens are out of reach, whatever their ids, and a slot where nothing else is possible ends the text.
        """
        silent = [index for index in self.silent if index != self.end]
        columns = [self.end, *range(self.first, self.first + len(self.charset)), *silent]
        return log_probabilities[self.skip :, columns].astype(np.float64)

    def _places(self, path: Path) -> list[Place]:
        """The slots of a path that write a character."""
        return [
            Place(range(row, row + 1), row, self.first + column - 1)
            for row, column in enumerate(path, self.skip)
            if self._writes(column)
        ]

    def _id(self, character: str) -> int:
        index = self.charset.ids.get(character)
        if index is None:
            assert self.unknown is not None, "problem() refuses unknown characters"
            return self.unknown
        return self.first + index

    def _text(self, columns: Path) -> str:
        return "".join(self.charset.characters[column - 1] for column in columns if self._writes(column))

    def _writes(self, column: int) -> bool:
        return END < column <= len(self.charset)
