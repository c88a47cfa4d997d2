"""Checkpoints of reference projects become bundles; files that want more than tensors are refused."""

from __future__ import annotations

import argparse
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.oracles.goldens import fake_checkpoint, golden, listing
from wildtext.errors import BundleError
from wildtext.weights.bundle import load_model, save_model
from wildtext.weights.importers import SOURCES, import_checkpoint
from wildtext.weights.importers.checkpoints import read_checkpoint

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


def same(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return got.keys() == wanted.keys() and all(got[name].equal(value) for name, value in wanted.items())


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("wrapper", ["", "state_dict", "model"])
def test_files_of_torch_are_read(tmp_path: Path, legacy: bool, wrapper: str) -> None:
    path = tmp_path / "weights.pth"
    content: Any = OrderedDict((f"module.{name}", value) for name, value in WEIGHTS.items())
    content = {wrapper: content, "epoch": 3, "best": np.float64(0.9)} if wrapper else content
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    assert same(read_checkpoint(path), WEIGHTS)


@pytest.mark.parametrize("protocol", [2, 4])
def test_files_of_paddle_are_read(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "weights.pdparams"
    content: dict[str, Any] = {name: value.numpy() for name, value in WEIGHTS.items()}
    content["StructuredToParameterName@@"] = {name: f"{name}_0" for name in WEIGHTS}
    path.write_bytes(pickle.dumps(content, protocol))
    assert same(read_checkpoint(path), WEIGHTS)


def test_safetensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(WEIGHTS, path)
    assert same(read_checkpoint(path), WEIGHTS)


class Calls:
    """A pickle of it calls a function when it is loaded."""

    def __reduce__(self) -> Any:
        return (print, ("a pickle ran",))


@pytest.mark.parametrize(
    ("content", "name"),
    [(Calls(), "builtins.print"), ({"options": argparse.Namespace(batch=1)}, "argparse.Namespace")],
)
def test_what_is_no_tensor_is_refused_by_name(
    tmp_path: Path, content: Any, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, zipped = tmp_path / "weights.pdparams", tmp_path / "weights.pth"
    plain.write_bytes(pickle.dumps(content))
    torch.save(content, zipped)
    for path in (plain, zipped):
        with pytest.raises(BundleError, match=f"asks for .*{name.partition('.')[2]}.*was not loaded"):
            read_checkpoint(path)
    assert "a pickle ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a pickle", "not a checkpoint that can be read"),
        (b"", "not a checkpoint that can be read"),
        (pickle.dumps([1, 2]), "holds a list, not tensors by name"),
        (pickle.dumps({"epoch": 3}), "entries that are no tensors: epoch"),
    ],
)
def test_other_files_are_explained(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=message):
        read_checkpoint(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"cannot open .*gone\.pth: No such file"):
        read_checkpoint(tmp_path / "gone.pth")


@pytest.fixture
def crnn(tmp_path: Path) -> Path:
    path = tmp_path / "crnn.pth"
    torch.save({f"module.{name}": value for name, value in fake_checkpoint("dtrb_crnn").items()}, path)
    return path


@pytest.mark.parametrize("source", ["auto", "clovaai-dtrb"])
def test_bundle_computes_what_the_checkpoint_did(crnn: Path, tmp_path: Path, source: str) -> None:
    model, bundle = import_checkpoint(source, [crnn])
    save_model(tmp_path / "crnn.safetensors", model, bundle, exact=True)
    again, described = load_model(tmp_path / "crnn.safetensors")
    wanted = golden("dtrb_crnn")
    with torch.no_grad():
        logits = again(wanted["input.image"]).logits["text"]
    assert (logits - wanted["logits"]).abs().max() <= 1e-4 * wanted["logits"].abs().max()
    assert described.scores == {"clovaai": "steps"}
    assert described.preprocessing.vertical == "none"
    assert "crnn.pth" in described.origin


def test_unknown_sources_and_foreign_files_are_explained(crnn: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"unknown source 'clova'; known are .*clovaai-dtrb"):
        import_checkpoint("clova", [crnn])
    with pytest.raises(BundleError, match=r"has 1 file\(s\); 2 were given"):
        import_checkpoint("clovaai-dtrb", [crnn, crnn])
    foreign = tmp_path / "foreign.pth"
    torch.save(WEIGHTS, foreign)
    with pytest.raises(BundleError, match=r"of no project that wildtext knows .*a\.bias, a\.weight"):
        import_checkpoint("auto", [foreign])


def test_misshapen_tensors_are_listed(crnn: Path) -> None:
    tensors = torch.load(crnn)
    tensors["module.SequenceModeling.0.linear.bias"] = torch.zeros(3)
    torch.save(tensors, crnn)
    with pytest.raises(BundleError, match=r"do not fit a crnn: context\.0\.project\.bias \(3,\) instead of \(256,\)"):
        import_checkpoint("auto", [crnn])


def test_charset_must_have_the_right_size(crnn: Path) -> None:
    with pytest.raises(BundleError, match="writes 36 characters, but charset '94' has 94"):
        import_checkpoint("auto", [crnn], charset="94")


ORACLE_OF = {
    "clovaai-dtrb": "dtrb_crnn",
    "srn-pytorch": "srn_pytorch",
    "paddleocr-srn": "srn_paddleocr",
    "paddleocr-robustscanner": "robustscanner_paddleocr",
    "mmocr-robustscanner": "robustscanner_mmocr",
    "bai-shang": "baishang_crnn_seq2seq",
    "mgp-str": "mgp_str_official_tiny",
    "mgp-str-hf": "mgp_str_hf_tiny",
    "acds-str": "acds_small",
    "openocr-svtrv2": "svtrv2_tiny",
    "parseq": "parseq_tiny",
}


def test_all_sources_have_an_oracle() -> None:
    assert ORACLE_OF.keys() == SOURCES.keys()
    assert all(source.name == name and source.describes for name, source in SOURCES.items())


@pytest.mark.parametrize("name", ORACLE_OF)
def test_each_source_knows_its_own_checkpoints_alone(name: str) -> None:
    names = listing(ORACLE_OF[name])
    assert [other for other, source in SOURCES.items() if source.recognises(names)] == [name]
