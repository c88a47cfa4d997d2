"""The figures of SRN.pytorch come out of its filter and its sums."""

from __future__ import annotations

import re

import pytest

from tests.evaluation.made import made, sized
from wildtext.charset import Charset
from wildtext.evaluation.legacy import KEPT, as_text, keeps, legacy_figures

# What is behind the accuracies in its README, which are in README.
READ = (2538, 541, 799, 805, 774, 895, 1286, 1315, 458, 197)
README = ["84.600", "83.617", "92.907", "92.849", "90.315", "88.177", "71.010", "68.064", "71.008", "68.641"]


@pytest.mark.parametrize("label", ["word", "WORD", "a" * 25, "", "$10", "\N{KELVIN SIGN}"])
def test_labels_that_are_kept(label: str) -> None:
    assert keeps(label)


@pytest.mark.parametrize(
    "label", ["it's", "two words", "a" * 26, "a" * 25 + "!", "caf\u00e9", "word ", "x.y", "\u0130"]
)
def test_labels_that_are_left_out(label: str) -> None:
    assert not keeps(label)


def test_the_readme_comes_out() -> None:
    results = [sized(f"evaluation/{name}", KEPT[name], read) for name, read in zip(KEPT, READ, strict=True)]
    text = as_text(results)
    assert re.findall(r"Acc ([\d.]+)", text) == README
    assert text.splitlines()[-1].endswith("total_accuracy: 80.597")
    assert [f"{name}: {accuracy}" in text for name, accuracy in zip(KEPT, README, strict=True)] == [True] * 10
    assert "with no others" in text
    assert "other images" not in text


def test_other_images_are_told_of() -> None:
    text = as_text([sized("IIIT5k", 3000, 1), sized("mine", 3, 1)])
    assert "IIIT5k_3000: 0.033" in text
    assert "IIIT5k_3000 has" not in text
    assert "; SVT, IC03_860," in text
    assert "mine is none of its sets" in text
    assert "CUTE80 has 288 images and not 287" in as_text([sized("CUTE80", 288, 1)])


def test_edits_are_summed_over_the_length_of_the_label() -> None:
    figures = legacy_figures(made([("kitten", "sitting"), ("same", "same"), ("ab", "abcde"), ("abc", None), ("", "")]))
    assert figures.distance == pytest.approx(3 / 6 + 0 + 3 / 2 + 1 + 1)
    assert (figures.images, figures.correct) == (5, 2)


def test_texts_are_compared_in_lower_case_and_up_to_the_mark_of_the_end() -> None:
    words = [("Word", "WORD!"), ("$10", "$10"), ("$10", "10"), ("#7", "7"), ("", None)]
    figures = legacy_figures(made(words, shared=Charset.named("36").restrict))
    assert figures.correct == 2
    assert figures.distance == pytest.approx(0 + 1 + 1 + 1 / 2 + 1)
