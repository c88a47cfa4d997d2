"""MGP-STR (Wang, Da and Yao, "Multi-Granularity Prediction for Scene Text Recognition", ECCV 2022).

A plain vision transformer turns patches of four by four pixels into tokens, and knows no language by itself. Instead of
adding a language model that corrects its readings, the same tokens are asked for the text in three granularities:
characters, the byte pairs of GPT-2, and the word pieces of BERT. Subwords are how language is spelt, so what is likely
to be written seeps into the tokens while they learn to tell them. Each granularity has a module of its own that decides
where its slots look; all slots are written at once. The granularity that is surest of its whole text is read.

With characters alone this is the paper's vision-only baseline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import Codec, Sequence, Subword
from wildtext.errors import CharsetError, ConfigError
from wildtext.models.blocks import EncoderLayer
from wildtext.models.checks import check_least
from wildtext.models.contract import Head, Model, Output

_PATCH = 4
"""Pixels of the canvas to a token, in both directions."""

_GROUPS = 8
"""Parts of a token that the weights of `Addressing` keep apart."""

_CODECS: dict[str, Callable[[Charset, int], Codec]] = {
    "characters": Sequence.mgp,
    "bpe": Subword.gpt2,
    "wordpiece": Subword.bert_uncased,
}


@dataclass(frozen=True)
class MGPSTRConfig:
    """Sizes of `MGPSTR`; the defaults are the preset `mgp-str-tiny`.

    Attributes:
        height, width: canvas in pixels.
        features: size of a token.
        layers: transformer layers.
        heads: attention heads of each.
        granularities: what is written: `characters`, `bpe` (byte pairs of GPT-2), `wordpiece` (BERT uncased). Among
            equally confident ones the first is read. BERT's pieces have neither capitals nor spaces, so a charset with
            these must do without them.
        norm_eps: what the layers' normalisations add to variances: 1e-6 in the authors' code, 1e-5 in the port of
            Hugging Face.
        max_length: longest text, in characters and in subwords.
    """

    height: int = 32
    width: int = 128
    features: int = 192
    layers: int = 12
    heads: int = 3
    granularities: tuple[str, ...] = ("characters", "bpe", "wordpiece")
    norm_eps: float = 1e-6
    max_length: int = 25

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            size = getattr(self, name)
            if size < _PATCH or size % _PATCH:
                raise ConfigError(f"size {name!r} is {size}; it must be a multiple of {_PATCH}, and at least that")
        if self.features < 1 or self.features % _GROUPS:
            raise ConfigError(f"size 'features' is {self.features}; it must be a multiple of {_GROUPS}")
        if self.heads < 1 or self.features % self.heads:
            raise ConfigError(f"size 'heads' is {self.heads}; it must divide 'features', which is {self.features}")
        check_least(self, layers=1, max_length=1)
        chosen = self.granularities
        if not chosen or len({*chosen}) < len(chosen) or {*chosen} - _CODECS.keys():
            raise ConfigError(f"size 'granularities' is {chosen}; choose from {', '.join(_CODECS)}, each once at most")


class MGPSTR(Model):
    """Patches, transformer, and for each granularity slots that look at its tokens. Input (N, 3, height, width).

    `Output.maps` has ``attention.<granularity>`` (N, T, height / 4, width / 4) where no targets are given. Slots may
    also look at the class token, which has no place; the maps show how the rest of their attention is spread.
    """

    def __init__(self, config: MGPSTRConfig, charset: Charset):
        super().__init__()
        self.config = config
        names, features = config.granularities, config.features
        codecs = {name: _codec(name, charset, config.max_length) for name in names}
        self.heads = {name: Head(codec, loss="cross_entropy") for name, codec in codecs.items()}
        self.primary = names[0]
        self.fused = names if len(names) > 1 else ()

        self.grid = (config.height // _PATCH, config.width // _PATCH)
        self.patches = nn.Conv2d(3, features, _PATCH, stride=_PATCH)
        self.class_token = nn.Parameter(torch.zeros(1, 1, features))
        self.position = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], features))
        self.layers = nn.Sequential(
            *(EncoderLayer(features, config.heads, eps=config.norm_eps) for _ in range(config.layers))
        )
        slots = config.max_length + 2
        self.addressing = nn.ModuleDict({name: Addressing(features, slots) for name in names})
        self.classifiers = nn.ModuleDict({name: nn.Linear(features, codec.classes) for name, codec in codecs.items()})
        self._initialise()

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        """See `Model.forward`. Nothing is fed back, so targets only say that nobody wants to look at maps."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(patches.shape[0], -1, -1), patches], dim=1) + self.position
        tokens = self.layers(tokens)
        logits, maps = {}, {}
        for name, classifier in self.classifiers.items():
            slots, scores = self.addressing[name](tokens)
            logits[name] = classifier(slots)
            if targets is None:
                maps[f"attention.{name}"] = scores[:, :, 1:].softmax(dim=2).unflatten(2, self.grid)
        return Output(logits, maps)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for parameter in (self.class_token, self.position):
            nn.init.trunc_normal_(parameter, std=0.02)


class Addressing(nn.Module):
    """Adaptive addressing and aggregation, A3 (section 3.2): each slot gathers the tokens that it looks at.

    For the normalised tokens X the paper takes attention A = softmax(W X), from a grouped map and one to the slots, and
    gives norm(A V), with V = U X for another grouped map. There is nothing but products around the softmax, so here the
    two maps of W are multiplied with each other before they meet the tokens, and U follows A, when few slots are left
    of many tokens.

    Args:
        features: size of a token.
        slots: how many are gathered.
    """

    def __init__(self, features: int, slots: int):
        super().__init__()
        size = features // _GROUPS
        self.norm_tokens = nn.LayerNorm(features)
        self.queries = nn.Parameter(torch.empty(slots, features))
        self.keys = nn.Parameter(torch.empty(_GROUPS, size, size))
        self.values = nn.Parameter(torch.empty(_GROUPS, size, size))
        self.norm_slots = nn.LayerNorm(features)
        for weights in (self.queries, self.keys, self.values):
            bound = weights.shape[-1] ** -0.5
            nn.init.uniform_(weights, -bound, bound)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Gather.

        Args:
            tokens: (N, tokens, features).

        Returns:
            The slots (N, slots, features), and the scores (N, slots, tokens) whose softmax is the attention.
        """
        tokens = self.norm_tokens(tokens)
        with torch.autocast(tokens.device.type, enabled=False):  # scores are not scaled, and sharp
            scores = _grouped(self.queries, self.keys.transpose(1, 2)) @ tokens.float().transpose(1, 2)
        gathered = scores.softmax(dim=2) @ tokens
        return self.norm_slots(_grouped(gathered, self.values)), scores


def _grouped(rows: Tensor, weights: Tensor) -> Tensor:
    """Map each part of rows (..., features) with weights (groups, out, in) of its own."""
    return torch.einsum("...gi,goi->...go", rows.reshape(*rows.shape[:-1], _GROUPS, -1), weights).flatten(-2)


def _codec(granularity: str, charset: Charset, max_length: int) -> Codec:
    try:
        return _CODECS[granularity](charset, max_length)
    except CharsetError as error:
        raise ConfigError(f"leave {granularity!r} out of size 'granularities': {error}") from error
