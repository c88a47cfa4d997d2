"""Beam search: texts that an autoregressive model finds more probable than the one it writes greedily.

The probability of a text is the product of what the model gives to each of its characters, knowing those before it, and
to the end: the chain rule, without approximation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wildtext.codecs import Lexicon, Sequence, log_softmax
from wildtext.codecs.lexicon import Alphabet, Trie, alphabet
from wildtext.codecs.spans import attention_spans
from wildtext.codecs.trie_search import best_words
from wildtext.inference.runtimes import Writing
from wildtext.types import Alternative, Character, Floats, Prediction

Places = NDArray[np.int64]


class Text(NamedTuple):
    """A text that was begun or finished.

    Attributes:
        characters: places in the charset.
        score: natural-log probability at temperature 1, by which texts are ranked.
        told: the same at the temperature that is told.
        steps: probability of each character, given those before it, at that temperature.
        rows: which of the beam's texts it was when each of them was written.
        node: what its guide knows it by.
    """

    characters: tuple[int, ...] = ()
    score: float = 0.0
    told: float = 0.0
    steps: tuple[float, ...] = ()
    rows: tuple[int, ...] = ()
    node: int = 0


class Guide(Protocol):
    """Says how texts may go on and where they may end. The node of the empty text is 0."""

    @property
    def patience(self) -> float:
        """The search ends when every beginning is less probable than the `count`-th best finished text, times a factor.

        This is the natural logarithm of the factor, at most 0.
        """

    def ends(self, depth: int, nodes: Places) -> Places:
        """(B,) numbers of the words that texts of `depth` characters are; -1 for a text that must not end here.

        Where any text may be read there are no words, and all numbers are 0.
        """

    def ways(self, depth: int, nodes: Places) -> tuple[Places, Places, Places]:
        """Ways on from the nodes of texts of `depth` characters: which text, with which character, to which node."""


@dataclass(frozen=True)
class Anything:
    """Every text over a charset of some size."""

    characters: int
    patience: float = 0.0

    def ends(self, depth: int, nodes: Places) -> Places:
        """See `Guide`."""
        return np.zeros_like(nodes)

    def ways(self, depth: int, nodes: Places) -> tuple[Places, Places, Places]:
        """See `Guide`."""
        rows, characters = np.divmod(np.arange(len(nodes) * self.characters), self.characters)
        return rows, characters, np.zeros_like(rows)


@dataclass(frozen=True)
class Words:
    """The words of a trie, with all variants of their letters."""

    trie: Trie
    letters: Alphabet
    patience: float = float(np.log(1e-9))

    def ends(self, depth: int, nodes: Places) -> Places:
        """See `Guide`."""
        if depth == 0:
            return np.full(len(nodes), -1)
        level = self.trie.levels[depth - 1]
        entries = np.full(len(level.letters), -1)
        entries[level.ends] = level.entries
        return entries[nodes]

    def ways(self, depth: int, nodes: Places) -> tuple[Places, Places, Places]:
        """See `Guide`."""
        if depth == len(self.trie.levels):
            return (np.zeros(0, np.int64),) * 3
        level = self.trie.levels[depth]
        first, last = (np.searchsorted(level.parents, nodes, side) for side in ("left", "right"))
        rows = np.repeat(np.arange(len(nodes)), last - first)
        children = np.concatenate([np.arange(*span) for span in zip(first, last, strict=True)])
        variants = self.letters.members[level.letters[children]]
        which, column = np.nonzero(variants >= 0)
        return rows[which], variants[which, column], children[which]


class Beam:
    """Writes texts about one image, the most probable ones side by side.

    Args:
        writing: the image, looked at once.
        codec: of the head.
        width: texts to go on with, at least 1.
        temperature: divides the logits for the probabilities that are told. Which texts are followed is decided
            without it, so calibration changes no text.
    """

    def __init__(self, writing: Writing, codec: Sequence, width: int, temperature: float):
        self._writing = writing
        self._codec = codec
        self._width = width
        self._temperature = temperature
        self._attention: list[Floats] = []

    def read(self, top: int, maps: dict[str, Floats], valid_width: float) -> Prediction:
        """The most probable text that is found, and `top - 1` alternatives; see `Sequence.decode`."""
        texts = [text for _, text in self._search(Anything(len(self._codec.charset)), top)]
        best, *others = sorted(texts, key=lambda text: -text.score)[:top]
        return Prediction(
            self._spelled(best),
            float(np.exp(best.told)),
            self._characters(best, self._spelled(best), maps, valid_width),
            tuple(Alternative(self._spelled(text), float(np.exp(text.told))) for text in others),
        )

    def find(self, lexicon: Lexicon, top: int, maps: dict[str, Floats], valid_width: float) -> Prediction | None:
        """The most probable word that is found, with the scores of `find_words`; None where all are impossible.

        The probability of a word is that of the casings that were found. As in `find_words`, words are compared at the
        temperature that is told.
        """
        trie = lexicon.trie(self._codec)
        scores, best = np.full(trie.entries, -np.inf), dict[int, Text]()
        guide = Words(trie, alphabet(self._codec.charset, fold_case=lexicon.fold_case))
        for entry, text in self._search(guide, max(top, 2)):
            scores[entry] = np.logaddexp(scores[entry], text.told)
            best[entry] = max(text, best.get(entry, text), key=lambda one: one.score)
        if not np.isfinite(scores).any():
            return None
        found = best_words(lexicon, trie, scores, top, free=str)
        text = best[lexicon.words.index(found.word)]
        shown = found.word if len(found.word) == len(text.characters) else self._spelled(text)
        return found.prediction(self._characters(text, shown, maps, valid_width))

    def _search(self, guide: Guide, count: int) -> list[tuple[int, Text]]:
        """Finished texts with their numbers, see `Guide.ends`; among them the `count` best that can be found."""
        codec = self._codec
        assert codec.begin is not None, "an autoregressive head starts from a begin token"
        columns = [codec.end, *range(codec.first, codec.first + len(codec.charset))]
        live, origins, tokens = [Text()], np.zeros(1, np.int64), np.array([codec.begin])
        finished: list[tuple[int, Text]] = []
        for slot in range(codec.slots):
            logits, attention = self._writing.go_on(origins, tokens)
            self._attention.append(attention)
            logs, told = (
                log_softmax(logits, divisor)[:, columns].astype(np.float64) for divisor in (1.0, self._temperature)
            )
            finished += _ended(guide, slot, live, logs[:, 0], told[:, 0])
            live, origins = self._extended(guide, slot, live, logs[:, 1:], told[:, 1:])
            scores = sorted(text.score for _, text in finished)[-count:]
            if not live or (len(scores) == count and live[0].score < scores[0] + guide.patience):
                return finished
            tokens = codec.first + np.array([text.characters[-1] for text in live])
        # Texts that fill all slots have no end.
        certain = np.zeros(len(live))
        return finished + _ended(guide, codec.slots, live, certain, certain)

    def _extended(
        self, guide: Guide, depth: int, live: list[Text], logs: NDArray[np.float64], told: NDArray[np.float64]
    ) -> tuple[list[Text], Places]:
        """The best texts with a character more, the best first, and which texts they were.

        `logs` and `told` are (B, characters), for `Text.score` and `Text.told`.
        """
        rows, characters, nodes = guide.ways(depth, np.array([text.node for text in live]))
        scores = np.array([text.score for text in live])[rows] + logs[rows, characters]
        order = np.argsort(-scores, kind="stable")[: self._width]
        order = order[np.isfinite(scores[order])]
        extended = []
        for place in order.tolist():
            row, character = int(rows[place]), int(characters[place])
            before, step = live[row], float(told[row, character])
            extended.append(
                Text(
                    (*before.characters, character),
                    float(scores[place]),
                    before.told + step,
                    (*before.steps, min(float(np.exp(step)), 1.0)),
                    (*before.rows, row),
                    int(nodes[place]),
                )
            )
        return extended, rows[order]

    def _spelled(self, text: Text) -> str:
        return "".join(self._codec.charset.characters[place] for place in text.characters)

    def _characters(self, text: Text, shown: str, maps: dict[str, Floats], valid_width: float) -> tuple[Character, ...]:
        """The characters of a text, each where the model looked when it wrote it."""
        if not text.rows:
            return ()
        looks = np.stack([attention[row] for attention, row in zip(self._attention, text.rows, strict=False)])
        spans = attention_spans({**maps, "attention": looks}, range(len(looks)), valid_width)
        return tuple(
            Character(character, step, *span) for character, step, span in zip(shown, text.steps, spans, strict=True)
        )


def _ended(
    guide: Guide, depth: int, live: list[Text], logs: NDArray[np.float64], told: NDArray[np.float64]
) -> list[tuple[int, Text]]:
    """Those of B texts that may end here, with their numbers.

    `logs` and `told` are (B,) log probabilities of the end, which are added to `Text.score` and `Text.told`.
    """
    ends = guide.ends(depth, np.array([text.node for text in live], np.int64)).tolist()
    return [
        (end, text._replace(score=min(text.score + log, 0.0), told=min(text.told + chance, 0.0)))
        for end, text, log, chance in zip(ends, live, logs.tolist(), told.tolist(), strict=True)
        if end >= 0
    ]
