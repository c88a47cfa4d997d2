"""Render words of your own as labelled images: python examples/render_words.py OUT WORD [WORD ...].

The folder can be read (`wildtext read`), measured (`wildtext evaluate --data`) and packed (`wildtext data pack`).
"""

import sys
from pathlib import Path

from PIL import Image

from wildtext.synth import SyntheticWords


def main(out: Path, words: list[str]) -> None:
    """Write one image for each word, and labels.tsv."""
    source = SyntheticWords(seed=7)
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for index, word in enumerate(words):
        name = f"{index + 1:02}.png"
        sample = source.render(word, index)
        Image.fromarray(sample.image).save(out / name)
        # Not the word: some fonts have capitals only, and the label says what is seen.
        lines.append(f"{name}\t{sample.text}\n")
    (out / "labels.tsv").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
