import json
import subprocess
import sys

from typer.testing import CliRunner

from clearcall.cli import app


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


def test_the_list_needs_no_pytorch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from typer.testing import CliRunner; from clearcall.cli import app\n"
        "sys.exit(CliRunner().invoke(app, ['teachers']).exit_code)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
