"""Accuracy is what the protocol says, over every image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wildtext.data import open_source
from wildtext.data.subset import Subset
from wildtext.errors import DataError, SampleError
from wildtext.evaluation.evaluator import evaluate
from wildtext.evaluation.metrics import similarity
from wildtext.inference.recognizer import Recognizer


def relabel(folder: Path, labels: dict[int, str]) -> None:
    lines = [f"{level}.png\t{labels.get(level, level)}\n" for level in range(10)]
    (folder / "labels.tsv").write_text("".join(lines), encoding="utf-8")


def test_all_right_is_a_hundred_percent(recognizer: Recognizer, labelled_folder: Path) -> None:
    result = evaluate(recognizer, open_source(labelled_folder))
    assert (result.metrics.accuracy, result.metrics.similarity, result.metrics.images) == (100.0, 1.0, 10)


def test_labels_are_compared_without_case_accents_and_punctuation(
    recognizer: Recognizer, labelled_folder: Path
) -> None:
    relabel(labelled_folder, {3: "3!", 4: "-4-", 5: "5é"})
    result = evaluate(recognizer, open_source(labelled_folder))
    assert result.metrics.correct == 9
    assert result.metrics.similarity == pytest.approx(1 - 0.5 / 10)


def test_wider_protocols_count_more_characters(recognizer: Recognizer, labelled_folder: Path) -> None:
    relabel(labelled_folder, {3: "3!"})
    assert evaluate(recognizer, open_source(labelled_folder), protocol="62").metrics.correct == 10
    assert evaluate(recognizer, open_source(labelled_folder), protocol="94").metrics.correct == 9


def test_other_scripts_are_compared_as_they_are(recognizer: Recognizer, labelled_folder: Path) -> None:
    relabel(labelled_folder, {3: "三", 4: " 4 ", 5: "5!"})
    assert evaluate(recognizer, open_source(labelled_folder), protocol="all").metrics.correct == 8


def test_the_batch_size_does_not_change_the_result(recognizer: Recognizer, labelled_folder: Path) -> None:
    source = open_source(labelled_folder)
    one, many = (evaluate(recognizer, source, batch_size=size) for size in (1, 64))
    assert (one.metrics.correct, one.metrics.confidence) == (many.metrics.correct, many.metrics.confidence)


def test_an_unreadable_image_counts_as_wrong_and_is_named(recognizer: Recognizer, labelled_folder: Path) -> None:
    (labelled_folder / "6.png").write_bytes(b"broken")
    (labelled_folder / "7.png").unlink()
    result = evaluate(recognizer, open_source(labelled_folder))
    assert (result.metrics.images, result.metrics.correct) == (10, 8)
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


def test_a_sample_without_a_label_counts_as_wrong_and_is_named(recognizer: Recognizer, labelled_folder: Path) -> None:
    source = open_source(labelled_folder)

    class Unlabelled(Subset):
        def texts(self) -> Iterator[str | SampleError]:
            yield SampleError("no label for 0.png")
            yield from (self.text(index) for index in range(1, self.size))

    result = evaluate(recognizer, Unlabelled(source, range(10)))
    assert (result.metrics.images, result.metrics.correct) == (10, 9)
    assert result.unreadable == ["no label for 0.png"]


def test_a_filter_leaves_out_by_the_stored_label(recognizer: Recognizer, labelled_folder: Path) -> None:
    result = evaluate(recognizer, open_source(labelled_folder), keeps=lambda label: label in "135")
    assert [one.reading.index for one in result.judged] == [1, 3, 5]
    with pytest.raises(DataError, match="the filter leaves none of its 10 samples"):
        evaluate(recognizer, open_source(labelled_folder), keeps=lambda label: False)
