"""Appearance: every option shows in the parameters and in the pixels, and letters can be told from their ground."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.config import AppearanceOptions
from wildtext.errors import DataError
from wildtext.images.effects import Drawn
from wildtext.synth.appearance import draw_look, paint
from wildtext.synth.textures import HEIGHT, PATTERNS, WIDTH, Textures, textures

CHANCES = [field.name for field in fields(AppearanceOptions)]
NOTHING = AppearanceOptions(**dict.fromkeys(CHANCES, 0.0))
ALL = AppearanceOptions(**dict.fromkeys(CHANCES, 1.0))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def painted() -> Textures:
    return textures()


@pytest.fixture(scope="module")
def photographed(tmp_path_factory: pytest.TempPathFactory) -> Textures:
    folder = tmp_path_factory.mktemp("photographs")
    noise = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    pillow.fromarray(noise).save(folder / "noise.jpg")
    return textures(folder)


@lru_cache
def letters(width: int = 120) -> NDArray[np.uint8]:
    """Bars of several widths with soft edges."""
    mask = np.zeros((48, width), np.uint8)
    for left, thick in ((10, 3), (25, 5), (45, 8), (70, 4), (90, 12)):
        mask[8:40, left : left + thick] = 255
        mask[8:40, left - 1] = 128
        mask[20:25, left : left + 15] = 255
    return mask


def looks(options: AppearanceOptions, known: Textures, count: int = 40) -> list[Drawn]:
    return [draw_look(options, known, np.random.default_rng(number)) for number in range(count)]


def pictures(drawn: list[Drawn], known: Textures) -> NDArray[np.float32]:
    """(N, 3, 48, 120)"""
    scene = paint([letters()] * len(drawn), drawn, known, CPU)
    return np.asarray(scene.pixels[..., :120].numpy())


# How to tell whether something was drawn, and how to undo it, where it is not an entry of its own


def without_ground(look: Drawn) -> Drawn:
    return {**look, "paint": {**look["paint"], "amount": 0.0}}


UNDO: dict[str, Callable[[Drawn], Drawn]] = {
    "photo": without_ground,
    "texture": without_ground,
    "gradient": lambda look: {**look, "paint": {**look["paint"], "gradient": [0.0] * 3}},
    "transparency": lambda look: {**look, "paint": {**look["paint"], "opacity": 1.0}},
}
SHOWS: dict[str, Callable[[Drawn, Textures], bool]] = {
    "photo": lambda look, known: known.kinds[look["paint"]["texture"]] == "photo" and look["paint"]["amount"] > 0.15,
    "texture": lambda look, known: known.kinds[look["paint"]["texture"]] != "photo" and look["paint"]["amount"] > 0.15,
    "gradient": lambda look, known: any(look["paint"]["gradient"]),
    "transparency": lambda look, known: look["paint"]["opacity"] < 1,
}


@pytest.mark.parametrize("name", CHANCES)
def test_every_chance_is_named_and_changes_the_picture(name: str, photographed: Textures) -> None:
    def shown(look: Drawn) -> bool:
        return SHOWS[name](look, photographed) if name in SHOWS else name in look

    def undone(look: Drawn) -> Drawn:
        return UNDO[name](look) if name in UNDO else {key: value for key, value in look.items() if key != name}

    off, on = (looks(replace(NOTHING, **{name: chance}), photographed) for chance in (0.0, 1.0))
    assert not any(shown(look) for look in off)
    assert all(shown(look) for look in on)
    plain = [undone(look) for look in on]
    difference = np.abs(pictures(on, photographed) - pictures(plain, photographed)).max(axis=(1, 2, 3))
    # Now and then a colour is drawn that is already there.
    assert np.mean(difference > 2) > 0.85


def test_photographs_are_only_drawn_where_there_are_some(painted: Textures, photographed: Textures) -> None:
    assert painted.painted == len(painted.kinds)
    assert set(painted.kinds) == set(PATTERNS)
    assert set(photographed.kinds) == {*PATTERNS, "photo"}
    for look in looks(replace(NOTHING, photo=1.0), painted):
        assert not SHOWS["photo"](look, painted)


def test_all_at_once_gives_finite_pictures_and_plain_parameters(photographed: Textures) -> None:
    drawn = looks(ALL, photographed)
    assert json.loads(json.dumps(drawn)) == drawn
    found = pictures(drawn, photographed)
    assert np.isfinite(found).all()
    assert found.std(axis=(1, 2, 3)).min() > 1


def ink_colour(found: NDArray[np.float32]) -> NDArray[Any]:
    return np.asarray(found[..., letters() == 255].mean(axis=-1))


def ground_colour(found: NDArray[np.float32]) -> NDArray[Any]:
    return np.asarray(found[..., letters() == 0].mean(axis=-1))


def test_letters_stand_out_from_plain_grounds(painted: Textures) -> None:
    found = pictures(looks(NOTHING, painted, 200), painted)
    luma = np.tensordot(found, [0.299, 0.587, 0.114], axes=([1], [0]))
    ink, ground = luma[:, letters() == 255], luma[:, letters() == 0]
    contrast = np.abs(ink.mean(axis=1) - ground.mean(axis=1))
    assert (contrast < 14).mean() < 0.02
    assert np.abs(ink_colour(found) - ground_colour(found)).max(axis=1).min() > 8
    assert 60 < np.median(contrast) < 160
    lighter = ink.mean(axis=1) > ground.mean(axis=1)
    assert 0.35 < lighter.mean() < 0.75


def test_paint_is_where_the_letters_are(painted: Textures) -> None:
    look = looks(NOTHING, painted, 1)[0]
    look["paint"].update(
        opacity=1.0, amount=0.0, colour=[250.0, 240.0, 230.0], ink=[10.0, 20.0, 30.0], gradient=[0.0] * 3
    )
    (picture,) = pictures([look], painted)
    assert np.abs(picture[:, letters() == 255].T - [10, 20, 30]).max() < 0.01
    assert np.abs(picture[:, letters() == 0].T - [250, 240, 230]).max() < 0.01
    assert np.abs(picture[0, letters() == 128] - (250 - 240 * 128 / 255)).max() < 0.01


def test_a_word_is_painted_the_same_alone_and_beside_wider_words(photographed: Textures) -> None:
    half = AppearanceOptions(**dict.fromkeys(CHANCES, 0.5))
    drawn = looks(half, photographed, 30)
    crowd = paint([letters()] * 30 + [letters(560)], [*drawn, drawn[0]], photographed, CPU).pixels[:30, ..., :120]
    for look, there in zip(drawn, crowd, strict=True):
        alone = paint([letters()], [look], photographed, CPU).pixels[0, ..., :120]
        assert float((alone - there).abs().max()) < 0.05


# Surfaces


def test_surfaces_are_the_same_every_time_and_differ_from_each_other(painted: Textures) -> None:
    textures.cache_clear()
    again = textures()
    assert np.array_equal(again.pieces, painted.pieces)
    assert painted.pieces.shape[1:] == (3, HEIGHT, WIDTH)
    assert painted.pieces.dtype == np.uint8
    assert len({piece.tobytes() for piece in painted.pieces}) == len(painted.pieces)
    np.testing.assert_allclose(painted.means, painted.pieces.mean(axis=(2, 3)), atol=0.01)
    assert (painted.pieces.std(axis=(1, 2, 3)) > 2).all()


@pytest.fixture
def few_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer surfaces, for tests that make many collections of them."""
    monkeypatch.setattr("wildtext.synth.textures._PAINTED", 8)
    monkeypatch.setattr("wildtext.synth.textures._PHOTOGRAPHED", 24)


