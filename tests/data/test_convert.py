"""Published data sets: labels come out as they were meant, and nothing is lost without a word."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.data import ConcatSource, open_source, writer
from wildtext.data.convert import synthetic_chinese
from wildtext.data.convert.listed import WordList
from wildtext.data.convert.synthetic_chinese import FirstId, Numbering, open_synthetic_chinese
from wildtext.data.pack import pack
from wildtext.errors import DataError, SampleError

CHARACTERS = "一二三四五六七八九十百千万天地人"
TWO_LINES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [7] * 9 + [16]

Ids = Sequence[int]
Release = Callable[..., Path]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def release(tmp_path: Path, image: Callable[..., bytes]) -> Release:
    """Write a small copy of the data set, with one list or several, and give its folder."""

    def make(*lists: Iterable[Ids], characters: Iterable[str] = CHARACTERS, blank: bool = False) -> Path:
        (tmp_path / "images").mkdir()
        lines = (["blank"] if blank else []) + list(characters)
        (tmp_path / "characters.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for name, rows in zip(("train", "test"), lists, strict=False):
            numbered = [(f"{name}_{number}.jpg", ids) for number, ids in enumerate(rows)]
            for number, (file, _) in enumerate(numbered):
                (tmp_path / "images" / file).write_bytes(image(number, 280, 32, "JPEG"))
            text = "".join(f"{file} {' '.join(map(str, ids))}\n" for file, ids in numbered)
            (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
        return tmp_path

    return make


def arguments(folder: Path, *more: str, lists: Sequence[str] = ("train",)) -> list[str]:
    """The command that converts it to `out`."""
    paths = [str(folder / f"{name}.txt") for name in lists]
    options = ["--images", str(folder / "images"), "--charset", str(folder / "characters.txt"), *more]
    return ["data", "convert", "synthetic-chinese", *paths, str(folder / "out"), *options]


def opened(folder: Path, *lists: str, first_id: FirstId = "auto") -> tuple[ConcatSource, Numbering]:
    paths = [folder / f"{name}.txt" for name in lists or ["train"]]
    return open_synthetic_chinese(paths, images=folder / "images", charset=folder / "characters.txt", first_id=first_id)


def labels(folder: Path, *lists: str, first_id: FirstId = "auto") -> list[str]:
    source, _ = opened(folder, *lists, first_id=first_id)
    return [source.text(index) for index in range(source.size)]


def test_what_goes_in_comes_out(release: Release, capsys: Captured) -> None:
    folder = release(TWO_LINES, [[3] * 10], blank=True)
    assert main(arguments(folder, lists=["train", "test"])) == OK
    packed = open_source(folder / "out")
    assert [packed.text(index) for index in range(packed.size)] == [
        "一二三四五六七八九十",
        "七七七七七七七七七人",
        "三" * 10,
    ]
    files = ["train_0.jpg", "train_1.jpg", "test_0.jpg"]
    assert [packed.content(index) for index in range(3)] == [(folder / "images" / file).read_bytes() for file in files]
    assert packed[0].image.shape == (32, 280, 3)
    out = capsys.readouterr().out
    assert "characters.txt: 16 characters; the first has id 1: " in out
    assert "out: 3 samples" in out


def test_with_blank_in_the_file_ids_are_numbers_of_lines(release: Release) -> None:
    folder = release([[1] * 10, [5] * 10], blank=True)
    assert labels(folder) == ["一" * 10, "五" * 10]
    _, numbering = opened(folder)
    assert (numbering.first_id, numbering.examples) == (1, ())
    assert numbering.reason.endswith("characters.txt begins with 'blank'")


def test_an_id_0_tells_that_ids_count_from_0(release: Release) -> None:
    folder = release([[3] * 10], [[5] * 10, [0, *[15] * 9]])
    assert labels(folder, "train", "test") == ["四" * 10, "六" * 10, "一" + "人" * 9]
    _, numbering = opened(folder, "train", "test")
    assert (numbering.first_id, numbering.examples) == (0, ())
    assert numbering.reason == f"id 0 occurs in {folder / 'test.txt'}:2"


def test_an_id_of_the_number_of_lines_tells_that_ids_count_from_1(release: Release) -> None:
    folder = release([[3] * 10, *[[16] * 10] * 5])
    assert labels(folder)[:2] == ["三" * 10, "人" * 10]
    _, numbering = opened(folder)
    places = ", ".join(f"{folder / 'train.txt'}:{number}" for number in (2, 3, 4))
    assert (numbering.first_id, numbering.reason) == (1, f"id 16 occurs in {places} and 2 more")


def test_without_evidence_people_are_asked_to_look(release: Release, capsys: Captured) -> None:
    folder = release([[3] * 10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 15], [99] * 10, [7] * 10, [8] * 10])
    source, numbering = opened(folder)
    assert (numbering.first_id, numbering.reason) == (1, "")
    assert [example.where for example in numbering.examples] == [source.where(index) for index in (0, 1, 3)]
    assert main(arguments(folder)) == FAILED
    out = capsys.readouterr().out
    assert "the first has id 1, by assumption: the lists have neither id 0 nor id 16" in out
    assert f"  {folder / 'train.txt'}:2: {folder / 'images' / 'train_1.jpg'}\n" in out
    assert "    as written now:     一二三四五六七八九地\n    with --first-id 0:  二三四五六七八九十人\n" in out
    assert open_source(folder / "out").text(1) == "一二三四五六七八九地"


def test_a_person_can_say_how_ids_count(release: Release, capsys: Captured) -> None:
    folder = release([[3] * 10])
    assert main(arguments(folder, "--first-id", "0")) == OK
    assert open_source(folder / "out").text(0) == "四" * 10
    assert "the first has id 0: as was asked for" in capsys.readouterr().out


@pytest.mark.parametrize("blank", [False, True])
def test_contradicting_evidence_is_refused_with_its_lines(release: Release, blank: bool, capsys: Captured) -> None:
    folder = release([[3] * 10, [0] * 10], [[16] * 10], blank=blank)
    assert main(arguments(folder, lists=["train", "test"])) == UNUSABLE
    error = capsys.readouterr().err
    assert f"id 0 occurs in {folder / 'train.txt'}:2, so the first of 16 characters" in error
    other = f"{folder / 'characters.txt'} begins with 'blank'" if blank else f"id 16 occurs in {folder / 'test.txt'}:1"
    assert f"but {other}, so it has id 1" in error
    assert "--first-id 0 or --first-id 1" in error
    assert not list(folder.glob("out*"))


def test_lines_that_do_not_fit_what_a_person_says_are_left_out(release: Release) -> None:
    folder = release([[3] * 10, [0] * 10, [16] * 10])
    source, _ = opened(folder, first_id=1)
    assert source.text(2) == "人" * 10
    with pytest.raises(SampleError, match=r"train\.txt:2: id out of range: 0 is not in 1 to 16"):
        source.text(1)
    source, _ = opened(folder, first_id=0)
    assert source.text(1) == "一" * 10
    with pytest.raises(SampleError, match=r"train\.txt:3: id out of range: 16 is not in 0 to 15"):
        source.text(2)


def test_ids_go_by_lines_where_characters_are_listed_twice(release: Release) -> None:
    folder = release([[1, 2, 3, 4, 5, 6, 1, 2, 3, 4]], characters="甲乙甲丙乙丁")
    assert labels(folder) == ["甲乙甲丙乙丁甲乙甲丙"]


def test_an_empty_line_has_a_number_too(release: Release) -> None:
    folder = release([[1, 3] * 5, [2] * 10, [4] * 10], characters=["甲", "", "乙", " ", "", ""])
    source, numbering = opened(folder)
    assert (numbering.first_id, len(numbering.alphabet.characters)) == (1, 4)
    assert [source.text(0), source.text(2)] == ["甲乙" * 5, " " * 10]
    with pytest.raises(SampleError, match=r"train\.txt:2: id of an empty line: 2, of .*characters\.txt"):
        source.text(1)


def test_windows_line_ends_do_no_harm(release: Release) -> None:
    folder = release(TWO_LINES, blank=True)
    for name in ("train.txt", "characters.txt"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content.replace(b"\n", b"\r\n"))
    assert labels(folder) == ["一二三四五六七八九十", "七七七七七七七七七人"]


def test_what_is_left_out_is_listed_with_file_and_line(release: Release, capsys: Captured) -> None:
    folder = release([[number] * 10 for number in (1, 2, 3, 17, 5, 6, 7, -3)], blank=True)
    (folder / "images" / "train_1.jpg").unlink()
    (folder / "images" / "train_2.jpg").write_text("no image")
    path = folder / "train.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[4] += " 5"
    lines[5] = lines[5].replace("6 6", "6 six", 1)
    lines.insert(6, "")
    path.write_text("\n".join(lines), encoding="utf-8")
    assert main(arguments(folder)) == FAILED
    packed = open_source(folder / "out")
    assert [packed.text(index) for index in range(packed.size)] == ["一" * 10, "七" * 10]
    skipped = (folder / "out" / "skipped.tsv").read_text(encoding="utf-8").splitlines()
    assert [line.partition("\t")[0] for line in skipped] == [f"{path}:{number}" for number in (2, 3, 4, 5, 6, 7, 9)]
    reasons = [line.partition("\t")[2] for line in skipped]
    assert reasons[0] == f"No such file or directory: {folder / 'images' / 'train_1.jpg'}"
    assert reasons[2] == "id out of range: 17 is not in 1 to 16"
    assert all(reason.startswith("malformed line: expected a name and 10 ids") for reason in reasons[3:6])
    assert reasons[6] == "id out of range: -3 is not in 1 to 16"
    out = capsys.readouterr().out
    for line in ("left out 3: malformed line", "left out 2: id out of range", "left out 1: No such file or directory"):
        assert line in out


class Stop(WordList):
    """Is interrupted at its fourth line."""

    def content(self, index: int) -> bytes:
        if index == 3:
            raise KeyboardInterrupt
        return super().content(index)


def interrupt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert the first lines."""
    monkeypatch.setattr(writer, "_COMMIT_SAMPLES", 2)
    with monkeypatch.context() as stopped:
        stopped.setattr(synthetic_chinese, "WordList", Stop)
        assert main(arguments(folder)) == 130


