"""Recognisers whose networks show what a test wants, or are small and untrained."""

from __future__ import annotations

import numpy as np
import torch

from tests.inference.test_export import SMALL
from wildtext.charset import Charset
from wildtext.codecs import Codec, Sequence, Subword
from wildtext.images import Canvas, Fixed, Preprocessing
from wildtext.inference.recognizer import Recognizer
from wildtext.inference.runtimes import Raw
from wildtext.inference.torch_runtime import TorchRuntime
from wildtext.models import MODELS, build
from wildtext.models.tps import edge_points
from wildtext.types import Floats
from wildtext.weights.bundle import Bundle

LETTERS = Charset("letters", ("a", "b"))
NOISE = np.random.default_rng(5).integers(0, 256, (32, 100, 3), np.uint8)


class Shows:
    """A stand-in for a network that gives the same logits and maps, without the axis of images, for all images."""

    name = "fake"

    def __init__(self, logits: dict[str, Floats], maps: dict[str, Floats] | None = None):
        self.logits, self.maps = logits, maps or {}

    def run(self, images: Floats, valid_width: Floats) -> Raw:
        count = len(images)
        logits, maps = (
            {name: np.stack([values] * count) for name, values in named.items()} for named in (self.logits, self.maps)
        )
        return Raw(logits, maps)


def shows(
    codec: Codec, logits: Floats, maps: dict[str, Floats] | None = None, canvas: Canvas | None = None
) -> Recognizer:
    preprocessing = Preprocessing(canvas or Fixed(8, 32))
    bundle = Bundle("fake", {}, codec.charset, {"text": codec}, "text", preprocessing)
    return Recognizer(bundle, Shows({"text": logits}, maps))


def certain(codec: Codec, text: str, classes: int, slots: int) -> Floats:
    """Logits (slots, classes) of a head that is sure of a text."""
    ids = codec.encode([text])[0][0]
    first = codec.begin is not None if isinstance(codec, Sequence) else isinstance(codec, Subword)
    logits = np.zeros((slots, classes), np.float32)
    skip = getattr(codec, "skip", 0)
    for slot, index in enumerate(ids[int(first) :]):
        logits[skip + slot, index] = 20
    return logits


def untrained(name: str, charset: str = "36") -> Recognizer:
    torch.manual_seed(3)
    model = build(name, Charset.named(charset), SMALL[name])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return Recognizer(Bundle.of(name, model, MODELS[name].preprocessing), TorchRuntime(model))


def looking_at(*columns: int, width: int = 8) -> Floats:
    attention = np.zeros((len(columns), 1, width), np.float32)
    attention[np.arange(len(columns)), 0, columns] = 1
    return attention


DTRB = Sequence.dtrb(LETTERS, 3)
AB = certain(DTRB, "ab", 4, 4)


def rectifying(scale: tuple[float, float], shift: tuple[float, float] = (0, 0)) -> Recognizer:
    """A network whose spline looks at the image itself, or at a part: x and y scaled about the middle, then shifted."""
    model = build("rare", Charset.named("36"), SMALL["rare"]).eval()
    # Pixel centres count from -1 to 1 in the image, and from edge to edge in what comes out.
    points = edge_points(20).float() * torch.tensor([100 / 99, 32 / 31]) * torch.tensor(scale) + torch.tensor(shift)
    with torch.no_grad():
        model.get_parameter("rectifier.points.2.bias").copy_(points.flatten())
    return Recognizer(Bundle.of("rare", model, MODELS["rare"].preprocessing), TorchRuntime(model))
