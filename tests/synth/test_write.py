"""Writing synthetic samples: exactly what the source draws, whatever interrupts it and whoever draws."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import lmdb
import numpy as np
import pytest

from tests.synth.fake import FakeWords
from wildtext.cli import FAILED, UNUSABLE, main
from wildtext.data import open_source, writer
from wildtext.errors import DataError, SampleError
from wildtext.synth.blocks import BLOCK
from wildtext.synth.write import write
from wildtext.types import Sample

SETTINGS = {"seed": 0, "synth": {"layout": {"height": 48, "arc": 0.1}}}


class Deadly(FakeWords):
    """Ends the process that draws it."""

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        os._exit(9)


class Interrupted(FakeWords):
    """The user presses Ctrl-C when a certain sample is drawn."""

    def __init__(self, at: int):
        super().__init__()
        self.at = at

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        if self.at in indices:
            raise KeyboardInterrupt
        return super().samples(indices)


class Counting(FakeWords):
    """Remembers what was drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[int] = []

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        self.drawn.extend(indices)
        return super().samples(indices)


@pytest.fixture(autouse=True)
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_COMMIT_SAMPLES", 2 * BLOCK)


def stored(path: Path) -> dict[bytes, bytes]:
    """All keys and values of an LMDB."""
    with (
        lmdb.open(str(path), readonly=True, lock=False) as environment,
        environment.begin() as transaction,
        transaction.cursor() as cursor,
    ):
        return {bytes(key): bytes(value) for key, value in cursor}


def interrupt(out: Path, at: int, count: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(Interrupted(at), out, count, settings=SETTINGS, workers=0)


def drawn(count: int) -> list[Sample]:
    return [one for one in FakeWords().samples(range(count)) if isinstance(one, Sample)]


def test_what_is_drawn_comes_out_exactly(tmp_path: Path) -> None:
    report = write(FakeWords(), tmp_path / "out", 40, settings=SETTINGS, workers=0)
    values = stored(tmp_path / "out")
    source, samples = open_source(tmp_path / "out"), drawn(40)
    assert (report.path, report.written, report.resumed, source.size) == (tmp_path / "out", 36, 0, 36)
    for index, sample in enumerate(samples):
        assert sample.word is not None
        assert source[index].text == sample.text
        assert np.array_equal(source[index].image, sample.image)
        np.testing.assert_array_equal(source[index].boxes, sample.boxes)
        parameters = json.loads(values[f"parameters-{index + 1:09d}".encode()])
        assert parameters == {**sample.parameters, "word": sample.word.tolist()}
    assert len(values) == 1 + 4 * 36


def test_samples_that_cannot_be_drawn_are_left_out_and_listed(tmp_path: Path) -> None:
    report = write(FakeWords(), tmp_path / "out", 20, settings=SETTINGS, workers=0)
    assert [(one.name, one.reason) for one in report.skipped] == [
        ("synth#7", "no font has it"),
        ("synth#17", "no font has it"),
    ]
    lines = (tmp_path / "out" / "skipped.tsv").read_text(encoding="utf-8").splitlines()
    assert lines == ["synth#7\tno font has it", "synth#17\tno font has it"]


def test_any_number_of_workers_writes_the_same(tmp_path: Path) -> None:
    count = 5 * BLOCK - 3
    calls: list[tuple[int, int]] = []
    for workers in (0, 2):
        out = tmp_path / str(workers)
        progress = lambda done, total: calls.append((done, total))  # noqa: E731
        write(FakeWords(), out, count, settings=SETTINGS, workers=workers, progress=progress)
    assert stored(tmp_path / "0") == stored(tmp_path / "2")
    half = len(calls) // 2
    assert calls[:half] == calls[half:] == sorted(calls[:half])
    assert calls[-1] == (count, count)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("at", [0, BLOCK, 3 * BLOCK, 5 * BLOCK + 1])
def test_an_interrupted_call_goes_on_where_it_stopped(tmp_path: Path, at: int) -> None:
    count = 6 * BLOCK
    write(FakeWords(), tmp_path / "whole", count, settings=SETTINGS, workers=0)
    interrupt(tmp_path / "out", at, count)
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match="num-samples"):
        open_source(tmp_path / "out.part" / "data.mdb")
    source = Counting()
    report = write(source, tmp_path / "out", count, settings=SETTINGS, workers=0)
    committed = at // BLOCK // 2 * 2 * BLOCK
    assert (report.resumed, source.drawn) == (committed, list(range(committed, count)))
    assert stored(tmp_path / "out") == stored(tmp_path / "whole")
    skipped = [(tmp_path / name / "skipped.tsv").read_bytes() for name in ("out", "whole")]
    assert skipped[0] == skipped[1]


