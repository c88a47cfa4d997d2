"""Releases with MATLAB files: SynthText and IIIT5K. Their boxes of characters are kept."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wildtext.cli import FAILED, OK, main
from wildtext.data import open_source
from wildtext.data.convert.crops import rectangle
from wildtext.data.convert.iiit5k import open_iiit5k
from wildtext.data.convert.synthtext import open_synthtext
from wildtext.data.lexicons import open_lexicons
from wildtext.errors import DataError, MissingExtraError, SampleError

matlab = pytest.importorskip("scipy.io", reason="scipy, of the extra convert, is not installed")

Boxes = NDArray[np.float64]


def cells(values: Sequence[Any]) -> NDArray[Any]:
    """A cell array of MATLAB."""
    made = np.empty((1, len(values)), object)
    for number, value in enumerate(values):
        made[0, number] = value
    return made


def corners_first(boxes: Boxes) -> Boxes:
    """Boxes (N, 4, 2) as gt.mat has them; MATLAB drops the last axis of a single one."""
    turned = boxes.transpose(2, 1, 0)
    return turned[:, :, 0] if turned.shape[2] == 1 else turned


def grid(words: str, left: float = 10, top: float = 10) -> tuple[Boxes, Boxes]:
    """Boxes of words that are set side by side, and of their characters, 6 x 12 pixels each."""
    of_words, of_characters = [], []
    for word in words.split():
        of_words.append(rectangle(left, top, 6 * len(word), 12))
        of_characters += [rectangle(left + 6 * number, top, 6, 12) for number in range(len(word))]
        left += 6 * len(word) + 4
    return np.array(of_words), np.array(of_characters)


Photograph = tuple[str, list[str], Boxes, Boxes]


def release(folder: Path, *photographs: Photograph) -> Path:
    """Write a small copy of SynthText; a photograph has a name, texts, boxes of words, and boxes of characters."""
    for name, *_ in photographs:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 200, 3), np.uint8)).save(folder / name)
    names, texts, words, characters = zip(*photographs, strict=True)
    variables = {
        "imnames": cells(names),
        # MATLAB pads the rows of a matrix of characters with blanks.
        "txt": cells([np.array([text.ljust(max(map(len, rows))) for text in rows]) for rows in texts]),
        "wordBB": cells([corners_first(boxes).astype(np.float32) for boxes in words]),
        "charBB": cells([corners_first(boxes) for boxes in characters]),
    }
    matlab.savemat(folder / "gt.mat", variables, do_compression=True)
    return folder / "gt.mat"


def test_synthtext(tmp_path: Path) -> None:
    path = release(
        tmp_path,
        ("8/ballet_1_0.jpg", ["Lines:\nI lost", "don't\n  pkg"], *grid("Lines: I lost don't pkg")),
        ("9/street_2_0.jpg", ["x"], *grid("x", 30, 20)),
    )
    assert main(["data", "convert", "synthtext", str(path), str(tmp_path / "out")]) == OK
    packed = open_source(tmp_path / "out")
    assert [packed.text(index) for index in range(packed.size)] == ["Lines:", "I", "lost", "don't", "pkg", "x"]
    assert packed[0].image.shape == (12, 36, 3)
    for index in range(packed.size):
        boxes = packed.boxes(index)
        expected = [rectangle(6 * number, 0, 6, 12) for number in range(len(packed.text(index)))]
        np.testing.assert_array_equal(boxes, np.array(expected))


def test_crops_of_synthtext_show_their_words(tmp_path: Path) -> None:
    path = release(tmp_path / "gt", ("8/a.jpg", ["ab cd"], *grid("ab cd", 20.25, 30.5)))
    (tmp_path / "gt" / "8").rename(tmp_path / "8")
    source = open_synthtext(path, tmp_path)
    with Image.open(tmp_path / "8" / "a.jpg") as opened:
        photograph = np.asarray(opened)
    sample = source[1]
    assert (sample.text, sample.source) == ("cd", f"{tmp_path / '8' / 'a.jpg'}#2")
    np.testing.assert_array_equal(sample.image, photograph[30:43, 36:49])
    assert sample.boxes is not None
    np.testing.assert_array_equal(sample.boxes[0], rectangle(0.25, 0.5, 6, 12))


def test_words_of_synthtext_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    far, characters = grid("in out")
    far[1] += 500
    flat, flat_characters = grid("flat ok")
    flat[0, :, 1] = 20
    path = release(
        tmp_path,
        ("1/far.jpg", ["in out"], far, characters),
        ("1/flat.jpg", ["flat ok"], flat, flat_characters),
        ("1/words.jpg", ["one two three"], *grid("one two")),
        ("1/letters.jpg", ["one two"], grid("one two")[0], grid("one tw")[1]),
        ("1/gone.jpg", ["gone"], *grid("gone")),
    )
    (tmp_path / "1" / "gone.jpg").unlink()
    assert main(["data", "convert", "synthtext", str(path), str(tmp_path / "out")]) == FAILED
    packed = open_source(tmp_path / "out")
    assert [packed.text(index) for index in range(packed.size)] == ["in", "ok"]
    lines = (tmp_path / "out" / "skipped.tsv").read_text(encoding="utf-8").splitlines()
    found = [line.replace(f"{tmp_path}/1/", "").split("\t") for line in lines]
    assert found[0][0] == "far.jpg#2"
    assert found[0][1].startswith("the box lies outside the picture: from [526.0, 510.0]")
    assert found[1][0] == "flat.jpg#1"
    assert found[1][1].startswith("the box is degenerate: ")
    mismatch = "words do not fit their boxes: 3 words and 2 boxes"
    assert found[2:4] == [["words.jpg#1", mismatch], ["words.jpg#2", mismatch]]
    mismatch = "characters do not fit their boxes: 6 characters and 5 boxes"
    assert found[4:6] == [["letters.jpg#1", mismatch], ["letters.jpg#2", mismatch]]
    assert found[6] == ["gone.jpg#1", "No such file or directory: gone.jpg"]


def test_a_photograph_without_words_does_no_harm(tmp_path: Path) -> None:
    path = release(tmp_path, ("1/a.jpg", ["one"], *grid("one")), ("1/b.jpg", ["two"], *grid("two")))
    content = matlab.loadmat(path)
    for name in ("wordBB", "charBB"):
        content[name][0, 0] = np.empty((0, 0))
    content["txt"][0, 0] = np.array([], "<U1")
    matlab.savemat(path, {name: content[name] for name in ("imnames", "txt", "wordBB", "charBB")})
    source = open_synthtext(path)
    assert [source.text(index) for index in range(source.size)] == ["two"]


def test_gt_mat_of_another_form_is_refused(tmp_path: Path) -> None:
    path = release(tmp_path, ("1/a.jpg", ["one"], *grid("one")))
    content = matlab.loadmat(path)
    good = {name: content[name] for name in ("imnames", "txt", "wordBB", "charBB")}
    matlab.savemat(path, {**good, "wordBB": cells([np.zeros((4, 4))])})
    with pytest.raises(
        DataError, match=r"gt\.mat: wordBB has an entry of shape \(4, 4\) where \(2, 4, N\) is expected"
    ):
        open_synthtext(path)
    matlab.savemat(path, {**good, "txt": cells(["one", "two"])})
    with pytest.raises(
        DataError, match=r"gt\.mat is damaged: imnames, txt, wordBB and charBB are of different lengths"
    ):
        open_synthtext(path)
    matlab.savemat(path, {"imnames": good["imnames"]})
    with pytest.raises(DataError, match=r"gt\.mat has no variable 'txt', but imnames"):
        open_synthtext(path)


@pytest.mark.parametrize("open_release", [lambda path: open_synthtext(path), lambda path: open_iiit5k([path])])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot read .* as a MATLAB file"),
        (b"no MATLAB file " * 30, "cannot read .* as a MATLAB file"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400), r"is of MATLAB 7\.3; save it again .* -v7"),
        (None, "cannot read .*No such file"),
    ],
)
def test_files_that_are_not_of_matlab_are_refused(
    tmp_path: Path, open_release: Callable[[Path], Any], content: bytes | None, reason: str
) -> None:
    path = tmp_path / "file.mat"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        open_release(path)


def test_without_scipy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingExtraError, match=r"scipy.*pip install 'wildtext\[convert\]'"):
        open_synthtext(tmp_path / "gt.mat")


def write_struct(path: Path, **fields: list[Any]) -> Path:
    """A struct array of MATLAB, named after its file as IIIT5K does."""
    count = len(next(iter(fields.values())))
    records = np.zeros((1, count), [(name, object) for name in fields])
    for name, values in fields.items():
        for number, value in enumerate(values):
            records[0, number][name] = value
    matlab.savemat(path, {path.stem: records})
    return path


@pytest.fixture
def iiit5k(tmp_path: Path, image: Callable[..., bytes]) -> Path:
    (tmp_path / "train").mkdir()
    for number in range(3):
        (tmp_path / "train" / f"{number}.png").write_bytes(image(number))
    return tmp_path


NAMES = [f"train/{number}.png" for number in range(3)]


def test_iiit5k(iiit5k: Path) -> None:
    rows: list[list[list[float]]] = [
        [[2, 1, 5, 9], [8, 2, 4, 8], [13, 2, 4, 8]],
        [[1, 1, 6, 10]],
        [[0, 1, 6, 10], [7, 1, 6.5, 10]],
    ]
    path = write_struct(
        iiit5k / "trainCharBound.mat",
        ImgName=NAMES,
        chars=["You", "A", "Re"],
        charBB=[np.array(each, np.float64) for each in rows],
    )
    assert main(["data", "convert", "iiit5k", str(path), str(iiit5k / "out")]) == OK
    packed = open_source(iiit5k / "out")
    assert [packed.text(index) for index in range(3)] == ["You", "A", "Re"]
    assert packed.content(1) == (iiit5k / NAMES[1]).read_bytes()
    boxes = [packed.boxes(index) for index in range(3)]
    np.testing.assert_array_equal(boxes[0], np.array([rectangle(*row) for row in rows[0]]))
    np.testing.assert_array_equal(boxes[1], [[[1, 1], [7, 1], [7, 11], [1, 11]]])
    np.testing.assert_array_equal(boxes[2], np.array([rectangle(*row) for row in rows[2]]))


def test_words_of_iiit5k_with_too_few_boxes_go_without_and_that_is_told(
    iiit5k: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_struct(
        iiit5k / "trainCharBound.mat",
        ImgName=NAMES[:2],
        chars=["You", "A"],
        charBB=[np.ones((2, 4)), np.ones((1, 4))],
    )
    source = open_iiit5k([path])
    assert [source.text(index) for index in range(2)] == ["You", "A"]
    assert source.boxes(0) is None
    assert source.boxes(1) is not None
    assert f"{path}: record 1: the boxes do not fit 'You'; it is kept without them" in caplog.text


def test_lists_of_iiit5k_without_boxes(iiit5k: Path) -> None:
    lexicon = cells(["YOU", "ARE"])
    path = write_struct(
        iiit5k / "traindata.mat", ImgName=NAMES, GroundTruth=["YOU", "A", "RE"], smallLexi=[lexicon] * 3
    )
    source = open_iiit5k([path])
    assert [source.text(index) for index in range(3)] == ["YOU", "A", "RE"]
    assert source.boxes(0) is None
    (iiit5k / NAMES[2]).unlink()
    with pytest.raises(SampleError, match=r"train/2\.png: No such file"):
        source[2]


def lexicons(path: Path, which: str) -> list[tuple[str, ...]]:
    source = open_source(path)
    lexicon = open_lexicons(source, which)
    return [lexicon(index).words for index in range(source.size)]


@pytest.mark.parametrize("name", ["testdata.mat", "testCharBound.mat"])
def test_lexicons_of_iiit5k_stay_with_their_images(iiit5k: Path, name: str) -> None:
    small = [cells([f"YOU{number}", "ARE"]) for number in range(3)]
    medium = [cells([f"YOU{number}", "ARE", "HERE"]) for number in range(3)]
    write_struct(
        iiit5k / "testdata.mat", ImgName=NAMES, GroundTruth=["YOU", "A", "RE"], smallLexi=small, mediumLexi=medium
    )
    write_struct(
        iiit5k / "testCharBound.mat", ImgName=NAMES[::-1], chars=["Re", "A", "You"], charBB=[np.ones((1, 4))] * 3
    )
    (iiit5k / NAMES[1]).write_bytes(b"no image")
    assert main(["data", "convert", "iiit5k", str(iiit5k / name), str(iiit5k / "out")]) == FAILED
    first, last = ("YOU0", "YOU2") if name == "testdata.mat" else ("YOU2", "YOU0")
    assert lexicons(iiit5k / "out", "50") == [(first, "ARE"), (last, "ARE")]
    assert lexicons(iiit5k / "out", "1k") == [(first, "ARE", "HERE"), (last, "ARE", "HERE")]


def test_without_lexicons_none_are_written(iiit5k: Path) -> None:
    path = write_struct(iiit5k / "testdata.mat", ImgName=NAMES, GroundTruth=["YOU", "A", "RE"])
    assert main(["data", "convert", "iiit5k", str(path), str(iiit5k / "out")]) == OK
    assert not list((iiit5k / "out").glob("lexicon*"))


def test_other_structs_are_refused(tmp_path: Path) -> None:
    path = write_struct(tmp_path / "data.mat", Name=["a"], Text=["b"])
    with pytest.raises(DataError, match=r"data\.mat has no struct with ImgName, and chars or GroundTruth"):
        open_iiit5k([path])
    matlab.savemat(path, {"number": np.ones(3)})
    with pytest.raises(DataError, match="has no struct with ImgName"):
        open_iiit5k([path])
