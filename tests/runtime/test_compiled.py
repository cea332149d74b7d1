"""Compiled graphs on disk: found again, never trusted when damaged, bounded, and done without where they can't be."""

import os

import numpy as np
import pytest

import clearcall
from clearcall.runtime import compiled
from clearcall.runtime.compiled import CompiledGraphs, cache_folder
from clearcall.runtime.engine import ONNXGraph

FRAME = np.full((16, 24, 3), 90, np.uint8)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEARCALL_CACHE", str(tmp_path))
    return tmp_path / "clearcall" / "compiled"


@pytest.fixture
def readings(monkeypatch):
    """How often a graph has been read, which compiling needs and a cached one doesn't."""
    count = []
    read = ONNXGraph._read
    monkeypatch.setattr(ONNXGraph, "_read", lambda graph: (count.append(1), read(graph))[1])
    return count


def test_the_second_program_compiles_nothing_and_computes_the_same(cache, readings):
    first = clearcall.load("large", threads=1).sharpen(FRAME)
    assert len(readings) == 1
    assert np.array_equal(clearcall.load("large", threads=1).sharpen(FRAME), first)
    assert len(readings) == 1
    clearcall.load("large", threads=1).sharpen(FRAME, strength=0.5)
    assert len(readings) == 2, "a blend is another graph"


@pytest.mark.parametrize("damage", [b"", b"short", None], ids=["empty", "short", "one bit"])
def test_damaged_files_count_as_missing(cache, readings, damage):
    expected = clearcall.load("large", threads=1).sharpen(FRAME)
    for path in cache.glob("*.blob"):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    assert np.array_equal(clearcall.load("large", threads=1).sharpen(FRAME), expected)
    assert len(readings) == 2


def test_what_the_engine_can_not_use_is_compiled_anew(cache, monkeypatch):
    expected = clearcall.load("large", threads=1).sharpen(FRAME)
    monkeypatch.setattr(CompiledGraphs, "get", lambda self, key: b"whole, but no compiled graph")
    assert np.array_equal(clearcall.load("large", threads=1).sharpen(FRAME), expected)


def test_a_cache_that_can_not_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CLEARCALL_CACHE", str(tmp_path / "file"))
    assert clearcall.load("large", threads=1).sharpen(FRAME).shape == FRAME.shape


def test_another_version_or_setting_finds_nothing(tmp_path):
    graphs = CompiledGraphs(tmp_path)
    graphs.put(("graph", "2026.4", 1080), b"blob")
    assert graphs.get(("graph", "2026.5", 1080)) is None
    assert graphs.get(("graph", "2026.4", 1080)) == b"blob"


def test_the_ones_not_used_for_longest_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "_KEPT", 3)
    graphs = CompiledGraphs(tmp_path)
    for number in range(3):
        graphs.put((number,), b"%d" % number)
        os.utime(graphs._path((number,)), (number, number))
    assert graphs.get((0,)) == b"0"
    graphs.put((3,), b"3")
    assert [graphs.get((number,)) for number in range(4)] == [b"0", None, b"2", b"3"]
    assert not list(tmp_path.glob(".*")), "nothing unfinished is left"


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("CLEARCALL_CACHE", raising=False)
    monkeypatch.setattr(compiled.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "clearcall"
    monkeypatch.setattr(compiled.sys, "platform", "darwin")
    assert cache_folder().parts[-3:] == ("Library", "Caches", "clearcall")
