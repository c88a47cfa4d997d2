"""What a recipe asks for: device, model, data. Whatever makes no sense is refused here, before the first step."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from wildtext.charset import Charset
from wildtext.codecs import Codec
from wildtext.config import Recipe, parse_share
from wildtext.data import LabelledSource, open_source
from wildtext.data.collate import usable
from wildtext.data.mixture import Ingredient, Mixture
from wildtext.errors import ConfigError
from wildtext.images import Preprocessing
from wildtext.models import MODELS, Model, build
from wildtext.synth import SyntheticWords
from wildtext.synth.textures import Textures
from wildtext.weights.bundle import load_model
from wildtext.weights.catalogue import find

log = logging.getLogger("wildtext.train")

SYNTH = "synth"
INFERRED = "data"


def make_device(name: str) -> torch.device:
    """The device to train on.

    Raises:
        ConfigError: it does not exist here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"loop.device is {name!r}, which cannot be used: {error}") from error


def make_model(recipe: Recipe) -> tuple[Model, Preprocessing]:
    """The network, fresh or with the weights of `model.init`, and how images reach it.

    Raises:
        ConfigError: the model, a size or the charset is unknown, or does not fit the weights to start from.
        BundleError: the weights to start from cannot be read.
    """
    options = recipe.model
    if options.name not in MODELS:
        raise ConfigError(f"model.name is {options.name!r}; known are {', '.join(MODELS)}")
    preset = MODELS[options.name]
    if not options.init:
        return build(options.name, _make_charset(recipe, preset.charset), options.sizes), preset.preprocessing
    model, bundle = load_model(find(options.init, suffix=".safetensors"))
    other_charset = options.charset and _make_charset(recipe, "") != bundle.charset
    if bundle.architecture != options.name or other_charset or options.sizes:
        raise ConfigError(
            f"model.init {options.init!r} is a {bundle.architecture} with charset {bundle.charset.name}; "
            f"set model.name and model.charset to these, and leave model.sizes out"
        )
    return model, bundle.preprocessing


def make_mixture(recipe: Recipe, codecs: list[Codec], preprocessing: Preprocessing) -> Mixture:
    """What batches are drawn from; labels that the codecs cannot learn on any canvas are counted, shown and left out.

    Raises:
        DataError: a source cannot be opened.
        ConfigError: a source has no usable sample.
    """
    ingredients = []
    widest = max(width for _, width in preprocessing.canvas.sizes)
    for name, share in map(parse_share, recipe.data.train):
        if name == SYNTH:
            ingredients.append(Ingredient(SyntheticWords(recipe.seed, recipe.synth, codecs[0].charset), share))
            continue
        source = open_source(name)
        checked = usable(source, codecs, widest)
        log.info("%s: %d of %d samples can be used", name, len(checked.indices), checked.total)
        for reason, count in checked.dropped.most_common():
            log.info("  %d dropped: %s, e.g. %s", count, reason, checked.examples[reason][0])
        ingredients.append(Ingredient(source, share, checked.indices))
    return Mixture(ingredients, recipe.loop.batch_size, recipe.seed)


def surfaces(mixture: Mixture) -> Textures | None:
    """What the synthetic source of a mixture paints on; None if it has no such source."""
    sources = (ingredient.source for ingredient in mixture.ingredients)
    return next((source.textures for source in sources if isinstance(source, SyntheticWords)), None)


def open_validation(recipe: Recipe) -> list[LabelledSource]:
    """The sources to measure with.

    Raises:
        DataError: one cannot be opened.
        ConfigError: one has no samples.
    """
    sources = [open_source(path) for path in recipe.data.validation]
    for source in sources:
        if source.size == 0:
            raise ConfigError(f"data.validation: {source.name} has no samples")
    return sources


def without_paths(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a bundle tells it: files and folders by their names, not by where they lie on this machine."""
    named = replace(
        recipe,
        model=replace(recipe.model, init=Path(recipe.model.init).name),
        data=replace(
            recipe.data,
            train=tuple(Path(path).name for path in recipe.data.train),
            validation=tuple(Path(path).name for path in recipe.data.validation),
        ),
        synth=replace(
            recipe.synth,
            fonts=Path(recipe.synth.fonts).name,
            words=Path(recipe.synth.words).name,
            backgrounds=Path(recipe.synth.backgrounds).name,
        ),
    )
    return named.to_dict()


def _make_charset(recipe: Recipe, default: str) -> Charset:
    name = recipe.model.charset or default
    if name != INFERRED:
        return Charset.load(name)
    sources = [source for source, _ in map(parse_share, recipe.data.train) if source != SYNTH]
    if not sources:
        raise ConfigError("model.charset is 'data', but data.train has only the synthetic source to infer it from")
    texts = (source.text(index) for source in map(open_source, sources) for index in range(source.size))
    charset = Charset.from_texts(texts)
    log.info("charset from the data: %d characters: %s", len(charset), "".join(charset.characters))
    return charset
