"""PARSeq computes what its reference computes with the same weights, in every way of reading and in training."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.oracles.goldens import assert_close, digest_matches, fake_checkpoint, golden, loaded, parameter_count
from wildtext.charset import Charset
from wildtext.errors import BundleError, ConfigError
from wildtext.images import Fixed
from wildtext.inference.export import export
from wildtext.inference.loading import load
from wildtext.models import IGNORED, MODELS, build
from wildtext.models.parseq import PARSeq, draw_orders, shown
from wildtext.training.losses import LOSSES, Targets
from wildtext.weights.bundle import Bundle, load_model, save_model
from wildtext.weights.importers import SOURCES, import_checkpoint
from wildtext.weights.importers.contract import Imported
from wildtext.weights.importers.parseq import names_of

CHARSET = Charset.named("94")
ORACLES = ["parseq_tiny", "parseq_base"]
PARAMETERS = {"parseq-tiny": 6_018_143, "parseq-base": 23_832_671}
SMALL: dict[str, Any] = {"features": 32, "layers": 1, "heads": 2, "decoder_heads": 2, "max_length": 5}
WAYS = [("autoregressive", 0), ("autoregressive", 1), ("one-shot", 0), ("one-shot", 1)]
END = 0


def convert(tensors: dict[str, Tensor]) -> Imported:
    assert SOURCES["parseq"].recognises(tensors.keys())
    return SOURCES["parseq"].convert(tensors, None)


def reference(oracle: str) -> PARSeq:
    """The model with the reference's weights."""
    model = loaded(convert(fake_checkpoint(oracle)))
    assert isinstance(model, PARSeq)
    return model


def small(**sizes: Any) -> PARSeq:
    """A small model whose weights are large enough to matter."""
    torch.manual_seed(0)
    model = build("parseq-tiny", CHARSET, {**SMALL, **sizes})
    assert isinstance(model, PARSeq)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def encoded(model: PARSeq, words: list[str]) -> Targets:
    return Targets.encode(model.heads["text"].codec, words, torch.device("cpu"))


@pytest.mark.parametrize("file", ["golden", "golden_stop"])
@pytest.mark.parametrize("oracle", ORACLES)
@torch.no_grad()
def test_equals_the_reference_in_every_way_of_reading(oracle: str, file: str) -> None:
    assert digest_matches(oracle)
    model, wanted = reference(oracle), golden(oracle, file)
    assert_close(model.encode(wanted["input.image"]), wanted["memory"])
    for decoding, refinements in WAYS:
        model.switch({"decoding": decoding, "refinements": refinements})
        output = model(wanted["input.image"])
        way = {"autoregressive": "ar", "one-shot": "nar"}[decoding] + "_refine1" * refinements
        ids = wanted[f"ids_{way}"]
        for got, logits, best in zip(output.logits["text"], wanted[f"logits_{way}"], ids, strict=True):
            # Writing goes on there for as long as any sample of the batch does.
            alone = way == "ar" and END in best
            length = best.tolist().index(END) + 1 if alone else len(best)
            assert_close(got[:length], logits[:length])
            assert got[:length].argmax(-1).equal(best[:length])
        if way == "nar":
            assert_close(output.maps["attention"].flatten(2), wanted["nar_cross_attention"])


@pytest.mark.parametrize("oracle", ORACLES)
@torch.no_grad()
def test_learns_what_the_reference_learns(oracle: str) -> None:
    model, wanted = reference(oracle), golden(oracle, "golden_loss")
    orders = wanted["input.permutations"]
    assert (~shown(orders)).long().equal(wanted["query_mask"])
    tokens = model.encode(wanted["input.image"])
    assert_close(tokens[:, ::8], wanted["memory"])
    logits, answers = model.views(model.decoder.see(tokens), wanted["input.targets"], orders)
    assert_close(logits[:, 2], wanted["logits_permutation2"])
    codec, lengths = model.heads["text"].codec, torch.zeros(3)
    views = [
        LOSSES["multi_view"](logits[:, [view]], Targets(answers[:, [view]], lengths), codec)
        for view in range(len(orders))
    ]
    assert_close(torch.stack(views), wanted["loss_per_permutation"])
    assert_close(LOSSES["multi_view"](logits, Targets(answers, lengths), codec)[None], wanted["loss"])
    assert encoded(model, ["Wild", "text-2026", "Zq7"]).ids[:, :11].equal(wanted["input.targets"])


