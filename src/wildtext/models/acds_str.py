"""ACDS-STR (Xue et al., "Attention Guidance by Cross-Domain Supervision Signals for Scene Text Recognition", TIP 2025).

A recogniser's attention learns where characters are from the labels alone, and drifts where they are hard to see. Here
a second signal says it: a map of the *core areas*, the middle halves of the characters' boxes, which the convolutions
predict and which words with known boxes supervise, as one would train a segmentation. The map then guides attention in
the last layers of a transformer, and beside the plain tokens runs a second stream of guided ones; a gate mixes the two.
A decoder without attention turns the tokens into one slot per character.

The layers and sizes are those of the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.errors import ConfigError
from wildtext.models.blocks import EncoderLayer, initialise_convolutions
from wildtext.models.checks import check_least
from wildtext.models.contract import Head, MapLoss, Model, Output
from wildtext.models.resnet45 import Pyramid, ResNet45

_STRIDE = 4
"""Pixels of the canvas to a token, in both directions."""

_EPSILON = 1e-6
"""Of the normalisations in the transformer."""


@dataclass(frozen=True)
class ACDSSTRConfig:
    """Sizes of `ACDSSTR`; the defaults are the preset `acds-str-small`.

    Attributes:
        height, width: canvas in pixels.
        channels: of the five stages of the trunk.
        depths: residual blocks of each.
        features: size of a token.
        heads: attention heads of a transformer layer.
        layers: transformer layers.
        guided: how many of them, the last ones, have a guided stream beside the plain one.
        groups: of the decoder's mixing of features.
        max_length: longest text, in characters.
        legacy: reads the map as the authors' code does, for weights that were trained with it: as probabilities,
            which a clamp keeps within 0.01 and 0.99, and which guide attention unclamped.
    """

    height: int = 32
    width: int = 128
    channels: tuple[int, ...] = (32, 64, 128, 256, 512)
    depths: tuple[int, ...] = (3, 4, 6, 6, 3)
    features: int = 768
    heads: int = 12
    layers: int = 6
    guided: int = 2
    groups: int = 8
    max_length: int = 25
    legacy: bool = False

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            size = getattr(self, name)
            if size < _STRIDE or size % _STRIDE:
                raise ConfigError(f"size {name!r} is {size}; it must be a multiple of {_STRIDE}, and at least that")
        # With fewer channels oneDNN's gradient of the strided shortcuts writes past its memory (its issue 6035).
        for name, least in (("channels", 16), ("depths", 1)):
            numbers = getattr(self, name)
            if len(numbers) != 5 or min(numbers) < least:
                raise ConfigError(f"size {name!r} is {numbers}; it must be 5 numbers of at least {least}")
        for name in ("heads", "groups"):
            parts = getattr(self, name)
            if parts < 1 or self.features < 1 or self.features % parts:
                raise ConfigError(f"size {name!r} is {parts}; it must divide 'features', which is {self.features}")
        if not 1 <= self.guided < self.layers:
            raise ConfigError(f"size 'guided' is {self.guided}; it must be at least 1 and below {self.layers} layers")
        check_least(self, max_length=1)


class ACDSSTR(Model):
    """Convolve, find the cores, guide attention by them, write. Input (N, 3, height, width).

    `Output.maps` has ``core_area`` (N, 1, height, width): logits, whose sigmoid is the probability that a pixel lies in
    the core of a character. There is no attention map: the decoder mixes all tokens alike for every image.
    """

    def __init__(self, config: ACDSSTRConfig, charset: Charset):
        super().__init__()
        self.config = config
        codec = Sequence.mgp(charset, config.max_length)
        self.heads = {"text": Head(codec, loss="cross_entropy")}
        self.primary = "text"
        self.supervised = {"core_area": MapLoss("core_area", weight=0.5)}

        channels, features = config.channels, config.features
        self.trunk = ResNet45(3, channels, config.depths)
        self.pyramid = Pyramid(channels[0], channels[1], channels[3])
        self.core_area = CoreArea(self.pyramid.channels)
        tokens = 1 + config.height // _STRIDE * (config.width // _STRIDE)
        self.embedding = nn.Conv2d(channels[4], features, 3, padding=1, bias=False)
        self.class_token = nn.Parameter(torch.zeros(1, 1, features))
        self.class_core = nn.Parameter(torch.zeros(1, 1, 1))
        self.position = nn.Parameter(torch.zeros(1, tokens, features))
        self.layers = nn.ModuleList(EncoderLayer(features, config.heads, eps=_EPSILON) for _ in range(config.layers))
        self.norm = nn.LayerNorm(features, eps=_EPSILON)
        self.gate = nn.Linear(2 * features, features, bias=False)
        self.decoder = LinearDecoder(tokens, features, codec.skip + codec.slots, codec.classes, config.groups)
        self._initialise()

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`."""
        stem, _, second, _, fourth, fifth = self.trunk(images.contiguous(memory_format=torch.channels_last))
        core_area = self.core_area(self.pyramid(stem, second, fourth))
        patches = self.embedding(fifth).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(patches.shape[0], -1, -1), patches], dim=1) + self.position
        plain, guided = self._encode(tokens, self._guide(core_area))
        share = self.gate(torch.cat([plain, guided], dim=2)).sigmoid()
        logits = self.decoder(share * plain + (1 - share) * guided)
        return Output({"text": logits}, {"core_area": core_area.logit(0.01) if self.config.legacy else core_area})

    def _guide(self, core_area: Tensor) -> Tensor:
        """How much each token shall gather: the map (N, 1, height, width) to (N, tokens, 1), the class token first."""
        corners = core_area[:, :, ::_STRIDE, ::_STRIDE].flatten(2).transpose(1, 2)
        guide = torch.cat([self.class_core.expand(corners.shape[0], -1, -1), corners], dim=1)
        return guide if self.config.legacy else guide.sigmoid()

    def _encode(self, tokens: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """The transformer: tokens (N, tokens, features) to plain and guided ones.

        The guided stream starts behind the last layer without guidance. From there on both go through each layer, in
        one batch, as its weights are the same for both.
        """
        layers = cast("list[EncoderLayer]", list(self.layers))
        count, last = tokens.shape[0], len(layers) - self.config.guided - 1
        for layer in layers[:last]:
            tokens = layer(tokens)
        plain, attention = layers[last].attend(tokens)
        guided = self.norm(gather(attention, guide, plain))
        for layer in layers[last + 1 :]:
            both, attention = layer.attend(torch.cat([plain, guided]), start=count)
            plain, guided = both[:count], self.norm(gather(attention, guide, both[count:]))
        return plain, self.norm(gather(attention, guide, plain) + guided)

    def _initialise(self) -> None:
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for parameter in (self.class_token, self.position):
            nn.init.trunc_normal_(parameter, std=0.02)
        # Both streams count alike at first.
        nn.init.zeros_(self.gate.weight)


def gather(attention: Tensor, guide: Tensor, tokens: Tensor) -> Tensor:
    """Guided attention: sums of tokens, in which those of core areas gather more.

    The guide raises the attention that a token pays to all tokens alike, and the sigmoid of the sum, not its softmax,
    weighs them; so the weights of a row differ but little. That little is lost in bfloat16, so this stays in float32.

    Args:
        attention: (N, T, T) from queries to keys.
        guide: (N, T, 1).
        tokens: (N, T, features).

    Returns:
        (N, T, features) float32.
    """
    with torch.autocast(tokens.device.type, enabled=False):
        # The sigmoid, by way of its logarithm: a row of small weights is normalised later, and so must be exact in
        # relative terms. ONNX Runtime's sigmoid is within 1e-7, which is too little there.
        weights = (-F.softplus(-(attention + guide.float()))).exp()
        return weights @ tokens.float()


class CoreArea(nn.Module):
    """Finds the cores by two 1x1 convolutions with nothing in between. (N, channels, H, W) to (N, 1, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.score = nn.Conv2d(channels, 1, 1, bias=False)
        initialise_convolutions(self.mix)
        # Logits near zero: of large ones it would take many steps to get away.
        nn.init.normal_(self.score.weight, std=0.01)

    def forward(self, features: Tensor) -> Tensor:
        """See the class. The kernels are multiplied, so that the features go through one convolution only."""
        kernel = self.score.weight.flatten(1) @ self.mix.weight.flatten(1)
        return F.conv2d(features, kernel[:, :, None, None])


class LinearDecoder(nn.Module):
    """Turns tokens into slots and features into classes, by two linear maps each, without attention.

    Args:
        tokens: how many come in.
        features: size of each.
        slots: how many go out.
        classes: size of each.
        groups: of the first map of the features.
    """

    def __init__(self, tokens: int, features: int, slots: int, classes: int, groups: int):
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.mix_tokens = nn.Linear(tokens, tokens, bias=False)
        self.to_slots = nn.Linear(tokens, slots, bias=False)
        self.mix_features = nn.Conv1d(features, features, 1, groups=groups, bias=False)
        self.to_classes = nn.Conv1d(features, classes, 1, bias=False)
        self.norm_logits = nn.LayerNorm(classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, tokens, features) to (N, slots, classes). The maps of tokens are multiplied first, as above."""
        slots = self.to_slots.weight @ self.mix_tokens.weight @ self.norm(tokens)
        scores = self.to_classes(self.mix_features(slots.transpose(1, 2)))
        logits: Tensor = self.norm_logits(scores.transpose(1, 2))
        return logits
