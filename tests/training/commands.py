"""Commands of `wildtext` in processes of their own, which write down what each of them saw.

    python -m tests.training.commands COMMANDS SEEN

COMMANDS is a JSON file: arguments by name, in which `{rank}` stands for the number of the process, and `{limit}` for a
time that is up at once in process 1, and in no other. SEEN gets `NAME-RANK.json` for each command, written after every
step.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from wildtext.charset import Charset
from wildtext.synth import SyntheticWords

ROOT = Path(__file__).parents[2]

Seen = dict[str, list[dict[str, Any]]]
"""By command and process (`NAME-RANK`), what happened at each step."""


def write_words(folder: Path, count: int) -> Path:
    """Rendered words as labelled files."""
    folder.mkdir(parents=True)
    charset, source = Charset.named("36"), SyntheticWords(5)
    lines: list[str] = []
    index = 0
    while len(lines) < count:
        sample = source[index]
        if 2 <= len(sample.text) <= 8 and not charset.unknown(charset.normalize(sample.text)):
            Image.fromarray(sample.image).save(folder / f"{index}.png")
            lines.append(f"{index}.png\t{sample.text}\n")
        index += 1
    (folder / "labels.tsv").write_text("".join(lines), encoding="utf-8")
    return folder


def start(processes: int, commands: Mapping[str, Sequence[str]], folder: Path) -> subprocess.Popen[str]:
    """Start processes, through torchrun where there are several, that run all commands one after another."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "commands.json").write_text(json.dumps(commands), encoding="utf-8")
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", *(torchrun if processes > 1 else [])),
            *("tests.training.commands", str(folder / "commands.json"), str(folder)),
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(processes: int, commands: Mapping[str, Sequence[str]], folder: Path) -> tuple[Seen, str]:
    """What the processes saw, and what they said, once they have ended as they should."""
    started = start(processes, commands, folder)
    said, _ = started.communicate(timeout=300)
    assert started.returncode == 0, said
    return seen(folder), said


def seen(folder: Path) -> Seen:
    """What processes wrote down so far."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*-[0-9].json")}


def _main() -> None:
    import torch.distributed as dist

    from tests.anysize import PRESET
    from wildtext.cli import main
    from wildtext.models import MODELS
    from wildtext.training.loader import Delivery
    from wildtext.training.run import Run
    from wildtext.training.step import Outcome

    MODELS["any-size"] = PRESET
    commands, folder = map(Path, sys.argv[1:])
    rank = os.environ.get("RANK", "0")
    take = Run.step
    steps: list[dict[str, Any]] = []
    command = ""

    def recorded(self: Run, delivery: Delivery) -> Outcome:
        outcome = take(self, delivery)
        weights = {name: value.numpy() for name, value in self.state.model.state_dict().items()}
        steps.append(
            {
                **asdict(outcome),
                "step": self.state.step,
                "sources": delivery.sources,
                "parts": len(delivery.parts),
                # The count of batches of a normalisation has no effect on anything.
                "weights": sum(zlib.crc32(value.data) for name, value in weights.items() if "num_batches" not in name),
                "finite": all(bool((abs(value) < 1e6).all()) for value in weights.values()),
            }
        )
        path = folder / f"{command}-{rank}.json"
        path.with_suffix(".part").write_text(json.dumps(steps), encoding="utf-8")
        path.with_suffix(".part").replace(path)
        return outcome

    Run.step = recorded  # type: ignore[method-assign]
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")  # once for all commands
    logging.basicConfig(level=logging.INFO, format=f"process {rank}: %(message)s")
    for name, arguments in json.loads(commands.read_text(encoding="utf-8")).items():
        command = name
        steps.clear()
        limit = "0s" if rank == "1" else "9h"
        if status := main([argument.format(rank=rank, limit=limit) for argument in arguments]):
            sys.exit(status)
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    _main()
