"""The same model for another charset or with more layers: what it knows is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import ascii_lowercase, digits, punctuation
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from wildtext.charset import Charset
from wildtext.codecs import CTC, Codec, Sequence, Subword
from wildtext.codecs.ctc import BLANK
from wildtext.errors import ConfigError, require
from wildtext.models import Model, build
from wildtext.weights.bundle import Bundle

_SPARE = (*digits, *ascii_lowercase, *punctuation, "\ue000", "\ue001")
"""Characters without case; subwords can write all but the last two, which no label has."""

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
    if len(charset) == len(bundle.charset) and charset.characters != bundle.charset.characters:
        # Which rows belong to characters shows only where the numbers of characters differ.
        taken = charset.ids.keys() | bundle.charset.ids.keys()
        spare = next(sign for sign in _SPARE if sign not in taken)
        longer = Charset(charset.name, (*charset.characters, spare), charset.fold_case, charset.normalization)
        model, bundle = with_charset(model, bundle, longer), replace(bundle, charset=longer)
    fresh = build(bundle.architecture, charset, bundle.sizes)
    codecs = zip(*([head.codec for head in each.heads.values()] for each in (fresh, model)), strict=True)
    ids = [_Ids.of(new, old) for new, old in codecs if not isinstance(new, Subword)]
    weights, known = fresh.state_dict(), model.state_dict()
    for name, weight in weights.items():
        if weight.shape == known[name].shape:
            weight.copy_(known[name])
        elif not any(_moved(weight, known[name], each, exact=exact) for exact in (True, False) for each in ids):
            raise ConfigError(
                f"a {bundle.architecture} with charset {bundle.charset.name} cannot be turned into one with "
                f"{charset.name}: {name} has the shape {tuple(known[name].shape)}, and needs {tuple(weight.shape)}"
            )
    return fresh.eval()


def grown(model: Model, bundle: Bundle, sizes: Mapping[str, Any]) -> Model:
    """A deeper model that reads at first exactly as a given one does (Chen et al., Net2Net, ICLR 2016).

    Layers that are new add nothing to what passes through them, until training lets them.

    Args:
        model: with the weights.
        bundle: its description.
        sizes: sizes to change, e.g. more residual blocks in a stage.

    Raises:
        ConfigError: a size is unknown, or the new model is more than some layers deeper.
    """
    fresh = build(bundle.architecture, bundle.charset, {**bundle.sizes, **sizes})
    weights, known = fresh.state_dict(), model.state_dict()
    new = weights.keys() - known.keys()
    for name, module in fresh.named_modules():
        within = {key for key in new if key.startswith(f"{name}.")}
        own = {key for key in weights if key.startswith(f"{name}.")}
        if isinstance(module, Silent) and within == own:
            module.silence()
            new -= within
    other = [name for name in known if name not in weights or weights[name].shape != known[name].shape]
    if new or other:
        raise ConfigError(
            f"a {bundle.architecture} cannot grow to the sizes {dict(sizes)}, as {next(iter(sorted([*new, *other])))} "
            f"would be another one; it can get more residual blocks or transformer layers, and nothing else"
        )
    for name, weight in known.items():
        weights[name].copy_(weight)
    return fresh.eval()


@runtime_checkable
class Silent(Protocol):
    """A layer that can be made to add nothing."""

    def silence(self) -> None:
        """Make it so."""


@dataclass(frozen=True)
class _Ids:
    """The ids of the same head for two charsets, new and old.

    Attributes:
        codecs: of the head.
        all: how many ids each has: classes, and the tokens that a head is given but cannot write.
    """

    codecs: tuple[CTC | Sequence, CTC | Sequence]
    all: tuple[int, int]

    @classmethod
    def of(cls, new: Codec, old: Codec) -> _Ids:
        assert isinstance(new, CTC | Sequence)
        assert isinstance(old, CTC | Sequence)
        return cls((new, old), (_count(new), _count(old)))

    def place(self, lengths: tuple[int, int], *, exact: bool) -> int | None:
        """Where ids begin on an axis with these lengths, new and old; None if it has none.

        Args:
            lengths: of the axis.
            exact: it must have a place for each class or id, and no other.
        """
        classes = self.codecs[0].classes, self.codecs[1].classes
        if exact:
            return 0 if lengths in (classes, self.all) else None
        above = lengths[0] - classes[0]
        if above != lengths[1] - classes[1]:
            return None
        # As in the input of an attention cell, ids may stand behind features. A few more are tokens.
        return 0 if above <= self.all[0] - classes[0] + 1 else above

    def same(self, lengths: tuple[int, int]) -> dict[int, int]:
        """New id to the old one that means the same, below these lengths: characters by what they are, others by where
        they stand before or behind the characters.
        """
        (new, old), (first, _) = self.codecs, map(_first, self.codecs)
        known = {character: first + number for character, number in old.charset.ids.items()}
        pairs = {first + number: known[one] for one, number in new.charset.ids.items() if one in known}
        pairs |= {number: number for number in range(first)}
        behind = zip(
            range(first + len(new.charset), lengths[0]), range(first + len(old.charset), lengths[1]), strict=False
        )
        return {to: since for to, since in (pairs | dict(behind)).items() if to < lengths[0] and since < lengths[1]}


def _first(codec: CTC | Sequence) -> int:
    return codec.first if isinstance(codec, Sequence) else BLANK + 1


def _count(codec: CTC | Sequence) -> int:
    tokens = (codec.begin, codec.end, codec.pad, codec.unknown) if isinstance(codec, Sequence) else ()
    return max(codec.classes, 1 + max((token for token in tokens if token is not None), default=0))


def _moved(weight: Tensor, known: Tensor, ids: _Ids, *, exact: bool) -> bool:
    """Copy what belongs to ids that mean the same, along the one axis in which two tensors differ.

    Args:
        weight: to copy to.
        known: to copy from.
        ids: of one head.
        exact: see `_Ids.place`. Heads of a model may count their ids in different ways.

    Returns:
        Whether there is such an axis.
    """
    torch = require("torch", extra="train")
    axes = [axis for axis, sizes in enumerate(zip(weight.shape, known.shape, strict=False)) if sizes[0] != sizes[1]]
    if weight.ndim != known.ndim or len(axes) != 1:
        return False
    (axis,) = axes
    lengths = weight.shape[axis], known.shape[axis]
    place = ids.place(lengths, exact=exact)
    if place is None:
        return False
    rows = ids.same((lengths[0] - place, lengths[1] - place))
    new = torch.tensor([*range(place), *(place + to for to in rows)])
    old = torch.tensor([*range(place), *(place + since for since in rows.values())])
    weight.index_copy_(axis, new, known.index_select(axis, old))
    return True
