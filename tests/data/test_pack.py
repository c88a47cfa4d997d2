"""Packing: nothing is lost, nothing is made up, and an interruption costs nothing."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest

from wildtext.data import ConcatSource, open_source, writer
from wildtext.data.files import FileSource
from wildtext.data.pack import pack
from wildtext.errors import DataError, ImageError
from wildtext.images import decode

Folder = Callable[..., FileSource]


class Interrupted(FileSource):
    """Is interrupted by the user when a certain image is fetched."""

    def __init__(self, source: FileSource, at: int):
        super().__init__(source.path, source.entries)
        self.at = at

    def content(self, index: int) -> bytes:
        if index == self.at:
            raise KeyboardInterrupt
        return super().content(index)


@pytest.fixture(autouse=True)
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_COMMIT_SAMPLES", 4)


def stored(path: Path) -> dict[bytes, bytes]:
    """All keys and values of an LMDB."""
    with (
        lmdb.open(str(path), readonly=True, lock=False) as environment,
        environment.begin() as transaction,
        transaction.cursor() as cursor,
    ):
        return {bytes(key): bytes(value) for key, value in cursor}


def interrupt(source: FileSource, out: Path, at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        pack(Interrupted(source, at), out)


def test_what_goes_in_comes_out(tmp_path: Path, folder: Folder) -> None:
    labels = ["one", " two words ", "café", "中文", "a\\tb"]
    source = folder(labels)
    calls: list[tuple[int, int]] = []
    report = pack(source, tmp_path / "out", progress=lambda done, total: calls.append((done, total)))
    packed = open_source(tmp_path / "out")
    assert [packed.text(index) for index in range(packed.size)] == labels
    assert [packed.content(index) for index in range(5)] == [source.content(index) for index in range(5)]
    assert (report.path, report.written, report.skipped, report.resumed) == (tmp_path / "out", 5, (), 0)
    assert calls == [(done, 5) for done in range(1, 6)]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["data.mdb"]
    assert not (tmp_path / "out.part").exists()


def test_the_layout_is_that_of_dtrb_and_nothing_else(tmp_path: Path, folder: Folder) -> None:
    source = folder(["x", "y"])
    pack(source, tmp_path / "out")
    assert stored(tmp_path / "out") == {
        b"num-samples": b"2",
        b"image-000000001": source.content(0),
        b"image-000000002": source.content(1),
        b"label-000000001": b"x",
        b"label-000000002": b"y",
    }


def test_boxes_make_the_round_trip_twice(tmp_path: Path, image: Callable[..., bytes]) -> None:
    quad = [[0.1, 2.7], [5.3, 0.0], [5.5, 9.25], [-1.5, 9.0]]
    (tmp_path / "a.png").write_bytes(image())
    record = {"path": "a.png", "text": "a b", "boxes": [quad, None, quad]}
    (tmp_path / "labels.jsonl").write_text(json.dumps(record), encoding="utf-8")
    first = open_source(tmp_path / "labels.jsonl")
    pack(first, tmp_path / "once")
    pack(open_source(tmp_path / "once"), tmp_path / "twice")
    np.testing.assert_array_equal(open_source(tmp_path / "twice")[0].boxes, first[0].boxes)
    assert stored(tmp_path / "once") == stored(tmp_path / "twice")


def test_a_collection_can_be_packed_into_one(tmp_path: Path, folder: Folder) -> None:
    parts = [folder(["a", "b"], "first"), folder(["c"], "second")]
    pack(ConcatSource("both", parts), tmp_path / "out")
    packed = open_source(tmp_path / "out")
    assert [packed.text(index) for index in range(packed.size)] == ["a", "b", "c"]
    assert packed.content(2) == parts[1].content(0)


def test_the_map_grows_with_the_data(tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_FIRST_MAP_SIZE", 1 << 15)
    source = folder([str(number) for number in range(100)])
    assert pack(source, tmp_path / "out").written == 100
    assert len(stored(tmp_path / "out")) == 201


def test_unusable_samples_are_left_out_and_listed(tmp_path: Path, folder: Folder) -> None:
    source = folder(["good", "gone", "", "torn", "text", "last"])
    torn = (source.path.parent / "3.png").read_bytes()
    (source.path.parent / "1.png").unlink()
    (source.path.parent / "3.png").write_bytes(torn[: len(torn) // 2])
    (source.path.parent / "4.png").write_text("no image")
    report = pack(source, tmp_path / "out")
    packed = open_source(tmp_path / "out")
    assert [packed.text(index) for index in range(packed.size)] == ["good", "last"]
    assert (report.written, len(report.skipped)) == (2, 4)
    assert [one.name for one in report.skipped] == [source.where(index) for index in (1, 2, 3, 4)]
    reasons = [one.reason for one in report.skipped]
    assert reasons[:2] == ["No such file or directory", "empty label"]
    for index, reason in zip((3, 4), reasons[2:], strict=True):
        with pytest.raises(ImageError, match=re.escape(reason)):
            decode(source.content(index))
    assert report.reasons["empty label"] == 1
    lines = (tmp_path / "out" / "skipped.tsv").read_text(encoding="utf-8").splitlines()
    assert lines == [f"{one.name}\t{one.reason}" for one in report.skipped]


def test_damage_may_be_left_unchecked(tmp_path: Path, folder: Folder) -> None:
    source = folder(["good", "bad"])
    (source.path.parent / "1.png").write_text("no image")
    assert pack(source, tmp_path / "out", check=False).written == 2


def test_a_label_that_is_no_unicode_is_left_out(tmp_path: Path, image: Callable[..., bytes]) -> None:
    (tmp_path / "a.png").write_bytes(image())
    records = [{"path": "a.png", "text": "\ud800"}, {"path": "a.png", "text": "fine"}]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    report = pack(open_source(tmp_path / "labels.jsonl"), tmp_path / "out")
    assert report.written == 1
    assert [one.kind for one in report.skipped] == ["the label has a lone surrogate"]


@pytest.mark.parametrize("at", [0, 3, 4, 9, 17])
def test_an_interrupted_pack_goes_on_where_it_stopped(tmp_path: Path, folder: Folder, at: int) -> None:
    source = folder(["" if number % 5 == 2 else f"word {number}" for number in range(18)])
    (source.path.parent / "6.png").unlink()
    whole = pack(source, tmp_path / "whole")
    interrupt(source, tmp_path / "out", at)
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match="num-samples"):
        open_source(tmp_path / "out.part" / "data.mdb")
    report = pack(source, tmp_path / "out")
    assert report.resumed == at // 4 * 4
    assert (report.written, report.skipped) == (whole.written, whole.skipped)
    assert stored(tmp_path / "out") == stored(tmp_path / "whole")
    skipped = [(tmp_path / name / "skipped.tsv").read_bytes() for name in ("out", "whole")]
    assert skipped[0] == skipped[1]


def test_what_was_listed_but_not_committed_is_listed_once(tmp_path: Path, folder: Folder) -> None:
    source = folder(["a", "", "b", "c", "", "d"])
    interrupt(source, tmp_path / "out", 5)
    with (tmp_path / "out.part" / "skipped.tsv").open("a") as file:
        file.write("4.png\tempty label\n")
    assert [one.name for one in pack(source, tmp_path / "out").skipped] == [source.where(1), source.where(4)]


@pytest.mark.parametrize("change", ["size", "label", "name", "check"])
def test_another_request_starts_over(
    tmp_path: Path, folder: Folder, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    labels = [f"word {number}" for number in range(10)]
    interrupt(folder(labels), tmp_path / "out", 9)
    if change == "size":
        labels.append("one more")
    if change == "label":
        labels[2] = "corrected"
    if change != "name":
        (tmp_path / "words").rename(tmp_path / "old")
    source = folder(labels, "other" if change == "name" else "words")
    with caplog.at_level(logging.INFO, "wildtext.data"):
        report = pack(source, tmp_path / "out", check=change != "check")
    assert report.resumed == 0
    assert "starting over" in caplog.text
    packed = open_source(tmp_path / "out")
    assert [packed.text(index) for index in range(packed.size)] == labels


def test_a_lost_list_of_skipped_samples_starts_over(tmp_path: Path, folder: Folder) -> None:
    source = folder(["", "a", "b", "c", "d", "e"])
    interrupt(source, tmp_path / "out", 5)
    (tmp_path / "out.part" / "skipped.tsv").unlink()
    report = pack(source, tmp_path / "out")
    assert (report.resumed, report.written, len(report.skipped)) == (0, 5, 1)


def test_an_existing_target_is_not_touched(tmp_path: Path, folder: Folder) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="exists already; remove it or choose another name"):
        pack(folder(["a"]), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_another_data_set_in_the_way_is_not_touched(tmp_path: Path, folder: Folder) -> None:
    source = folder(["a"])
    pack(source, tmp_path / "mine")
    (tmp_path / "mine").rename(tmp_path / "out.part")
    with pytest.raises(DataError, match=r"out\.part is in the way"):
        pack(source, tmp_path / "out")
    assert len(stored(tmp_path / "out.part")) == 3


def test_nothing_to_pack_is_an_error_with_a_reason(tmp_path: Path, folder: Folder) -> None:
    with pytest.raises(DataError, match=r"none of 2 samples could be written; the first: .*0\.png: empty label"):
        pack(folder(["", ""]), tmp_path / "out")
    assert not (tmp_path / "out.part").exists()
    with pytest.raises(DataError, match="none of 0 samples"):
        pack(folder([], "none"), tmp_path / "out")


def test_a_full_disk_is_explained_and_loses_nothing(tmp_path: Path, folder: Folder) -> None:
    resource = pytest.importorskip("resource")
    source = folder([str(number) for number in range(60)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        with pytest.raises(DataError, match=r"cannot write .*out\.part.*make room"):
            pack(source, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    report = pack(source, tmp_path / "out")
    assert report.written == 60
    assert report.resumed > 0


def test_two_processes_do_not_mix_their_samples(tmp_path: Path, folder: Folder) -> None:
    source = folder([str(number) for number in range(12)])
    out = tmp_path / "out"
    program = "import sys, pathlib, wildtext.data as d, wildtext.data.pack as p;"
    program += "p.pack(d.open_source(sys.argv[1]), pathlib.Path(sys.argv[2]))"

    def other_process(done: int, total: int) -> None:
        if done == 6:
            subprocess.run([sys.executable, "-c", program, source.name, str(out)], check=True)

    with pytest.raises(DataError, match="another process is writing"):
        pack(source, out, progress=other_process)
    packed = open_source(out)
    assert [packed.text(index) for index in range(packed.size)] == [str(number) for number in range(12)]
