"""Labels made of words: plain, punctuated, joined; names, brands, abbreviations, addresses; strings without sense."""

from __future__ import annotations

from collections.abc import Callable

from wildtext.charset import NAMED
from wildtext.synth.corpus import figures
from wildtext.synth.corpus.draws import DIGITS, UPPER, Random, between, fill, pick, run
from wildtext.synth.corpus.vocabulary import Vocabulary
from wildtext.synth.corpus.words import shipped

_STREETS = (
    "St", "St.", "Street", "Rd", "Rd.", "Road", "Ave", "Ave.", "Avenue", "Blvd", "Lane", "Ln", "Drive", "Dr", "Way",
    "Place", "Square", "Park", "Hill", "Court", "Pl.", "Hwy",
)  # fmt: skip
_TITLES = ("Dr.", "Mr.", "Mrs.", "Ms.", "Prof.", "St.", "Mr", "Sir")
_FIRMS = (
    "Co.", "Inc.", "Ltd.", "Ltd", "LLC", "Bros.", "Bros", "& Co.", "& Co", "& Sons", "& Son", "Corp.", "Plc",
    "GmbH", "S.A.", "Pte",
)  # fmt: skip
_ENDINGS = (
    "ex", "ix", "ia", "co", "o", "tech", "mart", "tron", "ify", "ly", "zon", "x", "us", "ora", "eo", "net", "soft",
    "star", "max", "ware", "plus", "way", "go", "land", "ino",
)  # fmt: skip
_ONSETS = (
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "br", "cl", "cr",
    "dr", "fl", "gr", "pl", "pr", "sh", "st", "th", "tr", "qu", "y", "ch", "sk", "sn",
)  # fmt: skip
_NUCLEI = ("a", "e", "i", "o", "u", "a", "e", "i", "o", "ai", "ea", "ee", "oo", "ou", "io", "y")
_CODAS = ("", "", "", "", "n", "r", "l", "s", "x", "t", "m", "nd", "ck", "rt", "ng", "z", "k")

_DOMAINS = (
    "com", "com", "com", "com", "net", "org", "co.uk", "de", "fr", "it", "sg", "com.au", "com.sg", "info", "edu",
    "gov", "tv", "biz", "ca", "in", "ru", "nl",
)  # fmt: skip
_RARE_ADDRESSES = (
    "info@{0}.{1}", "{2}@{0}.{1}", "@{0}", "@{0}", "@{0}_{2}", "#{0}", "#{0}", "#{0}{2}", "http://{0}.{1}",
    "{0}.{1}/{2}", "www.{0}", ".{1}", "/{0}", "{0}@{2}.{1}", "www.{0}{2}.{1}",
)  # fmt: skip
_SHORT = ("@#", "#@", "@.", "#.", "@'", "#)", "@-", "-@", "#%", "@!", "&", "-", "@,", "#,")

Kind = Callable[[Vocabulary, Random], str]


def _word(vocabulary: Vocabulary, random: Random) -> str:
    return vocabulary.word(random)


def _name(vocabulary: Vocabulary, random: Random) -> str:
    form, name, joiner = random.random(), vocabulary.name(random), vocabulary.joiner
    if not joiner:  # no blanks between words, no European titles either
        return name
    if form > 0.92:
        name += joiner + pick(_STREETS, random)
    elif form > 0.90:
        name = f"{pick(UPPER, random)}.{joiner}{name}"
    elif form > 0.885:
        name = f"{pick(_TITLES, random)}{joiner}{name}"
    elif form > 0.86:
        name += joiner + vocabulary.name(random)
    elif form > 0.80:
        name += "'s"
    return vocabulary.case(name, random)


def _brand(vocabulary: Vocabulary, random: Random) -> str:
    form = random.random()
    if form < 0.35:
        return vocabulary.case(_made_up(random), random)
    if form < 0.45:
        return run(UPPER, 1, random) + pick("&&&-+'", random) + run(UPPER, 1, random)
    if not vocabulary.joiner:
        return vocabulary.name(random)
    if form < 0.65:
        first, second = vocabulary.raw(random), vocabulary.raw(random)
        camel = first[:1].upper() + first[1:] + second[:1].upper() + second[1:]
        return camel if random.random() < 0.5 else vocabulary.case(camel, random)
    if form < 0.73:
        return vocabulary.case(f"{vocabulary.name(random)} {pick(_FIRMS, random)}", random)
    if form < 0.82:
        return pick("eieiXG", random) + pick(("", "", "-"), random) + vocabulary.raw(random).capitalize()
    if form < 0.90:
        return vocabulary.word(random) + pick(("", "", "-"), random) + run(DIGITS, between(1, 2, random), random)
    if form < 0.94:
        return str(between(1, 99, random)) + vocabulary.word(random)
    both = vocabulary.name(random) + pick(("&", " & ", "+", "-"), random) + vocabulary.name(random)
    return vocabulary.case(both, random)


