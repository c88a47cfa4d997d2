"""List files, JSON Lines and character boxes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wildtext.data import open_source
from wildtext.data.files import format_boxes, parse_boxes
from wildtext.data.mixture import Ingredient, Mixture
from wildtext.data.pack import pack
from wildtext.errors import ConfigError, DataError, SampleError

QUAD = [[0, 0], [5, 0], [5.5, 9], [0, 9.25]]


@pytest.mark.parametrize(
    ("line", "path", "text"),
    [
        ("a.png\tword", "a.png", "word"),
        ("a.png\ttwo words ", "a.png", "two words "),
        ("a.png two words", "a.png", "two words"),
        ("my images/a b.png\tx", "my images/a b.png", "x"),
        ("a.png\t", "a.png", ""),
        ("a.png\tcafé 中", "a.png", "café 中"),
        ('a.png\t"quoted" # not a comment', "a.png", '"quoted" # not a comment'),
    ],
)
def test_list_lines(tmp_path: Path, line: str, path: str, text: str) -> None:
    (tmp_path / "list.txt").write_text(line + "\n", encoding="utf-8")
    source = open_source(tmp_path / "list.txt")
    assert source.size == 1
    assert source.text(0) == text
    assert source.where(0) == str(tmp_path / path)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_files_from_windows_read_the_same(tmp_path: Path, end: str, mark: bytes) -> None:
    lines = f"a.png\tone{end}{end}b.png\ttwo words{end}"
    (tmp_path / "labels.tsv").write_bytes(mark + lines.encode())
    source = open_source(tmp_path)
    assert [source.text(index) for index in range(source.size)] == ["one", "two words"]
    assert source.where(0) == str(tmp_path / "a.png")


@pytest.mark.parametrize("line", ["a.png", "a.png ", "\tword", " word"])
def test_a_line_without_path_or_text_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "list.txt").write_text(f"b.png\tfine\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"list\.txt:2: expected a path, a tab and the text"):
        open_source(tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "a.png\tok\nb.png\tcafé\n".encode("latin-1"),
            r"list\.txt:2: byte 0xe9 in .*caf.* is not UTF-8; .*iconv -f LATIN1",
        ),
        (
            "a.png\tok\nb.png\tok\nc.png\t中文\n".encode("gb18030"),
            r"list\.txt:3: byte 0xd6 .*e\.g\. GB18030 where it is",
        ),
        ("a.png\tok\n".encode("utf-16"), r"list\.txt:1: this is UTF-16, not UTF-8; .*iconv -f UTF-16 -t UTF-8"),
        ("a.png\tok\n".encode("utf-16-le"), r"list\.txt:1: this is UTF-16"),
    ],
)
def test_a_list_in_another_encoding_is_refused_with_the_way_out(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_source(tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('["a.png", "b.png"]\tword', r"list\.txt:2: expected one image, not a list; give every image a line"),
        (
            'a.jpg\t[{"transcription": "word", "points": [[0, 0], [9, 0], [9, 9], [0, 9]]}]',
            r"list\.txt:2: expected the text of a word, not the boxes of a photograph",
        ),
    ],
)
def test_lists_of_paddleocr_that_are_not_one_image_and_its_text_are_refused(
    tmp_path: Path, line: str, message: str
) -> None:
    (tmp_path / "list.txt").write_text(f"train/word_1.png\tfine\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        open_source(tmp_path / "list.txt")


@pytest.mark.parametrize("line", ["[1].png\tword", "a.png\t[06]", 'a.png\t["x"]', "a.png\t[{"])
def test_brackets_are_characters_like_others(tmp_path: Path, line: str) -> None:
    (tmp_path / "list.txt").write_text(line, encoding="utf-8")
    source = open_source(tmp_path / "list.txt")
    assert f"{Path(source.where(0)).name}\t{source.text(0)}" == line


@pytest.mark.parametrize("place", ["annos", "train_annos/mmocr-0.x", "rec"])
@pytest.mark.parametrize("images", ["", "full_images"])
def test_paths_may_be_relative_to_a_folder_above_the_list(
    tmp_path: Path, image: Callable[..., bytes], place: str, images: str
) -> None:
    (tmp_path / images / "art").mkdir(parents=True)
    (tmp_path / images / "art" / "1.png").write_bytes(image())
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "list.txt").write_text("art/1.png\tone\nart/2.png\ttwo\n", encoding="utf-8")
    source = open_source(tmp_path / place / "list.txt")
    assert source.content(0) == image()
    assert source.where(1) == str(tmp_path / images / "art" / "2.png")


def test_images_beside_the_list_come_first(tmp_path: Path, image: Callable[..., bytes]) -> None:
    for number, folder in enumerate([tmp_path, tmp_path / "nearer"]):
        folder.mkdir(exist_ok=True)
        (folder / "a.png").write_bytes(image(number))
    (tmp_path / "nearer" / "list.txt").write_text("a.png\tone\n", encoding="utf-8")
    assert open_source(tmp_path / "nearer" / "list.txt").content(0) == image(1)


def test_a_list_can_be_sent_to_another_process(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.png\tone\n\nb.png\ttwo\n", encoding="utf-8")
    again = pickle.loads(pickle.dumps(open_source(tmp_path / "list.txt")))
    assert [again.text(index) for index in range(again.size)] == ["one", "two"]


@pytest.mark.parametrize("name", ["list.txt", "list.jsonl"])
def test_an_empty_list_cannot_be_trained_on_or_packed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("\n\n", encoding="utf-8")
    source = open_source(tmp_path / name)
    with pytest.raises(ConfigError, match=rf"{name}: no usable samples to train on"):
        Mixture([Ingredient(source, 1.0)], 8)
    with pytest.raises(DataError, match=rf"{name}: none of 0 samples could be written"):
        pack(source, tmp_path / "out")


def test_samples_carry_image_text_and_path(tmp_path: Path, image: Callable[..., bytes]) -> None:
    (tmp_path / "a.jpg").write_bytes(image(form="JPEG"))
    (tmp_path / "list.txt").write_text("a.jpg\tword\n", encoding="utf-8")
    sample = open_source(tmp_path / "list.txt")[0]
    assert sample.image.shape == (12, 24, 3)
    assert (sample.text, sample.boxes, sample.source) == ("word", None, str(tmp_path / "a.jpg"))


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b"", "empty"), (b"text", "not an image")])
def test_a_broken_image_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    (tmp_path / "list.txt").write_text("a.png\tword\n", encoding="utf-8")
    with pytest.raises(SampleError, match=rf"a\.png: .*{reason}"):
        open_source(tmp_path / "list.txt")[0]


def test_json_lines_with_boxes(tmp_path: Path, image: Callable[..., bytes]) -> None:
    (tmp_path / "a.png").write_bytes(image())
    record = {"path": "a.png", "text": "ab", "boxes": [QUAD, None]}
    (tmp_path / "labels.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    sample = open_source(tmp_path / "labels.jsonl")[0]
    assert sample.boxes is not None
    assert sample.boxes[0].tolist() == QUAD
    assert np.isnan(sample.boxes[1]).all()


def test_json_lines_of_mmocr(tmp_path: Path) -> None:
    (tmp_path / "train_easy.jsonl").write_text('{"filename": "art/1.png", "text": "a b"}\n', encoding="utf-8")
    source = open_source(tmp_path / "train_easy.jsonl")
    assert (source.where(0), source.text(0)) == (str(tmp_path / "art" / "1.png"), "a b")


def mmocr(*items: object) -> str:
    return json.dumps({"metainfo": {"task_name": "textrecog"}, "data_list": items})


def test_json_of_mmocr(tmp_path: Path, image: Callable[..., bytes]) -> None:
    (tmp_path / "imgs").mkdir()
    (tmp_path / "imgs" / "1.png").write_bytes(image())
    items = [
        {"img_path": f"imgs/{number}.png", "instances": [{"text": text}]} for number, text in [(1, "a b"), (2, "é")]
    ]
    (tmp_path / "annotation.json").write_text(mmocr(*items), encoding="utf-8")
    source = open_source(tmp_path / "annotation.json")
    assert [source.text(index) for index in range(source.size)] == ["a b", "é"]
    assert source[0].image.shape == (12, 24, 3)
    with pytest.raises(SampleError, match=r"imgs/2\.png: No such file"):
        source[1]


def test_an_empty_json_of_mmocr_has_no_samples(tmp_path: Path) -> None:
    (tmp_path / "annotation.json").write_text(mmocr(), encoding="utf-8")
    assert open_source(tmp_path / "annotation.json").size == 0


FINE = {"img_path": "a.png", "instances": [{"text": "a"}]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Expecting"),
        (f"{json.dumps(FINE)}\n{json.dumps(FINE)}", r"Extra data.* If it has an object on each line, call it \.jsonl"),
        ("[]", "expected mmocr's"),
        ('{"images": []}', "expected mmocr's"),
        (mmocr(FINE, {"img_path": "b.png"}), r"data_list\[1\]: expected .*instances.* not .*b\.png"),
        (mmocr(FINE, {"img_path": "b.png", "instances": []}), r"data_list\[1\]: expected .* one instance"),
        (mmocr({**FINE, "instances": [{"text": "a"}, {"text": "b"}]}), r"data_list\[0\]: expected .* one instance"),
        (mmocr({**FINE, "instances": [{"text": 5}]}), r"data_list\[0\]: expected"),
        (mmocr({**FINE, "img_path": ""}), r"data_list\[0\]: expected"),
        (mmocr("a.png"), r"data_list\[0\]: expected"),
    ],
)
def test_json_of_another_form_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "annotation.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=rf"annotation\.json: .*{reason}"):
        open_source(tmp_path / "annotation.json")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting"),
        ("[1]", "expected an object"),
        ('{"path": "a.png"}', "expected an object"),
        ('{"path": "a.png", "text": 5}', "must be strings"),
        ('{"filename": 5, "text": "a"}', "must be strings"),
        ('{"path": "", "text": "a"}', "must be strings"),
        ('{"path": "a.png", "text": null}', "must be strings"),
        ('{"path": "a.png", "text": "ab", "boxes": [null]}', "needs a list of 2 boxes, not 1"),
        ('{"path": "a.png", "text": "ab", "boxes": 7}', "needs a list of 2 boxes, not int"),
        ('{"path": "a.png", "text": "a", "boxes": [[1, 2, 3, 4]]}', "a box is"),
        ('{"path": "a.png", "text": "a", "boxes": [[[1, 2], [3]]]}', "a box is"),
        ('{"path": "a.png", "text": "a", "boxes": [[[0, 0], [1, 0], [1, NaN], [0, 1]]]}', "a box is"),
        ('{"path": "a.png", "text": "a", "boxes": [[[0, 0], [1e99, 0], [1, 1], [0, 1]]]}', "a box is"),
    ],
)
def test_a_malformed_record_is_named(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "labels.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"labels\.jsonl:1: .*{reason}"):
        open_source(tmp_path / "labels.jsonl")


def test_an_empty_text_has_no_boxes() -> None:
    boxes = parse_boxes([], "")
    assert boxes is not None
    assert boxes.shape == (0, 4, 2)


@given(arrays(np.float32, (3, 4, 2), elements=st.floats(-1e8, 1e8, width=32)), st.booleans())
def test_boxes_survive_json(boxes: np.ndarray[tuple[int, ...], np.dtype[np.float32]], missing: bool) -> None:
    if missing:
        boxes[1] = np.nan
    again = parse_boxes(json.loads(json.dumps(format_boxes(boxes))), "abc")
    assert again is not None
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, boxes)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data at"):
        open_source(tmp_path / "missing")
    with pytest.raises(DataError, match=r"holds neither labels\.tsv nor"):
        open_source(tmp_path)
