"""The belt between two threads: in order, bounded, and stopped without anyone hanging."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearcall.runtime.belt import Belt, BeltStopped


@given(items=st.lists(st.integers()), size=st.integers(1, 5))
def test_everything_arrives_in_order(items: list[int], size: int) -> None:
    belt = Belt[int](size)

    def produce() -> None:
        for item in items:
            belt.put(item)
        belt.finish()

    producer = threading.Thread(target=produce)
    producer.start()
    assert list(belt) == items
    producer.join()


def test_put_waits_while_it_is_full() -> None:
    belt = Belt[int](2)
    put: list[int] = []

    def produce() -> None:
        for item in range(5):
            belt.put(item)
            put.append(item)
        belt.finish()

    producer = threading.Thread(target=produce)
    producer.start()
    producer.join(0.05)
    assert put == [0, 1]
    arrived = []
    for item in belt:
        arrived.append(item)
        assert len(put) <= item + 4
    producer.join()
    assert arrived == list(range(5))


def test_stop_frees_both_sides() -> None:
    full, empty = Belt[int](1), Belt[int](1)
    full.put(0)
    freed: list[str] = []

    def put() -> None:
        with pytest.raises(BeltStopped):
            full.put(1)
        freed.append("put")

    def get() -> None:
        with pytest.raises(BeltStopped):
            next(iter(empty))
        freed.append("get")

    threads = [threading.Thread(target=work) for work in (put, get)]
    for thread in threads:
        thread.start()
    full.stop()
    empty.stop()
    for thread in threads:
        thread.join(10)
    assert sorted(freed) == ["get", "put"]


def test_nothing_arrives_after_a_stop() -> None:
    belt = Belt[int](3)
    belt.put(1)
    belt.stop()
    with pytest.raises(BeltStopped):
        list(belt)
    with pytest.raises(BeltStopped):
        belt.put(2)
