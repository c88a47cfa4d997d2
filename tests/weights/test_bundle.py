"""A bundle carries everything, and what is not one is refused with the reason."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import load_file

from wildtext.charset import Charset
from wildtext.errors import BundleError
from wildtext.inference.export import export
from wildtext.inference.loading import load
from wildtext.models import MODELS, Model, build
from wildtext.weights.bundle import Bundle, load_model, read_safetensors_header, rewrite_description, save_model
from wildtext.weights.catalogue import catalogue, find

SAMPLES = sorted(
    path for path in (Path(__file__).parents[2] / "examples" / "images").iterdir() if path.suffix != ".tsv"
)
SMALL = {"channels": [8, 8, 16, 16], "layers": 1, "heads": 2}


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return build("wildnet", Charset.named("36"), SMALL).eval()


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    bundle = Bundle.of("wildnet", model, MODELS["wildnet"].preprocessing, licence="Apache-2.0", temperature=1.5)
    save_model(path, model, bundle)
    return path


def test_a_model_comes_back_with_its_description(model: Model, saved: Path) -> None:
    again, bundle = load_model(saved)
    assert (bundle.licence, bundle.temperature, bundle.charset) == ("Apache-2.0", 1.5, Charset.named("36"))
    assert bundle == read_safetensors_header(saved)
    for name, value in model.state_dict().items():
        stored = value.half().float() if value.ndim > 1 and value.is_floating_point() else value
        assert torch.equal(again.state_dict()[name], stored), name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a safetensors file"),
        (b"hello, this is text", "not a safetensors file"),
        (struct.pack("<Q", 2) + b"{}", "not a bundle of wildtext"),
        (struct.pack("<Q", 2) + b"[]", "not a safetensors file"),
        (struct.pack("<Q", 20) + b'{"__metadata__": []}', "not a safetensors file"),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=message):
        read_safetensors_header(path)


def test_a_truncated_bundle_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(BundleError, match="do not fit"):
        load_model(saved)


def test_a_bundle_of_a_newer_format_asks_for_an_upgrade(saved: Path) -> None:
    values = json.loads(read_safetensors_header(saved).to_json())
    with pytest.raises(BundleError, match="upgrade"):
        Bundle.from_json(json.dumps({**values, "format": 99}), "future")


def test_a_damaged_header_is_refused() -> None:
    with pytest.raises(BundleError, match="damaged"):
        Bundle.from_json('{"format": 1}', "odd")


def test_an_exported_bundle_reads_like_the_model(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "folder" / "small.onnx"
    export(saved, out)
    images = [np.random.default_rng(index).integers(0, 256, (20, 60, 3), np.uint8) for index in range(7)]
    from_onnx, from_torch = load(str(out)), load(str(saved))
    assert from_onnx.bundle == from_torch.bundle
    for left, right in zip(from_onnx.read(images), from_torch.read(images), strict=True):
        assert left.text == right.text
        assert left.confidence == pytest.approx(right.confidence, rel=1e-2)


def test_an_export_that_disagrees_leaves_nothing(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wildtext.inference.export._TOLERANCE", -1.0)
    with pytest.raises(BundleError, match="disagrees with torch at batch 1"):
        export(saved, tmp_path / "small.onnx")
    assert [path.name for path in tmp_path.iterdir()] == [saved.name]


def test_an_onnx_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [other])
    foreign = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "foreign.onnx"
    path.write_bytes(foreign.SerializeToString())
    with pytest.raises(BundleError, match="not a bundle of wildtext"):
        load(str(path))
    path.write_bytes(b"not a graph")
    with pytest.raises(BundleError, match="cannot load"):
        load(str(path))


def test_an_unknown_model_names_the_catalogue(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no model 'nosuch'.*default"):
        load("nosuch")
    other = tmp_path / "model.pth"
    other.write_bytes(b"")
    with pytest.raises(BundleError, match="neither"):
        load(str(other))


def test_shipped_bundles_come_in_pairs_that_agree() -> None:
    entries = catalogue()
    assert "default" in entries
    for entry in entries.values():
        reader, trainer = load(entry.name), load(str(entry.safetensors))
        assert reader.bundle == trainer.bundle == entry.bundle
        texts = [[prediction.text for prediction in one.read(SAMPLES)] for one in (reader, trainer)]
        assert texts[0] == texts[1]
        assert entry.bundle.licence == "Apache-2.0"
        assert entry.bundle.accuracy
        assert find(entry.name, suffix=".safetensors") == entry.safetensors
        assert entry.bytes < 1.1 * entry.safetensors.stat().st_size  # weights are float16 in both


def test_charsets_and_codecs_survive_the_header(saved: Path) -> None:
    bundle = replace(read_safetensors_header(saved), charset=Charset.from_texts(["漢字 ABC"]))
    bundle = replace(bundle, codecs={"text": replace(bundle.codecs["text"], charset=bundle.charset)})  # type: ignore[type-var]
    assert Bundle.from_json(bundle.to_json(), "header") == bundle


@pytest.fixture(scope="module")
def exported(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX bundle with a text of somebody else beside ours."""
    folder = tmp_path_factory.mktemp("exported")
    save_model(folder / "small.safetensors", model, Bundle.of("wildnet", model, MODELS["wildnet"].preprocessing))
    export(folder / "small.safetensors", folder / "small.onnx")
    proto = onnx.load(folder / "small.onnx")
    onnx.helper.set_model_props(proto, {**{one.key: one.value for one in proto.metadata_props}, "notes": "keep me"})
    (folder / "small.onnx").write_bytes(proto.SerializeToString())
    return folder / "small.onnx"


