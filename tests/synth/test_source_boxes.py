"""Boxes of the synthetic source hold their characters in the final picture, whichever way up it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.synth.chances import PLAIN
from wildtext.images.effects import Drawn
from wildtext.synth import SyntheticWords
from wildtext.synth import source as engine
from wildtext.synth.appearance import draw_look
from wildtext.synth.typeface import Glyph, Typeface
from wildtext.types import Floats, Sample

Printer = Callable[[SyntheticWords, str, int, str], Sample]


def black_on_white(options: Any, known: Any, random: Any) -> Drawn:
    look = draw_look(PLAIN.appearance, known, random)
    look["paint"].update(amount=0.0, colour=[255.0] * 3, ink=[0.0] * 3, gradient=[0.0] * 3, opacity=1.0)
    return look


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Printer:
    """Prints a text of which one character is inked, black on white."""
    whole = Typeface.glyph
    monkeypatch.setattr(engine, "draw_look", black_on_white)

    def make(source: SyntheticWords, text: str, index: int, only: str) -> Sample:
        def glyph(self: Typeface, character: str) -> Glyph:
            full = whole(self, character)
            return full if character == only else replace(full, ink=np.zeros_like(full.ink))

        monkeypatch.setattr(Typeface, "glyph", glyph)
        return source.render(text, index)

    return make


def inside(image: NDArray[np.uint8], quad: Floats, reach: float) -> NDArray[np.bool_]:
    """Which pixels lie in a quadrilateral, or at most `reach` pixels outside."""
    rows, columns = image.shape[:2]
    centres = np.stack(np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5), axis=-1)
    along = np.roll(quad, -1, axis=0) - quad
    along = along / np.hypot(along[:, 0], along[:, 1])[:, None]
    normal = np.stack([along[:, 1], -along[:, 0]], axis=-1)
    return np.asarray(((centres[:, :, None] - quad) * normal).sum(-1).max(-1) <= reach)


SCENES: dict[str, dict[str, Any]] = {
    "straight": {},
    "curved": {"arc": 1, "wave": 1, "oblique": 1},
    "stacked": {"stacked": 1},
    "turned": {"turned": 1, "oblique": 1},
}
CAMERAS: dict[str, dict[str, Any]] = {
    "whole": {},
    "small": {"low_resolution": 1},
    "enlarged": {"low_resolution": 1, "enlarging": 1},
}


def taken(sample: Sample) -> float:
    """Rows of the scene as the camera saw it."""
    return float(sample.parameters["capture"]["camera"]["rows"])


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("scene", SCENES)
def test_boxes_hold_their_characters_in_the_picture(scene: str, camera: str, printed: Printer) -> None:
    options = replace(
        PLAIN,
        layout=replace(PLAIN.layout, **SCENES[scene]),
        capture=replace(PLAIN.capture, **CAMERAS[camera]),
    )
    source, text = SyntheticWords(2, options), "Road 7"
    checked = 0
    for index in range(8):
        for place in (0, 2, 3, 5):
            sample = printed(source, text, index, text[place])
            assert sample.boxes is not None
            assert sample.word is not None
            ink = 255.0 - sample.image.mean(axis=-1)
            # The camera smears a pixel or two, which enlarging makes larger.
            reach = 2 * sample.image.shape[0 if scene in {"straight", "curved"} else 1] / taken(sample)
            assert ink[~inside(sample.image, sample.boxes[place], reach)].max(initial=0) < 26
            assert ink[~inside(sample.image, sample.word, reach)].max(initial=0) < 26
            within = ink[inside(sample.image, sample.boxes[place], 0)]
            assert within.max() > 60
            checked += 1
    assert checked == 32


@pytest.mark.parametrize("scene", ["stacked", "turned"])
def test_words_that_run_down_or_up_stand_in_tall_pictures(scene: str, printed: Printer) -> None:
    source = SyntheticWords(2, replace(PLAIN, layout=replace(PLAIN.layout, **{scene: 1})))
    ways, leans = set(), []
    for index in range(20):
        sample = printed(source, "MOTEL", index, "L")
        assert sample.boxes is not None
        assert sample.word is not None
        assert sample.image.shape[0] > sample.image.shape[1]
        reading = sample.word[1] - sample.word[0]
        centres = sample.boxes.mean(axis=1)
        step = centres[-1] - centres[0]
        assert abs(step[1]) > 2 * abs(step[0])
        assert step @ reading > 0
        ways.add(int(np.sign(step[1])))
        # Letters that are stacked stand; letters of a turned line lie.
        top = sample.boxes[4, 1] - sample.boxes[4, 0]
        assert (abs(top[0]) > abs(top[1])) == (scene == "stacked")
        rows, columns = np.nonzero(sample.image.mean(axis=-1) < 128)
        across, down = np.linalg.solve(
            np.stack([top, sample.boxes[4, 3] - sample.boxes[4, 0]], axis=-1),
            np.array([columns.mean() + 0.5, rows.mean() + 0.5]) - sample.boxes[4, 0],
        )
        leans.append((across, down))
    across, down = np.mean(leans, axis=0)
    assert across < 0.45
    assert down > 0.55
    assert ways == ({1} if scene == "stacked" else {1, -1})
