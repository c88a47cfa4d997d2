"""The peers' side of `synth.py`, run by it in an environment of their own: SynthTIGER and TRDG on a given job.

Both draw one word, in one of three case styles, at about the height of our images and with every kind of effect that
they have for it. Each line on standard input is a number of images; the answer is one line of JSON with what they took.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# These packages are in the peers' environment alone.

import json
import os
import random
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import synthtiger
from fontTools.ttLib import TTFont
from synthtiger import components, layers

PHOTOGRAPHS = {".jpg", ".jpeg", ".png", ".bmp"}


class Words:
    """A template for SynthTIGER: words on a ground, both flat or with a piece of a photograph."""

    def __init__(self, config: dict[str, Any]):
        self.corpus = components.BaseCorpus([config["words"]], [1], textcase=["lower", "upper", "capitalize"])
        self.font = components.BaseFont([config["fonts"]], [1], size=(24, 40), bold=0.5)
        self.colour = components.RGB()
        photograph = components.BaseTexture([config["backgrounds"]], [1], alpha=(0, 1), crop=1)
        self.texture = components.Switch(photograph, prob=0.5 if config["photographs"] else 0)
        rough = components.ElasticDistortion(alpha=(15, 30), sigma=(4, 12))
        fine = components.ElasticDistortion(alpha=(0, 2), sigma=(0, 0.6))
        self.glyphs = components.Selector([rough, fine])
        straight = components.FlowLayout(space=(-2, 5))
        arc = components.CurveLayout(curve=(20, 40), space=(-2, 5))
        self.layout = components.Selector([straight, arc], weights=[4, 1])
        border = components.TextBorder(size=(1, 6))
        shadow = components.TextShadow(distance=(1, 4), alpha=(0.3, 0.7))
        extrusion = components.TextExtrusion(length=(1, 6))
        self.style = components.Switch(components.Selector([border, shadow, extrusion], weights=[1, 2, 2]), prob=0.25)
        narrowed = components.Trapezoidate(weights=(1, 1, 1, 1), percent=(0.6, 1))
        sheared = components.Skew(weights=(1, 1), angle=(0, 20), ccw=0.5)
        self.view = components.Selector([narrowed, sheared, components.Rotate(angle=(0, 10), ccw=0.5)])
        self.margin = components.Pad(pxs=[[0, 6]] * 4)
        noise = components.AdditiveGaussianNoise(scale=(4, 8), per_channel=0)
        blur = components.Switch(components.GaussianBlur(sigma=(0, 2)), prob=0.9)
        few_pixels = components.Switch(components.Resample(size=(0.4, 0.4)), prob=0.1)
        self.camera = components.Iterator([noise, blur, few_pixels])

    def generate(self) -> dict[str, Any]:
        """An image with its label and a box for each letter."""
        text = self.corpus.data(self.corpus.sample())
        font = self.font.sample({"text": text})
        letters = [layers.TextLayer(letter, **font) for letter in text]
        self.glyphs.apply(letters)
        self.layout.apply(letters)
        word = layers.Group(letters).merge()
        ink, paint = self._colours()
        self.colour.apply([word], ink)
        self.texture.apply([word])
        self.style.apply([word])
        view = self.view.sample()
        self.view.apply([word], view)
        self.view.apply(letters, view)
        components.Fit().apply([word])
        self.margin.apply([word])
        ground = layers.RectLayer(word.size)
        ground.topleft = word.topleft
        self.colour.apply([ground], paint)
        self.texture.apply([ground])
        picture = (word + ground).merge()
        self.camera.apply([picture])
        image = picture.output()[..., :3].astype(np.uint8)
        return {"image": image, "label": text, "boxes": [letter.quad - word.topleft for letter in letters]}

    def _colours(self) -> tuple[dict[str, Any], dict[str, Any]]:
        while True:
            ink, paint = self.colour.sample(), self.colour.sample()
            if abs(sum(ink["rgb"]) - sum(paint["rgb"])) > 120:
                return ink, paint


def tiger(fonts: Path, backgrounds: Path, words: Path, checkout: Path) -> Iterator[Any]:
    """Images of SynthTIGER's generator with the template above, None for each that it gives up."""
    photographs = any(backgrounds.iterdir())
    config = {"fonts": str(fonts), "words": str(words), "backgrounds": str(backgrounds), "photographs": photographs}
    for _, data in synthtiger.generator(__file__, "Words", config, worker=0, seed=1, retry=False):
        yield data and data["image"]