def changed(path: Path) -> Bundle:
    """Another description for a bundle, longer than its own."""
    return replace(load(str(path)).bundle, temperature=2.5, origin="öäü 漢字 " * 5000)


def test_another_description_leaves_all_tensors_of_safetensors_as_they_are(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.safetensors"
    rewrite_description(saved, changed(saved), out)
    assert read_safetensors_header(out) == changed(saved)
    before, after = load_file(saved), load_file(out)
    assert list(before) == list(after)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    data = [path.read_bytes()[8 + struct.unpack("<Q", path.read_bytes()[:8])[0] :] for path in (saved, out)]
    assert data[0] == data[1]
    assert (out.stat().st_size - len(data[1])) % 8 == 0  # tensors stay aligned
    assert load_model(out)[1] == changed(saved)


def test_another_description_leaves_the_graph_of_onnx_as_it_is(exported: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.onnx"
    rewrite_description(exported, changed(exported), out)
    before, after = onnx.load(exported), onnx.load(out)
    texts = {one.key: one.value for one in after.metadata_props}
    assert len(after.metadata_props) == 2
    assert texts == {"notes": "keep me", "wildtext": changed(exported).to_json()}
    del before.metadata_props[:], after.metadata_props[:]
    assert before.SerializeToString() == after.SerializeToString()
    images = [np.random.default_rng(index).integers(0, 256, (20, 60, 3), np.uint8) for index in range(3)]
    plain, read = load(str(exported)), load(str(out))
    assert read.bundle == changed(exported)
    seen = list(plain.observe(images))
    assert read.read(images) == [plain.decode(one, temperature=2.5) for one in seen if isinstance(one, tuple)]


def test_a_description_is_rewritten_again_and_in_place(exported: Path, saved: Path, tmp_path: Path) -> None:
    for path in (exported, saved):
        original, out = load(str(path)).bundle, tmp_path / f"again{path.suffix}"
        rewrite_description(path, changed(path), out)
        grown = out.stat().st_size
        rewrite_description(out, changed(path), out)
        assert out.stat().st_size == grown
        rewrite_description(out, original, out)
        assert load(str(out)).bundle == original
    assert not list(tmp_path.glob("*.part"))


def test_damaged_bundles_are_not_rewritten(exported: Path, saved: Path, tmp_path: Path) -> None:
    for path in (exported, saved):
        whole, out = path.read_bytes(), tmp_path / f"out{path.suffix}"
        broken = tmp_path / f"broken{path.suffix}"
        for content in (
            b"",
            b"\x0b",
            b"\xff" * 40,
            b"hello, this is text",
            whole[:7],
            whole[: len(whole) // 50],
            whole[:-9],
        ):
            broken.write_bytes(content)
            with pytest.raises(BundleError, match="broken"):
                rewrite_description(broken, changed(path), out)
            assert not out.exists()
        with pytest.raises(BundleError, match="cannot open"):
            rewrite_description(tmp_path / f"missing{path.suffix}", changed(path), out)
    assert not list(tmp_path.glob("*.part"))


def test_files_that_are_no_bundles_are_not_rewritten(exported: Path, tmp_path: Path) -> None:
    proto = onnx.load(exported)
    del proto.metadata_props[:]
    (tmp_path / "foreign.onnx").write_bytes(proto.SerializeToString())
    (tmp_path / "foreign.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    (tmp_path / "foreign.pt").write_bytes(b"")
    for name, message in (("onnx", "not a bundle"), ("safetensors", "not a bundle"), ("pt", "neither")):
        with pytest.raises(BundleError, match=message):
            rewrite_description(tmp_path / f"foreign.{name}", changed(exported), tmp_path / f"out.{name}")


def test_a_bundle_does_not_become_one_of_the_other_kind(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="wildtext export"):
        rewrite_description(exported, changed(exported), tmp_path / "out.safetensors")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_rewrite_leaves_what_was_there(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    out = tmp_path / "out.onnx"
    out.write_bytes(b"before")
    new = changed(exported)

    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setattr("wildtext.weights.header.os.fsync", interrupted)
    with pytest.raises((BundleError, KeyboardInterrupt), match=r"cannot write .*out\.onnx: No space|^$"):
        rewrite_description(exported, new, out)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out.onnx", b"before")]


def test_the_temperature_goes_along_when_a_bundle_is_exported(saved: Path, tmp_path: Path) -> None:
    rewrite_description(
        saved, replace(read_safetensors_header(saved), temperature=0.7, calibration={"images": 9}), saved
    )
    export(saved, tmp_path / "small.onnx")
    bundle = load(str(tmp_path / "small.onnx")).bundle
    assert (bundle.temperature, bundle.calibration) == (0.7, {"images": 9})
