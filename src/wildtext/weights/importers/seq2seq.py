"""Checkpoints of bai-shang/crnn_seq2seq_ocr.Pytorch, for `wildtext.models.seq2seq.Seq2Seq`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from wildtext.charset import Charset
from wildtext.errors import BundleError, CharsetError
from wildtext.models import MODELS
from wildtext.weights.importers.contract import Imported, Source, known_charset, renamed
from wildtext.weights.importers.names import BILSTM, CELL, NORM, layer

_PROJECT = "crnn_seq2seq_ocr"
_PRESET = "crnn-seq2seq"
_PRIVATE_USE = 0xE000
"""The first code point that Unicode leaves to everybody."""


def alphabet(path: str) -> Charset:
    """The characters of the project's list, in the order of its classes.

    The project takes the blanks off the end of each line and puts what is left in a row, so a line that holds but a
    blank counts for nothing. Some characters stand there twice. Labels only ever used the last place of them, so the
    earlier ones are classes that no text has; here they have code points of the private use area, from U+E000 on.

    Raises:
        CharsetError: the file cannot be read, is not UTF-8 or has no characters.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise CharsetError(f"cannot read the charset file {path}: {error}") from error
    listed = "".join(line.rstrip() for line in lines)
    last = {character: place for place, character in enumerate(listed)}
    unused = iter(range(_PRIVATE_USE, _PRIVATE_USE + len(listed)))
    characters = (
        character if last[character] == place else chr(next(unused)) for place, character in enumerate(listed)
    )
    return Charset(Path(path).stem, tuple(characters))


def _recognises(names: Collection[str]) -> bool:
    return "encoder.cnn.cnn.0.weight" in names and "decoder.decoder.attn.weight" in names


def _convert(tensors: Mapping[str, Tensor], charset: Charset | None) -> Imported:
    """Special tokens: begin is 0, end is 1, characters from 2."""
    weights = renamed(tensors, _names(), project=_PROJECT)
    if charset is None:
        raise BundleError(
            f"checkpoints of {_PROJECT} do not say what they write; give the project's char_std_5990.txt with --charset"
        )
    return Imported(
        architecture=_PRESET,
        sizes={
            "width": 4 * (len(weights["prediction.attention.bias"]) - 1),
            "channels": len(weights["trunk.18.bias"]),
            "hidden": len(weights["context.0.project.bias"]),
        },
        charset=known_charset(len(weights["prediction.classifier.bias"]) - 2, charset, project=_PROJECT),
        preprocessing=replace(MODELS[_PRESET].preprocessing, interpolation="opencv-bilinear", vertical="none"),
        weights=weights,
        scores={"bai-shang": "steps"},
    )


BAI_SHANG = Source(
    "bai-shang",
    f"bai-shang's {_PROJECT}.Pytorch (two .pth)",
    _recognises,
    _convert,
    parts=("encoder", "decoder"),
    read_charset=alphabet,
)


def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for convolution in (0, 3, 6, 9, 12, 15, 18):
        names |= layer(f"encoder.cnn.cnn.{convolution}", f"trunk.{convolution}")
    for norm in (7, 13, 19):
        names |= layer(f"encoder.cnn.cnn.{norm}", f"trunk.{norm}", NORM)
    for number in range(2):
        names |= layer(f"encoder.rnn.{number}.rnn", f"context.{number}.lstm", BILSTM)
        names |= layer(f"encoder.rnn.{number}.embedding", f"context.{number}.project")
    decoder = "decoder.decoder"
    names[f"{decoder}.embedding.weight"] = "prediction.embedding.weight"
    for reference, ours in (("attn", "attention"), ("attn_combine", "combine"), ("out", "classifier")):
        names |= layer(f"{decoder}.{reference}", f"prediction.{ours}")
    return names | {f"{decoder}.gru.{leaf}_l0": f"prediction.cell.{leaf}" for leaf in CELL}