def _made_up(random: Random) -> str:
    """A name that can be spoken and means nothing."""
    syllables = between(1, 3, random)
    parts = [pick(_ONSETS, random) + pick(_NUCLEI, random) + pick(_CODAS, random) for _ in range(syllables)]
    return "".join(parts) + (pick(_ENDINGS, random) if syllables == 1 or random.random() < 0.3 else "")


def _abbreviation(vocabulary: Vocabulary, random: Random) -> str:
    form = random.random()
    if form < 0.6:
        known = pick(shipped("abbreviations"), random)
        return known.upper() if random.random() < 0.3 else known
    letters = run(UPPER, between(2, 4, random), random)
    if form < 0.85:
        return letters
    return ".".join(letters) + ("." if form < 0.95 else "")


def _punctuated(vocabulary: Vocabulary, random: Random) -> str:
    form, word = random.random(), vocabulary.word(random)
    if form < 0.56:
        before, after = pick(vocabulary.marks, random)
        return before + word + after
    if form < 0.70:
        return vocabulary.case(pick(shipped("contractions"), random), random)
    if form < 0.82 and word.isascii():
        return word + ("'S" if len(word) > 1 and word.isupper() else "'s")
    return vocabulary.case(vocabulary.raw(random) + pick("-----&/'.+", random) + vocabulary.raw(random), random)


def _phrase(vocabulary: Vocabulary, random: Random) -> str:
    form, joiner = random.random(), vocabulary.joiner
    if form < 0.07:
        return " ".join(vocabulary.word(random)[:8])  # letters set wide apart are labelled so
    words = [vocabulary.raw(random) for _ in range(2 if form < 0.85 else 3)]
    if form < 0.15:
        words[1] = str(between(1, 99, random))
    return vocabulary.case(joiner.join(words), random)


def _address(vocabulary: Vocabulary, random: Random) -> str:
    raw = vocabulary.raw(random)
    name = raw.replace(" ", "").lower() if raw.isascii() and random.random() < 0.6 else _made_up(random)
    form = random.random()
    domain = pick(_DOMAINS, random)
    if form < 0.25:
        template = "www.{0}.{1}"
    elif form < 0.45:
        template = "{0}.{1}"
    else:
        template = pick(_RARE_ADDRESSES, random)
    label = template.format(name, domain, _made_up(random)[:5])
    return label.upper() if random.random() < 0.15 else label


def _short(vocabulary: Vocabulary, random: Random) -> str:
    form = random.random()
    if form < 0.30:
        return pick(UPPER, random)
    if form < 0.42:
        return pick(DIGITS, random)
    if form < 0.50:
        return pick(vocabulary.letters, random)
    if form < 0.58:
        return run(DIGITS, 2, random)
    if form < 0.64:
        return fill(pick(_SHORT, random), random)
    return vocabulary.case(run(vocabulary.letters, between(2, 3, random), random), random)


def _letters(vocabulary: Vocabulary, random: Random) -> str:
    """Words that no dictionary has, so that the reader looks at the letters."""
    return vocabulary.case(run(vocabulary.letters, between(1, 10, random), random), random)


def _characters(vocabulary: Vocabulary, random: Random) -> str:
    """Every character alike, so that rare ones are learnt."""
    foreign = vocabulary.foreign and random.random() < 0.5
    return run(vocabulary.foreign if foreign else NAMED["94"], between(1, 8, random), random)


def _figures(kind: Callable[[Random], str]) -> Kind:
    return lambda _, random: kind(random)


KINDS: dict[str, Kind] = {
    "word": _word,
    "name": _name,
    "brand": _brand,
    "abbreviation": _abbreviation,
    "punctuated": _punctuated,
    "phrase": _phrase,
    "address": _address,
    "short": _short,
    "letters": _letters,
    "characters": _characters,
    "number": _figures(figures.number),
    "price": _figures(figures.price),
    "date": _figures(figures.date),
    "time": _figures(figures.time),
    "phone": _figures(figures.phone),
    "plate": _figures(figures.plate),
    "code": _figures(figures.code),
    "ordinal": _figures(figures.ordinal),
    "unit": _figures(figures.unit),
}
"""What `LabelOptions.kinds` can name."""
