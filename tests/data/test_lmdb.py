"""LMDB in the layout of DTRB, as other projects write it."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from wildtext.data import ConcatSource, LabelledSource, LmdbSource, open_source
from wildtext.data.source import fetch
from wildtext.data.source import texts as texts_of
from wildtext.errors import DataError, MissingExtraError, SampleError
from wildtext.types import Sample

WriteLmdb = Callable[[Path, Mapping[str, bytes]], Path]
MakeImage = Callable[..., bytes]

QUADS = [[[0, 0], [5, 0], [5, 9], [0, 9]], None]


@pytest.fixture
def words(tmp_path: Path, write_lmdb: WriteLmdb, image: MakeImage) -> Path:
    """Three samples; the second has boxes."""
    return write_lmdb(
        tmp_path / "words",
        {
            "num-samples": b"3",
            "image-000000001": image(1),
            "label-000000001": b" two words",
            "image-000000002": image(2, form="JPEG"),
            "label-000000002": "éx".encode(),
            "boxes-000000002": json.dumps(QUADS).encode(),
            "image-000000003": image(3),
            "label-000000003": b"third",
        },
    )


def texts(source: LabelledSource) -> list[str]:
    return [source.text(index) for index in range(source.size)]


def read_all(source: LabelledSource) -> list[tuple[str, float]]:
    return [(source[index].text, float(source[index].image.mean())) for index in range(source.size)]


def read_in(context: str, source: LabelledSource) -> list[tuple[str, float]]:
    with multiprocessing.get_context(context).Pool(1) as pool:
        return pool.apply(read_all, (source,))


def test_reads_what_others_wrote(words: Path, image: MakeImage) -> None:
    source = open_source(words)
    assert isinstance(source, LmdbSource)
    assert source.name == str(words)
    assert texts(source) == [" two words", "éx", "third"]
    assert source.content(1) == image(2, form="JPEG")
    assert source[0].image.shape == (12, 24, 3)
    assert source[2].source == f"{words}#image-000000003"


def test_boxes(words: Path) -> None:
    source = open_source(words)
    boxes = source.boxes(1)
    assert source.boxes(0) is None
    assert boxes is not None
    assert boxes[0].tolist() == QUADS[0]
    assert np.isnan(boxes[1]).all()
    np.testing.assert_array_equal(source[1].boxes, boxes)


def test_the_database_file_itself_may_be_named(words: Path) -> None:
    source = open_source(words / "data.mdb")
    assert source.name == str(words)
    assert source.text(2) == "third"
    os.rename(words / "data.mdb", words.parent / "words.lmdb")
    assert open_source(words.parent / "words.lmdb").text(2) == "third"


def test_it_may_be_read_only(words: Path) -> None:
    (words / "lock.mdb").unlink()
    words.chmod(0o500)
    try:
        assert open_source(words).size == 3
        assert os.listdir(words) == ["data.mdb"]
    finally:
        words.chmod(0o700)


def test_one_database_may_be_opened_twice(words: Path) -> None:
    first, second = open_source(words), open_source(words / "data.mdb")
    assert texts(first) == texts(second)
    del first
    assert second.text(0) == " two words"


def test_a_database_that_was_written_anew_is_read_anew(words: Path, write_lmdb: WriteLmdb) -> None:
    old = open_source(words)
    words.rename(words.with_name("old"))
    new = open_source(write_lmdb(words, {"num-samples": b"1", "label-000000001": b"new"}))
    assert texts(new) == ["new"]
    assert texts(old) == [" two words", "éx", "third"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_other_processes_can_read(words: Path, context: str) -> None:
    source, twin = open_source(words), open_source(words)
    here = read_all(source)
    assert read_in(context, source) == here
    assert read_in(context, twin) == here
    assert read_all(source) == here


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_sources_that_share_a_database_survive_a_fork(words: Path) -> None:
    first, second = open_source(words), open_source(words)
    expected = texts(first)
    child = os.fork()
    if child == 0:
        ok = False
        try:
            ok = texts(second) == texts(first) == texts(open_source(words)) == expected
        finally:
            os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert texts(second) == expected


def test_pickling_leaves_the_open_database_behind(words: Path) -> None:
    source = open_source(words)
    assert texts(pickle.loads(pickle.dumps(source))) == texts(source)


def one_by_one(get: Callable[[int], object], indices: Iterable[int]) -> list[object]:
    """What a source gives for each index, errors as their messages."""
    found = []
    for index in indices:
        try:
            found.append(get(index))
        except SampleError as error:
            found.append(str(error))
    return found


def with_messages(values: Iterable[object]) -> list[object]:
    return [str(value) if isinstance(value, SampleError) else value for value in values]


@pytest.fixture
def collection(words: Path, write_lmdb: WriteLmdb, image: MakeImage) -> LabelledSource:
    """Two databases of six samples altogether; in the second everything is broken in another way."""
    items = {"image-000000001": image(4), "label-000000001": b"\xff", "image-000000002": image(5)}
    write_lmdb(words / "nested", {"num-samples": b"3", **items, "label-000000003": b"word"})
    return ConcatSource("both", [LmdbSource(words), LmdbSource(words / "nested")])


def test_many_samples_at_once_are_the_same_as_one_by_one(collection: LabelledSource) -> None:
    indices = [5, 0, 2, 3, 1, 4, 0]
    together = with_messages(fetch([(collection, index) for index in indices]))
    single = one_by_one(collection.__getitem__, indices)
    assert [value.source if isinstance(value, Sample) else value for value in together] == [
        value.source if isinstance(value, Sample) else value for value in single
    ]
    for ours, theirs in zip(together, single, strict=True):
        if isinstance(ours, Sample) and isinstance(theirs, Sample):
            np.testing.assert_array_equal(ours.image, theirs.image)
            np.testing.assert_array_equal(ours.boxes, theirs.boxes)
            assert ours.text == theirs.text
    assert sum(isinstance(value, Sample) for value in together) == 4


def test_all_labels_in_a_row_are_the_same_as_one_by_one(collection: LabelledSource) -> None:
    labels = with_messages(texts_of(collection))
    assert labels == one_by_one(collection.text, range(6))
    assert labels[:3] == [" two words", "éx", "third"]
    assert "not UTF-8" in str(labels[3])
    assert "the label is missing" in str(labels[4])


def test_labels_may_be_left_half_read(words: Path) -> None:
    source = open_source(words)
    assert next(iter(texts_of(source))) == " two words"
    assert texts(source) == [" two words", "éx", "third"]


def test_an_index_beyond_the_end(words: Path) -> None:
    source = open_source(words)
    for index in (-1, 3):
        with pytest.raises(IndexError, match="samples 0 to 2"):
            source.text(index)
        with pytest.raises(IndexError, match="samples 0 to 2"):
            fetch([(source, 0), (source, index)])
    assert len(list(source)) == 3  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"label-000000001": b"x"}, r"#image-000000001: the image is missing .*image-000000001"),
        ({"image-000000001": b"PNG"}, r"#image-000000001: the label is missing .*label-000000001"),
        ({"image-000000001": b"PNG", "label-000000001": b"\xff"}, "#image-000000001: the label is not UTF-8"),
        ({"image-000000001": b"junk", "label-000000001": b"x"}, "#image-000000001: not an image"),
        ({"image-000000001": b"", "label-000000001": b"x"}, "#image-000000001: the file is empty"),
        (
            {"image-000000001": b"PNG", "label-000000001": b"x", "boxes-000000001": b"[]"},
            "#image-000000001: the boxes are malformed .*needs a list of 1",
        ),
        (
            {"image-000000001": b"PNG", "label-000000001": b"x", "boxes-000000001": b"\xff["},
            "#image-000000001: the boxes are malformed",
        ),
    ],
)
def test_a_broken_sample_is_named(
    tmp_path: Path, write_lmdb: WriteLmdb, image: MakeImage, broken: dict[str, bytes], message: str
) -> None:
    items = {key: image() if value == b"PNG" else value for key, value in broken.items()}
    source = open_source(write_lmdb(tmp_path / "broken", {"num-samples": b"1", **items}))
    with pytest.raises(SampleError, match=message):
        source[0]


@pytest.mark.parametrize("items", [{}, {"num-samples": b"many"}, {"total": b"3"}])
def test_another_layout_is_refused(tmp_path: Path, write_lmdb: WriteLmdb, items: dict[str, bytes]) -> None:
    with pytest.raises(DataError, match=r"num-samples.*wildtext data pack"):
        open_source(write_lmdb(tmp_path / "other", items))


def test_a_file_that_is_cut_off_is_refused(words: Path) -> None:
    os.truncate(words / "data.mdb", os.path.getsize(words / "data.mdb") - 4096)
    with pytest.raises(DataError, match="cut off"):
        open_source(words)


@pytest.mark.parametrize("content", [b"", b"junk" * 5000])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.mdb").write_bytes(content)
    with pytest.raises(DataError, match="as an LMDB"):
        open_source(tmp_path)


def test_without_the_package_the_extra_is_named(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(MissingExtraError, match=r"wildtext\[data\]"):
        open_source(words)


def test_a_folder_of_databases(tmp_path: Path, write_lmdb: WriteLmdb) -> None:
    collection = tmp_path / "collection"
    for name, labels in {"b/deep": ["3"], "a": ["1", "2"], "c": [], "half.part": ["no"]}.items():
        items = {f"label-{number:09d}": label.encode() for number, label in enumerate(labels, start=1)}
        write_lmdb(collection / name, {"num-samples": str(len(labels)).encode(), **items})
    write_lmdb(tmp_path / "elsewhere", {"num-samples": b"1", "label-000000001": b"4"})
    (collection / "link").symlink_to(tmp_path / "elsewhere")
    source = open_source(collection)
    assert source.name == str(collection)
    assert texts(source) == ["1", "2", "3", "4"]
    assert source.where(2) == f"{collection}/b/deep#image-000000001"
    with pytest.raises(SampleError, match=r"a#image-000000002: the image is missing"):
        source[1]
    with pytest.raises(IndexError, match="samples 0 to 3"):
        source[4]


def test_labels_come_before_databases(words: Path, image: MakeImage) -> None:
    (words / "a.png").write_bytes(image())
    (words / "labels.tsv").write_text("a.png\tfrom the list\n", encoding="utf-8")
    assert texts(open_source(words)) == ["from the list"]
