import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clearcall.errors import InputError
from clearcall.frame import check_frame, pad_to_multiple, to_8_bit, to_frame

frames = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@given(frames)
def test_a_frame_survives_the_way_to_float_and_back(frame):
    planes = frame.transpose(2, 0, 1).astype(np.float32) / 255
    assert np.array_equal(to_frame(planes), frame)


@given(frames, st.integers(1, 5))
def test_padding_repeats_the_edge_and_keeps_the_frame(frame, multiple):
    padded = pad_to_multiple(frame, multiple)
    height, width = frame.shape[:2]
    assert padded.shape[0] % multiple == padded.shape[1] % multiple == 0
    assert padded.shape[0] - height < multiple
    assert np.array_equal(padded[:height, :width], frame)
    assert np.array_equal(padded[-1, :width], frame[-1])
    assert np.array_equal(padded[:height, -1], frame[:, -1])


def test_16_bits_round_to_the_nearest_of_8():
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    assert np.array_equal(to_8_bit(deep), np.rint(deep / 257.0).astype(np.uint8))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        [[1, 2, 3]],
        None,
    ],
    ids=repr,
)
def test_what_is_no_frame_is_refused(wrong):
    with pytest.raises(InputError, match="A frame must"):
        check_frame(wrong)
