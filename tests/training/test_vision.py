"""The door to torchvision and spandrel, each time in an interpreter that has loaded neither."""

import subprocess
import sys


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_networks_and_transforms_of_torchvision_work():
    run = python(
        "import torch\n"
        "from clearcall.training.vision import load_torchvision\n"
        "assert load_torchvision() is load_torchvision()\n"
        "from torchvision.models import vgg19\n"
        "from torchvision.transforms import v2\n"
        "print(vgg19().features[0](v2.functional.horizontal_flip(torch.zeros(1, 3, 8, 8))).shape)"
    )
    assert run.stdout.strip() == "torch.Size([1, 64, 8, 8])", run.stderr


def test_spandrel_comes_through_the_same_door():
    run = python("from clearcall.training.vision import load_spandrel\nprint(len(load_spandrel().MAIN_REGISTRY) > 40)")
    assert run.stdout.strip() == "True", run.stderr


def test_an_absent_torchvision_is_named_with_its_extra():
    run = python(
        "import sys\n"
        "sys.modules['torchvision'] = None\n"
        "from clearcall.errors import MissingExtraError\n"
        "try:\n    import clearcall.training.vision\nexcept MissingExtraError as error:\n    print(error)"
    )
    assert "torchvision" in run.stdout
    assert "clearcall[train]" in run.stdout


def test_an_import_that_fails_for_another_reason_is_not_hidden(tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('broken build')")
    run = python(
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "from clearcall.training.vision import load_torchvision\nload_torchvision()"
    )
    assert run.returncode != 0
    assert "broken build" in run.stderr
