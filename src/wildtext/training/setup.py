"""What a recipe asks for: model, precision, data. Whatever makes no sense is refused here, before the first step."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from wildtext.charset import Charset
from wildtext.codecs import Codec
from wildtext.config import SYNTH, Recipe, parse_share
from wildtext.config.synth import nearest
from wildtext.data import LabelledSource, open_source
from wildtext.data.collate import Usable, usable
from wildtext.data.files import FileSource
from wildtext.data.mixture import Ingredient, Mixture
from wildtext.data.overlap import overlap
from wildtext.data.source import fetch, texts
from wildtext.data.subset import Subset, spread
from wildtext.errors import ConfigError, SampleError
from wildtext.images import Preprocessing
from wildtext.images.policies import POLICIES
from wildtext.models import MODELS, Model, build
from wildtext.synth import SyntheticWords
from wildtext.synth.textures import Textures
from wildtext.training.holdout import HeldOut
from wildtext.training.losses import SMOOTHED
from wildtext.weights.bundle import load_model
from wildtext.weights.catalogue import find
from wildtext.weights.transplant import grown, with_charset

log = logging.getLogger("wildtext.train")

INFERRED = "data"

_MANY = 1_000_000
"""Labels whose check takes so long that it should be announced."""

_LOOKED = 200
"""Images of a source that are decoded before the first step."""

_FILES = 200_000
"""Files of a source that are looked for before the first step."""


@dataclass
class Data:
    """What a run learns from and is measured with.

    Attributes:
        mixture: what batches are drawn from.
        training: what it draws of the finite sources.
        validation: the sources to measure with.
        held_out: which samples of the training sources are among those.
        samples: for each source how many samples it has and what became of them, for the plan of the run; None for an
            endless one.
    """

    mixture: Mixture
    training: list[LabelledSource]
    validation: list[LabelledSource]
    held_out: HeldOut
    samples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def surfaces(self) -> Textures | None:
        """What the synthetic source paints on; None if there is none."""
        sources = (ingredient.source for ingredient in self.mixture.ingredients)
        return next((source.textures for source in sources if isinstance(source, SyntheticWords)), None)


class Start(NamedTuple):
    """What a run starts from: the network, how images reach it, and the characters that are new to its weights."""

    model: Model
    preprocessing: Preprocessing
    new_characters: str = ""


def make_model(recipe: Recipe) -> Start:
    """The network, fresh or with the weights of `model.init`.

    Raises:
        ConfigError: the model, a size or the charset is unknown, does not fit the weights to start from, or does not
            learn as the recipe says.
        BundleError: the weights to start from cannot be read.
    """
    options = recipe.model
    if options.name not in MODELS:
        raise ConfigError(f"model.name is {options.name!r}; known are {', '.join(MODELS)}")
    preset = MODELS[options.name]
    if options.init:
        start = _begun(recipe)
    else:
        charset = _make_charset(recipe, options.charset or preset.charset)
        start = Start(build(options.name, charset, options.sizes), preset.preprocessing)
    if recipe.loop.label_smoothing and not SMOOTHED & {head.loss for head in start.model.heads.values()}:
        raise ConfigError(f"loop.label_smoothing is for cross entropy, and no head of {options.name} learns by that")
    return start


def _begun(recipe: Recipe) -> Start:
    """The weights of `model.init`, for the charset of the recipe."""
    options = recipe.model
    model, bundle = load_model(find(options.init, suffix=".safetensors"))
    if bundle.architecture != options.name:
        raise ConfigError(f"model.init {options.init!r} is a {bundle.architecture}; set model.name to it")
    if options.sizes:
        model = grown(model, bundle, options.sizes)
        bundle = replace(bundle, sizes=asdict(model.config))
    charset = bundle.charset
    if options.charset == INFERRED:
        charset = charset.extended(_texts(recipe))
    elif options.charset:
        charset = Charset.load(options.charset)
    if charset == bundle.charset:
        return Start(model, bundle.preprocessing)
    added, dropped = (
        "".join(character for character in here.characters if character not in there.ids)
        for here, there in ((charset, bundle.charset), (bundle.charset, charset))
    )
    log.info("charset: %d characters; new to the weights: %s", len(charset), added or "none")
    if dropped:
        log.info("  no longer written: %s", dropped)
    return Start(with_charset(model, bundle, charset), bundle.preprocessing, added)


def usable_precision(wanted: str, device: torch.device) -> str:
    """The precision to train in: what the recipe wants, or the next best that the device can do."""
    if wanted == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        log.info("this GPU has no bf16, so fp16 with a scaled loss is taken")
        return "fp16"
    if wanted != "fp32" and device.type == "cpu" and not _processor_has_bf16():
        log.info("this processor has no bf16, so fp32 is taken")
        return "fp32"
    if wanted == "fp16" and device.type == "cpu":
        # Gradients of convolutions take a hundred times as long there as in bf16.
        log.info("processors have no gradients in fp16 to speak of, so bf16 is taken")
        return "bf16"
    return wanted


def _processor_has_bf16() -> bool:
    built = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(built and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def make_data(recipe: Recipe, codecs: list[Codec], preprocessing: Preprocessing, held_out: HeldOut) -> Data:
    """What to learn from and measure with; labels that the codecs cannot learn are counted, shown and left out.

    Raises:
        DataError: a source cannot be opened.
        ConfigError: a source has no usable sample, or none to measure with; there is no such policy of augmentation.
    """
    if recipe.data.augment not in POLICIES:
        raise ConfigError(f"data.augment is {recipe.data.augment!r}; {nearest(recipe.data.augment, list(POLICIES))}")
    ingredients: list[Ingredient] = []
    samples: list[dict[str, Any]] = []
    training: list[LabelledSource] = []
    validation = _open_validation(recipe)
    widest = max(width for _, width in preprocessing.canvas.sizes)
    for name, share in map(parse_share, recipe.data.train):
        if name == SYNTH:
            source = SyntheticWords(recipe.seed, recipe.synth, codecs[0].charset)
            ingredients.append(Ingredient(source, share, reuse=recipe.data.reuse))
            samples.append({"source": name, "usable": None, "total": None, "dropped": {}})
            continue
        labelled = open_source(name)
        if labelled.size >= _MANY:
            log.info("%s: checking %d labels", name, labelled.size)
        checked = usable(labelled, codecs, widest)
        _tell(name, checked, recipe.data.coverage)
        _look("data.train", labelled, checked.indices, recipe.data.coverage)
        kept = checked.indices
        if recipe.data.hold_out:
            chosen = held_out.of(name, labelled, kept)
            validation.append(Subset(labelled, chosen))
            kept = np.setdiff1d(kept, chosen)
            log.info("  %d of them are held out of training, to measure with", len(chosen))
        training.append(Subset(labelled, kept))
        ingredients.append(Ingredient(labelled, share, kept))
        samples.append(
            {"source": name, "usable": len(checked.indices), "total": checked.total, "dropped": dict(checked.dropped)}
        )
    if not validation:
        log.info("nothing to measure with: name labelled images as data.validation, or set data.hold_out")
    return Data(Mixture(ingredients, recipe.loop.batch_size, recipe.seed), training, validation, held_out, samples)


def _tell(name: str, checked: Usable, coverage: float) -> None:
    """Show which samples of a source are left out, and why.

    Raises:
        ConfigError: there are none, or too few are left.
    """
    if checked.total == 0:
        raise ConfigError(f"data.train: {name} has no samples")
    log.info("%s: %d of %d samples can be used", name, len(checked.indices), checked.total)
    for reason, count in checked.dropped.most_common():
        log.info("  %d dropped: %s, e.g. %s", count, reason, checked.examples[reason][0])
    if len(checked.indices) < max(coverage * checked.total, 1):
        reason, count = checked.dropped.most_common(1)[0]
        raise ConfigError(
            f"data.train: of {checked.total} samples of {name} only {len(checked.indices)} can be used; {count} are "
            f"left out for: {reason}, e.g. {checked.examples[reason][0]}. Choose another model.charset ('data' takes "
            f"the characters of the labels), mend the labels, or lower data.coverage, which is {coverage:g}"
        )


def _look(option: str, source: LabelledSource, indices: NDArray[np.int64], coverage: float) -> None:
    """Look whether the files that a list names are there, and at some images; all at even distances if there are many.

    Other images are skipped and counted, or count as read wrong, where they turn out to be broken.

    Raises:
        ConfigError: a file is missing, or too many images are broken.
    """
    if isinstance(source, FileSource):
        named = spread(indices, _FILES)
        missing = [where for where in map(source.where, named.tolist()) if not os.path.exists(where)]
        if missing:
            raise ConfigError(
                f"{option}: {len(missing)} of {len(named)} images that {source.name} names are not there, e.g. "
                f"{missing[0]}. Mend the paths, or write those that are there into an LMDB: wildtext data pack "
                f"{source.name} OUT.lmdb"
            )
    looked = spread(indices, _LOOKED)
    broken = [found for found in fetch([(source, int(index)) for index in looked]) if isinstance(found, SampleError)]
    if not broken:
        return
    told = f"{len(broken)} of {len(looked)} images of {source.name} that were looked at are broken, e.g. {broken[0]}"
    if len(looked) - len(broken) < coverage * len(looked):
        raise ConfigError(
            f"{option}: {told}. Mend the paths or the images, or lower data.coverage, which is {coverage:g}"
        )
    log.info("%s; such images are skipped in training, and wrong in measurements", told)


def warn_of_overlap(data: Data) -> None:
    """Warn where images to measure with are among those to train on."""
    if not data.training or not data.validation:
        return
    found = overlap(data.training, data.validation)
    if found.examples:
        log.warning(
            "%d of %d images to measure with are among those to train on (%d the same file, %d look the same), so "
            "accuracy will look better than it is, e.g. %s is %s; remove them from one side",
            found.same + found.similar,
            found.checked,
            found.same,
            found.similar,
            found.examples[0].validation,
            found.examples[0].training,
        )


def _open_validation(recipe: Recipe) -> list[LabelledSource]:
    sources: list[LabelledSource] = [open_source(path) for path in recipe.data.validation]
    for source in sources:
        if source.size == 0:
            raise ConfigError(f"data.validation: {source.name} has no samples")
        if unreadable := next((text for text in texts(source) if isinstance(text, SampleError)), None):
            raise ConfigError(
                f"data.validation: a label cannot be read: {unreadable}. Mend it, or leave the sample out"
            )
        _look("data.validation", source, np.arange(source.size), recipe.data.coverage)
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


def _make_charset(recipe: Recipe, name: str) -> Charset:
    if name != INFERRED:
        return Charset.load(name)
    charset = Charset.from_texts(_texts(recipe))
    log.info("charset from the data: %d characters: %s", len(charset), "".join(charset.characters))
    return charset


def _texts(recipe: Recipe) -> Iterator[str]:
    """The training labels; those that cannot be read are counted and shown where samples are checked."""
    sources = [source for source, _ in map(parse_share, recipe.data.train) if source != SYNTH]
    if not sources:
        raise ConfigError("model.charset is 'data', but data.train has only the synthetic source to infer it from")
    for source in map(open_source, sources):
        yield from (text for text in texts(source) if isinstance(text, str))
