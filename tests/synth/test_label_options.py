"""Mistakes in what a recipe says about labels are named."""

from typing import Any

import pytest

from wildtext.config import LabelOptions, from_dict
from wildtext.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kinds": {"prices": 1.0}}, r"labels\.kinds has unknown 'prices'; did you mean 'price'"),
        ({"kinds": {"hieroglyphs": 1.0}}, "known are word, name"),
        ({"cases": {"uper": 1.0}}, r"labels\.cases has unknown 'uper'; did you mean 'upper'"),
        ({"kinds": {"word": -0.5}}, r"labels\.kinds\.word is -0\.5, but must be at least 0"),
        ({"kinds": {"word": float("nan")}}, r"labels\.kinds\.word is nan"),
        ({"kinds": {"word": 0.0}}, r"labels\.kinds has no share above 0"),
        ({"cases": {}}, r"labels\.cases has no share above 0"),
        ({"flatten": 1.5}, r"labels\.flatten is 1\.5"),
        ({"max_length": 0}, r"labels\.max_length is 0"),
        ({"max_length": 65}, r"labels\.max_length is 65"),
        ({"kinds": {"word": "often"}}, r"kinds\.word is 'often', but must be float"),
    ],
)
def test_mistakes_in_options_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_dict(LabelOptions, values, where="recipe")


def test_whole_numbers_serve_as_shares() -> None:
    options = from_dict(LabelOptions, {"kinds": {"word": 2, "price": 1}, "cases": {"upper": 1}}, where="recipe")
    assert options.kinds == {"word": 2.0, "price": 1.0}
    assert all(isinstance(share, float) for share in options.kinds.values())
