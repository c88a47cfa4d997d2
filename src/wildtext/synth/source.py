"""The synthetic source: sample i of a seed is always the same."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wildtext.charset import Charset
from wildtext.config import SynthOptions
from wildtext.errors import ConfigError, DataError, SampleError
from wildtext.images.augment import draw_capture, picture_size, take
from wildtext.images.effects import Drawn, Frames, Random
from wildtext.synth.appearance import draw_look, paint
from wildtext.synth.corpus import Corpus
from wildtext.synth.fonts import FontLibrary
from wildtext.synth.layout import Layout, lay_out
from wildtext.synth.textures import Textures, textures
from wildtext.synth.typeface import Typeface
from wildtext.types import Image, Sample

log = logging.getLogger("wildtext.synth")

_TRIES = 20
_LEGIBLE = 4.5
"""Columns that a picture has at least for each character; with fewer, nobody can read it."""
_SHOWN = 40
"""Missing characters that a message lists."""
_CPU = torch.device("cpu")
_TOGETHER = 16
"""Words painted at once; more fall out of the processor's cache."""


@dataclass(frozen=True, eq=False)
class Draft:
    """A word before it is painted: its ink, and everything that decides the rest.

    Attributes:
        text: the label.
        source: of the sample.
        layout: ink and boxes.
        look: amounts of the effects before the camera.
        capture: amounts of the effects of light and camera.
        about: kind of label, font and style.
    """

    text: str
    source: str
    layout: Layout
    look: Drawn
    capture: Drawn
    about: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything that was drawn, as plain values."""
        return {**self.about, "layout": self.layout.drawn, "appearance": self.look, "capture": self.capture}

    def blank(self) -> Sample:
        """The sample as it lies in its scene, with an empty picture; without the word, so that nobody turns it."""
        return replace(self.sample(np.zeros((*picture_size(self.capture), 3), np.uint8)), word=None)

    def sample(self, picture: Image) -> Sample:
        """The sample as it lies in its scene, with the picture that was taken of it."""
        height, width = self.layout.mask.shape
        scale = np.array([picture.shape[1] / width, picture.shape[0] / height], np.float32)
        boxes, word = self.layout.boxes * scale, self.layout.word * scale
        return Sample(picture, self.text, boxes, self.source, word=word, parameters=self.parameters)


class SyntheticWords:
    """An endless, indexable source of rendered words with character boxes.

    Sample i depends on the seed, i, the options and the files that they name alone; any process can draw any sample.
    Its text, boxes and parameters are the same wherever Pillow is the same (kerning comes from its Raqm, colours of
    photographs from its JPEG decoder), its pixels within a grey level on any device.

    Args:
        seed: tells streams apart.
        options: what is drawn, and how often.
        charset: only labels that it can express are drawn; None draws all.

    Raises:
        ConfigError: the options make no sense.
        DataError: a folder or file is missing or has nothing to use.
    """

    def __init__(self, seed: int = 0, options: SynthOptions | None = None, charset: Charset | None = None):
        if seed < 0:
            raise ConfigError(f"the seed of synthetic words is {seed}, but must be at least 0")
        self.name = "synth"
        self.seed = seed
        self.options = options or SynthOptions()
        self._charset = charset
        folder = Path(self.options.fonts) if self.options.fonts else None
        self._fonts = FontLibrary(folder, styles=self.options.styles or None)
        self._corpus = Corpus(self.options.labels, self.options.words)
        self._textures = textures(Path(self.options.backgrounds) if self.options.backgrounds else None)
        # Processes that draw for this one would only say the same again.
        if self.options.words and multiprocessing.parent_process() is None:
            self._check_words()

    def __reduce__(self) -> tuple[type[SyntheticWords], tuple[Any, ...]]:
        # Open fonts cannot travel to another process; it opens its own.
        return SyntheticWords, (self.seed, self.options, self._charset)

    @property
    def size(self) -> None:
        """Endless."""
        return None

    @property
    def textures(self) -> Textures:
        """The surfaces that drafts of this source are to be painted on."""
        return self._textures

    def __getitem__(self, index: int) -> Sample:
        """Draw sample `index`, any integer from 0; `samples` is much faster for many.

        Raises:
            SampleError: no font has the characters of its label, or its font is broken.
        """
        return self.finished(self.draft(index))

    def samples(self, indices: Sequence[int]) -> list[Sample | SampleError]:
        """The samples of the given indices, in order, with the error in place of each that cannot be drawn."""
        results: list[Any] = [self._try_draft(index) for index in indices]
        drafts = {place: draft for place, draft in enumerate(results) if isinstance(draft, Draft)}
        for places in alike(drafts, _TOGETHER):
            for place, sample in zip(places, self._develop([drafts[place] for place in places]), strict=True):
                results[place] = sample
        return results

    def render(self, text: str, index: int = 0) -> Sample:
        """Draw a given text; `index` chooses how it looks. The label is in capitals where the font has nothing else.

        Raises:
            SampleError: no font has all its characters, or a font is broken.
        """
        return self._develop([self._draft(index, lambda _: ("given", text))])[0]

    def draft(self, index: int) -> Draft:
        """Stage one of sample `index`: everything but the painting.

        Raises:
            SampleError: as for the sample.
        """
        return self._draft(index, self._label)

    def _check_words(self) -> None:
        """Say early what of the user's words will never be seen."""
        if self._corpus.dropped:
            log.warning("%s: %d words are too long or not text, and left out", self.options.words, self._corpus.dropped)
        characters = self._corpus.characters()
        if self._charset is not None:
            missing = "".join(self._charset.unknown(self._charset.normalize(characters)))
            self._tell(f"charset {self._charset.name}", missing, characters, "take a charset that has them")
        missing = "".join(self._fonts.uncovered(characters))
        advice = "name a folder of fonts that has them, as synth.fonts"
        self._tell(f"the fonts of {self._fonts.folder}", missing, characters, advice)

    @staticmethod
    def _tell(who: str, missing: str, characters: str, advice: str) -> None:
        shown = missing if len(missing) <= _SHOWN else f"{missing[:_SHOWN]} ..."
        message = f"{who}: {len(missing)} of {len(characters)} characters of the words are not there: {shown}"
        if len(missing) > len(characters) / 2:
            raise DataError(f"{message}; {advice}")
        if missing:
            log.warning("%s; words with them are not drawn", message)

    def finished(self, draft: Draft) -> Sample:
        """The sample of a draft of this source."""
        return self._develop([draft])[0]

    def _try_draft(self, index: int) -> Draft | SampleError:
        try:
            return self.draft(index)
        except SampleError as error:
            return error

    def _draft(self, index: int, label: Callable[[Random], tuple[str, str]]) -> Draft:
        # Streams of their own keep words and boxes the same when only the look is changed.
        random, appearance, capture = (np.random.default_rng((self.seed, index, stream)) for stream in range(3))
        source = f"{self.name}#{index}"
        try:
            kind, text, face = self._text_and_font(label, random)
            layout = lay_out(text, face, self.options.layout, random)
        except DataError as error:
            raise SampleError(f"{source}: {error}") from error
        look = draw_look(self.options.appearance, self._textures, appearance)
        taken = draw_capture(self.options.capture, layout.mask.shape, capture, columns=_LEGIBLE * len(text))
        about = {"kind": kind, "font": face.name, "style": face.style, "seed": self.seed, "index": index}
        return Draft(text, source, layout, look, taken, about)

    def _label(self, random: Random) -> tuple[str, str]:
        for _ in range(_TRIES * 10):
            kind, text = self._corpus.sample(random)
            if len(text) == 1 and not text.isalnum():
                continue  # nobody can tell a lone mark that fills the picture
            if self._charset is None or not self._charset.unknown(self._charset.normalize(text)):
                return kind, text
        assert self._charset is not None
        raise DataError(f"no label of the corpus fits charset {self._charset.name}; give a word list that does")

    def _text_and_font(self, label: Callable[[Random], tuple[str, str]], random: Random) -> tuple[str, str, Typeface]:
        kind, text = label(random)
        for _ in range(_TRIES):
            face = self._fonts.sample(random)
            if face.covers(text):
                return kind, self._as_seen(text, face), face
        covering = self._fonts.covering(text, random)
        if covering is None:
            raise DataError(f"no font of {self._fonts.folder} has all of {text!r}; choose other fonts")
        return kind, self._as_seen(text, covering), covering

    def _as_seen(self, text: str, face: Typeface) -> str:
        """The label with the letters that are seen: capitals where the font has nothing else."""
        capitals = text.upper()
        if not face.capitals_only or len(capitals) != len(text) or not face.covers(capitals):
            return text
        known = self._charset is None or not self._charset.unknown(self._charset.normalize(capitals))
        return capitals if known else text

    def _develop(self, drafts: Sequence[Draft]) -> list[Sample]:
        frames = develop(drafts, self._textures, _CPU).pixels.to(torch.uint8).permute(0, 2, 3, 1).numpy()
        samples = []
        for draft, frame in zip(drafts, frames, strict=True):
            rows, columns = picture_size(draft.capture)
            samples.append(draft.sample(np.ascontiguousarray(frame[:rows, :columns])).turned(-draft.layout.turns))
        return samples


def alike(drafts: Mapping[int, Draft], most: int) -> Iterator[list[int]]:
    """Groups of drafts of like width, since the frame of a group is as wide as its widest word.

    Args:
        drafts: by any number.
        most: drafts in a group.

    Yields:
        The numbers of the drafts of each group.
    """
    group: list[int] = []
    widest = 0.0
    for number in sorted(drafts, key=lambda number: drafts[number].layout.mask.shape[1]):
        width = drafts[number].layout.mask.shape[1]
        if group and (len(group) == most or width > widest):
            yield group
            group = []
        if not group:
            widest = 1.25 * width + 16
        group.append(number)
    if group:
        yield group


def develop(drafts: Sequence[Draft], known: Textures, device: torch.device) -> Frames:
    """Stage two: paint words and take their pictures.

    Args:
        drafts: words of like width; all go into frames as wide as the widest.
        known: the surfaces of the source of the drafts.
        device: where to do it.

    Returns:
        Frames with the pictures, in whole grey levels.
    """
    with torch.no_grad():
        scenes = paint([draft.layout.mask for draft in drafts], [draft.look for draft in drafts], known, device)
        taken = take(scenes, [draft.capture for draft in drafts])
        return Frames(taken.pixels.round(), taken.heights, taken.widths)
