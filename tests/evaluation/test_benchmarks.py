"""Published sets are told by name and size, and totals are of exactly their sets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.evaluation.made import sized
from wildtext.errors import ConfigError, DataError
from wildtext.evaluation.benchmarks import BENCHMARKS, SETS, distinct, notes, recognise, require_benchmark, totals
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.published import PUBLISHED
from wildtext.evaluation.statistics import mean_interval, wilson_interval

# How many images the test of SRN.pytorch read; the two sets that it filtered are taken in full here.
CORRECT = {
    "IIIT5k_3000": (3000, 2538),
    "SVT": (647, 541),
    "IC03_860": (860, 799),
    "IC03_867": (867, 805),
    "IC13_857": (857, 774),
    "IC13_1015": (1015, 895),
    "IC15_1811": (1811, 1286),
    "IC15_2077": (2077, 1315),
    "SVTP": (645, 458),
    "CUTE80": (288, 197),
}


@dataclass(frozen=True)
class Source:
    name: str
    size: int


def results(counts: Mapping[str, tuple[int, int]] = CORRECT) -> list[Result]:
    return [sized(f"data/evaluation/{name}", images, correct) for name, (images, correct) in counts.items()]


def sources(*without: str) -> list[Source]:
    return [Source(f"test/{name}", images) for name, (images, _) in CORRECT.items() if name not in without]


@pytest.mark.parametrize(
    ("path", "size", "name"),
    [
        ("data_lmdb_release/evaluation/IIIT5k_3000", 3000, "IIIT5k_3000"),
        ("test/IIIT5k", 3000, "IIIT5k_3000"),
        ("IIIT5K/", 3000, "IIIT5k_3000"),
        ("/data/svt", 647, "SVT"),
        ("IC13", 857, "IC13_857"),
        ("IC13", 1015, "IC13_1015"),
        ("icdar_2015", 2077, "IC15_2077"),
        ("ic15-1811", 1811, "IC15_1811"),
        ("IC03_867", 867, "IC03_867"),
        ("test/CUTE80.lmdb", 288, "CUTE80"),
        ("u14m/multi_oriented", 1369, "U14M_multi_oriented"),
        ("Union14M-Benchmarks/multi-words/annotation.jsonl", 829, "U14M_multi_words"),
        ("svtp/textrecog_test.json", 645, "SVTP"),
        ("test/COCOv1.4", 9825, "COCO"),
        ("OST/heavy", 2416, "OST_heavy"),
        ("IIIT5K-test", 3000, "IIIT5k_3000"),
        ("IC13-1015_test/labels.tsv", 1015, "IC13_1015"),
    ],
)
def test_sets_are_recognised_under_the_names_they_are_published_with(path: str, size: int, name: str) -> None:
    found = recognise(path, size)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("SVT", 646),
        ("SVT-train", 647),
        ("SVT/images", 647),
        ("CUTE80", 287),
        ("IC13_857", 1015),
        ("mine", 3000),
        ("", 1),
    ],
)
def test_another_size_or_another_name_is_not_that_set(path: str, size: int) -> None:
    assert recognise(path, size) is None


def test_a_wrong_size_is_told_with_both_numbers() -> None:
    (message,) = notes([Source("test/SVT", 646), Source("mine", 3), Source("CUTE80", 288)])
    assert message == "test/SVT has 646 samples, the published set has 647: it does not count in totals"
    (message,) = notes([Source("IC13", 1014)])
    assert "857, 1,015 or 1,095" in message
    assert "could not verify" in notes([Source("weak", 5)])[0]


def test_a_set_that_is_given_twice_is_told_of() -> None:
    (message,) = notes([Source("a/SVT", 647), Source("b/svt", 647)])
    assert message == "b/svt is SVT again; a/SVT counts in totals"


def test_sizes_of_the_totals_are_those_of_the_literature() -> None:
    images = {name: one.images for name, one in BENCHMARKS.items()}
    assert images["dtrb10"] == 12_067
    assert images["dtrb7"] == 8539
    assert images["common6_sub"] == images["mean6"] == 7248
    assert images["common6_full"] == images["mean6_full"] == 7672
    assert images["ost"] == 4832


def test_totals_are_the_sums_over_exactly_their_sets() -> None:
    found = {total.benchmark.name: total for total in totals(results())}
    assert set(found) == {"dtrb10", "dtrb7", "common6_sub", "common6_full", "mean6", "mean6_full"}
    assert (found["dtrb10"].correct, found["dtrb10"].images) == (9608, 12_067)
    assert found["dtrb7"].correct == 2538 + 541 + 805 + 895 + 1315 + 458 + 197
    assert found["common6_full"].accuracy == pytest.approx(100 * (2538 + 541 + 895 + 1315 + 458 + 197) / 7672)
    assert found["common6_sub"].interval == pytest.approx(
        [100 * end for end in wilson_interval(2538 + 541 + 774 + 1286 + 458 + 197, 7248)]
    )


def test_mean6_is_the_mean_of_the_accuracies() -> None:
    found = {total.benchmark.name: total for total in totals(results())}
    sub = (2538 / 3000, 541 / 647, 774 / 857, 1286 / 1811, 458 / 645, 197 / 288)
    assert found["mean6"].accuracy == pytest.approx(100 * math.fsum(sub) / 6)
    interval = mean_interval([2538, 541, 774, 1286, 458, 197], [3000, 647, 857, 1811, 645, 288])
    assert found["mean6"].interval == pytest.approx([100 * end for end in interval])


def test_images_that_count_twice_make_nobody_surer() -> None:
    (total,) = (one for one in totals(results()) if one.benchmark.name == "dtrb10")
    weights = [2] * (860 + 857 + 1811) + [1] * (7 + 158 + 266 + 3000 + 647 + 645 + 288)
    assert sum(weights) == 12_067
    effective = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    assert total.effective_images == pytest.approx(effective)
    low, high = wilson_interval(effective * 9608 / 12_067, effective)
    assert total.interval == pytest.approx((100 * low, 100 * high))


def test_a_total_is_only_given_where_all_its_sets_are_there_and_whole() -> None:
    without = {name: counts for name, counts in CORRECT.items() if name != "IC03_867"}
    assert {one.benchmark.name for one in totals(results(without))} == {
        "common6_sub", "common6_full", "mean6", "mean6_full"
    }  # fmt: skip
    assert totals(results({**CORRECT, "CUTE80": (287, 197)})) == []
    assert totals([sized("mine", 5, 3)]) == []


def test_of_copies_the_first_counts() -> None:
    (total,) = totals([sized("OST/weak", 2416, 1000), sized("OST/heavy", 2416, 500), sized("again/weak", 2416, 0)])
    assert (total.benchmark.name, total.correct, total.images) == ("ost", 1500, 4832)


def test_distinct_leaves_out_what_another_set_holds() -> None:
    kept, left = distinct([*results(), sized("mine", 4, 2), sized("again/SVT", 647, 1)])
    assert [one.data for one in left] == [
        "data/evaluation/IC03_860", "data/evaluation/IC13_857", "data/evaluation/IC15_1811", "again/SVT"
    ]  # fmt: skip
    assert sum(len(one.judged) for one in kept) == 8539 + 4
    assert distinct([sized("IC13_857", 857, 1)])[1] == []


def test_requiring_a_benchmark_names_all_that_is_wrong() -> None:
    require_benchmark("dtrb10", sources())
    require_benchmark("common6_full", sources("IC03_860", "IC03_867", "IC13_857", "IC15_1811"))
    with pytest.raises(DataError) as error:
        require_benchmark("dtrb7", [*sources("SVT", "CUTE80"), Source("test/CUTE80", 287)])
    message = str(error.value)
    assert "SVT (647 images) is not there" in message
    assert "test/CUTE80 has 287 samples, the published set has 288" in message
    assert "SVTP" not in message
    with pytest.raises(ConfigError, match="dtrb10, dtrb7"):
        require_benchmark("dtrb11", [])


def test_published_rows_agree_with_their_totals() -> None:
    for row in PUBLISHED:
        assert set(row.accuracy) <= set(SETS)
        if row.benchmark:
            benchmark = BENCHMARKS[row.benchmark]
            assert set(row.accuracy) == set(benchmark.sets)
            weights = [1 if benchmark.mean else SETS[name].size for name in benchmark.sets]
            accuracies = [row.accuracy[name] for name in benchmark.sets]
            total = math.fsum(w * a for w, a in zip(weights, accuracies, strict=True)) / sum(weights)
            assert total == pytest.approx(row.total, abs=0.06), row
