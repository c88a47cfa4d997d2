"""A file is whole or not there, and what is no file stays what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wildtext.errors import BundleError, DataError
from wildtext.files import check_writable, replacing


def interrupted(path: Path) -> None:
    path.write_text("half")
    raise KeyboardInterrupt


def test_a_file_is_replaced_once_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "new" / "file.txt"
    with replacing(out) as unfinished:
        unfinished.write_text("first")
        assert not out.exists()
    with pytest.raises(KeyboardInterrupt), replacing(out) as unfinished:
        interrupted(unfinished)
    assert out.read_text() == "first"
    assert list(out.parent.iterdir()) == [out]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "target.txt").write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "target.txt")
    with replacing(link) as unfinished:
        unfinished.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "target.txt").read_text() == "new"


def test_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="a device or a pipe"):
        check_writable(tmp_path / "pipe")
    with pytest.raises(DataError, match="a device or a pipe"), replacing(tmp_path / "pipe"):
        pass


def test_folders_and_places_that_cannot_be_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out, reason in ((tmp_path, "it is a folder"), (tmp_path / "file" / "below", "is no folder")):
        with pytest.raises(BundleError, match=reason):
            check_writable(out, error=BundleError)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_error_about_another_file_is_not_told_as_one_of_this(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), replacing(tmp_path / "out.txt"):
        (tmp_path / "elsewhere").read_text()
    with pytest.raises(DataError, match=r"cannot write .*out\.txt: No space left"), replacing(tmp_path / "out.txt"):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())
