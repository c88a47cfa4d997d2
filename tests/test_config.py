"""Recipes are read strictly."""

from pathlib import Path

import pytest

from wildtext.config import SHIPPED, Recipe, find_recipe, parse_share, read_recipe
from wildtext.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_read_by_its_name(path: Path) -> None:
    assert find_recipe(path.stem).name == path.stem


def test_values_that_are_not_given_keep_their_defaults(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, '[loop]\nsteps = 7\n[data]\ntrain = ["a.lmdb=0.5", "synth"]\n'))
    assert recipe.loop.steps == 7
    assert recipe.data.train == ("a.lmdb=0.5", "synth")
    assert recipe.optimiser == Recipe().optimiser


def test_whole_numbers_serve_as_floats(tmp_path: Path) -> None:
    assert read_recipe(write(tmp_path, "[optimiser]\nclip = 2\n")).optimiser.clip == 2.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[loop]\nstep = 7\n", "unknown key 'step'; did you mean 'steps'"),
        ("[lop]\nsteps = 7\n", "did you mean 'loop'"),
        ("[loop]\nsteps = 'many'\n", "steps is 'many', but must be int"),
        ("[loop]\nsteps = true\n", "must be int"),
        ("[loop]\nsteps = 0\n", "loop.steps is 0"),
        ("[loop]\nprecision = 'fp8'\n", "must be one of 'bf16', 'fp16', 'fp32'"),
        ("loop = 3\n", "must be a table"),
        ("[data]\ntrain = 'synth'\n", "must be a list of str"),
        ("[data]\ntrain = []\n", "name at least one source"),
        ("[data]\ntrain = ['synth=-1']\n", "share above 0"),
        ("[optimiser]\nema = 1.0\n", "optimiser.ema is 1.0"),
        ("[optimiser]\nclip = 0\n", "optimiser.clip is 0.0, but must be above 0"),
        ("[optimiser]\nwarmup = -5\n", "optimiser.warmup is -5"),
        ("[data]\nworkers = -1\n", "data.workers is -1"),
        ("name = \n", "is not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        read_recipe(write(tmp_path, text))


def test_a_recipe_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"nosuch.*default"):
        find_recipe("nosuch")


def test_shares() -> None:
    assert parse_share("folder/with=sign.lmdb=2") == ("folder/with=sign.lmdb", 2.0)
