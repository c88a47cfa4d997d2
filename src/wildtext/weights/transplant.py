"""The same model for another charset: what it knows of the characters that both have is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wildtext.charset import Charset
from wildtext.codecs import CTC, Codec, Sequence, Subword
from wildtext.codecs.ctc import BLANK
from wildtext.errors import ConfigError, require
from wildtext.models import Model, build
from wildtext.weights.bundle import Bundle

if TYPE_CHECKING:
    from torch import Tensor


def with_charset(model: Model, bundle: Bundle, charset: Charset) -> Model:
    """A model that writes another charset, with the weights of a given one wherever they have the same meaning.

    Rows of classifiers and embeddings go along with their characters and special tokens. Those of new characters stay
    as a fresh model has them, so torch's generator decides them.

    Args:
        model: with the weights.
        bundle: its description.
        charset: what the new model shall write.

    Raises:
        ConfigError: the two models differ in more than rows of characters.
    """
    fresh = build(bundle.architecture, charset, bundle.sizes)
    codecs = zip(*([head.codec for head in each.heads.values()] for each in (model, fresh)), strict=True)
    ids = [_Ids.of(old, new) for old, new in codecs if not isinstance(new, Subword)]
    weights, known = fresh.state_dict(), model.state_dict()
    for name, weight in weights.items():
        if weight.shape == known[name].shape:
            weight.copy_(known[name])
        elif not any(_moved(weight, known[name], each) for each in ids):
            raise ConfigError(
                f"a {bundle.architecture} with charset {bundle.charset.name} cannot be turned into one with "
                f"{charset.name}: {name} has the shape {tuple(known[name].shape)}, and needs {tuple(weight.shape)}"
            )
    return fresh.eval()


@dataclass(frozen=True)
class _Ids:
    """The ids of a codec and of another that mean the same.

    Attributes:
        same: new id to old id.
        classes: of the heads, new and old.
        all: classes and the tokens that a head is given but cannot write, new and old.
    """

    same: dict[int, int]
    classes: tuple[int, int]
    all: tuple[int, int]

    @classmethod
    def of(cls, old: Codec, new: Codec) -> _Ids:
        assert isinstance(old, CTC | Sequence)
        assert isinstance(new, CTC | Sequence)
        tokens = {since: to for to, since in zip(_tokens(new), _tokens(old), strict=True)}
        same = {to: since for since, to in tokens.items() if to is not None and since is not None}
        for character, number in new.charset.ids.items():
            if character in old.charset.ids:
                same[_first(new) + number] = _first(old) + old.charset.ids[character]
        largest = [max(codec.classes, 1 + max(id or 0 for id in _tokens(codec))) for codec in (new, old)]
        return cls(same, (new.classes, old.classes), (largest[0], largest[1]))

    def offset(self, lengths: tuple[int, int]) -> int | None:
        """Where the first id stands on an axis with these lengths, new and old; None if it has no ids."""
        above = {length - classes for length, classes in zip(lengths, self.classes, strict=True)}
        if len(above) != 1:
            return None
        (offset,) = above
        # An axis may have places for all ids, or, as in the input of an attention cell, stand behind features.
        return 0 if offset <= self.all[0] - self.classes[0] else offset


def _first(codec: CTC | Sequence) -> int:
    return codec.first if isinstance(codec, Sequence) else BLANK + 1


def _tokens(codec: CTC | Sequence) -> tuple[int | None, ...]:
    """Ids that stand for no character, by their meaning."""
    return (codec.begin, codec.end, codec.pad, codec.unknown) if isinstance(codec, Sequence) else (BLANK,)


def _moved(weight: Tensor, known: Tensor, ids: _Ids) -> bool:
    """Copy what belongs to ids that mean the same, along the one axis in which two tensors differ, if there is one."""
    torch = require("torch", extra="train")
    axes = [axis for axis, sizes in enumerate(zip(weight.shape, known.shape, strict=False)) if sizes[0] != sizes[1]]
    if weight.ndim != known.ndim or len(axes) != 1:
        return False
    (axis,) = axes
    lengths = weight.shape[axis], known.shape[axis]
    offset = ids.offset(lengths)
    if offset is None:
        return False
    rows = [(new + offset, old + offset) for new, old in ids.same.items()]
    ends = lengths[0] - 1, lengths[1] - 1
    if ends[0] - offset not in ids.same and ends[1] - offset not in ids.same.values():
        # A row behind all that the codec knows of, e.g. for the place before a text, means the same in both.
        rows.append(ends)
    features = [(row, row) for row in range(offset)]
    pairs = features + [(new, old) for new, old in rows if new < lengths[0] and old < lengths[1]]
    new, old = (torch.tensor(numbers) for numbers in zip(*pairs, strict=True))
    weight.index_copy_(axis, new, known.index_select(axis, old))
    return True
