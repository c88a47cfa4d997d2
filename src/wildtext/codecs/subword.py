"""Decoders that write subwords: one token per slot, up to an end token."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildtext.charset import Charset
from wildtext.codecs.lexicon import Letters, Lexicon, alphabet
from wildtext.codecs.places import Meaning, Place
from wildtext.codecs.probabilities import tempered
from wildtext.codecs.slots import END, Path, Slots, best_path, end_place, other_texts, path_probabilities, target_ids
from wildtext.codecs.spans import Span, attention_spans
from wildtext.codecs.trie_search import find_words
from wildtext.codecs.vocabularies import Vocabulary, bert_uncased, gpt2
from wildtext.errors import CharsetError
from wildtext.types import Character, Floats, Prediction


@dataclass(frozen=True)
class Subword:
    """The codec of heads that write one token of a vocabulary after another (Wang, Da and Yao 2022).

    Target ids are ``[begin] tokens [end] padding``. Its logits have slots to skip, then one for each token and one for
    the end. The table of tokens travels with the codec, so nothing else is needed to encode or to decode.

    Attributes:
        charset: the characters of labels.
        vocabulary: splits them into tokens, and writes tokens.
        max_length: longest label, in characters and in tokens.
        begin, end, pad: ids of the tokens that frame a label; padding is no part of what a head learns.
        skip: slots that the head has in front, and that are not read.
    """

    charset: Charset
    vocabulary: Vocabulary
    max_length: int
    begin: int
    end: int
    pad: int
    skip: int = 1

    def __post_init__(self) -> None:
        if lacking := self.vocabulary.lacks(self.charset.characters):
            kind, name = self.vocabulary.kind, self.charset.name
            raise CharsetError(f"this {kind} vocabulary cannot write {lacking!r} of charset {name}")

    @classmethod
    def gpt2(cls, charset: Charset, max_length: int = 25) -> Subword:
        """The byte pairs of GPT-2, with the ids of MGP-STR: '!' = 0 pads, '"' = 1 begins and '#' = 2 ends.

        Where the charset has these characters, the token that ends texts in GPT-2 begins and ends labels instead, and
        differs so from the published models.
        """
        vocabulary = gpt2()
        if {"!", '"', "#"} & charset.ids.keys():
            special = vocabulary.tokens.index(b"")
            return cls(charset, vocabulary, max_length, begin=special, end=special, pad=0)
        return cls(charset, vocabulary, max_length, begin=1, end=2, pad=0)

    @classmethod
    def bert_uncased(cls, charset: Charset, max_length: int = 25) -> Subword:
        """The word pieces of BERT, with the ids of MGP-STR: [CLS] = 101 begins, [SEP] = 102 ends, [PAD] = 0 pads.

        Raises:
            CharsetError: the charset has capitals, spaces or other characters that these pieces cannot write.
        """
        return cls(charset, bert_uncased(), max_length, begin=101, end=102, pad=0)

    @property
    def classes(self) -> int:
        """Number of classes: all tokens of the vocabulary."""
        return len(self.vocabulary.tokens)

    @property
    def slots(self) -> int:
        """Slots that are read: one for each token of the longest label, and one for the end."""
        return self.max_length + 1

    def problem(self, text: str, canvas_width: int | None = None) -> str | None:
        """Why a normalised label cannot be a training target on a canvas of any width; None if it can."""
        if not text:
            return "empty label"
        if unknown := self.charset.unknown(text):
            return f"characters outside charset {self.charset.name}: {unknown!r}"
        if len(text) > self.max_length:
            return f"{len(text)} characters, the model writes at most {self.max_length}"
        # A token stands for at least one byte, so most labels need not be split to know that they fit.
        if len(text.encode()) > self.max_length and (tokens := len(self.vocabulary.split(text))) > self.max_length:
            return f"{tokens} tokens, the model writes at most {self.max_length}"
        return None

    def encode(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Target ids (N, 1 + slots) and lengths (N,), begin and end tokens included, of normalised labels.

        Raises:
            CharsetError: a label is too long or outside the charset; the message names it.
        """
        for text in texts:
            if text and (problem := self.problem(text)):
                raise CharsetError(f"label {text!r}: {problem}")
        labels = [self.vocabulary.split(text) for text in texts]
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
        """The text of one image: the best token of each slot up to the first end token.

        Confidence is the product of the probabilities up to and including the end token, or of all slots where none
        was written. Characters have the probability of their token, and equal parts of its span. Special tokens write
        nothing, and what is no UTF-8 becomes U+FFFD.

        Args:
            log_probabilities: (T, C) natural logarithms.
            top: how many readings to return, the first included. Texts that several sequences of tokens spell have the
                probability of the best one.
            valid_width: share of the canvas width that holds the image, in (0, 1].
            maps: ``attention`` (T, h, w) gives the tokens their spans; without attention a span is the whole width.
            lexicon: words, one of which is read: the one whose tokens, as labels are split, are most probable given the
                probabilities of this one pass. Where case is folded, so are the word's lower case, its upper case and
                its capitalised form. See `find_words` for the scores.
            temperature: divides the logarithms, for the probabilities that are told; see `Codec.decode`.
        """
        calibrated = tempered(log_probabilities, temperature)
        if lexicon is not None:
            return self._find(calibrated, lexicon, top, valid_width, maps)
        ids, scores = self._likely(log_probabilities, top)
        best = best_path(scores)
        told = np.take_along_axis(calibrated[self.skip :], ids, axis=1).astype(np.float64)
        steps = path_probabilities(told, best)
        tokens = _chosen(ids, best)
        spans = attention_spans(maps or {}, [self.skip + slot for slot in range(len(tokens))], valid_width)
        return Prediction(
            text=self._text(tokens),
            confidence=float(steps.prod()),
            characters=tuple(self._characters(tokens, steps, spans)),
            alternatives=tuple(other_texts(scores, told, best, lambda path: self._text(_chosen(ids, path)), top - 1)),
        )

    def ended(self, log_probabilities: Floats) -> bool:
        """Whether an end token was written; a text without one may be cut off."""
        return END in best_path(self._likely(log_probabilities, 1)[1])

    def places(self, log_probabilities: Floats, text: str) -> list[Place]:
        """See `wildtext.codecs.Codec`; tokens that write parts of one character are one place."""
        ids, scores = self._likely(log_probabilities, 1)
        tokens = _chosen(ids, best_path(scores))
        places = []
        for slots, written in self._groups(tokens):
            first, last = self.skip + slots[0], self.skip + slots[-1]
            places.append(
                Place(range(first, last + 1), last, tokens[slots[0]] if first == last else None, len(written))
            )
        return places

    def ending(self, log_probabilities: Floats) -> Place | None:
        """See `wildtext.codecs.Codec`."""
        return end_place(best_path(self._likely(log_probabilities, 1)[1]), skip=self.skip, end=self.end)

    def meaning(self, index: int) -> Meaning:
        """See `wildtext.codecs.Codec`."""
        if index == self.end:
            return Meaning("", "end")
        written = self._written(index).decode("utf-8", "replace")
        return Meaning(written, "" if written else "none")

    def spell(self, word: str, *, fold_case: bool) -> list[Letters]:
        """See `wildtext.codecs.lexicon.Speller`; letters are tokens."""
        letters = alphabet(self.charset, fold_case=False)
        casings = (word, word.lower(), word.upper(), word.capitalize()) if fold_case else (word,)
        writable = {letters.text(spelled) for casing in casings if (spelled := letters.spell(casing, self.charset))}
        ways = {tuple(self.vocabulary.split(text)) for text in writable}
        return sorted(way for way in ways if 0 < len(way) <= self.slots)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("max_length", "begin", "end", "pad", "skip")
        values = {name: getattr(self, name) for name in names}
        return {"kind": "subword", "vocabulary": self.vocabulary.to_dict(), **values}

    @classmethod
    def from_dict(cls, charset: Charset, *, vocabulary: dict[str, Any], **values: int) -> Subword:
        """The inverse of `to_dict`, but for the kind."""
        return cls(charset, Vocabulary.from_dict(vocabulary), **values)

    def _find(
        self,
        log_probabilities: Floats,
        lexicon: Lexicon,
        top: int,
        valid_width: float,
        maps: dict[str, Floats] | None,
    ) -> Prediction:
        """The most probable word of a lexicon."""
        probabilities = np.exp(log_probabilities[self.skip :].astype(np.float64))
        slots = Slots(probabilities[:, None], probabilities[:, self.end], np.zeros(len(probabilities)))
        found = find_words(lexicon, self, slots, top, lambda: self.decode(log_probabilities).text)
        places = range(len(found.letters))
        spans = attention_spans(maps or {}, [self.skip + slot for slot in places], valid_width)
        chances = np.minimum(probabilities[places, found.letters], 1.0)
        characters = self._characters(found.letters, chances, spans)
        if len(characters) == len(found.word):  # tokens may write it in another casing
            characters = [replace(one, text=shown) for one, shown in zip(characters, found.word, strict=True)]
        return found.prediction(tuple(characters))

    def _likely(self, log_probabilities: Floats, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ids (slots, columns) of the end token and the best others of each slot, and their log probabilities."""
        read = log_probabilities[self.skip :]
        if count == 1:
            likely = read.argmax(axis=1, keepdims=True)
        else:
            # One more than asked for, as the end may be among them. In the order of their ids, so that equals are
            # ranked as `argmax` does.
            most = min(count + 1, self.classes)
            likely = np.sort(np.argpartition(read, -most, axis=1)[:, -most:], axis=1)
        ids = np.concatenate([np.full((len(read), 1), self.end), likely], axis=1)
        scores = np.take_along_axis(read, ids, axis=1).astype(np.float64)
        scores[:, 1:][likely == self.end] = -np.inf
        return ids, scores

    def _text(self, tokens: Iterable[int]) -> str:
        return b"".join(map(self._written, tokens)).decode("utf-8", "replace")

    def _written(self, token: int) -> bytes:
        return b"" if token == self.end else self.vocabulary.written(token)

    def _characters(
        self, tokens: Sequence[int], probabilities: NDArray[np.float64], spans: Sequence[Span]
    ) -> list[Character]:
        """What the tokens write."""
        characters: list[Character] = []
        for slots, text in self._groups(tokens):
            characters += _shared(text, probabilities[slots], [spans[slot] for slot in slots])
        return characters

    def _groups(self, tokens: Sequence[int]) -> Iterator[tuple[list[int], str]]:
        """The slots of tokens with what they write. Tokens that write parts of one character count together."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        slots: list[int] = []
        text = ""
        for slot, written in enumerate(map(self._written, tokens)):
            if not written:
                continue
            slots.append(slot)
            text += decoder.decode(written)
            if not decoder.getstate()[0]:
                yield slots, text
                slots, text = [], ""
        if slots:
            yield slots, text + decoder.decode(b"", final=True)


def _shared(text: str, probabilities: NDArray[np.float64], spans: Sequence[Span]) -> list[Character]:
    """The characters that some tokens write together, each with an equal part of their span."""
    edges = np.linspace(min(start for start, _ in spans), max(end for _, end in spans), len(text) + 1).tolist()
    probability = float(probabilities.prod())
    return [
        Character(character, probability, start, end)
        for character, (start, end) in zip(text, pairwise(edges), strict=True)
    ]


def _chosen(ids: NDArray[np.int64], path: Path) -> list[int]:
    """The tokens on a path through columns of candidates."""
    chosen: list[int] = ids[np.arange(len(path)), list(path)].tolist()
    return chosen
