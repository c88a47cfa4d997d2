"""The bundle: one file with weights and everything that is needed to use them.

A `.safetensors` bundle is for training on, an `.onnx` bundle for reading. Both carry the same JSON under the key
``wildtext`` of their header, so nothing else is needed to rebuild the model or to read with it.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wildtext.charset import Charset
from wildtext.codecs import RULES, Codec, codec_from_dict
from wildtext.errors import BundleError, WildtextError, require
from wildtext.files import replacing
from wildtext.images import Preprocessing
from wildtext.weights.header import read_safetensors_table, replace_text

if TYPE_CHECKING:
    from wildtext.models import Model

FORMAT = 1
KEY = "wildtext"


@dataclass(frozen=True)
class Bundle:
    """What a bundle says about its weights.

    Attributes:
        architecture: key of `wildtext.models.MODELS`.
        sizes: the fields of the model's config.
        charset: the characters that it writes.
        codecs: per head that is read, how its classes map to text.
        primary: the head that readings come from.
        fused: heads whose readings compete, see `wildtext.models.Model`; empty where the primary head alone is read.
        preprocessing: how images become its input.
        autoregressive: whether the primary head can write one character after another, see `wildtext.models.Model`;
            None in bundles that were written before this was noted.
        temperature: divides the logits, for calibrated confidence.
        calibration: what the temperature was fitted on, and what it changed; empty where it was not.
        scores: for imported weights, the score that the reference project prints: its name in `Prediction.scores`, and
            the rule in `wildtext.codecs.RULES`.
        parameters: number of trained values.
        accuracy: measured word accuracy in percent, by data set.
        training: how it was trained: recipe, steps, images seen, hours, device.
        licence: of the weights.
        origin: who trained it, on what.
    """

    architecture: str
    sizes: dict[str, Any]
    charset: Charset
    codecs: dict[str, Codec]
    primary: str
    preprocessing: Preprocessing
    fused: tuple[str, ...] = ()
    autoregressive: bool | None = None
    temperature: float = 1.0
    calibration: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, str] = field(default_factory=dict)
    parameters: int = 0
    accuracy: dict[str, float] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    licence: str = "unspecified"
    origin: str = "unspecified"

    @classmethod
    def of(cls, architecture: str, model: Model, preprocessing: Preprocessing, **facts: Any) -> Bundle:
        """Describe a model; `facts` are further attributes of the bundle."""
        heads = {name: head for name, head in model.heads.items() if not head.training_only}
        return cls(
            architecture=architecture,
            sizes=asdict(model.config),
            charset=heads[model.primary].codec.charset,
            codecs={name: head.codec for name, head in heads.items()},
            primary=model.primary,
            fused=model.fused,
            preprocessing=preprocessing,
            autoregressive=model.autoregressive,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            **facts,
        )

    def to_json(self) -> str:
        """The header's text."""
        values = {
            "format": FORMAT,
            **asdict(self),
            "charset": self.charset.to_dict(),
            "codecs": {name: codec.to_dict() for name, codec in self.codecs.items()},
            "preprocessing": self.preprocessing.to_dict(),
        }
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, path: Path | str) -> Bundle:
        """The inverse of `to_json`; `path` is for messages.

        Raises:
            BundleError: the text is not a bundle's header, or of a newer format.
        """
        try:
            values = json.loads(text)
            if values.pop("format") > FORMAT:
                raise BundleError(f"{path} was written by a newer wildtext; upgrade wildtext to use it")
            charset = Charset.from_dict(values.pop("charset"))
            codecs = {name: codec_from_dict(codec, charset) for name, codec in values.pop("codecs").items()}
            preprocessing = Preprocessing.from_dict(values.pop("preprocessing"))
            fused = tuple(values.pop("fused", ()))
            bundle = cls(charset=charset, codecs=codecs, preprocessing=preprocessing, fused=fused, **values)
            if not {bundle.primary, *fused} <= codecs.keys() or not 0 < bundle.temperature < math.inf:
                raise ValueError(f"primary {bundle.primary!r}, fused {fused}, temperature {bundle.temperature}")
            if unknown := set(bundle.scores.values()) - RULES.keys():
                raise ValueError(f"unknown scores {unknown}")
            return bundle
        except BundleError:
            raise
        except (WildtextError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"{path} has a damaged wildtext header: {error!r}") from error


