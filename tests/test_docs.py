"""What documents say is true: examples run, links lead somewhere, commands and options exist."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import wildtext
from wildtext.cli import COMMANDS, main

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md"]
MODULES = [
    module.name
    for module in pkgutil.walk_packages(wildtext.__path__, "wildtext.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_headings_lead_to_them(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        lines = (page.parent / target if target else page).read_text(encoding="utf-8").splitlines()
        headings = [line.lstrip("#").strip().lower() for line in lines if line.startswith("#")]
        assert heading in {re.sub(r"[^\w -]", "", text).replace(" ", "-") for text in headings}, f"{target}#{heading}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = "|".join({name.partition(" ")[0] for name in COMMANDS})
    for line in re.findall(rf"wildtext ((?:{names})\b[^\n`#]*)", page.read_text("utf-8")):
        command = max((name for name in COMMANDS if f"{line} ".startswith(f"{name} ")), key=len, default="")
        if command not in COMMANDS:
            continue
        with pytest.raises(SystemExit):
            main([*command.split(), *(["default"] if command == "train" else []), "--help"])
        known = capsys.readouterr().out
        for option in re.findall(r"(--[a-z][a-z.-]*)", line):
            assert option in known or option == "--help", f"{page.name}: {line}"
