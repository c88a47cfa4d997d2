"""`wildtext explain` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.images import decode

EXAMPLES = Path(__file__).parents[1] / "examples" / "images"
MARKET, OPEN = str(EXAMPLES / "market.jpg"), str(EXAMPLES / "open.jpg")
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_picture_comes_to_the_current_folder(tmp_path: Path, capsys: Captured) -> None:
    assert main(["explain", MARKET]) == OK
    assert capsys.readouterr().out == "market.explained.png: Market\n"
    assert [path.name for path in tmp_path.iterdir()] == ["market.explained.png"]
    assert decode("market.explained.png").shape[1] == 1200


def test_one_image_goes_to_the_file_that_is_named(capsys: Captured) -> None:
    assert main(["explain", MARKET, "--out", "deeper/why.png"]) == OK
    assert capsys.readouterr().out == "deeper/why.png: Market\n"
    assert decode("deeper/why.png").shape[1] == 1200


def test_several_images_go_to_a_folder() -> None:
    assert main(["explain", MARKET, OPEN, "--out", "pictures"]) == OK
    assert sorted(path.name for path in Path("pictures").iterdir()) == ["market.explained.png", "open.explained.png"]
    assert main(["explain", MARKET, "--out", "pictures"]) == OK, "what is there is made anew"


def test_a_folder_of_images_is_explained() -> None:
    assert main(["explain", str(EXAMPLES), "--out", "pictures"]) == OK
    assert len(list(Path("pictures").iterdir())) == len([path for path in EXAMPLES.iterdir() if path.suffix != ".tsv"])


def test_facts_are_printed_as_json_lines(tmp_path: Path, capsys: Captured) -> None:
    assert main(["explain", MARKET, "missing.png", OPEN, "--format", "json", "--top", "3"]) == FAILED
    market, missing, opened = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (market["path"], market["text"], opened["text"]) == (MARKET, "Market", "OPEN")
    assert [len(piece["choices"]) for piece in market["pieces"]] == [3] * 6
    assert missing == {"path": "missing.png", "error": "missing.png: No such file or directory"}
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_cannot_be_read_does_not_keep_the_rest(capsys: Captured) -> None:
    Path("broken.png").write_text("no image")
    assert main(["explain", "broken.png", MARKET]) == FAILED
    shown = capsys.readouterr()
    assert "broken.png" in shown.err
    assert Path("market.explained.png").exists()
    assert not Path("broken.explained.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name at least one image"),
        (["same.png", "--out", "same.png"], "same.png is an image that shall be explained"),
        (["same.png", "deeper/same.jpg"], "same.png and deeper/same.jpg would both go to same.explained.png"),
        ([MARKET, "--out", "why.gif"], "'why.gif'"),
        ([MARKET, OPEN, "--out", "why.png"], "must be a folder for 2 images, not 'why.png'"),
        ([MARKET, OPEN, "--out", "same.png"], "must be a folder for 2 images, not 'same.png'"),
        ([MARKET, "--out", "same.png/why.png"], "cannot write same.png/why.png"),
        ([MARKET, "--format", "json", "--out", "why.png"], "--out is for pictures"),
        ([MARKET, "--top", "0"], "top must be at least 1, not 0"),
        ([MARKET, "--model", "nosuch"], "no model 'nosuch'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], message: str, capsys: Captured) -> None:
    Image.new("RGB", (40, 20)).save("same.png")
    before = Path("same.png").read_bytes()
    assert main(["explain", *arguments]) == UNUSABLE
    assert message in capsys.readouterr().err
    assert Path("same.png").read_bytes() == before


def test_no_torch_is_needed() -> None:
    code = (
        "import sys\nclass Absent:\n  def find_spec(self, name, *_):\n"
        "    if name in ('torch', 'safetensors', 'onnx', 'lmdb'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"from wildtext.cli import main\nsys.exit(main(['explain', {MARKET!r}]))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    assert Path("market.explained.png").exists()
