"""A preview shows every sample that could be drawn, in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.synth.fake import FakeWords
from tests.synth.pages import parsed, picture
from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.errors import DataError, SampleError
from wildtext.images import decode
from wildtext.synth.preview import EXAMPLES, preview
from wildtext.synth.sheet import WIDTH
from wildtext.types import Sample

GREEN, MAGENTA = (60, 255, 60), (255, 60, 255)


def colours(path: Path) -> set[tuple[int, ...]]:
    return set(map(tuple, decode(path).reshape(-1, 3).tolist()))


def test_a_sheet_holds_every_crop_and_is_as_high_as_it_needs(tmp_path: Path) -> None:
    errors = preview(FakeWords(), tmp_path / "few.png", 8)
    preview(FakeWords(), tmp_path / "many.png", 200)
    few, many = (decode(tmp_path / name) for name in ("few.png", "many.png"))
    assert [str(error) for error in errors] == ["synth#7: no font has it"]
    assert few.shape[1] == many.shape[1] == WIDTH
    assert len(many) > 5 * len(few)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.png", "many.png"]


def test_a_crop_of_the_height_of_the_rows_is_pasted_as_it_is(tmp_path: Path) -> None:
    preview(FakeWords(seed=4), tmp_path / "sheet.png", 1)
    sheet = decode(tmp_path / "sheet.png")
    sample = FakeWords(seed=4).samples([0])[0]
    assert not isinstance(sample, Exception)
    height, width = sample.image.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(sheet[:, :200], (height, width, 3))[:, :, 0]
    assert (windows == sample.image).all(axis=(2, 3, 4)).sum() == 1


def test_boxes_of_characters_and_words_are_drawn_where_asked_for(tmp_path: Path) -> None:
    preview(FakeWords(), tmp_path / "plain.png", 3)
    preview(FakeWords(), tmp_path / "boxes.png", 3, boxes=True)
    assert not {GREEN, MAGENTA} & colours(tmp_path / "plain.png")
    assert {GREEN, MAGENTA} <= colours(tmp_path / "boxes.png")


def test_another_start_shows_other_samples(tmp_path: Path) -> None:
    for name, start in (("a", 0), ("b", 0), ("c", 1)):
        preview(FakeWords(), tmp_path / f"{name}.png", 2, start=start)
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_a_page_groups_samples_by_what_is_in_them(tmp_path: Path) -> None:
    preview(FakeWords(), tmp_path / "page.html", 60)
    page = parsed(tmp_path / "page.html")
    assert page.headings == [
        "label: code (24 of 54)",
        "label: word (30 of 54)",
        "typeface: display (54 of 54)",
        "layout: arc (18 of 54)",
        "appearance: shadow (54 of 54)",
    ]
    images = page.all("img")
    assert len(images) == 24 + EXAMPLES + EXAMPLES + 18 + EXAMPLES
    sample = FakeWords().samples([1])[0]
    assert not isinstance(sample, Exception)
    assert images[0]["alt"] == "<1>"
    assert np.array_equal(picture(images[0]["src"]), sample.image)
    assert len(page.all("polygon")) == sum(len(image["alt"] or "") + 1 for image in images)
    assert "degrees&quot;: 30.5" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(tmp_path: Path) -> None:
    preview(FakeWords(), tmp_path / "page.html", 5)
    page = parsed(tmp_path / "page.html")
    assert not page.all("script") + page.all("link")
    assert "http" not in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert [box.get("id") for box in page.all("input")] == ["boxes"]


@pytest.mark.parametrize(
    ("name", "count", "start", "message"),
    [
        ("sheet.gif", 5, 0, r"\.png .*or \.html .*not 'sheet\.gif'"),
        ("sheet.png", 0, 0, "the count is 0"),
        ("sheet.png", -3, 0, "the count is -3"),
        ("sheet.png", 5, -1, "the start is -1"),
        ("folder.png", 5, 0, "it is a folder"),
        ("file/sheet.png", 5, 0, "cannot write .*sheet.png"),
        ("sheet.png", 1, 7, "none of 1 samples could be drawn; the first: synth#7: no font has it"),
    ],
)
def test_mistakes_are_explained_and_leave_nothing(
    tmp_path: Path, name: str, count: int, start: int, message: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=message):
        preview(FakeWords(), tmp_path / name, count, start=start)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_what_was_there_stays_until_the_new_file_is_complete(tmp_path: Path) -> None:
    class Broken(FakeWords):
        def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
            assert (tmp_path / "sheet.png").read_text() == "old"
            raise KeyboardInterrupt

    (tmp_path / "sheet.png").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        preview(Broken(), tmp_path / "sheet.png", 3)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    preview(FakeWords(), tmp_path / "sheet.png", 3)
    assert decode(tmp_path / "sheet.png").shape[1] == WIDTH


# The command


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wildtext.synth.SyntheticWords", FakeWords)


@pytest.mark.usefixtures("fake")
def test_the_command_takes_options_and_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("seed = 5\n[synth.layout]\nheight = 60\n", encoding="utf-8")
    arguments = ["synth", "preview", str(tmp_path / "sheet.png"), "--count", "5"]
    contents = []
    for options in (
        ["--recipe", str(recipe)],
        [f"--recipe={recipe}"],
        ["--seed", "5", "--synth.layout.height", "60"],
        ["--recipe", str(recipe), "--synth.layout.height", "48"],
        ["--recipe", str(recipe), "--seed", "6"],
        [],
    ):
        assert main([*arguments, *options]) == OK
        contents.append((tmp_path / "sheet.png").read_bytes())
    assert contents[0] == contents[1] == contents[2]
    assert len(set(contents)) == 4
    assert "sheet.png: 5 samples" in capsys.readouterr().out


@pytest.mark.usefixtures("fake")
def test_the_command_names_what_could_not_be_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", "preview", str(tmp_path / "page.html"), "--count", "9"]) == FAILED
    assert capsys.readouterr().err == "left out: synth#7: no font has it\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recipe", "nosuch"], "no recipe 'nosuch'"),
        (["--charset", "95"], "unknown charset '95'"),
        (["--count", "0"], "the count is 0"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_mistakes_end_with_one_line(
    tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synth", "preview", str(tmp_path / "sheet.png"), *options]) == UNUSABLE
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["synth"], ["synth", "--help"]])
def test_synth_alone_shows_its_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"synth {name}" in shown for name in ("preview", "write", "compare"))
    assert "data pack" not in shown
