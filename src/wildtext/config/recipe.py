"""Recipes: everything that decides a training run, in one flat TOML file.

The dataclasses below are the schema. A key that is not in them is an error that names the nearest one that is.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from wildtext.config.synth import SynthOptions, nearest
from wildtext.errors import ConfigError

T = TypeVar("T")

SHIPPED = Path(__file__).parents[1] / "recipes"

SYNTH = "synth"
"""What `DataOptions.train` calls the synthetic source."""

MOST_REUSE = 16


@dataclass(frozen=True)
class ModelOptions:
    """What is trained."""

    name: str = "wildnet"
    """Preset of the architecture."""
    charset: str = ""
    """36, 62, 90, 94 or chinese, each also with +space; a file with one character a line; `data` takes the characters
    of the training labels; empty takes the preset's. With `init`: what the weights shall write from now on; `data` adds
    the characters of the training labels to their own, and empty keeps theirs. Known characters keep their weights."""
    sizes: dict[str, Any] = field(default_factory=dict)
    """Sizes of the preset to change. With `init`: those of its sizes to change, which may add residual blocks or
    transformer layers; they add nothing at first."""
    init: str = ""
    """Weights to start from: a name from `wildtext models` or a .safetensors bundle; empty starts from nothing."""
    freeze: tuple[str, ...] = ()
    """Parameters to leave as they are, by shell patterns for their names, e.g. trunk.*; their statistics stay too."""


@dataclass(frozen=True)
class DataOptions:
    """What it is trained on and measured with. Paths are list files, folders with labels.tsv, JSON Lines or LMDB."""

    train: tuple[str, ...] = ("synth",)
    """Sources to draw every batch from; `synth` stands for the synthetic one. SOURCE=2 takes twice as much of it as
    SOURCE alone."""
    validation: tuple[str, ...] = ()
    """Sources to measure with while training. Choose with them, never train on them."""
    hold_out: float = 0.0
    """Share of each training source, but not of `synth`, that is kept out of training to measure with. The run
    remembers which samples these are."""
    coverage: float = 0.75
    """Share of the labels of each training source that the model must be able to learn; with less, the run stops
    before the first step, as the charset is hardly the right one."""
    protocol: Literal["36", "62", "94", "all", "own"] = "36"
    """Characters that count when readings are compared with labels: 36, 62 or 94; all of them; or all in the form that
    the charset of the model has them, e.g. without case (own)."""
    workers: int = 1
    """Processes that fetch or render samples, for each process that trains; 0 does it in the training process."""
    augment: str = "none"
    """Policy by which crops are changed at random before each step: none, photo, parseq, straug or straug-safe
    (docs/augmentation.md)."""
    reuse: int = 1
    """How often each synthetic word is trained on, augmented anew each time: where rendering is slower than the
    network, 4 makes steps of which a quarter is new."""


@dataclass(frozen=True)
class OptimiserOptions:
    """How weights move."""

    name: Literal["adamw", "adam", "adadelta"] = "adamw"
    """adadelta (decay 0.95) is what DTRB and MGP-STR use, with a learning rate of 1."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    schedule: Literal["cosine", "one-cycle", "step", "constant"] = "cosine"
    """What follows the warm-up: a cosine to zero; a cosine to nearly zero that also began low (one-cycle); a tenth at
    each of `drops`; nothing."""
    drops: tuple[int, ...] = ()
    """Steps at which the schedule `step` takes a tenth of the learning rate."""
    rates: dict[str, float] = field(default_factory=dict)
    """Factors of the learning rate for some parameters, by shell patterns for their names, e.g. "trunk.*" = 0.1; where
    several fit, the last counts."""
    weight_decay: float = 0.05
    """On matrices and kernels; vectors have none. With adam it is part of the gradient."""
    warmup: int = 300
    """Steps of linear warm-up; with one-cycle, of a cosine from a 25th."""
    clip: float = 5.0
    """Largest norm of the gradient."""
    ema: float = 0.999
    """Decay of the moving average of the weights, which is what gets measured and shipped."""


