"""Fine-tuning on a user's own images needs one command, and leaves nothing worse than it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.commands import write_words
from tests.training.test_training import SMALL
from wildtext.charset import Charset
from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.config import Recipe
from wildtext.data import open_source
from wildtext.evaluation.evaluator import Result, evaluate
from wildtext.evaluation.metrics import comparable
from wildtext.inference.loading import load
from wildtext.models import MODELS, build
from wildtext.training.finetune import fine_tuning
from wildtext.weights.bundle import Bundle, load_model, save_model

Captured = pytest.CaptureFixture[str]

QUICK = (
    *("--data.workers", "0", "--loop.device", "cpu", "--loop.threads", "1", "--loop.precision", "fp32"),
    *("--loop.steps", "4", "--loop.batch-size", "4", "--loop.save-every", "2", "--loop.log-every", "2"),
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that have learnt nothing yet."""
    return write_bundle(tmp_path_factory.mktemp("weights") / "start.safetensors", "36")


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return write_words(tmp_path / "words", 12)


def write_bundle(path: Path, charset: str) -> Path:
    torch.manual_seed(1)
    model = build("wildnet", Charset.named(charset), {**SMALL, "channels": [16, 16, 32, 64]})
    save_model(path, model, Bundle.of("wildnet", model, MODELS["wildnet"].preprocessing), exact=True)
    return path


def fine_tune(bundle: Path, *data: Path, out: Path, options: tuple[str, ...] = ()) -> int:
    return main(["train", "--init", str(bundle), "--data", *map(str, data), "--out", str(out), *QUICK, *options])


def relabel(folder: Path, change: Callable[[str], str]) -> list[str]:
    """Change the labels of a folder; gives the new ones."""
    path = folder / "labels.tsv"
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    labels = [change(text) for _, text in lines]
    path.write_text("".join(f"{line[0]}\t{text}\n" for line, text in zip(lines, labels, strict=True)), encoding="utf-8")
    return labels


def in_other_characters(text: str) -> str:
    return text.translate({ord(old): new for old, new in zip("PSi", "é€漢", strict=True)})


