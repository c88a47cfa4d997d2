"""Augmentation: what moves, what stays, and that every operation does something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from wildtext.errors import ConfigError
from wildtext.images.effects import Drawn, Random
from wildtext.images.policies import POLICIES, augment, geometry, parseq, photo, straug, transform
from wildtext.types import Floats

HEIGHT, WIDTH = 32, 128
NAMED = sorted(set(POLICIES) - {"none"})

Draw = Callable[[Random], Drawn]


def operations() -> Mapping[str, Draw]:
    """What draws each operation of each policy alone."""
    drawing: dict[str, Draw] = {}
    for group, named in straug.GROUPS.items():
        for name, operation in named.items():
            for magnitude in range(3):
                amounts = partial(at_magnitude, operation, magnitude)
                drawing[f"straug-{group}-{name}-{magnitude}"] = partial(alone, operation.effect, amounts)
    for name, (effect, draw) in parseq.OPERATIONS.items():
        drawing[f"parseq-{name}"] = partial(alone, effect, draw)
    for effect, (_, draw) in photo.OPERATIONS.items():
        drawing[f"photo-{effect}"] = partial(alone, effect, draw)
    return drawing


def at_magnitude(operation: straug.Operation, magnitude: int, random: Random) -> dict[str, Any]:
    return operation.draw(random, magnitude)


def alone(effect: str, draw: Callable[[Random], dict[str, Any]], random: Random) -> Drawn:
    return {effect: draw(random)}


OPERATIONS = operations()
MOVING = [name for name, draw in OPERATIONS.items() if geometry.moves(draw(np.random.default_rng(0)))]


def scenes(count: int = 1, *, width: int = WIDTH, channels: int = 3) -> Tensor:
    """Grainy bars of several colours on a ground that grows brighter, neither black nor white."""
    random = np.random.default_rng(4)
    pictures = np.broadcast_to(np.linspace(50, 120, width)[:, None], (count, HEIGHT, width, channels)).copy()
    for picture in pictures:
        for left in range(6, width - 8, 14):
            picture[6:26, left : left + 5] = random.uniform(130, 220, channels)
    pictures += random.normal(0, 5, pictures.shape)
    return torch.from_numpy(pictures.astype(np.uint8))


def whole(canvases: Tensor) -> Tensor:
    return torch.ones(len(canvases))


def crosses(places: Floats) -> Tensor:
    """(1, H, W, 3): a soft white dot at each place (x, y) on black."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    light = sum(np.exp(-((x - left) ** 2 + (y - top) ** 2) / 3) for left, top in places)
    return torch.from_numpy(np.repeat((255 * np.minimum(light, 1))[None, ..., None], 3, 3).astype(np.uint8))


