"""Labelled word images from nothing: an endless, seeded source of samples with character boxes."""

from wildtext.synth.source import Draft, SyntheticWords, alike, develop

__all__ = ["Draft", "SyntheticWords", "alike", "develop"]
