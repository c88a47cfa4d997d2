"""Commands that use trained models."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from wildtext.cli.shared import FAILED, OK, parse_switches, progress_bar
from wildtext.errors import ConfigError, require


def read(
    paths: Annotated[Positional[tuple[str, ...]], arg(metavar="PATH...")],
    /,
    *,
    model: str = "default",
    format: Literal["table", "jsonl", "csv"] = "table",
    top: int = 1,
    batch_size: int = 32,
    threads: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Read the text in images of words and short lines.

    Prints one row per image, in order. The exit status is 0 if all images were read and 1 if some could not be.

    Args:
        paths: Image files, folders (searched at any depth), glob patterns; - reads one image from standard input.
        model: A name from `wildtext models`, or the path of an .onnx or .safetensors bundle.
        format: table for people; jsonl and csv for programs.
        top: Readings per image, the best included.
        batch_size: Images that go through the network together; does not change the readings.
        threads: CPU threads; 0 takes the processors that this process may use.
        device: Where the network runs.
    """
    from wildtext.inference.console import read_paths

    if not paths:
        raise ConfigError("name at least one image, folder or pattern, or - for standard input")
    failed = read_paths(paths, model=model, form=format, top=top, batch_size=batch_size, threads=threads, device=device)
    return FAILED if failed else OK


def models(*, format: Literal["table", "json"] = "table") -> int:
    """List the weights that ship with wildtext.

    Args:
        format: table for people, json for programs.
    """
    from wildtext.weights.catalogue import catalogue

    described: list[dict[str, Any]] = []
    for entry in catalogue().values():
        bundle = entry.bundle
        described.append(
            {
                "name": entry.name,
                "architecture": bundle.architecture,
                "parameters": bundle.parameters,
                "charset": f"{bundle.charset.name} ({len(bundle.charset)} characters)",
                "bytes": entry.bytes,
                "licence": bundle.licence,
                "origin": bundle.origin,
                "accuracy": bundle.accuracy,
            }
        )
    if format == "json":
        print(json.dumps(described, indent=2, ensure_ascii=False))
        return OK
    for model in described:
        print(model.pop("name"))
        for key, value in model.items():
            shown = ", ".join(f"{name} {number} %" for name, number in value.items()) if key == "accuracy" else value
            print(f"  {key:<13} {shown}")
    return OK


def evaluate(
    *,
    model: str = "default",
    data: tuple[str, ...],
    protocol: Literal["36", "62", "94", "all", "own"] = "36",
    format: Literal["table", "json"] = "table",
    batch_size: int = 64,
    threads: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Measure a model on labelled images.

    The exit status is 1 if some images could not be read; they count as wrong.

    Args:
        model: A name from `wildtext models`, or the path of an .onnx or .safetensors bundle.
        data: Folders with labels.tsv, list files, JSON Lines or LMDBs.
        protocol: Characters that count: 36 compares 0-9a-z only, without case and accents; 62 and 94 with case;
            all compares texts as they are, for Chinese and other scripts; own in the form of the model's charset.
        format: table for people, json for programs.
        batch_size: Images that go through the network together; does not change the result.
        threads: CPU threads; 0 takes the processors that this process may use.
        device: Where the network runs.
    """
    from wildtext.data import open_source
    from wildtext.evaluation.evaluator import evaluate as measure
    from wildtext.evaluation.results import as_json, as_table
    from wildtext.inference.loading import load

    if not data:
        raise ConfigError("--data needs at least one source of labelled images")
    sources = [open_source(path) for path in data]
    recognizer = load(model, device=device, threads=threads)
    results = []
    for source in sources:
        with progress_bar(f"evaluating {source.name}") as progress:
            result = measure(recognizer, source, protocol=protocol, batch_size=batch_size, progress=progress)
        results.append(result)
        for message in result.unreadable:
            print(f"counted as wrong: {message}", file=sys.stderr)
        if result.empty:
            print(f"{source.name}: {result.empty} labels have no character of protocol {protocol}", file=sys.stderr)
    if format == "json":
        print(as_json(results, model=model, protocol=protocol, runtime=recognizer.runtime.name))
    else:
        as_table(results, protocol=protocol)
    return FAILED if any(result.unreadable for result in results) else OK


def export(
    model: Annotated[Positional[str], arg(metavar="MODEL")],
    out: Annotated[Positional[Path], arg(metavar="OUT.onnx")],
    /,
    *,
    switch: Annotated[tuple[str, ...], arg(metavar="NAME=VALUE ...")] = (),
) -> int:
    """Turn a .safetensors bundle into an .onnx bundle to read with, and prove that the two agree.

    Args:
        model: A name from `wildtext models`, or the path of a .safetensors bundle.
        out: The .onnx file to write.
        switch: Other ways to read with the same weights, where the architecture has several (parseq-*):
            decoding=autoregressive, refinements=2.
    """
    from wildtext.weights.catalogue import find

    require("torch", extra="train")
    from wildtext.inference.export import export as write

    write(find(model, suffix=".safetensors"), out, parse_switches(switch))
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, agrees with torch in text and logits at batch 1, 2 and 7")
    return OK


def import_weights(
    arguments: Annotated[Positional[tuple[str, ...]], arg(metavar="[SOURCE] CHECKPOINT... OUT.safetensors")],
    /,
    *,
    charset: str = "",
    switch: Annotated[tuple[str, ...], arg(metavar="NAME=VALUE ...")] = (),
) -> int:
    """Turn a checkpoint of another project into a bundle to read with, to go on training with, or to export.

    SOURCE is clovaai-dtrb, srn-pytorch, paddleocr-srn, paddleocr-robustscanner, mmocr-robustscanner, bai-shang,
    mgp-str, mgp-str-hf, acds-str, parseq or openocr-svtrv2; left out, it is guessed from the names of the tensors.

    Args:
        arguments: The project, the file or files of the checkpoint, and the bundle to write.
        charset: The characters that it writes, a name or a file with one a line, where the project has several sets.
        switch: How the bundle reads, where the architecture has several ways (parseq-*): decoding=autoregressive,
            refinements=2.
    """
    require("torch", extra="train")
    from wildtext.weights.bundle import save_model
    from wildtext.weights.importers import SOURCES, import_checkpoint

    source, *files = arguments if arguments[:1] and arguments[0] in {*SOURCES, "auto"} else ("auto", *arguments)
    if len(files) < 2:
        raise ConfigError("name the checkpoint to read, and then the .safetensors bundle to write")
    out = Path(files.pop())
    if out.suffix != ".safetensors":
        raise ConfigError(f"the bundle to write comes last and ends with .safetensors, not {out.name!r}")
    model, bundle = import_checkpoint(source, [Path(file) for file in files], charset=charset)
    model.switch(parse_switches(switch))
    bundle = replace(bundle, sizes=asdict(model.config))
    save_model(out, model, bundle, exact=True)
    print(f"{bundle.origin}")
    print(f"  architecture  {bundle.architecture}, {bundle.parameters:,} parameters")
    print(f"  charset       {bundle.charset.name} ({len(bundle.charset)} characters)")
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB; read with it: wildtext read --model {out} IMAGES")
    return OK
