import json
import subprocess
import sys

from typer.testing import CliRunner

from clearcall.cli import app
from clearcall.errors import MissingExtraError


def test_the_list_names_every_family_its_size_licence_source_and_points():
    run = CliRunner().invoke(app, ["teachers"])
    assert run.exit_code == 0
    for expected in ("nafnet", "restormer", "swinir", "mprnet", "26.1 M", "154.9 G", "MIT", "non-commercial", "latent"):
        assert expected in run.output
    assert "github.com/megvii-research/NAFNet" in run.output
    assert "clearcall[teachers-noncommercial]" in run.output


def test_for_programs_it_is_json_whose_recipes_are_valid():
    from clearcall.training.teachers.config import TeacherConfig

    listed = json.loads(CliRunner().invoke(app, ["teachers", "--json"]).output)
    assert {entry["architecture"] for entry in listed} == {"nafnet", "restormer", "swinir", "mprnet"}
    for entry in listed:
        assert TeacherConfig(**entry["recipe"]).architecture == entry["architecture"]
        assert entry["parameters"] > 1e6
        assert entry["commercial_use"] is (entry["architecture"] in ("nafnet", "swinir"))


def test_without_the_train_extra_it_says_how_to_get_it():
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['clearcall', 'teachers']\n"
        "from clearcall.cli import main; main()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == MissingExtraError.exit_status
    assert "pip install 'clearcall[train]'" in run.stderr
    assert "Traceback" not in run.stderr
