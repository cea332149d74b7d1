"""The tiny run, once for all tests."""

from __future__ import annotations

import pytest
from tiny_run import LINKS, MODEL, Ran, save_sources

from clearcall.evaluation.quality.bench import bench
from clearcall.evaluation.quality.measure import Setup
from clearcall.evaluation.vmaf import find_ffmpeg


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder, results = save_sources(tmp_path_factory.mktemp("sources")), tmp_path_factory.mktemp("results")
    setup = Setup((MODEL,), find_ffmpeg())
    outcome = bench(folder, LINKS, setup, results, left_out={"LPIPS": "no weights"}, workers=1)
    return Ran(outcome, folder, results)
