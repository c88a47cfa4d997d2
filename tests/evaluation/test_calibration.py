"""A temperature makes confidence say how often readings are right, and travels with the bundle."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import BrightnessRuntime, grey_image
from wildtext.charset import Charset
from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.codecs import CTC
from wildtext.data import open_source
from wildtext.errors import DataError, SampleError
from wildtext.evaluation.calibration import TEMPERATURES, fit_temperature
from wildtext.images import Fixed, Preprocessing
from wildtext.inference.loading import load
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.runtimes import Raw
from wildtext.synth import SyntheticWords
from wildtext.types import Floats, Sample
from wildtext.weights.bundle import Bundle

DIGITS = Charset("digits", tuple("0123456789"))
Captured = pytest.CaptureFixture[str]


class ScriptedRuntime:
    """A stand-in for a network that has its answers by heart; the colour of an image says which.

    Args:
        logits: per head (M, T, C), for M images.
    """

    name = "scripted"

    def __init__(self, **logits: Floats):
        self.logits = logits

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        red, green = np.rint((images[:, :2, 0, 0] + 1) / 2 * 255).astype(int).T
        return Raw({head: values[256 * red + green] for head, values in self.logits.items()})


@dataclass
class ScriptedSource:
    """Labelled images of which `ScriptedRuntime` knows what to answer."""

    labels: list[str]
    first: int = 0
    name: str = "scripted"
    broken: set[int] = field(default_factory=set)

    @property
    def size(self) -> int:
        return len(self.labels)

    def where(self, index: int) -> str:
        return f"{self.name}#{index}"

    def text(self, index: int) -> str:
        return self.labels[index]

    def content(self, index: int) -> bytes:
        if index in self.broken:
            raise SampleError(f"{self.where(index)}: gone")
        buffer = io.BytesIO()
        Image.new("RGB", (16, 8), (*divmod(self.first + index, 256), 0)).save(buffer, "PNG")
        return buffer.getvalue()

    def boxes(self, index: int) -> None:
        return None

    def __getitem__(self, index: int) -> Sample:
        raise AssertionError("labels and files are enough")


def scripted(*, fused: bool = False, temperature: float = 1.0, **logits: Floats) -> Recognizer:
    codecs = {head: CTC(DIGITS, values.shape[1]) for head, values in logits.items()}
    heads = tuple(logits)
    bundle = Bundle("fake", {}, DIGITS, dict(codecs), heads[0], Preprocessing(Fixed(8, 16)), heads if fused else ())
    return Recognizer(replace(bundle, temperature=temperature), ScriptedRuntime(**logits))


def one_digit(count: int, seed: int = 0) -> tuple[Floats, list[str]]:
    """Logits (count, 1, 11) of one column, and labels that are as likely as they say."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 1, 11)).astype(np.float32)
    logits[:, :, 0] = -30  # the blank
    chances = np.exp(logits[:, 0, 1:]) / np.exp(logits[:, 0, 1:]).sum(axis=1, keepdims=True)
    return logits, [str(random.choice(10, p=chance / chance.sum())) for chance in chances.astype(np.float64)]


@pytest.mark.parametrize("factor", [3.0, 1.5, 0.5])
def test_the_factor_that_logits_are_wrong_by_is_found(factor: float) -> None:
    logits, labels = one_digit(800)
    found = fit_temperature(scripted(text=factor * logits), [ScriptedSource(labels)])
    assert found.temperature == pytest.approx(factor, rel=0.12)
    before, after = found.pooled.before, found.pooled.after
    assert after.calibration_error < 0.05 < before.calibration_error
    assert after.likelihood_loss < before.likelihood_loss
    assert after.brier < before.brier
    assert after.accuracy == pytest.approx(100 * after.confidence, abs=5)
    assert after.accuracy == before.accuracy  # one column has no alignments to choose from
    assert found.improves
    assert not found.warnings


