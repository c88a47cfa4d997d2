"""Show why a model reads what it reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from wildtext.cli.shared import FAILED, OK
from wildtext.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from PIL import Image as pillow

_SUFFIX = ".explained.png"


def explain(
    images: Annotated[Positional[tuple[str, ...]], arg(metavar="IMAGE...")],
    /,
    *,
    model: str = "default",
    out: Path | None = None,
    format: Literal["png", "json"] = "png",
    top: int = 5,
    threads: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Show in a picture why a model reads what it reads: where it looked, and what else could stand there.

    The exit status is 0 if all images were explained and 1 if some could not be read.

    Args:
        images: Image files, folders (searched at any depth), glob patterns.
        model: A name from `wildtext models`, or the path of an .onnx or .safetensors bundle.
        out: The .png file to write, or for several images the folder for NAME.explained.png; left out, they go to the
            current folder.
        format: png draws pictures; json prints the same facts, one line for each image.
        top: Choices for each character, and readings, the best included.
        threads: CPU threads; 0 takes the processors that this process may use.
        device: Where the network runs.
    """
    from wildtext.images.listing import list_images
    from wildtext.inference.explanation import explain as explained
    from wildtext.inference.loading import load

    if not images:
        raise ConfigError("name at least one image, folder or pattern")
    paths = list(list_images(images))
    if format == "json" and out is not None:
        raise ConfigError("--out is for pictures; --format json prints to standard output")
    targets = _targets(paths, out) if format == "png" else {}
    recognizer = load(model, device=device, threads=threads)
    failed = 0
    for path in paths:
        try:
            explanation = explained(recognizer, Path(path), top=top)
        except ImageError as error:
            failed += 1
            if format == "json":
                print(json.dumps({"path": path, "error": str(error)}), flush=True)
            else:
                print(f"wildtext: {error}", file=sys.stderr)
            continue
        if format == "json":
            print(json.dumps({"path": path, **explanation.to_dict()}), flush=True)
        else:
            _save(explanation.picture(), targets[path])
            print(f"{targets[path]}: {explanation.prediction.text}", flush=True)
    return FAILED if failed else OK


def _targets(paths: Sequence[str], out: Path | None) -> dict[str, Path]:
    """Where the picture of each image goes.

    Raises:
        ConfigError: `out` is not what so many images need, or a picture would take the place of an image or another.
    """
    if out is not None and len(paths) == 1 and not out.is_dir():
        if out.suffix.lower() != ".png":
            raise ConfigError(f"--out names a .png file, or a folder that is there, not {str(out)!r}")
        targets = {paths[0]: out}
    else:
        folder = out or Path()
        if folder.suffix.lower() == ".png" or (folder.exists() and not folder.is_dir()):
            raise ConfigError(f"--out must be a folder for {len(paths)} images, not {str(folder)!r}")
        targets = {path: folder / f"{Path(path).stem}{_SUFFIX}" for path in paths}
    images = {Path(path).resolve() for path in paths}
    pictures: dict[Path, str] = {}
    for path, target in targets.items():
        if target.resolve() in images:
            raise ConfigError(f"{target} is an image that shall be explained; give another --out for the pictures")
        if target in pictures:
            raise ConfigError(f"{pictures[target]} and {path} would both go to {target}; explain them one by one")
        pictures[target] = path
    return targets


def _save(picture: pillow.Image, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.save(target)
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror or error}") from error
