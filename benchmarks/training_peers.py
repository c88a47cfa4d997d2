"""Loaders and training steps as two other projects have them, written from their descriptions; for `training.py`.

DTRB is deep-text-recognition-benchmark (Baek et al. 2019), as clovaai trains; PARSeq is Bautista and Atienza 2022. Both
look up each crop in a transaction of its own, decode and resize it with Pillow, and make a float tensor of it.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from wildtext.charset import Charset
from wildtext.models import Model
from wildtext.training.losses import Targets, total_loss

Picture = Image.Image
Batches = Iterator[tuple[Tensor, Sequence[str]]]

_LEVEL = 0.5
"""Of 1: PARSeq takes magnitude 5 of 10."""
_LAYERS = 3
_GREY = 128


def open_lmdb(folder: Path) -> lmdb.Environment:
    return lmdb.open(str(folder), readonly=True, lock=False, readahead=False, meminit=False)


class Words:
    """What both do alike: the labels that the charset covers, and a crop as Pillow decodes it."""

    def __init__(self, environment: lmdb.Environment, charset: Charset, colours: str, most: int = 25):
        self.environment = environment
        self.charset = charset
        self.colours = colours
        self.outside = re.compile(f"[^{re.escape(''.join(charset.characters))}]")
        labels = [self.cleaned(self._get(f"label-{number:09d}").decode()) for number in range(1, self._count() + 1)]
        self.labels = {number: label for number, label in enumerate(labels, start=1) if 0 < len(label) <= most}
        self.numbers = list(self.labels)

    def __len__(self) -> int:
        return len(self.numbers)

    def cleaned(self, label: str) -> str:
        return self.outside.sub("", label.lower() if self.charset.fold_case else label)

    def picture(self, number: int) -> Picture:
        return Image.open(io.BytesIO(self._get(f"image-{number:09d}"))).convert(self.colours)

    def _count(self) -> int:
        return int(self._get("num-samples"))

    def _get(self, key: str) -> bytes:
        with self.environment.begin(write=False) as transaction:
            value = transaction.get(key.encode())
        assert value is not None
        return bytes(value)


class DtrbWords(Words, Dataset[tuple[Picture, str]]):
    """Pictures and their labels, which are read anew each time; they are resized when a batch is put together."""

    def __getitem__(self, place: int) -> tuple[Picture, str]:
        number = self.numbers[place]
        return self.picture(number), self.cleaned(self._get(f"label-{number:09d}").decode())


class ParseqWords(Words, Dataset[tuple[Tensor, str]]):
    """Finished tensors; labels stay in memory."""

    def __init__(self, *given: object, size: tuple[int, int], augments: bool):
        super().__init__(*given)  # type: ignore[arg-type]
        self.size = size
        self.augments = augments

    def __getitem__(self, place: int) -> tuple[Tensor, str]:
        number = self.numbers[place]
        picture = self.picture(number)
        if self.augments:
            picture = augmented(picture)
        return finished(picture, self.size), self.labels[number]


def dtrb(environment: lmdb.Environment, charset: Charset, colours: str, size: tuple[int, int], batch: int) -> Batches:
    """Batches without end, (N, C, H, W) in [-1, 1] with their labels."""

    def together(samples: Sequence[tuple[Picture, str]]) -> tuple[Tensor, Sequence[str]]:
        tensors = [finished(picture, size)[None] for picture, _ in samples]
        return torch.cat(tensors), [label for _, label in samples]

    words = DtrbWords(environment, charset, colours)
    loader = DataLoader(words, batch, shuffle=True, drop_last=True, collate_fn=together)
    while True:
        yield from loader


def parseq(
    environment: lmdb.Environment, charset: Charset, colours: str, size: tuple[int, int], batch: int, *, augments: bool
) -> Batches:
    """Batches without end, (N, C, H, W) in [-1, 1] with their labels."""
    words = ParseqWords(environment, charset, colours, size=size, augments=augments)
    loader = DataLoader(words, batch, shuffle=True, drop_last=True)
    while True:
        yield from loader


def finished(picture: Picture, size: tuple[int, int]) -> Tensor:
    """A picture at its size (height, width), as (C, H, W) in [-1, 1]."""
    resized = np.array(picture.resize(size[::-1], Image.Resampling.BICUBIC))
    pixels = torch.from_numpy(resized).view(*size, -1).permute(2, 0, 1).contiguous()
    return pixels.to(torch.float32).div(255).sub_(0.5).div_(0.5)


def dtrb_steps(batches: Batches, model: Model) -> Iterator[int]:
    """Adadelta at a constant rate, gradients clipped to a norm of 5."""
    optimiser = torch.optim.Adadelta(model.parameters(), lr=1, rho=0.95, eps=1e-8)
    yield from _steps(batches, model, optimiser, clip=5)


def parseq_steps(batches: Batches, model: Model) -> Iterator[int]:
    """AdamW on one cycle, gradients clipped to a norm of 20."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=7e-4, weight_decay=0.0)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, 7e-4, total_steps=1_000_000, pct_start=0.075)
    for images in _steps(batches, model, optimiser, clip=20):
        cycle.step()
        yield images


