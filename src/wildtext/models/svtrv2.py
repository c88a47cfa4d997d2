"""SVTRv2 (Du et al., "SVTRv2: CTC Beats Encoder-Decoder Models in Scene Text Recognition", ICCV 2025).

CTC is quick, but it wants characters in columns from left to right, and it knows no language. SVTRv2 mends both without
a decoder. An image is brought to the size that suits its aspect, so that text is hardly squeezed. The encoder keeps a
column for every four pixels and four to eight rows, and a *rearrangement* lets places take what they need from their
row and columns from their rows, so that bent and turned text comes out in order. While it learns, a second head must
tell each character from its neighbours in the text and from the image; this *semantic guidance* puts knowledge of
language into the features, and is dropped when the model reads.

There are no embeddings of positions, so any height in steps of 8 pixels and any width in steps of 4 will do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import CTC, Sequence
from wildtext.errors import ConfigError
from wildtext.models.blocks import EncoderLayer, dot_product_attention
from wildtext.models.checks import check_least
from wildtext.models.contract import Head, Model, Output
from wildtext.models.svtrv2_guidance import SemanticGuidance

_EPSILON = 1e-6
"""Of the normalisations in the stages' layers."""

_COLUMN = 4
"""Pixels of the canvas to a column."""

_STRIDES = ((1, 1), (2, 1))
"""Of the convolutions between the stages; the stem has four in both directions."""


@dataclass(frozen=True)
class SVTRv2Config:
    """Sizes of `SVTRv2`; the defaults are the preset `svtrv2-tiny`.

    Attributes:
        channels: of the three stages.
        depths: layers of each.
        local: how many of them, the first ones, convolve; the others attend to the whole image.
        head_size: features of an attention head, and channels of a group of a convolution.
        stochastic_depth: how often training leaves out what the last layer adds; the others follow linearly from 0.
        guidance: whether training has the head for semantic guidance.
        noisy_context: whether that head gets contexts with wrong characters in them.
        max_length: longest label, in characters, that it can be asked about.
    """

    channels: tuple[int, ...] = (64, 128, 256)
    depths: tuple[int, ...] = (3, 6, 3)
    local: tuple[int, ...] = (3, 3, 0)
    head_size: int = 32
    stochastic_depth: float = 0.1
    guidance: bool = True
    noisy_context: bool = True
    max_length: int = 25

    def __post_init__(self) -> None:
        size = self.head_size
        if size < 2 or size % 2:
            raise ConfigError(f"size 'head_size' is {size}; it must be even, and at least 2")
        if len(self.channels) != 3 or min(self.channels) < size or any(number % size for number in self.channels):
            raise ConfigError(f"size 'channels' is {self.channels}; it must be 3 multiples of 'head_size', {size}")
        if len(self.depths) != 3 or min(self.depths) < 1:
            raise ConfigError(f"size 'depths' is {self.depths}; it must be 3 numbers of at least 1")
        if len(self.local) != 3 or any(
            not 0 <= some <= depth for some, depth in zip(self.local, self.depths, strict=True)
        ):
            raise ConfigError(f"size 'local' is {self.local}; it must be 3 numbers up to 'depths', {self.depths}")
        if not 0 <= self.stochastic_depth < 1:
            raise ConfigError(f"size 'stochastic_depth' is {self.stochastic_depth}; it must be at least 0 and below 1")
        check_least(self, max_length=1)


