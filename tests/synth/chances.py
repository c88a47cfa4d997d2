"""Options of the synthetic source with all chances alike, for several tests."""

from dataclasses import fields
from typing import Any

from wildtext.config import AppearanceOptions, CaptureOptions, LayoutOptions, SynthOptions
from wildtext.errors import SampleError
from wildtext.synth import SyntheticWords
from wildtext.types import Sample


def chances(kind: type[Any], chance: float, **others: Any) -> Any:
    """Options of which every chance is the same, but for those that are named."""
    return kind(**{**{field.name: chance for field in fields(kind) if field.type == "float"}, **others})


PLAIN = SynthOptions(
    layout=chances(LayoutOptions, 0), appearance=chances(AppearanceOptions, 0), capture=chances(CaptureOptions, 0)
)
BUSY = SynthOptions(
    layout=chances(LayoutOptions, 0.35, stacked=0.1, turned=0.1),
    appearance=chances(AppearanceOptions, 0.4),
    capture=chances(CaptureOptions, 0.5, clean=0.0),
)
EXTREME = SynthOptions(
    layout=chances(LayoutOptions, 1, stacked=0, turned=0),
    appearance=chances(AppearanceOptions, 1),
    capture=chances(CaptureOptions, 1, clean=0),
)


def drawn(source: SyntheticWords, indices: list[int]) -> list[Sample]:
    """Samples drawn together, all of which can be drawn."""
    samples = source.samples(indices)
    assert not [sample for sample in samples if isinstance(sample, SampleError)]
    return [sample for sample in samples if isinstance(sample, Sample)]
