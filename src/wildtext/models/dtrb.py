"""The four-slot family of Baek et al., "What Is Wrong With Scene Text Recognition Model Comparisons?" (ICCV 2019).

Transformation, trunk, sequence and prediction combine freely; CRNN, RARE, STAR-Net, Rosetta and TRBA are choices of
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import CTC, Sequence
from wildtext.errors import ConfigError
from wildtext.models.checks import check_choice, check_image_channels, check_least
from wildtext.models.contract import Head, Memory, Model, Output, Step
from wildtext.models.tps import Rectifier
from wildtext.models.trunks import TRUNKS


@dataclass(frozen=True)
class DTRBConfig:
    """Slots and sizes of `DTRB`.

    Attributes:
        transformation: `tps` straightens the image first.
        trunk: convolutions that turn the image into columns.
        sequence: `bilstm` lets the columns know each other.
        prediction: `ctc` reads each column, `attention` writes one character after another.
        height, width: canvas in pixels.
        image_channels: 1 for grey, 3 for colour.
        channels: of the trunk's last layers; the earlier ones follow.
        hidden: units of the recurrent layers, in each direction.
        max_length: longest text that attention writes, in characters.
        fiducials: points of the thin-plate spline, half of them on each edge.
        localisation: channels of the network that finds them.
    """

    transformation: Literal["none", "tps"] = "none"
    trunk: Literal["vgg", "resnet"] = "vgg"
    sequence: Literal["none", "bilstm"] = "bilstm"
    prediction: Literal["ctc", "attention"] = "ctc"
    height: int = 32
    width: int = 100
    image_channels: int = 1
    channels: int = 512
    hidden: int = 256
    max_length: int = 25
    fiducials: int = 20
    localisation: tuple[int, ...] = (64, 128, 256, 512)

    def __post_init__(self) -> None:
        check_choice(self, transformation=("none", "tps"), trunk=tuple(TRUNKS))
        check_choice(self, sequence=("none", "bilstm"), prediction=("ctc", "attention"))
        check_least(self, height=32, width=32, hidden=1, max_length=1, channels=16)
        check_image_channels(self.image_channels)
        if self.channels % 16:
            raise ConfigError(f"size 'channels' is {self.channels}; it must be a multiple of 16")
        if self.fiducials < 4 or self.fiducials % 2:
            raise ConfigError(f"size 'fiducials' is {self.fiducials}; it must be even, and at least 4")
        if not 1 <= len(self.localisation) <= 5 or min(self.localisation) < 2:
            raise ConfigError(f"size 'localisation' is {self.localisation}; it must be 1 to 5 numbers of channels")


class DTRB(Model):
    """Rectify, convolve, read columns. Input (N, image_channels, height, width).

    `Output.maps` has ``attention`` (N, T, 1, w) where attention predicts, and ``column_x``, ``fiducials`` and
    ``rectified`` where a thin-plate spline moves the columns.
    """

    left: Tensor
    right: Tensor

    def __init__(self, config: DTRBConfig, charset: Charset):
        super().__init__()
        self.config = config
        size = (config.height, config.width)
        self.rectifier = (
            Rectifier(size, config.image_channels, config.fiducials, config.localisation)
            if config.transformation == "tps"
            else None
        )
        trunk = TRUNKS[config.trunk]
        self.trunk = trunk(config.image_channels, config.channels)
        centres = torch.tensor(trunk.centres(config.width))
        self.register_buffer("left", (centres - 1).clamp(min=0), persistent=False)
        self.register_buffer("right", centres.clamp(max=config.width - 1), persistent=False)

        self.context = nn.Sequential()
        features = config.channels
        if config.sequence == "bilstm":
            self.context.extend(BiLSTM(inputs, config.hidden) for inputs in (features, config.hidden))
            features = config.hidden

        head = _head(config, charset, steps=len(centres))
        self.heads = {"text": head}
        self.primary = "text"
        self.prediction: nn.Linear | AttentionDecoder
        if isinstance(head.codec, Sequence):
            self.prediction = AttentionDecoder(features, config.hidden, head.codec)
            self.autoregressive = True
        else:
            self.prediction = nn.Linear(features, head.codec.classes)

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        maps: dict[str, Tensor] = {}
        if self.rectifier is not None:
            images, fiducials, grid = self.rectifier(images)
            maps = {"column_x": self._column_x(grid), "fiducials": self._shares(fiducials), "rectified": images}
        columns = self._columns(images)
        if isinstance(self.prediction, nn.Linear):
            return Output({"text": self.prediction(columns)}, maps)
        logits, attention = self.prediction(columns, targets["text"] if targets else None)
        maps["attention"] = attention.unsqueeze(2)
        return Output({"text": logits}, maps)

    def look(self, images: Tensor, valid_width: Tensor | None = None) -> Memory:
        """See `Model.look`."""
        assert isinstance(self.prediction, AttentionDecoder), "CTC does not write one character after another"
        return self.prediction.start(self._columns(images if self.rectifier is None else self.rectifier(images)[0]))

    def write(self, memory: Memory, tokens: Tensor, slot: int) -> Step:
        """See `Model.write`."""
        assert isinstance(self.prediction, AttentionDecoder), "CTC does not write one character after another"
        logits, attention, memory = self.prediction.step(tokens, memory)
        return Step(logits, attention.unsqueeze(1), memory)

    def _columns(self, images: Tensor) -> Tensor:
        """Straightened images to columns (N, w, features)."""
        columns: Tensor = self.context(self.trunk(images).mean(dim=2).transpose(1, 2))
        return columns

    def _column_x(self, grid: Tensor) -> Tensor:
        """Where the columns look at mid height: (N, H, W, 2) sampling grid to (N, w) shares of the canvas width."""
        height, width = self.config.height, self.config.width
        middle = grid[:, (height - 1) // 2 : height // 2 + 1, :, 0].mean(dim=1)
        # Columns are centred between two pixels.
        return _share(((middle[:, self.left] + middle[:, self.right]) / 2).clamp(-1, 1), width)

    def _shares(self, fiducials: Tensor) -> Tensor:
        """Points (N, F, 2) of the rectifier as shares of the canvas."""
        x, y = fiducials.unbind(dim=2)
        return torch.stack([_share(x, self.config.width), _share(y, self.config.height)], dim=2)


class BiLSTM(nn.Module):
    """Bidirectional LSTM with a linear layer behind it. (N, w, inputs) to (N, w, hidden)."""

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, bidirectional=True, batch_first=True)
        self.project = nn.Linear(2 * hidden, hidden)

    def forward(self, columns: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.project(self.lstm(columns)[0])
        return out


class AttentionDecoder(nn.Module):
    """LSTM that looks at a weighted mean of the columns for each character it writes.

    The additive attention of Bahdanau et al. (ICLR 2015), as Baek et al. use it.

    Args:
        features: size of a column.
        hidden: units of the LSTM and of the attention.
        codec: gives the classes, the begin token and the number of steps, one more than the longest text.
    """

    def __init__(self, features: int, hidden: int, codec: Sequence):
        super().__init__()
        assert codec.begin is not None, "an autoregressive head starts from a begin token"
        self.begin = codec.begin
        self.steps = codec.max_length + 1
        self.keys = nn.Linear(features, hidden, bias=False)
        self.query = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.cell = nn.LSTMCell(features + codec.classes, hidden)
        self.classifier = nn.Linear(hidden, codec.classes)

    def forward(self, columns: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Write a text.

        Args:
            columns: (N, w, features).
            targets: (N, >= steps) ids, the begin token first, that are fed in place of what was written.

        Returns:
            Logits (N, steps, classes) and attention (N, steps, w).
        """
        memory = self.start(columns)
        token = torch.full_like(columns[:, 0, 0], self.begin, dtype=torch.long)
        logits, attention = [], []
        for step in range(self.steps):
            if targets is not None:
                token = targets[:, step]
            answer, weights, memory = self.step(token, memory)
            logits.append(answer)
            attention.append(weights)
            token = answer.argmax(dim=1)
        return torch.stack(logits, dim=1), torch.stack(attention, dim=1)

    def start(self, columns: Tensor) -> Memory:
        """What `step` needs before the first character: the columns, their keys, and the state of the LSTM."""
        nothing = columns.new_zeros(columns.shape[0], self.cell.hidden_size)
        return columns, self.keys(columns), nothing, nothing

    def step(self, token: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Memory]:
        """Logits (N, classes) and attention (N, w) of what follows a token (N,), and what the next step needs."""
        columns, keys, state, cell = memory
        scores = self.score(torch.tanh(keys + self.query(state).unsqueeze(1)))
        weights = scores.softmax(dim=1).transpose(1, 2)
        context = torch.bmm(weights, columns).squeeze(1)
        # A table of the token's share of the gates would be quicker for large charsets, but it rounds in another
        # order, and over 26 steps that carries published weights away from where they were trained.
        written = F.one_hot(token, self.classifier.out_features).to(context.dtype)
        state, cell = self.cell(torch.cat([context, written], dim=1), (state, cell))
        return self.classifier(state), weights.squeeze(1), (columns, keys, state, cell)


def _share(place: Tensor, side: int) -> Tensor:
    """From -1 to 1 between the centres of the outermost of so many pixels, to 0 to 1 from edge to edge."""
    return ((place + 1) * (side - 1) + 1) / (2 * side)


def _head(config: DTRBConfig, charset: Charset, *, steps: int) -> Head:
    if config.prediction == "attention":
        return Head(Sequence.dtrb(charset, config.max_length), loss="cross_entropy")
    return Head(CTC(charset, steps), loss="ctc")
