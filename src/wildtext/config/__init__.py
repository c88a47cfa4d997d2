"""Recipes: everything that decides a training run or what the synthetic source draws."""

from wildtext.config.recipe import (
    SHIPPED,
    SYNTH,
    DataOptions,
    LoopOptions,
    ModelOptions,
    OptimiserOptions,
    Recipe,
    find_recipe,
    from_dict,
    parse_share,
    read_recipe,
)
from wildtext.config.synth import (
    AppearanceOptions,
    CaptureOptions,
    LabelOptions,
    LayoutOptions,
    SynthOptions,
)

__all__ = [
    "SHIPPED",
    "SYNTH",
    "AppearanceOptions",
    "CaptureOptions",
    "DataOptions",
    "LabelOptions",
    "LayoutOptions",
    "LoopOptions",
    "ModelOptions",
    "OptimiserOptions",
    "Recipe",
    "SynthOptions",
    "find_recipe",
    "from_dict",
    "parse_share",
    "read_recipe",
]
