"""Corruptions are the same every time, fit any picture, and get worse from strength to strength."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as pillow

from wildtext.errors import ConfigError
from wildtext.images import decode
from wildtext.images.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from wildtext.types import Image

ROOT = Path(__file__).parents[2]
EXAMPLES = [decode(path) for path in sorted((ROOT / "examples" / "images").iterdir()) if path.suffix != ".tsv"]
STAYING = [name for name, one in CORRUPTIONS.items() if not one.moves]
SIZES = [(1, 1), (2, 2), (1, 50), (40, 3), (3, 40), (33, 101), (32, 2000), (2000, 60)]


def picture(height: int, width: int) -> Image:
    """A gradient with bars, the same for each size."""
    y, x = np.mgrid[:height, :width]
    bars = 90 * ((x // 3) % 2)[..., None]
    shades: Image = (bars + np.stack([40 + 100 * x // width, 60 + 80 * y // height, 50 + 0 * x], 2)).astype(np.uint8)
    return shades


def blown_up(image: Image, times: int) -> Image:
    return image.repeat(times, 0).repeat(times, 1)


def harm(image: Image, corrupted: Image, rows: int = 32) -> float:
    """Mean squared error once both are as small as recognisers see them."""
    columns = round(rows * image.shape[1] / image.shape[0])
    old, new = (
        np.asarray(pillow.fromarray(one).resize((columns, rows), pillow.Resampling.BOX), np.float64)
        for one in (image, corrupted)
    )
    return float(((old - new) ** 2).mean())


def lying() -> list[Image]:
    return [image for image in EXAMPLES if image.shape[1] > image.shape[0]]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_picture_is_always_corrupted_in_the_same_way(name: str) -> None:
    image = EXAMPLES[0]
    first = corrupt(image, name, 3)
    for other in EXAMPLES[1:3]:
        corrupt(other, name, 5)
    np.testing.assert_array_equal(first, corrupt(image.copy(), name, 3))


@pytest.mark.parametrize(
    "name", ["gaussian-noise", "motion-blur", "fog", "shadow", "occlusion", "perspective", "crop-shift"]
)
def test_seeds_and_pictures_tell_what_is_random_apart(name: str) -> None:
    image = picture(40, 120)
    almost = image.copy()
    almost[0, 0] += 1
    seen = [corrupt(image, name, 4, seed=seed) for seed in range(4)]
    assert any(one.shape != seen[0].shape or (one != seen[0]).any() for one in seen[1:])
    other = [corrupt(almost, name, 4, seed=seed) for seed in range(4)]
    assert any(a.shape != b.shape or abs(a.astype(int) - b).max() > 1 for a, b in zip(seen, other, strict=True))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_pictures_of_any_size_stay_pictures(name: str, size: tuple[int, int]) -> None:
    image = picture(*size)
    for strength in (1, 5):
        corrupted = corrupt(image, name, strength)
        assert corrupted.dtype == np.uint8
        assert corrupted.ndim == 3
        assert corrupted.shape[2] == 3
        assert corrupted.flags["C_CONTIGUOUS"]
        if name in STAYING:
            assert corrupted.shape == image.shape
        if min(size) >= 2:
            assert min(corrupted.shape[:2]) >= 2, "recognisers refuse thinner ones"


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_picture_that_is_given_stays_as_it_is(name: str) -> None:
    for image in (picture(30, 90), picture(90, 30), picture(5, 15)):
        before = image.copy()
        image.setflags(write=False)
        corrupted = corrupt(image, name, 5)
        corrupted[:] = 7
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if "noise" not in name and name != "occlusion"])
def test_grey_pictures_stay_grey(name: str) -> None:
    grey = picture(40, 90)[..., :1].repeat(3, 2)
    corrupted = corrupt(grey, name, 4).astype(int)
    assert np.ptp(corrupted, axis=2).max() == 0


@pytest.mark.parametrize("name", STAYING)
def test_harm_grows_with_the_strength(name: str) -> None:
    harms = [np.mean([harm(image, corrupt(image, name, strength)) for image in lying()]) for strength in STRENGTHS]
    assert harms[0] > 0
    assert all(less < more for less, more in pairwise(harms)), harms


@pytest.mark.parametrize("name", STAYING)
def test_harm_is_about_the_same_for_small_and_large_crops(name: str) -> None:
    small = [image for image in lying() if len(image) >= 40]
    large = [blown_up(image, 6) for image in small]
    some, same = (np.mean([harm(image, corrupt(image, name, 3)) for image in images]) for images in (small, large))
    assert 0.6 < same / some < 1.6


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_words_that_stand_are_treated_as_those_that_lie(name: str) -> None:
    image = picture(36, 110)
    standing = np.rot90(corrupt(np.rot90(image, -1), name, 3))
    np.testing.assert_array_equal(standing, corrupt(image, name, 3))


@pytest.mark.parametrize("name", ["rotation", "perspective", "crop-shift", "aspect", "motion-blur", "defocus-blur"])
def test_what_comes_into_sight_goes_on_with_the_edge(name: str) -> None:
    flat = np.full((30, 90, 3), (200, 30, 90), np.uint8)
    for seed in range(4):
        assert np.unique(corrupt(flat, name, 5, seed).reshape(-1, 3), axis=0).tolist() == [[200, 30, 90]]


def test_noise_is_the_same_at_all_strengths_but_for_its_amount() -> None:
    flat = np.full((32, 96, 3), 128, np.uint8)
    weak, strong = (corrupt(flat, "gaussian-noise", strength).astype(float) - 128 for strength in (1, 3))
    assert np.corrcoef(weak.ravel(), strong.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(("strength", "deviation"), [(1, 0.05), (3, 0.12)])
def test_gaussian_noise_has_the_deviation_of_the_table(strength: int, deviation: float) -> None:
    flat = np.full((32, 640, 3), 128, np.uint8)
    assert CORRUPTIONS["gaussian-noise"].amounts[strength - 1] == deviation
    assert corrupt(flat, "gaussian-noise", strength).std() / 255 == pytest.approx(deviation, rel=0.03)


def test_impulse_noise_leaves_all_other_values() -> None:
    flat = np.full((32, 640, 3), 128, np.uint8)
    noisy = corrupt(flat, "impulse-noise", 5)
    assert set(np.unique(noisy)) == {0, 128, 255}
    assert (noisy != 128).mean() == pytest.approx(CORRUPTIONS["impulse-noise"].amounts[4], rel=0.05)


def ink(image: Image) -> NDArray[np.bool_]:
    dark: NDArray[np.bool_] = image.mean(axis=2) < 100
    return dark


def test_rotation_turns_either_way_and_keeps_all_in_sight() -> None:
    page = np.full((40, 160, 3), 255, np.uint8)
    page[18:22, 10:30] = 0  # a dash at the left end
    heights = []
    for seed in range(8):
        turned = corrupt(page, "rotation", 5, seed)
        assert ink(turned).sum() == pytest.approx(80, rel=0.2)
        heights.append(np.nonzero(ink(turned))[0].mean() / len(turned))
    assert min(heights) < 0.35
    assert max(heights) > 0.65
    rows = [len(corrupt(page, "rotation", strength)) for strength in STRENGTHS]
    assert rows == sorted(set(rows))


def test_perspective_makes_one_end_less_high_by_the_share_of_the_table() -> None:
    page = np.full((100, 300, 3), 255, np.uint8)
    page[10:90] = 0  # a band all along
    for strength in STRENGTHS:
        seen = corrupt(page, "perspective", strength)
        ends = sorted((ink(seen)[:, 2].sum(), ink(seen)[:, -3].sum()))
        share = CORRUPTIONS["perspective"].amounts[strength - 1]
        assert ends[1] == pytest.approx(80, abs=3)
        assert ends[0] == pytest.approx(80 * (1 - share), abs=3)


def test_crop_shift_cuts_off_or_adds_margins() -> None:
    page = np.full((100, 300, 3), 255, np.uint8)
    sizes = {corrupt(page, "crop-shift", 5, seed).shape[:2] for seed in range(30)}
    assert {height for height, _ in sizes} == {100 - 36, 100 + 72 - 18, 100 + 2 * 72}
    assert {width for _, width in sizes} == {300 - 36, 300 + 72 - 18, 300 + 2 * 72}


def test_aspect_makes_words_narrower_or_wider() -> None:
    page = picture(40, 120)
    assert {corrupt(page, "aspect", 2, seed).shape for seed in range(12)} == {(40, 60, 3), (40, 240, 3)}


def test_crops_of_few_rows_have_no_resolution_to_lose() -> None:
    image = picture(14, 60)
    np.testing.assert_array_equal(corrupt(image, "low-resolution", 2), image)
    assert (corrupt(image, "low-resolution", 5) != image).any()


@pytest.mark.parametrize("strength", [0, 6, -1])
def test_other_strengths_are_refused(strength: int) -> None:
    with pytest.raises(ConfigError, match=rf"strength of jpeg is {strength}, but must be 1 to 5"):
        corrupt(picture(20, 50), "jpeg", strength)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'gausian-blur'; did you mean 'gaussian-blur'"):
        corrupt(picture(20, 50), "gausian-blur", 1)


def test_the_documented_table_is_the_one_that_is_used() -> None:
    page = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    assert rows[2:] == [
        [one.group, f"`{name}`", one.description, ", ".join(f"{amount:g}" for amount in one.amounts), one.unit]
        for name, one in CORRUPTIONS.items()
    ]
