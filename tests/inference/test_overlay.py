"""Small pictures of where characters were read."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tests.inference.stand_ins import AB, DTRB, looking_at, shows
from wildtext.inference.overlay import places_overlay
from wildtext.inference.recognizer import Recognizer
from wildtext.types import Character, Floats, Prediction

GREY = np.full((32, 128, 3), 128, np.uint8)


def redness(picture: Image.Image | None) -> Floats:
    """How much redder than blue the columns of a picture are."""
    pixels = np.asarray(picture, np.float32)
    columns: Floats = (pixels[..., 0] - pixels[..., 2]).mean(axis=0)
    return columns


def test_attention_says_where_each_character_was_read() -> None:
    recognizer = shows(DTRB, AB, {"attention": looking_at(6, 1, 4, 3)})
    picture = places_overlay(recognizer, GREY, recognizer.read(GREY)[0])
    assert abs(int(redness(picture).argmax()) - 6.5 * 16) <= 8


def test_without_attention_spans_do(recognizer: Recognizer) -> None:
    characters = (Character("1", 0.9, 0.0, 0.25), Character("2", 0.9, 0.25, 1.0))
    picture = places_overlay(recognizer, GREY, Prediction("12", 0.8, characters))
    reddish = redness(picture) > 20
    assert reddish[:32].all()
    assert not reddish[32:].any()


def test_a_reading_that_the_attention_does_not_belong_to_is_shown_by_its_spans() -> None:
    recognizer = shows(DTRB, AB, {"attention": looking_at(6, 1, 4, 3)})
    other = Prediction("b", 0.8, (Character("b", 0.9, 0.0, 0.25),))
    assert redness(places_overlay(recognizer, GREY, other))[:32].min() > 20


def test_nothing_read_has_no_places(recognizer: Recognizer) -> None:
    assert places_overlay(recognizer, GREY, Prediction("", 0.8)) is None


def test_pictures_are_turned_and_small(recognizer: Recognizer) -> None:
    upright = np.full((900, 100, 3), 128, np.uint8)
    reading = Prediction("1", 0.8, (Character("1", 0.9, 0, 1),), rotation=90)
    picture = places_overlay(recognizer, upright, reading)
    assert picture is not None
    assert picture.size == (320, 36)
