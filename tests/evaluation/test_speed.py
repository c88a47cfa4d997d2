"""What reading costs is told in full, and arithmetic is counted as one would by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import BrightnessRuntime, grey_image
from wildtext.charset import Charset
from wildtext.errors import ConfigError, DataError
from wildtext.evaluation import speed
from wildtext.evaluation.flops import count_flops, widest_canvas
from wildtext.evaluation.speed import measure_speed
from wildtext.images import Buckets, Preprocessing
from wildtext.inference.loading import load
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.runtimes import Raw
from wildtext.models import MODELS, build
from wildtext.types import Floats, Image
from wildtext.weights.bundle import Bundle
from wildtext.weights.catalogue import find

THIN = {"channels": 16, "hidden": 4}
IMAGES: list[Image] = [np.asarray(grey_image(level)) for level in range(10)]


class ClockedRuntime(BrightnessRuntime):
    """Takes 1 ms for each image by a clock of its own, and 100 s more for a size of image that it has not met yet."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.met: set[tuple[int, ...]] = set()

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        self.now += 0.001 * len(images) + (100 if images.shape[1:] not in self.met else 0)
        self.met.add(images.shape[1:])
        return super().run(images, valid_width)


@pytest.fixture
def bundle_file(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.onnx"
    path.write_bytes(b"1234")
    return path


@pytest.fixture
def clocked(digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Recognizer:
    """A recogniser with two sizes of canvas on a clock that only its network moves."""
    canvas = Buckets(((16, 16), (8, 24)))
    bundle = replace(digits_bundle, preprocessing=replace(digits_bundle.preprocessing, canvas=canvas))
    runtime = ClockedRuntime()
    monkeypatch.setattr(time, "perf_counter", lambda: runtime.now)
    return Recognizer(bundle, runtime)


def test_times_do_not_contain_the_warm_up_of_any_size(clocked: Recognizer, bundle_file: Path) -> None:
    images = [*IMAGES, *(np.asarray(grey_image(level, (20, 20))) for level in range(10))]
    found = measure_speed(clocked, images, path=bundle_file, batch_size=20)
    assert (found.median_ms, found.p90_ms, found.p99_ms) == pytest.approx((1, 1, 1))
    assert found.images_per_second == pytest.approx(1000)
    assert found.reads == 200


def test_slow_models_are_read_fewer_times(
    clocked: Recognizer, bundle_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "_SECONDS", 0.05)
    found = measure_speed(clocked, IMAGES, path=bundle_file, batch_size=40)
    assert 49 <= found.reads <= 51
    assert isinstance(clocked.runtime, ClockedRuntime)
    assert clocked.runtime.calls.count(40) == 1 + 3  # the first does not count, and three are the least


def test_percentiles_are_ordered_and_facts_are_told(recognizer: Recognizer, bundle_file: Path) -> None:
    found = measure_speed(recognizer, IMAGES, path=bundle_file, batch_size=4, threads=3)
    assert 0 < found.median_ms <= found.p90_ms <= found.p99_ms
    assert found.images_per_second > 0
    assert (found.runtime, found.threads, found.bundle_bytes) == ("fake", 3, 4)
    assert found.machine
    values = found.to_dict()
    assert (values["flops"], values["canvas"]) == (None, [8, 16])  # no architecture is called "fake"
    assert dict(found.rows())["FLOPs"] == "not known"


def test_threads_are_those_that_the_process_may_use(recognizer: Recognizer, bundle_file: Path) -> None:
    found = measure_speed(recognizer, IMAGES, path=bundle_file, batch_size=1)
    assert found.threads == len(os.sched_getaffinity(0))


def test_there_must_be_images_and_a_batch(recognizer: Recognizer, bundle_file: Path) -> None:
    with pytest.raises(DataError, match="no images"):
        measure_speed(recognizer, [], path=bundle_file)
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        measure_speed(recognizer, IMAGES, path=bundle_file, batch_size=0)


def described(name: str, sizes: dict[str, Any] | None = None, charset: Charset | None = None) -> Bundle:
    model = build(name, charset or Charset.named("36"), sizes)
    return Bundle.of(name, model, MODELS[name].preprocessing)


def counted(name: str, sizes: dict[str, Any]) -> int:
    flops = count_flops(described(name, sizes))
    assert flops is not None
    return flops


def test_convolutions_and_attention_are_counted_on_the_widest_canvas(any_size: str) -> None:
    bundle = described(any_size)
    assert widest_canvas(bundle.preprocessing) == (16, 80)
    places, columns, channels, classes = 4 * 20, 20, 8, 37
    convolution = places * channels * 3 * 4 * 4
    projections = places * (channels * 3 * channels + channels * channels + 2 * channels * 4 * channels)
    attention = 2 * places * places * channels
    classifier = columns * channels * classes
    assert count_flops(bundle) == 2 * (convolution + projections + attention + classifier)


def test_lstms_are_counted() -> None:
    plain, recurrent = (counted("crnn", {**THIN, "sequence": sequence}) for sequence in ("none", "bilstm"))
    columns, classes = 24, 37
    first, second = (2 * 4 * 4 * (inputs + 4) + 2 * 4 * 4 for inputs in (16, 4))  # both directions, and the projection
    added = columns * (first + second + 4 * classes - 16 * classes)
    assert recurrent - plain == 2 * added


def test_sampling_grids_are_counted() -> None:
    plain = counted("crnn", THIN)
    straight = counted("crnn", {**THIN, "transformation": "tps", "fiducials": 4, "localisation": [2]})
    pixels = 32 * 100
    convolution = pixels * 2 * 9
    points = 2 * 1 + 1 * 8
    grid = (4 + 3) * 4 * 2 + pixels * (4 + 3) * 2
    sampling = pixels * 4
    assert straight - plain == 2 * (convolution + points + grid + sampling)


def test_heads_that_write_are_counted_with_all_steps_whatever_they_write() -> None:
    sizes = {"features": 8, "heads": 2, "layers": 1, "decoder_heads": 2, "decoding": "autoregressive"}
    bundle = described("parseq-tiny", sizes, Charset("a", ("a",)))  # every other slot is the end, by chance
    counts = set()
    for seed in range(8):
        torch.manual_seed(seed)
        counts.add(count_flops(bundle))
    assert len(counts) == 1


def test_counting_leaves_chance_alone_and_is_the_same_for_both_kinds_of_bundle() -> None:
    bundles = [load(str(find("default", suffix=suffix))).bundle for suffix in (".onnx", ".safetensors")]
    state = torch.get_rng_state()
    counts = {count_flops(bundle) for bundle in bundles}
    assert len(counts) == 1
    assert None not in counts
    assert torch.equal(torch.get_rng_state(), state)


def test_an_architecture_of_a_later_version_has_no_count(digits_bundle: Bundle) -> None:
    assert count_flops(digits_bundle) is None


def test_without_torch_there_is_no_count() -> None:
    code = (
        "import sys\nfor name in ('torch', 'safetensors', 'onnx', 'lmdb'): sys.modules[name] = None\n"
        "import wildtext\nfrom wildtext.evaluation.flops import count_flops\n"
        "print(count_flops(wildtext.load().bundle))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "None"


def test_of_canvases_as_wide_as_each_other_the_higher_counts() -> None:
    assert widest_canvas(Preprocessing(Buckets(((64, 64), (16, 96), (32, 96))))) == (32, 96)
