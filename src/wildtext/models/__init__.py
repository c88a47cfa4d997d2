"""The architectures, by preset name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from wildtext.charset import Charset
from wildtext.errors import ConfigError
from wildtext.images import Buckets, Fixed, Padded, Preprocessing
from wildtext.models.acds_str import ACDSSTR, ACDSSTRConfig
from wildtext.models.contract import IGNORED, Head, MapLoss, Memory, Model, Output, Step
from wildtext.models.dtrb import DTRB, DTRBConfig
from wildtext.models.mgp_str import MGPSTR, MGPSTRConfig
from wildtext.models.parseq import PARSeq, PARSeqConfig
from wildtext.models.robustscanner import RobustScanner, RobustScannerConfig
from wildtext.models.seq2seq import Seq2Seq, Seq2SeqConfig
from wildtext.models.srn import SRN, SRNConfig
from wildtext.models.srn_resnet1d import SRNResNet1d, SRNResNet1dConfig
from wildtext.models.svtrv2 import SVTRv2, SVTRv2Config
from wildtext.models.wildnet import WildNet, WildNetConfig

__all__ = ["IGNORED", "MODELS", "Head", "MapLoss", "Memory", "Model", "Output", "Preset", "Step", "build"]


@dataclass(frozen=True)
class Preset:
    """A named choice of sizes of an architecture.

    Attributes:
        build: class of the model; called with the sizes and the charset.
        config: the sizes.
        preprocessing: how images reach it.
        charset: the character set that its paper used, unless a recipe says otherwise.
    """

    build: Callable[[Any, Charset], Model]
    config: Any
    preprocessing: Preprocessing
    charset: str = "36"


_GREY = Preprocessing(Fixed(32, 100), color="grey")
_WIDE = Preprocessing(Fixed(32, 128))
_UNIT = Preprocessing(Fixed(32, 128), mean=(0.0,), std=(1.0,))
_BY_ASPECT = Preprocessing(
    Buckets(((64, 64), (48, 96), (40, 112), *((32, 32 * aspect) for aspect in range(4, 13)))),
)

MODELS: dict[str, Preset] = {
    # Dense convolutions, attention over columns, CTC; made for reading on a CPU (docs/wildnet.md).
    "wildnet": Preset(WildNet, WildNetConfig(), _WIDE, "94+space"),
    "wildnet-small": Preset(WildNet, WildNetConfig(depths=(0, 0, 2), layers=1), _WIDE, "94+space"),
    "wildnet-base": Preset(
        WildNet, WildNetConfig(channels=(32, 64, 192, 320), depths=(0, 1, 4), heads=5), _WIDE, "94+space"
    ),
    # VGG, BiLSTM, CTC (Shi, Bai and Yao 2017).
    "crnn": Preset(DTRB, DTRBConfig(), _GREY),
    # Thin-plate spline, VGG, BiLSTM, attention (Shi et al. 2016).
    "rare": Preset(DTRB, DTRBConfig(transformation="tps", prediction="attention"), _GREY),
    # Thin-plate spline, ResNet, BiLSTM, CTC (Liu et al. 2016).
    "star-net": Preset(DTRB, DTRBConfig(transformation="tps", trunk="resnet"), _GREY),
    # ResNet and CTC (Borisyuk, Gordo and Sivakumar 2018).
    "rosetta": Preset(DTRB, DTRBConfig(trunk="resnet", sequence="none"), _GREY),
    # Thin-plate spline, ResNet, BiLSTM, attention (Baek et al. 2019).
    "trba": Preset(DTRB, DTRBConfig(transformation="tps", trunk="resnet", prediction="attention"), _GREY),
    # ResNet50 with a pyramid, all characters at once, semantic reasoning in both directions (Yu et al. 2020).
    "srn": Preset(SRN, SRNConfig(), Preprocessing(Padded(64, 256, min_width=64, multiple=64), color="grey")),
    # The same idea on one row of columns, as the reimplementation SRN.pytorch has it.
    "srn-resnet1d": Preset(SRNResNet1d, SRNResNet1dConfig(), _GREY),
    # ResNet31, attention that asks with the text so far and, beside it, with the place alone (Yue et al. 2020).
    "robustscanner": Preset(
        RobustScanner,
        RobustScannerConfig(),
        Preprocessing(Padded(48, 160, min_width=48, multiple=4, rounding="nearest"), pad_value=-1.0),
        "90",
    ),
    # CRNN and a GRU with attention to absolute columns, for lines of Chinese (bai-shang).
    "crnn-seq2seq": Preset(
        Seq2Seq,
        Seq2SeqConfig(),
        Preprocessing(Padded(32, 280, min_width=1, rounding="down"), pad_value=-1.0),
        "chinese",
    ),
    # ResNet45, transformer guided by a map of the characters' cores (Xue et al. 2025).
    "acds-str-small": Preset(ACDSSTR, ACDSSTRConfig(), _UNIT),
    "acds-str-base": Preset(ACDSSTR, ACDSSTRConfig(layers=10), _UNIT),
    # Vision transformer that writes characters, byte pairs and word pieces (Wang, Da and Yao 2022).
    "mgp-str-tiny": Preset(MGPSTR, MGPSTRConfig(), _UNIT),
    "mgp-str-small": Preset(MGPSTR, MGPSTRConfig(features=384, heads=6), _UNIT),
    "mgp-str-base": Preset(MGPSTR, MGPSTRConfig(features=768, heads=12), _UNIT),
    # The same with characters alone.
    "char-str-small": Preset(MGPSTR, MGPSTRConfig(features=384, heads=6, granularities=("characters",)), _UNIT),
    # Vision transformer and one decoder layer that has learnt to read in any order (Bautista and Atienza 2022).
    "parseq-tiny": Preset(PARSeq, PARSeqConfig(), _WIDE, "94"),
    "parseq-base": Preset(PARSeq, PARSeqConfig(features=384, heads=6, decoder_heads=12), _WIDE, "94"),
    # Convolutions and attention at the image's own aspect, rearranged columns, CTC, learnt with a language head (Du et
    # al. 2025).
    "svtrv2-tiny": Preset(SVTRv2, SVTRv2Config(), _BY_ASPECT, "94"),
    "svtrv2-small": Preset(SVTRv2, SVTRv2Config(channels=(96, 192, 384)), _BY_ASPECT, "94"),
    "svtrv2-base": Preset(
        SVTRv2,
        SVTRv2Config(channels=(128, 256, 384), depths=(6, 6, 6), local=(6, 2, 0)),
        _BY_ASPECT,
        "94",
    ),
}


def build(name: str, charset: Charset, sizes: dict[str, Any] | None = None) -> Model:
    """Make a model with fresh weights.

    Args:
        name: a key of `MODELS`.
        charset: the characters that it shall write.
        sizes: fields of the preset's config to change; lists stand for tuples, as JSON and TOML give them.

    Raises:
        ConfigError: the name or a size is unknown; the message lists what there is.
    """
    preset = MODELS.get(name)
    if preset is None:
        raise ConfigError(f"unknown model {name!r}; known are {', '.join(MODELS)}")
    known = [field.name for field in fields(preset.config)]
    for key in sizes or {}:
        if key not in known:
            raise ConfigError(f"model {name!r} has no size {key!r}; it has {', '.join(known)}")
    plain = {key: _as_tuples(value) for key, value in (sizes or {}).items()}
    return preset.build(replace(preset.config, **plain), charset)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
