"""Character sets: their order, their files, and how labels are brought into them."""

import json
import string
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildtext.charset import Charset, Normalization
from wildtext.errors import CharsetError


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "signs.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_the_94_are_digits_lower_upper_and_punctuation_in_ascii_order() -> None:
    expected = string.digits + string.ascii_lowercase + string.ascii_uppercase + "".join(sorted(string.punctuation))
    assert "".join(Charset.named("94").characters) == expected
    assert len(Charset.named("94")) == 94


def test_the_90_are_those_of_paddleocr_and_mmocr() -> None:
    symbols = "!\"#$%&'()*+,-./:;<=>?@[\\]_`~"
    expected = string.digits + string.ascii_lowercase + string.ascii_uppercase + symbols
    assert "".join(Charset.named("90").characters) == expected
    assert Charset.named("90").normalize("Café") == "Cafe"


def test_chinese_has_the_characters_of_gb_2312_and_keeps_wide_punctuation() -> None:
    charset = Charset.named("chinese")
    assert charset.characters[:94] == Charset.named("94").characters
    assert charset.unknown(charset.normalize("限高2.5米，《北京》Exit！")) == ""  # noqa: RUF001
    assert charset.unknown("齄") == ""
    assert charset.normalize("１：é①") == "１：é①"  # noqa: RUF001


@pytest.mark.parametrize(("name", "size"), [("36", 36), ("62", 62), ("94", 94), ("90", 90), ("chinese", 6875)])
def test_each_standard_set_takes_a_space_at_its_end(name: str, size: int) -> None:
    plain, spaced = Charset.named(name), Charset.named(f"{name}+space")
    assert len(plain) == size
    assert spaced.characters == (*plain.characters, " ")
    assert spaced.name == f"{name}+space"


