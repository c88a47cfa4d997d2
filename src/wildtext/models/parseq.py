"""PARSeq: one decoder that can read in any order (Bautista and Atienza, ECCV 2022, arXiv 2207.06966).

A decoder that writes from left to right knows only what stands before a character; one that writes all characters at
once knows none of the others. PARSeq learns both, and everything between, with the same weights. It is trained on
permutations: each says in which order the characters of a label become known, and a mask shows every place only those
that are known before it. So it can write one character after another, all at once, or, with everything but one
character in sight, look again at what it wrote. Which of these it does is no matter of weights, but of configuration.

The encoder is a plain vision transformer. The decoder has one layer and two streams: the content, which is the text so
far, and the queries, which know only the place that they ask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.errors import ConfigError
from wildtext.models.blocks import EncoderLayer
from wildtext.models.checks import check_choice, check_dropout, check_least
from wildtext.models.contract import IGNORED, Head, Memory, Model, Output, Step

_EPSILON = 1e-6
"""What the encoder's normalisations add to variances."""

_PAIRS = 3
"""Permutations that training draws, each of which is also gone through backwards."""

_FEW = 5
"""Characters from which on two permutations drawn at random will hardly ever be the same."""


@dataclass(frozen=True)
class PARSeqConfig:
    """Sizes of `PARSeq`; the defaults are the preset `parseq-tiny`.

    Attributes:
        height, width: canvas in pixels.
        patch: height and width of what becomes one token.
        features: size of a token and of a character.
        layers: transformer layers of the encoder.
        heads: attention heads of each.
        decoder_heads: attention heads of the decoder.
        max_length: longest text, in characters.
        dropout: share of features that training hides in the decoder.
        decoding: `one-shot` writes all characters at once, `autoregressive` one after another, which is slower and a
            little more accurate.
        refinements: how often the text is then read again, each character with the others in sight.
    """

    height: int = 32
    width: int = 128
    patch: tuple[int, int] = (4, 8)
    features: int = 192
    layers: int = 12
    heads: int = 3
    decoder_heads: int = 6
    max_length: int = 25
    dropout: float = 0.1
    decoding: Literal["one-shot", "autoregressive"] = "one-shot"
    refinements: int = 1

    def __post_init__(self) -> None:
        if len(self.patch) != 2 or min(self.patch) < 1:
            raise ConfigError(f"size 'patch' is {self.patch}; it must be a height and a width of at least 1")
        for name, stride in zip(("height", "width"), self.patch, strict=True):
            size = getattr(self, name)
            if size < stride or size % stride:
                raise ConfigError(f"size {name!r} is {size}; it must be a multiple of {stride}, and at least that")
        check_least(self, features=1, layers=1, heads=1, decoder_heads=1, max_length=1, refinements=0)
        for name in ("heads", "decoder_heads"):
            if self.features % getattr(self, name):
                raise ConfigError(
                    f"size {name!r} is {getattr(self, name)}; it must divide 'features', which is {self.features}"
                )
        check_dropout(self.dropout)
        check_choice(self, decoding=("one-shot", "autoregressive"))


@dataclass(frozen=True)
class Known:
    """What attention can look at, projected: it stays the same whoever looks.

    Attributes:
        keys: (N, heads, features / heads, tokens), scaled.
        values: (N, heads, tokens, features / heads).
    """

    keys: Tensor
    values: Tensor

    def repeated(self, count: int) -> Known:
        """What is known of one sample, for `count` of them."""
        return Known(self.keys.expand(count, -1, -1, -1), self.values.expand(count, -1, -1, -1))

    def then(self, more: Known) -> Known:
        """The tokens of both, one behind the other."""
        return Known(torch.cat([self.keys, more.keys], dim=3), torch.cat([self.values, more.values], dim=2))