@pytest.mark.parametrize("preset", PARAMETERS)
def test_parameter_count_is_that_of_the_reference(preset: str) -> None:
    assert parameter_count(preset, CHARSET) == PARAMETERS[preset]


@torch.no_grad()
def test_confidence_is_the_references_product() -> None:
    model, wanted = reference("parseq_tiny"), golden("parseq_tiny")
    model.switch({"decoding": "autoregressive"})
    scores = model(wanted["input.image"]).logits["text"].double().log_softmax(-1).numpy()
    readings = [model.heads["text"].codec.decode(rows) for rows in scores]
    assert [len(reading.text) for reading in readings] == wanted["text_length_ar_refine1"].tolist()
    confidences = torch.tensor([reading.confidence for reading in readings])
    torch.testing.assert_close(confidences, wanted["confidence_ar_refine1"], rtol=1e-4, atol=0)


# ---- the order in which characters become known


@pytest.mark.parametrize(("length", "count"), [(0, 1), (1, 1), (2, 2), (3, 6), (4, 6), (5, 6), (25, 6)])
def test_orders_come_in_pairs_that_mirror_each_other(length: int, count: int) -> None:
    torch.manual_seed(0)
    orders = draw_orders(length).tolist()
    assert len(orders) == count
    places = list(range(length + 2))
    assert orders[0] == places
    assert all(sorted(order) == places for order in orders)
    if count > 1:
        assert orders[1] == [0, *reversed(places[1:])], "the end is known first, then the text from its last character"
    for order, mirror in list(pairwise(orders))[2::2]:
        assert order[1:-1] == mirror[-2:0:-1]
        assert (order[0], order[-1], mirror[0], mirror[-1]) == (0, length + 1, 0, length + 1)


@pytest.mark.parametrize("length", [3, 4])
def test_short_labels_see_every_order_and_none_twice(length: int) -> None:
    torch.manual_seed(0)
    seen = set()
    for _ in range(60):
        orders = [tuple(order[1:-1]) for order in draw_orders(length).tolist()]
        orders[1] = tuple(range(length, 0, -1))
        assert len({*orders}) == 6
        seen |= {*orders}
    assert len(seen) == {3: 6, 4: 24}[length]


def test_orders_follow_torchs_generator() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = draw_orders(9)
    assert not draw_orders(9).equal(first)
    torch.set_rng_state(state)
    assert draw_orders(9).equal(first)


# ---- training


@torch.no_grad()
def test_views_have_one_slot_more_than_the_longest_label() -> None:
    model = small()
    ids = encoded(model, ["abc", "z", "ok"]).ids
    output = model(torch.rand(3, 3, 32, 128), targets={"text": ids})
    assert output.targets is not None
    answers = output.targets["text"]
    assert output.logits["text"].shape == (3, 6, 4, 95)
    assert output.maps == {}
    assert answers[0, :2].equal(ids[0, 1:5].expand(2, -1)), "the first two views are asked for the end"
    assert answers[0, 2:].tolist() == [[*ids[0, 1:4].tolist(), IGNORED]] * 4
    assert answers[1, 0].tolist() == [ids[1, 1], END, IGNORED, IGNORED]
    assert answers[1, 5].tolist() == [ids[1, 1], IGNORED, IGNORED, IGNORED]


@torch.no_grad()
def test_a_label_is_seen_alike_beside_a_longer_one() -> None:
    model = small()
    ids = encoded(model, ["abc", "wxyz5"]).ids
    image = model.decoder.see(model.encode(torch.rand(2, 3, 32, 128)))
    together, _ = model.views(image, ids, torch.tensor([[0, 3, 5, 2, 4, 1, 6]]))
    alone, _ = model.views(image, ids[:, :5], torch.tensor([[0, 3, 2, 1, 4]]))
    torch.testing.assert_close(together[0, 0, :3], alone[0, 0, :3])


@torch.no_grad()
def test_a_place_is_told_what_became_known_before_it_and_nothing_else() -> None:
    model = small()
    image = model.decoder.see(model.encode(torch.rand(1, 3, 32, 128)))
    order = torch.tensor([[0, 3, 1, 5, 2, 4, 6]])
    ids = encoded(model, ["abcde"]).ids
    before, _ = model.views(image, ids, order)
    ids[0, 5] += 1
    after, _ = model.views(image, ids, order)
    changed = [slot + 1 for slot in range(6) if not after[0, 0, slot].equal(before[0, 0, slot])]
    assert changed == [2, 4, 6], "the fifth character is known to those behind it in the order"


