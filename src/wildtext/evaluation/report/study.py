"""What was measured, in the shape that the report needs: everything pooled, with places that all models share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from wildtext.data import LabelledSource
from wildtext.evaluation.confusions import CaseConfusions, Confusion, Confusions, case_confusions, count_confusions
from wildtext.evaluation.evaluator import Result
from wildtext.evaluation.metrics import Metrics, comparable
from wildtext.evaluation.properties import Properties
from wildtext.evaluation.readings import Judged
from wildtext.evaluation.reliability import Reliability, reliability
from wildtext.evaluation.report.markup import visible
from wildtext.evaluation.results import Summary
from wildtext.evaluation.slices import Slice, find_slices
from wildtext.inference.recognizer import Recognizer


@dataclass(frozen=True, eq=False)
class Study:
    """Some models on some data sets.

    A place is the position of an image when all data sets that are pooled are put one behind the other.

    Attributes:
        summary: the figures.
        sources: the data sets.
        recognizers: the models.
        by_set: properties of the images of each data set; None where an image could not be decoded.
    """

    summary: Summary
    sources: Sequence[LabelledSource]
    recognizers: Sequence[Recognizer]
    by_set: Sequence[Sequence[Properties | None]]

    @property
    def results(self) -> Sequence[Sequence[Result]]:
        """By model, then by data set."""
        return self.summary.results

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return self.summary.models

    @property
    def sets(self) -> list[str]:
        """Names of the data sets."""
        return self.summary.sets

    @property
    def pooled(self) -> list[int]:
        """Numbers of the data sets that are pooled: no image counts twice, where it is known to be in two of them."""
        return self.summary.kept

    @cached_property
    def judged(self) -> tuple[tuple[Judged, ...], ...]:
        """By model, every pooled image."""
        return tuple(result.judged for result in self.summary.pooled)

    @cached_property
    def metrics(self) -> tuple[Metrics, ...]:
        """By model, of all pooled images."""
        return tuple(result.metrics for result in self.summary.pooled)

    @cached_property
    def properties(self) -> tuple[Properties | None, ...]:
        """Of every pooled image."""
        return tuple(one for number in self.pooled for one in self.by_set[number])

    @cached_property
    def set_of(self) -> tuple[int, ...]:
        """Number of the data set of every pooled image."""
        return tuple(number for number in self.pooled for _ in self.results[0][number].judged)

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
    def case_confusions(self) -> tuple[CaseConfusions, ...]:
        """By model, of all pooled images; empty where labels know no case, or where the protocol counts it anyway."""
        labels = "".join(one.reading.truth for one in self.judged[0])
        folded = all(self.compared(model)("A") == self.compared(model)("a") for model in range(len(self.models)))
        known = labels not in (labels.lower(), labels.upper())
        return tuple(case_confusions(judged) for judged in self.judged) if folded and known else ()

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
        shared = comparable(self.summary.protocol, self.recognizers[model].bundle.charset)
        # Between letters, since blanks at the ends of a text are dropped, but not those within.
        return lambda character: shared(f"x{character}x")[1:-1]

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
        return tuple(find_slices(judged, self.properties, self.data) for judged in self.judged)

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
