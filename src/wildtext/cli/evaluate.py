"""The command that measures models."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import UseAppendAction, arg

from wildtext.cli.shared import FAILED, OK, progress_bar
from wildtext.errors import ConfigError

if TYPE_CHECKING:
    from wildtext.codecs import Lexicon
    from wildtext.data import LabelledSource
    from wildtext.evaluation.cache import Cache
    from wildtext.evaluation.evaluator import Result
    from wildtext.evaluation.language import LanguageReliance
    from wildtext.evaluation.properties import Properties
    from wildtext.evaluation.robustness import Robustness
    from wildtext.evaluation.speed import Speed
    from wildtext.inference.recognizer import Recognizer


def evaluate(
    *,
    model: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="MODEL")] = (),
    data: Annotated[tuple[str, ...], arg(metavar="SOURCE [SOURCE ...]")],
    protocol: Literal["36", "62", "94", "all", "own"] = "36",
    benchmark: str = "",
    legacy_filter: bool = False,
    lexicon: str = "",
    beam: int = 0,
    corrupt: Annotated[tuple[str, ...] | None, arg(metavar="[NAME ...]")] = None,
    random_strings: int = 0,
    speed: bool = False,
    format: Literal["table", "json", "markdown", "latex"] = "table",
    report: Annotated[Path | None, arg(metavar="OUT.html")] = None,
    readings: Annotated[Path | None, arg(metavar="OUT.jsonl")] = None,
    fresh: bool = False,
    batch_size: int = 64,
    threads: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Measure models on labelled images, side by side.

    What was read is kept, so that a second run is instant and an interrupted one goes on. The exit status is 1 if some
    images could not be read; they count as wrong.

    Args:
        model: A name from `wildtext models`, or the path of an .onnx or .safetensors bundle; give it again for each
            further model. The model called default is measured where none is given.
        data: Folders with labels.tsv, list files, JSON Lines or LMDBs, or folders that hold several of them.
        protocol: Characters that count: 36 compares 0-9a-z only, without case and accents; 62 and 94 with case;
            all compares texts as they are, for Chinese and other scripts; own in the form of the model's charset.
        benchmark: Insist on all sets of a named total, each of its published size: dtrb10, dtrb7, common6_sub,
            common6_full, mean6, mean6_full, union14m, union14m_mean or ost.
        legacy_filter: Leave out the images that SRN.pytorch leaves out, and print figures as it does.
        lexicon: Read each image as one of these words: 50 or 1k for the lists that came with the data set, full for all
            of its labels, or a file with one word a line.
        beam: Texts that a model which writes one character after another goes on with side by side; needs a
            .safetensors bundle. 0 writes greedily.
        corrupt: Read corrupted images too, each at five strengths; name corruptions, or none for all of them.
        random_strings: Draw so many words and random strings that look the same, and read both; needs torch.
        speed: Time each model too, on some of the images; nothing else should run on the machine.
        format: table for people, json for programs, markdown and latex for papers.
        report: Write a page with all figures, errors and pictures, to look at in a browser.
        readings: Write every reading of every image, as JSON Lines.
        fresh: Read all images again, rather than take what earlier calls have read.
        batch_size: Images that go through the network together; does not change the result.
        threads: CPU threads; 0 takes the processors that this process may use.
        device: Where the networks run.
    """
    from wildtext.data import open_sets
    from wildtext.data.lexicons import open_lexicons
    from wildtext.evaluation.benchmarks import notes, require_benchmark
    from wildtext.evaluation.legacy import keeps
    from wildtext.evaluation.readings import write_readings
    from wildtext.images.corruptions import checked

    if not data:
        raise ConfigError("--data needs at least one source of labelled images")
    for out in filter(None, (report, readings)):
        if out.is_dir():
            raise ConfigError(f"cannot write {out}: it is a folder")
    sources = [source for path in data for source in open_sets(path)]
    if benchmark:
        require_benchmark(benchmark, sources)
    for name in corrupt or ():
        checked(name, 1)
    lexicons = [open_lexicons(source, lexicon) for source in sources] if lexicon else None
    with ExitStack() as stack:
        options = _Options(protocol, batch_size, beam, keeps if legacy_filter else None)
        models = _loaded(model or ("default",), beam, fresh, device, threads, stack)
        found = _Found([one.read_all(sources, options, lexicons) for one in models])
        if corrupt is not None:
            found.robustness = [one.read_corrupted(sources, options, corrupt) for one in models]
        if random_strings:
            found.language = _read_drawn(models, options, random_strings)
        if speed:
            found.speeds = [_timed(one, sources, batch_size, threads) for one in models]
        for note in (*notes(sources), *_warnings(found.results[0], protocol)):
            print(note, file=sys.stderr)
        if readings is not None:
            write_readings(readings, [result for row in found.results for result in row])
        if report is not None:
            _write_report(report, found, sources, models, protocol)
    if legacy_filter and format == "table":
        _show_legacy(found)
    else:
        asked = {"lexicon": lexicon, "beam": str(beam or ""), "filter": "of SRN.pytorch" if legacy_filter else ""}
        conditions = {name: value for name, value in asked.items() if value}
        _show(found, [one.recognizer.runtime.name for one in models], protocol, conditions, format)
    return FAILED if any(result.unreadable for row in found.results for result in row) else OK


@dataclass(frozen=True)
class _Options:
    """What every measurement of one call has in common."""

    protocol: str
    batch_size: int
    beam: int
    keeps: Callable[[str], bool] | None