@dataclass(frozen=True)
class LoopOptions:
    """How long, and how often what."""

    steps: int = 5000
    """Training steps; the learning rate ends at zero with the last."""
    batch_size: int = 128
    """Samples per step, over all processes."""
    accumulate: int = 1
    """Pieces in which a step goes through the network, where all at once needs too much memory."""
    label_smoothing: float = 0.0
    """Share of the answer that is spread over all classes, for heads that learn by cross entropy."""
    evaluate_every: int = 1000
    """Steps between measurements."""
    patience: int = 0
    """Measurements without a better one after which the run stops; 0 goes on to the last step."""
    save_every: int = 500
    """Steps between checkpoints."""
    log_every: int = 50
    """Steps between lines of the log."""
    tensorboard: bool = False
    """Also write curves, mistakes and attention for TensorBoard."""
    precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    """bf16 and fp16 run matrix work in 16 bits (autocast); weights stay fp32. Where a GPU has no bf16, fp16 is taken,
    with a scaled loss; a processor takes bf16 for fp16."""
    compile: bool = False
    """Let torch.compile make the network faster, where it can."""
    device: str = "auto"
    """auto takes CUDA where there is one, else the CPU."""
    threads: int = 0
    """CPU threads of the network; 0 leaves it to torch."""


@dataclass(frozen=True)
class Recipe:
    """A complete training run."""

    name: str = "run"
    """Names the folder of the run and its bundle."""
    seed: int = 1
    """Decides weights, order of data and rendering."""
    licence: str = "unspecified"
    """Of the weights, for the bundle."""
    origin: str = "unspecified"
    """Who trained them on what, for the bundle."""
    model: ModelOptions = ModelOptions()
    data: DataOptions = DataOptions()
    synth: SynthOptions = field(default_factory=SynthOptions)
    optimiser: OptimiserOptions = OptimiserOptions()
    loop: LoopOptions = LoopOptions()

    def __post_init__(self) -> None:
        loop, optimiser = self.loop, self.optimiser
        if not self.name or Path(self.name).name != self.name:
            raise ConfigError(f"name is {self.name!r}, but must be the name of a folder, without others around it")
        for name in ("steps", "batch_size", "accumulate", "evaluate_every", "save_every", "log_every"):
            _require(getattr(loop, name) >= 1, f"loop.{name}", getattr(loop, name), "at least 1")
        for name in ("threads", "patience"):
            _require(getattr(loop, name) >= 0, f"loop.{name}", getattr(loop, name), "at least 0")
        _require(0 <= loop.label_smoothing < 1, "loop.label_smoothing", loop.label_smoothing, "at least 0 and below 1")
        _require(self.seed >= 0, "seed", self.seed, "at least 0")
        _require(self.data.workers >= 0, "data.workers", self.data.workers, "at least 0")
        _require(1 <= self.data.reuse <= MOST_REUSE, "data.reuse", self.data.reuse, f"from 1 to {MOST_REUSE}")
        _require(0 <= self.data.coverage <= 1, "data.coverage", self.data.coverage, "from 0 to 1")
        _require(0 <= self.data.hold_out < 1, "data.hold_out", self.data.hold_out, "at least 0 and below 1")
        for name in ("learning_rate", "clip"):
            _require(getattr(optimiser, name) > 0, f"optimiser.{name}", getattr(optimiser, name), "above 0")
        for name in ("weight_decay", "warmup"):
            _require(getattr(optimiser, name) >= 0, f"optimiser.{name}", getattr(optimiser, name), "at least 0")
        _require(0 <= optimiser.ema < 1, "optimiser.ema", optimiser.ema, "at least 0 and below 1")
        for pattern, factor in optimiser.rates.items():
            _require(factor >= 0, f"optimiser.rates.{pattern}", factor, "at least 0")
        if (optimiser.schedule == "step") != bool(optimiser.drops):
            raise ConfigError(
                f"optimiser.schedule is {optimiser.schedule!r} and optimiser.drops is {list(optimiser.drops)}; "
                f"the schedule 'step' needs drops, and no other has a use for them"
            )
        if not self.data.train:
            raise ConfigError('data.train is empty; name at least one source, e.g. train = ["synth"]')
        names = [parse_share(item)[0] for item in self.data.train]
        if self.data.reuse > 1 and SYNTH not in names:
            raise ConfigError(
                f"data.reuse is {self.data.reuse}, but data.train has no {SYNTH!r}, whose words it reuses"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as TOML and JSON hold them."""
        return asdict(self)


def _require(holds: bool, name: str, value: float, must: str) -> None:
    if not holds:
        raise ConfigError(f"{name} is {value}, but must be {must}")


def parse_share(item: str) -> tuple[str, float]:
    """Split an entry of `DataOptions.train` into the source and its share.

    >>> parse_share("synth"), parse_share("words.lmdb=0.5")
    (('synth', 1.0), ('words.lmdb', 0.5))

    Raises:
        ConfigError: what follows the last equals sign is not a number above 0.
    """
    source, equals, share = item.rpartition("=")
    if not equals:
        return item, 1.0
    try:
        value = float(share)
    except ValueError:
        value = 0.0
    if not source or not 0 < value < float("inf"):
        raise ConfigError(f"data.train has {item!r}; write SOURCE or SOURCE=SHARE with a share above 0")
    return source, value


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file: TOML, or the `recipe.json` of a run.

    Raises:
        ConfigError: the file is missing, not TOML or JSON, or has a key or value that the schema does not know.
    """
    kind, parse = ("JSON", json.loads) if path.suffix == ".json" else ("TOML", tomllib.loads)
    try:
        values = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the recipe {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not {kind}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is no recipe: it has no sections")
    return from_dict(Recipe, values, where=str(path))


def find_recipe(name: str) -> Recipe:
    """The recipe in a file, or one that ships with wildtext by its name.

    Raises:
        ConfigError: there is neither; or the file is not a recipe.
    """
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}
    if name not in shipped and not Path(name).is_file():
        hint = f"; to fine-tune on images in that folder, give --data {name}" if Path(name).is_dir() else ""
        raise ConfigError(f"there is no recipe {name!r}: it is no file, and wildtext ships {', '.join(shipped)}{hint}")
    return read_recipe(shipped.get(name, Path(name)))


def from_dict(kind: type[T], values: dict[str, Any], *, where: str) -> T:
    """Build a dataclass from plain values, strictly.

    Raises:
        ConfigError: a key is unknown (the nearest known one is named) or a value has the wrong type.
    """
    hints = get_type_hints(kind)
    known = [item.name for item in fields(kind)]  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; {nearest(key, known)}")
        arguments[key] = _convert(hints[key], value, where=f"{where}: {key}")
    return kind(**arguments)


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} is {value!r}, but must be a table")
        return from_dict(hint, value, where=where)
    origin = getattr(hint, "__origin__", None)
    if origin is Literal:
        if value not in hint.__args__:
            raise ConfigError(f"{where} is {value!r}, but must be one of {', '.join(map(repr, hint.__args__))}")
        return value
    if origin is tuple:
        if not isinstance(value, list) or not all(isinstance(item, hint.__args__[0]) for item in value):
            raise ConfigError(f"{where} is {value!r}, but must be a list of {hint.__args__[0].__name__}")
        return tuple(value)
    if origin is dict:
        of = hint.__args__[1]
        if not isinstance(value, dict):
            raise ConfigError(f"{where} is {value!r}, but must be a table")
        return value if of is Any else {key: _convert(of, item, where=f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where} is {value!r}, but must be {hint.__name__}")
    return value