def test_dropout_hides_other_features_of_every_sample_and_view() -> None:
    model = small(dropout=0.5).train()
    seen: list[Tensor] = []
    model.decoder.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    model(torch.rand(2, 3, 32, 128), targets={"text": encoded(model, ["abc", "xyz"]).ids})
    hidden = (seen[0] == 0).view(2, 6, 4, -1)
    assert not hidden[0].equal(hidden[1])
    assert not hidden[:, 0].equal(hidden[:, 1])


# ---- reading


@torch.no_grad()
def test_writing_equals_being_given_what_was_written() -> None:
    model = small(decoding="autoregressive", refinements=0)
    model.classifier.bias[END] = -100.0
    images = torch.rand(4, 3, 32, 128)
    written = model(images).logits["text"]
    begun = torch.nn.functional.pad(written.argmax(2), (1, 0), value=model.begin)
    given, _ = model.views(model.decoder.see(model.encode(images)), begun, torch.arange(7)[None])
    assert_close(given[:, 0], written)


@torch.no_grad()
def test_writing_stops_when_all_samples_have_ended() -> None:
    model, wanted = reference("parseq_tiny"), golden("parseq_tiny", "golden_stop")
    model.switch({"decoding": "autoregressive", "refinements": 0})
    calls: list[None] = []
    model.decoder.register_forward_hook(lambda *_: calls.append(None))
    output = model(wanted["input.image"])
    written = wanted["logits_ar"].shape[1]
    assert len(calls) == written < 26
    assert output.logits["text"].shape[1] == output.maps["attention"].shape[1] == 26
    assert (output.logits["text"][:, written:].argmax(2) == END).all()


@torch.no_grad()
def test_the_map_is_that_of_the_last_pass() -> None:
    model, images = small(refinements=2), torch.rand(2, 3, 32, 128)
    seen: list[Tensor] = []
    model.decoder.register_forward_hook(lambda _module, _inputs, output: seen.append(output[1]))
    output = model(images)
    assert len(seen) == 3
    assert output.maps["attention"].equal(seen[-1].mean(1).view(2, 6, 8, 16))


@torch.no_grad()
def test_a_refined_slot_does_not_see_what_it_held() -> None:
    model = small()
    image = model.decoder.see(model.encode(torch.rand(1, 3, 32, 128)))
    written = torch.tensor([[5, 6, 7, 8, END, 9]])
    before, _ = model._refine(image, written)
    for slot in range(6):
        other = written.clone()
        other[0, slot] = 20
        after, _ = model._refine(image, other)
        changed = [place for place in range(6) if not after[0, place].equal(before[0, place])]
        wanted = [place for place in range(6) if place != slot]
        # Behind the end nothing is seen; without the end, what stands there is.
        assert changed == (wanted if slot < 4 else [0, 1, 2, 3, 5] if slot == 4 else [])


# ---- switches


def test_the_same_weights_read_in_other_ways(tmp_path: Path) -> None:
    model = small(max_length=3)
    saved, out = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    save_model(saved, model, Bundle.of("parseq-tiny", model, MODELS["parseq-tiny"].preprocessing))
    export(saved, out, {"decoding": "autoregressive", "refinements": 0})
    recognizer = load(str(out))
    assert recognizer.bundle.sizes["decoding"] == "autoregressive"
    images = torch.rand(5, 3, 32, 128).numpy()
    got = recognizer.runtime.run(images, torch.ones(5).numpy())
    stored, _ = load_model(saved)
    stored.switch({"decoding": "autoregressive", "refinements": 0})
    with torch.no_grad():
        wanted = stored(torch.from_numpy(images)).logits["text"]
        assert_close(torch.from_numpy(got.logits["text"]), wanted)
        assert not small(max_length=3)(torch.from_numpy(images)).logits["text"].argmax(2).equal(wanted.argmax(2))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"layers": 3}, "no switch 'layers'; it has decoding, refinements"),
        ({"refinements": "two"}, "'refinements' is 1, and cannot be 'two'"),
        ({"refinements": -1}, "size 'refinements' is -1; the least is 0"),
        ({"decoding": "both"}, "size 'decoding' is 'both'; known are one-shot, autoregressive"),
    ],
)
def test_impossible_switches_are_refused(choices: dict[str, Any], message: str) -> None:
    model = small()
    with pytest.raises(ConfigError, match=message):
        model.switch(choices)
    assert model.config == small().config


