"""SRN: read all characters at once, then let them correct each other (Yu et al., CVPR 2020).

An attention decoder gives each character what it wrote before: slow, in one direction, and a wrong character misleads
those behind it. SRN has no such chain. Its parallel visual attention asks the image for the first, second, ...
character with embeddings of the reading order alone. Global semantic reasoning then looks at the likeliest characters
and says for each slot what those on its left and on its right suggest, never what the slot itself holds. A gate
decides, feature by feature, how far to trust the eyes and how far the language. All three opinions are supervised.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.errors import ConfigError
from wildtext.models.checks import check_dropout, check_image_channels, check_least
from wildtext.models.contract import Head, Model, Output
from wildtext.models.resnet_fpn import STRIDE, ResNetFPN


@dataclass(frozen=True)
class SRNConfig:
    """Sizes of `SRN`; the defaults are those of the paper.

    Attributes:
        height, width: canvas in pixels; multiples of 8.
        image_channels: 1 for grey, 3 for colour.
        channels: of the stem, at least 16, as for fewer torch's strided 1x1 convolutions write beyond their memory; the
            four stages of the trunk give 4, 8, 16 and 32 times as many.
        depths: residual blocks of each stage.
        features: numbers that describe a place of the image or a character.
        heads: attention heads of each transformer unit.
        encoder_units: transformer units that let the places of the image know each other.
        semantic_units: transformer units of either reading direction.
        max_length: slots, each of which holds a character or the end.
        dropout: share of features that training hides.
        legacy: computes and reads as PaddleOCR's published weights need it: embeddings have nine tenths of their size,
            the character with id 0 has none, and a text goes on behind an end token.
    """

    height: int = 64
    width: int = 256
    image_channels: int = 1
    channels: int = 64
    depths: tuple[int, int, int, int] = (3, 4, 6, 3)
    features: int = 512
    heads: int = 8
    encoder_units: int = 2
    semantic_units: int = 4
    max_length: int = 25
    dropout: float = 0.1
    legacy: bool = False

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            if getattr(self, name) < STRIDE or getattr(self, name) % STRIDE:
                raise ConfigError(f"size {name!r} is {getattr(self, name)}; it must be a multiple of {STRIDE}")
        check_image_channels(self.image_channels)
        check_least(self, channels=16, encoder_units=1, semantic_units=1, max_length=1, heads=1)
        if len(self.depths) != 4 or min(self.depths) < 1:
            raise ConfigError(f"size 'depths' is {self.depths}; it must be 4 numbers of blocks, at least 1 each")
        if self.features < 1 or self.features % self.heads:
            raise ConfigError(f"size 'features' is {self.features}; it must be a multiple of {self.heads} heads")
        check_dropout(self.dropout)


class SRN(Model):
    """Convolve, attend to each slot, reason about the word, fuse. Input (N, image_channels, height, width).

    Heads: ``text`` is read; ``visual`` and ``semantic`` are the opinions that it is fused from. `Output.maps` has
    ``attention`` (N, max_length, height / 8, width / 8). The losses have the weights of the paper.

    Differs from PaddleOCR's model where that has slips: dropout ends with training, positions are learnt (there they
    stay as random as they were drawn), attention divides by the root of a head's features, every character has an
    embedding, and all kernels of the trunk's stages are 3x3. Features of the trunk enter as they are, not multiplied.
    """

    def __init__(self, config: SRNConfig, charset: Charset):
        super().__init__()
        self.config = config
        classes = len(charset) + 2
        self.heads = {
            "visual": Head(_codec(config, charset, classes), loss="cross_entropy", weight=1.0),
            "semantic": Head(_codec(config, charset, classes + 1), loss="cross_entropy", weight=0.15),
            "text": Head(_codec(config, charset, classes), loss="cross_entropy", weight=2.0),
        }
        self.primary = "text"
        features, self.grid = config.features, (config.height // STRIDE, config.width // STRIDE)
        # Kernels that lie like the features need not be reordered for each image.
        trunk = ResNetFPN(config.image_channels, config.channels, config.depths, features)
        self.trunk = trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.encoder = Transformer(
            self.grid[0] * self.grid[1], features, config.heads, config.encoder_units, config.dropout
        )
        self.visual_attention = VisualAttention(config.max_length, features)
        self.visual_classifier = nn.Linear(features, classes)
        self.reasoning = SemanticReasoning(config, classes)
        self.fusion = Fusion(features)
        self.classifier = nn.Linear(features, classes)

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        features = self.trunk(images)
        places = self.encoder(features.flatten(2).transpose(1, 2))
        visual, attention = self.visual_attention(places)
        visual_logits = self.visual_classifier(visual)
        # No gradient passes a choice: the eyes learn from what they see, the reasoning from what they chose.
        semantic, semantic_logits = self.reasoning(visual_logits.argmax(-1))
        logits = {
            "visual": visual_logits,
            "semantic": semantic_logits,
            "text": self.classifier(self.fusion(visual, semantic)),
        }
        return Output(logits, {"attention": attention.unflatten(2, self.grid)})


class VisualAttention(nn.Module):
    """Parallel visual attention (section 3.2): for each slot a weighted mean of the places of the image.

    Additive attention whose queries are embeddings of the reading order, the same for all images. The paper brings them
    through a matrix of their own, which an embedding can hold just as well.
    """

    def __init__(self, slots: int, features: int):
        super().__init__()
        self.values = nn.Linear(features, features)
        self.order = nn.Parameter(torch.randn(slots, features))
        self.score = nn.Linear(features, 1, bias=False)

    def forward(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """(N, P, features) to what each slot saw, (N, slots, features), and where, (N, slots, P)."""
        values = self.values(places)
        with torch.autocast(places.device.type, enabled=False):
            exact = values.float()
            # All slots at once would take several times as long: their pairs with places fit in no cache.
            scores = [self.score((exact + slot).tanh_()) for slot in self.order]
            attention = torch.cat(scores, dim=2).transpose(1, 2).softmax(dim=2)
        return attention @ values, attention


class SemanticReasoning(nn.Module):
    """Global semantic reasoning (section 3.3): what the other slots suggest that a slot holds.

    One stack of transformer units reads from the left and knows the slots before, another reads from the right and
    knows the slots behind; their sum knows all but the slot itself, so the slot's own character cannot be copied. The
    table of embeddings is the classifier too; its last row stands for the place before the text.
    """

    past: Tensor
    gain: Tensor

    def __init__(self, config: SRNConfig, classes: int):
        super().__init__()
        self.before = classes
        self.table = nn.Parameter(torch.randn(classes + 1, config.features) * config.features**-0.5)
        self.from_left = _reader(config)
        self.from_right = _reader(config)
        past = torch.ones(config.max_length, config.max_length, dtype=torch.bool).tril()
        self.register_buffer("past", past, persistent=False)
        # Section 3.4 of Vaswani et al. 2017: a table that classifies has small rows, embeddings shall have variance 1.
        gain = torch.full((classes + 1, 1), config.features**0.5)
        if config.legacy:
            gain *= 0.9
            gain[0] = 0
        self.register_buffer("gain", gain, persistent=False)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Ids (N, slots) to features (N, slots, features) and logits (N, slots, classes + 1)."""
        embeddings = self.table * self.gain
        left = F.pad(ids[:, :-1], (1, 0), value=self.before)
        from_left = self.from_left(F.embedding(left, embeddings), self.past)
        from_right = self.from_right(F.embedding(ids, embeddings), self.past.T)
        # What is known from a slot to the end is what the slot in front of it may know. The last has nothing behind it.
        semantic = from_left + F.pad(from_right[:, 1:], (0, 0, 0, 1))
        return semantic, F.linear(semantic, self.table)


