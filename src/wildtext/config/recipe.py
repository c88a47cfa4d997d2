"""Recipes: everything that decides a training run, in one flat TOML file.

The dataclasses below are the schema. A key that is not in them is an error that names the nearest one that is.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from wildtext.config.synth import SynthOptions, nearest
from wildtext.errors import ConfigError

T = TypeVar("T")

SHIPPED = Path(__file__).parents[1] / "recipes"


@dataclass(frozen=True)
class ModelOptions:
    """What is trained."""

    name: str = "wildnet"
    """Preset of the architecture."""
    charset: str = ""
    """36, 62, 90, 94 or chinese, each also with +space; a file with one character a line; `data` takes the characters
    of the training labels; empty takes the preset's."""
    sizes: dict[str, Any] = field(default_factory=dict)
    """Sizes of the preset to change."""
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
    protocol: Literal["36", "62", "94", "all"] = "36"
    """Characters that count when readings are compared with labels."""
    workers: int = 1
    """Processes that fetch or render samples; 0 does it in the training process."""


@dataclass(frozen=True)
class OptimiserOptions:
    """AdamW with warm-up and a cosine to zero."""

    learning_rate: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 0.05
    """On matrices and kernels; vectors have none."""
    warmup: int = 300
    """Steps of linear warm-up."""
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
    """Samples per step."""
    evaluate_every: int = 1000
    """Steps between measurements."""
    save_every: int = 500
    """Steps between checkpoints."""
    log_every: int = 50
    """Steps between lines of the log."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """bf16 runs matrix work in bfloat16 (autocast); weights stay fp32."""
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
        for name in ("steps", "batch_size", "evaluate_every", "save_every", "log_every"):
            _require(getattr(loop, name) >= 1, f"loop.{name}", getattr(loop, name), "at least 1")
        _require(self.seed >= 0, "seed", self.seed, "at least 0")
        _require(loop.threads >= 0, "loop.threads", loop.threads, "at least 0")
        _require(self.data.workers >= 0, "data.workers", self.data.workers, "at least 0")
        for name in ("learning_rate", "clip"):
            _require(getattr(optimiser, name) > 0, f"optimiser.{name}", getattr(optimiser, name), "above 0")
        for name in ("weight_decay", "warmup"):
            _require(getattr(optimiser, name) >= 0, f"optimiser.{name}", getattr(optimiser, name), "at least 0")
        _require(0 <= optimiser.ema < 1, "optimiser.ema", optimiser.ema, "at least 0 and below 1")
        if not self.data.train:
            raise ConfigError('data.train is empty; name at least one source, e.g. train = ["synth"]')
        for item in self.data.train:
            parse_share(item)

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
    """Read a recipe file.

    Raises:
        ConfigError: the file is missing, not TOML, or has a key or value that the schema does not know.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the recipe {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return from_dict(Recipe, values, where=str(path))


def find_recipe(name: str) -> Recipe:
    """The recipe in a file, or one that ships with wildtext by its name.

    Raises:
        ConfigError: there is neither; or the file is not a recipe.
    """
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}
    if name not in shipped and not Path(name).is_file():
        raise ConfigError(f"there is no recipe {name!r}: it is no file, and wildtext ships {', '.join(shipped)}")
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
