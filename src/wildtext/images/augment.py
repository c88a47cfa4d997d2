"""What light, lens, sensor and file format do to a scene: drawn for one picture, applied to batches of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from wildtext.config import CaptureOptions
from wildtext.images.effects import (
    LUMA,
    Amounts,
    AnyFrames,
    Drawn,
    Effect,
    Frames,
    Random,
    apply,
    blur,
    cover,
    draw,
    kernel,
    noise,
    resample,
    spread,
    tensors,
)
from wildtext.images.jpeg import compress

_MIN_ROWS = 8
_TAPS = 5
"""Exposures that a moving camera is made of."""


def draw_capture(options: CaptureOptions, size: tuple[int, ...], random: Random, *, columns: float = 0) -> Drawn:
    """How one picture is taken.

    Args:
        options: chances.
        size: rows and columns of the scene.
        random: decides.
        columns: that the picture has at least, unless the scene has fewer.

    Returns:
        Amounts by effect, with the size of the picture as `camera`. The picture has at most as many rows as the scene.
    """
    height, width = size
    clean = random.random() < options.clean
    drawn = {} if clean else draw((*_SCENE, *_SENSOR), options, random)
    chances = random.random(3) < (options.low_resolution, options.defocus, options.enlarging)
    small, focus, enlarging = (bool(chance) and not clean for chance in chances)
    # Heights of real crops: a tenth is below 18 pixels, half is below 32.
    least = max(_MIN_ROWS, math.ceil(columns * height / width))
    rows = min(max(round(27 * math.exp(0.45 * random.normal())), least), height) if small else height
    camera: dict[str, Any] = {
        "rows": rows,
        "columns": max(round(width * rows / height), 4),
        # The sensor's pixels and the lens blur a little even in focus.
        "aperture": 0.25 if clean else round(random.uniform(0.25, 0.5), 4),
        "defocus": round(0.3 + 2.6 * random.random() ** 1.6, 4) if focus else 0.0,
    }
    drawn["camera"] = camera
    if enlarging and rows < 0.8 * height:
        rows = round(random.uniform(rows, height))
        drawn["enlarging"] = {"rows": rows, "columns": max(round(width * rows / height), 4)}
    return drawn


def picture_size(drawn: Drawn) -> tuple[int, int]:
    """Rows and columns of a picture that is taken like this."""
    last = drawn.get("enlarging", drawn["camera"])
    return int(last["rows"]), int(last["columns"])


def take(frames: AnyFrames, drawn: list[Drawn]) -> AnyFrames:
    """Take the pictures.

    Args:
        frames: scenes; H and W are multiples of 16.
        drawn: from `draw_capture`, for each.

    Returns:
        Frames of the same tensor size; pictures have the sizes of `picture_size`.
    """
    frames = apply(_SCENE, frames, drawn)
    camera = tensors([values["camera"] for values in drawn], frames.pixels.device)
    frames = through_lens(replace(frames, pixels=frames.pixels.clamp(0, 255)), camera)
    frames = apply((*_SENSOR, _ENLARGING), frames, drawn)
    return replace(frames, pixels=frames.pixels.clamp(0, 255))


def through_lens(frames: AnyFrames, camera: Amounts) -> AnyFrames:
    """Defocus and sampling, in one product along each axis.

    Args:
        frames: scenes.
        camera: (N,) each: `rows` and `columns` of the pictures; `aperture`, how far a sensor's pixel reaches, in such
            pixels; `defocus` in pixels of the scene.
    """
    height, width = frames.pixels.shape[-2:]
    across, down = frames.widths / camera["columns"], frames.heights / camera["rows"]
    sigma_x = torch.hypot(camera["aperture"] * across, camera["defocus"])
    sigma_y = torch.hypot(camera["aperture"] * down, camera["defocus"])
    x, y = _centres(width, across), _centres(height, down)
    columns = kernel(x, frames.widths, width, sigma_x)
    rows = kernel(y, frames.heights, height, sigma_y)
    pixels = resample(frames.pixels, columns, rows)
    return replace(frames, pixels=pixels, heights=camera["rows"], widths=camera["columns"])


def _centres(count: int, scale: Tensor) -> Tensor:
    """(N, count): where the pixels of a sampled axis lie on the axis that is sampled."""
    return (torch.arange(count, device=scale.device) + 0.5) * scale[:, None] - 0.5


def _draw_occlusion(random: Random) -> dict[str, Any]:
    return {
        "angle": random.normal(0, 0.5) + (math.pi / 2 if random.random() < 0.7 else 0.0),
        "x": random.uniform(-1, 1),
        "y": random.uniform(-1, 1),
        "width": random.uniform(1.0, 6.0),
        "soft": random.uniform(0.5, 1.5),
        "colour": random.uniform(0, 255, 3).tolist(),
    }


def _occlusion(frames: AnyFrames, at: Amounts) -> AnyFrames:
    """A pole, a branch or a wire in front."""
    distance = frames.distance(at["angle"], at["x"], at["y"]).abs()
    return cover(frames, at["colour"], torch.sigmoid((spread(at["width"] / 2) - distance) / spread(at["soft"] / 2)))


def _draw_uneven_light(random: Random) -> dict[str, Any]:
    return {
        "angle": random.uniform(0, 2 * math.pi),
        "amount": random.uniform(0.1, 0.45),
        "phase": random.uniform(0, 2 * math.pi),
        "waves": random.uniform(0.3, 2.0),
        "ripple": 0.15 * random.random() ** 2,
    }


def _uneven_light(frames: AnyFrames, at: Amounts) -> AnyFrames:
    along = frames.along(at["angle"])
    ripple = torch.sin(frames.along(at["angle"] + 1.2) * spread(at["waves"] * math.pi) + spread(at["phase"]))
    light = 1 + along * spread(at["amount"]) + ripple * spread(at["ripple"])
    return replace(frames, pixels=frames.pixels * light)


def _draw_shadow_edge(random: Random) -> dict[str, Any]:
    return {
        "angle": random.uniform(0, 2 * math.pi),
        "x": random.uniform(-0.8, 0.8),
        "y": random.uniform(-0.8, 0.8),
        "dark": random.uniform(0.35, 0.8),
        "soft": random.uniform(0.5, 6.0),
    }


def _shadow_edge(frames: AnyFrames, at: Amounts) -> AnyFrames:
    shade = torch.sigmoid(frames.distance(at["angle"], at["x"], at["y"]) / spread(at["soft"]))
    return replace(frames, pixels=frames.pixels * (1 - shade * spread(1 - at["dark"])))


def _draw_glare(random: Random) -> dict[str, Any]:
    return {
        "x": random.uniform(-1, 1),
        "y": random.uniform(-1, 1),
        "reach": random.uniform(0.3, 1.2),
        "amount": random.uniform(60, 220),
    }


def _glare(frames: AnyFrames, at: Amounts) -> AnyFrames:
    aspect = spread(frames.widths / frames.heights)
    squared = ((frames.x - spread(at["x"])) * aspect) ** 2 + (frames.y - spread(at["y"])) ** 2
    light = spread(at["amount"]) / (1 + squared / spread(at["reach"]) ** 2) ** 2
    return replace(frames, pixels=frames.pixels + light)


def _draw_exposure(random: Random) -> dict[str, Any]:
    return {"gain": random.uniform(0.5, 1.6), "offset": random.normal(0, 22), "tint": random.normal(0, 6, 3).tolist()}


def _exposure(frames: AnyFrames, at: Amounts) -> AnyFrames:
    offset = spread(128 + at["offset"][:, None] + at["tint"])
    return replace(frames, pixels=(frames.pixels - 128) * spread(at["gain"]) + offset)


def _draw_rain(random: Random) -> dict[str, Any]:
    return {
        "seed": random.random(),
        "slant": random.normal(0, 1.5),
        "length": random.uniform(3, 8),
        "amount": random.uniform(40, 120),
    }


def _rain(frames: AnyFrames, at: Amounts) -> AnyFrames:
    """Bright specks drawn out along one direction."""
    specks = (noise(frames.pixels[:, :1], at["seed"]) - 2.2).clamp(min=0) * 2
    drops = _moved(specks, frames, torch.stack([at["slant"], at["length"]], 1))
    return replace(frames, pixels=frames.pixels + drops * spread(at["amount"] * _TAPS / 2))


def _draw_motion(random: Random) -> dict[str, Any]:
    angle, length = random.uniform(0, math.pi), random.uniform(1.5, 6)
    return {"x": length * math.cos(angle), "y": length * math.sin(angle)}


def _motion(frames: AnyFrames, at: Amounts) -> AnyFrames:
    return replace(frames, pixels=_moved(frames.pixels, frames, torch.stack([at["x"], at["y"]], 1)))


def _moved(planes: Tensor, frames: Frames, path: Tensor) -> Tensor:
    """Mean along a straight path of (N, 2) pixels."""
    sigma = (path.norm(dim=1) / _TAPS / 2).clamp(0.3)
    steps = [(step / (_TAPS - 1) - 0.5) for step in range(_TAPS)]
    return torch.stack([blur(planes, frames, sigma, path * step) for step in steps]).mean(0)


def _draw_zoom(random: Random) -> dict[str, Any]:
    return {"amount": random.uniform(0.03, 0.12)}


def _zoom(frames: AnyFrames, at: Amounts) -> AnyFrames:
    """The lens is zoomed while the shutter is open."""
    height, width = frames.pixels.shape[-2:]
    total = torch.zeros_like(frames.pixels)
    for step in range(_TAPS):
        scale = 1 + at["amount"] * (step / (_TAPS - 1) - 0.5)
        x = _centres(width, scale) + (frames.widths * (1 - scale) / 2)[:, None]
        y = _centres(height, scale) + (frames.heights * (1 - scale) / 2)[:, None]
        sigma = torch.full_like(scale, 0.4)
        columns, rows = kernel(x, frames.widths, width, sigma), kernel(y, frames.heights, height, sigma)
        total += resample(frames.pixels, columns, rows)
    return replace(frames, pixels=total / _TAPS)


def _draw_noise(random: Random) -> dict[str, Any]:
    return {
        "seed": random.random(),
        "amount": 24 * random.random() ** 2,
        "shot": random.random(),
        "grey": random.random(),
    }


def _noise(frames: AnyFrames, at: Amounts) -> AnyFrames:
    """Grain, partly the same in all colours, partly stronger where it is bright (shot noise)."""
    colours = noise(frames.pixels, at["seed"])
    grain = torch.lerp(colours, colours[:, :1].expand_as(colours), spread(at["grey"]))
    bright = frames.pixels.mean(1, keepdim=True) / 255 * 1.5
    strength = spread(at["amount"]) * (1 + (bright - 1) * spread(at["shot"]) * 0.7)
    return replace(frames, pixels=frames.pixels + grain * strength)


def _draw_sharpening(random: Random) -> dict[str, Any]:
    return {"amount": random.uniform(0.4, 2.0), "reach": random.uniform(0.6, 1.6)}


def _sharpening(frames: AnyFrames, at: Amounts) -> AnyFrames:
    """Unsharp mask, whose halos tell that a camera or a person has sharpened."""
    soft = blur(frames.pixels, frames, at["reach"])
    return replace(frames, pixels=(frames.pixels + (frames.pixels - soft) * spread(at["amount"])).clamp(0, 255))


def _draw_grey(random: Random) -> dict[str, Any]:
    return {"saturation": 0.0}


def _grey(frames: AnyFrames, at: Amounts) -> AnyFrames:
    weights = torch.tensor(LUMA, device=frames.pixels.device)
    luma = (frames.pixels * weights[:, None, None]).sum(1, keepdim=True)
    return replace(frames, pixels=torch.lerp(luma.expand_as(frames.pixels), frames.pixels, spread(at["saturation"])))


def _draw_jpeg(random: Random) -> dict[str, Any]:
    return {"quality": float(random.integers(15, 92))}


def _jpeg(frames: AnyFrames, at: Amounts) -> AnyFrames:
    return replace(frames, pixels=compress(frames.pixels.clamp(0, 255), at["quality"]))


def _enlarging(frames: AnyFrames, at: Amounts) -> AnyFrames:
    """More rows than the camera took, by a smooth filter."""
    camera = {**at, "aperture": torch.full_like(at["rows"], 0.1), "defocus": torch.full_like(at["rows"], 0.55)}
    return through_lens(frames, camera)


_SCENE = (
    Effect("occlusion", _draw_occlusion, _occlusion),
    Effect("uneven_light", _draw_uneven_light, _uneven_light),
    Effect("shadow_edge", _draw_shadow_edge, _shadow_edge),
    Effect("glare", _draw_glare, _glare),
    Effect("exposure", _draw_exposure, _exposure),
    Effect("rain", _draw_rain, _rain),
    Effect("motion", _draw_motion, _motion),
    Effect("zoom", _draw_zoom, _zoom),
)
"""Before the sensor, at the resolution of the scene."""

_SENSOR = (
    Effect("noise", _draw_noise, _noise),
    Effect("sharpening", _draw_sharpening, _sharpening),
    Effect("grey", _draw_grey, _grey),
    Effect("jpeg", _draw_jpeg, _jpeg),
)
"""On the sensor and behind it, at the resolution of the picture."""

_ENLARGING = Effect("enlarging", None, _enlarging)

CAPTURE = {effect.name: effect for effect in (*_SCENE, *_SENSOR)}
"""What befalls a picture of the size that it has."""
