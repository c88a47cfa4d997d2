"""Effects on batches of pictures: each picture is treated as if it were alone, and as its amounts say."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from wildtext.config import CaptureOptions
from wildtext.images.augment import draw_capture, picture_size, take
from wildtext.images.effects import Drawn, Frames, blur, grown, kernel, noise, resample, rows_of

CHANCES = [field.name for field in fields(CaptureOptions)]
NOTHING = CaptureOptions(**dict.fromkeys(CHANCES, 0.0))
ALL = CaptureOptions(**{**dict.fromkeys(CHANCES, 1.0), "clean": 0.0})


def frames(*sizes: tuple[int, int], height: int = 48, width: int = 128) -> Frames:
    """Noisy pictures of these sizes (rows, columns), with rubbish beyond them."""
    pixels = torch.full((len(sizes), 3, height, width), 99.0)
    for number, (rows, columns) in enumerate(sizes):
        picture = np.random.default_rng(number).uniform(0, 255, (3, rows, columns)).astype(np.float32)
        pixels[number, :, :rows, :columns] = torch.from_numpy(picture)
    heights, widths = (torch.tensor([float(size[axis]) for size in sizes]) for axis in (0, 1))
    return Frames(pixels, heights, widths)


def amounts(*values: float) -> Tensor:
    return torch.tensor(values)


# Blurring and sampling


def test_weights_sum_to_one_and_see_nothing_beyond_the_picture() -> None:
    places = torch.linspace(-20, 90, 64).expand(3, 64)
    weights = kernel(places, amounts(1, 33, 64), 64, amounts(0.1, 1.0, 9.0))
    assert torch.allclose(weights.sum(-1), torch.ones(3, 64))
    assert weights.min() >= 0
    assert weights[0, :, 1:].max() == 0
    assert weights[1, :, 33:].max() == 0


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
def test_a_blurred_point_is_as_wide_as_sigma_says(sigma: float) -> None:
    point = torch.zeros(1, 1, 48, 128)
    point[..., 24, 64] = 1
    whole = Frames(torch.zeros(1, 3, 48, 128), amounts(48), amounts(128))
    spot = blur(point, whole, amounts(sigma), torch.tensor([[3.0, -2.0]]))[0, 0]
    assert float(spot.sum()) == pytest.approx(1, abs=1e-4)
    columns, rows = torch.arange(128) - 67.0, torch.arange(48) - 22.0
    assert float((spot.sum(0) * columns).sum()) == pytest.approx(0, abs=0.01)
    assert float((spot.sum(1) * rows).sum()) == pytest.approx(0, abs=0.01)
    assert float((spot.sum(0) * columns**2).sum()) ** 0.5 == pytest.approx(sigma, rel=0.1)


def test_a_narrow_blur_changes_nothing_and_a_flat_picture_stays_flat() -> None:
    noisy = frames((40, 100))
    same = blur(noisy.pixels, noisy, amounts(0.1))
    assert torch.allclose(same[..., :40, :100], noisy.pixels[..., :40, :100], atol=1e-3)
    flat = torch.full((1, 3, 48, 128), 77.0)
    assert torch.allclose(blur(flat, noisy, amounts(6.0), torch.tensor([[5.0, 30.0]])), flat, atol=1e-3)


def test_what_lies_beyond_a_picture_never_blurs_into_it() -> None:
    clean, dirty = frames((40, 100)), frames((40, 100))
    dirty.pixels[..., 40:, :] = 1e6
    dirty.pixels[..., 100:] = -1e6
    for sigma in (0.3, 3.0):
        one, other = (blur(each.pixels, each, amounts(sigma), torch.tensor([[-4.0, 4.0]])) for each in (clean, dirty))
        assert torch.equal(one, other)


def test_resampling_applies_weights_along_both_axes() -> None:
    planes = torch.arange(24.0).reshape(1, 2, 3, 4)
    columns, rows = torch.rand(1, 5, 4), torch.rand(1, 7, 3)
    wanted = torch.einsum("nchw,nyh,nxw->ncyx", planes, rows, columns)
    assert torch.allclose(resample(planes, columns, rows), wanted, rtol=1e-4)


# Letters that grow


@pytest.mark.parametrize("pixels", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_masks_grow_to_all_sides_by_as_much_as_asked(pixels: float) -> None:
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 8, 8] = 1
    bigger = grown(mask, amounts(pixels))[0, 0]
    assert torch.equal(bigger, bigger.T)
    assert torch.equal(bigger, bigger.flip(0).roll(1, 0))
    assert float(bigger[8].sum()) == pytest.approx(1 + 2 * pixels)
    assert bigger.max() == 1


def test_each_mask_grows_by_its_own_amount() -> None:
    mask = torch.rand(2, 1, 16, 32)
    together = grown(mask, amounts(0.5, 3.0))
    assert torch.equal(together[:1], grown(mask[:1], amounts(0.5)))
    assert torch.equal(together[1:], grown(mask[1:], amounts(3.0)))
    assert (together >= mask).all()


# Noise


def test_noise_is_normal_and_follows_its_seed_not_its_frame() -> None:
    wide, narrow = torch.zeros(2, 3, 48, 512), torch.zeros(1, 3, 32, 64)
    seeds = amounts(0.25, 0.999999)
    drawn = noise(wide, seeds)
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02)
    assert float(drawn.std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(noise(narrow, seeds[1:])[0], drawn[1, :, :32, :64])
    lines = torch.cat([drawn.flatten(0, 2)[:, :64], drawn.flatten(0, 2)[:, 64:128]])
    correlation = torch.corrcoef(lines).fill_diagonal_(0)
    assert correlation.abs().max() < 0.7


def test_there_is_noise_for_the_widest_frames_of_the_highest_scenes() -> None:
    # 80 rows, 12 times as wide; every seed must find its lines.
    frame = torch.zeros(100, 3, 80, 976)
    for first in range(0, 2000, 100):
        seeds = (torch.arange(first, first + 100) + 0.5) / 2000
        assert noise(frame, seeds).shape == frame.shape


def test_pieces_of_a_line_start_where_asked() -> None:
    pieces = rows_of(torch.arange(20), torch.tensor([[3, 0], [16, 7]]), 4)
    assert pieces.tolist() == [[[3, 4, 5, 6], [0, 1, 2, 3]], [[16, 17, 18, 19], [7, 8, 9, 10]]]


# The camera


def taken(scenes: Frames, drawn: list[Drawn]) -> list[Tensor]:
    """The pictures without what lies beyond them."""
    pixels = take(scenes, drawn).pixels
    sizes = [picture_size(amount) for amount in drawn]
    return [picture[:, :rows, :columns] for picture, (rows, columns) in zip(pixels, sizes, strict=True)]


def draws(options: CaptureOptions, count: int = 40, size: tuple[int, int] = (48, 100)) -> list[Drawn]:
    return [draw_capture(options, size, np.random.default_rng(number)) for number in range(count)]


@pytest.mark.parametrize("name", [name for name in CHANCES if name not in {"clean", "defocus", "low_resolution"}])
def test_every_effect_of_the_camera_is_named_and_changes_the_picture(name: str) -> None:
    # Only a picture of few rows can be enlarged.
    few = {"low_resolution": 1.0} if name == "enlarging" else {}
    on = CaptureOptions(**{**dict.fromkeys(CHANCES, 0.0), **few, name: 1.0})
    off = CaptureOptions(**{**dict.fromkeys(CHANCES, 0.0), **few})
    assert not any(name in drawn for drawn in draws(off))
    drawn = [amounts for amounts in draws(on) if name != "enlarging" or amounts["camera"]["rows"] < 0.8 * 48]
    assert len(drawn) > 20
    assert all(name in amounts for amounts in drawn)
    plain: list[Drawn] = [{key: value for key, value in amounts.items() if key != name} for amounts in drawn]
    scenes = frames(*[(48, 100)] * len(drawn))
    pairs = zip(taken(scenes, drawn), taken(scenes, plain), strict=True)
    changed = [one.shape != other.shape or float((one - other).abs().max()) > 0.5 for one, other in pairs]
    # A few pictures have next to no noise, or a shadow that ends before them.
    assert np.mean(changed) > 0.85


def test_defocus_and_resolution_are_as_drawn() -> None:
    sharp, soft = draws(NOTHING), draws(CaptureOptions(**{**dict.fromkeys(CHANCES, 0.0), "defocus": 1.0}))
    assert {drawn["camera"]["defocus"] for drawn in sharp} == {0.0}
    assert min(drawn["camera"]["defocus"] for drawn in soft) >= 0.3
    scenes = frames(*[(48, 100)] * len(soft))
    for one, other in zip(taken(scenes, sharp), taken(scenes, soft), strict=True):
        assert float(other.std()) < 0.8 * float(one.std())
    assert {picture_size(drawn) for drawn in sharp} == {(48, 100)}
    small = draws(CaptureOptions(**{**dict.fromkeys(CHANCES, 0.0), "low_resolution": 1.0}), 400)
    rows = np.array([picture_size(drawn)[0] for drawn in small])
    assert rows.min() >= 8
    assert rows.max() == 48
    assert 22 <= np.median(rows) <= 32


def test_nothing_happens_to_clean_pictures() -> None:
    for drawn in draws(replace(ALL, clean=1.0)):
        assert drawn.keys() == {"camera"}
        assert drawn["camera"]["defocus"] == 0
        assert picture_size(drawn) == (48, 100)


@pytest.mark.parametrize("size", [(48, 8), (48, 576), (8, 8), (8, 96), (48, 100)])
def test_pictures_of_any_shape_survive_all_effects_at_once(size: tuple[int, int]) -> None:
    drawn = draws(ALL, 12, size)
    height, width = (-(-side // 16) * 16 for side in size)
    for picture, amounts_ in zip(taken(frames(*[size] * 12, height=height, width=width), drawn), drawn, strict=True):
        assert torch.isfinite(picture).all()
        assert picture.min() >= 0
        assert picture.max() <= 255
        assert 8 <= picture.shape[1] <= size[0]
        assert 4 <= picture.shape[2] <= size[1]
        assert abs(picture.shape[2] / picture.shape[1] * size[0] / size[1] - 1) < 0.15 or picture.shape[2] <= 8
        assert picture_size(amounts_) == picture.shape[1:]


def test_a_picture_is_the_same_alone_and_in_a_wider_batch() -> None:
    drawn = draws(ALL, 20, (40, 60))
    crowd = frames(*[(40, 60)] * 20, (48, 500), width=512)
    together = taken(crowd, [*drawn, draw_capture(ALL, (48, 500), np.random.default_rng(99))])
    for number, amounts_ in enumerate(drawn):
        alone = Frames(crowd.pixels[number : number + 1, :, :, :64], crowd.heights[:1], crowd.widths[:1])
        (picture,) = taken(alone, [amounts_])
        assert float((picture - together[number]).abs().max()) < 0.05
