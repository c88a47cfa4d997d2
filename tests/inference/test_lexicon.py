"""Reading with a lexicon, and abstaining, in Python and on the command line."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import grey_image
from tests.inference.test_recognizer import TwoOpinions, tall_image
from wildtext.charset import Charset
from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.codecs import Lexicon, Sequence
from wildtext.errors import CharsetError, ConfigError, DataError
from wildtext.inference.recognizer import Recognizer
from wildtext.synth import SyntheticWords
from wildtext.weights.bundle import Bundle

Captured = pytest.CaptureFixture[str]


def test_every_reading_is_a_word_of_the_lexicon(recognizer: Recognizer) -> None:
    lexicon = Lexicon(["3", "7", "12"])
    readings = recognizer.read([grey_image(level) for level in range(10)], lexicon=lexicon, top=2)
    assert [reading.text for reading in readings[3::4]] == ["3", "7"]
    for reading in readings:
        assert {reading.text, *(other.text for other in reading.alternatives)} <= set(lexicon.words)
    sure, unsure = readings[7], readings[8]
    assert sure.confidence > 0.9
    assert unsure.confidence < 0.1, "what the image says is not in the lexicon, and the confidence tells"
    assert sure.scores["lexicon.margin"] > unsure.scores["lexicon.margin"] >= 0


def test_of_several_orientations_the_one_that_says_a_word_wins(recognizer: Recognizer) -> None:
    image = tall_image(dark_end="top")
    (free,) = recognizer.read(image)
    (reading,) = recognizer.read(image, lexicon=Lexicon([free.text, "00"]))
    assert (reading.text, reading.rotation) == (free.text, free.rotation) == (free.text, 90)


def test_what_cannot_be_written_is_told_before_the_first_image(recognizer: Recognizer) -> None:
    with pytest.raises(CharsetError, match="can write none of its 1 words, such as 'EXIT'"):
        next(recognizer.stream(iter(()), lexicon=Lexicon(["EXIT"])), None)


def test_a_lexicon_may_change_from_image_to_image(recognizer: Recognizer) -> None:
    (seen,) = recognizer.observe([grey_image(4)])
    assert isinstance(seen, tuple)
    assert [recognizer.decode(seen, lexicon=Lexicon([word])).text for word in ("4", "5")] == ["4", "5"]


def test_the_head_that_is_surest_of_its_word_is_read(digits_bundle: Bundle) -> None:
    codec = Sequence(Charset("letters", ("a", "b")), 3, classes=3, first=1, begin=None, end=0, pad=0)
    bundle = replace(digits_bundle, codecs={"one": codec, "two": codec}, primary="one", fused=("one", "two"))
    recognizer = Recognizer(bundle, TwoOpinions(one=("ab", 0.9), two=("aab", 0.6)))
    (reading,) = recognizer.read(grey_image(5), lexicon=Lexicon(["AAB", "bab"]))
    assert reading.text == "AAB"
    assert reading.confidence == reading.scores["two"] == pytest.approx(0.6)
    assert reading.scores["lexicon.share"] == pytest.approx(0.6 / 1.0)


def test_scores_of_a_reference_are_left_out_as_they_are_about_another_text(recognizer: Recognizer) -> None:
    printing = Recognizer(replace(recognizer.bundle, scores={"clovaai": "steps"}), recognizer.runtime)
    (reading,) = printing.read(grey_image(7), lexicon=Lexicon(["7", "8"]))
    assert set(reading.scores) == {"lexicon.share", "lexicon.margin"}


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """Three drawn words, the paths of their images and a lexicon that holds them in lower case."""
    folder = tmp_path_factory.mktemp("words")
    source = SyntheticWords(1)
    for index in range(3):
        Image.fromarray(source[index].image).save(folder / f"{index}.png")
    path = folder / "words.txt"
    path.write_text("".join(f"{source[index].text.lower()}\n" for index in range(3)) + "東京\n", encoding="utf-8")
    return [source[index].text.lower() for index in range(3)], path


def test_the_command_line_reads_with_a_lexicon(words: tuple[list[str], Path], capsys: Captured) -> None:
    texts, path = words
    assert main(["read", str(path.parent), "--lexicon", str(path), "--format", "jsonl", "--top", "2"]) == OK
    shown = capsys.readouterr()
    records = [json.loads(line) for line in shown.out.splitlines()]
    assert len(records) == 3
    for record in records:
        assert {record["text"], *(other["text"] for other in record["alternatives"])} <= set(texts)
        assert record["scores"]["lexicon.margin"] >= 0
        assert "abstained" not in record
    assert "1 of 4 words are never read, with letters outside charset 94+space, or too many: 東京" in shown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lexicon", "no/such/file"], "cannot read the lexicon no/such/file"),
        (["--min-confidence", "1.5"], "--min-confidence is a probability, between 0 and 1, not 1.5"),
        (["--min-confidence", "nan"], "between 0 and 1, not nan"),
        (["--beam", "4"], "a beam is for models that write one character after another"),
        (["--beam", "-1"], "at least 1, or 0 for none, not -1"),
    ],
)
def test_options_that_make_no_sense_are_told(
    words: tuple[list[str], Path], capsys: Captured, arguments: list[str], message: str
) -> None:
    assert main(["read", str(words[1].parent), *arguments]) == UNUSABLE
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """An image without text, which no model can be sure of."""
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 100, 3), np.uint8)).save(path)
    return path


def test_unsure_readings_abstain(words: tuple[list[str], Path], noise: Path, capsys: Captured) -> None:
    sure = words[1].parent / "0.png"
    shared = [str(sure), str(noise), "--top", "2", "--min-confidence"]
    assert main(["read", *shared, "0.999999", "--format", "jsonl"]) == OK
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["abstained"] for record in records][1]
    assert {"text", "confidence"} <= records[1].keys(), "programs may still look"
    assert main(["read", *shared, f"{records[1]['confidence'] + 1e-4:.6f}"]) == OK
    first, second = capsys.readouterr().out.splitlines()
    assert records[0]["text"] in first
    assert second.endswith("%  (unsure)")
    assert main(["read", str(noise.with_name("missing.png")), *shared, "1", "--format", "csv"]) == FAILED
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0]) == ["path", "text", "confidence", "error", "abstained", "text_2", "confidence_2"]
    assert [row["abstained"] for row in rows][::2] == ["", "true"]


def test_what_is_no_lexicon_is_refused_with_the_way_to_make_one(recognizer: Recognizer) -> None:
    for wrong in (["3", "7"], "words.txt"):
        with pytest.raises(ConfigError, match=r"Lexicon\.from_file"):
            recognizer.read(grey_image(3), lexicon=wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="is the text 'EXIT'"):
        Lexicon("EXIT")
    with pytest.raises(DataError, match="has 3, which is no text"):
        Lexicon(["EXIT", 3])  # type: ignore[list-item]