@pytest.mark.parametrize("name", ["95", "", "94+", "94+blank", "+space", "94 +space"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(CharsetError, match=r"known are 36, 36\+space, 62"):
        Charset.named(name)


@pytest.mark.parametrize(
    ("content", "characters"),
    [
        pytest.param("a\nb\nc", "abc", id="no newline at the end"),
        pytest.param("a\r\nb\r\n", "ab", id="windows"),
        pytest.param(b"\xef\xbb\xbfa\nb\n", "ab", id="byte order mark"),
        pytest.param("\na\n\n\nb\n\n", "ab", id="blank lines"),
        pytest.param("a\n \nb\n", "a b", id="a line with one space"),
        pytest.param("a\r\n \r\n", "a ", id="a line with one space, windows"),
        pytest.param("b\na\nb\n", "ba", id="listed twice"),
        pytest.param("\u3000\n一\n\u2028\n\x85\n", "\u3000一\u2028\x85", id="characters that split lines elsewhere"),
        pytest.param("😀\n", "😀", id="beyond the basic plane"),
    ],
)
def test_a_file_has_one_character_on_each_line(tmp_path: Path, content: str | bytes, characters: str) -> None:
    assert "".join(Charset.from_file(write(tmp_path, content)).characters) == characters


def test_a_file_as_paddleocr_ships_them_keeps_its_order(tmp_path: Path) -> None:
    charset = Charset.from_file(write(tmp_path, "'\n疗\n绚\n诚\n℃\n+\n \n"))
    assert charset.encode("诚+ '") == [3, 5, 6, 0]
    assert charset.name == "signs"


@pytest.mark.parametrize("line", ["bc", " c", "e\u0301"])
def test_a_line_with_two_characters_is_named(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, f"a\n\n{line}\nd\n")
    with pytest.raises(CharsetError, match="more than one character") as caught:
        Charset.from_file(path)
    assert f"{path}:3: {line!r}" in str(caught.value)


@pytest.mark.parametrize("content", [b"a\n\xff\xfe\n", "a\nb\n".encode("utf-16")])
def test_a_file_in_another_encoding_is_named(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    with pytest.raises(CharsetError, match="utf-8") as caught:
        Charset.from_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["absent.txt", "", "no\0file"])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(CharsetError, match="cannot read the charset file"):
        Charset.from_file(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CharsetError, match="empty"):
        Charset.from_file(write(tmp_path, "\n\n"))


def test_load_takes_a_name_or_a_path(tmp_path: Path) -> None:
    assert Charset.load("36") == Charset.named("36")
    assert Charset.load(str(write(tmp_path, "x\ny\n"))).characters == ("x", "y")


@pytest.mark.parametrize("name", ["missing.txt", "0123456789" * 30, "no\0file"])
def test_load_of_what_is_neither_says_that_a_file_may_be_given(name: str) -> None:
    with pytest.raises(CharsetError, match="or give a file"):
        Charset.load(name)


def test_the_set_of_texts_is_sorted_and_composed() -> None:
    charset = Charset.from_texts(["cab", "cafe\u0301", " "])
    assert charset.characters == (" ", "a", "b", "c", "f", "é")


def test_no_texts_give_no_charset() -> None:
    with pytest.raises(CharsetError, match="empty"):
        Charset.from_texts([])


@pytest.mark.parametrize(
    ("characters", "message"),
    [(("a", "b", "a"), "'a' more than once"), (("ab",), "not one code point"), (("",), "not one code point")],
)
def test_malformed_sets_are_refused(characters: tuple[str, ...], message: str) -> None:
    with pytest.raises(CharsetError, match=message):
        Charset("odd", characters)


def test_a_set_that_folds_case_has_no_use_for_capitals() -> None:
    with pytest.raises(CharsetError, match="'B'"):
        Charset("odd", ("a", "B"), fold_case=True)


@pytest.mark.parametrize(
    ("name", "text", "normal"),
    [
        ("36", "Café", "cafe"),
        ("94", "Café", "Cafe"),
        ("94", "\uff26\uff55ll\uff11", "Full1"),
        ("94", "ﬁne", "fine"),
        ("94", "a\u00a0b", "a b"),
        ("36", "İ", "i"),
        ("94", "中", "中"),
    ],
)
def test_standard_sets_map_to_ascii_where_that_is_possible(name: str, text: str, normal: str) -> None:
    assert Charset.named(name).normalize(text) == normal


@pytest.mark.parametrize(("form", "normal"), [("none", "e\u0301①"), ("NFC", "é①"), ("NFKC", "é1"), ("ascii", "e1")])
def test_each_normalisation_does_what_its_name_says(form: Normalization, normal: str) -> None:
    assert Charset("one", ("e",), normalization=form).normalize("e\u0301①") == normal


@given(st.text(), st.sampled_from(["none", "NFC", "NFKC", "ascii"]))
def test_normalising_twice_changes_nothing_more(text: str, form: Normalization) -> None:
    charset = Charset("one", ("e",), normalization=form)
    assert charset.normalize(charset.normalize(text)) == charset.normalize(text)


@given(st.text(string.printable))
def test_restricting_leaves_only_known_characters(text: str) -> None:
    charset = Charset.named("36")
    assert charset.encode(charset.restrict(text)) == [charset.ids[c] for c in text.lower() if c in charset.ids]


def test_unknown_characters_are_listed_once_in_order() -> None:
    assert Charset.named("36").unknown("aZé-Z") == "Zé-"


def test_text_outside_the_set_is_refused_by_name() -> None:
    with pytest.raises(CharsetError, match="'a-Z-' has '-Z', which charset '36' lacks"):
        Charset.named("36").encode("a-Z-")


@given(st.sets(st.characters(exclude_categories=["Cs"]), min_size=1), st.sampled_from(["none", "NFC", "ascii"]))
def test_any_set_survives_json(characters: set[str], form: Normalization) -> None:
    charset = Charset("any", tuple(characters), normalization=form)
    values: dict[str, Any] = json.loads(json.dumps(charset.to_dict(), ensure_ascii=False))
    assert Charset.from_dict(values) == charset


def test_case_folding_survives_json() -> None:
    charset = Charset.named("36+space")
    assert Charset.from_dict(json.loads(json.dumps(charset.to_dict()))) == charset


def test_composed_and_decomposed_labels_are_the_same() -> None:
    charset = Charset.from_texts(["é"])
    assert charset.encode(charset.normalize(unicodedata.normalize("NFD", "é"))) == [0]
