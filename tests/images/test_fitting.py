"""Fitting as tensor operations gives what `Preprocessing` gives."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as pillow

from wildtext.images import Buckets, Fixed, Padded, Preprocessing
from wildtext.images.effects import Frames
from wildtext.images.fitting import fit, normalize
from wildtext.types import Image

CANVASES: list[Fixed | Padded] = [
    Fixed(32, 100),
    Fixed(48, 320),
    Padded(32, 128, min_width=16, multiple=4),
    Padded(48, 160, min_width=0),
]


def frames(pictures: Sequence[Image]) -> Frames:
    """All in one tensor, with rubbish beyond each."""
    height = -(-max(picture.shape[0] for picture in pictures) // 16) * 16
    width = -(-max(picture.shape[1] for picture in pictures) // 16) * 16
    pixels = torch.full((len(pictures), 3, height, width), 99.0)
    for row, picture in enumerate(pictures):
        pixels[row, :, : picture.shape[0], : picture.shape[1]] = torch.from_numpy(picture).permute(2, 0, 1)
    sizes = torch.tensor([picture.shape[:2] for picture in pictures]).float()
    return Frames(pixels, sizes[:, 0], sizes[:, 1])


def pictures(count: int, *, tallest: int, seed: int = 0) -> list[Image]:
    """From flat to hard black and white, of many sizes."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        height, width = int(random.integers(4, tallest + 1)), int(random.integers(4, 600))
        cell = (1, 2, 6)[number % 3]
        noise = random.integers(0, 256, (-(-height // cell), -(-width // cell), 3), np.uint8)
        if number % 2:
            noise = np.where(noise > 127, 255, 0).astype(np.uint8)
        found.append(np.array(pillow.fromarray(noise).resize((width, height), pillow.Resampling.BICUBIC)))
    return found


@pytest.mark.parametrize("canvas", CANVASES)
@pytest.mark.parametrize("color", ["RGB", "BGR", "grey"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pictures_fill_the_canvas_as_in_preprocessing(canvas: Fixed | Padded, color: Any, interpolation: Any) -> None:
    preprocessing = Preprocessing(canvas, color=color, interpolation=interpolation)
    # Where rows shrink, the order of Pillow's passes depends on its version.
    given = pictures(30, tallest=canvas.height)
    got = fit(frames(given), preprocessing).numpy()
    wanted = np.stack([preprocessing.fit(picture)[0] for picture in given])
    assert got.shape == wanted.shape
    assert got.dtype == np.uint8
    difference = np.abs(got.astype(int) - wanted)
    assert difference.max() <= 2
    assert (difference > 1).mean() < 0.001


@pytest.mark.parametrize("canvas", [*CANVASES, Padded(32, 280, 1, 1, "down"), Padded(48, 160, 48, 4, "nearest")])
@pytest.mark.parametrize("color", ["RGB", "BGR", "grey"])
def test_pictures_are_resized_pixel_for_pixel_as_in_opencv(canvas: Fixed | Padded, color: Any) -> None:
    preprocessing = Preprocessing(canvas, color=color, interpolation="opencv-bilinear")
    given = pictures(40, tallest=3 * canvas.height)
    wanted = np.stack([preprocessing.fit(picture)[0] for picture in given])
    assert np.array_equal(fit(frames(given), preprocessing).numpy(), wanted)


@pytest.mark.parametrize("canvas", CANVASES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pictures_higher_than_the_canvas_are_shrunk_as_in_preprocessing(
    canvas: Fixed | Padded, interpolation: Any
) -> None:
    preprocessing = Preprocessing(canvas, interpolation=interpolation)
    given = [np.clip(picture, 40, 215) for picture in pictures(40, tallest=3 * canvas.height)]
    got = fit(frames(given), preprocessing).numpy()
    wanted = np.stack([preprocessing.fit(picture)[0] for picture in given])
    difference = np.abs(got.astype(int) - wanted)
    assert difference.max() <= 2
    assert (difference > 1).mean() < 0.001


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "opencv-bilinear"])
@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_pictures_of_one_bucket_are_fitted_together(interpolation: Any, ratio: int) -> None:
    canvas = Buckets(((64, 64), (48, 96), (40, 112)))
    preprocessing = Preprocessing(canvas, interpolation=interpolation)
    given = [
        picture
        for picture in pictures(200, tallest=min(height for height, _ in canvas.sizes))
        if canvas.place(*picture.shape[:2])[:2] == canvas.sizes[ratio - 1]
    ]
    assert given
    got = fit(frames(given), preprocessing).numpy()
    wanted = np.stack([preprocessing.fit(picture)[0] for picture in given])
    assert got.shape == wanted.shape
    difference = np.abs(got.astype(int) - wanted)
    assert difference.max() <= (0 if interpolation == "opencv-bilinear" else 2)
    assert (difference > 1).mean() < 0.001


def test_pictures_of_several_buckets_are_not_fitted_together() -> None:
    preprocessing = Preprocessing(Buckets(((64, 64), (48, 96))))
    given = [np.zeros((20, width, 3), np.uint8) for width in (20, 40)]
    with pytest.raises(ValueError, match=r"canvases of one size, not \[\(48, 96\), \(64, 64\)\]"):
        fit(frames(given), preprocessing)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "opencv-bilinear"])
def test_a_picture_of_the_size_of_the_canvas_stays_as_it_is(interpolation: Any) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 100, 3), np.uint8)
    preprocessing = Preprocessing(Fixed(32, 100), interpolation=interpolation)
    assert np.array_equal(fit(frames([picture]), preprocessing)[0].numpy(), picture)


@pytest.mark.parametrize("size", [(1, 1), (2, 600), (64, 2), (32, 1), (8, 8)])
@pytest.mark.parametrize("interpolation", ["bicubic", "opencv-bilinear"])
def test_extreme_shapes_are_fitted(size: tuple[int, int], interpolation: Any) -> None:
    picture = np.random.default_rng(0).integers(60, 196, (*size, 3), np.uint8)
    for canvas in CANVASES:
        preprocessing = Preprocessing(canvas, interpolation=interpolation)
        got, (wanted, _) = fit(frames([picture]), preprocessing)[0].numpy(), preprocessing.fit(picture)
        assert np.abs(got.astype(int) - wanted).max() <= 2


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(Fixed(32, 100), mean=(0.5, 0.4, 0.3), std=(0.5, 0.2, 0.1)),
        Preprocessing(Padded(32, 128, 16, 4), pad_value=-1.0, scale=1.0, mean=(127.5,), std=(127.5,)),
        Preprocessing(Padded(32, 101, 16), color="grey", pad_value=0.25),
    ],
)
def test_canvases_become_the_same_model_input(preprocessing: Preprocessing) -> None:
    fitted = [preprocessing.fit(picture) for picture in pictures(20, tallest=48)]
    canvases, shares = np.stack([canvas for canvas, _ in fitted]), np.array([share for _, share in fitted], np.float32)
    got = normalize(torch.from_numpy(canvases), torch.from_numpy(shares), preprocessing)
    np.testing.assert_allclose(got.numpy(), preprocessing.normalize(canvases, shares), atol=1e-6)
    listed = normalize(torch.from_numpy(canvases), shares.tolist(), preprocessing)
    assert torch.equal(listed, got)