def records(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def made_for(count: int, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The recipe for a source that says that it has so many samples."""

    class Large:
        name, size = "photos", count

    monkeypatch.setattr("wildtext.training.finetune.open_source", lambda name: Large())
    return fine_tuning(str(bundle), ["photos"])


def test_few_samples_are_measured_with_enough_and_gone_through_often(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = made_for(50, bundle, monkeypatch)
    assert round(50 * recipe.data.hold_out) == 20
    assert recipe.loop.batch_size == 8
    assert 300 <= recipe.loop.steps <= 1000


def test_thousands_of_samples_are_gone_through_in_epochs(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = made_for(5000, bundle, monkeypatch)
    assert recipe.data.hold_out == pytest.approx(0.1)
    epochs = recipe.loop.steps * recipe.loop.batch_size / 4500
    assert 10 <= epochs <= 50
    assert recipe.loop.batch_size >= 64


def test_millions_of_samples_end_within_reason(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = made_for(5_000_000, bundle, monkeypatch)
    assert recipe.loop.batch_size == 128
    assert recipe.loop.steps == 20_000


@pytest.mark.parametrize("count", [2, 3, 50, 5000, 5_000_000])
def test_every_recipe_warms_up_measures_and_stops_early(
    count: int, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = made_for(count, bundle, monkeypatch)
    assert 1 <= round(recipe.data.hold_out * count) < count
    assert recipe.optimiser.warmup < recipe.loop.steps / 10
    assert recipe.loop.evaluate_every * (recipe.loop.patience + 1) < recipe.loop.steps
    assert recipe.loop.evaluate_every % recipe.loop.save_every == 0


@pytest.mark.parametrize(
    ("given", "name"), [("signs", "signs"), ("signs/labels.tsv", "signs"), (".", "here"), ("signs/../signs/", "signs")]
)
def test_the_run_is_named_after_the_data(
    given: str, name: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = write_words(tmp_path / "here", 2)
    shutil.copytree(here, here / "signs")
    monkeypatch.chdir(here)
    assert fine_tuning(str(bundle), [given]).name == name


def test_labels_count_as_the_weights_can_write_them(bundle: Path, tmp_path: Path, words: Path) -> None:
    for charset, label, reading in (("94", "No.7", "no.7"), ("36", "No7", "no7")):
        weights = write_bundle(tmp_path / f"{charset}.safetensors", charset)
        shared = comparable(fine_tuning(str(weights), [str(words)]).data.protocol, Charset.named(charset))
        assert (shared(label) == shared(reading)) is (charset == "36")
    assert shared("漢") == "漢", "what is new to the weights counts"


def test_one_command_fine_tunes_and_leaves_the_best(
    bundle: Path, words: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert fine_tune(bundle, words, out=tmp_path) == OK
    run = tmp_path / "words"
    best = Path(capsys.readouterr().out.strip())
    assert best == run / "best.safetensors"
    assert (run / "report.html").is_file()
    log = records(run)
    assert log[0]["step"] == 0
    assert log[0]["accuracy"].keys() == {"words"}
    assert log[-1]["step"] == 4
    assert max(record["score"] for record in log if "score" in record) >= log[0]["score"]
    assert load_model(best)[1].accuracy["words"] == pytest.approx(
        max(r["score"] for r in log if "score" in r), abs=0.01
    )


def with_correct(result: Result, count: int) -> Result:
    """The result with so many images read right."""
    judged = (
        replace(one, text=one.truth if number < count else f"{one.truth}?") for number, one in enumerate(result.judged)
    )
    return replace(result, judged=tuple(judged))


def test_the_best_bundle_is_never_worse_than_the_start(
    bundle: Path, words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Any] = []

    def measured(recognizer: Any, source: Any, **options: Any) -> Any:
        held.append(source)
        result = evaluate(recognizer, source, **options)
        return with_correct(result, len(result.judged) - len(held))  # each measurement is worse than the one before

    monkeypatch.setattr("wildtext.training.measuring.evaluate", measured)
    options = ("--loop.evaluate-every", "1", "--optimiser.learning-rate", "0.1", "--loop.patience", "0")
    assert fine_tune(bundle, words, out=tmp_path, options=options) == OK
    assert len(held) == 5
    before, after = (load_model(path)[0].state_dict() for path in (bundle, tmp_path / "words" / "best.safetensors"))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=1e-3, atol=1e-4, msg=name)  # float16 in the bundle


def test_training_stops_where_nothing_gets_better(
    bundle: Path, words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*given: Any, **options: Any) -> Any:
        return with_correct(evaluate(*given, **options), 3)

    monkeypatch.setattr("wildtext.training.measuring.evaluate", measured)
    options = ("--loop.evaluate-every", "2", "--loop.patience", "2", "--loop.steps", "50")
    assert fine_tune(bundle, words, out=tmp_path, options=options) == OK
    assert records(tmp_path / "words")[-1] | {"seconds": 0} == {
        "step": 4,
        "images": 16,
        "seconds": 0,
        "stopped": "patience",
    }


def test_new_characters_are_learnt(tmp_path: Path, capsys: Captured) -> None:
    words = write_words(tmp_path / "words", 6)
    labels = relabel(words, in_other_characters)
    assert set("é€漢") <= set("".join(labels))
    start = write_bundle(tmp_path / "start.safetensors", "94")
    options = {
        "--data.augment": "none",
        "--data.hold-out": "0",
        "--data.validation": str(words),
        "--loop.steps": "120",
        "--loop.batch-size": "6",
        "--loop.evaluate-every": "120",
        "--loop.save-every": "120",
        "--optimiser.learning-rate": "3e-3",
        "--optimiser.warmup": "20",
        "--optimiser.ema": "0.9",
    }
    given = tuple(word for option in options.items() for word in option)
    assert fine_tune(start, words, out=tmp_path, options=given) == OK
    best = load(capsys.readouterr().out.strip())
    assert set("é€漢") <= set(best.bundle.charset.characters)
    assert evaluate(best, open_source(words), protocol="all").metrics.accuracy >= 90
    accuracies = [record["score"] for record in records(tmp_path / "words") if "score" in record]
    assert accuracies[0] < 10, "characters that nobody could have read count as wrong"
    assert accuracies[-1] >= 90


def test_known_characters_are_read_as_before(tmp_path: Path, words: Path, caplog: pytest.LogCaptureFixture) -> None:
    relabel(words, in_other_characters)
    start = write_bundle(tmp_path / "start.safetensors", "94")
    with caplog.at_level("INFO"):
        assert fine_tune(start, words, out=tmp_path, options=("--optimiser.learning-rate", "1e-9")) == OK
    assert "new to the weights: é€漢" in caplog.text
    old, new = (load_model(path)[0].eval() for path in (start, tmp_path / "words" / "best.safetensors"))
    images = torch.randn(2, 3, 32, 128)
    with torch.inference_mode():
        before, after = (model(images).logits["text"] for model in (old, new))
    assert after.shape[2] == before.shape[2] + 3
    torch.testing.assert_close(after[..., : before.shape[2]], before, rtol=1e-2, atol=1e-2)


def test_broken_images_and_odd_labels_are_told_of_and_left_out(
    bundle: Path, words: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = sorted(words.glob("*.png"))[0]
    broken.write_bytes(b"no image")
    with (words / "labels.tsv").open("a", encoding="utf-8") as file:
        file.write("1.png\t\n")  # nobody typed it
        file.write(f"2.png\t{'long' * 50}\n")
    with caplog.at_level("INFO"):
        assert fine_tune(bundle, words, out=tmp_path, options=("--loop.steps", "8")) in (OK, FAILED)
    assert "12 of 14 samples can be used" in caplog.text
    assert f"1 of 12 images of {words} that were looked at are broken, e.g. {broken}" in caplog.text
    plan = json.loads((tmp_path / "words" / "plan.json").read_text(encoding="utf-8"))
    assert sum(plan["samples"][0]["dropped"].values()) == 2
    assert records(tmp_path / "words")[-1]["stopped"] == "done"


def test_a_stopped_run_goes_on(bundle: Path, words: Path, tmp_path: Path) -> None:
    assert fine_tune(bundle, words, out=tmp_path, options=("--time-limit", "0s")) == OK
    assert records(tmp_path / "words")[-1]["stopped"] == "request"
    assert fine_tune(bundle, words, out=tmp_path) == UNUSABLE, "it needs --resume"
    assert fine_tune(bundle, words, out=tmp_path, options=("--resume",)) == OK
    log = records(tmp_path / "words")
    assert (log[-1]["step"], log[-1]["stopped"]) == (4, "done")
    assert [record["step"] for record in log if "accuracy" in record] == [0, 4], "the start is measured once"


def test_a_run_that_is_given_fewer_steps_than_it_has_done_is_done(
    bundle: Path, words: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert fine_tune(bundle, words, out=tmp_path) == OK
    with caplog.at_level("INFO"):
        assert fine_tune(bundle, words, out=tmp_path, options=("--resume", "--loop.steps", "2")) == OK
    assert records(tmp_path / "words")[-1]["stopped"] == "done"
    assert "which take about" not in caplog.text


def test_several_folders_are_trained_on_together(bundle: Path, words: Path, tmp_path: Path) -> None:
    more = write_words(tmp_path / "more", 6)
    assert fine_tune(bundle, words, more, out=tmp_path) == OK
    plan = json.loads((tmp_path / "words" / "plan.json").read_text(encoding="utf-8"))
    assert [samples["total"] for samples in plan["samples"]] == [12, 6]
    assert records(tmp_path / "words")[0]["accuracy"].keys() == {"words", "more"}


def test_folders_of_the_same_name_are_told_apart(bundle: Path, tmp_path: Path) -> None:
    one, other = (write_words(tmp_path / place / "words", 6) for place in ("street", "shop"))
    assert fine_tune(bundle, one, other, out=tmp_path) == OK
    assert records(tmp_path / "words")[0]["accuracy"].keys() == {"street/words", "shop/words"}


def test_values_of_the_recipe_can_be_changed(bundle: Path, words: Path, tmp_path: Path) -> None:
    options = ("--name", "mine", "--optimiser.rates", "trunk.*", "0.1", "--model.freeze", "trunk.stem.*")
    frozen = [name for name in load_model(bundle)[0].state_dict() if name.startswith("trunk.")]
    part = ".".join(frozen[0].split(".")[:2])
    changed = (*options[:-1], f"{part}.*")
    assert fine_tune(bundle, words, out=tmp_path, options=changed) == OK
    stored: Mapping[str, Any] = json.loads((tmp_path / "mine" / "recipe.json").read_text(encoding="utf-8"))
    assert stored["optimiser"]["rates"] == {"trunk.*": 0.1}
    assert stored["loop"]["steps"] == 4
    assert stored["data"]["augment"] == "photo"