@pytest.mark.parametrize(
    ("settings", "count", "message"),
    [
        ({**SETTINGS, "seed": 1}, 300, "seed was 0 and is 1;"),
        ({"seed": 0, "synth": {"layout": {"height": 48, "arc": 0.2}}}, 300, "synth.layout.arc was 0.1 and is 0.2;"),
        ({"seed": 0, "synth": {"layout": {"height": 48}}}, 300, "synth.layout.arc was 0.1 and is None;"),
        (SETTINGS, 301, "count was 300 and is 301;"),
        ({**SETTINGS, "seed": 1}, 301, "count was 300 and is 301, seed was 0 and is 1;"),
    ],
)
def test_other_settings_are_refused_by_name(
    tmp_path: Path, settings: dict[str, object], count: int, message: str
) -> None:
    interrupt(tmp_path / "out", 200, 300)
    before = stored(tmp_path / "out.part")
    with pytest.raises(DataError, match=rf"out\.part was begun with other settings: {message}"):
        write(FakeWords(), tmp_path / "out", count, settings=settings, workers=0)
    assert stored(tmp_path / "out.part") == before
    assert write(FakeWords(), tmp_path / "out", 300, settings=SETTINGS, workers=0).resumed > 0


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(tmp_path / "out", 200, 300)
    monkeypatch.setattr("wildtext.__version__", "99.0")
    with pytest.raises(DataError, match=r"version was '.*' and is '99\.0'"):
        write(FakeWords(), tmp_path / "out", 300, settings=SETTINGS, workers=0)


def test_what_is_there_already_is_not_touched(tmp_path: Path) -> None:
    write(FakeWords(), tmp_path / "out", 5, settings=SETTINGS, workers=0)
    before = stored(tmp_path / "out")
    with pytest.raises(DataError, match="out exists already; remove it or choose another name"):
        write(FakeWords(), tmp_path / "out", 5, settings=SETTINGS, workers=0)
    assert stored(tmp_path / "out") == before
    (tmp_path / "out").rename(tmp_path / "new.part")
    with pytest.raises(DataError, match=r"new\.part is in the way"):
        write(FakeWords(), tmp_path / "new", 5, settings=SETTINGS, workers=0)
    assert stored(tmp_path / "new.part") == before


@pytest.mark.parametrize(
    ("count", "workers", "message"),
    [(0, 1, "the count is 0"), (-2, 1, "the count is -2"), (5, -1, "-1 workers")],
)
def test_impossible_numbers_are_refused(tmp_path: Path, count: int, workers: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write(FakeWords(), tmp_path / "out", count, settings=SETTINGS, workers=workers)
    assert not list(tmp_path.iterdir())


def test_a_worker_that_dies_is_an_error_and_not_the_end_of_the_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a worker ended unexpectedly.*it goes on where it stopped"):
        write(Deadly(), tmp_path / "out", 5, settings=SETTINGS, workers=1)
    assert write(FakeWords(), tmp_path / "out", 5, settings=SETTINGS, workers=0).written == 5


def test_a_full_disk_is_explained_and_loses_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_500_000, before[1]))
    try:
        with pytest.raises(DataError, match=r"cannot write .*out\.part.*make room"):
            write(FakeWords(), tmp_path / "out", 600, settings=SETTINGS, workers=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    report = write(FakeWords(), tmp_path / "out", 600, settings=SETTINGS, workers=0)
    assert report.written == 540
    assert report.resumed > 0


def test_the_command_writes_what_data_commands_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wildtext.synth.SyntheticWords", FakeWords)
    out = str(tmp_path / "synth.lmdb")
    assert main(["synth", "write", out, "--count", "20", "--workers", "0", "--seed", "3"]) == FAILED
    assert f"{out}: 18 samples\nleft out 2: no font has it" in capsys.readouterr().out
    assert main(["data", "inspect", out, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["samples"], found["with_boxes"], found["broken"]) == (18, 18, {})
    assert main(["synth", "write", out, "--count", "20"]) == UNUSABLE
    assert "exists already" in capsys.readouterr().err
