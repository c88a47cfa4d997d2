"""List files, JSON Lines and character boxes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wildtext.data import open_source
from wildtext.data.files import format_boxes, parse_boxes
from wildtext.errors import DataError, SampleError

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


def test_a_list_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("a.png\tcafé".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        open_source(tmp_path / "list.txt")


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


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting"),
        ("[1]", "expected an object"),
        ('{"path": "a.png"}', "expected an object"),
        ('{"path": "a.png", "text": 5}', "must be strings"),
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
