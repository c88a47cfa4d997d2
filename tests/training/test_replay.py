"""Synthetic words are used as often as the recipe says, and a resumed run uses the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.training.commands import write_words
from tests.training.test_training import recipe
from wildtext.config import DataOptions, Recipe
from wildtext.data.mixture import REUSE_AFTER
from wildtext.training.canvas import Canvases
from wildtext.training.replay import Replay
from wildtext.training.run import Run

BATCH = 6


def options(reuse: int, *, train: Sequence[str] = ("synth",), augment: str = "none", steps: int = 60) -> Recipe:
    return recipe(
        data=DataOptions(tuple(train), workers=0, reuse=reuse, augment=augment),
        loop=replace(recipe().loop, batch_size=BATCH, steps=steps),
    )


def batches(run: Run) -> list[list[Canvases]]:
    """What the network sees in each step, with no step being taken."""
    seen = []
    for delivery in run.deliveries():
        seen.append(run.canvases(delivery))
        run.state.step += 1
    return seen


def sources(canvases: Sequence[Canvases]) -> list[str]:
    return [source for some in canvases for source in some.sources]


def fake(*names: str) -> Canvases:
    """Canvases that show nothing."""
    count = len(names)
    return Canvases(torch.zeros(count, 8, 16, 3, dtype=torch.uint8), torch.ones(count), names, (None,) * count, names)


@pytest.mark.parametrize("reuse", [1, 2, 4])  # BATCH is no multiple of 4
def test_every_word_is_used_so_often_and_a_batch_is_always_as_large(reuse: int, tmp_path: Path) -> None:
    steps = REUSE_AFTER * 2 * (reuse - 1) + 8
    run = Run(options(reuse, steps=steps), tmp_path)
    used: Counter[str] = Counter()
    first: dict[str, int] = {}
    for step, canvases in enumerate(batches(run)):
        names = sources(canvases)
        assert len(names) == len(set(names)) == BATCH
        used.update(names)
        for name in names:
            first.setdefault(name, step)
    filled = REUSE_AFTER * (reuse - 1)
    settled = [count for name, count in used.items() if filled <= first[name] < steps - filled]
    assert settled
    assert set(settled) == {reuse}
    assert max(used.values()) == reuse


def test_other_sources_are_still_gone_through_in_epochs(tmp_path: Path) -> None:
    folder = write_words(tmp_path / "words", 8)
    run = Run(options(3, train=("synth", str(folder)), steps=56), tmp_path / "run")
    seen = batches(run)
    for canvases in seen:
        assert Counter(source.startswith("synth#") for source in sources(canvases)) == {True: 3, False: 3}
    drawn = [source for canvases in seen for source in sources(canvases) if not source.startswith("synth#")]
    assert set(Counter(drawn).values()) == {21}  # 56 steps of 3 samples are 21 epochs of 8
    assert len(set(drawn)) == 8


@pytest.mark.parametrize("done", [3, 2 * REUSE_AFTER + 3])
def test_a_resumed_run_sees_the_same_batches(done: int, tmp_path: Path) -> None:
    mixed = options(3, train=("synth", str(write_words(tmp_path / "words", 5))), augment="photo", steps=38)
    whole = batches(Run(mixed, tmp_path / "run"))
    resumed = Run(mixed, tmp_path / "run")
    resumed.state.step = done
    rest = batches(resumed)
    assert len(rest) == len(whole) - done
    for wanted, got in zip(whole[done:], rest, strict=True):
        assert len(wanted) == len(got)
        for one, other in zip(wanted, got, strict=True):
            assert (one.sources, one.texts) == (other.sources, other.texts)
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.valid_width, other.valid_width)


def test_a_word_looks_different_each_time_and_its_label_stays(tmp_path: Path) -> None:
    seen: dict[str, list[tuple[str, Tensor]]] = {}
    for canvases in batches(Run(options(2, augment="photo", steps=36), tmp_path)):
        for some in canvases:
            for row, source in enumerate(some.sources):
                seen.setdefault(source, []).append((some.texts[row], some.images[row]))
    twice = [uses for uses in seen.values() if len(uses) == 2]
    assert len(twice) > 20
    assert all(first[0] == again[0] for first, again in twice)
    changed = [not torch.equal(first[1], again[1]) for first, again in twice]
    assert sum(changed) > len(changed) / 2


def test_no_more_is_kept_than_will_be_used() -> None:
    replay = Replay(3)
    for step in range(3 * replay.length):
        replay.add(step, [fake(*(f"synth#{step}-{number}" for number in range(6 if step < replay.length else 2)))])
    kept = sum(len(some) for held in replay._held for some in held)
    assert kept == 2 * replay.length == 2 * 2 * REUSE_AFTER


def test_words_of_other_sources_are_not_kept() -> None:
    replay = Replay(2)
    for step in range(REUSE_AFTER + 1):
        (canvases,) = replay.add(step, [fake(f"synth#{step}", f"words/{step}.png")])
    assert canvases.sources == (f"synth#{REUSE_AFTER}", f"words/{REUSE_AFTER}.png", "synth#0")
