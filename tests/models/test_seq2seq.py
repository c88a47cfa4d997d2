"""CRNN with a GRU computes what its reference computes with the same weights, and reads the reference's alphabet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.oracles.goldens import assert_close, digest_matches, fake_checkpoint, golden, parameter_count
from wildtext.charset import Charset
from wildtext.codecs import Sequence
from wildtext.errors import BundleError, CharsetError, ConfigError
from wildtext.models import Model, build
from wildtext.weights.importers import import_checkpoint
from wildtext.weights.importers.seq2seq import BAI_SHANG, alphabet

ORACLE = "baishang_crnn_seq2seq"
CHARSET = Charset("made up", tuple(chr(0x4E00 + place) for place in range(5989)))
SMALL: dict[str, Any] = {"channels": 32, "hidden": 16, "max_length": 5}


def imported() -> Model:
    found = BAI_SHANG.convert(fake_checkpoint(ORACLE), CHARSET)
    model = build(found.architecture, found.charset, found.sizes)
    model.load_state_dict(found.weights)
    return model.eval()


def small(**sizes: Any) -> Model:
    torch.manual_seed(0)
    return build("crnn-seq2seq", Charset.named("36"), SMALL | sizes)


def time_first(values: Tensor) -> Tensor:
    return values.transpose(0, 1)


def test_fake_weights_are_those_of_the_oracle() -> None:
    assert digest_matches(ORACLE)


def test_parameter_count_is_that_of_the_reference() -> None:
    assert parameter_count("crnn-seq2seq", CHARSET) == 12_080_686


@torch.no_grad()
def test_it_equals_the_reference() -> None:
    model, wanted = imported(), golden(ORACLE)
    seen: dict[str, Tensor] = {}
    states: list[Tensor] = []
    for part in ("trunk", "context"):
        model.get_submodule(part).register_forward_hook(lambda _m, _i, out, part=part: seen.update({part: out}))
    cell = model.get_submodule("prediction.cell").register_forward_hook(lambda *call: states.append(call[2]))

    given = wanted["input.target"]
    steps = len(given)
    targets = {"text": nn.functional.pad(given.T, (0, 21 - steps))}
    forced = model(wanted["input.image"], targets=targets)
    cell.remove()
    assert_close(seen["trunk"], wanted["cnn"])
    assert_close(time_first(seen["context"]), wanted["encoder_output"])
    assert_close(torch.stack(states[:steps]), wanted["teacher_forced_hidden"])
    probabilities = time_first(forced.logits["text"].log_softmax(-1))[:steps]
    assert_close(probabilities, wanted["teacher_forced_logprobs"])
    assert_close(time_first(forced.maps["attention"].squeeze(2))[:steps], wanted["teacher_forced_attention"])

    greedy = model(wanted["input.image"])
    probabilities = time_first(greedy.logits["text"].log_softmax(-1))
    assert_close(probabilities.gather(2, wanted["greedy_top20_indices"]), wanted["greedy_top20_logprobs"])
    assert_close(probabilities[..., :64], wanted["greedy_first64"])
    assert_close(time_first(greedy.maps["attention"].squeeze(2)), wanted["greedy_attention"])
    assert probabilities.argmax(-1).equal(wanted["greedy_ids"])


@torch.no_grad()
def test_the_first_place_looked_at_is_the_same_for_all_images() -> None:
    attention = small().eval()(torch.rand(3, 3, 32, 280)).maps["attention"]
    assert attention.shape == (3, 5, 1, 71)
    torch.testing.assert_close(attention.sum((2, 3)), torch.ones(3, 5))
    assert attention[0, 0].equal(attention[1, 0])


def test_ids_leave_out_padding_and_a_full_text_has_no_end() -> None:
    codec = small().heads["text"].codec
    assert isinstance(codec, Sequence)
    ids, lengths = codec.encode(["ab", "abcde"])
    assert ids.tolist() == [[0, 12, 13, 1, 0, 0], [0, 12, 13, 14, 15, 16]]
    assert lengths.tolist() == [4, 6]


def test_dropout_is_for_training_alone() -> None:
    model, images = small(dropout=0.5), torch.rand(2, 3, 32, 280)
    targets = {"text": torch.ones(2, 6, dtype=torch.long)}
    assert (
        not model.train()(images, targets=targets).logits["text"].equal(model(images, targets=targets).logits["text"])
    )
    model.eval()
    assert model(images, targets=targets).logits["text"].equal(model(images, targets=targets).logits["text"])


@pytest.mark.parametrize("width", [32, 100, 280])
@torch.no_grad()
def test_attention_has_a_weight_for_every_column(width: int) -> None:
    model = small(width=width).eval()
    assert model(torch.rand(1, 3, 32, width)).maps["attention"].shape[3] == width // 4 + 1


def test_importer_keeps_what_the_reference_does() -> None:
    found = BAI_SHANG.convert(fake_checkpoint(ORACLE), CHARSET)
    assert found.sizes == {"width": 280, "channels": 512, "hidden": 256}
    assert found.scores == {"bai-shang": "steps"}
    preprocessing = found.preprocessing
    assert (preprocessing.color, preprocessing.interpolation) == ("RGB", "opencv-bilinear")
    assert (preprocessing.pad_value, preprocessing.vertical) == (-1.0, "none")


def test_importer_wants_the_alphabet() -> None:
    with pytest.raises(BundleError, match=r"give the project's char_std_5990\.txt with --charset"):
        BAI_SHANG.convert(fake_checkpoint(ORACLE), None)
    with pytest.raises(BundleError, match="writes 5989 characters, but charset '36' has 36"):
        BAI_SHANG.convert(fake_checkpoint(ORACLE), Charset.named("36"))


def test_importer_lists_what_is_missing_and_unexpected() -> None:
    tensors = fake_checkpoint(ORACLE)
    tensors["decoder.decoder.scale"] = tensors.pop("decoder.decoder.out.bias")
    with pytest.raises(BundleError, match=r"missing decoder\.decoder\.out\.bias; unexpected decoder\.decoder\.scale"):
        BAI_SHANG.convert(tensors, CHARSET)


@pytest.mark.parametrize(
    ("content", "characters"),
    [
        pytest.param("中\n文\n", "中文", id="one on each line"),
        pytest.param("中 \r\n文\t\n", "中文", id="blanks at the end"),
        pytest.param("中\n\n \n\u3000\n文", "中文", id="lines that hold but a blank"),
        pytest.param("a\nb\na\nc\nb\na\n", "\ue000\ue001\ue002cba", id="earlier places of what comes again"),
    ],
)
def test_alphabet_is_read_as_the_project_does(tmp_path: Path, content: str, characters: str) -> None:
    path = tmp_path / "signs.txt"
    path.write_bytes(content.encode())
    charset = alphabet(str(path))
    assert "".join(charset.characters) == characters
    assert charset.name == "signs"


def test_alphabet_keeps_the_number_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "char_std_5990.txt"
    lines = [*CHARSET.characters[:5984], *CHARSET.characters[:5]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    charset = alphabet(str(path))
    assert len(charset) == 5989
    assert charset.encode(CHARSET.characters[0]) == [5984]


def test_two_files_and_an_alphabet_become_a_bundle(tmp_path: Path) -> None:
    tensors, paths = fake_checkpoint(ORACLE), []
    for part in ("encoder", "decoder"):
        paths.append(tmp_path / f"{part}.pth")
        mine = {name: tensor for name, tensor in tensors.items() if name.startswith(f"{part}.")}
        torch.save({name.removeprefix(f"{part}."): tensor for name, tensor in mine.items()}, paths[-1])
    signs = tmp_path / "signs.txt"
    signs.write_text("\n".join([*CHARSET.characters[:5984], *CHARSET.characters[:5]]), encoding="utf-8")
    model, bundle = import_checkpoint("auto", paths, charset=str(signs))
    assert len(model.heads["text"].codec.charset) == 5989
    assert (bundle.architecture, bundle.scores) == ("crnn-seq2seq", {"bai-shang": "steps"})


@pytest.mark.parametrize("content", [None, b"\xff\xfe\n", b"\n \n"])
def test_alphabet_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "signs.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CharsetError):
        alphabet(str(path))


@pytest.mark.parametrize("sizes", [{"width": 4}, {"channels": 36}, {"hidden": 0}, {"max_length": 0}, {"dropout": 1.0}])
def test_impossible_sizes_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(sizes))):
        build("crnn-seq2seq", Charset.named("36"), sizes)
