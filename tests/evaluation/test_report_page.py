"""The report of an evaluation in a real browser: filters, keys, small screens, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.made import Word, made
from tests.evaluation.reports import reported
from wildtext.charset import Charset
from wildtext.evaluation.metrics import comparable

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which is not installed")

WATCH = """<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<script>
const problems = [];
addEventListener("error", (event) => problems.push(event.message ?? "not loaded"), true);
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => problems.push(`fetched ${event.blockedURI}`));
console.error = (...words) => problems.push(words.join(" "));
</script>"""

HELP = """<script>
const settled = () => new Promise((resolve) => setTimeout(resolve, 50));
const press = (key) =>
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const labelOf = (card) => card.querySelector("dd.text")?.textContent;
const labels = () => [...document.querySelectorAll("#cards > .card")].map(labelOf);
const at = () => document.activeElement.matches(".card")
  ? labelOf(document.activeElement) : document.activeElement.name ?? "";
const list = () => document.querySelector(".tabs a[aria-current]").id;
(async () => { %s })().then(
  (found) => { document.body.dataset.found = JSON.stringify({ found, problems }); },
  (error) => { document.body.dataset.found = JSON.stringify({ found: null, problems: [String(error)] }); });
</script></body>"""

ONE: list[Word] = [
    ("EXIT", "exit", 0.99),
    ("STOP", "st0p", 0.95),
    ("Shop", "ship", 0.4),
    ("OPEN", "0pen", 0.8),
    ("inn", "in", 0.7),
    ("a" * 300, "b", 0.6),
]
TWO: list[Word] = [("EXIT", "exlt", 0.3), *((truth, truth, 0.5) for truth, *_ in ONE[1:])]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shared = comparable("36", Charset.named("94"))
    further: list[Word] = [(f"word{number}", f"wurd{number}", 0.5) for number in range(70)]
    by_model = {"ours": ONE, "theirs, with a very long name.safetensors": TWO}
    results = [
        [made(words, "data/street", name, shared), made(further, "data/signs", name, shared)]
        for name, words in by_model.items()
    ]
    return reported(tmp_path_factory.mktemp("report") / "report.html", results)


def opened(html: str, folder: Path, address: str = "") -> str:
    """The page after its scripts have run."""
    file = folder / "opened.html"
    file.write_text(html, encoding="utf-8")
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--virtual-time-budget=5000", "--dump-dom", file.as_uri() + address]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def found_by(page: Path, folder: Path, script: str, address: str = "") -> Any:
    """What a script returns that runs on the page, which must not complain of anything."""
    html = page.read_text(encoding="utf-8").replace("<head>", f"<head>{WATCH}", 1)
    left, _, right = html.rpartition("</body>")
    seen = opened(left + HELP % script + right, folder, address)
    told = re.search(r'<body[^>]* data-found="([^"]*)"', seen)
    assert told, "the script did not come to its end"
    answer = json.loads(unescape(told[1]))
    assert answer["problems"] == []
    return answer["found"]


def test_a_press_on_a_confusion_shows_its_images(page: Path, tmp_path: Path) -> None:
    script = """
      document.querySelector('.matrix a[aria-label^="o read as 0"]').click();
      await settled();
      const told = document.getElementById("count").textContent;
      const found = { labels: labels(), told, hash: location.hash, tab: list() };
      history.back();
      await settled();
      return { ...found, back: labels().length };"""
    found = found_by(page, tmp_path, script)
    assert found["labels"] == ["STOP", "OPEN"]
    assert found["told"] == "2 images: o read as 0 (ours)"
    assert found["tab"] == "errors"
    assert found["hash"].startswith("#errors&confusion=")
    assert found["back"] > 2, "and the browser goes back to all of them"


def test_filters_can_be_combined_and_cleared(page: Path, tmp_path: Path) -> None:
    script = """
      const form = document.getElementById("filters"), found = [];
      const choose = (name, value) => {
        form.elements[name].value = value;
        form.elements[name].dispatchEvent(new Event("input", { bubbles: true }));
        found.push(labels().length);
      };
      choose("set", "0"); choose("model", "1"); choose("model", ""); choose("text", "op"); choose("text", "nowhere");
      form.querySelector("button").click();
      return [...found, labels().length, form.elements.set.value];"""
    assert found_by(page, tmp_path, script) == [6, 1, 6, 3, 0, 48, ""]


def test_keys_lead_through_the_images(page: Path, tmp_path: Path) -> None:
    script = """
      const seen = [];
      press("ArrowRight"); seen.push(at());
      press("1");
      press("ArrowRight"); seen.push(at());
      press("ArrowRight"); seen.push(at());
      press("ArrowLeft"); seen.push(at());
      press("End"); seen.push(labels().indexOf(at()));
      press("Home"); press("ArrowDown"); const lower = labels().indexOf(at()); seen.push(lower > 0 && lower < 12);
      press("ArrowUp"); seen.push(at());
      press("/"); seen.push(at());
      return seen;"""
    assert found_by(page, tmp_path, script) == ["", "EXIT", "STOP", "EXIT", 47, True, "EXIT", "text"]


def test_numbers_choose_lists_and_escape_clears(page: Path, tmp_path: Path) -> None:
    script = """
      press("2");
      const opened = list(), first = labels()[0];
      press("/");
      document.activeElement.value = "shop";
      document.activeElement.dispatchEvent(new Event("input", { bubbles: true }));
      const some = labels();
      press("4");
      const typing = list();
      press("Escape");
      return [opened, first, some, typing, labels().length > 1];"""
    assert found_by(page, tmp_path, script) == ["confident", "STOP", ["Shop"], "confident", True]


def test_an_address_says_what_is_shown(page: Path, tmp_path: Path) -> None:
    script = "return [list(), labels(), document.getElementById('about').textContent];"
    tab, labels, about = found_by(page, tmp_path, script, "#worst&set=0&text=sh%2fop")
    assert (tab, labels) == ("worst", [])
    assert "most edits" in about
    assert found_by(page, tmp_path, script, "#errors&text=SHOP")[1] == ["Shop"]
    assert found_by(page, tmp_path, script, "#worst&text=%E0%A4")[0] == "worst", "half a character stops nothing"


def test_more_images_are_shown_when_asked_for(page: Path, tmp_path: Path) -> None:
    script = """
      const before = labels().length, buttons = document.querySelectorAll(".more button");
      buttons[0].click();
      return [before, labels().length, document.querySelector(".more").hidden, labels().indexOf(at())];"""
    assert found_by(page, tmp_path, script) == [48, 76, True, 48]


def test_a_matrix_tells_what_is_pointed_at(page: Path, tmp_path: Path) -> None:
    script = """
      document.querySelector('.matrix a[aria-label^="o read as 0"]').focus();
      return document.querySelector(".matrix").closest(".scroll").nextElementSibling.textContent;"""
    assert found_by(page, tmp_path, script).startswith("o read as 0: 2 times")


def test_reasons_have_pictures_of_errors_that_are_no_fault_of_the_label(page: Path, tmp_path: Path) -> None:
    script = "return [...document.querySelectorAll('.strip')].map((strip) => strip.querySelectorAll('img').length);"
    assert found_by(page, tmp_path, script) == [6, 0, 6]


def test_without_its_script_everything_is_there(page: Path, tmp_path: Path) -> None:
    html = re.sub(r"<script>.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    seen = opened(html, tmp_path)
    assert seen.count('<article class="card">') == 76
    assert 'id="filters" hidden' in seen, "filters that do nothing are not shown"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_is_no_wider_than_the_screen(page: Path, tmp_path: Path, width: int) -> None:
    # A window of chromium cannot be as narrow as a phone, but a frame can.
    frame = (
        f'<iframe width="{width}" height="800" style="border: 0" srcdoc="{escape(page.read_text("utf-8"))}"></iframe>'
    )
    measure = """<script>onload = () => {
      const inside = document.querySelector("iframe").contentDocument.documentElement;
      document.title = `${inside.clientWidth} ${inside.scrollWidth}`; }</script>"""
    seen = opened(f"<!DOCTYPE html><html><head>{measure}</head><body>{frame}</body></html>", tmp_path)
    shown, needed = map(int, re.findall(r"<title>(\d+) (\d+)</title>", seen)[0])
    assert shown > width - 20
    assert needed <= shown