def test_the_vertex_is_no_worse_than_what_was_tried() -> None:
    logits, labels = one_digit(400)
    source = ScriptedSource(labels)

    def loss(temperature: float) -> float:
        recognizer = scripted(text=2.4 * logits, temperature=temperature)
        return fit_temperature(recognizer, [source]).pooled.before.likelihood_loss

    found = fit_temperature(scripted(text=2.4 * logits), [source]).temperature
    assert found not in TEMPERATURES
    assert loss(found) < min(loss(2.0), loss(2.8))


def test_a_temperature_replaces_the_one_before() -> None:
    logits, labels = one_digit(300)
    fresh, again = (
        fit_temperature(scripted(text=3 * logits, temperature=temperature), [ScriptedSource(labels)])
        for temperature in (1.0, 2.9)
    )
    assert again.temperature == fresh.temperature
    assert (fresh.before, again.before) == (1.0, 2.9)
    assert again.pooled.before.calibration_error < fresh.pooled.before.calibration_error


def test_the_batch_size_does_not_change_the_result() -> None:
    logits, labels = one_digit(60)
    one, many = (
        fit_temperature(scripted(text=3 * logits), [ScriptedSource(labels)], batch_size=size) for size in (1, 64)
    )
    assert one == many


def test_heads_that_compete_have_one_temperature() -> None:
    logits, labels = one_digit(800)
    ignorant = np.zeros_like(logits)
    ignorant[:, :, 0] = -30
    even = (np.arange(800) % 2 == 0)[:, None, None]
    first, second = np.where(even, logits, ignorant), np.where(even, ignorant, logits)
    recognizer = scripted(fused=True, first=3 * first, second=3 * second)
    found = fit_temperature(recognizer, [ScriptedSource(labels)])
    assert found.temperature == pytest.approx(3, rel=0.15)
    assert found.pooled.after.calibration_error < found.pooled.before.calibration_error
    primary_alone = fit_temperature(scripted(text=3 * first), [ScriptedSource(labels)])
    assert found.pooled.after.accuracy > primary_alone.pooled.after.accuracy + 10


def test_no_temperature_changes_what_is_read() -> None:
    # "1" is more probable than nothing over all alignments; divided by a low temperature, the best path would be alone.
    between = np.log(np.full((2, 11), 1e-9))
    between[:, [0, 2, 3]] = np.log([0.5, 0.3, 0.2])
    plain = np.full((2, 11), -9.0)
    plain[0, 5], plain[1, 0] = 9, 9  # a certain "4"
    logits = np.array([between] * 60 + [plain] * 22, np.float32)
    source = ScriptedSource(["1"] * 60 + ["4"] * 20 + ["5"] * 2)
    for present in (1.0, TEMPERATURES[0]):
        found = fit_temperature(scripted(text=logits, temperature=present), [source])
        assert found.pooled.after.accuracy == found.pooled.before.accuracy == pytest.approx(8000 / 82)


def test_each_half_is_measured_with_the_temperature_of_the_other() -> None:
    logits, labels = one_digit(40)
    found = fit_temperature(scripted(text=3 * logits), [ScriptedSource(labels)])
    assert found.halves[0] != found.halves[1]
    # With their own temperatures the halves would fit better than all images do with one.
    own = fit_temperature(scripted(text=3 * logits, temperature=found.temperature), [ScriptedSource(labels)])
    assert found.pooled.after.likelihood_loss > own.pooled.before.likelihood_loss
    assert not own.improves


def test_a_half_without_errors_does_not_run_away() -> None:
    logits = np.zeros((60, 1, 11), np.float32)
    logits[:, :, 0], logits[:, :, 7] = -30, 4
    for wrong in ((0, 1), (0, 59), (20, 30), (7, 8), (3, 50)):
        labels = ["x" if index in wrong else "6" for index in range(60)]
        found = fit_temperature(scripted(text=logits), [ScriptedSource(labels)])
        assert found.halves[0] == pytest.approx(found.halves[1])
        assert found.pooled.after.confidence == pytest.approx(58 / 60, abs=0.005)