def tiger_example(fonts: Path, backgrounds: Path, words: Path, checkout: Path) -> Iterator[Any]:
    """Images of the template and the settings in SynthTIGER's repository, with the given fonts, words and photographs.

    It also puts pieces of other words behind a word and throws away what its check of legibility refuses.
    """
    example = checkout / "examples" / "synthtiger"
    config = synthtiger.read_config(example / "config_horizontal.yaml")
    config["corpus"]["args"][0].update(paths=[str(words)], weights=[1])
    config["font"]["paths"] = [str(fonts)]
    config["texture"]["args"]["paths"] = [str(backgrounds)]
    config["texture"]["prob"] *= any(backgrounds.iterdir())
    for colours in (config["colormap2"], config["colormap3"]):
        colours["paths"] = [str(checkout / path) for path in colours["paths"]]
    for _, data in synthtiger.generator(example / "template.py", "SynthTiger", config, worker=0, seed=1, retry=False):
        yield data and data["image"]


def trdg(fonts: Path, backgrounds: Path, words: Path, checkout: Path) -> Iterator[Any]:
    """Images of TRDG's generators of strings, one for each pair of ground and distortion, in turn."""
    from trdg.generators import GeneratorFromStrings  # prints when it is imported

    chooser = random.Random(1)
    vocabulary = words.read_text(encoding="utf-8").split()
    typefaces = sorted(map(str, fonts.glob("*.ttf")))
    styles: list[Callable[[str], str]] = [str.lower, str.upper, str.title]
    grounds = [0, 1, 3, 3] if any(backgrounds.iterdir()) else [0, 1]
    # TRDG distorts only on demand; half of the words stay straight, as in SynthTIGER's layouts.
    turns = [(ground, distortion) for distortion in (0, 1, 0, 2, 0, 3) for ground in grounds]
    generators = [
        GeneratorFromStrings(
            [chooser.choice(styles)(word) for word in chooser.sample(vocabulary, 5000)],
            fonts=chooser.sample(typefaces, len(typefaces)),
            size=48,
            skewing_angle=5,
            random_skew=True,
            blur=2,
            random_blur=True,
            background_type=ground,
            distorsion_type=distortion,
            distorsion_orientation=chooser.randrange(3),
            text_color="#000000,#ffffff",
            stroke_width=chooser.randrange(2),
            stroke_fill="#000000,#ffffff",
            image_dir=str(backgrounds),
        )
        for ground, distortion in turns
    ]
    for generator in cycle(generators):
        image, _ = next(generator)
        yield None if image is None else np.asarray(image)


ENGINES = {"synthtiger": tiger, "synthtiger-example": tiger_example, "trdg": trdg}


def convert_fonts(source: Path, target: Path) -> None:
    """TrueType files of all fonts, each with the list of its characters that SynthTIGER asks for."""
    for path in sorted(path for path in source.rglob("*") if path.suffix in {".woff", ".woff2", ".ttf", ".otf"}):
        font = TTFont(path)
        font.flavor = None
        font.save(target / f"{path.stem}.ttf")
        characters = sorted(chr(code) for code in font.getBestCmap())
        (target / f"{path.stem}.txt").write_text("".join(characters), encoding="utf-8")


def work(images: Iterator[Any], count: int) -> dict[str, float]:
    """Draw `count` images; those that the engine gives up cost time but do not count."""
    began = resource.getrusage(resource.RUSAGE_SELF)
    drawn = failed = pixels = 0
    while drawn < count:
        image = next(images)
        if image is None:
            failed += 1
            if failed > count:
                raise RuntimeError(f"{failed} of {failed + drawn} images failed")
        else:
            drawn += 1
            pixels += image.shape[0] * image.shape[1]
    ended = resource.getrusage(resource.RUSAGE_SELF)
    seconds = ended.ru_utime - began.ru_utime + ended.ru_stime - began.ru_stime
    return {"images": count, "seconds": seconds, "pixels": pixels / count}


def main(engine: str, fonts: str, words: str, backgrounds: str, checkout: str) -> None:
    """Answer jobs for one engine; `backgrounds` may be empty, and `checkout` where the engine needs none."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(open(os.devnull, "w")):  # of TRDG's notes
        own_fonts, photographs = Path(folder, "fonts"), Path(folder, "photographs")
        own_fonts.mkdir()
        photographs.mkdir()
        convert_fonts(Path(fonts), own_fonts)
        # TRDG takes every file of the folder for a photograph.
        files = Path(backgrounds).rglob("*") if backgrounds else []
        for number, path in enumerate(path for path in files if path.suffix.lower() in PHOTOGRAPHS):
            (photographs / f"{number}{path.suffix.lower()}").symlink_to(path.absolute())
        images = ENGINES[engine](own_fonts, photographs, Path(words), Path(checkout))
        print(json.dumps({"version": version(engine.split("-")[0])}), file=sys.__stdout__, flush=True)
        for line in sys.stdin:
            print(json.dumps(work(images, int(line))), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
