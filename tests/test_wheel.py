"""What is built contains everything that reading needs, and no torch."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from wildtext.synth import SyntheticWords

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_recipes_fonts_words_weights_and_licences(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "wildtext/py.typed",
        "wildtext/codecs/vocabularies/LICENSE",
        "wildtext/codecs/vocabularies/bert-uncased.table",
        "wildtext/codecs/vocabularies/gpt2.table",
        "wildtext/recipes/default.toml",
        "wildtext/synth/words/common.txt",
        "wildtext/synth/words/COPYRIGHT",
        "wildtext/synth/fonts/index.tsv",
        "wildtext/synth/fonts/anton/LICENSE",
        "wildtext/weights/shipped/default.onnx",
        "wildtext/weights/shipped/default.safetensors",
    ):
        assert wanted in names
    assert sum(name.endswith(".woff") for name in names) >= 20
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_a_fresh_environment_reads_an_image_without_torch(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    assert subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode != 0
    Image.fromarray(SyntheticWords(1)[0].image).save(tmp_path / "word.png")
    program, word = str(tmp_path / "venv" / "bin" / "wildtext"), str(tmp_path / "word.png")
    command = [program, "read", word, "--format", "jsonl"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(done.stdout)["path"] == str(tmp_path / "word.png")
