"""What ``clearcall bench speed`` counts and says; times themselves are never asserted."""

import json

import pytest
from typer.testing import CliRunner

from clearcall.benchmark import limits, speed, start, work
from clearcall.benchmark.gpu import bench_gpu
from clearcall.benchmark.limits import Limits
from clearcall.benchmark.speed import Row, SpeedReport, interleave
from clearcall.benchmark.work import Bar, Work
from clearcall.cli.app import app
from clearcall.errors import MissingHardwareError

LIMITS = Limits(int8=1e12, float32=1e11, copied=1e10)


def test_work_takes_turns_of_four_frames_and_the_warm_up_does_not_count():
    order = []
    times = interleave(
        {"a": lambda i: order.append(("a", i)), "b": lambda i: order.append(("b", i))}, 2, lambda *_: None
    )
    assert order[:12] == [(name, i) for turn in (0, 4, 8) for name in "ab" for i in range(turn, turn + 4)][:12]
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}
    assert len(order) > 4


def test_a_row_is_limited_by_arithmetic_or_by_memory():
    assert LIMITS.seconds(1e10, 1e6) == 0.01
    assert LIMITS.seconds(0, 1e8) == 0.01
    assert LIMITS.seconds(1e10, 0, is_int8=False) == 0.1


@pytest.mark.parametrize(
    ("bar", "is_met", "words"),
    [
        (Bar(0.7, "cas"), True, "0.50 x cas, at most 0.7"),
        (Bar(0.4, "cas"), False, "0.50 x cas, at most 0.4"),
        (Bar(9.0), False, "at most 9.0 ms"),
        (None, True, ""),
    ],
)
def test_bars(bar, is_met, words):
    row = speed._row(Work("ours", print, 1e9, 1e6, 2, bar), [9.0, 10.0, 11.0], {"ours": 10.0, "cas": 20.0}, LIMITS)
    assert (row.is_met, row.bar) == (is_met, words)
    assert (row.median, row.limit, row.share) == (10.0, 1.0, 0.1)


def test_operations_are_those_of_the_convolutions():
    """Four convolutions at half resolution: 4 x 4 x 3 x 16, twice 3 x 3 x 16 x 16, 3 x 3 x 16 x 12."""
    weights = 4 * 4 * 3 * 16 + 2 * 9 * 16 * 16 + 9 * 16 * 12
    assert work._operations(work._network("small")) == 2 * weights * 960 * 540


@pytest.fixture
def tiny(monkeypatch):
    """The real work, at a size that takes no time."""
    for name, value in (("WIDTH", 64), ("HEIGHT", 36), ("SMALL_HEIGHT", 12), ("_FRAMES", 2)):
        monkeypatch.setattr(work, name, value)
    monkeypatch.setattr(limits, "_SIDE", 8)
    monkeypatch.setattr(limits, "_COPIED", 1000)
    monkeypatch.setattr(speed, "measure_start", lambda model: (0.5, 0.2))


def test_the_command_prints_everything_and_writes_json(tmp_path, monkeypatch, tiny):
    monkeypatch.setattr(speed, "why_no_gpu", lambda: "the card is being cleaned")
    run = CliRunner().invoke(
        app, ["bench", "speed", "--rounds", "2", "--threads", "2", "--json", str(tmp_path / "a.json")]
    )
    assert run.exit_code == 0, run.output
    content = json.loads((tmp_path / "a.json").read_text())
    names = [row["name"] for row in content["rows"]]
    assert "FFmpeg unsharp, yuv420p" in names
    assert len(set(names)) == len(names)
    assert all(name in run.output for name in names)
    assert content["start"] == {"cold": 0.5, "warm": 0.2}
    assert set(content["limits"]) == {"1 threads", "2 threads"}
    assert not any("GPU" in name for name in names)
    assert run.output.count("nothing was timed on a GPU: the card is being cleaned") == 1


def test_a_gpu_has_a_row_of_its_own(monkeypatch, tiny):
    """The CPU stands for the GPU."""
    monkeypatch.setattr(speed, "why_no_gpu", lambda: "")
    monkeypatch.setattr(
        speed, "bench_gpu", lambda variants: bench_gpu(device="cpu", size=(64, 36), rounds=2, variants=variants)
    )
    run = CliRunner().invoke(app, ["bench", "speed", "--rounds", "1", "--threads", "1"])
    assert run.exit_code == 0, run.output
    [row] = [line for line in run.output.splitlines() if "large, RGB to RGB, on the GPU" in line]
    assert "at most 2.0 ms" in row
    assert "T operations/s in half precision" in run.output
    assert "nothing was timed on a GPU" not in run.output


def test_a_gpu_that_fails_does_not_end_the_benchmark(monkeypatch):
    def broken(variants):
        raise MissingHardwareError("The card fell out.")

    monkeypatch.setattr(speed, "why_no_gpu", lambda: "")
    monkeypatch.setattr(speed, "bench_gpu", broken)
    assert speed._on_gpu() == (None, "The card fell out.")
    assert speed._gpu_rows(None) == []


def test_a_file_in_the_way_is_found_before_anything_is_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "all_work", lambda threads: pytest.fail("work was begun"))
    (tmp_path / "a.json").write_text("kept")
    run = CliRunner().invoke(app, ["bench", "speed", "--json", str(tmp_path / "a.json")])
    assert run.exit_code != 0
    assert (tmp_path / "a.json").read_text() == "kept"


def test_the_first_frame_is_timed_in_a_program_of_its_own():
    cold, warm = start.measure_start("small", tries=1)
    assert cold > 0
    assert warm > 0


def test_a_report_is_plain_values():
    row = Row("ours", 1.0, 1.0, 1.0, 0.5, 0.5)
    report = SpeedReport("machine", 1, {"1 threads": LIMITS}, [row], {"cold": 1.0})
    assert json.loads(json.dumps(report.as_json()))["rows"][0]["median"] == 1.0
