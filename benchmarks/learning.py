"""Does each architecture learn? Short runs of every shipped recipe, on the same images, measured on the way.

    python benchmarks/learning.py [--only srn crnn ...] [--full] [--out build/learning]

The task is made for short runs: single digits in plain print, without light or camera. Each recipe keeps its
architecture, losses and optimiser, at a small part of its width and depth, or with --full at its own size; the learning
rate, the number of steps, the batch and the images are the same for all. Accuracy is that of the averaged weights on
images of the same kind that were not trained on. So it says that a network and its training work, and nothing about how
well it reads photographs. A run that was interrupted goes on; what is done in --out is not done again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from wildtext.config import CaptureOptions, Recipe, SynthOptions, find_recipe
from wildtext.config.recipe import SHIPPED
from wildtext.synth import SyntheticWords
from wildtext.synth.write import write
from wildtext.training.loop import train

_BATCH = 32
_HELD_OUT = 512
_LEARNING_RATE = 3e-3

_ATTENTION = {"channels": 64, "hidden": 32, "localisation": [8, 16, 16, 32], "max_length": 5}
_SRN = {"features": 32, "heads": 2, "encoder_units": 1, "semantic_units": 1, "max_length": 5}
_MGP_STR = {"features": 32, "layers": 1, "heads": 2, "max_length": 5}
_ACDS_STR = {"channels": [16] * 5, "depths": [1] * 5, "features": 32, "heads": 2, "layers": 3, "max_length": 5}

SMALLER: dict[str, dict[str, Any]] = {
    "wildnet": {"channels": [8, 16, 32, 64], "depths": [0, 1, 1], "layers": 1, "heads": 2},
    "crnn": {"channels": 64, "hidden": 32},
    "rosetta": {"channels": 64},
    "star-net": _ATTENTION,
    "rare": _ATTENTION,
    "trba": _ATTENTION,
    "srn": {"channels": 16, "depths": [1, 1, 1, 1], **_SRN},
    "srn-resnet1d": _SRN,
    "robustscanner": {"channels": [8, 8, 16, 16, 32, 32], "depths": [1, 1, 1, 1], "features": 32, "max_length": 5},
    "crnn-seq2seq": {"channels": 64, "hidden": 32, "dropout": 0.0, "max_length": 5},
    "mgp-str-tiny": _MGP_STR,
    "char-str-small": _MGP_STR,
    "acds-str-small": _ACDS_STR,
    "parseq-tiny": {"features": 32, "layers": 1, "heads": 2, "decoder_heads": 2, "max_length": 5},
    "svtrv2-tiny": {"channels": [16, 32, 64], "depths": [1, 2, 1], "local": [1, 1, 0], "head_size": 8},
}
"""Sizes at which a run takes a minute or two of a processor, for one preset of each architecture."""


def plain() -> SynthOptions:
    """Digits in plain print."""
    options = SynthOptions()

    def none(group: Any) -> Any:
        return replace(group, **dict.fromkeys((item.name for item in fields(group) if item.name != "height"), 0.0))

    labels = replace(options.labels, kinds={"number": 1.0}, max_length=1)
    appearance, layout = none(options.appearance), none(options.layout)
    return replace(options, labels=labels, appearance=appearance, layout=layout, capture=CaptureOptions(clean=1.0))


def drawn(folder: Path, name: str, seed: int, count: int) -> str:
    """An LMDB of plain words; drawn once."""
    path = folder / f"{name}-{count}.lmdb"
    if not path.exists():
        write(SyntheticWords(seed, plain()), path, count, settings={"seed": seed, **asdict(plain())}, workers=0)
    return str(path)


def shortened(recipe: Recipe, arguments: argparse.Namespace, data: tuple[str, str]) -> Recipe:
    """The recipe with our data and number of steps."""
    steps = arguments.images // _BATCH
    sizes = recipe.model.sizes if arguments.full else SMALLER[recipe.model.name]
    return replace(
        recipe,
        model=replace(recipe.model, charset="36", sizes=sizes),
        data=replace(recipe.data, train=(data[0],), validation=(data[1],), workers=0),
        optimiser=replace(recipe.optimiser, learning_rate=_LEARNING_RATE, warmup=max(steps // 20, 1), ema=0.95),
        loop=replace(
            recipe.loop,
            steps=steps,
            batch_size=_BATCH,
            evaluate_every=max(steps // arguments.points, 1),
            save_every=max(steps // arguments.points, 1),
            log_every=max(steps // 40, 1),
            device=arguments.device,
            threads=arguments.threads,
            precision="bf16",
        ),
    )


def learn(recipe: Recipe, folder: Path) -> list[dict[str, Any]]:
    """Train, or take the log of a run that is complete: its lines, one after another."""
    log = folder / "log.jsonl"
    if not log.exists() or json.loads(log.read_text().splitlines()[-1])["step"] < recipe.loop.steps:
        train(recipe, folder, resume=(folder / "state.safetensors").exists())
    return [json.loads(line) for line in log.read_text().splitlines()]


def show(results: dict[str, list[dict[str, Any]]]) -> None:
    images = sorted({line["images"] for lines in results.values() for line in lines if "accuracy" in line})
    table = Table("recipe", *(f"{count:,}" for count in images), "images/s", title="accuracy (%) after so many images")
    for name, lines in results.items():
        accuracy = {line["images"]: next(iter(line["accuracy"].values())) for line in lines if "accuracy" in line}
        rates = sorted(line["images_per_second"] for line in lines if "images_per_second" in line)
        cells = [f"{accuracy[count]:.1f}" if count in accuracy else "" for count in images]
        table.add_row(name, *cells, f"{rates[len(rates) // 2]:.0f}")
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=28_800, help="that each network sees")
    parser.add_argument("--points", type=int, default=4, help="measurements on the way")
    parser.add_argument("--only", nargs="*", default=[], help="recipes to run; all that ship, if none is named")
    parser.add_argument("--full", action="store_true", help="the sizes of the recipes")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("build/learning"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    data = drawn(arguments.out, "train", 21, arguments.images), drawn(arguments.out, "held-out", 22, _HELD_OUT)
    results = {}
    for name in arguments.only or sorted(path.stem for path in SHIPPED.glob("*.toml")):
        recipe = find_recipe(name)
        if not arguments.full and recipe.model.name not in SMALLER:
            continue  # another size of one that is there
        recipe = shortened(recipe, arguments, data)
        size = "full" if arguments.full else "smaller"
        results[name] = learn(recipe, arguments.out / f"{name}-{size}-{arguments.images}")
        show(results)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