class Fusion(nn.Module):
    """Visual-semantic fusion (section 3.4): a gate z for each feature, z visual + (1 - z) semantic."""

    def __init__(self, features: int):
        super().__init__()
        self.gate = nn.Linear(2 * features, features)

    def forward(self, visual: Tensor, semantic: Tensor) -> Tensor:
        """Two (N, slots, features) to one."""
        gate = torch.sigmoid(self.gate(torch.cat([visual, semantic], dim=-1)))
        return gate * visual + (1 - gate) * semantic


class Transformer(nn.Module):
    """Adds positions and passes transformer units. (N, positions, features) to the same shape."""

    def __init__(self, positions: int, features: int, heads: int, units: int, dropout: float):
        super().__init__()
        self.position = nn.Parameter(torch.randn(positions, features) * 0.02)
        self.dropout = nn.Dropout(dropout)
        self.units = nn.ModuleList(TransformerUnit(features, heads, dropout) for _ in range(units))
        self.norm = nn.LayerNorm(features)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask` (positions, positions) is true where a query (row) may look at a key."""
        tokens = self.dropout(tokens + self.position)
        for unit in self.units:
            tokens = unit(tokens, mask)
        out: Tensor = self.norm(tokens)
        return out


class TransformerUnit(nn.Module):
    """Self-attention and a perceptron as wide as the features, each behind a normalisation and beside an identity."""

    def __init__(self, features: int, heads: int, dropout: float):
        super().__init__()
        self.norm_attention = nn.LayerNorm(features)
        self.attention = SelfAttention(features, heads, dropout, bias=False)
        self.norm_mlp = nn.LayerNorm(features)
        self.mlp = nn.Sequential(
            nn.Linear(features, features), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(features, features)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """See `Transformer`."""
        tokens = tokens + self.dropout(self.attention(self.norm_attention(tokens), mask))
        out: Tensor = tokens + self.dropout(self.mlp(self.norm_mlp(tokens)))
        return out


class SelfAttention(nn.Module):
    """Scaled dot-product attention of several heads (Vaswani et al. 2017), with dropout of what it looks at."""

    def __init__(self, features: int, heads: int, dropout: float, *, bias: bool):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(features, 3 * features, bias=bias)
        self.projection = nn.Linear(features, features, bias=bias)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """See `Transformer`."""
        query, key, value = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        out: Tensor = self.projection(attended.transpose(1, 2).flatten(2))
        return out


def _reader(config: SRNConfig) -> Transformer:
    return Transformer(config.max_length, config.features, config.heads, config.semantic_units, config.dropout)


def _codec(config: SRNConfig, charset: Charset, classes: int) -> Sequence:
    """Characters from 0, then a begin token, which is never a target, then the end, which fills up the slots."""
    begin, end = len(charset), len(charset) + 1
    return Sequence(
        charset,
        config.max_length,
        classes,
        first=0,
        begin=None,
        end=end,
        pad=end,
        slots=config.max_length,
        silent=(begin, end) if config.legacy else (),
    )
