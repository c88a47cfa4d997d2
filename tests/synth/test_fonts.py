"""Fonts: chosen by style and family, measured as they are drawn, gathered and checked by a script."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, features

from wildtext.errors import ConfigError, DataError
from wildtext.synth import typeface
from wildtext.synth.fonts import SHARES, SHIPPED, FontLibrary
from wildtext.synth.typeface import Typeface

GATHER = Path(__file__).parents[2] / "scripts" / "gather-fonts"
ABRIL = SHIPPED / "abril-fatface" / "abril-fatface-latin-400-normal.woff"
ANTON = SHIPPED / "anton" / "anton-latin-400-normal.woff"


@pytest.fixture(scope="module")
def library() -> FontLibrary:
    return FontLibrary()


@pytest.fixture
def face() -> Typeface:
    return Typeface(ABRIL, 40)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of copies of one font, with an index of the given rows (path, family, style)."""

    def make(*rows: tuple[str, str, str]) -> Path:
        for name in {row[0] for row in rows}:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ANTON, tmp_path / name)
        lines = ["path\tfamily\tstyle", *("\t".join(row) for row in rows)]
        (tmp_path / "index.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path

    return make


def draws(library: FontLibrary, number: int = 4000) -> Counter[str]:
    random = np.random.default_rng(0)
    return Counter(library.sample(random).name for _ in range(number))


# The library


def test_the_shipped_fonts_have_every_style(library: FontLibrary) -> None:
    faces = [library[index] for index in range(len(library))]
    assert {face.style for face in faces} == set(SHARES) - {"unknown"}
    assert {(SHIPPED / face.name).is_file() for face in faces} == {True}


def test_styles_are_drawn_by_their_shares(library: FontLibrary) -> None:
    styles = {library[index].name: library[index].style for index in range(len(library))}
    drawn: Counter[str] = Counter()
    for name, number in draws(library, 20000).items():
        drawn[styles[name]] += number
    assert {style: round(number / 20000, 1) for style, number in drawn.items()} == {
        style: round(share, 1) for style, share in SHARES.items() if style != "unknown"
    }


def test_a_family_of_many_files_is_drawn_no_more_often_than_another(folder: Callable[..., Path]) -> None:
    many = [(f"many/{weight}.woff", "many", "sans") for weight in range(1, 10)]
    drawn = draws(FontLibrary(folder(("one.woff", "one", "sans"), *many)))
    assert 0.45 < drawn["one.woff"] / 4000 < 0.55
    assert len(drawn) == 10
    assert min(drawn.values()) > 150


def test_only_styles_with_a_share_are_drawn(folder: Callable[..., Path]) -> None:
    place = folder(
        ("a.woff", "a", "mono"), ("b.woff", "b", "script"), ("c.woff", "c", "serif"), ("d.woff", "d", "mono")
    )
    assert set(draws(FontLibrary(place, styles={"script": 1.0, "display": 5.0}), 50)) == {"b.woff"}
    assert set(draws(FontLibrary(place, styles={"script": 0.0, "mono": 0.1}), 50)) == {"a.woff", "d.woff"}


def test_the_same_draws_give_the_same_fonts_whatever_the_order_of_the_index(folder: Callable[..., Path]) -> None:
    rows = [(f"{name}.woff", name, "sans") for name in "dbca"]
    drawn = []
    for order in (rows, rows[::-1]):
        library, random = FontLibrary(folder(*order)), np.random.default_rng(0)
        drawn.append([library.sample(random).name for _ in range(40)])
        assert [path.name for path in library.paths] == ["a.woff", "b.woff", "c.woff", "d.woff"]
    assert drawn[0] == drawn[1]


def test_a_folder_without_an_index_takes_folders_for_families(tmp_path: Path) -> None:
    for name in ("alone.woff", "family/1.woff", "family/deep.WOFF", "family/readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ANTON, tmp_path / name)
    library = FontLibrary(tmp_path)
    assert [library[index].name for index in range(len(library))] == ["alone.woff", "family/1.woff", "family/deep.WOFF"]
    assert library[0].style == "unknown"
    assert 0.45 < draws(library)["alone.woff"] / 4000 < 0.55


def test_an_index_may_lead_through_links(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(SHIPPED)
    name = f"linked/{ANTON.relative_to(SHIPPED).as_posix()}"
    (tmp_path / "index.tsv").write_text(f"family\tpath\tstyle\nanton\t{name}\tsans\n", encoding="utf-8")
    assert FontLibrary(tmp_path).sample(np.random.default_rng(0)).name == name


def test_faces_are_opened_once(library: FontLibrary) -> None:
    assert library[3] is library[3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"index.tsv:1: the header needs"),
        ("path\tstyle\n", r"index.tsv:1: the header needs"),
        ("path\tfamily\tstyle\na.woff\tsans\n", r"index.tsv:2: has 2 columns; the header has 3"),
        ("path\tfamily\tstyle\na.woff\ta\tsans\nb.woff\tb\tsans\n", r"index.tsv:3: the file 'b.woff' is missing"),
        ("path\tfamily\tstyle\na.woff\ta\tblack\n", r"index.tsv:2: there is no style 'black'; choose from sans, "),
        ("path\tfamily\tstyle\na.woff\ta\tsans\na.woff\ta\tsans\n", r"index.tsv:3: a.woff is there twice"),
        ("path\tfamily\tstyle\n", r"no fonts \(.*\.woff2\) in "),
    ],
)
def test_a_malformed_index_is_an_error_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    shutil.copy(ANTON, tmp_path / "a.woff")
    (tmp_path / "index.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        FontLibrary(tmp_path)


@pytest.mark.parametrize(
    ("styles", "message"),
    [
        ({"gothic": 1.0}, "no style of fonts 'gothic'; choose from sans, serif"),
        ({"sans": -1.0}, "share of the style 'sans' is -1.0"),
        ({"sans": float("nan")}, "share of the style 'sans' is nan"),
        ({"unknown": 1.0}, r"no font of .* has a style with a share \(unknown\); it has display, mono"),
        ({}, "no font of .* has a style with a share"),
    ],
)
def test_shares_that_make_no_sense_are_errors(styles: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FontLibrary(styles=styles)


def test_a_folder_without_fonts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no fonts .* in {tmp_path}"):
        FontLibrary(tmp_path)


def test_a_broken_font_is_an_error_with_its_path_once_it_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    library = FontLibrary(tmp_path)
    with pytest.raises(DataError, match=r"broken\.ttf: not a usable font"):
        library.sample(np.random.default_rng(0))


def test_characters_that_no_font_has_are_found(library: FontLibrary, tmp_path: Path) -> None:
    assert library.uncovered("z中aé語a ") == ["中", "語"]
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert FontLibrary(tmp_path).uncovered("ba") == ["a", "b"]


# Typefaces


def test_a_glyph_put_at_its_offset_is_what_pillow_draws(library: FontLibrary) -> None:
    for index in range(len(library)):
        face = library[index]
        for character in 'Aj|f_.Qé"':
            glyph = face.glyph(character)
            canvas = Image.new("L", (160, 160))
            ImageDraw.Draw(canvas).text((60, 60), character, fill=255, font=face.font)
            expected = np.asarray(canvas)
            drawn = np.zeros_like(expected)
            height, width = glyph.ink.shape
            drawn[60 + glyph.top : 60 + glyph.top + height, 60 + glyph.left : 60 + glyph.left + width] = glyph.ink
            assert np.array_equal(drawn, expected), (face.name, character)
            assert glyph.ink[0].any()
            assert glyph.ink[-1].any()
            assert glyph.ink[:, 0].any()
            assert glyph.ink[:, -1].any()
            assert glyph.advance == face.font.getlength(character)


def test_a_blank_has_an_advance_and_no_ink(face: Typeface) -> None:
    glyph = face.glyph(" ")
    assert glyph.ink.shape == (0, 0)
    assert glyph.advance > 3


def test_glyphs_are_kept_and_cannot_be_changed(face: Typeface) -> None:
    glyph = face.glyph("A")
    assert face.glyph("A") is glyph
    with pytest.raises(ValueError, match="read-only"):
        glyph.ink[0, 0] = 1


def test_memory_for_glyphs_and_pairs_is_bounded(face: Typeface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typeface, "_GLYPHS", 3)
    monkeypatch.setattr(typeface, "_PAIRS", 3)
    first, kerning = face.glyph("A"), face.kerning("A", "V")
    for character in "BCDEFG":
        face.glyph(character)
        face.kerning(character, "o")
    assert len(face._glyphs) == len(face._kerning) == 3
    assert np.array_equal(face.glyph("A").ink, first.ink)
    assert face.kerning("A", "V") == kerning


@pytest.mark.skipif(not features.check_feature("raqm"), reason="Pillow has no Raqm here")
def test_kerning_brings_slanted_neighbours_closer(face: Typeface) -> None:
    assert -8 < face.kerning("A", "V") < -2
    assert face.kerning("H", "H") == 0


@pytest.mark.skipif(not features.check_feature("raqm"), reason="Pillow has no Raqm here")
def test_a_pair_is_not_measured_as_a_ligature(face: Typeface) -> None:
    assert face.font.getlength("ff") > face._open(ImageFont.Layout.RAQM).getlength("ff") + 1, "no ligature to measure"
    assert face.kerning("f", "f") == 0


def test_without_raqm_kerning_is_still_a_number(face: Typeface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typeface, "RAQM", False)
    assert abs(face.kerning("A", "V")) < 1


def test_a_font_covers_what_it_draws_with_ink(face: Typeface) -> None:
    assert face.covers("Hello, World!")
    assert not face.covers("Hello 中")
    assert not face.covers("中")
    assert face.covers("")
    assert not face.covers("\u00ad\u200b")


# The script


def gather(*arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    pytest.importorskip("fontTools")
    environment = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, GATHER, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


def test_the_index_of_the_shipped_fonts_is_what_the_script_writes(tmp_path: Path) -> None:
    copy = shutil.copytree(SHIPPED, tmp_path / "fonts")
    (copy / "index.tsv").unlink()
    done = gather("--index", str(copy))
    assert done.returncode == 0, done.stderr
    assert (copy / "index.tsv").read_text("utf-8") == (SHIPPED / "index.tsv").read_text("utf-8")
    assert (copy / "dropped.tsv").read_text("utf-8") == "path\treason\n"


def spoiled(target: Path, change: Callable[[dict[int, str]], dict[int, str]]) -> None:
    """Save a font whose table of characters was changed."""
    from fontTools.ttLib import TTFont

    font = TTFont(ABRIL)
    for table in font["cmap"].tables:
        table.cmap = change(table.cmap)
    font.flavor = None
    font.save(target)


def test_fonts_that_draw_no_letters_are_dropped_with_a_reason(tmp_path: Path) -> None:
    pytest.importorskip("fontTools")
    shutil.copy(ANTON, tmp_path / "good.woff")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    spoiled(tmp_path / "poor.ttf", lambda cmap: {code: name for code, name in cmap.items() if code != ord("Q")})
    spoiled(tmp_path / "redacted.ttf", lambda cmap: dict.fromkeys(cmap, cmap[ord("H")]))
    spoiled(tmp_path / "invisible.ttf", lambda cmap: {**cmap, ord("!"): cmap[ord(" ")]})
    # Every character is the one 7 further on: all are there and differ, but none is itself.
    shifted = {ord(a): ord(b) for part in ("AZ", "az", "09") for a, b in shift(*part)}
    spoiled(tmp_path / "symbols.ttf", lambda cmap: {code: cmap[shifted.get(code, code)] for code in cmap})
    done = gather("--index", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in FontLibrary(tmp_path).paths] == ["good.woff"]
    reasons = dict(line.split("\t") for line in (tmp_path / "dropped.tsv").read_text("utf-8").splitlines()[1:])
    assert reasons.pop("broken.ttf").startswith("fontTools cannot read it")
    assert reasons.pop("poor.ttf") == "has no Q"
    assert reasons.pop("redacted.ttf").startswith("draws the same for BCDEFG")
    assert reasons.pop("invisible.ttf") == "draws nothing for !"
    assert reasons.pop("symbols.ttf").startswith("does not draw letters")
    assert not reasons


def shift(first: str, last: str) -> list[tuple[str, str]]:
    characters = [chr(code) for code in range(ord(first), ord(last) + 1)]
    return list(zip(characters, characters[7:] + characters[:7], strict=True))


FAKE_NPM = """#!{python}
import io, json, pathlib, sys, tarfile
name = sys.argv[-1].removeprefix("@fontsource/")
if (pathlib.Path(__file__).parent / "offline").exists() and name != "abhaya-libre":
    sys.exit("npm error no network")
files = {{
    f"files/{{name}}-latin-400-normal.woff": pathlib.Path({font!r}).read_bytes(),
    "files/evil.woff": b"not wanted",
    "LICENSE": b"SIL Open Font License",
    "metadata.json": json.dumps({{"category": "handwriting", "license": {{"type": "OFL-1.1"}}}}).encode(),
}}
with tarfile.open("package.tgz", "w:gz") as package:
    for path, data in files.items():
        member = tarfile.TarInfo("package/" + path)
        member.size = len(data)
        package.addfile(member, io.BytesIO(data))
"""


def test_gathering_says_what_failed_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    npm, out = tmp_path / "bin" / "npm", tmp_path / "out"
    npm.parent.mkdir()
    npm.write_text(FAKE_NPM.format(python=sys.executable, font=str(ANTON)), encoding="utf-8")
    npm.chmod(0o755)
    (npm.parent / "offline").touch()
    arguments = (str(out), "--families", "2", "--from", "npm")

    first = gather(*arguments, path=str(npm.parent))
    assert first.returncode == 1
    assert "1/2 npm abhaya-libre: fetched\n" in first.stdout
    assert "error: npm pack --silent @fontsource/" in first.stdout
    assert "npm error no network" in first.stdout
    assert "1 families could not be fetched" in first.stderr
    assert sorted(path.name for path in out.iterdir()) == ["abhaya-libre", "dropped.tsv", "index.tsv"]

    (npm.parent / "offline").unlink()
    second = gather(*arguments, path=str(npm.parent))
    assert second.returncode == 0, second.stderr
    assert "1/2 npm abhaya-libre: is there\n" in second.stdout
    library = FontLibrary(out)
    assert [library[index].style for index in range(len(library))] == ["script", "script"]
    assert sorted(path.name for path in (out / "abhaya-libre").iterdir()) == [
        "LICENSE",
        "abhaya-libre-latin-400-normal.woff",
        "metadata.json",
    ]


def test_fonts_whose_small_letters_are_capitals_are_told() -> None:
    library = FontLibrary()
    found = {library[index].path.parent.name for index in range(len(library)) if library[index].capitals_only}
    assert found == {"bangers", "cinzel"}


def test_a_font_that_covers_a_text_is_found_among_others() -> None:
    library = FontLibrary()
    lacking = [index for index in range(len(library)) if not library[index].covers("µ")]
    assert len(lacking) == 1
    faces = [library.covering("µ1", np.random.default_rng(seed)) for seed in range(60)]
    assert all(face is not None and face.covers("µ1") for face in faces)
    assert library.covering("µ漢", np.random.default_rng(0)) is None
