import numpy as np
import pytest

from clearcall.errors import RecipeError
from clearcall.training.taught import TaughtWindows


class Source:
    """Two windows of noise."""

    def __init__(self, seed=0):
        self.seed = seed

    def __len__(self):
        return 2

    def window(self, item):
        return np.random.default_rng((self.seed, item)).integers(0, 250, (2, 8, 12, 3), np.uint8)


@pytest.fixture
def calls():
    return []


@pytest.fixture
def make(tmp_path, calls):
    def windows(source=None, fingerprint="one", limit=10**6, add=1):
        def restore(frame):
            calls.append(frame)
            return frame + np.uint8(add)

        return TaughtWindows(source or Source(), restore, fingerprint, tmp_path / "cache", limit)

    return windows


def test_the_third_picture_is_the_teachers_and_is_computed_once(make, calls):
    window = make().window(1)
    assert np.array_equal(window[:2], Source().window(1))
    assert np.array_equal(window[2], window[0] + 1)
    assert np.array_equal(make().window(1), window)
    assert len(calls) == 1


@pytest.mark.parametrize("change", [{"fingerprint": "two"}, {"source": Source(seed=5)}])
def test_another_teacher_or_other_windows_are_computed_anew(make, calls, change):
    make().window(0)
    changed = make(**change, add=7).window(0)
    assert np.array_equal(changed[2], changed[0] + 7)
    assert len(calls) == 2


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:40], lambda _: b""])
def test_a_damaged_file_is_made_again(make, calls, tmp_path, damage):
    whole = make().window(0)
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert np.array_equal(make().window(0), whole)
    assert np.array_equal(make().window(0), whole)
    assert len(calls) == 2


def test_one_wrong_bit_is_noticed(make, calls, tmp_path):
    whole = make().window(0)
    (path,) = (tmp_path / "cache").iterdir()
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    assert np.array_equal(make().window(0), whole)
    assert len(calls) == 2


def test_the_folder_holds_no_more_than_its_limit(make, calls, tmp_path):
    one = make()
    one.window(0)
    size = sum(path.stat().st_size for path in (tmp_path / "cache").iterdir())
    full = make(limit=size + 10)
    for _ in range(2):
        full.window(1)
    assert len(calls) == 3
    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) == size


def test_a_folder_that_cannot_be_made_is_said(make, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(RecipeError, match=r"distillation\.cache"):
        make().window(0)