def brightest_near(picture: Tensor, place: Floats, reach: int = 5) -> Floats:
    """The centre of the light within a few pixels of a place."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    light = picture[..., 0].numpy() * (np.abs(x - place[0]) < reach) * (np.abs(y - place[1]) < reach)
    return np.array([np.average(x, weights=light), np.average(y, weights=light)], np.float32)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_changes_the_picture_and_keeps_its_shape(name: str) -> None:
    canvases = scenes(4)
    drawn = [OPERATIONS[name](np.random.default_rng(seed)) for seed in range(4)]
    changed, _ = transform(canvases, whole(canvases), [None] * 4, drawn, fill=128.0)
    assert changed.shape == canvases.shape
    assert changed.dtype == torch.uint8
    assert (changed.float() - canvases.float()).abs().mean() > 0.2
    assert changed.float().std() > 2, "nothing is left of the picture"


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_lies_beyond_a_picture_stays_as_it_was(name: str) -> None:
    canvases = scenes(2)
    canvases[0, :, 96:] = 7
    drawn = [OPERATIONS[name](np.random.default_rng(seed)) for seed in range(2)]
    changed, _ = transform(canvases, torch.tensor([0.75, 1.0]), [None] * 2, drawn, fill=0.0)
    assert (changed[0, :, 96:] == 7).all()


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_lies_beyond_a_picture_does_not_matter(name: str) -> None:
    canvases = scenes(2)
    canvases[1, :, :96] = canvases[0, :, :96]
    canvases[0, :, 96:], canvases[1, :, 96:] = 0, 255
    drawn = [OPERATIONS[name](np.random.default_rng(1))] * 2
    changed, _ = transform(canvases, torch.tensor([0.75, 0.75]), [None] * 2, drawn, fill=0.0)
    difference = (changed[0, :, :96].int() - changed[1, :, :96].int()).abs()
    assert difference.max() <= 1


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("seed", range(3))
def test_boxes_go_where_the_characters_go(name: str, seed: int) -> None:
    places = np.array([(20, 10), (44, 16), (68, 22), (92, 12), (112, 20)], np.float32)
    boxes = places[:, None] + np.array([(-3, -4), (3, -4), (3, 4), (-3, 4)], np.float32)
    drawn = [OPERATIONS[name](np.random.default_rng(seed))]
    changed, (moved,) = transform(crosses(places), torch.ones(1), [boxes], drawn, fill=0.0)
    assert moved is not None
    for quad in moved:
        centre = quad.mean(0)
        assert np.abs(brightest_near(changed[0], centre) - centre).max() < 1.0


@pytest.mark.parametrize("name", MOVING)
def test_whatever_moves_stays_on_the_canvas(name: str) -> None:
    edge = np.array([[(3, 2), (125, 2), (125, 30), (3, 30)]], np.float32)
    canvases = scenes()
    for seed in range(20):
        drawn = [OPERATIONS[name](np.random.default_rng(seed))]
        _, (moved,) = transform(canvases, torch.ones(1), [edge], drawn, fill=0.0)
        assert moved is not None
        assert (moved > -1).all(), f"{drawn} {moved}"
        assert (moved < (WIDTH + 1, HEIGHT + 1)).all(), f"{drawn} {moved}"


def test_boxes_of_a_narrow_picture_follow_it() -> None:
    places = np.array([(15, 10), (40, 20)], np.float32)
    boxes = places[:, None] + np.array([(-3, -4), (3, -4), (3, 4), (-3, 4)], np.float32)
    drawn = [OPERATIONS["straug-geometry-rotate-1"](np.random.default_rng(2))]
    changed, (moved,) = transform(crosses(places), torch.tensor([0.5]), [boxes], drawn, fill=0.0)
    assert moved is not None
    for quad in moved:
        assert np.abs(brightest_near(changed[0], quad.mean(0)) - quad.mean(0)).max() < 1.0


def test_unknown_boxes_stay_unknown_and_known_ones_are_not_touched() -> None:
    boxes = np.full((3, 4, 2), np.nan, np.float32)
    boxes[1] = [(40, 8), (50, 8), (50, 24), (40, 24)]
    given, canvases = boxes.copy(), scenes(3)
    before = canvases.clone()
    drawn: list[Drawn] = [OPERATIONS["straug-warp-distort-2"](np.random.default_rng(0)), {}, {"invert": {}}]
    changed, moved = transform(canvases, whole(canvases), [boxes, boxes, None], drawn, fill=0.0)
    assert moved[0] is not None
    assert np.isnan(moved[0][[0, 2]]).all()
    assert np.isfinite(moved[0][1]).all()
    assert moved[1] is boxes
    assert moved[2] is None
    assert np.array_equal(boxes, given, equal_nan=True)
    assert torch.equal(canvases, before)
    assert not torch.equal(changed, before)


def test_a_word_without_characters_has_no_boxes_to_move() -> None:
    drawn = [OPERATIONS["parseq-rotate"](np.random.default_rng(0))]
    _, (moved,) = transform(scenes(), torch.ones(1), [np.zeros((0, 4, 2), np.float32)], drawn, fill=0.0)
    assert moved is not None
    assert moved.shape == (0, 4, 2)


@pytest.mark.parametrize("policy", NAMED)
def test_the_generator_decides_everything(policy: str) -> None:
    canvases = scenes(24)
    first, second, other = (
        augment(canvases, whole(canvases), [None] * 24, policy, np.random.default_rng(seed))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("policy", NAMED)
def test_neighbours_do_not_matter(policy: str) -> None:
    canvases, random = scenes(16), np.random.default_rng(3)
    drawn = [POLICIES[policy].draw(random) for _ in range(16)]
    together, _ = transform(canvases, whole(canvases), [None] * 16, drawn, POLICIES[policy].fill)
    for row in range(16):
        alone, _ = transform(
            canvases[row : row + 1], torch.ones(1), [None], drawn[row : row + 1], POLICIES[policy].fill
        )
        assert (alone[0].int() - together[row].int()).abs().max() <= 1


@pytest.mark.parametrize("policy", NAMED)
@pytest.mark.parametrize(("width", "channels"), [(128, 1), (100, 3), (37, 3)])
def test_any_canvas_will_do(policy: str, width: int, channels: int) -> None:
    canvases = scenes(40, width=width, channels=channels)
    changed, _ = augment(canvases, whole(canvases), [None] * 40, policy, np.random.default_rng(0))
    assert changed.shape == canvases.shape
    assert not torch.equal(changed, canvases)


def test_none_gives_back_what_it_was_given() -> None:
    canvases, boxes = scenes(2), np.zeros((1, 4, 2), np.float32)
    changed, moved = augment(canvases, whole(canvases), [boxes, None], "none", np.random.default_rng(0))
    assert changed is canvases
    assert moved == (boxes, None)


def test_an_unknown_policy_names_the_nearest() -> None:
    canvases = scenes()
    with pytest.raises(ConfigError, match=r"'straug-save'.*straug-safe"):
        augment(canvases, torch.ones(1), [None], "straug-save", np.random.default_rng(0))


def test_straug_takes_three_groups_of_half_of_the_pictures() -> None:
    random = np.random.default_rng(0)
    groups = {}
    for group, named in straug.GROUPS.items():
        groups.update({operation.effect: group for operation in named.values()})
    drawn = [POLICIES["straug"].draw(random) for _ in range(2000)]
    assert 0.46 < sum(not effects for effects in drawn) / 2000 < 0.54
    assert all(len({groups[name] for name in effects}) == len(effects) == 3 for effects in drawn if effects)
    assert {name for effects in drawn for name in effects} == set(groups)


def test_straug_safe_has_all_but_blocks() -> None:
    random = np.random.default_rng(0)
    names = {name for _ in range(3000) for name in POLICIES["straug-safe"].draw(random)}
    others = {name for _ in range(3000) for name in POLICIES["straug"].draw(random)}
    assert others - names == {"pixelate"}


def test_parseq_takes_up_to_three_operations() -> None:
    random = np.random.default_rng(0)
    counts = np.bincount([len(POLICIES["parseq"].draw(random)) for _ in range(2000)], minlength=4) / 2000
    assert counts == pytest.approx([1 / 8, 3 / 8, 3 / 8, 1 / 8], abs=0.04)


def changed_by(effect: str, canvases: Tensor, **amounts: Any) -> Tensor:
    return transform(canvases, whole(canvases), [None] * len(canvases), [{effect: amounts}] * len(canvases), None)[0]


def test_equalize_uses_all_levels_as_often() -> None:
    dark = (scenes() // 8) + 20
    assert dark.max() < 60
    even = changed_by("equalize", dark).float()
    assert even.amin() == 0
    assert even.amax() == 255
    assert even.mean() == pytest.approx(127, abs=25)


def test_autocontrast_spreads_levels() -> None:
    pale = (scenes() // 4) + 100
    changed = changed_by("autocontrast", pale).float()
    for colour in range(3):
        assert changed[..., colour].amin() == 0
        assert changed[..., colour].amax() == 255


@pytest.mark.parametrize("effect", ["autocontrast", "equalize"])
def test_a_picture_of_one_level_stays(effect: str) -> None:
    flat = torch.full((1, HEIGHT, WIDTH, 3), 90, dtype=torch.uint8)
    assert torch.equal(changed_by(effect, flat), flat)


@pytest.mark.parametrize(
    ("effect", "amounts", "expected"),
    [
        ("posterize", {"bits": 2}, lambda v: v // 64 * 64),
        ("solarize", {"threshold": 128}, lambda v: np.where(v < 128, v, 255 - v)),
        ("solarize_add", {"amount": 55}, lambda v: np.where(v < 128, np.minimum(v + 55, 255), v)),
        ("invert", {}, lambda v: 255 - v),
    ],
)
def test_whole_levels_change_as_in_pillow(effect: str, amounts: dict[str, float], expected: Any) -> None:
    levels = np.tile(np.arange(256), 16).reshape(1, HEIGHT, WIDTH, 1).repeat(3, 3)
    changed = changed_by(effect, torch.from_numpy(levels.astype(np.uint8)), **amounts)
    assert np.array_equal(changed.numpy(), expected(levels))
