"""Training runs learn, stop, resume and leave a usable bundle."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file

from wildtext.config import SHIPPED, DataOptions, LoopOptions, ModelOptions, OptimiserOptions, Recipe, read_recipe
from wildtext.data import open_source
from wildtext.errors import ConfigError, DataError, TrainingError
from wildtext.evaluation.evaluator import evaluate
from wildtext.inference.loading import load
from wildtext.training.files import LOCK, locked
from wildtext.training.loop import train
from wildtext.training.losses import Targets, total_loss
from wildtext.training.run import Run

SMALL: dict[str, Any] = {"channels": [8, 8, 16, 16], "layers": 1, "heads": 2}


def recipe(**changes: Any) -> Recipe:
    small = Recipe(
        name="small",
        model=ModelOptions("wildnet", "36", SMALL),
        data=DataOptions(workers=0),
        optimiser=OptimiserOptions(warmup=2),
        loop=LoopOptions(
            steps=6,
            batch_size=4,
            evaluate_every=100,
            save_every=100,
            log_every=2,
            precision="fp32",
            device="cpu",
            threads=1,
        ),
    )
    return replace(small, **changes)


def states(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "state.safetensors")


@pytest.fixture
def word_folder(tmp_path: Path) -> Path:
    """Twelve rendered words as labelled files."""
    from PIL import Image

    from wildtext.charset import Charset
    from wildtext.synth import SyntheticWords

    folder = tmp_path / "words"
    folder.mkdir()
    charset, source = Charset.named("36"), SyntheticWords(5)
    lines: list[str] = []
    for index in range(40):
        sample = source[index]
        if len(lines) < 12 and 2 <= len(sample.text) <= 8 and not charset.unknown(charset.normalize(sample.text)):
            Image.fromarray(sample.image).save(folder / f"{index}.png")
            lines.append(f"{index}.png\t{sample.text}\n")
    assert len(lines) == 12
    (folder / "labels.tsv").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("model", "sizes", "taught"),
    [
        ("wildnet", SMALL, True),
        ("crnn", {"channels": 64, "hidden": 32}, False),
    ],
)
def test_places_of_characters_teach_heads_that_are_aligned(
    model: str, sizes: dict[str, Any], taught: bool, word_folder: Path, tmp_path: Path
) -> None:
    losses = []
    for box in (None, [[3, 2], [9, 2], [9, 20], [3, 20]]):
        source = tmp_path / f"{box is None}.jsonl"
        with source.open("w", encoding="utf-8") as file:
            for line in (word_folder / "labels.tsv").read_text(encoding="utf-8").splitlines():
                image, text = line.split("\t")
                boxes = None if box is None else [box] * len(text)
                file.write(json.dumps({"path": str(word_folder / image), "text": text, "boxes": boxes}) + "\n")
        run = Run(
            recipe(
                model=ModelOptions(model, "36", sizes),
                data=DataOptions((str(source),), workers=0),
            ),
            tmp_path,
        )
        losses.append(run.stepper.loss(run.canvases(next(run.deliveries()))[0]).item())
    assert (losses[1] > losses[0]) is taught


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", [ModelOptions("wildnet", "36", SMALL), ModelOptions("any-size", "36")])
@pytest.mark.usefixtures("any_size")
def test_stopping_and_resuming_changes_nothing(
    tmp_path: Path, model: ModelOptions, precision: Literal["fp32", "bf16"]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = recipe(model=model, loop=replace(recipe().loop, precision=precision))
    train(options, whole)
    train(options, parts, seconds=0)
    for _ in range(5):
        train(options, parts, resume=True, seconds=0)
    wanted, got = states(whole), states(parts)
    assert wanted.keys() == got.keys()
    for name, value in wanted.items():
        assert torch.equal(value, got[name]), name


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 warns of threads
def test_worker_processes_do_not_change_the_data(tmp_path: Path) -> None:
    train(recipe(), tmp_path / "none")
    train(recipe(data=DataOptions(workers=2)), tmp_path / "two")
    none, two = states(tmp_path / "none"), states(tmp_path / "two")
    assert all(torch.equal(none[name], two[name]) for name in none)


@pytest.mark.parametrize("batch_size", [1, 24])
def test_a_step_is_the_mean_over_all_samples_whatever_the_sizes_of_their_canvases(
    batch_size: int, tmp_path: Path, any_size: str
) -> None:
    # With the normalisation frozen, a sample does not feel its neighbours, so it can be computed alone.
    options = recipe(
        model=ModelOptions(any_size, "36", freeze=("norm.*",)),
        optimiser=OptimiserOptions(warmup=2, clip=1e9),
        loop=replace(recipe().loop, batch_size=batch_size),
    )
    run = Run(options, tmp_path)
    run.start(resume=False)
    delivery = next(run.deliveries())
    alone = copy.deepcopy(run.state.model).train()
    alone.get_submodule("norm").eval()
    codec = alone.heads["text"].codec
    for part in delivery.parts:
        pixels = torch.from_numpy(run.preprocessing.normalize(part.batch.images, part.batch.valid_width))
        for image, text in zip(pixels, part.batch.texts, strict=True):
            targets = {"text": Targets.encode(codec, [text], run.device)}
            loss = total_loss(alone(image[None]), targets, alone, [None])
            (loss / len(delivery)).backward()  # type: ignore[no-untyped-call]
    run.step(delivery)
    assert (len({len(part) for part in delivery.parts}) > 1) == (batch_size > 1)
    assert run.state.images == len(delivery) <= batch_size
    gradients = {name: value.grad for name, value in alone.named_parameters() if value.grad is not None}
    assert len(gradients) > 10
    for name, value in run.state.model.named_parameters():
        if name in gradients:
            torch.testing.assert_close(value.grad, gradients[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.slow
def test_a_model_for_several_sizes_learns_by_heart_and_reads(tmp_path: Path, word_folder: Path, any_size: str) -> None:
    options = recipe(
        model=ModelOptions(any_size, "36", {"channels": 64}),
        data=DataOptions(train=(str(word_folder),), validation=(str(word_folder),), workers=0),
        optimiser=OptimiserOptions(learning_rate=3e-3, warmup=20, ema=0.9),
        loop=LoopOptions(steps=800, batch_size=12, evaluate_every=800, save_every=800, threads=1, device="cpu"),
    )
    best = train(options, tmp_path / "run")
    assert evaluate(load(str(best)), open_source(word_folder)).metrics.accuracy >= 90


def test_a_run_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    train(recipe(), tmp_path, seconds=0)
    with pytest.raises(TrainingError, match="--resume"):
        train(recipe(), tmp_path)


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(TrainingError, match="another process trains"):
        train(recipe(), tmp_path)
    assert train(recipe(), tmp_path).exists()
    assert not (tmp_path / LOCK).exists()


def test_a_run_can_be_repeated_from_what_it_wrote(tmp_path: Path) -> None:
    options = recipe(data=DataOptions(("synth=2",), workers=0), optimiser=OptimiserOptions(rates={"trunk.*": 0.5}))
    train(options, tmp_path, seconds=0)
    assert read_recipe(tmp_path / "recipe.json") == options


def test_resuming_what_was_never_begun_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="leave --resume out to begin"):
        train(recipe(), tmp_path / "nothing", resume=True)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": ModelOptions("wildnet", "62", SMALL)}, "model"),
        ({"seed": 9}, "seed = 1, not 9"),
        ({"loop": replace(recipe().loop, batch_size=8)}, r"loop.batch_size = 4, not 8"),
        ({"optimiser": OptimiserOptions(learning_rate=1.0, warmup=2)}, "optimiser"),
    ],
)
def test_resuming_with_another_recipe_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    train(recipe(), tmp_path, seconds=0)
    with pytest.raises(TrainingError, match=named):
        train(recipe(**changes), tmp_path, resume=True)


def test_resuming_on_other_data_is_refused(tmp_path: Path, word_folder: Path) -> None:
    options = recipe(data=DataOptions((str(word_folder),), workers=0))
    train(options, tmp_path / "run", seconds=0)
    with (word_folder / "labels.tsv").open("a", encoding="utf-8") as file:
        file.write(f"{next(word_folder.glob('*.png')).name}\tmore\n")
    with pytest.raises(TrainingError, match=r"\[12\] usable samples, which now have \[13\]"):
        train(options, tmp_path / "run", resume=True)


def test_more_steps_may_be_added_to_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(recipe(), tmp_path)
    with caplog.at_level("INFO"):
        train(recipe(loop=replace(recipe().loop, steps=8)), tmp_path, resume=True)
    assert "begun for 6 steps and will now go to 8" in caplog.text


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    train(recipe(), tmp_path, seconds=0)
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-50])
    with pytest.raises(TrainingError, match="cannot resume"):
        train(recipe(), tmp_path, resume=True)


def test_a_run_that_is_stopped_early_leaves_a_bundle(tmp_path: Path, word_folder: Path) -> None:
    best = train(recipe(data=DataOptions(workers=0, validation=(str(word_folder),))), tmp_path / "run", seconds=0)
    assert load(str(best)).bundle.training["steps"] == 1


def test_steps_that_are_done_again_are_logged_once(tmp_path: Path) -> None:
    options = recipe(loop=replace(recipe().loop, log_every=1))
    train(options, tmp_path, seconds=0)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": 2, "loss": 0.0}) + "\n")  # as after a crash between two saves
    train(options, tmp_path, resume=True)
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [step for step in dict.fromkeys(steps)] == sorted(set(steps)) == [1, 2, 3, 4, 5, 6]
    assert steps.count(2) == 1


def test_trained_weights_can_be_started_from(tmp_path: Path, word_folder: Path) -> None:
    first = train(recipe(name="first"), tmp_path / "first", seconds=0)
    again = recipe(model=ModelOptions("wildnet", init=str(first)), data=DataOptions((str(word_folder),), workers=0))
    best = train(again, tmp_path / "second", seconds=0)
    assert load(str(best)).bundle.charset == load(str(first)).bundle.charset
    with pytest.raises(ConfigError, match=r"is a wildnet; set model\.name"):
        train(recipe(model=ModelOptions("crnn", init=str(first))), tmp_path / "third")


def test_the_charset_can_be_taken_from_the_data(tmp_path: Path, word_folder: Path) -> None:
    options = recipe(model=ModelOptions("wildnet", "data", SMALL), data=DataOptions((str(word_folder),), workers=0))
    charset = load(str(train(options, tmp_path / "run", seconds=0))).bundle.charset
    labels = (line.split("\t")[1] for line in (word_folder / "labels.tsv").read_text().splitlines())
    assert set(charset.characters) == set("".join(labels))
    with pytest.raises(ConfigError, match="only the synthetic source"):
        train(recipe(model=ModelOptions("wildnet", "data", SMALL)), tmp_path / "other")


def test_bundles_tell_no_paths_of_the_machine(tmp_path: Path, word_folder: Path) -> None:
    options = recipe(data=DataOptions((str(word_folder),), validation=(str(word_folder),), workers=0))
    bundle = load(str(train(options, tmp_path / "run"))).bundle
    assert str(tmp_path) not in bundle.to_json()
    assert bundle.accuracy.keys() == {word_folder.name}


def test_a_failed_save_leaves_the_previous_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(recipe(), tmp_path, seconds=0)
    before = (tmp_path / "state.safetensors").read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wildtext.training.state.save_file", full)
    with pytest.raises(TrainingError, match="No space left"):
        train(recipe(), tmp_path, resume=True)
    assert (tmp_path / "state.safetensors").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


def test_the_log_has_losses_rates_and_accuracies(tmp_path: Path, word_folder: Path) -> None:
    train(recipe(data=DataOptions(workers=0, validation=(str(word_folder),))), tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "loss" in record] == [2, 4, 6]
    (measured,) = (record for record in records if "accuracy" in record)
    assert measured["accuracy"].keys() == {word_folder.name}
    assert records[-1]["stopped"] == "done"


def test_a_nonfinite_loss_stops_the_run_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "wildtext.training.step.total_loss", lambda output, *_: output.logits["text"].sum() * float("nan")
    )
    with pytest.raises(TrainingError, match=r"learning_rate"):
        train(recipe(), tmp_path)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": ModelOptions("resnet99")}, ConfigError, "resnet99"),
        ({"model": ModelOptions("wildnet", "36", {"chanels": [1]})}, ConfigError, "chanels"),
        ({"data": DataOptions(train=("no/such.lmdb",))}, DataError, "no/such.lmdb"),
        ({"data": DataOptions(validation=("no/such",))}, DataError, "no/such"),
        ({"loop": LoopOptions(device="tpu9")}, ConfigError, "tpu9"),
    ],
)
def test_nonsense_is_refused_before_the_first_step(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(recipe(**changes), tmp_path)
    assert not list(tmp_path.iterdir())


def test_labels_that_cannot_be_learnt_are_dropped_and_counted(
    tmp_path: Path, word_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (word_folder / "labels.tsv").open("a", encoding="utf-8") as file:
        file.write("0.png\t漢字\n")
    with caplog.at_level("INFO"):
        train(recipe(data=DataOptions(train=(str(word_folder),), workers=0)), tmp_path / "run", seconds=0)
    assert "12 of 13 samples can be used" in caplog.text
    assert "漢" in caplog.text


def test_a_few_words_are_learnt_by_heart_and_the_bundle_reads_them(tmp_path: Path, word_folder: Path) -> None:
    options = recipe(
        model=ModelOptions("wildnet", "36", {"channels": [16, 16, 32, 64], "layers": 1, "heads": 2}),
        data=DataOptions(train=(str(word_folder),), validation=(str(word_folder),), workers=0),
        optimiser=OptimiserOptions(learning_rate=3e-3, warmup=20, ema=0.9),
        loop=LoopOptions(steps=250, batch_size=12, evaluate_every=250, save_every=250, threads=1, device="cpu"),
    )
    best = train(options, tmp_path / "run")
    result = evaluate(load(str(best)), open_source(word_folder))
    assert result.metrics.accuracy >= 90


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_trains(path: Path, tmp_path: Path) -> None:
    shipped = read_recipe(path)
    if shipped.synth.words == "chinese":  # the fonts that ship cannot write it
        shipped = replace(shipped, synth=replace(shipped.synth, words=""))
    short = replace(shipped.loop, steps=2, batch_size=8, evaluate_every=2)
    assert train(replace(shipped, loop=short), tmp_path / "run").is_file()
