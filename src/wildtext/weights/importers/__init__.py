"""From checkpoints of reference projects to bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from wildtext.errors import BundleError
from wildtext.models import Model, build
from wildtext.weights.bundle import Bundle
from wildtext.weights.importers.acds_str import ACDS_STR
from wildtext.weights.importers.checkpoints import read_checkpoint
from wildtext.weights.importers.contract import Imported, Source, listed
from wildtext.weights.importers.dtrb import CLOVAAI_DTRB
from wildtext.weights.importers.mgp_str import MGP_STR_HF, MGP_STR_OFFICIAL
from wildtext.weights.importers.parseq import PARSEQ
from wildtext.weights.importers.robustscanner import MMOCR_ROBUSTSCANNER, PADDLEOCR_ROBUSTSCANNER
from wildtext.weights.importers.seq2seq import BAI_SHANG
from wildtext.weights.importers.srn import PADDLEOCR_SRN, SRN_PYTORCH
from wildtext.weights.importers.svtrv2 import OPENOCR_SVTRV2

__all__ = ["SOURCES", "import_checkpoint"]

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        CLOVAAI_DTRB,
        SRN_PYTORCH,
        PADDLEOCR_SRN,
        PADDLEOCR_ROBUSTSCANNER,
        MMOCR_ROBUSTSCANNER,
        BAI_SHANG,
        MGP_STR_OFFICIAL,
        MGP_STR_HF,
        ACDS_STR,
        PARSEQ,
        OPENOCR_SVTRV2,
    )
}


def import_checkpoint(source: str, files: Sequence[Path], *, charset: str = "") -> tuple[Model, Bundle]:
    """Read a checkpoint of a reference project.

    Args:
        source: a key of `SOURCES`; ``auto`` guesses it from the names of the tensors.
        files: of the checkpoint, in the order of the source's parts.
        charset: name or file of the characters that it writes; empty where the project has only one set.

    Returns:
        The model in evaluation mode, and its description: it reads with the reference's own preprocessing, special
        tokens and end rule.

    Raises:
        BundleError: a file cannot be read or is of no known project; tensors are missing, unexpected or misshapen.
        CharsetError: the charset cannot be read.
    """
    contents = [read_checkpoint(file) for file in files]
    chosen = _guess(contents) if source == "auto" else _named(source, len(files))
    imported = chosen.convert(_joined(chosen, contents), chosen.read_charset(charset) if charset else None)
    model = build(imported.architecture, imported.charset, imported.sizes)
    _load(model, imported)
    names = ", ".join(file.name for file in files)
    bundle = Bundle.of(
        imported.architecture,
        model,
        imported.preprocessing,
        scores=imported.scores,
        licence="that of the imported weights",
        origin=f"{chosen.describes}, imported from {names}",
    )
    return model.eval(), bundle


def _named(source: str, files: int) -> Source:
    if source not in SOURCES:
        raise BundleError(f"unknown source {source!r}; known are {', '.join(SOURCES)}, and auto")
    wanted = SOURCES[source].parts
    if files != len(wanted):
        order = f", in this order: {', '.join(wanted)}" if len(wanted) > 1 else ""
        raise BundleError(f"a checkpoint of {source} has {len(wanted)} file(s){order}; {files} were given")
    return SOURCES[source]


def _guess(contents: Sequence[Mapping[str, Tensor]]) -> Source:
    for source in SOURCES.values():
        if len(source.parts) == len(contents) and source.recognises(_joined(source, contents).keys()):
            return source
    names = listed(name for content in contents for name in content)
    raise BundleError(
        f"these tensors are of no project that wildtext knows ({', '.join(SOURCES)}); the first names are {names}"
    )


def _joined(source: Source, contents: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {
        f"{part}.{name}".removeprefix("."): tensor
        for part, content in zip(source.parts, contents, strict=True)
        for name, tensor in content.items()
    }


def _load(model: Model, imported: Imported) -> None:
    """Fill the model.

    Raises:
        BundleError: tensors have other shapes than the model's.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in imported.weights.items()}
    assert wanted.keys() == given.keys(), wanted.keys() ^ given.keys()
    if misshapen := [
        f"{name} {given[name]} instead of {shape}" for name, shape in wanted.items() if given[name] != shape
    ]:
        raise BundleError(f"tensors do not fit a {imported.architecture}: {listed(misshapen)}")
    model.load_state_dict(imported.weights)
