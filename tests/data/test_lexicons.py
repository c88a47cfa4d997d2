"""Lexicons of benchmarks: what belongs to which image, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from wildtext.data import open_source
from wildtext.data.files import FileSource
from wildtext.data.lexicons import open_lexicons
from wildtext.errors import DataError

Folder = Callable[..., FileSource]
WriteLmdb = Callable[[Path, Mapping[str, bytes]], Path]


def write(folder: Path, *lines: str, size: str = "50") -> None:
    (folder / f"lexicon-{size}.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_each_image_of_a_folder_has_its_words(folder: Folder) -> None:
    source = folder(["EXIT", "TAXI"])
    write(source.root, "1.png\tTAXI\tMENU", "./0.png\tEXIT\tNew York", "9.png\tGONE")
    lexicon = open_lexicons(source, "50")
    assert [lexicon(index).words for index in range(2)] == [("EXIT", "New York"), ("TAXI", "MENU")]


def test_each_image_of_several_lmdbs_has_its_words(
    tmp_path: Path, write_lmdb: WriteLmdb, image: Callable[..., bytes]
) -> None:
    for name, word in (("a", "EXIT"), ("b", "TAXI")):
        items = {"num-samples": b"1", "image-000000001": image(), "label-000000001": word.encode()}
        write(write_lmdb(tmp_path / name, items), f"image-000000001\t{word}\tMENU", size="1k")
    lexicon = open_lexicons(open_source(tmp_path), "1k")
    assert [lexicon(index).words for index in range(2)] == [("EXIT", "MENU"), ("TAXI", "MENU")]


def test_the_full_lexicon_has_all_labels(folder: Folder) -> None:
    lexicon = open_lexicons(folder(["EXIT", "TAXI", "EXIT"]), "full")
    assert lexicon(0) is lexicon(2)
    assert lexicon(0).words == ("EXIT", "TAXI")


def test_a_file_of_words_is_a_lexicon_for_all(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("MENU\nEXIT\n", encoding="utf-8")
    assert open_lexicons(folder(["EXIT"]), str(tmp_path / "words.txt"))(0).words == ("MENU", "EXIT")


def test_what_is_missing_is_named_at_once(folder: Folder, tmp_path: Path) -> None:
    source = folder(["EXIT", "TAXI"])
    with pytest.raises(DataError, match=r"words has no lexicons of 50 words, .*lexicon-50\.tsv; wildtext data convert"):
        open_lexicons(source, "50")
    for line in ("0.png", "0.png\t", "7.png\tEXIT"):
        write(source.root, "1.png\tTAXI", line)
        with pytest.raises(DataError, match=r"lexicon-50\.tsv has no words for .*0\.png"):
            open_lexicons(source, "50")
    with pytest.raises(DataError, match="there is no lexicon 500; name 50, 1k, full, or a file with a word a line"):
        open_lexicons(source, "500")
