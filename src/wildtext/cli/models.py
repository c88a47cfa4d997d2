"""Commands that use trained models."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from wildtext.cli.shared import FAILED, OK, parse_switches
from wildtext.errors import ConfigError, require


def read(
    paths: Annotated[Positional[tuple[str, ...]], arg(metavar="PATH...")],
    /,
    *,
    model: str = "default",
    format: Literal["table", "jsonl", "csv"] = "table",
    top: int = 1,
    lexicon: Path | None = None,
    beam: int = 0,
    min_confidence: float = 0.0,
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
        lexicon: A file with a word a line; every image is read as one of them, whatever its case.
        beam: Texts that a model which writes one character after another goes on with side by side, e.g. 8; needs a
            .safetensors bundle. 0 writes greedily.
        min_confidence: Readings with less abstain: the table hides their text, jsonl and csv mark them.
        batch_size: Images that go through the network together; does not change the readings.
        threads: CPU threads; 0 takes the processors that this process may use.
        device: Where the network runs.
    """
    from wildtext.inference.console import read_paths

    if not paths:
        raise ConfigError("name at least one image, folder or pattern, or - for standard input")
    failed = read_paths(
        paths,
        model=model,
        form=format,
        top=top,
        batch_size=batch_size,
        threads=threads,
        device=device,
        lexicon=lexicon,
        beam=beam,
        min_confidence=min_confidence,
    )
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
