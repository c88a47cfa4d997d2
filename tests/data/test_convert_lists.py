"""Releases that list word images in a text file: MJSynth, SynthAdd, word recognition of ICDAR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.data import LabelledSource, open_source
from wildtext.data.convert.icdar import open_icdar_words
from wildtext.data.convert.mjsynth import open_mjsynth
from wildtext.data.convert.synthadd import open_synthadd
from wildtext.errors import DataError, SampleError

Captured = pytest.CaptureFixture[str]
Images = Callable[..., None]


@pytest.fixture
def images(tmp_path: Path, image: Callable[..., bytes]) -> Images:
    """Write image files; every one differs."""

    def write(*names: str) -> None:
        for number, name in enumerate(names):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(image(number, form="PNG" if name.endswith(".png") else "JPEG"))

    return write


def write_list(path: Path, *lines: str, end: str = "\n", mark: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mark + "".join(line + end for line in lines).encode())
    return path


def labels(source: LabelledSource) -> list[str]:
    return [source.text(index) for index in range(source.size)]


def skipped(out: Path) -> Sequence[str]:
    return (out / "skipped.tsv").read_text(encoding="utf-8").splitlines()


def test_mjsynth(tmp_path: Path, images: Images) -> None:
    names = "2425/1/115_Lube_45484.jpg", "2425/1/116_it's_1.jpg", "1/7/9_REMODELERS_64541.jpg"
    images(*names)
    train = write_list(tmp_path / "annotation_train.txt", f"./{names[0]} 45484", f"./{names[1]} 1")
    test = write_list(tmp_path / "annotation_test.txt", f"./{names[2]} 64541")
    assert main(["data", "convert", "mjsynth", str(train), str(test), str(tmp_path / "out")]) == OK
    packed = open_source(tmp_path / "out")
    assert labels(packed) == ["Lube", "it's", "REMODELERS"]
    assert [packed.content(index) for index in range(3)] == [(tmp_path / name).read_bytes() for name in names]


def test_images_of_mjsynth_may_lie_elsewhere(tmp_path: Path, images: Images) -> None:
    images("max/90k_DICT/2425/1/115_Lube_45484.jpg")
    names = write_list(tmp_path / "lists" / "imlist.txt", "90k_DICT/2425/1/115_Lube_45484.jpg")
    source = open_mjsynth([names], tmp_path / "max")
    assert (source[0].text, source[0].image.shape) == ("Lube", (12, 24, 3))


def test_images_of_mjsynth_that_are_damaged_are_listed_with_their_lines(
    tmp_path: Path, images: Images, capsys: Captured
) -> None:
    names = [f"1/2/{number}_word_5.jpg" for number in range(4)]
    images(*names)
    (tmp_path / names[0]).write_bytes(b"")
    (tmp_path / names[1]).write_bytes((tmp_path / names[1]).read_bytes()[:300])
    (tmp_path / names[2]).unlink()
    lines = [f"./{name} 5" for name in names]
    path = write_list(tmp_path / "annotation_val.txt", *lines, "./1/2/3_word.jpg 5", "", "./1/2/3_word_5.jpg five")
    assert main(["data", "convert", "mjsynth", str(path), str(tmp_path / "out")]) == FAILED
    assert labels(open_source(tmp_path / "out")) == ["word"]
    found = [line.split("\t") for line in skipped(tmp_path / "out")]
    assert [name for name, _ in found] == [f"{path}:{number}" for number in (1, 2, 3, 5, 6, 7)]
    reasons = [reason for _, reason in found]
    assert reasons[0].startswith("the file is empty")
    assert reasons[1].startswith("cannot be decoded")
    assert reasons[2] == f"No such file or directory: {tmp_path / names[2]}"
    assert reasons[3] == ("malformed line: expected './2425/1/115_Lube_45484.jpg 45484', not './1/2/3_word.jpg 5'")
    assert all(reason.startswith("malformed line") for reason in reasons[3:])
    assert "left out 3: malformed line" in capsys.readouterr().out


def test_synthadd(tmp_path: Path, images: Images) -> None:
    words = ["Hello,", 'it"s', "a\\b", '"', "two words"]
    images(*(f"crop_img_{part}/{number}.jpg" for part in (1, 12) for number in range(5)))
    lines = [f'{number}.jpg,"{word}"' for number, word in enumerate(words)]
    lists = [write_list(tmp_path / "annotationlist" / f"gt_{part}.txt", *lines) for part in (1, 12)]
    assert main(["data", "convert", "synthadd", *map(str, lists), str(tmp_path / "out")]) == OK
    packed = open_source(tmp_path / "out")
    assert labels(packed) == words * 2
    assert packed.content(6) == (tmp_path / "crop_img_12" / "1.jpg").read_bytes()


def test_synthadd_with_paths_in_its_lists(tmp_path: Path, images: Images) -> None:
    images("SynthAdd/crop_img_1/1.jpg")
    path = write_list(tmp_path / "annotationlist" / "gt.txt", "SynthAdd/crop_img_1/1.jpg LABEL", "SynthAdd/x.jpg")
    source = open_synthadd([path], tmp_path)
    assert source[0].text == "LABEL"
    with pytest.raises(SampleError, match=r"gt\.txt:2: malformed line: expected '1\.jpg,\"LABEL\"', not"):
        source.text(1)


def test_word_images_of_icdar(tmp_path: Path, images: Images) -> None:
    words = ["PROPER", "Genaxis Theatre", "a, b", "[06]", 'say "x"', "back\\slash", "£9", "plain"]
    images(*(f"word_{number}.png" for number in range(8)))
    quoted = [word.replace("\\", "\\\\").replace('"', '\\"') for word in words[:-1]]
    lines = [f'word_{number}.png, "{word}"' for number, word in enumerate(quoted)]
    path = write_list(tmp_path / "gt.txt", *lines, "word_7.png,plain", end="\r\n", mark=b"\xef\xbb\xbf")
    assert main(["data", "convert", "icdar-words", str(path), str(tmp_path / "out")]) == OK
    packed = open_source(tmp_path / "out")
    assert labels(packed) == words
    assert packed.content(3) == (tmp_path / "word_3.png").read_bytes()


def test_images_of_icdar_may_lie_elsewhere(tmp_path: Path, images: Images) -> None:
    images("test/word_1.png")
    path = write_list(tmp_path / "Challenge2_Test_Task3_GT.txt", 'word_1.png, "Tiredness"')
    assert (
        main(["data", "convert", "icdar-words", str(path), str(tmp_path / "out"), "--images", str(tmp_path / "test")])
        == OK
    )
    with pytest.raises(DataError, match=r"there is no folder .*nowhere"):
        open_icdar_words([path], tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('word_1.png, "###"', r"marked as illegible \(###\)"),
        ("word_1.png", "malformed line: expected 'word_1.png, \"PROPER\"', not 'word_1.png'"),
        (', "PROPER"', "malformed line"),
        ("word_1.png, ", "malformed line"),
        ("", "malformed line"),
    ],
)
def test_lines_of_icdar_without_a_word_are_named(tmp_path: Path, line: str, reason: str) -> None:
    source = open_icdar_words([write_list(tmp_path / "gt.txt", line, 'word_2.png, "x"')])
    with pytest.raises(SampleError, match=rf"gt\.txt:1: {reason}"):
        source.text(0)
    assert source.text(1) == "x"


@pytest.mark.parametrize("name", ["mjsynth", "synthadd", "icdar-words"])
def test_an_empty_list_is_refused(tmp_path: Path, name: str, capsys: Captured) -> None:
    path = write_list(tmp_path / "lists" / "gt_1.txt", "", "")
    assert main(["data", "convert", name, str(path), str(tmp_path / "out")]) == UNUSABLE
    assert f"{path}: none of 0 samples could be written" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mjsynth", "synthadd", "icdar-words", "iiit5k", "svt"])
def test_what_to_read_and_what_to_write_are_both_needed(tmp_path: Path, name: str, capsys: Captured) -> None:
    assert main(["data", "convert", name, str(tmp_path / "out")]) == UNUSABLE
    assert "name the lists to read, and then the LMDB to write" in capsys.readouterr().err
