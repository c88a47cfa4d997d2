"""What an importer of a reference project's checkpoints is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from wildtext.charset import Charset
from wildtext.errors import BundleError
from wildtext.images import Preprocessing

_SHOWN = 12


@dataclass(frozen=True)
class Imported:
    """A checkpoint in our terms.

    Attributes:
        architecture: key of `wildtext.models.MODELS`.
        sizes: fields of the model's config that differ from the preset's.
        charset: the characters that it writes.
        preprocessing: what the reference does to an image.
        weights: the complete state dict of the model with these sizes.
        scores: the score that the reference prints: its name, and the rule in `wildtext.codecs.RULES`.
    """

    architecture: str
    sizes: dict[str, Any]
    charset: Charset
    preprocessing: Preprocessing
    weights: dict[str, Tensor]
    scores: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A project whose checkpoints can be read.

    Attributes:
        name: what ``wildtext import`` takes.
        describes: the project and its files, for people.
        recognises: whether tensors with these names are of this project.
        convert: tensors by the reference's names, and the charset if the user gave one, to our terms. Raises
            `BundleError` where they do not fit.
        parts: what the files of a checkpoint hold, where there are several; a part's name and a dot stand before the
            names of its tensors.
        read_charset: how the file or name that the user gives becomes a charset.
    """

    name: str
    describes: str
    recognises: Callable[[Collection[str]], bool]
    convert: Callable[[Mapping[str, Tensor], Charset | None], Imported]
    parts: tuple[str, ...] = ("",)
    read_charset: Callable[[str], Charset] = Charset.load


def renamed(tensors: Mapping[str, Tensor], names: Mapping[str, str], *, project: str) -> dict[str, Tensor]:
    """Tensors under our names.

    Args:
        tensors: by the reference's names.
        names: the reference's names to ours; tensors and names must match one to one.
        project: for the message.

    Raises:
        BundleError: tensors are missing, or some belong nowhere; the message lists both.
    """
    missing, unexpected = names.keys() - tensors.keys(), tensors.keys() - names.keys()
    if missing or unexpected:
        raise BundleError(
            f"this is not a checkpoint of {project} as wildtext knows it: "
            f"missing {listed(missing)}; unexpected {listed(unexpected)}"
        )
    return {names[name]: tensor for name, tensor in tensors.items()}


def listed(names: Iterable[str]) -> str:
    """The first names in order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return (", ".join(ordered[:_SHOWN]) or "nothing") + more


def known_charset(count: int, given: Charset | None, *, project: str) -> Charset:
    """The charset of a reference that has `count` characters: the given one, or the standard one of that size.

    Raises:
        BundleError: the given one has another size, or none is given and no standard one fits.
    """
    if given is not None and len(given) != count:
        raise BundleError(
            f"this checkpoint of {project} writes {count} characters, but charset {given.name!r} has {len(given)}"
        )
    if given is not None:
        return given
    standard = (Charset.named(name) for name in ("36", "62", "90", "94"))
    fitting = next((charset for charset in standard if len(charset) == count), None)
    if fitting is None:
        raise BundleError(
            f"this checkpoint of {project} writes {count} characters, which is no standard set; "
            f"give the file that lists them with --charset"
        )
    return fitting
