"""One architecture of one project at work, run by `architectures.py` in a process and an environment of its own.

Everybody is measured by the code below, on the same made-up images and with the same loss, and is only told how to
build a network and how to call it. Each line on standard input is a job; the answer is one line of JSON.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# Only the environment of each project has its packages.

from __future__ import annotations

import json
import os
import random
import sys
import time
import types
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LABEL = 8
"""Characters of a label."""


def _svtrv2(channels: list[int], depths: list[int], local: int) -> dict[str, Any]:
    """Sizes of OpenOCR's encoder; the first layer of attention behind convolutions has a name of its own."""
    mixed = ["Conv"] * local + ["FGlobal"] + ["Global"] * (depths[1] - local - 1)
    mixers = [["Conv"] * depths[0], mixed, ["Global"] * depths[2]]
    heads = [number // 32 for number in channels]
    return {"dims": channels, "depths": depths, "num_heads": heads, "mixer": mixers}


SVTRV2 = {
    "svtrv2-tiny": _svtrv2([64, 128, 256], [3, 6, 3], 3),
    "svtrv2-small": _svtrv2([96, 192, 384], [3, 6, 3], 3),
    "svtrv2-base": _svtrv2([128, 256, 384], [6, 6, 6], 2),
}


@dataclass(frozen=True)
class Entrant:
    """A network at full size.

    Attributes:
        network: with fresh weights.
        image: channels, height and width of its input.
        read: reads images (N, channels, height, width), in evaluation mode.
        teach: logits of each head for images, in training mode; (N, T, C), or (N * T, C).
        ctc: whether its loss is that of CTC; else it is cross entropy.
    """

    network: nn.Module
    image: tuple[int, int, int]
    read: Callable[[Tensor], object]
    teach: Callable[[Tensor], list[Tensor]]
    ctc: bool = False


def wildtext(preset: str) -> Entrant:
    """Ours, as its training and its recogniser call it; SVTRv2 without guidance."""
    from wildtext.charset import Charset
    from wildtext.models import MODELS, build

    chosen = MODELS[preset]
    charset = Charset.load(chosen.charset)
    place = chosen.preprocessing.canvas.place(32, 128)
    network = build(preset, charset, {"guidance": False} if preset.startswith("svtrv2") else {})

    def teach(images: Tensor) -> list[Tensor]:
        texts = ["".join(random.choices(charset.characters, k=LABEL)) for _ in images]
        ids = {name: torch.from_numpy(head.codec.encode(texts)[0]) for name, head in network.heads.items()}
        return list(network(images, torch.ones(len(images)), ids).logits.values())

    return Entrant(
        network,
        (chosen.preprocessing.channels, place.height, place.width),
        lambda images: network(images, torch.ones(len(images))),
        teach,
        ctc=network.heads[network.primary].loss.startswith("ctc"),
    )


def easyocr(preset: str) -> Entrant:
    """EasyOCR's networks are those of Baek et al. with CTC, but it has no rectifier."""
    absent("torchvision", models=None)  # for its detector
    hollow("easyocr")
    module = import_module("easyocr.model.vgg_model" if preset == "crnn" else "easyocr.model.model")
    network = module.Model(1, 512, 256, 37)
    if preset == "rosetta":
        network.SequenceModeling, network.Prediction = nn.Sequential(), nn.Linear(512, 37)

    def read(images: Tensor) -> Tensor:
        logits: Tensor = network(images, None)
        return logits

    return Entrant(network, (1, 32, 100), read, lambda images: [read(images)], ctc=True)


def transformers(preset: str) -> Entrant:
    """Hugging Face's MGP-STR."""
    from transformers import MgpstrConfig, MgpstrForSceneTextRecognition

    features, heads = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}[preset.rpartition("-")[2]]
    network = MgpstrForSceneTextRecognition(MgpstrConfig(hidden_size=features, num_attention_heads=heads))
    return Entrant(network, (3, 32, 128), network, lambda images: list(network(images).logits))


def openocr(preset: str) -> Entrant:
    """OpenOCR's SVTRv2, SRN, RobustScanner and MGP-STR; the first and the last are the authors' code.

    Its SRN has no encoder.
    """
    spec = find_spec("openocr")
    assert spec is not None
    sys.path += spec.submodule_search_locations or []
    from openrec.modeling import build_model

    if preset == "srn":
        decoder = {"name": "SRNDecoder", "hidden_dims": 512, "out_channels": 38}
        network = build_model({"in_channels": 1, "Encoder": {"name": "ResNet_FPN", "layers": 50}, "Decoder": decoder})
        return Entrant(network, (1, 64, 256), network, network)
    if preset in SVTRV2:
        encoder = {"name": "SVTRv2LNConvTwo33", "use_pos_embed": False, "feat2d": True, **SVTRV2[preset]}
        encoder["sub_k"] = [[1, 1], [2, 1], [-1, -1]]
        network = build_model({"Encoder": encoder, "Decoder": {"name": "RCTCDecoder", "out_channels": 95}})
        return Entrant(network, (3, 32, 128), network, lambda images: [network(images)], ctc=True)
    if preset == "robustscanner":
        decoder = {"name": "RobustScannerDecoder", "max_len": 39, "out_channels": 93}
        network = build_model({"in_channels": 3, "Encoder": {"name": "ResNet31"}, "Decoder": decoder})
        network.decoder.decoder.end_idx = -1  # no early end, so that all take the same steps

        def teach(images: Tensor) -> list[Tensor]:
            ids = torch.randint(90, (len(images), 40))
            return [network(images, [ids, torch.full((len(images),), 39), torch.ones(len(images))])]

        return Entrant(network, (3, 48, 160), lambda images: network(images, [torch.ones(len(images))]), teach)
    features, heads = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}[preset.rpartition("-")[2]]
    encoder = {"name": "ViT", "img_size": [32, 128], "patch_size": [4, 4], "embed_dim": features, "num_heads": heads}
    encoder |= {"depth": 12, "mlp_ratio": 4, "qkv_bias": True}
    decoder = {"name": "MGPDecoder", "only_char": preset.startswith("char"), "out_channels": 38}
    network = build_model({"Encoder": encoder, "Decoder": decoder})

    def logits(images: Tensor) -> list[Tensor]:
        result = network(images)
        return [result] if isinstance(result, Tensor) else result

    return Entrant(network, (3, 32, 128), network, logits)


