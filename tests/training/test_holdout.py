"""What is held out is never trained on, today and after a run is resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.commands import write_words
from tests.training.test_training import recipe
from wildtext.config import DataOptions, Recipe
from wildtext.data import open_source
from wildtext.errors import ConfigError, TrainingError
from wildtext.training.loader import Delivery
from wildtext.training.loop import train
from wildtext.training.run import Run
from wildtext.training.step import Outcome

WORDS = 20


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_words(tmp_path_factory.mktemp("data") / "words", WORDS)


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Collects all images that a step was taken with."""
    seen: set[str] = set()
    take = Run.step

    def recorded(self: Run, delivery: Delivery) -> Outcome:
        seen.update(delivery.sources)
        return take(self, delivery)

    monkeypatch.setattr(Run, "step", recorded)
    return seen


def options(*sources: Path, hold_out: float = 0.2, steps: int = 8) -> Recipe:
    data = DataOptions(tuple(map(str, sources)), hold_out=hold_out, workers=0)
    return recipe(data=data, loop=replace(recipe().loop, steps=steps))


def measured_with(run: Run) -> set[str]:
    return {source.where(index) for source in run.data.validation for index in range(source.size)}


def remembered(folder: Path) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((folder / "held-out.json").read_text(encoding="utf-8"))
    return stored


def rewrite_labels(folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = folder / "labels.tsv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(change(lines)), encoding="utf-8")


def test_what_is_held_out_is_measured_with_and_never_trained_on(
    words: Path, tmp_path: Path, trained_on: set[str]
) -> None:
    train(options(words), tmp_path)  # two epochs
    held_out = measured_with(Run(options(words), tmp_path))
    everything = {str(words / line.split("\t")[0]) for line in (words / "labels.tsv").read_text().splitlines()}
    assert len(held_out) == 4
    assert trained_on == everything - held_out


def test_a_resumed_run_holds_the_same_samples_out(words: Path, tmp_path: Path, trained_on: set[str]) -> None:
    train(options(words), tmp_path, seconds=0)
    before = remembered(tmp_path)
    held_out = measured_with(Run(options(words), tmp_path))
    train(options(words), tmp_path, resume=True)
    assert remembered(tmp_path) == before
    assert len(trained_on) == WORDS - 4
    assert not trained_on & held_out


def test_the_run_remembers_what_it_held_out_even_if_it_were_chosen_otherwise_now(
    words: Path, tmp_path: Path, trained_on: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(options(words), tmp_path, seconds=0)
    chosen = np.random.default_rng
    monkeypatch.setattr(
        "wildtext.training.holdout.np.random.default_rng", lambda key: chosen((99, *np.atleast_1d(key)))
    )
    held_out = measured_with(Run(options(words), tmp_path))
    assert measured_with(Run(options(words), tmp_path / "another")) != held_out
    train(options(words), tmp_path, resume=True)
    assert not trained_on & held_out


def test_the_choice_depends_on_the_seed_alone(words: Path, tmp_path: Path) -> None:
    one, same, other = (
        measured_with(Run(replace(options(words), seed=seed), tmp_path / str(number)))
        for number, seed in enumerate([1, 1, 2])
    )
    assert one == same
    assert one != other


def test_each_source_gives_its_share(words: Path, tmp_path: Path) -> None:
    more = write_words(tmp_path / "more", 10)
    held_out = measured_with(Run(options(words, more), tmp_path / "run"))
    assert sum(Path(name).parent == words for name in held_out) == 4
    assert sum(Path(name).parent == more for name in held_out) == 2


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda lines: lines[:-1], id="one fewer"),
        pytest.param(lambda lines: [*lines, lines[0]], id="one more"),
        pytest.param(lambda lines: lines[::-1], id="another order"),
        pytest.param(lambda lines: [lines[0].replace("\t", "\t漢"), *lines[1:]], id="a label that cannot be learnt"),
    ],
)
def test_a_run_does_not_go_on_with_other_samples(
    change: Callable[[list[str]], list[str]], words: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(words, tmp_path / "words")
    train(options(folder), tmp_path / "run", seconds=0)
    state = (tmp_path / "run" / "state.safetensors").read_bytes()
    rewrite_labels(folder, change)
    with pytest.raises(TrainingError, match=r"words has other samples than when the run began.*restore the data, or"):
        train(options(folder), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "state.safetensors").read_bytes() == state


def test_a_run_that_never_saved_its_state_may_begin_again_with_other_samples(words: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(words, tmp_path / "words")
    run = Run(options(folder), tmp_path / "run")
    run.start(resume=False)
    rewrite_labels(folder, lambda lines: lines[:-1])
    train(options(folder), tmp_path / "run", seconds=0)
    assert remembered(tmp_path / "run")[str(folder)]["size"] == WORDS - 1


def test_a_damaged_memory_is_refused(words: Path, tmp_path: Path) -> None:
    train(options(words), tmp_path, seconds=0)
    memory = tmp_path / "held-out.json"
    memory.write_text(memory.read_text(encoding="utf-8")[:-5], encoding="utf-8")
    with pytest.raises(
        TrainingError, match=r"held-out\.json tells which samples .* is damaged.*another --out or --name"
    ):
        train(options(words), tmp_path, resume=True)


def test_two_samples_are_enough_and_one_is_not(words: Path, tmp_path: Path, trained_on: set[str]) -> None:
    folder = shutil.copytree(words, tmp_path / "words")
    rewrite_labels(folder, lambda lines: lines[:2])
    train(options(folder, hold_out=0.5, steps=2), tmp_path / "two")
    assert len(trained_on) == 1
    assert not trained_on & measured_with(Run(options(folder, hold_out=0.5, steps=2), tmp_path / "two"))
    rewrite_labels(folder, lambda lines: lines[:1])
    with pytest.raises(ConfigError, match=r"data\.hold_out is 0\.5, but .*words has only 1 usable.*data\.validation"):
        train(options(folder, hold_out=0.5), tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_a_small_share_holds_at_least_one_out(words: Path, tmp_path: Path) -> None:
    assert len(measured_with(Run(options(words, hold_out=0.001), tmp_path))) == 1


def test_samples_that_cannot_be_used_are_not_held_out(words: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(words, tmp_path / "words")
    rewrite_labels(
        folder, lambda lines: [line.replace("\t", "\t漢") if number < 5 else line for number, line in enumerate(lines)]
    )
    run = Run(options(folder, hold_out=0.9), tmp_path / "run")
    labels = [source.text(index) for source in run.data.validation for index in range(source.size)]
    assert len(labels) == 14  # 0.9 of 15, rounded to even
    assert not any("漢" in label for label in labels)
    assert open_source(folder).size == WORDS