@dataclass(frozen=True)
class _Model:
    """A model that is measured."""

    name: str
    weights: Path
    recognizer: Recognizer
    cache: Cache

    def read(
        self, source: LabelledSource, options: _Options, lexicons: Callable[[int], Lexicon] | None = None
    ) -> Result:
        from wildtext.evaluation.evaluator import evaluate as measure

        with progress_bar(f"{self.name} reads {source.name}") as progress:
            return measure(
                self.recognizer,
                source,
                model=self.name,
                cache=self.cache,
                lexicons=lexicons,
                progress=progress,
                **vars(options),
            )

    def read_all(
        self,
        sources: Sequence[LabelledSource],
        options: _Options,
        lexicons: Sequence[Callable[[int], Lexicon]] | None,
    ) -> list[Result]:
        return [
            self.read(source, options, lexicons[place] if lexicons else None) for place, source in enumerate(sources)
        ]

    def read_corrupted(self, sources: Sequence[LabelledSource], options: _Options, names: Sequence[str]) -> Robustness:
        from wildtext.evaluation.robustness import robustness
        from wildtext.images.corruptions import CORRUPTIONS

        return robustness(lambda source: self.read(source, options), sources, names or tuple(CORRUPTIONS))


@dataclass
class _Found:
    """All that was measured, in the order of the models."""

    results: list[list[Result]]
    robustness: list[Robustness] = field(default_factory=list)
    language: list[LanguageReliance] = field(default_factory=list)
    speeds: list[Speed] = field(default_factory=list)


def _loaded(names: Sequence[str], beam: int, fresh: bool, device: str, threads: int, stack: ExitStack) -> list[_Model]:
    from wildtext.evaluation.cache import Cache, readings_purpose
    from wildtext.inference.loading import load
    from wildtext.weights.catalogue import find

    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ConfigError(f"--model {repeated[0]} is given more than once")
    models = []
    for name in names:
        recognizer = load(name, device=device, threads=threads)
        weights = find(name, suffix=".onnx")
        cache = stack.enter_context(closing(Cache(readings_purpose(recognizer, weights, beam), fresh=fresh)))
        # Runs call their best bundle alike, so the folder says more than the file.
        models.append(_Model("/".join(Path(name).parts[-2:]), weights, recognizer, cache))
    return models


def _read_drawn(models: Sequence[_Model], options: _Options, count: int) -> list[LanguageReliance]:
    from wildtext.evaluation.language import LanguageReliance, language_sets

    with progress_bar("drawing words and random strings") as progress:
        words, strings = language_sets(count, progress=progress)
    return [LanguageReliance(one.read(words, options), one.read(strings, options)) for one in models]


_TIMED = 64
"""Images that speed is measured with."""


def _timed(model: _Model, sources: Sequence[LabelledSource], batch_size: int, threads: int) -> Speed:
    from wildtext.data.source import fetch
    from wildtext.data.subset import spread
    from wildtext.evaluation.speed import measure_speed
    from wildtext.types import Sample

    draws = spread([(source, index) for source in sources for index in range(source.size)], _TIMED)
    images = [sample.image for sample in fetch(draws) if isinstance(sample, Sample)]
    return measure_speed(model.recognizer, images, path=model.weights, batch_size=batch_size, threads=threads)


def _warnings(results: Sequence[Result], protocol: str) -> list[str]:
    """What needs attention in images and labels, which are the same for all models."""
    found = [f"counted as wrong: {message}" for result in results for message in result.unreadable]
    return found + [
        f"{result.data}: {result.metrics.empty} labels have no character of protocol {protocol}"
        for result in results
        if result.metrics.empty
    ]


def _write_report(
    out: Path, found: _Found, sources: Sequence[LabelledSource], models: Sequence[_Model], protocol: str
) -> None:
    from wildtext.evaluation.cache import Cache
    from wildtext.evaluation.properties import measured_properties, properties_purpose
    from wildtext.evaluation.report import write_report

    properties: list[list[Properties | None]] = []
    with closing(Cache(properties_purpose())) as cache:
        for source, result in zip(sources, found.results[0], strict=True):
            with progress_bar(f"looking at {source.name}") as progress:
                indices = [one.reading.index for one in result.judged]
                properties.append(measured_properties(source, indices, cache, progress))
    write_report(
        out,
        found.results,
        sources,
        [one.recognizer for one in models],
        protocol=protocol,
        properties=properties,
        speeds=found.speeds,
        robustness={one.model: one for one in found.robustness} or None,
        language=found.language,
        command=shlex.join(["wildtext", *sys.argv[1:]]),
    )
    print(f"report: {out}", file=sys.stderr)


def _show_legacy(found: _Found) -> None:
    from wildtext.evaluation.legacy import as_text

    for results in found.results:
        print(f"{results[0].model}\n{as_text(results)}")


def _show(found: _Found, runtimes: Sequence[str], protocol: str, conditions: Mapping[str, str], form: str) -> None:
    """Print all figures to standard output."""
    from wildtext.evaluation.results import Summary, as_json
    from wildtext.evaluation.tables import as_latex, as_markdown, print_table

    speeds = zip(found.results, found.speeds, strict=False)
    extras = {
        "speed": [{"model": results[0].model, **one.to_dict()} for results, one in speeds],
        "robustness": [row for one in found.robustness for row in one.records()],
        "language": [one.record() for one in found.language],
    }
    measured = {title: rows for title, rows in extras.items() if rows}
    summary = Summary(found.results, protocol, runtimes, conditions, measured)
    if form == "table":
        print_table(summary)
    else:
        print({"json": as_json, "markdown": as_markdown, "latex": as_latex}[form](summary))
