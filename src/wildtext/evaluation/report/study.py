"""What was measured, in the shape that the report needs: everything pooled, with places that all models share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from wildtext.data import LabelledSource, short_names
from wildtext.evaluation.benchmarks import distinct
from wildtext.evaluation.confusions import Confusion, Confusions, count_confusions
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.metrics import Metrics, comparable, measure
from wildtext.evaluation.properties import Properties
from wildtext.evaluation.readings import Judged
from wildtext.evaluation.reliability import Reliability, reliability
from wildtext.evaluation.report.markup import visible
from wildtext.evaluation.slices import Slice, slices
from wildtext.inference.recognizer import Recognizer


@dataclass(frozen=True, eq=False)
class Study:
    """Some models on some data sets.

    A place is the position of an image when all data sets that are pooled are put one behind the other.

    Attributes:
        results: by model, then by data set.
        sources: the data sets.
        recognizers: the models.
        protocol: what counts as the same text.
        by_set: properties of the images of each data set; None where an image could not be decoded.
    """

    results: Sequence[Sequence[Result]]
    sources: Sequence[LabelledSource]
    recognizers: Sequence[Recognizer]
    protocol: str
    by_set: Sequence[Sequence[Properties | None]]

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(results[0].model for results in self.results)

    @cached_property
    def sets(self) -> tuple[str, ...]:
        """Names of the data sets."""
        return tuple(short_names(self.sources))

    @cached_property
    def pooled(self) -> tuple[int, ...]:
        """Numbers of the data sets that are pooled: no image counts twice, where it is known to be in two of them."""
        kept, _ = distinct(self.results[0])
        return tuple(number for number, result in enumerate(self.results[0]) if any(result is one for one in kept))

    @cached_property
    def judged(self) -> tuple[tuple[Judged, ...], ...]:
        """By model, every pooled image."""
        return tuple(tuple(one for number in self.pooled for one in results[number].judged) for results in self.results)

    @cached_property
    def properties(self) -> tuple[Properties | None, ...]:
        """Of every pooled image."""
        return tuple(one for number in self.pooled for one in self.by_set[number])

    @cached_property
    def set_of(self) -> tuple[int, ...]:
        """Number of the data set of every pooled image."""
        return tuple(number for number in self.pooled for _ in self.results[0][number].judged)

    @cached_property
    def metrics(self) -> tuple[Metrics, ...]:
        """By model, of all pooled images."""
        return tuple(measure(judged) for judged in self.judged)

    @cached_property
    def everything(self) -> Part:
        """All pooled images."""
        return Part(self.judged, self.properties, tuple(self.sets[number] for number in self.set_of))

    def part(self, number: int) -> Part:
        """The images of a data set that is pooled."""
        judged = tuple(results[number].judged for results in self.results)
        data = (self.sets[number],) * len(judged[0])
        return Part(judged, self.by_set[number], data, self.set_of.index(number), f"set={number}&")

    @cached_property
    def confusions(self) -> tuple[Confusions, ...]:
        """By model, of all pooled images."""
        return tuple(count_confusions(judged) for judged in self.judged)

    @cached_property
    def reliabilities(self) -> tuple[Reliability, ...]:
        """By model, of all pooled images."""
        return tuple(reliability(judged) for judged in self.judged)

    @property
    def several(self) -> bool:
        """Whether there is more than one model."""
        return len(self.results) > 1

    def named(self, name: str, model: int) -> str:
        """A name with that of the model behind it, where there are several."""
        return f"{name} ({self.models[model]})" if self.several else name

    def confusion(self, pair: Confusion, model: int) -> str:
        """What a confusion is called."""
        truth, read = (visible(one) or "nothing" for one in (pair.truth, pair.read))
        return self.named(f"{truth} read as {read}", model)

    def compared(self, model: int) -> Callable[[str], str]:
        """What a character is taken for under the protocol; empty where it does not count."""
        shared = comparable(self.protocol, self.recognizers[model].bundle.charset)
        # Between letters, since blanks at the ends of a text are dropped, but not those within.
        return lambda character: shared(f"x{character}x")[1:-1]

    def wrong(self, model: int) -> list[int]:
        """Places of the images that a model did not read right."""
        return [place for place, one in enumerate(self.judged[model]) if not one.correct]

    def errors_of(self, number: int, model: int) -> str:
        """What leads to the errors of a model in a data set; empty where it is not pooled."""
        return f"set={number}&model={model}" if number in self.pooled else ""


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the images: a data set, or everything.

    Attributes:
        judged: by model.
        properties: of the images; None where one could not be decoded.
        data: the name of the data set of each image.
        start: place of the first image.
        among: what leads to these images in the gallery, before what leads to some of them.
    """

    judged: Sequence[Sequence[Judged]]
    properties: Sequence[Properties | None]
    data: Sequence[str]
    start: int = 0
    among: str = ""

    @cached_property
    def slices(self) -> tuple[list[Slice], ...]:
        """By model, accuracy by everything that is known of the images."""
        return tuple(slices(judged, self.properties, self.data) for judged in self.judged)

    def places(self, own: Iterable[int]) -> list[int]:
        """Places of images that are numbered from the first one of this part."""
        return [self.start + place for place in own]


@dataclass
class Groups:
    """Images that charts lead to; each group has the number of its entry.

    Attributes:
        names: of the groups, with their numbers.
        kinds: of the filter: ``bin`` or ``confusion``.
        places: of the images.
    """

    names: dict[str, int] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    places: list[set[int]] = field(default_factory=list)

    def add(self, kind: str, name: str, places: Iterable[int]) -> str:
        """Remember images of a group, and give what `gallery_link` needs to lead to all of it."""
        if name not in self.names:
            self.names[name] = len(self.names)
            self.kinds.append(kind)
            self.places.append(set())
        number = self.names[name]
        self.places[number].update(places)
        return f"{kind}={number}"

    def by_place(self) -> dict[int, list[int]]:
        """The numbers of the groups that each image is in."""
        found: dict[int, list[int]] = {}
        for number, places in enumerate(self.places):
            for place in places:
                found.setdefault(place, []).append(number)
        return found