def test_each_data_set_is_told_apart() -> None:
    logits, labels = one_digit(300)
    sources = [ScriptedSource(labels[:100], name="a"), ScriptedSource(labels[100:], 100, name="b")]
    found = fit_temperature(scripted(text=3 * logits), sources)
    assert [(one.data, one.before.images) for one in found.sets] == [("a", 100), ("b", 200)]
    assert found.temperature == fit_temperature(scripted(text=3 * logits), [ScriptedSource(labels)]).temperature
    mean = (100 * found.sets[0].after.confidence + 200 * found.sets[1].after.confidence) / 300
    assert found.pooled.after.confidence == pytest.approx(mean)


def test_bins_hold_all_images_and_make_up_the_calibration_error() -> None:
    logits, labels = one_digit(200)
    quality = fit_temperature(scripted(text=3 * logits), [ScriptedSource(labels)]).pooled.before
    assert sum(one.images for one in quality.bins) == quality.images == 200
    gaps = [one.images * abs(one.confidence - one.accuracy / 100) for one in quality.bins]
    assert sum(gaps) / 200 == pytest.approx(quality.calibration_error)


def test_broken_images_take_no_part_and_are_named() -> None:
    logits, labels = one_digit(60)
    broken = ScriptedSource([*labels[:59], labels[59]], broken={59})
    found = fit_temperature(scripted(text=3 * logits), [broken])
    assert found.unreadable == ("scripted#59: gone",)
    assert found.pooled.before.images == 59
    assert found.temperature == fit_temperature(scripted(text=3 * logits), [ScriptedSource(labels[:59])]).temperature


def test_few_images_are_warned_of_with_figures() -> None:
    logits, labels = one_digit(60)
    found = fit_temperature(scripted(text=3 * logits), [ScriptedSource(labels)])
    assert "60 images are few" in found.warnings[0]
    assert all(f"{half:.3f}" in found.warnings[0] for half in found.halves)


def test_a_temperature_at_the_end_of_what_is_tried_is_warned_of() -> None:
    logits, _ = one_digit(300)
    labels = ["x" if index % 10 else str(row.argmax()) for index, row in enumerate(logits[:, 0, 1:])]
    found = fit_temperature(scripted(text=20 * logits), [ScriptedSource(labels)])
    assert found.temperature == TEMPERATURES[-1]
    assert "the last temperature that is tried" in found.warnings[0]


def test_progress_counts_both_times() -> None:
    logits, labels = one_digit(40)
    told: list[tuple[int, int]] = []
    source = ScriptedSource(labels, broken={3})
    fit_temperature(scripted(text=logits), [source], progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 80) for done in range(1, 81)]


@pytest.mark.parametrize(
    ("labels", "message"),
    [([], "no image"), (["right"] * 20, "20 of 20 images are read right"), (["x"] * 20, "0 of 20 images")],
)
def test_nothing_to_fit_is_refused(labels: list[str], message: str) -> None:
    logits, _ = one_digit(20)
    answers = [str(row.argmax()) for row in logits[:, 0, 1:]]
    labels = answers if labels[:1] == ["right"] else labels
    with pytest.raises(DataError, match=message):
        fit_temperature(scripted(text=logits), [ScriptedSource(labels)])


def test_images_that_are_all_broken_are_refused_with_the_first_reason(labelled_folder: Path) -> None:
    for path in labelled_folder.glob("*.png"):
        path.write_bytes(b"broken")
    recognizer = scripted(text=np.zeros((1, 1, 11), np.float32))
    with pytest.raises(DataError, match=r"no image.*10 are broken, e\.g\. .*0\.png"):
        fit_temperature(recognizer, [open_source(labelled_folder)])