def read_safetensors_header(path: Path) -> Bundle:
    """The description in a `.safetensors` bundle, without reading its weights or importing anything heavy.

    Raises:
        BundleError: the file is missing, not safetensors, or not a bundle of wildtext.
    """
    if path.suffix == ".onnx":
        raise BundleError(
            f"{path} is made for reading; to go on training, take the .safetensors bundle of the same model"
        )
    try:
        with path.open("rb") as file:
            metadata = read_safetensors_table(file).get("__metadata__", {})
    except OSError as error:
        raise BundleError(f"cannot open {path}: {error.strerror}") from error
    except (struct.error, ValueError) as error:
        raise BundleError(f"{path} is not a safetensors file: {error}") from error
    if KEY not in metadata:
        raise BundleError(f"{path} is a safetensors file, but not a bundle of wildtext: it has no {KEY!r} header")
    return Bundle.from_json(metadata[KEY], path)


def save_model(path: Path, model: Model, bundle: Bundle, *, exact: bool = False) -> None:
    """Write a `.safetensors` bundle, atomically.

    Matrices and kernels are stored as float16; vectors (biases, statistics of normalisation) stay float32.

    Args:
        path: where to.
        model: its weights.
        bundle: its description.
        exact: store all as they are, for weights of others that shall compute what they did there.

    Raises:
        BundleError: the disk refused; what was there before is untouched.
    """
    torch = require("torch", extra="train")
    safetensors = require("safetensors.torch", extra="train")
    tensors = {}
    for name, tensor in model.state_dict().items():
        shrink = tensor.is_floating_point() and tensor.ndim > 1 and not exact
        tensors[name] = tensor.detach().to("cpu", torch.float16 if shrink else tensor.dtype).contiguous()
    with replacing(path, error=BundleError) as unfinished:
        unfinished.write_bytes(safetensors.save(tensors, metadata={KEY: bundle.to_json()}))


def check_kind(path: Path, out: Path) -> None:
    """Refuse to write a bundle as one of the other kind.

    Raises:
        BundleError: the names end differently; the message says what to do.
    """
    if out.suffix != path.suffix:
        raise BundleError(
            f"{out} would be of another kind than {path}, whose weights it gets: give it a name that ends with "
            f"{path.suffix}. To have both kinds, change the .safetensors bundle first, and export it then: "
            f"wildtext export MODEL.safetensors OUT.onnx takes its description along"
        )


def rewrite_description(path: Path, bundle: Bundle, out: Path) -> None:
    """Copy a bundle of either kind with another description, atomically; its weights stay, byte for byte.

    It needs neither torch nor safetensors nor onnx.

    Args:
        path: the bundle.
        bundle: the new description.
        out: where to, a file of the same kind; it may be `path`.

    Raises:
        BundleError: `path` is missing, damaged or not a bundle, `out` is of the other kind, or the disk refused; what
            was at `out` is untouched then.
    """
    check_kind(path, out)
    replace_text(path, KEY, bundle.to_json(), out)


def load_model(path: Path) -> tuple[Model, Bundle]:
    """Rebuild the model of a `.safetensors` bundle, in float32 and evaluation mode.

    Raises:
        BundleError: the file is not a bundle, or its weights do not fit its description.
        MissingExtraError: torch is not installed.
    """
    bundle = read_safetensors_header(path)
    require("torch", extra="train")
    damaged = require("safetensors", extra="train").SafetensorError
    load_file = require("safetensors.torch", extra="train").load_file
    from wildtext.models import build

    model = build(bundle.architecture, bundle.charset, bundle.sizes)
    try:
        model.load_state_dict(load_file(path))
    except (RuntimeError, OSError, damaged) as error:
        raise BundleError(f"the weights in {path} do not fit its description: {error}") from error
    return model.float().eval(), bundle
