"""Semantic guidance of SVTRv2 (Du et al., ICCV 2025, section 3.3): a head that only training has."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildtext.models.contract import IGNORED

CONTEXT = 5
"""Characters of the text that a question shows."""

_EPSILON = 1e-6
_HEADS = 2
"""Attention heads that look at the image."""


class SemanticGuidance(nn.Module):
    """Asks for each character from the text on one side of it, and from the image.

    There are two views of a label: what comes next behind so many characters, and what came before those. In both,
    one more question has the answer that the text ends there. A question gathers what its context says and then looks
    for it in the image; what it finds is all that the answer is taken from, so the image's features must hold what
    belongs together in words.

    Args:
        features: size of a place of the image.
        head_size: features of an attention head that looks at a context.
        characters: size of the charset; ids are 0 for the end and from 1 for characters.
        noisy: whether training puts a wrong character into every full context, as the authors' code does. Such
            questions are asked twice, with errors of their own.
    """

    def __init__(self, features: int, head_size: int, characters: int, *, noisy: bool):
        super().__init__()
        self.characters = characters
        self.noisy = noisy
        self.scale = features**0.5
        self.embedding = nn.Embedding(characters + 1, features)
        self.questions = nn.Parameter(torch.empty(2, features))
        self.places_in_context = nn.Parameter(torch.empty(2, 1 + CONTEXT, features))
        self.ask = CrossAttention(features, features // head_size)
        self.look = CrossAttention(features, _HEADS)
        self.norm = nn.LayerNorm(features, eps=_EPSILON)
        self.classifier = nn.Linear(features, characters + 2)
        nn.init.normal_(self.embedding.weight, std=features**-0.5)
        for parameter in (self.questions, self.places_in_context):
            nn.init.trunc_normal_(parameter, std=0.02)

    def forward(self, places: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Ask.

        Args:
            places: (N, P, features) of the image.
            ids: (N, L) of the labels, 0 behind their ends.

        Returns:
            Logits (N, 2, T, characters + 2), and answers (N, 2, T), `IGNORED` where nothing is asked. T depends on the
            longest label.
        """
        contexts, answers = questions(ids)
        if self.training and self.noisy:
            contexts, answers = with_errors(contexts, answers, self.characters)
        slots = answers.shape[2]
        # The first place of a context holds no character, so that there is something to look at in an empty one.
        shown = F.pad(self.embedding(contexts) * self.scale, (0, 0, 1, 0)) + self.places_in_context[:, None]
        known = F.pad(contexts > 0, (1, 0), value=True)
        asked = self.questions[:, None].expand(answers.shape[0], -1, slots, -1).flatten(0, 2)[:, None]
        asked = asked + self.ask(asked, shown.flatten(0, 2), known.flatten(0, 2))
        seen = self.look(asked.view(answers.shape[0], 2 * slots, -1), places)
        return self.classifier(self.norm(seen)).unflatten(1, (2, slots)), answers


class CrossAttention(nn.Module):
    """Attention of normalised queries to normalised places (Vaswani et al. 2017), without an identity beside it."""

    def __init__(self, features: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm_queries = nn.LayerNorm(features, eps=_EPSILON)
        self.norm_places = nn.LayerNorm(features, eps=_EPSILON)
        self.query = nn.Linear(features, features)
        self.key_value = nn.Linear(features, 2 * features)
        self.projection = nn.Linear(features, features)

    def forward(self, queries: Tensor, places: Tensor, known: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            queries: (N, Q, features).
            places: (N, P, features).
            known: (N, P), which places may be looked at; None means all.

        Returns:
            (N, Q, features).
        """
        query = self.query(self.norm_queries(queries)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        pairs = self.key_value(self.norm_places(places)).unflatten(2, (2, self.heads, -1))
        key, value = pairs.permute(2, 0, 3, 1, 4)
        scores = (query / query.shape[-1] ** 0.5 @ key.transpose(2, 3)).float()
        if known is not None:
            scores = scores.masked_fill(~known[:, None, None], float("-inf"))
        attended = scores.softmax(dim=-1).to(value.dtype) @ value
        out: Tensor = self.projection(attended.transpose(1, 2).flatten(2))
        return out


def questions(ids: Tensor) -> tuple[Tensor, Tensor]:
    """What can be asked about labels.

    Args:
        ids: (N, L) of the labels, 0 behind their ends; L is more than the longest label has characters.

    Returns:
        Contexts (N, 2, T, CONTEXT), in reading order and 0 where there is no character; and answers (N, 2, T), 0 for
        the end of the text and `IGNORED` behind it. The first view has the characters in order, each with what is in
        front of it; the second has them from the last to the first, each with what follows it.
    """
    lengths = (ids > 0).sum(dim=1, keepdim=True)
    slots = int(lengths.max()) + 1
    forwards, number = ids[:, :slots], torch.arange(slots, device=ids.device)
    backwards = forwards.gather(1, (lengths - 1 - number).clamp_min(0)) * (number < lengths)
    both = torch.stack([forwards, backwards], dim=1)
    contexts = F.pad(both, (CONTEXT, 0)).unfold(2, CONTEXT, 1)[:, :, :slots]
    contexts = torch.stack([contexts[:, 0], contexts[:, 1].flip(-1)], dim=1)
    return contexts, both.masked_fill((number > lengths)[:, None], IGNORED)


def with_errors(contexts: Tensor, answers: Tensor, characters: int) -> tuple[Tensor, Tensor]:
    """Questions whose full contexts have one random character at a random place; each of these is asked twice.

    So nothing learns to rely on the text alone. Contexts at the border of the text stay as they are.

    Args:
        contexts: (N, 2, T, CONTEXT).
        answers: (N, 2, T).
        characters: size of the charset.
    """
    contexts = torch.cat([contexts, contexts[:, :, CONTEXT:]], dim=2)
    answers = torch.cat([answers, answers[:, :, CONTEXT:]], dim=2)
    shape = (*answers.shape, 1)
    place = torch.randint(CONTEXT, shape, device=contexts.device)
    wrong = contexts.scatter(3, place, torch.randint(1, characters + 1, shape, device=contexts.device))
    full = (contexts > 0).all(dim=3, keepdim=True)
    return torch.where(full, wrong, contexts), answers
