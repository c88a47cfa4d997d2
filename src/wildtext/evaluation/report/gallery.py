"""Which images are worth a look, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice, zip_longest

from wildtext.evaluation.doubts import (
    Case,
    confidently_wrong,
    label_doubts,
    least_confident_right,
    models_differ,
    worst,
)
from wildtext.evaluation.report.cards import card
from wildtext.evaluation.report.markup import script_data
from wildtext.evaluation.report.study import Groups, Study
from wildtext.evaluation.wording import counted

_MOST = 300
"""Most images of a tab that ranks them; all errors have a tab of their own."""

_OVERLAYS = 600
"""Most pictures with the places of characters, of all models together: each may cost a run of the network."""

TABS = {
    "errors": "All errors",
    "confident": "Wrong, surest first",
    "worst": "Wrong, worst first",
    "doubts": "Label doubts",
    "unsure": "Right but unsure",
    "differ": "Models differ",
}

_ABOUT = {
    "errors": "Every image that a model did not read right, in the order of the data.",
    "confident": "Wrong readings, those first of which the model was most sure.",
    "worst": "Readings with most edits for the length of the longer text.",
    "doubts": "Confident readings that contradict the label: the label may be wrong. Most doubtful first.",
    "differ": "Images that some models read right and others wrong, then those that all read wrong and differently.",
    "unsure": "Right readings, the least confident first.",
}


@dataclass(frozen=True)
class Tab:
    """A list of images.

    Attributes:
        found: how many images belong to it.
        reasons: places of those that are worth showing, in order, each with why it is; empty where its card says it.
    """

    found: int
    reasons: dict[int, str]


def find(study: Study) -> dict[str, Tab]:
    """What each tab would show if there were room for everything."""
    everything = len(study.set_of)
    right = {place for judged in study.judged for place, one in enumerate(judged) if one.correct}
    wrong = {place for judged in study.judged for place, one in enumerate(judged) if not one.correct}
    doubts = label_doubts(study.judged, everything)
    tabs = {
        "errors": Tab(len(wrong), dict.fromkeys(sorted(wrong), "")),
        "confident": Tab(len(wrong), _ranked([confidently_wrong(one, _MOST) for one in study.judged])),
        "worst": Tab(len(wrong), _ranked([worst(one, _MOST) for one in study.judged])),
        "doubts": Tab(len(doubts), {one.place: one.reason for one in doubts[:_MOST]}),
        "unsure": Tab(len(right), _ranked([least_confident_right(one, _MOST) for one in study.judged])),
    }
    if study.several:
        differ = models_differ(study.judged, study.models, everything)
        # Their reasons say who read what, and so do their cards.
        tabs["differ"] = Tab(len(differ), dict.fromkeys((one.place for one in differ[:_MOST]), ""))
    return tabs


def _ranked(by_model: Sequence[Sequence[Case]]) -> dict[int, str]:
    """The cases of all models in turn, each image once, with the reason of the first model that has it."""
    reasons = {case.place: case.reason for cases in reversed(by_model) for case in cases}
    places = _in_turn([[case.place for case in cases] for cases in by_model])
    return {place: reasons[place] for place in islice(places, _MOST)}


def _in_turn(orders: Sequence[Sequence[int]]) -> Iterator[int]:
    """One place of each order after the other, each place once."""
    seen: set[int] = set()
    for row in zip_longest(*orders):
        for place in row:
            if place is not None and place not in seen:
                seen.add(place)
                yield place


def gallery(study: Study, groups: Groups, most_bytes: int) -> str:
    """The whole section.

    Args:
        study: what was measured.
        groups: all groups that charts lead to.
        most_bytes: of the section; where there is more to show, all tabs are shortened alike.
    """
    tabs = find(study)
    filters = _filters(study, groups)
    names = {"models": study.models, "sets": study.sets, "groups": list(groups.names)}
    room = most_bytes - len(filters.encode(errors="replace")) - len(script_data("data", names))
    chosen = _chosen(study, groups, tabs, room)
    numbers = {place: number for number, place in enumerate(chosen)}
    lists = {name: [numbers[place] for place in tab.reasons if place in numbers] for name, tab in tabs.items()}
    links = "".join(
        f'<a id="{name}" href="#{name}" data-about="{escape(_told(name, tab, len(lists[name])))}">'
        f"{TABS[name]} <small>{len(lists[name]):,}</small></a>"
        for name, tab in tabs.items()
    )
    summary = " ".join(f"{TABS[name]}: {len(lists[name]):,} of {tab.found:,} images." for name, tab in tabs.items())
    cards = "".join(shown.html for shown in chosen.values())
    data = {**names, "tabs": lists, "cards": [shown.facts for shown in chosen.values()]}
    return (
        f'<div class="tabs" role="group" aria-label="lists of images">{links}</div>{filters}'
        f'<p class="note" id="about">{summary}</p><div class="cards" id="cards">{cards}</div>'
        f"{script_data('data', data)}"
    )


@dataclass(frozen=True)
class _Shown:
    """An image for which there is room.

    Attributes:
        html: its card.
        facts: what the script filters by: number of the data set, models that are wrong, groups.
    """

    html: str
    facts: tuple[int, list[int], list[int]]

    @property
    def bytes(self) -> int:
        """That it takes on the page, with its entries in the lists of all tabs."""
        return len(self.html.encode(errors="replace")) + len(str(self.facts)) + 6 * len(TABS)


def _chosen(study: Study, groups: Groups, tabs: dict[str, Tab], room: int) -> dict[int, _Shown]:
    """By place, as many images as there is room for, in bytes."""
    reasons: dict[int, dict[str, str]] = {}
    for name, tab in tabs.items():
        for place, reason in tab.reasons.items():
            reasons.setdefault(place, {})[name] = reason
    belonging = groups.by_place()
    orders = [_spread(list(tab.reasons)) if name == "errors" else list(tab.reasons) for name, tab in tabs.items()]
    chosen: dict[int, _Shown] = {}
    for place in _in_turn(orders):
        html = card(study, place, reasons[place], overlays=len(chosen) * len(study.models) < _OVERLAYS)
        wrong = [model for model, judged in enumerate(study.judged) if not judged[place].correct]
        shown = _Shown(html, (study.set_of[place], wrong, belonging.get(place, [])))
        room -= shown.bytes
        if room < 0:
            break
        chosen[place] = shown
    return chosen


def _told(name: str, tab: Tab, shown: int) -> str:
    return f"{_ABOUT[name]} {shown:,} of {counted(tab.found, 'image')} shown."


def _spread(places: list[int]) -> list[int]:
    """The same in an order of which any first part is spread evenly over all (multiples of the golden ratio)."""
    ranks = [(number * 0.6180339887498949) % 1 for number in range(len(places))]
    order = sorted(range(len(places)), key=ranks.__getitem__)
    spread = [0] * len(places)
    for position, place in zip(order, places, strict=True):
        spread[position] = place
    return spread


def _filters(study: Study, groups: Groups) -> str:
    """Choices that the script brings to life; they stay hidden without it."""
    choices = [_choice("set", "data", list(enumerate(study.sets)))] if len(study.sets) > 1 else []
    if study.several:
        choices.append(_choice("model", "wrong for", list(enumerate(study.models))))
    for kind, title in (("bin", "kind of image or error"), ("confusion", "character")):
        named = [(number, name) for name, number in groups.names.items() if groups.kinds[number] == kind]
        choices.append(_choice(kind, title, named))
    return (
        f'<form class="filters" id="filters" hidden>{"".join(choices)}<label>text <input type="search" name="text" '
        'placeholder="label or reading" autocomplete="off" spellcheck="false"></label>'
        '<button type="reset">Clear</button><p class="note"><output id="count"></output> <span class="keys">Keys: '
        "arrows from image to image, numbers for the lists, / to search, Esc to clear.</span></p></form>"
    )


def _choice(name: str, title: str, values: Sequence[tuple[int, str]]) -> str:
    options = "".join(f'<option value="{number}">{escape(value)}</option>' for number, value in values)
    return f'<label>{title} <select name="{name}"><option value="">all</option>{options}</select></label>'