class SVTRv2(Model):
    """Convolve, attend, rearrange, CTC. Input (N, 3, H, W), H a multiple of 8 and W of 4.

    Heads: ``text`` is read and has W / 4 columns; ``guidance`` is for training alone. `Output.maps` has ``attention``
    (N, W / 4, H / 8, W / 4) where no targets are given: from which row each column took its features. The losses have
    the weights of the paper: 0.1 for CTC beside the guidance.
    """

    def __init__(self, config: SVTRv2Config, charset: Charset):
        super().__init__()
        self.config = config
        codec = CTC(charset, stride=_COLUMN)
        weight = 0.1 if config.guidance else 1.0
        self.heads = {"text": Head(codec, loss="ctc_undivided", weight=weight, aligned=True)}
        self.primary = "text"
        if config.guidance:
            self.heads["guidance"] = Head(_codec(charset, config.max_length), loss="multi_view", training_only=True)

        width = config.channels[-1]
        stem = _stem(config.channels[0])
        # Features lie as (N, H, W, C) throughout, which is how layers of tokens and convolutions both like them.
        self.stem = stem.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.stages = _stages(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.rearrangement = Rearrangement(width, width // config.head_size)
        self.classifier = nn.Linear(width, codec.classes)
        self.guidance = (
            SemanticGuidance(width, config.head_size, len(charset), noisy=config.noisy_context)
            if config.guidance
            else None
        )
        self._initialise()

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        stem = self.stem(images.contiguous(memory_format=torch.channels_last))
        grid = self.stages(stem.permute(0, 2, 3, 1))
        columns, rows = self.rearrangement(grid)
        logits = {"text": self.classifier(columns)}
        if targets is None:
            # A column takes from its own rows alone.
            return Output(logits, {"attention": torch.diag_embed(rows).transpose(1, 2)})
        if self.guidance is None or "guidance" not in targets:
            return Output(logits)
        logits["guidance"], answers = self.guidance(grid.flatten(1, 2), targets["guidance"])
        return Output(logits, targets={"guidance": answers})

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


class Layer(nn.Module):
    """Looks around, then at each place by itself; both beside an identity, with a normalisation behind the sum.

    Args:
        mixer: what looks around, (N, h, w, width) to the same shape.
        width: features of a place.
        left_out: how often training leaves out, for a sample, what one of the two adds.
    """

    def __init__(self, mixer: nn.Module, width: int, left_out: float):
        super().__init__()
        self.mixer = mixer
        self.norm_mixer = nn.LayerNorm(width, eps=_EPSILON)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norm_mlp = nn.LayerNorm(width, eps=_EPSILON)
        self.left_out = left_out

    def forward(self, grid: Tensor) -> Tensor:
        """(N, h, w, width) to the same shape."""
        grid = self.norm_mixer(grid + self._thinned(self.mixer(grid)))
        out: Tensor = self.norm_mlp(grid + self._thinned(self.mlp(grid)))
        return out

    def _thinned(self, added: Tensor) -> Tensor:
        """Stochastic depth (Huang et al. 2016): nothing for some samples, more for the others to make up for it."""
        if not self.training or not self.left_out:
            return added
        kept = torch.full((added.shape[0], 1, 1, 1), 1 - self.left_out, device=added.device).bernoulli()
        return added * (kept / (1 - self.left_out)).to(added.dtype)


class LocalMixer(nn.Module):
    """Two grouped 3x3 convolutions with nothing in between. (N, h, w, channels) to the same shape."""

    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(channels, channels, 3, padding=1, groups=groups) for _ in range(2))
        )

    def forward(self, grid: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.convolutions(grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return out


class GlobalMixer(nn.Module):
    """Self-attention of all places to all (Vaswani et al. 2017). (N, h, w, width) to the same shape."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, grid: Tensor) -> Tensor:
        """See the class."""
        qkv = self.qkv(grid.flatten(1, 2)).unflatten(2, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attended = dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        out: Tensor = self.projection(attended).unflatten(1, grid.shape[1:3])
        return out


class Merge(nn.Module):
    """A 3x3 convolution to the next stage's channels, which may halve the height. (N, h, w, C) to (N, h', w, C')."""

    def __init__(self, in_channels: int, channels: int, stride: tuple[int, int]):
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1)
        self.norm = nn.LayerNorm(channels)

    def forward(self, grid: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.norm(self.convolution(grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return out


class Rearrangement(nn.Module):
    """Feature rearrangement (section 3.2): text that does not run along the columns comes to lie in them.

    Horizontally, the places of a row attend to each other. Vertically, a learnt query chooses for each column among its
    rows. The paper gives a place a key K x + c and a value V x + b; what c adds is the same for all rows, so it is left
    out, and the query is multiplied with K, and V follows the choice, when only one row is left of each column.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.horizontal = EncoderLayer(width, heads, qkv_bias=False)
        self.query = nn.Parameter(torch.empty(width))
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        nn.init.trunc_normal_(self.query, std=0.02)

    def forward(self, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Rearrange.

        Args:
            grid: (N, h, w, width).

        Returns:
            The columns (N, w, width), and how much of each row they took, (N, h, w) float32, summing to 1 over rows.
        """
        grid = self.horizontal(grid.flatten(0, 1)).unflatten(0, (-1, grid.shape[1]))
        with torch.autocast(grid.device.type, enabled=False):  # scores are not scaled, and sharp
            rows = (grid.float() @ (self.query @ self.key.weight)).softmax(dim=1)
            chosen = (rows[..., None] * grid.float()).sum(dim=1)
        return self.value(chosen), rows


def _stem(channels: int) -> nn.Sequential:
    """(N, 3, H, W) to (N, channels, H / 4, W / 4)."""
    layers: list[nn.Module] = []
    for before, after in ((3, channels // 2), (channels // 2, channels)):
        convolution = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(after), nn.GELU()]
    return nn.Sequential(*layers)


def _stages(config: SVTRv2Config) -> nn.Sequential:
    """(N, H / 4, W / 4, channels[0]) to (N, H / 8, W / 4, channels[2])."""
    last = max(sum(config.depths) - 1, 1)
    rates = iter(config.stochastic_depth * number / last for number in range(sum(config.depths)))
    stages = nn.Sequential()
    for number, (channels, depth, local) in enumerate(zip(config.channels, config.depths, config.local, strict=True)):
        heads = channels // config.head_size
        mixers = [
            LocalMixer(channels, heads) if index < local else GlobalMixer(channels, heads) for index in range(depth)
        ]
        stage = nn.Sequential(*(Layer(mixer, channels, next(rates)) for mixer in mixers))
        if number < len(_STRIDES):
            stage.append(Merge(channels, config.channels[number + 1], _STRIDES[number]))
        stages.append(stage)
    return stages


def _codec(charset: Charset, max_length: int) -> Sequence:
    """The end, which also fills up, is 0; then the characters. The last class is never an answer.

    It is the begin token of the authors' code, which their classifier has too.
    """
    return Sequence(charset, max_length, classes=len(charset) + 2, first=1, begin=None, end=0, pad=0)
