"""TensorBoard shows what a run logged, once, also where the run was resumed."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wildtext.errors import MissingExtraError
from wildtext.images import decode
from wildtext.training.board import Board
from wildtext.training.mistakes import Mistake

event_accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="the package tensorboard is not installed"
)

LINE = {"images": 80, "seconds": 1.0}


def events(folder: Path) -> Any:
    """What TensorBoard makes of the events in a folder."""
    read = event_accumulator.EventAccumulator(str(folder))
    read.Reload()
    return read


def values(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, round(event.value, 4)) for event in events(folder).Scalars(tag)]


def picture(colour: tuple[int, int, int]) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (96, 48), colour).save(content, "JPEG")
    return content.getvalue()


def mistake(truth: str, reading: str, places: bytes = b"") -> Mistake:
    return Mistake(picture((200, 0, 0)), places, truth, reading, 0.75, "signs")


def test_numbers_of_the_log_are_curves(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.record({"step": 0, **LINE, "accuracy": {"signs": 40.0, "shops": 60.0}, "score": 50.0})
    for step, loss in ((10, 2.5), (20, 1.5)):
        board.record({"step": step, **LINE, "loss": loss, "images_per_second": 9.0, "data_wait": 0.1})
    board.record({"step": 20, **LINE, "stopped": "done"})
    board.close()
    assert values(tmp_path, "training/loss") == [(10, 2.5), (20, 1.5)]
    assert values(tmp_path, "accuracy/signs") == [(0, 40)]
    assert values(tmp_path, "accuracy/all together") == [(0, 50)]
    assert set(events(tmp_path).Tags()["scalars"]) == {
        "training/loss",
        "speed/images_per_second",
        "speed/data_wait",
        "accuracy/signs",
        "accuracy/shops",
        "accuracy/all together",
    }


def test_steps_that_are_done_again_are_shown_once(tmp_path: Path) -> None:
    for resumed, steps, loss in ((None, (10, 20, 30), 2.0), (20, (30, 40), 1.0), (40, (50,), 0.5)):
        board = Board(tmp_path, resumed=resumed)
        for step in steps:
            board.record({"step": step, **LINE, "loss": loss})
        board.close()
    assert values(tmp_path, "training/loss") == [(10, 2), (20, 2), (30, 1), (40, 1), (50, 0.5)]


def test_mistakes_are_pictures_and_a_table(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.mistakes(20, [mistake("EXIT", "EXLT", picture((0, 0, 200))), mistake("no", "")])
    board.close()
    read = events(tmp_path)
    for tag, channel in (("mistakes/images", 0), ("mistakes/places", 2)):
        (event,) = read.Images(tag)
        assert event.step == 20
        sheet = decode(event.encoded_image_string).astype(int)
        coloured = sheet[..., channel] - sheet[..., 1] > 150
        assert coloured.sum() == pytest.approx(96 * 48 * (2 if channel == 0 else 1), rel=0.02)
    (text,) = read.Tensors("mistakes/text_summary")
    table = text.tensor_proto.string_val[0].decode()
    assert "| EXIT | EXLT | 75&#46;0&#37; | signs |" in table
    assert "nothing" in table


def test_captions_have_the_label_and_the_reading(tmp_path: Path) -> None:
    sheets = []
    for reading in ("EXLT", "EXIT"):
        board = Board(tmp_path / reading)
        board.mistakes(1, [mistake("EXIT", reading)])
        board.close()
        (event,) = events(tmp_path / reading).Images("mistakes/images")
        sheets.append(decode(event.encoded_image_string))
    assert sheets[0].shape == sheets[1].shape
    assert np.any(sheets[0][56:] != sheets[1][56:])
    assert np.array_equal(sheets[0][:56], sheets[1][:56])


def test_texts_are_no_markup(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.mistakes(1, [mistake("a|b\n<b>", "*x* 文字")])
    board.close()
    table = events(tmp_path).Tensors("mistakes/text_summary")[0].tensor_proto.string_val[0].decode()
    (row,) = table.splitlines()[2:]
    assert row.count("|") == 5
    assert not set("<>*") & set(row)
    assert "文字" in row


def test_without_mistakes_nothing_is_shown(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.mistakes(1, [])
    board.close()
    tags = events(tmp_path).Tags()
    assert not tags["images"]
    assert not tags["tensors"]


def test_without_the_package_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"wildtext\[tensorboard\]"):
        Board(tmp_path)
