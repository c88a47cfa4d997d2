"""The test sets that papers report on, and the totals they form of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol

from wildtext.errors import ConfigError, DataError
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.statistics import mean_interval, wilson_interval

_LISTS = (".csv", ".json", ".jsonl", ".tsv", ".txt")
"""Suffixes of lists, which are called after the folder they lie in where their own name says nothing."""


@dataclass(frozen=True)
class BenchmarkSet:
    """A published test set.

    Attributes:
        name: what we call it.
        size: how many images it has.
        folders: names under which it is published; the size tells those apart that share one.
        within: larger sets that hold all of its images too.
        verified: whether the size was seen in the data or in code that reads it, not only quoted.
    """

    name: str
    size: int
    folders: tuple[str, ...]
    within: tuple[str, ...] = ()
    verified: bool = True


@dataclass(frozen=True)
class Benchmark:
    """Test sets that are reported together.

    Attributes:
        name: what we call it.
        sets: names of its sets.
        about: who reports it.
        mean: whether its accuracy is the unweighted mean of those of its sets; else all images count the same.
    """

    name: str
    sets: tuple[str, ...]
    about: str
    mean: bool = False

    @property
    def images(self) -> int:
        """How many images its sets have together; those that two sets share count twice."""
        return sum(SETS[name].size for name in self.sets)


@dataclass(frozen=True)
class Total:
    """What one model reaches on a benchmark.

    Attributes:
        benchmark: which.
        images: of all its sets.
        correct: of these.
        accuracy: word accuracy in percent.
        interval: its 95 % interval in percent, of Wilson, or of the bootstrap for a mean.
        effective_images: how many different images are worth as much, where sets share some; else as `images`.
    """

    benchmark: Benchmark
    images: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    effective_images: float


class Sized(Protocol):
    """What has a name and a size, such as a labelled source."""

    @property
    def name(self) -> str:
        """E.g. its path."""

    @property
    def size(self) -> int:
        """Number of samples."""


SETS = {
    one.name: one
    for one in (
        BenchmarkSet("IIIT5k_3000", 3000, ("IIIT5k_3000", "IIIT5k", "IIIT")),
        BenchmarkSet("SVT", 647, ("SVT",)),
        BenchmarkSet("IC03_860", 860, ("IC03_860", "IC03", "icdar2003"), within=("IC03_867",)),
        BenchmarkSet("IC03_867", 867, ("IC03_867", "IC03", "icdar2003")),
        BenchmarkSet("IC13_857", 857, ("IC13_857", "IC13", "icdar2013"), within=("IC13_1015", "IC13_1095")),
        BenchmarkSet("IC13_1015", 1015, ("IC13_1015", "IC13", "icdar2013"), within=("IC13_1095",)),
        BenchmarkSet("IC13_1095", 1095, ("IC13_1095", "IC13", "icdar2013")),
        BenchmarkSet("IC15_1811", 1811, ("IC15_1811", "IC15", "icdar2015"), within=("IC15_2077",)),
        BenchmarkSet("IC15_2077", 2077, ("IC15_2077", "IC15", "icdar2015")),
        BenchmarkSet("SVTP", 645, ("SVTP",)),
        BenchmarkSet("CUTE80", 288, ("CUTE80", "CUTE", "CT80")),
        BenchmarkSet("U14M_curve", 2426, ("curve",)),
        BenchmarkSet("U14M_multi_oriented", 1369, ("multi_oriented",)),
        BenchmarkSet("U14M_artistic", 900, ("artistic",)),
        BenchmarkSet("U14M_contextless", 779, ("contextless",)),
        BenchmarkSet("U14M_salient", 1585, ("salient",)),
        BenchmarkSet("U14M_multi_words", 829, ("multi_words", "multi_word")),
        BenchmarkSet("U14M_general", 400_000, ("general",)),
        BenchmarkSet("OST_weak", 2416, ("weak",), verified=False),
        BenchmarkSet("OST_heavy", 2416, ("heavy",), verified=False),
        BenchmarkSet("LTB", 3376, ("LTB",), verified=False),
        BenchmarkSet("ArT", 35_149, ("ArT",), verified=False),
        BenchmarkSet("COCO", 9825, ("COCO", "COCOv1.4"), verified=False),
        BenchmarkSet("Uber", 80_551, ("Uber",), verified=False),
    )
}
"""By name. IC15_1811 was chosen by hand and cannot be made from IC15_2077, nor IC03_867 from IC03_860."""

_REGULAR = ("IIIT5k_3000", "SVT")
_IRREGULAR = ("SVTP", "CUTE80")
_SUB = (*_REGULAR, "IC13_857", "IC15_1811", *_IRREGULAR)
_FULL = (*_REGULAR, "IC13_1015", "IC15_2077", *_IRREGULAR)
_IC03, _IC13, _IC15 = ("IC03_860", "IC03_867"), ("IC13_857", "IC13_1015"), ("IC15_1811", "IC15_2077")
_U14M = tuple(name for name in SETS if name.startswith("U14M_"))

BENCHMARKS = {
    one.name: one
    for one in (
        Benchmark(
            "dtrb10",
            (*_REGULAR, *_IC03, *_IC13, *_IC15, *_IRREGULAR),
            "DTRB and SRN.pytorch print it; variants of a set count twice",
        ),
        Benchmark("dtrb7", (*_REGULAR, "IC03_867", "IC13_1015", "IC15_2077", *_IRREGULAR), "paper of DTRB"),
        Benchmark("common6_sub", _SUB, "MGP-STR, ABINet, the subset of PARSeq"),
        Benchmark("common6_full", _FULL, "PARSeq, RobustScanner"),
        Benchmark("mean6", _SUB, "Avg of OpenOCR", mean=True),
        Benchmark("mean6_full", _FULL, "Avg of mmocr, and of RobustScanner in PaddleOCR", mean=True),
        Benchmark("union14m", _U14M, "all images alike; nearly all of them are general"),
        Benchmark("union14m_mean", _U14M, "Avg of OpenOCR", mean=True),
        Benchmark("ost", ("OST_weak", "OST_heavy"), "occluded words"),
    )
}
"""By name; never compare across them."""


def recognise(name: str, size: int) -> BenchmarkSet | None:
    """The published set that a source is, by the last folder of its name, and by its size.

    Args:
        name: a path, or its last part. Case, hyphens, underscores, blanks and "test" at the end do not matter.
        size: samples of the source, none of them filtered out.
    """
    return next((one for one in namesakes(name) if one.size == size), None)


def namesakes(name: str) -> list[BenchmarkSet]:
    """All sets that are published under the name of a source, whatever their sizes.

    Args:
        name: a path; of a list file, its own name or else that of its folder counts.
    """
    path = PurePath(name)
    candidates = [path.name, path.stem]
    if path.suffix.lower() in _LISTS:
        candidates.append(path.parent.name)
    for candidate in map(_folded, candidates):
        if found := [one for one in SETS.values() if candidate in map(_folded, (one.name, *one.folders))]:
            return found
    return []


def notes(sources: Iterable[Sized]) -> list[str]:
    """Messages about sources that are called like a published set and are none, or are there already."""
    messages: list[str] = []
    seen: dict[str, str] = {}
    for source in sources:
        if found := recognise(source.name, source.size):
            if found.name in seen:
                messages.append(f"{source.name} is {found.name} again; {seen[found.name]} counts in totals")
            seen.setdefault(found.name, source.name)
        elif called := namesakes(source.name):
            messages.append(f"{_mismatch(source, called)}: it does not count in totals")
    return messages


def require_benchmark(benchmark: str, sources: Sequence[Sized]) -> None:
    """Make sure that all sets of a benchmark are there, before anything is read.

    Raises:
        ConfigError: there is no such benchmark.
        DataError: sets are missing or have other sizes; the message names each of them.
    """
    if benchmark not in BENCHMARKS:
        raise ConfigError(f"there is no benchmark {benchmark!r}; known are {', '.join(BENCHMARKS)}")
    present = {found.name for source in sources if (found := recognise(source.name, source.size))}
    problems = []
    for one in (SETS[name] for name in BENCHMARKS[benchmark].sets if name not in present):
        others = [source for source in sources if one in namesakes(source.name)]
        unknown = [source for source in others if not recognise(source.name, source.size)]
        wrong = "; ".join(_mismatch(source, namesakes(source.name)) for source in unknown)
        problems.append(f"{one.name} ({one.size:,} images) is not there" + (f" ({wrong})" if wrong else ""))
    if problems:
        raise DataError(
            f"{benchmark} needs other data: {'; '.join(problems)}. Name the folder of each set, which must be called "
            f"like the set and be complete"
        )


def totals(results: Sequence[Result]) -> list[Total]:
    """The totals of one model that its results are complete for.

    A set counts where it has all its images, under a name that is known; of several copies the first counts.

    Args:
        results: of one model, no samples filtered out.
    """
    found: dict[str, Result] = {}
    for result in results:
        if known := recognise(result.data, len(result.judged)):
            found.setdefault(known.name, result)
    complete = [one for one in BENCHMARKS.values() if found.keys() >= set(one.sets)]
    return [_total(one, [found[name] for name in one.sets]) for one in complete]


def distinct(results: Sequence[Result]) -> tuple[list[Result], list[Result]]:
    """Results such that no image of a published set is there twice, and those that are left out for it.

    Left out are copies of a set and sets that another one holds, e.g. IC13_857 beside IC13_1015.
    """
    names = [found.name if (found := recognise(one.data, len(one.judged))) else None for one in results]
    kept: list[Result] = []
    left: list[Result] = []
    for place, (name, result) in enumerate(zip(names, results, strict=True)):
        held = name is not None and (name in names[:place] or not set(SETS[name].within).isdisjoint(names))
        (left if held else kept).append(result)
    return kept, left


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.casefold()).removesuffix("test")


def _mismatch(source: Sized, published: Sequence[BenchmarkSet]) -> str:
    *some, last = [f"{one.size:,}" for one in published]
    sizes = f"sets have {', '.join(some)} or {last}" if some else f"set has {last}"
    doubt = "" if all(one.verified for one in published) else " (a size that we could not verify)"
    return f"{source.name} has {source.size:,} samples, the published {sizes}{doubt}"


def _total(benchmark: Benchmark, results: Sequence[Result]) -> Total:
    correct = [result.metrics.correct for result in results]
    counts = [result.metrics.images for result in results]
    images, effective = sum(counts), _effective(benchmark)
    if benchmark.mean:
        accuracy = sum(right / count for right, count in zip(correct, counts, strict=True)) / len(counts)
        low, high = mean_interval(correct, counts)
    else:
        accuracy = sum(correct) / images
        low, high = wilson_interval(accuracy * effective, effective)
    return Total(benchmark, images, sum(correct), 100 * accuracy, (100 * low, 100 * high), effective)


def _effective(benchmark: Benchmark) -> float:
    """Images that are as many as those of a benchmark are worth (Kish 1965): one that counts twice has weight 2."""
    twice = sum(SETS[name].size for name in benchmark.sets if set(SETS[name].within) & set(benchmark.sets))
    return benchmark.images**2 / (benchmark.images + 2 * twice) if twice else benchmark.images
