"""Attention and parallel decoders: one class per character slot, up to an end token."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildtext.charset import Charset
from wildtext.codecs.spans import Span, centre
from wildtext.errors import CharsetError
from wildtext.types import Alternative, Character, Floats, Prediction

_END = 0
"""The end token where the columns are in the order of `decode`; character i is column i + 1."""


@dataclass(frozen=True)
class Sequence:
    """The codec of heads that write one character after another.

    Target ids are ``[begin] characters [end] padding``; a head without a begin token (`begin` None) leaves it out.
    Its logits say what follows the begin token: T slots, of which the first `len(text)` are characters, then the end.

    Attributes:
        charset: the characters.
        max_length: longest label, in characters; a head has at least one slot more, for the end.
        classes: number of classes C, special tokens included.
        first: id of the first character; character i is class `first + i`.
        begin, end, pad: ids of the special tokens; pad may equal begin.
        unknown: id for characters outside the charset; None forbids them.
    """

    charset: Charset
    max_length: int
    classes: int
    first: int
    begin: int | None
    end: int
    pad: int
    unknown: int | None = None

    @classmethod
    def dtrb(cls, charset: Charset, max_length: int = 25) -> Sequence:
        """The ids of the attention decoders of Baek et al. 2019: [GO] = padding = 0, [s] = 1, characters from 2."""
        return cls(charset, max_length, classes=len(charset) + 2, first=2, begin=0, end=1, pad=0)

    def problem(self, text: str) -> str | None:
        """Why a normalised label cannot be a training target; None if it can."""
        if not text:
            return "empty label"
        if self.unknown is None and (unknown := self.charset.unknown(text)):
            return f"characters outside charset {self.charset.name}: {unknown!r}"
        if len(text) > self.max_length:
            return f"{len(text)} characters, the model writes at most {self.max_length}"
        return None

    def encode(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Target ids (N, L) and lengths (N,), begin and end tokens included, of normalised labels.

        L is the same for every batch: `max_length` and the special tokens.

        Raises:
            CharsetError: a label is too long or outside the charset; the message names it.
        """
        lead = [] if self.begin is None else [self.begin]
        ids = np.full((len(texts), len(lead) + self.max_length + 1), self.pad, np.int64)
        lengths = np.zeros(len(texts), np.int64)
        for number, (row, text) in enumerate(zip(ids, texts, strict=True)):
            if text and (problem := self.problem(text)):
                raise CharsetError(f"label {text!r}: {problem}")
            tokens = [*lead, *map(self._id, text), self.end]
            row[: len(tokens)] = tokens
            lengths[number] = len(tokens)
        return ids, lengths

    def decode(
        self,
        log_probabilities: Floats,
        *,
        top: int = 1,
        valid_width: float = 1.0,
        maps: dict[str, Floats] | None = None,
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
        """
        # Columns are put in the order end, characters: other tokens are out of reach, whatever their ids, and a slot
        # where nothing else is possible ends the text.
        columns = [self.end, *range(self.first, self.first + len(self.charset))]
        scores = log_probabilities[:, columns].astype(np.float64)
        ids = scores.argmax(axis=1)
        ends = np.flatnonzero(ids == _END)
        length = int(ends[0]) if len(ends) else len(ids)
        best = tuple(ids[: length + 1].tolist())
        spans = _spans(maps or {}, length, valid_width)
        steps = np.exp(np.minimum(scores[np.arange(len(best)), list(best)], 0.0))
        return Prediction(
            text=self._text(best),
            confidence=float(steps.prod()),
            characters=tuple(
                Character(self.charset.characters[index - 1], float(probability), start, end)
                for index, probability, (start, end) in zip(best, steps, spans, strict=False)
            ),
            alternatives=tuple(self._others(scores, best, top - 1)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("max_length", "classes", "first", "begin", "end", "pad", "unknown")
        return {"kind": "sequence", **{name: getattr(self, name) for name in names}}

    def _id(self, character: str) -> int:
        index = self.charset.ids.get(character)
        if index is None:
            assert self.unknown is not None, "problem() refuses unknown characters"
            return self.unknown
        return self.first + index

    def _text(self, ids: tuple[int, ...]) -> str:
        return "".join(self.charset.characters[index - 1] for index in ids if index != _END)

    def _others(self, scores: NDArray[np.float64], best: tuple[int, ...], count: int) -> list[Alternative]:
        """The most probable other sequences, found best first."""
        if count <= 0:
            return []
        # Best-first search is exact when a prefix is scored with the best that could still follow it.
        best_after = [0.0]
        for row in scores[::-1]:
            onward = float(row[_END + 1 :].max()) + best_after[0]
            best_after.insert(0, max(float(row[_END]), onward))
        heap: list[tuple[float, float, tuple[int, ...]]] = [(-best_after[0], 0.0, ())]
        found: list[Alternative] = []
        while heap and len(found) < count:
            _, score, ids = heapq.heappop(heap)
            slot = len(ids)
            if slot == len(scores) or (ids and ids[-1] == _END):
                if ids != best:
                    found.append(Alternative(self._text(ids), float(np.exp(min(score, 0.0)))))
                continue
            # The n-th best sequence needs no character beyond a slot's n-th best; an end it may need wherever it ranks,
            # as it spares all slots that follow.
            characters = np.argsort(-scores[slot, _END + 1 :], kind="stable")[: count + 1] + 1
            for index in (_END, *characters.tolist()):
                grown = score + float(scores[slot, index])
                rest = 0.0 if index == _END else best_after[slot + 1]
                if np.isfinite(grown + rest):
                    heapq.heappush(heap, (-(grown + rest), grown, (*ids, index)))
        return found


def _spans(maps: dict[str, Floats], length: int, valid_width: float) -> list[Span]:
    """Where each character was looked for: the columns around its attention peak that hold at least half of it."""
    if "attention" not in maps:
        return [(0.0, 1.0)] * length
    columns = maps["attention"].sum(axis=1)
    width = columns.shape[1]
    spans: list[Span] = []
    for weights in columns[:length]:
        peak = int(weights.argmax())
        strong = weights >= weights[peak] / 2
        first = peak - int(np.argmin(strong[peak::-1])) + 1 if not strong[: peak + 1].all() else 0
        last = peak + int(np.argmin(strong[peak:])) - 1 if not strong[peak:].all() else width - 1
        column_x, half = maps.get("column_x"), 0.5 / (width * valid_width)
        left, right = (centre(column, column, width, valid_width, column_x) for column in (first, last))
        spans.append((max(min(left, right) - half, 0.0), min(max(left, right) + half, 1.0)))
    return spans
