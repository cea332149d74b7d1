"""The structure: what may import what, checked on the source and on a running interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import clearcall

SOURCE = Path(clearcall.__file__).parent
LAYERS = [
    {"cpus", "errors", "frame"},
    {"media"},
    {"data"},
    {"degrade"},
    {"evaluation"},
    {"bundle"},
    {"runtime"},
    {"web"},
    {"training"},
    {"benchmark", "demo", "doctor"},
    {"cli"},
]
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}
TRAINING_ONLY = {
    "torch",
    "torchvision",
    "lightning",
    "torchmetrics",
    "onnx",
    "onnxruntime",
    "safetensors",
    "spandrel",
    "spandrel_extra_arches",
}


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Modules that a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


FILES = [path for path in SOURCE.rglob("*.py") if part_of(path) not in {"__init__", "__main__"}]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_downward(path):
    floor = FLOOR[part_of(path)]
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "clearcall" and len(parts) > 1 and parts[1] in FLOOR:
            assert FLOOR[parts[1]] <= floor, f"{path.name} imports {name}, which stands above it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_training_imports_what_only_training_needs(path):
    if part_of(path) != "training":
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & TRAINING_ONLY


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import clearcall",
        "import clearcall.cli",
        "import clearcall, numpy; clearcall.load().sharpen(numpy.zeros((8, 8, 3), 'uint8'))",
        "import clearcall.runtime.video, clearcall.runtime.batch, clearcall.demo",
    ],
)
def test_the_runtime_never_loads_pytorch(statement):
    assert not loaded_after(statement) & TRAINING_ONLY


def test_importing_clearcall_loads_nothing_heavy():
    assert not loaded_after("import clearcall") & {"openvino", "av", "skimage", "scipy", "numpy", "PIL", "typer"}


def test_the_first_frame_waits_for_nothing_that_it_does_not_need():
    loaded = loaded_after("import clearcall, numpy; clearcall.load().sharpen(numpy.zeros((8, 8, 3), 'uint8'))")
    assert not loaded & {"pydantic", "av", "skimage", "scipy", "PIL", "typer", "rich"}


def test_help_loads_nothing_heavy():
    assert not loaded_after("import clearcall.cli") & {"openvino", "av", "skimage", "scipy"}