def test_an_interrupted_call_is_gone_on_from(
    release: Release, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    folder = release([[number] * 10 for number in range(1, 8)])
    interrupt(folder, monkeypatch)
    assert not (folder / "out").exists()
    assert main(arguments(folder)) == OK
    assert "went on after 2 samples of an earlier call" in capsys.readouterr().out
    packed = open_source(folder / "out")
    assert [packed.text(index) for index in range(packed.size)] == [character * 10 for character in CHARACTERS[:7]]


def test_counting_ids_otherwise_starts_over(
    release: Release, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = release([[number] * 10 for number in range(1, 8)])
    interrupt(folder, monkeypatch)
    with caplog.at_level(logging.WARNING, "wildtext.data"):
        assert main(arguments(folder, "--first-id", "0")) == OK
    assert "starting over" in caplog.text
    packed = open_source(folder / "out")
    assert [packed.text(index) for index in range(packed.size)] == [character * 10 for character in CHARACTERS[1:8]]


def test_a_list_can_be_used_without_packing(release: Release) -> None:
    folder = release(TWO_LINES, blank=True)
    source, _ = opened(folder)
    sample = source[1]
    assert (sample.text, sample.image.shape, sample.boxes) == ("七七七七七七七七七人", (32, 280, 3), None)
    assert sample.source == source.where(1)
    (folder / "images" / "train_0.jpg").write_bytes(b"no image")
    with pytest.raises(SampleError, match=r"train\.txt:1: "):
        source[0]


def test_nothing_that_fits_is_an_error_with_a_reason(release: Release) -> None:
    folder = release([[50] * 10])
    source, numbering = opened(folder)
    assert not numbering.examples
    with pytest.raises(DataError, match=r"none of 1 samples could be written; .*train\.txt:1: id out of range: 50"):
        pack(source, folder / "out")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("characters.txt", "甲\n乙丙\n", r"characters\.txt:2: '乙丙' is more than one character"),
        ("characters.txt", "甲\nblank\n", r"characters\.txt:2: 'blank' is more than one character"),
        ("characters.txt", "blank\n", r"characters\.txt has no characters"),
        ("characters.txt", None, r"cannot read .*characters\.txt: No such file"),
        ("train.txt", None, r"cannot read .*train\.txt: No such file"),
        ("train.txt", b"\xe9\n", r"train\.txt:1: byte 0xe9 in .* is not UTF-8"),
        ("images", None, r"there is no folder .*images; it should hold"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    release: Release, name: str, content: str | bytes | None, message: str
) -> None:
    folder = release([])
    if isinstance(content, str):
        (folder / name).write_text(content, encoding="utf-8")
    elif content is not None:
        (folder / name).write_bytes(content)
    elif name == "images":
        (folder / name).rmdir()
    else:
        (folder / name).unlink()
    with pytest.raises(DataError, match=message):
        opened(folder)


def test_lists_and_target_are_both_needed(release: Release, capsys: Captured) -> None:
    assert main(arguments(release(TWO_LINES), lists=[])) == UNUSABLE
    assert "name the lists to read, and then the LMDB to write" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["data", "convert"], ["data", "convert", "--help"]])
def test_convert_alone_shows_the_data_sets_that_it_knows(words: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "data convert synthetic-chinese" in out
    assert "data pack" not in out
