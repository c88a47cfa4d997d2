"""RobustScanner: two ways to ask where the next character stands.

After Yue et al., "RobustScanner: Dynamically Enhancing Positional Clues for Robust Text Recognition" (ECCV 2020).

A decoder that asks with its LSTM state where to look next asks with two things at once: how many characters it has
written, and what they were. With every step the second drowns the first, so on text without context - a plate, a
serial number - attention drifts, and characters are lost or written twice. So a second branch asks with a learned
vector for each place and nothing else ("look for the fifth character"), in a map that an LSTM along the rows has told
where each feature lies. Both branches look at the same features of the image, and a gate mixes what they saw.

The layers and sizes are those of MMOCR and PaddleOCR, which are the same but for the order of the special tokens and
for the columns that they hide.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.errors import ConfigError
from wildtext.models.blocks import ResidualBlock, initialise_convolutions
from wildtext.models.checks import check_choice, check_least
from wildtext.models.contract import Head, Memory, Model, Output, Step

_HEIGHT_STRIDE, _WIDTH_STRIDE = 8, 4
"""Pixels of the canvas to a feature."""

_LAYERS = 2
"""Of both LSTMs."""


@dataclass(frozen=True)
class RobustScannerConfig:
    """Sizes of `RobustScanner`.

    Attributes:
        height, width: canvas in pixels.
        channels: of the two layers of the stem and of the four stages.
        depths: residual blocks of the stages.
        features: size of queries and keys.
        max_length: longest text, in characters.
        tokens: order of the special tokens, which stand behind the characters: `paddleocr` has unknown, begin = end and
            padding, and does not predict padding; `mmocr` has begin = end, padding and unknown.
        mask_rounding: what happens to a column of which the image fills a part: `up` looks at it (MMOCR), `nearest`
            only if that is half of it (PaddleOCR).
    """

    height: int = 48
    width: int = 160
    channels: tuple[int, ...] = (64, 128, 256, 256, 512, 512)
    depths: tuple[int, ...] = (1, 2, 5, 3)
    features: int = 128
    max_length: int = 39
    tokens: Literal["paddleocr", "mmocr"] = "paddleocr"
    mask_rounding: Literal["up", "nearest"] = "up"

    def __post_init__(self) -> None:
        for name, stride in (("height", _HEIGHT_STRIDE), ("width", _WIDTH_STRIDE)):
            size = getattr(self, name)
            if size < stride or size % stride:
                raise ConfigError(f"size {name!r} is {size}; it must be a multiple of {stride}, and at least that")
        for name, count in (("channels", 6), ("depths", 4)):
            numbers = getattr(self, name)
            if len(numbers) != count or min(numbers) < 1:
                raise ConfigError(f"size {name!r} is {numbers}; it must be {count} numbers of at least 1")
        check_least(self, features=1, max_length=1)
        check_choice(self, tokens=("paddleocr", "mmocr"), mask_rounding=("up", "nearest"))


class RobustScanner(Model):
    """Convolve, look twice for each character, mix. Input (N, 3, height, width).

    `Output.maps` has ``attention`` (N, T, height / 8, width / 4), the mean of the two branches: what is read comes from
    where both look. It is 0 beyond the valid width.
    """

    autoregressive = True

    def __init__(self, config: RobustScannerConfig, charset: Charset):
        super().__init__()
        self.config = config
        codec = _codec(config, charset)
        self.heads = {"text": Head(codec, loss="cross_entropy")}
        self.primary = "text"
        channels = config.channels[-1]
        self.trunk = ResNet31(3, config.channels, config.depths)
        self.reduce = nn.Conv2d(channels, config.features, 1)
        self.hybrid = HybridBranch(codec, config.features)
        self.position = PositionBranch(codec.slots, config.features)
        self.fusion = nn.Linear(2 * channels, 2 * channels)
        self.classifier = nn.Linear(channels, codec.classes)

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        features, scene, by_place, attention_by_place = self._see(images, valid_width)
        if targets is None:
            logits, attention = self._write(scene, by_place)
        else:
            by_context, attention = scene.look(self.hybrid(targets["text"]))
            logits = self._classify(by_context, by_place)
        both = (attention + attention_by_place) / 2
        return Output({"text": logits}, {"attention": both.reshape(*both.shape[:2], *features.shape[2:])})

    def look(self, images: Tensor, valid_width: Tensor | None = None) -> Memory:
        """See `Model.look`."""
        _, scene, by_place, attention = self._see(images, valid_width)
        hidden = torch.zeros_like(attention[:, :1], dtype=torch.bool) if scene.hidden is None else scene.hidden
        _, state = self.hybrid.start(len(images))
        return scene.keys, scene.values, hidden, by_place, attention, *chain.from_iterable(state)

    def write(self, memory: Memory, tokens: Tensor, slot: int) -> Step:
        """See `Model.write`."""
        keys, values, hidden, by_place, attention_by_place, *state = memory
        query, advanced = self.hybrid.step(tokens, list(zip(state[::2], state[1::2], strict=True)))
        glimpse, attention = Scene(keys, values, hidden).look(query.unsqueeze(1))
        logits = self._classify(glimpse, by_place[:, slot : slot + 1]).squeeze(1)
        both = (attention.squeeze(1) + attention_by_place[:, slot]) / 2
        grid = self.config.height // _HEIGHT_STRIDE, self.config.width // _WIDTH_STRIDE
        return Step(logits, both.view(-1, *grid), (*memory[:5], *chain.from_iterable(advanced)))

    def _see(self, images: Tensor, valid_width: Tensor | None) -> tuple[Tensor, Scene, Tensor, Tensor]:
        """What does not depend on the text.

        Returns:
            Features (N, channels, h, w), what the hybrid branch looks at, and the glimpses and attention of the other.
        """
        # Where no gradients follow, the other layout is as quick, and rounds like the references: behind 31 layers with
        # large weights the difference would grow to 3e-4 of the largest value.
        layout = torch.channels_last if self.training else torch.contiguous_format
        features = self.trunk(images.contiguous(memory_format=layout))
        keys = self.reduce(features)
        hidden = None if valid_width is None else self._hidden(valid_width)
        scene = Scene(_tokens(keys), _tokens(features), hidden)
        placed = Scene(_tokens(self.position(keys)), scene.values, hidden)
        return features, scene, *placed.look(self.position.queries[:-1])

    def _write(self, scene: Scene, by_place: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the attention of the hybrid branch, each slot given what was written in the one before."""
        token, state = self.hybrid.start(by_place.shape[0])
        logits, attention = [], []
        for glimpse_by_place in torch.split(by_place, 1, dim=1):
            query, state = self.hybrid.step(token, state)
            glimpse, weights = scene.look(query.unsqueeze(1))
            logits.append(self._classify(glimpse, glimpse_by_place))
            attention.append(weights)
            token = logits[-1].squeeze(1).argmax(dim=1)
        return torch.cat(logits, dim=1), torch.cat(attention, dim=1)

    def _classify(self, by_context: Tensor, by_place: Tensor) -> Tensor:
        """Dynamic fusion (section 3.4): a gate for each feature of the glimpses (N, T, channels), then the classes."""
        fused = F.glu(self.fusion(torch.cat([by_context, by_place], dim=2)), dim=2)
        logits: Tensor = self.classifier(fused)
        return logits

    def _hidden(self, valid_width: Tensor) -> Tensor:
        """Which features lie beyond shares (N,) of the width: (N, 1, h * w)."""
        config = self.config
        # Shares stand for whole pixels, and float32 is a little off them.
        filled = (valid_width * config.width).round() / _WIDTH_STRIDE
        columns = filled.ceil() if config.mask_rounding == "up" else (filled + 0.5).floor()
        places = torch.arange(config.width // _WIDTH_STRIDE, device=valid_width.device)
        beyond = places >= columns.clamp(min=1)[:, None]
        hidden: Tensor = beyond[:, None, None].expand(-1, 1, config.height // _HEIGHT_STRIDE, -1).flatten(2)
        return hidden


@dataclass(frozen=True)
class Scene:
    """What a branch looks at.

    Attributes:
        keys: (N, P, features) that queries are compared with.
        values: (N, P, channels), of which a glimpse is a weighted mean.
        hidden: (N, 1, P), true where there is nothing to see; None shows all.
    """

    keys: Tensor
    values: Tensor
    hidden: Tensor | None

    def look(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Glimpses (N, T, channels) of queries (N, T, features) or (T, features), and attention (N, T, P) in float32.

        The products are not scaled down, so sums over 128 features need all digits of float32.
        """
        with torch.autocast(self.keys.device.type, enabled=False):
            scores = queries.float() @ self.keys.float().transpose(1, 2)
            if self.hidden is not None:
                scores = scores.masked_fill(self.hidden, -torch.inf)
            attention = scores.softmax(dim=2)
        return attention @ self.values, attention


class HybridBranch(nn.Module):
    """Asks with what was written: an LSTM over the characters so far (section 3.2)."""

    def __init__(self, codec: Sequence, features: int):
        super().__init__()
        assert codec.begin is not None, "an autoregressive head starts from a begin token"
        self.begin, self.slots = codec.begin, codec.slots
        self.embedding = nn.Embedding(len(codec.charset) + 3, features, padding_idx=codec.pad)
        self.lstm = nn.LSTM(features, features, _LAYERS, batch_first=True)

    def forward(self, ids: Tensor) -> Tensor:
        """Queries (N, slots, features) of given texts (N, >= slots), the begin token first."""
        queries: Tensor = self.lstm(self.embedding(ids[:, : self.slots]))[0]
        return queries

    def start(self, count: int) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """The begin token (count,) and the state before it, for `step`."""
        weight = self.embedding.weight
        nothing = weight.new_zeros(count, weight.shape[1])
        return torch.full_like(nothing[:, 0], self.begin, dtype=torch.long), [(nothing, nothing)] * _LAYERS

    def step(self, token: Tensor, state: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """The query (N, features) that follows a token (N,), and the next state.

        The LSTM only looks back, so its state spares running it over the whole text again.
        """
        query, advanced = self.embedding(token), []
        for before, weights in zip(state, self.lstm.all_weights, strict=True):
            query, memory = torch.lstm_cell(query, before, *weights)
            advanced.append((query, memory))
        return query, advanced


class PositionBranch(nn.Module):
    """Asks for the first character, the second and so on (section 3.3).

    Attributes:
        queries: (slots + 1, features); published weights have one more than there are slots.
    """

    def __init__(self, slots: int, features: int):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(slots + 1, features))
        self.lstm = nn.LSTM(features, features, _LAYERS, batch_first=True)
        self.mixer = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """The map (N, features, h, w), aware of position: every row is read from left to right."""
        height, width = features.shape[2:]
        rows = self.lstm(_tokens(features).reshape(-1, width, features.shape[1]))[0]
        placed = rows.reshape(-1, height, width, features.shape[1]).permute(0, 3, 1, 2)
        mixed: Tensor = self.mixer(placed)
        return mixed


class ResNet31(nn.Sequential):
    """The residual trunk of SAR (Li et al., AAAI 2019), which keeps more of the width than of the height.

    (N, in_channels, H, W) to (N, channels[-1], H / 8, W / 4).
    """

    def __init__(self, in_channels: int, channels: tuple[int, ...], depths: tuple[int, ...]):
        first, second, *_ = channels
        stages = [_stage(*widths, depth) for widths, depth in zip(pairwise(channels[1:]), depths, strict=True)]
        super().__init__(
            _normed(in_channels, first),
            _normed(first, second),
            nn.MaxPool2d(2),
            stages[0],
            nn.MaxPool2d(2),
            stages[1],
            nn.MaxPool2d((2, 1)),
            *stages[2:],
        )
        initialise_convolutions(self)


def _stage(in_channels: int, channels: int, depth: int) -> nn.Sequential:
    blocks = [ResidualBlock(in_channels if number == 0 else channels, channels) for number in range(depth)]
    return nn.Sequential(*blocks, _normed(channels, channels))


def _normed(in_channels: int, channels: int) -> nn.Sequential:
    """A 3x3 convolution with a bias, which the normalisation behind it makes idle, but published weights have it."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    )


def _tokens(features: Tensor) -> Tensor:
    """(N, C, h, w) to (N, h * w, C)."""
    return features.flatten(2).transpose(1, 2)


def _codec(config: RobustScannerConfig, charset: Charset) -> Sequence:
    """Three special tokens behind the characters; the one for unknown characters is never taught."""
    count = len(charset)
    if config.tokens == "mmocr":
        return Sequence(charset, config.max_length, classes=count + 3, first=0, begin=count, end=count, pad=count + 1)
    return Sequence(
        charset, config.max_length, classes=count + 2, first=0, begin=count + 1, end=count + 1, pad=count + 2
    )