@pytest.mark.usefixtures("few_pieces")
@pytest.mark.parametrize("size", [(1, 1), (3000, 20), (20, 3000), (640, 640)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK"])
def test_photographs_of_any_shape_and_kind_can_be_stood_on(tmp_path: Path, size: tuple[int, int], mode: str) -> None:
    suffix = "jpg" if mode == "CMYK" else "PNG"
    (tmp_path / "deeper").mkdir()
    pillow.new("RGB", size, (250, 0, 250)).convert(mode).save(tmp_path / "deeper" / f"pink.{suffix}")
    known = textures(tmp_path)
    photos = known.pieces[known.painted :]
    assert known.kinds[known.painted :] == ("photo",) * 24
    assert photos.shape == (24, 3, HEIGHT, WIDTH)
    assert photos.std(axis=(2, 3)).max() < 1


@pytest.mark.usefixtures("few_pieces")
@pytest.mark.parametrize("content", [b"not a photograph", b"\xff\xd8\xff\xe0", b""])
def test_a_broken_photograph_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.jpg: not a usable photograph: .*; remove it or choose another"):
        textures(tmp_path)


@pytest.mark.usefixtures("few_pieces")
def test_a_folder_without_photographs_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="no photographs") as caught:
            textures(folder)
        assert str(folder) in str(caught.value)


def amounts_of(drawn: list[Drawn]) -> list[Any]:
    return [value for look in drawn for effect in look.values() for value in effect.values()]


def test_amounts_are_numbers_or_lists_of_numbers(painted: Textures) -> None:
    for value in amounts_of(looks(ALL, painted, 10)):
        numbers = value if isinstance(value, list) else [value]
        assert all(isinstance(number, int | float) and np.isfinite(number) for number in numbers)
