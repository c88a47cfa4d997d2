"""CRNN with a GRU that writes, as a known Chinese recogniser has it (bai-shang's crnn_seq2seq_ocr).

CRNN (Shi, Bai and Yao, TPAMI 2017) turns the image into a row of columns, two bidirectional LSTMs let them know each
other, and a GRU writes one character after another, each time from a weighted mean of the columns.

Beware of its attention. The weights are computed from the last character and the state alone: it never looks at the
image when it chooses where to look. There is a weight for each of 71 absolute columns, so the width is fixed, and the
model must learn by heart how far along the line the n-th character stands. That works for lines of equal type, ten
characters to an image, which it was made for; elsewhere `rare` and `trba` have the attention of Bahdanau et al.
(ICLR 2015), which compares the state with every column.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.errors import ConfigError
from wildtext.models.blocks import initialise_convolutions
from wildtext.models.checks import check_dropout, check_least
from wildtext.models.contract import Head, Memory, Model, Output, Step
from wildtext.models.dtrb import BiLSTM


@dataclass(frozen=True)
class Seq2SeqConfig:
    """Sizes of `Seq2Seq`.

    Attributes:
        width: canvas in pixels; there is a column for every four, and one more.
        channels: of the encoder's last layers; the earlier ones follow.
        hidden: units of the recurrent layers, in each direction.
        max_length: longest text, in characters, and as many slots: one of that length has no end token.
        dropout: share of a character's embedding that is hidden in training.
    """

    width: int = 280
    channels: int = 512
    hidden: int = 256
    max_length: int = 20
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_least(self, width=8, channels=8, hidden=1, max_length=1)
        if self.channels % 8:
            raise ConfigError(f"size 'channels' is {self.channels}; it must be a multiple of 8")
        check_dropout(self.dropout)


class Seq2Seq(Model):
    """Convolve, read columns, write. Input (N, 3, 32, width).

    `Output.maps` has ``attention`` (N, T, 1, width // 4 + 1).
    """

    autoregressive = True

    def __init__(self, config: Seq2SeqConfig, charset: Charset):
        super().__init__()
        self.config = config
        codec = _codec(charset, config.max_length)
        self.heads = {"text": Head(codec, loss="cross_entropy")}
        self.primary = "text"
        self.trunk = Trunk(3, config.channels)
        self.context = nn.Sequential(BiLSTM(config.channels, config.hidden), BiLSTM(config.hidden, config.hidden))
        self.prediction = Decoder(config.width // 4 + 1, config.hidden, codec, config.dropout)
        self._initialise()

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        logits, attention = self.prediction(self._columns(images), targets["text"] if targets else None)
        return Output({"text": logits}, {"attention": attention.unsqueeze(2)})

    def look(self, images: Tensor, valid_width: Tensor | None = None) -> Memory:
        """See `Model.look`."""
        columns = self._columns(images)
        return columns, self.prediction.start(columns)

    def write(self, memory: Memory, tokens: Tensor, slot: int) -> Step:
        """See `Model.write`."""
        columns, state = memory
        state, attention = self.prediction.step(columns, self.prediction.embedding(tokens), state)
        return Step(self.prediction.classifier(state), attention.unsqueeze(1), (columns, state))

    def _columns(self, images: Tensor) -> Tensor:
        """Images to columns (N, w, hidden)."""
        features = self.trunk(images.contiguous(memory_format=torch.channels_last))
        columns: Tensor = self.context(features.squeeze(2).transpose(1, 2))
        return columns

    def _initialise(self) -> None:
        # torch's defaults shrink what comes from the image at each of five layers, and then only the texts are learnt.
        for name, parameter in (*self.context.named_parameters(), *self.prediction.named_parameters()):
            if parameter.ndim == 1:
                nn.init.zeros_(parameter)
            elif "weight_hh" in name:
                for gate in torch.split(parameter.detach(), parameter.shape[1]):
                    nn.init.orthogonal_(gate)
            elif name != "embedding.weight":
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)


class Trunk(nn.Sequential):
    """The seven convolutions of CRNN, with its own overlapping pools.

    (N, in_channels, 32, W) to (N, channels, 1, W // 4 + 1).
    """

    def __init__(self, in_channels: int, channels: int):
        first, second, third = channels // 8, channels // 4, channels // 2
        super().__init__(
            *_convolution(in_channels, first),
            nn.MaxPool2d(2),
            *_convolution(first, second),
            nn.MaxPool2d(2),
            *_convolution(second, third, norm=True),
            *_convolution(third, third),
            nn.MaxPool2d(2, stride=(2, 1), padding=(0, 1)),
            *_convolution(third, channels, norm=True),
            *_convolution(channels, channels),
            nn.MaxPool2d(2, stride=(2, 1), padding=(0, 1)),
            *_convolution(channels, channels, kernel=2, padding=0, norm=True),
        )
        initialise_convolutions(self)


class Decoder(nn.Module):
    """GRU that looks at columns by their number.

    Args:
        columns: how many there are.
        hidden: size of a column, of an embedding and of the state.
        codec: gives the classes, the begin token and the number of steps.
        dropout: share of an embedding that is hidden in training.
    """

    def __init__(self, columns: int, hidden: int, codec: Sequence, dropout: float):
        super().__init__()
        assert codec.begin is not None, "an autoregressive head starts from a begin token"
        self.begin, self.steps = codec.begin, codec.slots
        self.embedding = nn.Embedding(codec.classes, hidden)
        self.dropout = nn.Dropout(dropout)
        self.attention = nn.Linear(2 * hidden, columns)
        self.combine = nn.Linear(2 * hidden, hidden)
        self.cell = nn.GRUCell(hidden, hidden)
        self.classifier = nn.Linear(hidden, codec.classes)

    def forward(self, columns: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Write a text.

        Args:
            columns: (N, w, hidden).
            targets: (N, >= steps) ids, the begin token first, that are fed in place of what was written.

        Returns:
            Logits (N, steps, classes) and attention (N, steps, w).
        """
        state = self.start(columns)
        token = torch.full_like(columns[:, 0, 0], self.begin, dtype=torch.long)
        given = None if targets is None else self.embedding(targets[:, : self.steps])
        states, attention, logits = [], [], []
        for step in range(self.steps):
            last = self.embedding(token) if given is None else given[:, step]
            state, weights = self.step(columns, last, state)
            states.append(state)
            attention.append(weights)
            if targets is None:
                logits.append(self.classifier(state))
                token = logits[-1].argmax(dim=1)
        # One product for all steps where no step waits for it: there are thousands of classes.
        written = torch.stack(logits, dim=1) if targets is None else self.classifier(torch.stack(states, dim=1))
        return written, torch.stack(attention, dim=1)

    def start(self, columns: Tensor) -> Tensor:
        """The state (N, hidden) before the first character."""
        return columns.new_zeros(columns.shape[0], self.cell.hidden_size)

    def step(self, columns: Tensor, last: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The state (N, hidden) after a character (N, hidden), and the attention (N, w) that led to it."""
        last = self.dropout(last)
        weights = self.attention(torch.cat([last, state], dim=1)).softmax(dim=1)
        glimpse = torch.bmm(weights.unsqueeze(1), columns).squeeze(1)
        state = self.cell(F.relu(self.combine(torch.cat([last, glimpse], dim=1))), state)
        return state, weights


def _convolution(
    in_channels: int, channels: int, *, kernel: int = 3, padding: int = 1, norm: bool = False
) -> list[nn.Module]:
    """A convolution with a bias, also in front of a normalisation, which makes it idle: published weights have it."""
    layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, kernel, padding=padding)]
    return [*layers, *([nn.BatchNorm2d(channels)] if norm else []), nn.ReLU(inplace=True)]


def _codec(charset: Charset, max_length: int) -> Sequence:
    """Begin 0, end 1, characters from 2. Padding does not count, so it may share an id with the begin token."""
    return Sequence(charset, max_length, classes=len(charset) + 2, first=2, begin=0, end=1, pad=0, slots=max_length)
