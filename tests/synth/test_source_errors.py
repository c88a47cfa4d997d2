"""What the synthetic source says where files are missing, broken or of no use."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from tests.synth.chances import PLAIN, drawn
from wildtext.charset import Charset
from wildtext.config import SynthOptions
from wildtext.errors import DataError, SampleError
from wildtext.synth import SyntheticWords
from wildtext.synth.fonts import SHIPPED, FontLibrary


@pytest.fixture(scope="module")
def source() -> SyntheticWords:
    return SyntheticWords(seed=3)


@pytest.fixture
def font() -> Path:
    return FontLibrary().paths[0]


@pytest.mark.parametrize("text", ["", " ", "   "])
def test_a_text_without_ink_is_refused(text: str, source: SyntheticWords) -> None:
    with pytest.raises(SampleError, match="nothing to draw"):
        source.render(text)


def test_characters_that_no_font_has_are_refused(source: SyntheticWords) -> None:
    with pytest.raises(SampleError, match=rf"^synth#4: no font of {SHIPPED} has all of '漢字'"):
        source.render("漢字", 4)


def test_a_folder_without_fonts_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="no fonts") as caught:
            SyntheticWords(options=SynthOptions(fonts=str(folder)))
        assert str(folder) in str(caught.value)


def test_a_folder_without_photographs_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="no photographs") as caught:
            SyntheticWords(options=SynthOptions(backgrounds=str(folder)))
        assert str(folder) in str(caught.value)


def test_a_broken_photograph_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a photograph")
    with pytest.raises(DataError, match=r"broken\.jpg: not a usable photograph"):
        SyntheticWords(options=SynthOptions(backgrounds=str(tmp_path)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"", "no words"), (b" \n\t\n", "no words"), (b"caf\xe9\n", "utf-8")],
)
def test_a_word_list_without_words_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        SyntheticWords(options=SynthOptions(words=str(path)))
    assert str(path) in str(caught.value)


def test_words_that_no_font_can_draw_are_told_of_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(chr(0x4E00 + number) for number in range(100)), encoding="utf-8")
    with pytest.raises(DataError, match=r"fonts of .*: 100 of \d+ characters of the words are not there: 一.*; name a"):
        SyntheticWords(options=SynthOptions(words=str(path)))
    path.write_text("zebra\n漢\n", encoding="utf-8")
    SyntheticWords(options=SynthOptions(words=str(path)))
    assert "characters of the words are not there: 漢" in caplog.text


def test_words_that_the_charset_lacks_are_told_of_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"charset 94: \d+ of \d+ characters of the words are not there: .*; take"):
        SyntheticWords(options=SynthOptions(words="chinese"), charset=Charset.named("94"))


def test_fonts_can_be_held_to_a_style() -> None:
    source = SyntheticWords(1, replace(PLAIN, styles={"mono": 1.0}))
    assert {source.draft(index).parameters["style"] for index in range(20)} == {"mono"}


def test_a_broken_font_spoils_only_its_own_samples(tmp_path: Path, font: Path) -> None:
    shutil.copy(font, tmp_path)
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    source = SyntheticWords(options=replace(PLAIN, fonts=str(tmp_path)))
    samples = source.samples(range(20))
    errors = [sample for sample in samples if isinstance(sample, SampleError)]
    assert 0 < len(errors) < 20
    for index, sample in enumerate(samples):
        if isinstance(sample, SampleError):
            assert str(sample).startswith(f"synth#{index}: ")
            assert "broken.ttf: not a usable font" in str(sample)
            with pytest.raises(SampleError, match="not a usable font"):
                source[index]
        else:
            assert sample.source == f"synth#{index}"


def test_photographs_are_used_as_backgrounds(tmp_path: Path) -> None:
    pillow.new("RGB", (50, 40), (250, 0, 250)).save(tmp_path / "pink.PNG")
    options = replace(PLAIN, backgrounds=str(tmp_path), appearance=replace(PLAIN.appearance, photo=1))
    pink = drawn(SyntheticWords(1, options), list(range(40)))
    assert sum(bool(np.abs(sample.image[0, 0].astype(int) - [250, 0, 250]).max() < 12) for sample in pink) > 10