def test_other_architectures_have_no_switches() -> None:
    with torch.device("meta"), pytest.raises(ConfigError, match="no switch 'decoding'; it has none"):
        build("crnn", CHARSET).switch({"decoding": "one-shot"})


# ---- importing


def as_the_authors_save(weights: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """A state dict of ours under the authors' names, which the oracles prove."""
    whole = {
        name.replace("query", "query_key_value"): torch.cat([tensor, weights[name.replace("query", "key_value")]])
        for name, tensor in weights.items()
        if ".query." in name
    }
    return {theirs: (weights | whole)[ours] for theirs, ours in names_of(layers).items()}


@pytest.mark.parametrize(
    ("sizes", "canvas"),
    [
        (
            {"features": 384, "heads": 6, "decoder_heads": 12, "height": 224, "width": 224, "patch": (16, 16)},
            (224, 224),
        ),
        ({"width": 256, "max_length": 40}, (32, 256)),
        ({"features": 256, "heads": 4, "decoder_heads": 8, "patch": (8, 4)}, (32, 128)),
    ],
)
def test_importer_takes_every_size(sizes: dict[str, Any], canvas: tuple[int, int]) -> None:
    with torch.device("meta"):
        weights = build("parseq-tiny", CHARSET, {"layers": 2, **sizes}).state_dict()
    imported = convert(as_the_authors_save(weights, layers=2))
    assert {"layers": 2, **sizes}.items() <= imported.sizes.items()
    assert imported.preprocessing.canvas == Fixed(*canvas)
    shapes = {name: tensor.shape for name, tensor in weights.items()}
    assert {name: tensor.shape for name, tensor in imported.weights.items()} == shapes


def test_importer_reads_what_training_there_leaves(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    tensors = {f"model.{name}": tensor for name, tensor in fake_checkpoint("parseq_tiny").items()}
    options = {"charset_train": CHARSET.characters, "lr": 7e-4, "img_size": [32, 128]}
    torch.save({"state_dict": tensors, "epoch": 19, "hyper_parameters": options, "lr_schedulers": [{}]}, path)
    model, bundle = import_checkpoint("auto", [path])
    wanted = golden("parseq_tiny")
    with torch.no_grad():
        assert_close(model(wanted["input.image"]).logits["text"], wanted["logits_nar_refine1"])
    assert (bundle.architecture, bundle.charset) == ("parseq-tiny", CHARSET)
    assert (bundle.sizes["decoding"], bundle.sizes["refinements"]) == ("one-shot", 1)
    assert bundle.preprocessing.vertical == "none"


def test_importer_lists_what_is_missing_and_unexpected() -> None:
    tensors = fake_checkpoint("parseq_tiny")
    tensors["head.scale"] = tensors.pop("head.bias")
    with pytest.raises(BundleError, match=r"missing head\.bias; unexpected head\.scale"):
        convert(tensors)


def test_importer_explains_patches_that_make_no_canvas() -> None:
    tensors = fake_checkpoint("parseq_tiny")
    tensors["encoder.pos_embed"] = torch.zeros(1, 127, 192)
    with pytest.raises(BundleError, match="127 patches of 4x8 pixels do not make images 32 pixels high"):
        convert(tensors)


def test_importer_asks_for_a_charset_of_another_size() -> None:
    tensors = fake_checkpoint("parseq_tiny")
    tensors["head.bias"] = torch.zeros(41)
    with pytest.raises(BundleError, match=r"writes 40 characters, which is no standard set; .* --charset"):
        convert(tensors)


@pytest.mark.parametrize(
    "sizes",
    [
        {"height": 30},
        {"width": 0},
        {"patch": [0, 8]},
        {"patch": [4, 8, 2]},
        {"features": 0},
        {"heads": 5},
        {"decoder_heads": 7},
        {"layers": 0},
        {"max_length": 0},
        {"dropout": 1.0},
        {"decoding": "beam"},
        {"refinements": -1},
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"size '{next(iter(sizes))}' is"):
        build("parseq-tiny", CHARSET, sizes)
