"""The CPUs that count: those of the process's affinity, and of its container's quota."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clearcall.cpus import ordinary_scheduling, usable_cpus
from clearcall.degrade.codec import round_trip

COUNT = "from clearcall.cpus import usable_cpus; print(usable_cpus())"


@pytest.fixture
def many_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)


def lay_out(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_a_process_that_is_bound_to_one_cpu_counts_one():
    cpu = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{cpu}}}); {COUNT}"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"1"


@pytest.mark.parametrize(("quota", "cpus"), [("max", 64), ("200000", 2), ("150000", 2), ("10000", 1), ("9900000", 64)])
@pytest.mark.parametrize("group", ["", "system.slice/call.service"])
def test_the_quota_of_a_control_group_of_version_2(tmp_path, many_cpus, group, quota, cpus):
    files = {"proc/self/cgroup": f"0::/{group}\n", f"sys/fs/cgroup/{group}/cpu.max": f"{quota} 100000\n"}
    assert usable_cpus(lay_out(tmp_path, files)) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("-1", 64), ("300000", 3), ("50000", 1)])
def test_the_quota_of_a_control_group_of_version_1(tmp_path, many_cpus, quota, cpus):
    files = {
        "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": f"{quota}\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
    }
    assert usable_cpus(lay_out(tmp_path, files)) == cpus


def test_a_quota_further_up_counts_too(tmp_path, many_cpus):
    files = {
        "proc/self/cgroup": "0::/pod/call\n",
        "sys/fs/cgroup/pod/call/cpu.max": "800000 100000",
        "sys/fs/cgroup/pod/cpu.max": "400000 100000",
    }
    assert usable_cpus(lay_out(tmp_path, files)) == 4


@pytest.mark.parametrize("content", ["", "nonsense", "1 2 3", "100000 0", "-5 x"])
def test_what_can_not_be_read_limits_nothing(tmp_path, many_cpus, content):
    files = {"proc/self/cgroup": "0::/\nnonsense\n", "sys/fs/cgroup/cpu.max": content}
    assert usable_cpus(lay_out(tmp_path, files)) == 64
    assert usable_cpus(tmp_path / "absent") == 64


def test_systems_without_affinity_count_all(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert usable_cpus(tmp_path) == 10


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="only Linux schedules by policy")
def test_no_thread_stays_urgent():
    before = os.sched_getscheduler(0)
    with ordinary_scheduling():
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:  # then no library can do so either
            assert os.geteuid() != 0
    assert os.sched_getscheduler(0) == before


def test_av1_takes_no_cpu_from_others():
    before = os.sched_getscheduler(0)
    for _ in round_trip([np.full((64, 64, 3), 90, np.uint8)] * 3, "av1", crf=40):
        assert os.sched_getscheduler(0) == before
