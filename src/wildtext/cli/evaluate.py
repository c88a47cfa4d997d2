"""The command that measures models."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import UseAppendAction, arg

from wildtext.cli.shared import FAILED, OK, opened_sets, progress_bar
from wildtext.errors import ConfigError

if TYPE_CHECKING:
    from wildtext.codecs import Lexicon
    from wildtext.data import LabelledSource
    from wildtext.data.source import Progress
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
    from wildtext.data.lexicons import open_lexicons
    from wildtext.evaluation.benchmarks import notes, require_benchmark
    from wildtext.evaluation.legacy import keeps
    from wildtext.evaluation.readings import write_readings
    from wildtext.images.corruptions import checked

    _check_outputs(report, readings)
    if lexicon and (corrupt is not None or random_strings):
        raise ConfigError("--lexicon goes with neither --corrupt nor --random-strings; measure them one by one")
    for name in corrupt or ():
        checked(name, 1)
    sources = opened_sets(data)
    if benchmark:
        require_benchmark(benchmark, sources)
    lexicons = [open_lexicons(source, lexicon) for source in sources] if lexicon else None
    for note in notes(sources):
        print(note, file=sys.stderr)
    asked = {"lexicon": lexicon, "beam": str(beam or ""), "filter": "of SRN.pytorch" if legacy_filter else ""}
    conditions = {name: value for name, value in asked.items() if value}
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
        # Figures come first: what took an hour must not be lost to a disk that is full.
        if legacy_filter and format == "table":
            _show_legacy(found)
        else:
            _show(found, [one.recognizer.runtime.name for one in models], protocol, conditions, format)
        _warn(found.results[0], protocol)
        if readings is not None:
            write_readings(readings, [result for row in found.results for result in row])
        if report is not None:
            _write_report(report, found, sources, models, protocol, conditions)
    return FAILED if any(result.unreadable for row in found.results for result in row) else OK


def _check_outputs(report: Path | None, readings: Path | None) -> None:
    """Refuse what cannot be written before anything is read."""
    from wildtext.files import check_writable

    outputs = [out for out in (report, readings) if out is not None]
    for out in outputs:
        check_writable(out)
    if len({out.resolve() for out in outputs}) < len(outputs):
        raise ConfigError(f"--report and --readings both name {report}; give each a file of its own")


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
        self,
        source: LabelledSource,
        options: _Options,
        lexicons: Callable[[int], Lexicon] | None = None,
        progress: Progress | None = None,
    ) -> Result:
        from wildtext.evaluation.evaluator import evaluate as measure

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
        lexicons: Sequence[Callable[[int], Lexicon]] | None = None,
    ) -> list[Result]:
        results = []
        for place, source in enumerate(sources):
            with progress_bar(f"{self.name} reads {Path(source.name).name}") as progress:
                results.append(self.read(source, options, lexicons[place] if lexicons else None, progress))
        return results

    def read_corrupted(self, sources: Sequence[LabelledSource], options: _Options, names: Sequence[str]) -> Robustness:
        from wildtext.evaluation.robustness import robustness
        from wildtext.images.corruptions import CORRUPTIONS

        with progress_bar(f"{self.name} reads corrupted images") as progress:
            return robustness(
                lambda source: self.read(source, options), sources, names or tuple(CORRUPTIONS), progress=progress
            )


@dataclass
class _Found:
    """All that was measured, in the order of the models."""

    results: list[list[Result]]
    robustness: list[Robustness] = field(default_factory=list)
    language: list[LanguageReliance] = field(default_factory=list)
    speeds: list[Speed] = field(default_factory=list)


def _loaded(names: Sequence[str], beam: int, fresh: bool, device: str, threads: int, stack: ExitStack) -> list[_Model]:
    from wildtext.data import short_paths
    from wildtext.evaluation.cache import Cache, readings_purpose
    from wildtext.inference.loading import load
    from wildtext.weights.catalogue import find

    found = [find(name, suffix=".onnx") for name in names]
    for place, weights in enumerate(found):
        if weights.resolve() in {other.resolve() for other in found[:place]}:
            raise ConfigError(f"--model {names[place]} is given more than once")
    models = []
    # Runs call their best bundle alike, so a path is told with its folder, and more where that is not enough.
    shown = short_paths(names, least=2)
    for name, title, weights in zip(names, shown, found, strict=True):
        recognizer = load(name, device=device, threads=threads)
        cache = stack.enter_context(closing(Cache(readings_purpose(recognizer, weights, beam), fresh=fresh)))
        models.append(_Model(title if weights == Path(name) else name, weights, recognizer, cache))
    return models


def _read_drawn(models: Sequence[_Model], options: _Options, count: int) -> list[LanguageReliance]:
    from wildtext.evaluation.language import LanguageReliance, language_sets

    with progress_bar("drawing words and random strings") as progress:
        words, strings = language_sets(count, progress=progress)
    return [LanguageReliance(*one.read_all([words, strings], options)) for one in models]


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


_NAMED = 10
"""Images that could not be read and are named; more of them would push the figures off the screen."""


def _warn(results: Sequence[Result], protocol: str) -> None:
    """Tell what needs attention in images and labels, which are the same for all models."""
    unreadable = [message for result in results for message in result.unreadable]
    for message in unreadable[:_NAMED]:
        print(f"counted as wrong: {message}", file=sys.stderr)
    if len(unreadable) > _NAMED:
        print(f"counted as wrong: {len(unreadable) - _NAMED} more; --readings lists them all", file=sys.stderr)
    for result in results:
        if empty := result.metrics.empty:
            what = "label has" if empty == 1 else "labels have"
            print(f"{result.data}: {empty} {what} no character of protocol {protocol}", file=sys.stderr)


def _write_report(
    out: Path,
    found: _Found,
    sources: Sequence[LabelledSource],
    models: Sequence[_Model],
    protocol: str,
    conditions: Mapping[str, str],
) -> None:
    from wildtext.evaluation.cache import Cache, properties_purpose
    from wildtext.evaluation.properties import measured_properties
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
        robustness=found.robustness,
        language=found.language,
        conditions=conditions,
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

    models = [results[0].model for results in found.results]
    speeds = list(zip(models, found.speeds, strict=False))
    figures = {name: None for _, one in speeds for name, _ in one.rows()}
    tables = {
        "speed and size": [{"": name, **{model: dict(one.rows())[name] for model, one in speeds}} for name in figures],
        "accuracy by strength of corruption, in percent": [row for one in found.robustness for row in one.records()],
        "accuracy of words and of random strings that look the same, in percent": [one.row() for one in found.language],
    }
    lists = {
        "speed": [{"model": model, **one.to_dict()} for model, one in speeds],
        "robustness": [row for one in found.robustness for row in one.counts()],
        "language": [one.record() for one in found.language],
    }
    summary = Summary(
        found.results,
        protocol,
        runtimes,
        conditions,
        {title: rows for title, rows in tables.items() if rows},
        {name: rows for name, rows in lists.items() if rows},
    )
    if form == "table":
        print_table(summary)
    else:
        print({"json": as_json, "markdown": as_markdown, "latex": as_latex}[form](summary))
