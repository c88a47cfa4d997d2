"""The report of an evaluation shows the figures that were measured, and the images behind them, to everybody."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.made import Word, made, sized
from tests.evaluation.reports import reported, words_of
from tests.synth.pages import parsed
from wildtext.charset import Charset
from wildtext.data import open_source
from wildtext.errors import DataError
from wildtext.evaluation import report
from wildtext.evaluation.evaluator import Result, evaluate
from wildtext.evaluation.language import LanguageReliance
from wildtext.evaluation.metrics import comparable, measure
from wildtext.evaluation.properties import properties_of
from wildtext.evaluation.report import write_report
from wildtext.evaluation.report.markup import LONGEST, differing, marked
from wildtext.evaluation.report.weaknesses import kind_of
from wildtext.evaluation.robustness import Curve, Robustness
from wildtext.evaluation.speed import Speed
from wildtext.images import decode
from wildtext.inference.recognizer import Recognizer

SHARED = comparable("36", Charset.named("94"))

STREET: list[Word] = [
    ("EXIT", "exit", 0.99),
    ("STOP", "st0p", 0.95),
    ("Shop", "ship", 0.4),
    ("two", "", 0.1),
    ("Bar", None),
    ("Café", "cafe!", 0.3),
]
SIGNS: list[Word] = [("one", "one", 0.9), ("OPEN", "0pen", 0.8), ("inn", "in", 0.7), ("a", "ab", 0.6)]


def results(model: str = "ours", street: list[Word] = STREET, signs: list[Word] = SIGNS) -> list[Result]:
    return [made(street, "data/street", model, SHARED), made(signs, "data/signs", model, SHARED)]


def others() -> list[Result]:
    """Another model on the same images, which reads two that the first does not, and not one that it does."""
    return results(
        "theirs",
        [("EXIT", "exlt", 0.5), ("STOP", "stop", 0.5), ("Shop", "shop", 0.5), *STREET[3:]],
    )


def script_of(page: Path) -> Any:
    """What the script of a page knows."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found
    return json.loads(found[1])


