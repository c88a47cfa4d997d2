"""Inspection finds what people trip over."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from wildtext.data import open_source
from wildtext.data.files import FileSource
from wildtext.data.inspect import Summary, inspect, show

Folder = Callable[..., FileSource]
MakeImage = Callable[..., bytes]
WriteLmdb = Callable[..., Path]


def counts(summary: Summary) -> dict[str, int]:
    return {kind: finding.count for kind, finding in summary.odd.items()}


def shown(summary: Summary) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(summary, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_clean_data_set(folder: Folder) -> None:
    summary = inspect(folder(["one", "two", "three"]))
    assert (summary.samples, summary.inspected, summary.with_boxes) == (3, 3, 0)
    assert summary.broken == summary.odd == {}
    assert summary.label_lengths == {3: 2, 5: 1}
    assert next(iter(summary.characters)) == "e"
    assert summary.characters["e"] == 3
    assert sum(summary.heights.counts) == sum(summary.aspects.counts) == 3


@pytest.mark.parametrize(
    ("labels", "charset"),
    [
        (["abc", "012"], "36"),
        (["a c"], "36+space"),
        (["Abc"], "62"),
        (["A c"], "62+space"),
        (["abc!"], "94"),
        (["Hello, you!"], "94+space"),
        (["café"], None),
        ([""], None),
    ],
)
def test_the_smallest_charset_that_has_every_character(folder: Folder, labels: list[str], charset: str | None) -> None:
    assert inspect(folder(labels)).charset == charset


def test_characters_outside_the_standard_sets(folder: Folder) -> None:
    summary = inspect(folder(["café", "é中", "plain"]))
    assert summary.outside == {"é": 2, "中": 1}
    assert "é (U+00E9) 2 x, 中 (U+4E2D) 1 x" in shown(summary)


def test_odd_labels(folder: Folder) -> None:
    summary = inspect(folder(["", " left", "right ", "zero\u200bwidth", "bell\a", "a" * 25, "b" * 26, "fine"]))
    assert counts(summary) == {
        "empty label": 1,
        "label begins or ends with a blank": 2,
        "label with control or invisible characters": 2,
        "label longer than 25 characters": 1,
    }
    assert summary.odd["label begins or ends with a blank"].examples[0].endswith("1.png: ' left'")
    assert "above 25" in shown(summary)


@pytest.mark.parametrize(
    ("width", "height", "kinds"),
    [
        (100, 32, set()),
        (20, 40, set()),
        (20, 41, {"image taller than twice its width"}),
        (20, 8, set()),
        (20, 7, {"image under 8 pixels high"}),
        (151, 10, {"image wider than 15 times its height"}),
    ],
)
def test_odd_images(folder: Folder, image: MakeImage, width: int, height: int, kinds: set[str]) -> None:
    source = folder(["word"])
    Path(source.where(0)).write_bytes(image(0, width, height))
    assert set(counts(inspect(source))) == kinds


def test_duplicates_need_the_same_label_and_bytes(folder: Folder) -> None:
    source = folder(["same", "same", "same", "other", "same"])
    first = source.content(0)
    for index in (2, 3, 4):
        Path(source.where(index)).write_bytes(first)
    found = inspect(source).odd["same label and image as another sample"]
    assert found.count == 2
    assert found.examples == [f"{source.where(index)} is {source.where(0)}" for index in (2, 4)]


def test_broken_samples_by_reason(tmp_path: Path, write_lmdb: WriteLmdb, image: MakeImage) -> None:
    items = {f"label-{number:09d}": b"word" for number in range(1, 10)} | {"label-000000009": b"\xff"}
    items |= {f"image-{number:09d}": b"junk" for number in (2, 3, 4, 5, 6, 7)} | {"image-000000001": image()}
    summary = inspect(open_source(write_lmdb(tmp_path / "words", {"num-samples": b"9", **items})))
    found = {kind: finding.count for kind, finding in summary.broken.items()}
    assert found == {
        "not an image in a format that Pillow knows": 6,
        "the image is missing": 1,
        "the label is not UTF-8": 1,
    }
    assert next(iter(found.values())) == 6
    assert len(summary.broken["not an image in a format that Pillow knows"].examples) == 5
    assert summary.broken["the label is not UTF-8"].examples[0].startswith(f"{tmp_path}/words#image-000000009: ")
    assert summary.label_lengths == {4: 8}


def test_histograms(folder: Folder, image: MakeImage) -> None:
    source = folder(["a", "b", "c"])
    for index, (width, height) in enumerate([(16, 8), (640, 300), (12, 32)]):
        Path(source.where(index)).write_bytes(image(index, width, height))
    values = inspect(source).to_dict()
    assert [bar for bar in values["heights"] if bar["count"]] == [
        {"from": 8, "to": 16, "count": 1},
        {"from": 32, "to": 48, "count": 1},
        {"from": 256, "to": None, "count": 1},
    ]
    assert [bar["from"] for bar in values["aspects"] if bar["count"]] == [None, 2]


def test_boxes_are_counted(tmp_path: Path, image: MakeImage) -> None:
    (tmp_path / "a.png").write_bytes(image())
    records = [{"path": "a.png", "text": "a", "boxes": [None]}, {"path": "a.png", "text": "b"}]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    assert inspect(open_source(tmp_path / "labels.jsonl")).with_boxes == 1


def test_a_limit_spreads_the_samples(folder: Folder) -> None:
    source = folder([str(number) for number in range(10)])
    calls: list[tuple[int, int]] = []
    summary = inspect(source, sample_limit=3, progress=lambda done, total: calls.append((done, total)))
    assert (summary.samples, summary.inspected) == (10, 3)
    assert sorted(summary.characters) == ["0", "3", "6"]
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert inspect(source, sample_limit=50).inspected == 10


def test_an_empty_data_set(folder: Folder) -> None:
    summary = inspect(folder([]))
    assert summary.samples == summary.inspected == 0
    assert "0 samples" in shown(summary)


def test_plain_values_are_json(folder: Folder) -> None:
    values = inspect(folder(["a b", "", "é"])).to_dict()
    assert json.loads(json.dumps(values)) == values


def test_labels_cannot_style_or_break_the_page(folder: Folder) -> None:
    page = shown(inspect(folder(["[red]x[/red] ", "\x1b[2J"])))
    assert "[red]x[/red]" in page
    assert "\x1b[2J" not in page
