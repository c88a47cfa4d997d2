"""Traces of compression as a JPEG encoder leaves them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image as pillow

from wildtext.images.jpeg import compress
from wildtext.types import Image


def photograph(seed: int) -> Image:
    """Letters and grain on a ground of several colours."""
    random = np.random.default_rng(seed)
    coarse = (random.integers(40, 200, (3, 5, 1)) + random.integers(-25, 26, (3, 5, 3))).astype(np.uint8)
    picture = np.array(pillow.fromarray(coarse).resize((96, 48), pillow.Resampling.BICUBIC), float)
    picture[14:34, 20:24] = picture[14:18, 20:44] = picture[10:40, 60:66] = random.uniform(20, 235)
    return np.clip(picture + random.normal(0, 6, (48, 96, 1)), 0, 255).astype(np.uint8)


def ours(picture: Image, quality: float) -> Image:
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    done = compress(pixels, torch.tensor([quality])).clamp(0, 255).round()
    return np.asarray(done[0].permute(1, 2, 0).to(torch.uint8).numpy())


def pillows(picture: Image, quality: int) -> Image:
    buffer = io.BytesIO()
    pillow.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=2)
    return np.array(pillow.open(buffer))


def likeness(one: Image, other: Image) -> float:
    """Peak signal to noise in dB."""
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


@pytest.mark.parametrize("quality", [10, 30, 60])
def test_compression_is_close_to_an_encoder_s(quality: int) -> None:
    for seed in range(6):
        picture = photograph(seed)
        mine, theirs = ours(picture, quality), pillows(picture, quality)
        assert likeness(mine, theirs) > likeness(picture, theirs) + 2
        assert likeness(mine, theirs) > 28


def test_low_quality_leaves_blocks_and_high_quality_leaves_nothing() -> None:
    for seed in range(6):
        picture = photograph(seed)
        assert likeness(picture, ours(picture, 95)) > 33
        assert likeness(picture, ours(picture, 10)) < likeness(picture, ours(picture, 50)) - 2
        steps = np.abs(np.diff(ours(picture, 10).astype(float).mean(-1), axis=1)).mean(axis=0)
        assert steps[7::8].mean() > 1.3 * np.delete(steps, np.s_[7::8]).mean()


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (13, 140, 77)])
def test_flat_pictures_keep_their_colour(colour: tuple[int, int, int]) -> None:
    picture = np.full((32, 48, 3), colour, np.uint8)
    for quality, most in ((10, 3), (50, 1), (95, 1)):
        assert np.abs(ours(picture, quality).astype(int) - picture).max() <= most


def test_each_picture_has_its_own_quality() -> None:
    pixels = torch.stack([torch.from_numpy(photograph(seed)).permute(2, 0, 1).float() for seed in (1, 2)])
    together = compress(pixels, torch.tensor([12.0, 90.0]))
    for row, quality in enumerate((12.0, 90.0)):
        alone = compress(pixels[row : row + 1], torch.tensor([quality]))
        assert torch.allclose(together[row], alone[0], atol=0.01)


def test_tiny_differences_stay_tiny() -> None:
    # Rounding of coefficients must not turn a processor's rounding errors into grey levels.
    pixels = torch.from_numpy(photograph(3)).permute(2, 0, 1)[None].float()
    for quality in (10.0, 40.0, 80.0):
        one, other = (compress(pixels + shift, torch.tensor([quality])) for shift in (0.0, 1e-3))
        assert float((one - other).abs().max()) < 0.05
