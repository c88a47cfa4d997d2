"""Drawn pictures whose contrast, blur and slope are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image as pillow
from PIL import ImageFilter

from wildtext.evaluation.properties import Properties, properties_of
from wildtext.types import Image


def drawn(dark: int = 60, bright: int = 200, size: int = 1, blur: float = 0.0) -> Image:
    """Dark bars of the shape of letters on a bright ground, 40 x 150 pixels times `size`."""
    grey = np.full((40 * size, 150 * size), bright, np.uint8)
    for left in range(15, 130, 20):
        grey[8 * size : 32 * size, left * size : (left + 9) * size] = dark
    return np.asarray(pillow.fromarray(grey).convert("RGB").filter(ImageFilter.GaussianBlur(blur)))


def turned(degrees: float, dark: int = 60, bright: int = 200) -> Image:
    """The same, turned counter-clockwise, with more ground around it so that all of it stays inside."""
    ground = (bright, bright, bright)
    picture = pillow.fromarray(drawn(dark, bright)).rotate(
        degrees, pillow.Resampling.BICUBIC, expand=True, fillcolor=ground
    )
    return np.asarray(picture)


def blur_of(image: Image) -> float:
    found = properties_of(image).blur
    assert found is not None
    return found


def slope_of(image: Image) -> float:
    found = properties_of(image).slope
    assert found is not None
    return found


def test_size_and_aspect() -> None:
    found = properties_of(drawn())
    assert (found.width, found.height, found.aspect) == (150, 40, 3.75)


@pytest.mark.parametrize(("dark", "bright"), [(0, 255), (100, 110), (60, 200)])
def test_contrast_is_the_difference_of_text_and_ground(dark: int, bright: int) -> None:
    assert properties_of(drawn(dark, bright)).contrast == pytest.approx((bright - dark) / 255)


def test_contrast_is_the_same_for_bright_text() -> None:
    assert properties_of(255 - drawn()).contrast == pytest.approx(properties_of(drawn()).contrast)


def test_contrast_outlives_a_highlight() -> None:
    image = drawn(100, 130).copy()
    image[:2, :5] = 255
    assert properties_of(image).contrast == pytest.approx(30 / 255, rel=0.2)


@pytest.mark.parametrize("blur", [1.0, 1.5, 2.0, 3.0])
def test_blur_is_the_deviation_of_the_gaussian(blur: float) -> None:
    assert blur_of(drawn(blur=blur)) == pytest.approx(blur, rel=0.2)


def test_blur_grows_with_every_further_blur() -> None:
    found = [blur_of(drawn(blur=blur)) for blur in (0, 0.5, 0.8, 1.2, 1.8, 2.5, 3.5, 5)]
    assert found == sorted(set(found))
    assert found[0] < 0.4


@pytest.mark.parametrize(("dark", "bright"), [(0, 255), (100, 140), (200, 60)])
def test_blur_does_not_depend_on_contrast(dark: int, bright: int) -> None:
    assert blur_of(drawn(dark, bright, blur=1.5)) == pytest.approx(blur_of(drawn(blur=1.5)), rel=0.05)


@pytest.mark.parametrize("size", [2, 4, 20])
def test_blur_does_not_depend_on_the_size_of_the_letters(size: int) -> None:
    assert blur_of(drawn(size=size, blur=1.5)) == pytest.approx(1.5, rel=0.15)


def test_a_highlight_does_not_make_a_picture_sharp() -> None:
    image = drawn(20, 60, blur=2).copy()
    image[1:5, 3:9] = 255
    assert blur_of(image) == pytest.approx(2, rel=0.2)


def test_what_was_scaled_up_is_blurred() -> None:
    large = pillow.fromarray(drawn()).resize((600, 160), pillow.Resampling.BICUBIC)
    assert blur_of(np.asarray(large)) > 3 * blur_of(drawn())


def test_noise_is_not_taken_for_sharpness() -> None:
    noise = np.random.default_rng(0).normal(0, 3, (40, 150, 1))
    noisy = (drawn(blur=2) + noise).clip(0, 255).astype(np.uint8)
    assert blur_of(noisy) == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("degrees", [-35, -20, -10, -4, 0, 4, 10, 20, 35])
def test_slope_is_the_angle_of_the_line(degrees: int) -> None:
    assert slope_of(turned(degrees)) == pytest.approx(degrees, abs=2.5)


def test_slope_does_not_depend_on_contrast_and_polarity() -> None:
    expected = slope_of(turned(12))
    assert slope_of(turned(12, 100, 130)) == pytest.approx(expected, abs=1)
    assert slope_of(turned(12, 220, 30)) == pytest.approx(expected, abs=1)


def test_a_mirrored_picture_slopes_the_other_way() -> None:
    image = turned(15)
    assert slope_of(image[:, ::-1]) == pytest.approx(-slope_of(image), abs=1)


def test_a_picture_without_a_line_has_no_slope() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 150, 3), np.uint8)
    assert properties_of(noise).slope is None
    assert properties_of(np.rot90(drawn())).slope is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 5), (30, 90)])
def test_a_picture_without_anything_has_no_edges(shape: tuple[int, int]) -> None:
    found = properties_of(np.full((*shape, 3), 90, np.uint8))
    assert (found.height, found.width) == shape
    assert (found.contrast, found.blur, found.slope) == (0.0, None, None)


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (2, 2), (4, 4), (5, 300)])
def test_tiny_pictures_are_measured_without_a_complaint(shape: tuple[int, int]) -> None:
    found = properties_of(np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8))
    assert 0 < found.contrast <= 1
    assert (found.blur is None) == (min(shape) == 1)


@pytest.mark.parametrize("image", [drawn(), np.zeros((1, 1, 3), np.uint8)])
def test_properties_survive_json(image: Image) -> None:
    found = properties_of(image)
    assert Properties.from_dict(json.loads(json.dumps(found.to_dict()))) == found
