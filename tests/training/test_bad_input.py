"""What cannot work is refused before the first step, with a message that says what to change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from tests.training.commands import write_words
from wildtext.cli import OK, UNUSABLE, main
from wildtext.weights.catalogue import SHIPPED

Refused = Callable[..., str]

RECIPE = """
name = "run"
[model]
name = "wildnet"
charset = "{charset}"
sizes = {{ channels = [8, 8, 16, 16], layers = 1, heads = 2 }}
[data]
train = ["{source}"]
workers = 0
{data}
[loop]
steps = 2
batch_size = 4
device = "cpu"
threads = 1
"""


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return write_words(tmp_path / "words", 8)


def write_recipe(folder: Path, source: Path, *, charset: str = "36", data: str = "") -> Path:
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(source=source, charset=charset, data=data), encoding="utf-8")
    return path


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """The only line that a training leaves, on the console and anywhere, when it is refused."""

    def refused(*arguments: object) -> str:
        out = tmp_path / "runs"
        assert main(["train", *map(str, arguments), "--out", str(out)]) == UNUSABLE
        assert not out.exists()
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return refused


def relabel(folder: Path, change: Callable[[str], str]) -> None:
    path = folder / "labels.tsv"
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(f"{name}\t{change(text)}\n" for name, text in lines), encoding="utf-8")


def test_a_source_without_samples(words: Path, tmp_path: Path, refused: Refused) -> None:
    (words / "labels.tsv").write_text("", encoding="utf-8")
    assert f"data.train: {words} has no samples" in refused(write_recipe(tmp_path, words))
    assert "--data has 0 samples, but fine-tuning needs at least two" in refused("--data", words)


def test_a_source_of_one_sample(words: Path, refused: Refused) -> None:
    lines = (words / "labels.tsv").read_text(encoding="utf-8").splitlines()
    (words / "labels.tsv").write_text(lines[0], encoding="utf-8")
    assert "--data has 1 sample, but fine-tuning needs at least two" in refused("--data", words)


def test_labels_in_another_encoding(words: Path, tmp_path: Path, refused: Refused) -> None:
    relabel(words, lambda text: f"{text}é")
    text = (words / "labels.tsv").read_text(encoding="utf-8")
    (words / "labels.tsv").write_bytes(text.encode("latin-1"))
    for arguments in ([write_recipe(tmp_path, words)], ["--data", words]):
        message = refused(*arguments)
        assert f"{words / 'labels.tsv'}:1: byte 0xe9" in message
        assert "iconv" in message


def test_an_lmdb_without_a_count(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "words.lmdb"
    path.mkdir()
    with lmdb.open(str(path), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"label-000000001", b"word")
    for arguments in ([write_recipe(tmp_path, path)], ["--data", path]):
        message = refused(*arguments)
        assert f"{path} has no key num-samples" in message
        assert "wildtext data pack" in message


def test_labels_of_an_lmdb_in_another_encoding(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "words.lmdb"
    path.mkdir()
    with lmdb.open(str(path), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"num-samples", b"3")
        for number in range(1, 4):
            transaction.put(f"label-{number:09d}".encode(), "é".encode("latin-1"))
    message = refused(write_recipe(tmp_path, path))
    assert f"of 3 samples of {path} only 0 can be used" in message
    assert "image-000000001: the label is not UTF-8" in message


def test_images_that_are_missing(words: Path, tmp_path: Path, refused: Refused) -> None:
    gone = sorted(words.glob("*.png"))[0]
    gone.unlink()
    for arguments in ([write_recipe(tmp_path, words)], ["--data", words]):
        message = refused(*arguments)
        assert f"1 of 8 images that {words} names are not there, e.g. {gone}" in message
        assert f"Mend the paths, or write those that are there into an LMDB: wildtext data pack {words}" in message


def test_a_single_broken_image_is_told_of_once_and_skipped(
    words: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = sorted(words.glob("*.png"))[0]
    broken.write_bytes(b"no image")
    recipe = write_recipe(tmp_path, words)
    with caplog.at_level("INFO"):
        assert main(["train", str(recipe), "--out", str(tmp_path), "--loop.steps", "6"]) == OK
    assert f"1 of 8 images of {words} that were looked at are broken, e.g. {broken}" in caplog.text
    assert caplog.text.count(f"skipped {broken}: not an image") == 1
    lines = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(json.loads(line).get("skipped_samples", 0) for line in lines) == 3  # 24 samples are three epochs


def test_images_that_are_none(words: Path, tmp_path: Path, refused: Refused) -> None:
    for path in words.glob("*.png"):
        path.write_text("<html>404</html>", encoding="utf-8")
    assert f"8 of 8 images of {words}" in refused(write_recipe(tmp_path, words))


def test_a_misspelt_key(words: Path, tmp_path: Path, refused: Refused) -> None:
    recipe = write_recipe(tmp_path, words, data="augmant = 'photo'")
    message = refused(recipe)
    assert str(recipe) in message
    assert "unknown key 'augmant'" in message
    assert "'augment'" in message


def test_an_unknown_augmentation(words: Path, tmp_path: Path, refused: Refused) -> None:
    message = refused(write_recipe(tmp_path, words, data="augment = 'foto'"))
    assert "data.augment is 'foto'" in message
    assert "'photo'" in message


def test_a_charset_that_covers_half_of_the_labels(words: Path, tmp_path: Path, refused: Refused) -> None:
    numbers = iter(range(8))
    relabel(words, lambda text: text if next(numbers) % 2 else f"漢{text}")
    message = refused(write_recipe(tmp_path, words))
    assert f"of 8 samples of {words} only 4 can be used" in message
    assert "漢" in message
    assert "model.charset" in message
    assert "data.coverage, which is 0.75" in message


def test_half_of_the_labels_can_be_enough_if_one_says_so(words: Path, tmp_path: Path) -> None:
    numbers = iter(range(8))
    relabel(words, lambda text: text if next(numbers) % 2 else f"漢{text}")
    recipe = write_recipe(tmp_path, words, data="coverage = 0.5")
    assert main(["train", str(recipe), "--out", str(tmp_path)]) == OK
    assert (tmp_path / "run" / "best.safetensors").is_file()


@pytest.mark.parametrize("content", [b"", b"no bundle at all", bytes(100)])
def test_weights_that_are_no_bundle(content: bytes, words: Path, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    assert f"{path} is not a safetensors file" in refused("--data", words, "--init", path)
    recipe = write_recipe(tmp_path, words)
    assert f"{path} is not a safetensors file" in refused(recipe, "--model.init", path)


def test_weights_that_are_a_checkpoint(words: Path, tmp_path: Path, refused: Refused) -> None:
    recipe = write_recipe(tmp_path, words)
    assert main(["train", str(recipe), "--out", str(tmp_path / "first")]) == OK
    state = tmp_path / "first" / "run" / "state.safetensors"
    message = refused("--data", words, "--init", state)
    assert f"{state} is a safetensors file, but not a bundle of wildtext" in message


def test_a_recipe_and_images_to_fine_tune_on(words: Path, tmp_path: Path, refused: Refused) -> None:
    message = refused(write_recipe(tmp_path, words), "--data", words)
    assert "--data and --init go without a recipe" in message
    assert "--data.train" in message


def test_neither_a_recipe_nor_images(refused: Refused) -> None:
    message = refused()
    assert "wildtext train default" in message
    assert "--data" in message


def test_a_folder_of_images_where_a_recipe_should_be(words: Path, refused: Refused) -> None:
    message = refused(words)
    assert f"there is no recipe '{words}'" in message
    assert f"give --data {words}" in message


def test_the_word_for_the_synthetic_source_is_no_folder(
    words: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words.rename("synth")
    assert "./synth" in refused("--data", "synth")


def test_validation_images_that_are_missing(words: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "gone.tsv").write_text("nowhere.png\tword\n", encoding="utf-8")
    message = refused(write_recipe(tmp_path, words), "--data.validation", tmp_path / "gone.tsv")
    assert f"data.validation: 1 of 1 images that {tmp_path / 'gone.tsv'} names are not there" in message


def test_data_that_is_named_twice(words: Path, refused: Refused) -> None:
    assert "--data is given 2 times" in refused("--data", words, "--data", words)


def test_data_that_is_an_image(words: Path, refused: Refused) -> None:
    assert "is an image; name the folder" in refused("--data", next(words.glob("*.png")))


def test_weights_that_are_made_for_reading(words: Path, refused: Refused) -> None:
    message = refused("--data", words, "--init", SHIPPED / "default.onnx")
    assert "made for reading; " in message
    assert ".safetensors" in message
