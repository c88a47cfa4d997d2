"""The labels of synthetic images."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wildtext.charset import Charset, hanzi
from wildtext.config import LabelOptions
from wildtext.config.synth import CASE_STYLES, LABEL_KINDS
from wildtext.errors import DataError
from wildtext.synth.corpus import KINDS, SHIPPED, Corpus


def draw(corpus: Corpus, count: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return [corpus.sample(random)[1] for _ in range(count)]


def only(kind: str, **options: Any) -> LabelOptions:
    return LabelOptions(kinds={kind: 1.0}, **options)


def write(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "words.txt"
    path.write_bytes(content.encode())
    return path


def printable(labels: list[str]) -> bool:
    charset = Charset.named("94+space")
    return not any(charset.unknown(label) for label in labels)


# Every label


@pytest.mark.parametrize("max_length", [1, 3, 25, 64])
@pytest.mark.parametrize("words", ["", "chinese"])
def test_labels_have_1_to_max_length_characters_without_blanks_at_the_ends(words: str, max_length: int) -> None:
    labels = draw(Corpus(LabelOptions(max_length=max_length), words), 4000)
    assert {len(label) for label in labels} >= set(range(1, min(max_length, 15) + 1))
    assert all(1 <= len(label) <= max_length and label == label.strip() for label in labels)


def test_default_labels_hold_every_printable_character_of_ascii_and_no_other() -> None:
    labels = draw(Corpus(), 20_000)
    assert set("".join(labels)) == set(Charset.named("94+space").characters)


def test_kinds_come_as_often_as_their_shares_say() -> None:
    options = LabelOptions(kinds={"word": 3.0, "price": 1.0, "plate": 0.0})
    corpus, random = Corpus(options), np.random.default_rng(0)
    kinds = Counter(corpus.sample(random)[0] for _ in range(4000))
    assert set(kinds) == {"word", "price"}
    assert 0.72 < kinds["word"] / 4000 < 0.78


def test_the_options_know_every_kind_and_case_style_and_share_all_of_them() -> None:
    assert set(LABEL_KINDS) == set(KINDS) == set(LabelOptions().kinds)
    assert set(CASE_STYLES) == set(LabelOptions().cases)


PATTERNS = {
    "number": r"^[\d.,/x&:+-]+$",
    "price": r"\d",
    "date": r"\d|(?i:mon|tue|wed|thu|fri|sat|sun|[a-z]{3})",
    "time": r"^-?[\d:./-]*\d.*$",
    "phone": r"\d{2,}",
    "plate": r"^(?=.*\d)(?=.*[A-Z])[A-Z\d -]{5,13}$",
    "ordinal": r"^(\d+(?i:st|nd|rd|th)|[IVXLCDM]+)$",
    "unit": r"^[\d.]+ ?\D+$",
    "address": r"[.@#/]",
    "short": r"^.{1,3}$",
    "letters": r"^[A-Za-z]{1,10}$",
    "characters": r"^[!-~]{1,8}$",
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_gives_many_different_labels_of_its_form(kind: str) -> None:
    labels = draw(Corpus(only(kind)), 500)
    assert printable(labels)
    assert len(set(labels)) > (60 if kind == "ordinal" else 100)
    assert [label for label in labels if not re.search(PATTERNS.get(kind, r"\w"), label)] == []


def test_ordinals_have_the_ending_that_belongs_to_the_number() -> None:
    endings = dict(re.findall(r"(\d+)([a-z]+)", " ".join(draw(Corpus(only("ordinal")), 3000)).lower()))
    assert [endings[number] for number in ("1", "2", "3", "11", "12", "13", "21", "22")] == (
        ["st", "nd", "rd", "th", "th", "th", "st", "nd"]
    )


def test_phrases_have_blanks_and_abbreviations_have_full_stops() -> None:
    assert all(" " in label for label in draw(Corpus(only("phrase", max_length=64)), 300))
    assert sum("." in label for label in draw(Corpus(only("abbreviation")), 300)) > 60


# Case


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("upper", {"MCDONALD", "ALL DAY", "AIDS"}),
        ("lower", {"mcdonald", "all day", "aids"}),
        ("title", {"McDonald", "All Day", "Aids"}),
    ],
)
def test_case_styles(tmp_path: Path, style: str, expected: set[str]) -> None:
    path = write(tmp_path, "McDonald\nall day\nAIDS\n")
    assert set(draw(Corpus(only("word", cases={style: 1.0}), path), 100)) == expected


def test_mixed_case_mixes_within_words() -> None:
    labels = [label for label in draw(Corpus(only("word", cases={"mixed": 1.0})), 500) if len(label) > 6]
    assert sum(label not in (label.upper(), label.lower(), label.title()) for label in labels) > 0.8 * len(labels) > 80


def test_scripts_without_case_stay_as_they_are(tmp_path: Path) -> None:
    assert set(draw(Corpus(only("word"), write(tmp_path, "東京\nかな\n")), 100)) == {"東京", "かな"}


# Words of one's own


@pytest.mark.parametrize("content", ["zebra\n\n  okapi \n", "zebra\r\nokapi\r\n", "\ufeffzebra\nokapi\n"])
def test_words_of_ones_own_replace_the_english_ones(tmp_path: Path, content: str) -> None:
    corpus = Corpus(only("word"), write(tmp_path, content))
    assert {label.lower() for label in draw(corpus, 100)} == {"zebra", "okapi"}
    assert corpus.dropped == 0


@pytest.mark.parametrize("kind", ["word", "punctuated", "phrase", "brand", "address"])
def test_every_kind_that_uses_words_uses_those_of_ones_own(tmp_path: Path, kind: str) -> None:
    labels = draw(Corpus(only(kind), write(tmp_path, "zebra\n")), 300)
    assert any("zebra" in label.lower() for label in labels)
    assert not any("street" in label.lower() for label in labels)


def test_words_come_as_often_as_they_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "zebra\t8\nokapi\t1\nokapi\t1\n")
    labels = [label.lower() for label in draw(Corpus(only("word", flatten=0.0), path), 2000)]
    assert 0.76 < labels.count("zebra") / 2000 < 0.84


def test_lines_that_cannot_be_labels_are_dropped_and_counted(tmp_path: Path) -> None:
    corpus = Corpus(only("word", max_length=5), write(tmp_path, "zebra\nleopards\nli\x07on\n"))
    assert corpus.dropped == 2
    assert {label.lower() for label in draw(corpus, 50)} == {"zebra"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("zebra\nokapi\tmany\n", r"words\.txt:2: the count 'many'"),
        ("zebra\t0\n", r"words\.txt:1: the count '0'"),
        ("zebra\tinf\n", r"words\.txt:1: the count 'inf'"),
        ("\n \n", r"no words \(empty\)"),
        ("a" * 26, r"all 1 lines are longer than 25"),
    ],
)
def test_files_without_words_or_with_bad_counts_are_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Corpus(words=write(tmp_path, content))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nosuch\.txt"):
        Corpus(words=tmp_path / "nosuch.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"latin\.txt"):
        Corpus(words=str(tmp_path / "latin.txt"))


@pytest.mark.parametrize("content", ["straße\nÇa\n", "слово\n"])
def test_characters_names_all_that_the_words_can_give(tmp_path: Path, content: str) -> None:
    corpus = Corpus(LabelOptions(kinds={"word": 1.0, "letters": 1.0}), write(tmp_path, content))
    drawn = set("".join(draw(corpus, 500)))
    assert len(drawn) > 6
    assert drawn <= set(corpus.characters())
    assert corpus.characters() == "".join(sorted(set(corpus.characters())))


# Chinese


def test_the_common_and_other_characters_of_gb_2312_are_all_there() -> None:
    common, others = hanzi(16, 55), hanzi(56, 87)
    assert (len(common), len(others)) == (3755, 3008)
    assert (common[0], common[-1], others[0], others[-1]) == ("啊", "座", "亍", "齄")


def test_chinese_words_are_mostly_chinese_and_short_and_reach_every_common_character() -> None:
    corpus = Corpus(only("word"), "chinese")
    labels = draw(corpus, 40_000)
    text = "".join(labels)
    assert set(text) <= set(corpus.characters())
    assert sum("\u4e00" <= character <= "\u9fff" for character in text) > 0.8 * len(text)
    assert np.quantile([len(label) for label in labels], 0.99) <= 12
    counts = Counter(text)
    assert len(set(hanzi(16, 55)) - set(counts)) < 10
    assert sum(counts[c] for c in hanzi(16, 55)) / 3755 > 2 * sum(counts[c] for c in hanzi(56, 87)) / 3008
    assert "酒店" in labels


def test_a_charset_of_the_chinese_characters_expresses_every_label(tmp_path: Path) -> None:
    corpus = Corpus(words="chinese")
    charset = Charset.from_file(write(tmp_path, "\n".join([*corpus.characters(), " "])))
    assert [label for label in draw(corpus, 5000) if charset.unknown(charset.normalize(label))] == []


def test_chinese_phrases_have_no_blanks_and_latin_and_figures_occur() -> None:
    labels = draw(Corpus(words="chinese"), 5000)
    assert sum(" " in label for label in labels) < 0.03 * 5000
    assert sum(bool(re.search("[A-Za-z]", label)) for label in labels) > 250
    assert sum(bool(re.search(r"\d", label)) for label in labels) > 250


# Flattening


def rarest_share(labels: list[str]) -> float:
    counts = Counter("".join(labels).lower())
    return sum(counts[letter] for letter in "jqxz") / counts.total()


def test_flattening_makes_rare_letters_more_common() -> None:
    shares = [rarest_share(draw(Corpus(only("word", flatten=flatten)), 4000)) for flatten in (0.0, 0.5, 1.0)]
    assert shares[1] > 1.3 * shares[0]
    assert shares[2] > 1.2 * shares[1]


def test_flattening_serves_the_words_of_ones_own(tmp_path: Path) -> None:
    path = write(tmp_path, "ada\t97\nþórr\t3\n")
    plain, flat = (
        sum("þ" in label.lower() for label in draw(Corpus(only("word", flatten=flatten), path), 2000))
        for flatten in (0.0, 1.0)
    )
    assert flat > 2 * plain > 0


# Determinism


def test_labels_do_not_depend_on_the_process() -> None:
    script = (
        "import numpy as np; from wildtext.synth.corpus import Corpus\n"
        "for words in ('', 'chinese'):\n"
        "    corpus, random = Corpus(words=words), np.random.default_rng(7)\n"
        "    print(ascii([corpus.sample(random)[1] for _ in range(500)]))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    output = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True).stdout
    here = [ascii(draw(Corpus(words=words), 500, seed=7)) for words in ("", "chinese")]
    assert output.decode().splitlines() == here


def test_english_word_files_are_ascii() -> None:
    paths = [path for path in sorted(SHIPPED.glob("*.txt")) if path.stem != "chinese"]
    assert len(paths) >= 5
    assert [path.name for path in paths if not path.read_text(encoding="utf-8").isascii()] == []


# Likeness to real labels


def test_lengths_case_and_figures_are_near_those_of_real_word_crops() -> None:
    """Bounds around what 6,725 labels of public training sets have; see docs/labels.md."""
    labels = draw(Corpus(), 10_000)
    text = "".join(labels)
    assert 5.0 < np.mean([len(label) for label in labels]) < 6.0
    assert 0.45 < sum(map(str.isupper, text)) / len(text) < 0.58
    assert 0.34 < sum(map(str.islower, text)) / len(text) < 0.44
    assert 0.04 < sum(map(str.isdigit, text)) / len(text) < 0.08
    assert sum(len(label) > 12 for label in labels) < 0.04 * len(labels)
