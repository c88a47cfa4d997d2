"""Kinds of noise that `images.augment` lacks."""

from __future__ import annotations

from dataclasses import replace

from wildtext.images.effects import Amounts, Effect, Frames, noise, spread

_STEEP = 50.0
"""So steep are the edges of thresholds."""


def _shot(frames: Frames, at: Amounts) -> Frames:
    """As if white were so many `photons`."""
    strength = (frames.pixels.clamp(min=0) * spread(255 / at["photons"])).sqrt()
    return replace(frames, pixels=frames.pixels + noise(frames.pixels, at["seed"]) * strength)


def _impulse(frames: Frames, at: Amounts) -> Frames:
    """Values that are black or white: where normal noise is farther from 0 than a limit."""
    values, limit = noise(frames.pixels, at["seed"]), spread(at["limit"])
    white = ((values - limit) * _STEEP).clamp_(0, 1)
    black = ((-values - limit) * _STEEP).clamp_(0, 1)
    return replace(frames, pixels=frames.pixels * (1 - white - black) + white * 255)


def _speckle(frames: Frames, at: Amounts) -> Frames:
    """In proportion to the level."""
    return replace(frames, pixels=frames.pixels * (1 + noise(frames.pixels, at["seed"]) * spread(at["amount"])))


def _poisson(frames: Frames, at: Amounts) -> Frames:
    """A Poisson variable, taken to be normal, up or down; the same in all colours."""
    values, signs = noise(frames.pixels[:, :2], at["seed"]).chunk(2, 1)
    mean = spread(at["mean"])
    grain = (mean + values * mean.sqrt()) * (signs * _STEEP).clamp(-1, 1)
    return replace(frames, pixels=frames.pixels + grain)


NOISE = (
    Effect("shot", None, _shot),
    Effect("impulse", None, _impulse),
    Effect("speckle", None, _speckle),
    Effect("poisson", None, _poisson),
)