def mmocr(preset: str) -> Entrant:
    """MMOCR's RobustScanner. Its other networks want packages that must be compiled, so they are passed over."""
    absent("mmdet", __version__="3.0.0")
    absent("mmocr.models.common.backbones")
    models = "mmocr.models.textrecog"
    for package in ("mmocr.models", models, f"{models}.backbones"):
        hollow(package)
    for module in ("backbones.resnet31_ocr", "encoders", "decoders"):
        import_module(f"{models}.{module}")
    from mmengine.structures import LabelData
    from mmocr.models.common.dictionary import Dictionary
    from mmocr.registry import MODELS
    from mmocr.structures import TextRecogDataSample

    spec = find_spec("mmocr")
    assert spec is not None
    characters = f"{(spec.submodule_search_locations or [])[0]}/.mim/dicts/english_digits_symbols.txt"
    flags = dict.fromkeys(("with_start", "with_end", "same_start_end", "with_padding", "with_unknown"), True)
    branches = {
        f"{kind}_decoder": {"type": f"{name}AttentionDecoder", "dim_input": 512, "dim_model": 128}
        for kind, name in (("hybrid", "Sequence"), ("position", "Position"))
    }
    fuser = {"type": "RobustScannerFuser", "dictionary": Dictionary(characters, **flags), "max_seq_len": 40}
    backbone = MODELS.build({"type": "ResNet31OCR"})
    encoder = MODELS.build({"type": "ChannelReductionEncoder", "in_channels": 512, "out_channels": 128})
    decoder = MODELS.build({**fuser, **branches})

    def read(images: Tensor) -> Tensor:
        samples = [TextRecogDataSample(metainfo={"valid_ratio": 1.0}) for _ in images]
        for sample in samples:
            sample.gt_text = LabelData(padded_indexes=torch.randint(90, (40,)))
        features = backbone(images)
        logits: Tensor = decoder(features, encoder(features), samples)
        return logits

    network = nn.ModuleList([backbone, encoder, decoder])
    return Entrant(network, (3, 48, 160), read, lambda images: [read(images)])


PROJECTS: dict[str, tuple[str, Callable[[str], Entrant]]] = {
    "wildtext": ("wildtext", wildtext),
    "easyocr": ("easyocr", easyocr),
    "transformers": ("transformers", transformers),
    "openocr": ("openocr-python", openocr),
    "mmocr": ("mmocr", mmocr),
}


def absent(name: str, **attributes: Any) -> None:
    """Put an empty module where a package is imported but not needed."""
    module = types.ModuleType(name)
    for key, value in attributes.items():
        setattr(module, key, value)
    sys.modules[name] = module


def hollow(name: str) -> None:
    """Import a package without its own initialisation, which imports what is not needed."""
    spec = find_spec(name)
    assert spec is not None
    module = types.ModuleType(name)
    module.__path__ = list(spec.submodule_search_locations or [])
    sys.modules[name] = module


def read(entrant: Entrant, images: Tensor) -> None:
    """A forward pass in evaluation mode."""
    with torch.inference_mode():
        entrant.read(images)


def train(entrant: Entrant, images: Tensor) -> None:
    """A forward pass, the loss and the gradients."""
    entrant.network.zero_grad()
    losses = [loss(logits.float(), ctc=entrant.ctc) for logits in entrant.teach(images)]
    with torch.autocast("cpu", enabled=False):
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]


def loss(logits: Tensor, *, ctc: bool) -> Tensor:
    """How far logits (..., C) are from made-up labels, in every slot."""
    classes = logits.shape[-1]
    if not ctc:
        rows = logits.flatten(0, -2)
        return F.cross_entropy(rows, torch.randint(classes, (len(rows),)))
    count, steps = logits.shape[:2]
    labels = torch.randint(1, classes, (count, LABEL))
    lengths = torch.full((count,), steps), torch.full((count,), LABEL)
    return F.ctc_loss(logits.log_softmax(-1).transpose(0, 1), labels, *lengths)


JOBS = {"read": read, "train": train}


def work(entrant: Entrant, *, job: str, batch: int, precision: str, seconds: float, warm_up: int) -> float:
    """Do a job again and again for some seconds, at least once: mean seconds of a call."""
    entrant.network.train(job == "train")
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    images = torch.randn(batch, *entrant.image)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        for _ in range(warm_up):
            JOBS[job](entrant, images)
        calls, began = 0, clock()
        while calls == 0 or clock() - began < seconds:
            JOBS[job](entrant, images)
            calls += 1
        return (clock() - began) / calls


def main(project: str, preset: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    package, build = PROJECTS[project]
    with redirect_stdout(open(os.devnull, "w")):  # of the packages' notes
        entrant = build(preset)
        parameters = sum(parameter.numel() for parameter in entrant.network.parameters())
        about = {"version": version(package), "parameters": parameters}
        print(json.dumps(about), file=sys.__stdout__, flush=True)
        for line in sys.stdin:
            print(json.dumps(work(entrant, **json.loads(line))), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
