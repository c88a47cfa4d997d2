"""SRN on one row of columns, the graph of the reimplementation chenjun2hao/SRN.pytorch.

The modules of SRN (see `wildtext.models.srn`), each in a simpler form: columns in place of a grid, an order of reading
that shifts all slots' keys alike, reasoning in one direction, and a sum in place of the gate.

It has a defect that is kept, because its weights depend on it: nothing hides a slot's own character from its semantic
reasoning. So the semantic head can copy the visual one and need not learn how words are spelt.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.errors import ConfigError
from wildtext.models.checks import check_dropout, check_image_channels, check_least
from wildtext.models.contract import Head, Model, Output
from wildtext.models.srn import SelfAttention
from wildtext.models.trunks import ResNet


@dataclass(frozen=True)
class SRNResNet1dConfig:
    """Sizes of `SRNResNet1d`; the defaults are the reimplementation's.

    Attributes:
        width: canvas in pixels, 32 high; a column for every four.
        image_channels: 1 for grey, 3 for colour.
        features: of a column; the trunk's last layers have as many channels, the earlier ones follow.
        heads: attention heads of each transformer unit.
        encoder_units: transformer units over the columns.
        semantic_units: transformer units over the slots.
        max_length: longest text, in characters; there is one slot more, for the end.
        dropout: share of features that training hides.
    """

    width: int = 100
    image_channels: int = 1
    features: int = 512
    heads: int = 8
    encoder_units: int = 2
    semantic_units: int = 4
    max_length: int = 25
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_least(self, width=32, encoder_units=1, semantic_units=1, max_length=1, heads=1)
        check_image_channels(self.image_channels)
        if self.features < 16 or self.features % 16 or self.features % self.heads:
            raise ConfigError(
                f"size 'features' is {self.features}; it must be a multiple of 16, and of {self.heads} heads"
            )
        check_dropout(self.dropout)


class SRNResNet1d(Model):
    """Convolve, attend to each slot, reason about the word, add. Input (N, image_channels, 32, width).

    Heads and weights of the losses as in `wildtext.models.srn.SRN`. `Output.maps` has ``attention``
    (N, max_length + 1, 1, width / 4 + 1).
    """

    def __init__(self, config: SRNResNet1dConfig, charset: Charset):
        super().__init__()
        self.config = config
        end = len(charset)
        classes, slots, columns = end + 2, config.max_length + 1, len(ResNet.centres(config.width))
        codec = Sequence(charset, config.max_length, classes, first=0, begin=None, end=end, pad=end + 1)
        self.heads = {
            name: Head(codec, loss="cross_entropy", weight=weight)
            for name, weight in (("visual", 1.0), ("semantic", 0.15), ("text", 2.0))
        }
        self.primary = "text"
        self.trunk = ResNet(config.image_channels, config.features)
        self.encoder = Transformer(columns, config, config.encoder_units)
        self.visual_attention = VisualAttention(slots, columns, config.features)
        self.visual_classifier = nn.Linear(config.features, classes)
        self.characters = nn.Embedding(classes, config.features)
        self.reasoning = Transformer(slots, config, config.semantic_units)
        self.semantic_classifier = nn.Linear(config.features, classes)
        self.classifier = nn.Linear(config.features, classes)

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        columns = self.encoder(self.trunk(images).mean(dim=2).transpose(1, 2))
        visual, attention = self.visual_attention(columns)
        visual_logits = self.visual_classifier(visual)
        semantic = self.reasoning(self.characters(visual_logits.argmax(-1)))
        logits = {
            "visual": visual_logits,
            "semantic": self.semantic_classifier(semantic),
            "text": self.classifier(visual + semantic),
        }
        return Output(logits, {"attention": attention.unsqueeze(2)})


class VisualAttention(nn.Module):
    """For each slot a weighted mean of the columns.

    The embeddings of the reading order become one vector a column, whatever the slot; what tells the slots apart is
    that the last layer has an output for each.
    """

    def __init__(self, slots: int, columns: int, features: int):
        super().__init__()
        self.order = nn.Parameter(torch.randn(slots, features))
        self.order_to_columns = nn.Linear(slots, columns)
        self.keys = nn.Linear(features, features)
        self.score = nn.Linear(features, slots)

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """(N, w, features) to what each slot saw, (N, slots, features), and where, (N, slots, w)."""
        order = self.order_to_columns(self.order.T).T
        scores = self.score(torch.tanh(order + self.keys(columns)))
        attention = scores.float().softmax(dim=1).transpose(1, 2)
        return attention @ columns, attention


class Transformer(nn.Module):
    """Adds fixed positions and passes transformer units. (N, positions, features) to the same shape."""

    position: Tensor

    def __init__(self, positions: int, config: SRNResNet1dConfig, units: int):
        super().__init__()
        self.register_buffer("position", sinusoids(positions, config.features), persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        self.units = nn.Sequential(
            *(TransformerUnit(config.features, config.heads, config.dropout) for _ in range(units))
        )
        self.norm = nn.LayerNorm(config.features, eps=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.norm(self.units(self.dropout(tokens + self.position)))
        return out


class TransformerUnit(nn.Module):
    """Self-attention and a perceptron, each beside an identity and in front of a normalisation."""

    def __init__(self, features: int, heads: int, dropout: float):
        super().__init__()
        self.attention = SelfAttention(features, heads, dropout, bias=True)
        self.norm_attention = nn.LayerNorm(features)
        self.mlp = nn.Sequential(
            nn.Linear(features, 2 * features), nn.ReLU(inplace=True), nn.Linear(2 * features, features)
        )
        self.norm_mlp = nn.LayerNorm(features)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, features) to the same shape."""
        tokens = self.norm_attention(tokens + self.dropout(self.attention(tokens)))
        out: Tensor = self.norm_mlp(tokens + self.dropout(self.mlp(tokens)))
        return out


def sinusoids(positions: int, features: int) -> Tensor:
    """Positions as waves of many lengths (Vaswani et al. 2017, section 3.5): (positions, features).

    Even features are sines, odd ones the cosines of the same angles.
    """
    wave = torch.arange(features, dtype=torch.float64)
    angle = torch.arange(positions).unsqueeze(1) / 10000 ** (2 * (wave // 2) / features)
    return torch.where(wave % 2 == 0, angle.sin(), angle.cos()).float()