class PARSeq(Model):
    """Patches, transformer, and a decoder that sees as much of the text as a mask shows. Input (N, 3, height, width).

    Without targets it writes as its configuration says. A sample that has come to its end repeats that end in the
    slots behind it, so a reading does not depend on the batch, and writing can stop when all have ended.
    `Output.maps` has ``attention`` (N, T, height / patch, width / patch) of the last pass.

    With targets it gives a view of the labels for each permutation, in training or not: logits (N, K, T, C), and
    `Output.targets` (N, K, T), with T one more than the characters of the longest label.
    """

    switches = ("decoding", "refinements")
    autoregressive = True
    elsewhere: Tensor

    def __init__(self, config: PARSeqConfig, charset: Charset):
        super().__init__()
        self.config = config
        codec = _codec(charset, config.max_length)
        assert codec.begin is not None, "the content begins with a token"
        self.heads = {"text": Head(codec, loss="multi_view")}
        self.primary = "text"
        self.begin, self.end, self.pad, self.slots = codec.begin, codec.end, codec.pad, codec.slots

        features = config.features
        self.grid = (config.height // config.patch[0], config.width // config.patch[1])
        self.patches = nn.Conv2d(3, features, config.patch, stride=config.patch)
        self.position = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1], features))
        self.layers = nn.Sequential(*(EncoderLayer(features, config.heads, eps=_EPSILON) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(features, eps=_EPSILON)

        self.queries = nn.Parameter(torch.zeros(1, self.slots, features))
        self.embedding = nn.Embedding(codec.pad + 1, features)
        self.decoder = DecoderLayer(features, config.decoder_heads, config.dropout)
        self.norm_answer = nn.LayerNorm(features)
        self.classifier = nn.Linear(features, codec.classes)
        self.dropout = nn.Dropout(config.dropout)
        # Looking again at a slot, everything may be seen but what it holds, which is the input behind the slot's own.
        own = torch.ones(self.slots, self.slots, dtype=torch.bool).diagonal_scatter(torch.zeros(self.slots - 1), 1)
        self.register_buffer("elsewhere", own, persistent=False)
        self._initialise()

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        image = self.decoder.see(self.encode(images))
        if targets is not None:
            ids = targets["text"]
            length = int((ids != self.pad).sum(dim=1).max()) - 2
            orders = draw_orders(length).to(ids.device)
            logits, wanted = self.views(image, ids[:, : length + 2], orders)
            return Output({"text": logits}, targets={"text": wanted})
        logits, attention = self._write(image) if self.config.decoding == "autoregressive" else self._guess(image)
        for _ in range(self.config.refinements):
            logits, attention = self._refine(image, logits.argmax(dim=2))
        return Output({"text": logits}, {"attention": attention.view(*attention.shape[:2], *self.grid)})

    def look(self, images: Tensor, valid_width: Tensor | None = None) -> Memory:
        """See `Model.look`. What `write` then does is autoregressive decoding without refinements, whatever is set."""
        image = self.decoder.see(self.encode(images))
        return image.keys, image.values, image.keys[..., :0], image.values[:, :, :0]

    def write(self, memory: Memory, tokens: Tensor, slot: int) -> Step:
        """See `Model.write`."""
        image, text = Known(*memory[:2]), Known(*memory[2:])
        content = self._embed(tokens.unsqueeze(1))
        if slot:
            content = content + self.queries[:, slot - 1 : slot]
        text = text.then(self.decoder.read(content))
        asked = self.decoder.ask(self.queries)[:, :, slot : slot + 1]
        logits, attention = self._answer(self.queries[:, slot : slot + 1], asked, text, image)
        memory = (image.keys, image.values, text.keys, text.values)
        return Step(logits.squeeze(1), attention.view(-1, *self.grid), memory)

    def encode(self, images: Tensor) -> Tensor:
        """Images to tokens (N, tokens, features), row by row."""
        tokens: Tensor = self.norm(self.layers(self.patches(images).flatten(2).transpose(1, 2) + self.position))
        return tokens

    def views(self, image: Known, ids: Tensor, orders: Tensor) -> tuple[Tensor, Tensor]:
        """Permutation language modelling (section 3.2): the same labels, becoming known in several orders.

        The views are further queries beside each other, so the image and the text are projected once for all of them.

        Args:
            image: what `DecoderLayer.see` makes of the tokens of N images.
            ids: (N, T + 1) targets, the begin token first, as long as the longest of them.
            orders: (K, T + 1) permutations of the places of the ids.

        Returns:
            Logits (N, K, T, classes), and what they should say (N, K, T). Only the first two views are asked for the
            end: in all others it comes last, as in the first.
        """
        given, wanted = ids[:, :-1], ids[:, 1:]
        count, places = given.shape
        told = (given != self.pad) & (given != self.end)
        visible = shown(orders) & told[:, None, None]
        queries = self.dropout(self.queries[:, :places].repeat(1, len(orders), 1).expand(count, -1, -1))
        text = self.decoder.read(self.dropout(self._content(given)))
        answers, _ = self.decoder(queries, self.decoder.ask(queries), text, image, visible.flatten(1, 2)[:, None])
        logits = self.classifier(self.norm_answer(answers)).view(count, len(orders), places, -1)
        silent = wanted == self.pad
        view = torch.arange(len(orders), device=ids.device)[:, None]
        ignored = silent[:, None] | ((wanted == self.end)[:, None] & (view >= 2))
        return logits, wanted[:, None].masked_fill(ignored, IGNORED)

    def _guess(self, image: Known) -> tuple[Tensor, Tensor]:
        """All slots at once, with nothing known of the text. Logits (N, T, classes) and attention (N, T, tokens)."""
        return self._answer(self.queries, self.decoder.ask(self.queries), self._beginning(), image)

    def _write(self, image: Known) -> tuple[Tensor, Tensor]:
        """One slot after another, each with those before it in sight. Logits and attention as of `_guess`.

        There is one layer, so what the content says to queries never changes: each step adds a token to it.
        """
        text = self._beginning().repeated(image.keys.shape[0])
        questions = zip(
            torch.split(self.queries, 1, dim=1), torch.split(self.decoder.ask(self.queries), 1, dim=2), strict=True
        )
        logits: list[Tensor] = []
        attention: list[Tensor] = []
        ended = torch.zeros_like(image.keys[:, :1, :1, 0], dtype=torch.bool)
        for query, asked in questions:
            answer, look = self._answer(query, asked, text, image)
            if logits:
                answer, look = torch.where(ended, logits[-1], answer), torch.where(ended, attention[-1], look)
            logits.append(answer)
            attention.append(look)
            written = answer.argmax(dim=2)
            ended = (written == self.end).unsqueeze(2)
            # A graph takes all steps, as it is the same for all images.
            if len(logits) == self.slots or (not torch.compiler.is_compiling() and bool(ended.all())):
                break
            text = text.then(self.decoder.read(self._embed(written) + query))
        rest = self.slots - len(logits)
        return torch.cat([*logits, *logits[-1:] * rest], dim=1), torch.cat([*attention, *attention[-1:] * rest], dim=1)

    def _refine(self, image: Known, written: Tensor) -> tuple[Tensor, Tensor]:
        """Each slot again, the others up to the end in sight. Ids (N, T) to logits and attention as of `_guess`."""
        given = F.pad(written[:, :-1], (1, 0), value=self.begin)
        beyond = (given == self.end).cumsum(dim=1) > 0
        visible = self.elsewhere & ~beyond[:, None]
        text = self.decoder.read(self._content(given))
        return self._answer(self.queries, self.decoder.ask(self.queries), text, image, visible[:, None])

    def _answer(
        self, queries: Tensor, asked: Tensor, text: Known, image: Known, visible: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits, and attention averaged over heads; see `DecoderLayer.forward`."""
        answers, attention = self.decoder(queries, asked, text, image, visible)
        return self.classifier(self.norm_answer(answers)), attention.mean(dim=1)

    def _beginning(self) -> Known:
        """Content that is the begin token alone, and so the same for all samples: (1, heads, 1, size) each."""
        begin = torch.full_like(self.queries[:, :1, 0], self.begin, dtype=torch.long)
        return self.decoder.read(self._embed(begin))

    def _content(self, ids: Tensor) -> Tensor:
        """Ids (N, L), the begin token first, to (N, L, features).

        The begin token has no place, and every character that of the query that asks for it.
        """
        return self._embed(ids) + F.pad(self.queries[:, : ids.shape[1] - 1], (0, 0, 1, 0))

    def _embed(self, ids: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(ids) * self.config.features**0.5
        return embedded

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for parameter in (self.position, self.queries, self.embedding.weight):
            nn.init.trunc_normal_(parameter, std=0.02)
        self.decoder.initialise()


class DecoderLayer(nn.Module):
    """Queries look at the text, then at the image, then think (Vaswani et al. 2017, with the normalisation first).

    The content has a normalisation of its own, and is not changed: that would only serve a second layer.
    """

    def __init__(self, features: int, heads: int, dropout: float):
        super().__init__()
        self.norm_queries = nn.LayerNorm(features)
        self.norm_content = nn.LayerNorm(features)
        self.text_attention = Attention(features, heads, dropout)
        self.norm_image = nn.LayerNorm(features)
        self.image_attention = Attention(features, heads, dropout)
        self.norm_mlp = nn.LayerNorm(features)
        self.mlp = nn.Sequential(
            nn.Linear(features, 4 * features), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * features, features)
        )
        self.dropout = nn.Dropout(dropout)

    def see(self, tokens: Tensor) -> Known:
        """What of the image's tokens (N, tokens, features) there is to look at. They are normalised already."""
        return self.image_attention.project(tokens)

    def read(self, content: Tensor) -> Known:
        """What of the content (N, L, features) there is to look at."""
        return self.text_attention.project(self.norm_content(content))

    def ask(self, queries: Tensor) -> Tensor:
        """How queries (N, T, features) look at the text: (N, heads, T, features / heads)."""
        return self.text_attention.ask(self.norm_queries(queries))

    def forward(
        self, queries: Tensor, asked: Tensor, text: Known, image: Known, visible: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Look at the text and the image.

        Args:
            queries: (N, T, features), or (1, T, features), the same for all samples.
            asked: what `ask` makes of them.
            text: of N samples, or of one, the same for all; then the queries must be so too.
            image: of N samples.
            visible: which part of the text a query may look at, of a shape that expands to (N, heads, T, L); None shows
                all of it.

        Returns:
            Answers (N, T, features), and attention (N, heads, T, tokens) to the image.
        """
        seen, _ = self.text_attention(asked, text, visible)
        queries = queries + self.dropout(seen)
        seen, attention = self.image_attention(self.image_attention.ask(self.norm_image(queries)), image)
        queries = queries + self.dropout(seen)
        return queries + self.dropout(self.mlp(self.norm_mlp(queries))), attention

    def initialise(self) -> None:
        """Draw the first projections of attention as torch does where it keeps the three of them in one matrix."""
        for attention in (self.text_attention, self.image_attention):
            bound = (6 / (4 * attention.query.in_features)) ** 0.5
            for linear in (attention.query, attention.key_value):
                nn.init.uniform_(linear.weight, -bound, bound)


class Attention(nn.Module):
    """Scaled dot-product attention from one stream to another, with dropout of what it looks at."""

    def __init__(self, features: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(features, features)
        self.key_value = nn.Linear(features, 2 * features)
        self.projection = nn.Linear(features, features)
        self.dropout = nn.Dropout(dropout)

    def ask(self, tokens: Tensor) -> Tensor:
        """Queries (N, heads, T, features / heads) of tokens (N, T, features)."""
        asked: Tensor = self.query(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)
        return asked

    def project(self, tokens: Tensor) -> Known:
        """What queries meet of tokens (N, L, features)."""
        keys, values = self.key_value(tokens).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return Known(keys.transpose(2, 3) / keys.shape[-1] ** 0.5, values)

    def forward(self, asked: Tensor, known: Known, visible: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Look; see `DecoderLayer.forward`. Returns (N, T, features) and attention (N, heads, T, L)."""
        scores = asked @ known.keys
        if visible is not None:
            scores = scores.masked_fill(~visible, -torch.inf)
        attention = scores.softmax(dim=3)
        seen = self.dropout(attention) @ known.values
        return self.projection(seen.transpose(1, 2).flatten(2)), attention


def draw_orders(length: int) -> Tensor:
    """Orders in which labels of up to `length` characters become known (section 3.2), from torch's generator.

    They come in pairs. The first goes from left to right and back; in all others the second is the first the other way
    round. The begin token is known before all characters and the end after them, but on the way back, where it comes
    first: when all characters are written at once, the end must be told with none of them known.

    Args:
        length: of the longest label of a batch.

    Returns:
        (K, length + 2) places, the begin token being 0. K is 6, or fewer where there are fewer permutations.
    """
    forward = _few(length) if length < _FEW else _many(length)
    ordered = torch.stack([forward, forward.flip(1)], dim=1).flatten(0, 1) if length > 1 else forward
    orders = F.pad(F.pad(ordered + 1, (1, 0)), (0, 1), value=length + 1)
    orders[1:2, 1:] = torch.arange(length + 1, 0, -1)
    return orders


def _many(length: int) -> Tensor:
    """From left to right, and at random: (_PAIRS, length)."""
    return torch.stack([torch.arange(length), *(torch.randperm(length) for _ in range(_PAIRS - 1))])


def _few(length: int) -> Tensor:
    """From left to right, and others at random that are all different, also when turned round: (pairs, length)."""
    distinct = [order for order in permutations(range(length)) if order[:1] <= order[-1:]]
    chosen = 1 + torch.randperm(len(distinct) - 1)[: _PAIRS - 1]
    return torch.tensor([distinct[0], *(distinct[number] for number in chosen.tolist())], dtype=torch.long)


def shown(orders: Tensor) -> Tensor:
    """What a place may see when it is asked for: what became known before it.

    Args:
        orders: (K, T + 1) places in the order in which they become known.

    Returns:
        (K, T, T), true where the query for place i + 1 (row i) may see place j (column j).
    """
    rank = orders.argsort(dim=1)
    return rank[:, None, :-1] < rank[:, 1:, None]


def _codec(charset: Charset, max_length: int) -> Sequence:
    """The end is 0, characters go from 1; begin and padding are behind them, and never predicted."""
    count = len(charset)
    return Sequence(charset, max_length, classes=count + 1, first=1, begin=count + 1, end=0, pad=count + 2)
