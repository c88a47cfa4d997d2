"""Nothing is read twice, and nothing that has changed is taken for what it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from wildtext.data import open_source
from wildtext.evaluation import cache as caching
from wildtext.evaluation.cache import Cache, from_json, readings_purpose, to_json
from wildtext.evaluation.evaluator import evaluate
from wildtext.inference.recognizer import Recognizer
from wildtext.types import Alternative, Character, Prediction


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    cache = Cache("readings", tmp_path / "cache")
    yield cache
    cache.close()


def test_a_second_call_reads_nothing_and_finds_the_same(
    recognizer: Recognizer, labelled_folder: Path, cache: Cache
) -> None:
    first, second = (evaluate(recognizer, open_source(labelled_folder), cache=cache) for _ in range(2))
    assert (first.fresh, second.fresh) == (10, 0)
    assert first.judged == second.judged
    assert first.metrics == second.metrics == evaluate(recognizer, open_source(labelled_folder)).metrics


def test_an_interrupted_evaluation_goes_on_where_it_was(
    recognizer: Recognizer, labelled_folder: Path, cache: Cache
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(recognizer, open_source(labelled_folder), cache=cache, batch_size=3, progress=stop)
    again = Cache("readings", cache._path.parent)
    assert evaluate(recognizer, open_source(labelled_folder), cache=again).fresh == 4
    again.close()


def test_a_changed_image_is_read_again_and_a_changed_label_is_not(
    recognizer: Recognizer, labelled_folder: Path, cache: Cache
) -> None:
    evaluate(recognizer, open_source(labelled_folder), cache=cache)
    shutil.copy(labelled_folder / "4.png", labelled_folder / "5.png")
    pillow.fromarray(np.full((32, 32, 3), 61, np.uint8)).save(labelled_folder / "6.png")
    labels = (labelled_folder / "labels.tsv").read_text(encoding="utf-8").replace("\t3\n", "\t33\n")
    (labelled_folder / "labels.tsv").write_text(labels, encoding="utf-8")
    result = evaluate(recognizer, open_source(labelled_folder), cache=cache)
    assert result.fresh == 1, "5.png is now an image that was read before"
    assert result.metrics == evaluate(recognizer, open_source(labelled_folder)).metrics
    assert not result.judged[3].correct
    assert not result.judged[5].correct


def test_broken_images_are_tried_again(recognizer: Recognizer, labelled_folder: Path, cache: Cache) -> None:
    whole = (labelled_folder / "6.png").read_bytes()
    (labelled_folder / "6.png").write_bytes(b"broken")
    assert evaluate(recognizer, open_source(labelled_folder), cache=cache).metrics.unreadable == 1
    (labelled_folder / "6.png").write_bytes(whole)
    assert evaluate(recognizer, open_source(labelled_folder), cache=cache).metrics.correct == 10


def test_other_weights_options_or_code_have_readings_of_their_own(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "model.onnx"
    weights.write_bytes(b"weights")
    purposes = [readings_purpose(recognizer, weights, beam) for beam in (0, 8)]
    weights.write_bytes(b"other weights")
    purposes.append(readings_purpose(recognizer, weights, 0))
    monkeypatch.setattr(caching, "code_digest", lambda rooms: b"other code")
    purposes.append(readings_purpose(recognizer, weights, 0))
    assert len(set(purposes)) == 4


def test_predictions_come_back_exactly() -> None:
    prediction = Prediction(
        "é\u2028",
        1 / 3,
        (Character("é", 0.1 + 0.2, 0.0, 1 / 7), Character("\u2028", 1.0, 1 / 7, 1.0)),
        (Alternative("", 1e-30),),
        {"head": 2 / 3},
        90,
    )
    assert from_json(to_json(prediction)) == prediction


def test_a_folder_that_cannot_be_used_is_told_and_does_no_harm(
    recognizer: Recognizer, labelled_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "readings.sqlite").write_bytes(b"no database" * 1000)
    for folder in (tmp_path / "file", broken):
        cache = Cache("readings", folder)
        assert evaluate(recognizer, open_source(labelled_folder), cache=cache).metrics.correct == 10
        message = capsys.readouterr().err
        assert "WILDTEXT_CACHE" in message
        assert message.count("\n") == 1


def test_files_that_nobody_opened_for_long_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (f"readings-{digit * 24}" for digit in "01")
    Cache(old, tmp_path).close()
    others = [tmp_path / name for name in ("precious.sqlite", f"{old}.sqlite.bak", "readings-mine.sqlite")]
    for other in others:
        other.write_bytes(b"not ours")
    monkeypatch.setattr(caching, "_KEPT", -1)
    Cache(new, tmp_path).close()
    assert not (tmp_path / f"{old}.sqlite").exists()
    assert (tmp_path / f"{new}.sqlite").exists()
    assert all(other.exists() for other in others)


def test_the_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WILDTEXT_CACHE", str(tmp_path / "mine"))
    Cache("readings").close()
    assert (tmp_path / "mine" / "readings.sqlite").exists()
