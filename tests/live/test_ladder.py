"""The overload ladder and the mailbox, with times made up."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from clearcall.runtime.ladder import Ladder
from clearcall.runtime.mailbox import Mailbox


def run(ladder: Ladder, *, late: bool, start: float, seconds: float, rate: float = 30.0) -> float:
    for step in range(int(seconds * rate)):
        ladder.observe(late=late, now=start + step / rate)
    return start + seconds


def test_one_late_frame_changes_nothing() -> None:
    ladder = Ladder(2)
    for step in range(300):
        assert ladder.observe(late=step % 10 == 0, now=step / 30) == 0


def test_half_of_the_frames_late_steps_down() -> None:
    ladder = Ladder(2)
    levels = [ladder.observe(late=step % 2 == 0, now=step / 30) for step in range(60)]
    assert levels[-1] >= 1


def test_a_few_very_late_frames_step_down() -> None:
    ladder = Ladder(2)
    assert [ladder.observe(late=True, now=step, weight=20) for step in range(4)] == [0, 0, 0, 1]


def test_never_below_the_lowest_level() -> None:
    ladder = Ladder(2)
    run(ladder, late=True, start=0.0, seconds=20)
    assert ladder.level == 2


def test_better_level_returns_only_after_the_quiet_spell() -> None:
    ladder = Ladder(1, quiet=5.0)
    now = run(ladder, late=True, start=0.0, seconds=1)
    assert ladder.level == 1
    now = run(ladder, late=False, start=now, seconds=4.5)
    assert ladder.level == 1
    run(ladder, late=False, start=now, seconds=1)
    assert ladder.level == 0


def test_a_late_frame_starts_the_quiet_spell_anew() -> None:
    ladder = Ladder(1, quiet=5.0)
    now = run(ladder, late=True, start=0.0, seconds=1)
    for _ in range(5):
        now = run(ladder, late=False, start=now, seconds=4)
        ladder.observe(late=True, now=now)
    assert ladder.level == 1


def test_quiet_spell_doubles_when_the_better_level_fails_again() -> None:
    ladder = Ladder(1, quiet=5.0, longest_quiet=40.0)
    now, downs, up = 0.0, 0, True
    for _ in range(30 * 300):
        now += 1 / 30
        level = ladder.observe(late=ladder.level == 0, now=now)
        downs += up and level == 1
        up = level == 0
    assert 6 <= downs <= 12


@given(st.lists(st.booleans(), max_size=400), st.integers(0, 4))
def test_level_moves_by_one_and_stays_in_range(lates: list[bool], lowest: int) -> None:
    ladder = Ladder(lowest, quiet=1.0)
    before = 0
    for step, late in enumerate(lates):
        after = ladder.observe(late=late, now=step / 10)
        assert 0 <= after <= lowest
        assert abs(after - before) <= 1
        before = after


def test_mailbox_gives_the_newest_and_lets_the_reader_go() -> None:
    mailbox = Mailbox[int]()
    taken: list[int | None] = []
    reader = threading.Thread(target=lambda: taken.append(mailbox.take()))
    reader.start()
    mailbox.put(1)
    reader.join(10)
    assert taken == [1]
    assert [mailbox.put(n) for n in (2, 3, 4)] == [False, True, True]
    assert mailbox.close() == 1
    assert mailbox.take() is None
    assert mailbox.put(5)
