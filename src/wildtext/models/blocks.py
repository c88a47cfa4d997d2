"""Layers that several architectures share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNorm(nn.Sequential):
    """3x3 convolution without bias, batch normalisation and, unless it ends a residual branch, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int | tuple[int, int] = 1, relu: bool = True):
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside an identity, or a 1x1 convolution where the channels change (He et al. 2016)."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.branch = nn.Sequential(ConvNorm(in_channels, channels), ConvNorm(channels, channels, relu=False))
        self.shortcut = nn.Sequential()
        if in_channels != channels:
            self.shortcut.extend([nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels)])
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, channels, H, W)."""
        out: Tensor = self.relu(self.branch(features) + self.shortcut(features))
        return out

    def silence(self) -> None:
        """Make the branch add nothing, until training lets it: what is not negative passes as it is."""
        for parameter in self.branch.get_submodule("1.1").parameters():  # of the last normalisation
            nn.init.zeros_(parameter)


def initialise_convolutions(network: nn.Module) -> None:
    """Draw kernels as He et al. (2015) do, and set biases to 0: torch's default shrinks the signal at each layer."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class EncoderLayer(nn.Module):
    """Pre-norm transformer encoder layer (Vaswani et al. 2017, with the normalisation first)."""

    def __init__(self, width: int, heads: int, *, expansion: int = 4, eps: float = 1e-5, qkv_bias: bool = True):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} attention heads")
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width, eps=eps)
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.projection = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width, eps=eps)
        self.mlp = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, width) to the same shape."""
        return self._update(tokens, *self._project(tokens))

    def attend(self, tokens: Tensor, start: int = 0) -> tuple[Tensor, Tensor]:
        """Like `forward`, and what it looked at.

        Args:
            tokens: (N, T, width).
            start: the first sample whose attention is wanted.

        Returns:
            Tokens (N, T, width), and attention (N - start, T, T) in float32, of queries to keys, averaged over heads.
        """
        query, key, value = self._project(tokens)
        with torch.autocast(tokens.device.type, enabled=False):
            scaled = query[start:].float() / query.shape[-1] ** 0.5
            attention = (scaled @ key[start:].float().transpose(2, 3)).softmax(dim=-1).sum(dim=1) / self.heads
        return self._update(tokens, query, key, value), attention

    def _project(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value (N, heads, T, width / heads)."""
        count, steps, width = tokens.shape
        qkv = self.qkv(self.norm_attention(tokens)).view(count, steps, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        return query, key, value

    def _update(self, tokens: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """The tokens after attention and perceptron."""
        attended = dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        tokens = tokens + self.projection(attended)
        out: Tensor = tokens + self.mlp(self.norm_mlp(tokens))
        return out

    def silence(self) -> None:
        """Make attention and perceptron add nothing, until training lets them: tokens pass as they are."""
        for parameter in (*self.projection.parameters(), *self.mlp[2].parameters()):
            nn.init.zeros_(parameter)


def dot_product_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot product attention (Vaswani et al. 2017) of (N, heads, T, size) each, to the same shape.

    The fused kernel is the quicker one, but for its gradient in bfloat16 on CPUs: there plain products of matrices
    take half the time.
    """
    if query.requires_grad and query.dtype == torch.bfloat16 and query.device.type == "cpu":
        scores = query / query.shape[-1] ** 0.5 @ key.transpose(2, 3)
        attended: Tensor = scores.softmax(dim=-1) @ value
        return attended
    return F.scaled_dot_product_attention(query, key, value)
