"""Which effects of synthetic words help: the same small model on the same number of images, with groups left out.

    python benchmarks/synth_ablation.py --validation DIR ... [--fonts DIR] [--backgrounds DIR] [--peer NAME=SOURCE ...]

Draws one set per group, trains the same model on each from the same weights, and measures on real words. The start is
a model that has seen plain print only, first of one and two characters, then of words: so all runs begin behind the
plateau of CTC, which a small model leaves late. Takes an hour or two on a processor; what is done in --out already is
not done again: use another --out for other sources, steps or code.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from rich.console import Console
from rich.table import Table

from wildtext.config import (
    CaptureOptions,
    DataOptions,
    LoopOptions,
    ModelOptions,
    OptimiserOptions,
    Recipe,
    SynthOptions,
)
from wildtext.synth import SyntheticWords
from wildtext.synth.write import write
from wildtext.training.loop import train

FRESH = ModelOptions("wildnet", "36", {"channels": [16, 32, 64, 128], "layers": 1})
SHORT, PLAIN = "plain and short", "plain"
CURVES = ("arc", "wave", "curved_surface", "stacked", "turned", "jitter", "tracking")


def without(options: Any, *kept: str, only: Sequence[str] = ()) -> Any:
    """The options with chances of zero: all but the kept ones, or only the named ones."""
    names = only or [field.name for field in fields(options) if field.name not in ("height", *kept)]
    return replace(options, **dict.fromkeys(names, 0.0))


def groups(base: SynthOptions) -> dict[str, SynthOptions]:
    """What is drawn in each run."""
    layout, look = base.layout, base.appearance
    flat = replace(base, layout=without(layout))
    unpainted = without(look, "photo", "texture")
    no_capture = CaptureOptions(clean=1.0)
    plain = replace(flat, appearance=without(look), capture=no_capture)
    return {
        "plain and short": replace(plain, labels=replace(base.labels, kinds={"short": 1.0}, max_length=2)),
        "plain": plain,
        "everything": base,
        "no layout effects": flat,
        "no curves, stacks, jitter, tracking": replace(base, layout=without(layout, only=CURVES)),
        "no oblique views, margins, neighbours": replace(base, layout=without(layout, *CURVES)),
        "no appearance effects": replace(base, appearance=unpainted),
        "no photographs, no textures": replace(base, appearance=without(look, only=("photo", "texture"))),
        "no light, no camera": replace(base, capture=no_capture),
        "shipped fonts only": replace(base, fonts=""),
        "dictionary words only": replace(base, labels=replace(base.labels, kinds={"word": 1.0}, flatten=0.0)),
    }


def slug(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def run(arguments: argparse.Namespace, name: str, source: str, steps: int, init: str) -> dict[str, float]:
    """Train on one set and measure; from the log if that was done before."""
    folder = arguments.out / "runs" / slug(name)
    recipe = Recipe(
        name=folder.name,
        model=ModelOptions("wildnet", init=str(folder.parent / slug(init) / "best.safetensors")) if init else FRESH,
        data=DataOptions((source,), tuple(arguments.validation), workers=0),
        optimiser=OptimiserOptions(learning_rate=1.5e-3 if init == PLAIN else 2e-3, warmup=50, ema=0.99),
        loop=LoopOptions(
            steps=steps,
            batch_size=64,
            evaluate_every=steps,
            save_every=steps,
            device=arguments.device,
            threads=arguments.threads,
        ),
    )
    if not (folder / "log.jsonl").exists() or '"accuracy"' not in (folder / "log.jsonl").read_text():
        train(recipe, folder, resume=(folder / "state.safetensors").exists())
    last = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    found: dict[str, float] = next(line["accuracy"] for line in reversed(last) if "accuracy" in line)
    return found


def show(results: dict[str, dict[str, float]], sets: Sequence[str]) -> None:
    table = Table("trained on", *sets, "mean")
    for name, accuracy in results.items():
        values = [accuracy[key] for key in sets]
        table.add_row(name, *(f"{value:.1f}" for value in values), f"{sum(values) / len(values):.1f}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validation", nargs="+", required=True, help="labelled real words to measure with")
    parser.add_argument("--fonts", default="")
    parser.add_argument("--backgrounds", default="")
    parser.add_argument("--peer", nargs="*", default=[], metavar="NAME=SOURCE", help="images of other engines")
    parser.add_argument("--only", nargs="*", default=[], help="names of the groups to run")
    parser.add_argument("--count", type=int, default=15_000, help="images in each set")
    parser.add_argument("--steps", type=int, default=500, help="of 64 images, on each set")
    parser.add_argument("--start-steps", type=int, default=800, help="of 64 images, of each of the two plain sets")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("build/ablation"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    sources: dict[str, str] = {}
    for name, options in groups(SynthOptions(fonts=arguments.fonts, backgrounds=arguments.backgrounds)).items():
        if name in (SHORT, PLAIN) or not arguments.only or name in arguments.only:
            settings = asdict(options)
            # A set of other options or another size is another set.
            identity = crc32(json.dumps([settings, arguments.count]).encode())
            path = arguments.out / f"{slug(name)}-{identity:08x}.lmdb"
            if not path.exists():
                write(SyntheticWords(11, options), path, arguments.count, settings=settings, workers=0)
            sources[name] = str(path)
    sources |= dict(peer.split("=", 1) for peer in arguments.peer)
    starts = {SHORT: "", PLAIN: SHORT}
    results = {
        name: run(
            arguments,
            name,
            source,
            arguments.start_steps if name in starts else arguments.steps,
            starts.get(name, PLAIN),
        )
        for name, source in sources.items()
    }
    del results[SHORT]
    (arguments.out / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    show(results, list(next(iter(results.values()))))


if __name__ == "__main__":
    main()
