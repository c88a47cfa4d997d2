"""Small things that several tests need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wildtext.charset import Charset
from wildtext.codecs import CTC
from wildtext.images import Fixed, Preprocessing
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.runtimes import Raw
from wildtext.types import Floats
from wildtext.weights.bundle import Bundle


class BrightnessRuntime:
    """A stand-in for a network that "reads" how bright an image is: 0 for black to 9 for white.

    It is sure of itself where the left half is darker than the right, which makes orientations tell apart.
    """

    name = "fake"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        self.calls.append(len(images))
        logits = np.zeros((len(images), 3, 11), np.float32)
        for row, image in zip(logits, images, strict=True):
            level = round(float((image.mean() + 1) / 2 * 9))
            half = image.shape[2] // 2
            row[:, 0] = 12
            row[1, 0] = 0
            row[1, level + 1] = 12 if image[:, :, :half].mean() < image[:, :, half:].mean() else 6
        return Raw({"text": logits})


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep readings of tests out of the user's cache, and those of users out of tests."""
    monkeypatch.setenv("WILDTEXT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def digits_bundle() -> Bundle:
    charset = Charset("digits", tuple("0123456789"))
    return Bundle("fake", {}, charset, {"text": CTC(charset, 3)}, "text", Preprocessing(Fixed(8, 16)))


@pytest.fixture
def recognizer(digits_bundle: Bundle) -> Recognizer:
    return Recognizer(digits_bundle, BrightnessRuntime())


def grey_image(level: int, size: tuple[int, int] = (40, 20)) -> Image.Image:
    """A flat picture that `BrightnessRuntime` reads as `level`, 0 to 9."""
    return Image.new("RGB", size, (round(level / 9 * 255),) * 3)


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a preset whose canvases have several sizes."""
    from tests.anysize import PRESET
    from wildtext.models import MODELS

    monkeypatch.setitem(MODELS, "any-size", PRESET)
    return "any-size"


@pytest.fixture
def labelled_folder(tmp_path: Path) -> Path:
    """Ten images with labels 0 to 9 that `BrightnessRuntime` reads right."""
    folder = tmp_path / "labelled"
    folder.mkdir()
    for level in range(10):
        grey_image(level).save(folder / f"{level}.png")
    (folder / "labels.tsv").write_text("".join(f"{level}.png\t{level}\n" for level in range(10)), encoding="utf-8")
    return folder
