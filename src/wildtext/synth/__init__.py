"""Labelled word images from nothing: an endless, seeded source of samples with character boxes."""

from wildtext.synth.source import Draft, SyntheticWords, develop

__all__ = ["Draft", "SyntheticWords", "develop"]