def rows_of(page: Path, first: str) -> list[list[str]]:
    """Cells of the rows of tables that begin with a word."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.read_text("utf-8"), re.DOTALL)
    cells = [[re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]
    return [row for row in cells if row and row[0] == first]


def cards_of(page: Path) -> list[str]:
    return re.findall(r'<article class="card">(.*?)</article>', page.read_text("utf-8"), re.DOTALL)


# Figures


def test_all_figures_are_those_that_were_measured(tmp_path: Path) -> None:
    measured = results()
    page = reported(tmp_path / "report.html", [measured])
    for result, name in zip(measured, ("street", "signs"), strict=True):
        found = result.metrics
        _, accuracy, measures = rows_of(page, name)
        assert accuracy[1:4] == [
            str(found.images),
            f"{found.accuracy:.2f} %",
            f"{found.interval[0]:.2f} to {found.interval[1]:.2f}",
        ]
        assert measures[1:5] == [
            str(found.images),
            f"{found.similarity:.4f}",
            f"{found.similarity_by_label:.4f}",
            f"{100 * found.character_error_rate:.2f} %",
        ]
        assert measures[-1] == str(found.unreadable)
    text = words_of(page)
    low, high = measure([one for result in measured for one in result.judged]).interval
    assert f"Word accuracy 30.00 % 95 % interval {low:.1f} to {high:.1f}" in text
    assert "Images 10 7 of them read wrong" in text
    assert "street 33.3 % 9.7 to 70.0 6 images" in text
    assert "signs 25.0 % 4.6 to 69.9 4 images" in text


def test_it_says_what_was_measured_and_how_to_do_it_again(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [results()], command="wildtext evaluate --data 'a b'")
    text = words_of(page)
    assert "ours on street, signs" in text
    assert "10 images, protocol 36, read with fake" in text
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", text)
    assert "wildtext evaluate --data 'a b'" in text


def test_every_error_is_shown_with_label_reading_confidence_and_origin(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [results()])
    (card,) = (card for card in cards_of(page) if "<bdi>Sh<mark>o</mark>p</bdi>" in card)
    assert "<bdi>sh<mark>i</mark>p</bdi>" in card
    assert "40.0 % sure" in card
    assert "street · <bdi>2.png</bdi>" in card
    assert "60 x 20 px" in card
    assert len(script_of(page)["tabs"]["errors"]) == 7
    assert "4: broken" in words_of(page), "images that cannot be decoded are named"


def test_kinds_of_errors_are_counted(tmp_path: Path) -> None:
    text = words_of(reported(tmp_path / "report.html", [results()]))
    for kind in ("one character replaced", "nothing read", "picture could not be decoded"):
        assert kind in text
    assert "one character replaced 42.9 % 3 images" in text


@pytest.mark.parametrize(
    ("truth", "text", "kind"),
    [
        ("shops", "ships", "one character replaced"),
        ("shops", "hops", "beginning left out"),
        ("shops", "sh", "end left out"),
        ("shops", "theshops", "more in front"),
        ("shops", "shopss", "more behind"),
        ("shops", "shps", "one character left out inside"),
        ("shops", "shoops", "one character too many inside"),
        ("bookshop", "hookshup", "two characters wrong"),
        ("shops", "slups", "two characters wrong"),
        ("shops", "stars", "half of the word or more wrong"),
        ("bookshops", "baakshups", "more wrong, but less than half"),
        ("shops", "", "nothing read"),
        ("", "x", "one character too many inside"),
    ],
)
def test_every_error_has_a_kind(truth: str, text: str, kind: str) -> None:
    (one,) = made([(truth, text)]).judged
    assert kind_of(one) == kind


def test_models_are_shown_side_by_side_and_compared(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [results(), others()])
    (row,) = (row for row in rows_of(page, "street") if row[3:4] == ["+16.67"])
    assert row[1:3] == ["theirs", "6"]
    assert row[5:] == ["1", "2", "1"]
    lists = script_of(page)["tabs"]
    assert len(lists["differ"]) >= 3
    assert "differ" not in script_of(reported(tmp_path / "one.html", [results()]))["tabs"]


def test_published_figures_are_shown_beside_measured_ones_and_called_so(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [[sized("data/SVT", 647, 600)]])
    text = words_of(page)
    assert "92.7 % published: 83.6 to 98.1" in text
    assert "They were not measured here" in text
    drawn = [re.findall(r'class="(\w+)" cx="([\d.]+)%"', svg) for svg in re.findall(r"<svg.*?</svg>", page.read_text())]
    (marks,) = (found for found in drawn if found)
    own = [float(place) for kind, place in marks if kind != "published"]
    assert own == [pytest.approx((100 * 600 / 647 - 80) / 20 * 100, abs=0.01)]
    assert len(marks) > 10


def test_where_nothing_can_be_compared_published_figures_stay_folded(tmp_path: Path) -> None:
    assert "none of which was measured" in words_of(reported(tmp_path / "few.html", [[sized("data/SVT", 20, 10)]]))
    cased = reported(tmp_path / "cased.html", [[sized("data/SVT", 647, 600)]], protocol="62")
    assert "Beside published figures" not in words_of(cased)
    assert "CRNN" not in words_of(cased)


def test_readings_from_a_lexicon_do_not_stand_beside_published_figures(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [[sized("data/SVT", 647, 640)]], conditions={"lexicon": "50"})
    text = words_of(page)
    assert "647 images, protocol 36, lexicon 50, read with fake" in text
    caution = "Figures for protocol 36, lexicon 50 cannot be compared with published ones"
    assert f"Published figures are not shown. {caution}" in text
    assert "CRNN" not in text


def test_letters_in_another_case_are_told_where_the_protocol_does_not_count_them(tmp_path: Path) -> None:
    words: list[Word] = [("Shop", "shop"), ("Exit", "exlt"), ("bar", "bar")]
    text = words_of(reported(tmp_path / "report.html", [[made(words, "signs", "ours", SHARED)]]))
    assert "Read in another case: 2 Of 10 letters." in text
    assert "differ from their labels in nothing else: 1." in text
    assert "E → e 1" in text
    for told, protocol in (("SHOP", "36"), ("Shop", "94")):
        shown = made([(told, "shop"), ("a" if protocol == "94" else "A", "b")], "signs", "ours", SHARED)
        page = reported(tmp_path / "other.html", [[shown]], protocol=protocol)
        assert "in another case" not in words_of(page)


def test_images_of_sets_that_hold_each_other_count_once(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [[sized("IC13_857", 857, 850), sized("IC13_1015", 1015, 1000)]])
    text = words_of(page)
    assert "Images 1,015 15 of them read wrong" in text
    assert "not counted again: IC13_857" in text
    assert len(script_of(page)["tabs"]["errors"]) == 15


def test_a_perfect_model_has_a_report_too(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [[made([("a", "a", 1.0)], "letters", "ours", SHARED)]])
    text = words_of(page)
    assert "100.00 %" in text
    assert "No character was read wrong" in text
    assert script_of(page)["tabs"]["errors"] == []


def test_what_else_was_measured_has_its_sections(tmp_path: Path) -> None:
    speed = Speed("a machine", "fake", 2, 9, 3.25, 4.0, 5.0, 32, 250.0, 1_500_000, 3_000_000, None, (32, 128))
    falling = Robustness("ours", (Curve("gaussian-noise", (0, 1, 2), (90, 80, 40), 100),))
    steady = Robustness("ours", (Curve("gaussian-noise", (0, 1, 2), (90, 90, 90), 100),))
    reliance = LanguageReliance(sized("words", 100, 90), sized("strings", 100, 70))
    page = reported(
        tmp_path / "report.html",
        [results()],
        speeds=[speed],
        robustness=[falling, steady],
        language=[reliance],
    )
    text = words_of(page)
    assert "one image 3.2 ms median" in text
    assert "mean corrupted 60.0 %" in text
    assert "mean corrupted 90.0 %" in text, "two models may be called alike"
    assert "ours: language is worth +20.0 points" in text
    assert "random strings 70.0 % 60.4 to 78.1 100 images" in text
    plain = words_of(reported(tmp_path / "plain.html", [results()]))
    assert not re.search("Robustness|Language|Speed", plain)


def test_the_matrix_is_darker_where_more_of_a_character_is_lost(tmp_path: Path) -> None:
    words: list[Word] = [("o" * 99 + "i", "o" * 99 + "l"), ("o", "c")]
    page = reported(tmp_path / "report.html", [[made(words, "data/words", "ours", SHARED)]]).read_text("utf-8")
    cells = re.findall(r'<td class="shade(\d)"><a [^>]*aria-label="([^"]*)"', page)
    assert cells == [("4", "i read as l: 1 time, 100.0 %"), ("2", "o read as c: 1 time, 1.0 %")]


# The gallery


def test_what_a_chart_leads_to_are_the_errors_in_it(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [results(), others()])
    known = script_of(page)
    sizes = Counter(group for card in known["cards"] for group in card[2])
    names = known["groups"]
    assert sizes[names.index("o read as 0 (ours)")] == 2
    assert "o read as 0 (theirs)" in names
    assert sizes[names.index("o read as 0 (theirs)")] == 1
    kinds = {"one character replaced": 3, "end left out": 1, "more behind": 1, "nothing read": 1}
    assert {kind: sizes[names.index(f"{kind} (ours)")] for kind in kinds} == kinds
    for _, wrong, groups in known["cards"]:
        assert {known["models"].index(re.findall(r"\((\w+)\)$", names[group])[0]) for group in groups} <= set(wrong)
    shown = parsed(page).all("a")
    leads = [str(one["data-show"]) for one in shown if "data-show" in one]
    assert {f"errors&confusion={names.index('o read as 0 (ours)')}", "errors&set=0&model=0", "differ"} <= set(leads)
    for lead in leads:
        for kind, number in re.findall(r"(bin|confusion)=(\d+)", lead):
            assert int(number) < len(names), kind


def test_lists_are_in_the_order_that_they_promise(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [results()])
    known, cards = script_of(page), cards_of(page)

    def confidences(tab: str) -> list[float]:
        return [float(re.findall(r"([\d.]+) % sure", cards[number])[0]) for number in known["tabs"][tab]]

    assert confidences("confident") == sorted(confidences("confident"), reverse=True)
    assert confidences("unsure") == sorted(confidences("unsure"))
    assert confidences("confident")[0] == 95


def test_pictures_show_where_characters_were_read(
    recognizer: Recognizer, labelled_folder: Path, tmp_path: Path
) -> None:
    (labelled_folder / "labels.tsv").write_text("3.png\t8\n", encoding="utf-8")
    source = open_source(labelled_folder)
    page = tmp_path / "report.html"
    found = evaluate(recognizer, source, model="fake")
    properties = [[properties_of(source[0].image)]]
    write_report(page, [[found]], [source], [recognizer], protocol="36", properties=properties)
    (card,) = cards_of(page)
    picture, places = (decode(base64.b64decode(one)) for one in re.findall(r"base64,([^\"]+)", card))
    assert picture.shape == places.shape == (20, 40, 3)
    assert picture.std(axis=2).max() < 3, "the picture is grey"
    assert places.std(axis=2).max() > 30, "and has a colour where the character is"


@pytest.mark.parametrize("count", [40, 500])
def test_the_file_stays_small_and_says_what_it_leaves_out(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 1_000_000
    monkeypatch.setattr(report.page, "MOST_BYTES", most)
    words: list[Word] = [(f"word{number}", f"w0rd{number}", 0.9) for number in range(count)]
    page = reported(tmp_path / "report.html", [[made(words, "data/noise", "ours", SHARED)]], noise=True)
    assert page.stat().st_size < most
    known = script_of(page)
    shown = len(known["tabs"]["errors"])
    assert f"All errors: {shown:,} of {count:,} images" in words_of(page)
    assert (shown == count) == (count == 40)
    if count == 500:
        assert page.stat().st_size > 0.8 * most
        places = sorted(int(re.findall(r"<bdi>(\d+)\.png", card)[0]) for card in cards_of(page))
        assert max(b - a for a, b in pairwise([*places, count])) < count / 10, "errors from all over the data"


def test_every_picture_is_there_once(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [results()])
    pictures = [str(image["src"]) for image in parsed(page).all("img")]
    assert len(pictures) == len(set(pictures)) == 9
    assert all(image["loading"] == "lazy" and image["alt"] for image in parsed(page).all("img"))


# Texts of strangers


HOSTILE = "</script><b>bold</b> & 'it' \"is\" \u2028"


def hostile(folder: Path) -> Path:
    words: list[Word] = [(HOSTILE, f"<em>{HOSTILE}", 0.9), ("</script>", HOSTILE, 0.8), (HOSTILE, None)]
    measured = made(words, f"data/{HOSTILE.replace('/', '|')}", HOSTILE)
    again = made([(HOSTILE, "<u>", 0.9), ("</script>", "</script>"), (HOSTILE, None)], measured.data, f"{HOSTILE}2")
    return reported(folder / "report.html", [[measured], [again]], command=HOSTILE)


def test_texts_of_strangers_stay_texts(tmp_path: Path) -> None:
    page = hostile(tmp_path)
    found = parsed(page)
    assert len(found.all("script")) == 2
    assert not found.all("em")
    assert not found.all("u")
    assert {len(one) for one in found.all("b")} <= {0}
    assert "<b>bold" not in page.read_text("utf-8")
    assert script_of(page)["models"] == [HOSTILE, f"{HOSTILE}2"]
    assert words_of(page).count("bold") > 10


def test_halves_of_characters_do_not_stop_it(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [[made([("a\ud800b", "ab", 0.5)], "data/broken", "ours")]])
    assert "a?b" in page.read_text("utf-8")


def test_other_scripts_empty_and_endless_texts(tmp_path: Path) -> None:
    words: list[Word] = [
        ("停车场", "停牛场"),
        ("שלום", "שלם"),
        ("", "x"),
        ("long" * 2500, "short"),
        ("x", ""),
        ("a b", "ab"),
    ]
    page = reported(tmp_path / "report.html", [[made(words, "data/all", "ours")]])
    text = page.read_text("utf-8")
    assert "<bdi>停车场</bdi>" in text.replace("<mark>", "").replace("</mark>", "")
    assert text.count("(nothing)") == 2
    assert "␣ read as nothing" in text
    assert "and 9,840 more characters" in text
    assert len(text) < 300_000


def test_differences_are_those_that_the_protocol_counts() -> None:
    def compared(character: str) -> str:
        return SHARED(character)

    assert differing("Café-3", "cafe 8!", compared) == ({5}, {5})
    assert marked("Café-3", {5}) == "<bdi>Café-<mark>3</mark></bdi>"
    assert differing("inn", "in", compared) == ({2}, set())
    assert marked("abcd", {1, 2}) == "<bdi>a<mark>bc</mark>d</bdi>"
    assert "<mark>" not in marked("a" * LONGEST + "b", {LONGEST})


# The file


def test_nothing_is_fetched_from_elsewhere(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [results(), others()])
    for tag, attributes in parsed(page).tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "srcset", "data", "action", "xlink:href"):
            assert str(attributes.get(name, "#")).startswith(("data:", "#")), tag
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttpRequest|import\(", page.read_text("utf-8"))


def test_links_within_the_page_lead_somewhere(tmp_path: Path) -> None:
    found = parsed(reported(tmp_path / "report.html", [results(), others()]))
    known = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(known) == len(set(known))
    assert {str(one["href"])[1:] for one in found.all("a")} <= set(known)


def test_pictures_and_charts_are_described(tmp_path: Path) -> None:
    found = parsed(reported(tmp_path / "report.html", [results()]))
    known = {attributes.get("id") for _, attributes in found.tags}
    for chart in found.all("svg"):
        named = str(chart.get("aria-labelledby", "")).split()
        assert chart.get("aria-hidden") == "true" or chart.get("aria-label") or (named and set(named) <= known)
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in found.all("meta")


def test_a_report_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    page = reported(tmp_path / "report.html", [results()])
    before = page.read_bytes()
    (tmp_path / "report.html.part").mkdir()
    with pytest.raises(DataError, match=re.escape("report.html")):
        reported(page, [others()])
    assert page.read_bytes() == before
