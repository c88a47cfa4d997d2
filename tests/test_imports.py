"""Rooms lean on each other in one direction only, and reading needs no torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wildtext
from wildtext.models import MODELS

ROOT = Path(wildtext.__file__).parent

# Each room may import from the rooms of the lines above it and from its own line.
ORDER = [
    {"errors", "files", "types", "charset", "config"},
    {"images"},
    {"codecs"},
    {"data", "synth"},
    {"models"},
    {"weights"},
    {"inference"},
    {"evaluation"},
    {"training"},
    {"cli", "__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}

NEEDS_TORCH = (
    "images/augment",
    "images/effects",
    "images/fitting",
    "images/jpeg",
    "images/policies/",
    "synth/appearance",
    "synth/lettering",
    "synth/source",
    "models/",
    "training/",
    "weights/importers/",
    "inference/torch_runtime",
    "inference/export",
)


def modules() -> list[Path]:
    return [
        path.relative_to(ROOT)
        for path in sorted(ROOT.rglob("*.py"))
        if path.name != "__init__.py" or path.parent != ROOT
    ]


def room_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def imported_names(module: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("module", modules(), ids=str)
def test_imports_only_from_rooms_to_its_left(module: Path) -> None:
    level = LEVEL[room_of(module)]
    for name in imported_names(module):
        if name.startswith("wildtext."):
            room = name.split(".")[1]
            assert LEVEL[room] <= level, f"{module} imports {name}"


@pytest.mark.parametrize("module", [m for m in modules() if not str(m).startswith(NEEDS_TORCH)], ids=str)
def test_only_the_rooms_that_learn_import_torch(module: Path) -> None:
    names = imported_names(module, top_level_only=True)
    assert not {name.split(".")[0] for name in names} & {"torch", "safetensors", "onnx", "onnxscript", "lmdb"}


def test_no_architecture_is_named_outside_its_room() -> None:
    allowed = ("models/", "weights/importers/", "config/")
    for module in modules():
        if str(module).startswith(allowed):
            continue
        text = (ROOT / module).read_text(encoding="utf-8")
        strings = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
        assert not strings & MODELS.keys(), module


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom wildtext.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'onnxruntime', 'PIL', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_reading_works_where_torch_cannot_be_imported(tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "white.png"
    Image.new("RGB", (100, 32), "white").save(picture)
    code = (
        "import sys\nfor name in ('torch', 'safetensors', 'onnx', 'lmdb'): sys.modules[name] = None\n"
        f"import wildtext\nprint(len(wildtext.load().read({str(picture)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "1"


def test_public_names_are_listed_once_and_exist() -> None:
    assert wildtext.__all__ == sorted(wildtext.__all__)
    for name in wildtext.__all__:
        assert getattr(wildtext, name) is not None
