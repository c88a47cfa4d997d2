"""The command that makes confidence honest."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from wildtext.cli.shared import FAILED, OK, UNUSABLE, opened_sets, progress_bar
from wildtext.errors import BundleError

if TYPE_CHECKING:
    from rich.table import Table

    from wildtext.evaluation.calibration import Calibration, Quality


def calibrate(
    model: Annotated[Positional[str], arg(metavar="MODEL")],
    out: Annotated[Positional[Path], arg(metavar="OUT")],
    /,
    *,
    data: Annotated[tuple[str, ...], arg(metavar="SOURCE [SOURCE ...]")],
    protocol: Literal["36", "62", "94", "all", "own"] = "36",
    format: Literal["table", "json"] = "table",
    threads: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Fit a temperature on labelled images, so that confidence says how often a reading is right.

    Writes the bundle again with the temperature in its header, and shows what it changes. Nothing is written, and the
    exit status is 2, where it would not make confidence better; it is 1 if some images could not be read.

    Args:
        model: A name from `wildtext models`, or the path of an .onnx or .safetensors bundle.
        out: The bundle to write, of the same kind; it may be MODEL.
        data: Images that the model was not trained on: folders with labels.tsv, list files, JSON Lines or LMDBs, or
            folders that hold several of them.
        protocol: Says which readings are right, see `wildtext evaluate`; take the one that you will compare with.
        format: table for people, json for programs.
        threads: CPU threads; 0 takes the processors that this process may use.
        device: Where the network runs.
    """
    from wildtext.evaluation.calibration import fit_temperature
    from wildtext.files import check_writable
    from wildtext.inference.loading import load
    from wildtext.weights.bundle import check_kind, rewrite_description
    from wildtext.weights.catalogue import find

    path = find(model, suffix=".safetensors" if out.suffix == ".safetensors" else ".onnx")
    check_kind(path, out)
    check_writable(out, error=BundleError)
    sources = opened_sets(data)
    recognizer = load(str(path), device=device, threads=threads)
    with progress_bar("calibrating") as progress:
        found = fit_temperature(recognizer, sources, protocol, progress=progress)
    if found.improves:
        bundle = replace(recognizer.bundle, temperature=found.temperature, calibration=found.summary())
        rewrite_description(path, bundle, out)
    _show(found, out) if format == "table" else _print_json(found, model, out)
    for message in found.unreadable:
        print(f"left out: {message}", file=sys.stderr)
    for message in found.warnings:
        print(f"beware: {message}", file=sys.stderr)
    if not found.improves:
        print(
            f"wildtext: {out} is not written: on images that it was not fitted on, a temperature makes the confidence "
            f"of {model} no better",
            file=sys.stderr,
        )
        return UNUSABLE
    return FAILED if found.unreadable else OK


def _print_json(found: Calibration, model: str, out: Path) -> None:
    values = {"model": model, "out": str(out) if found.improves else None, **found.to_dict()}
    print(json.dumps(values, indent=2, ensure_ascii=False))


def _show(found: Calibration, out: Path) -> None:
    from rich.console import Console

    # Where nobody looks at a terminal, long names must not be folded to an assumed width.
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(f"temperature {found.before:.3f} before, {found.temperature:.3f} after", highlight=False)
    first, second = found.halves
    print(
        f"({first:.3f} on one half of the images, {second:.3f} on the other; each half is measured with the other's)\n"
    )
    console.print(_qualities(found))
    print()
    console.print(_reliability(found))
    if found.improves:
        print(f"\n{out}: {out.stat().st_size / 1e6:.1f} MB; read with it: wildtext read --model {out} IMAGES")


def _qualities(found: Calibration) -> Table:
    """A row before and a row after for each data set, and for all together where there are several."""
    from rich.markup import escape

    table = _table(f"confidence under protocol {found.protocol}", "data", "")
    for column in ("images", "accuracy", "95 % interval", "confidence", "ECE", "NLL", "Brier"):
        table.add_column(column, justify="right", overflow="fold")
    for each in (*found.sets, *([found.pooled] if len(found.sets) > 1 else [])):
        table.add_row(escape(each.data), "before", *_figures(each.before))
        table.add_row("", "after", *_figures(each.after))
    return table


def _figures(quality: Quality) -> tuple[str, ...]:
    low, high = quality.interval
    return (
        str(quality.images),
        f"{quality.accuracy:.2f} %",
        f"{low:.1f} to {high:.1f}",
        f"{100 * quality.confidence:.2f} %",
        f"{quality.calibration_error:.4f}",
        f"{quality.likelihood_loss:.4f}",
        f"{quality.brier:.4f}",
    )


def _reliability(found: Calibration) -> Table:
    """How often readings of much the same confidence are right, before and after; the two should be equal."""
    table = _table("how often readings of a confidence are right", "confidence")
    for when in ("before", "after"):
        for column in ("images", "mean", "right"):
            table.add_column(f"{when}: {column}", justify="right", overflow="fold")
    sides = [{one.low: one for one in quality.bins} for quality in (found.pooled.before, found.pooled.after)]
    for low in sorted({*sides[0], *sides[1]}):
        bins = [side.get(low) for side in sides]
        high = next(one.high for one in bins if one)
        cells = [
            (str(one.images), f"{100 * one.confidence:.1f} %", f"{one.accuracy:.1f} %") if one else ("0", "", "")
            for one in bins
        ]
        table.add_row(f"{100 * low:.0f} to {100 * high:.0f} %", *cells[0], *cells[1])
    return table


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