@pytest.fixture(scope="module")
def half_wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words of which every other one has a wrong label, so that any good model is too sure of itself."""
    folder = tmp_path_factory.mktemp("words")
    source = SyntheticWords(1)
    lines = []
    for index in range(40):
        Image.fromarray(source[index].image).save(folder / f"{index}.png")
        lines.append(f"{index}.png\t{source[index].text if index % 2 else 'qzqzq'}\n")
    (folder / "labels.tsv").write_text("".join(lines), encoding="utf-8")
    return folder


def images_of(folder: Path) -> list[NDArray[np.uint8]]:
    source = open_source(folder)
    return [source[index].image for index in range(source.size)]


def test_both_kinds_of_bundle_get_the_same_temperature_and_read_with_it(
    half_wrong: Path, tmp_path: Path, capsys: Captured
) -> None:
    images, plain = images_of(half_wrong), load("default")
    found = []
    for name in ("out.onnx", "out.safetensors"):
        out = tmp_path / "folder" / name
        assert main(["calibrate", "default", str(out), "--data", str(half_wrong)]) == OK
        calibrated = load(str(out))
        temperature = calibrated.bundle.temperature
        seen = (plain if out.suffix == ".onnx" else calibrated).observe(images)
        wanted = [plain.decode(one, temperature=temperature) for one in seen if isinstance(one, tuple)]
        assert calibrated.read(images) == wanted
        assert calibrated.bundle.calibration["images"] == 40
        found.append(temperature)
    assert 1 < found[0] == pytest.approx(found[1], rel=1e-3)
    shown = capsys.readouterr()
    assert f"read with it: wildtext read --model {out} IMAGES" in shown.out
    assert "40 images are few" in shown.err


def test_a_bundle_may_take_its_own_place_and_is_left_alone_where_nothing_gets_better(
    half_wrong: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "own.onnx"
    command = ["calibrate", str(path), str(path), "--data", str(half_wrong), "--format", "json"]
    path.write_bytes(Path(load_path("default")).read_bytes())
    assert main(command) == OK
    first = json.loads(capsys.readouterr().out)
    assert first["out"] == str(path)
    assert load(str(path)).bundle.temperature == first["temperature"]
    written = path.read_bytes()
    assert main(command) == UNUSABLE
    shown = capsys.readouterr()
    second = json.loads(shown.out)
    assert (second["improves"], second["out"], second["temperature"]) == (False, None, first["temperature"])
    assert "is not written" in shown.err
    assert path.read_bytes() == written


def load_path(name: str) -> Path:
    from wildtext.weights.catalogue import find

    return find(name, suffix=".onnx")


def test_broken_images_are_named_and_change_the_exit_status(half_wrong: Path, tmp_path: Path, capsys: Captured) -> None:
    labels = "".join(
        f"{half_wrong / line}\n" for line in (half_wrong / "labels.tsv").read_text(encoding="utf-8").splitlines()
    )
    (tmp_path / "broken.png").write_bytes(b"broken")
    (tmp_path / "list.txt").write_text(f"{labels}{tmp_path / 'broken.png'}\tword\n", encoding="utf-8")
    out = tmp_path / "out.onnx"
    assert main(["calibrate", "default", str(out), "--data", str(tmp_path / "list.txt")]) == FAILED
    assert out.exists()
    shown = capsys.readouterr()
    assert "left out" in shown.err
    assert "broken.png" in shown.err


@pytest.mark.parametrize("out", ["out.safetensors", "out.pt", "out"])
def test_a_bundle_of_the_other_kind_is_refused_before_anything_is_read(
    out: str, half_wrong: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert main(["calibrate", str(load_path("default")), str(tmp_path / out), "--data", str(half_wrong)]) == UNUSABLE
    assert "wildtext export" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_it_works_where_torch_cannot_be_imported(half_wrong: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    arguments = ["calibrate", "default", str(out), "--data", str(half_wrong)]
    code = (
        "import sys\nclass Absent:\n"
        " def find_spec(self, name, *_):\n"
        "  if name in ('torch', 'safetensors', 'onnx', 'lmdb'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"from wildtext.cli import main\nsys.exit(main({arguments!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == OK, done.stderr
    assert load(str(out)).bundle.temperature > 1


def test_a_network_that_reads_everything_right_needs_no_temperature(
    labelled_folder: Path, digits_bundle: Bundle
) -> None:
    recognizer = Recognizer(digits_bundle, BrightnessRuntime())
    with pytest.raises(DataError, match="10 of 10"):
        fit_temperature(recognizer, [open_source(labelled_folder)])
    assert recognizer.read(grey_image(3))[0].text == "3"