def _steps(batches: Batches, model: Model, optimiser: torch.optim.Optimizer, clip: float) -> Iterator[int]:
    """Steps in fp32 with the losses of the model; each gives its number of images."""
    model.train()
    for images, texts in batches:
        device = images.device
        targets = {name: Targets.encode(head.codec, list(texts), device) for name, head in model.heads.items()}
        output = model(images, torch.ones(len(images)), {name: target.ids for name, target in targets.items()})
        loss = total_loss(output, targets, model, [None] * len(images))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        loss.item()
        yield len(images)


def augmented(picture: Picture) -> Picture:
    """Three different operations after each other, each left out half of the time."""
    for number in np.random.choice(len(OPERATIONS), _LAYERS, replace=False, p=[1 / len(OPERATIONS)] * len(OPERATIONS)):
        if random.random() < 0.5:
            picture = OPERATIONS[number](picture)
    return picture


def _either(amount: float) -> float:
    return random.choice((amount, -amount))


def _fill(picture: Picture) -> Any:
    return _GREY if picture.mode == "L" else (_GREY,) * 3


def _limited(amount: float, picture: Picture, share: float) -> int:
    """No more than a share of the longer side, but at least 1."""
    return round(min(amount, max(1, share * max(picture.size))))


def _rotate(picture: Picture) -> Picture:
    return picture.rotate(_either(30 * _LEVEL), _resampling(), expand=True, fillcolor=_fill(picture))


def _affine(picture: Picture, *matrix: float) -> Picture:
    affine = Image.Transform.AFFINE
    return picture.transform(picture.size, affine, matrix, resample=_resampling(), fillcolor=_fill(picture))


def _resampling() -> Image.Resampling:
    return random.choice((Image.Resampling.BILINEAR, Image.Resampling.BICUBIC))


def _solarize_add(picture: Picture) -> Picture:
    table = [value if value >= 128 else min(255, value + int(110 * _LEVEL)) for value in range(256)]
    return picture.point(table * len(picture.getbands()))


def _blur(picture: Picture) -> Picture:
    return picture.filter(ImageFilter.GaussianBlur(_limited(4 * _LEVEL, picture, 0.02)))


def _poisson(picture: Picture) -> Picture:
    pixels = np.asarray(picture)
    noise = np.random.poisson(_limited(40 * _LEVEL, picture, 0.2) | 1, (*pixels.shape[:2], *[1] * (pixels.ndim - 2)))
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


OPERATIONS: tuple[Callable[[Picture], Picture], ...] = (
    ImageOps.autocontrast,
    ImageOps.equalize,
    ImageOps.invert,
    _rotate,
    lambda picture: ImageOps.posterize(picture, 4 - int(4 * _LEVEL)),
    lambda picture: ImageOps.solarize(picture, 256 - int(256 * _LEVEL)),
    _solarize_add,
    lambda picture: ImageEnhance.Color(picture).enhance(1 + _either(0.9 * _LEVEL)),
    lambda picture: ImageEnhance.Contrast(picture).enhance(1 + _either(0.9 * _LEVEL)),
    lambda picture: ImageEnhance.Brightness(picture).enhance(1 + _either(0.9 * _LEVEL)),
    lambda picture: _affine(picture, 1, _either(0.9 * _LEVEL), 0, 0, 1, 0),
    lambda picture: _affine(picture, 1, 0, 0, _either(0.2 * _LEVEL), 1, 0),
    lambda picture: _affine(picture, 1, 0, _either(0.1 * _LEVEL) * picture.width, 0, 1, 0),
    lambda picture: _affine(picture, 1, 0, 0, 0, 1, _either(0.3 * _LEVEL) * picture.height),
    _blur,
    _poisson,
)
"""RandAugment as timm has it, with amounts that grow, without sharpness, but with blur and Poisson noise."""
