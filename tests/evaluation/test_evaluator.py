"""Accuracy is what the protocol says, over every image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wildtext.data import open_source
from wildtext.errors import DataError
from wildtext.evaluation.evaluator import evaluate
from wildtext.evaluation.metrics import similarity
from wildtext.evaluation.results import as_json, as_table, pooled
from wildtext.inference.recognizer import Recognizer


def relabel(folder: Path, labels: dict[int, str]) -> None:
    lines = [f"{level}.png\t{labels.get(level, level)}\n" for level in range(10)]
    (folder / "labels.tsv").write_text("".join(lines), encoding="utf-8")


def test_all_right_is_a_hundred_percent(recognizer: Recognizer, labelled_folder: Path) -> None:
    result = evaluate(recognizer, open_source(labelled_folder))
    assert (result.accuracy, result.similarity, result.images) == (100.0, 1.0, 10)


def test_labels_are_compared_without_case_accents_and_punctuation(
    recognizer: Recognizer, labelled_folder: Path
) -> None:
    relabel(labelled_folder, {3: "3!", 4: "-4-", 5: "5é"})
    result = evaluate(recognizer, open_source(labelled_folder))
    assert result.correct == 9
    assert result.similarity == pytest.approx(1 - 0.5 / 10)


def test_wider_protocols_count_more_characters(recognizer: Recognizer, labelled_folder: Path) -> None:
    relabel(labelled_folder, {3: "3!"})
    assert evaluate(recognizer, open_source(labelled_folder), protocol="62").correct == 10
    assert evaluate(recognizer, open_source(labelled_folder), protocol="94").correct == 9


def test_other_scripts_are_compared_as_they_are(recognizer: Recognizer, labelled_folder: Path) -> None:
    relabel(labelled_folder, {3: "三", 4: " 4 ", 5: "5!"})
    assert evaluate(recognizer, open_source(labelled_folder), protocol="all").correct == 8


def test_the_batch_size_does_not_change_the_result(recognizer: Recognizer, labelled_folder: Path) -> None:
    source = open_source(labelled_folder)
    one, many = (evaluate(recognizer, source, batch_size=size) for size in (1, 64))
    assert (one.correct, one.confidence) == (many.correct, many.confidence)


def test_an_unreadable_image_counts_as_wrong_and_is_named(recognizer: Recognizer, labelled_folder: Path) -> None:
    (labelled_folder / "6.png").write_bytes(b"broken")
    (labelled_folder / "7.png").unlink()
    result = evaluate(recognizer, open_source(labelled_folder))
    assert (result.images, result.correct) == (10, 8)
    assert [name in message for name, message in zip(("6.png", "7.png"), result.unreadable, strict=True)] == [True] * 2


def test_an_empty_source_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="no samples"):
        evaluate(recognizer, open_source(tmp_path))


@pytest.mark.parametrize(
    ("reading", "truth", "expected"),
    [("", "", 1.0), ("a", "", 0.0), ("kitten", "sitting", 1 - 3 / 7), ("same", "same", 1.0)],
)
def test_similarity_is_one_minus_edits_over_the_longer_length(reading: str, truth: str, expected: float) -> None:
    assert similarity(reading, truth) == pytest.approx(expected)


def test_json_has_each_data_set_and_all_of_them(
    recognizer: Recognizer, labelled_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = evaluate(recognizer, open_source(labelled_folder))
    values = json.loads(as_json([result, result], model="fake", protocol="36", runtime="fake"))
    assert [record["accuracy"] for record in values["results"]] == [100.0, 100.0]
    assert values["all"]["images"] == pooled([result, result]).images == 20
    as_table([result, result], protocol="36")
    assert "100.00 %" in capsys.readouterr().out
