import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from clearcall.degrade import degrade_picture, get_profile
from clearcall.degrade.scale import resize
from clearcall.errors import BundleError
from clearcall.frame import Frame
from clearcall.runtime.gate import MEASURES, Gate, Steady, measures

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:480, :480])
SOFTNESS = slice(0, 5)
PATTERNS = slice(6, 11)
ALTERNATION = slice(17, 19)


def gate(weight: np.ndarray, choices: tuple[str, ...] = ("general", "untouched")) -> Gate:
    ones = np.ones(MEASURES, np.float32)
    return Gate(choices, 0 * ones, ones, ((weight.astype(np.float32), np.zeros(len(choices), np.float32)),))


def slowly(image: np.ndarray) -> list[float]:
    """The first six measures by loops over single samples of all rows."""
    rows = image.astype(float)
    means = []
    for distance in (1, 2, 3, 4, 6, 8):
        found = [
            abs(row[x - distance] - 2 * row[x] + row[x + distance])
            for row in rows
            for x in range(distance, len(row) - distance)
        ]
        means.append(np.log(np.mean(found) + 0.02))
    return [mean - means[-1] for mean in means[:-1]] + means[-1:]


def test_second_differences_are_those_of_the_definition():
    image = np.random.default_rng(1).integers(0, 256, (7, 60), np.uint8)
    assert measures(image)[:6] == pytest.approx(slowly(image), abs=1e-4)


@pytest.mark.parametrize(("factor", "place"), [(3, 1), (4, 2)])
def test_the_factor_of_an_enlarged_frame_leaves_its_pattern(factor: int, place: int):
    small = resize(ASTRONAUT, 480 // factor, 480 // factor, "bicubic")
    patterns = [measures(image)[PATTERNS] for image in (resize(small, 480, 480, "bicubic"), ASTRONAUT)]
    assert patterns[0][place] > patterns[1][place] + 0.5
    assert patterns[0].argmax() == place


def test_every_other_third_difference_vanishes_where_a_frame_was_enlarged_by_two():
    enlarged = resize(resize(ASTRONAUT, 240, 240, "bicubic"), 480, 480, "bilinear")
    assert (measures(enlarged)[ALTERNATION] > 0.1).all()
    assert (measures(ASTRONAUT)[ALTERNATION] < 0.03).all()


def test_third_differences_are_those_of_the_definition():
    image = np.random.default_rng(1).integers(0, 4, (7, 60), np.uint8)
    third = np.abs(np.diff(image.astype(int), 3))
    even, odd = third[:, ::2], third[:, 1::2]
    expected = [abs((even < most).mean() - (odd < most).mean()) for most in (1, 2)]
    assert measures(image)[ALTERNATION] == pytest.approx(expected, abs=1e-6)


def test_a_softer_frame_has_weaker_near_differences():
    links = ("clean", "h264-540p-2500k", "h264-180p-80k")
    nearest = [measures(degrade_picture(ASTRONAUT, get_profile(link)))[0] for link in links]
    assert nearest == sorted(nearest, reverse=True)


def test_luma_and_rgb_say_the_same_but_for_rounding():
    luma = np.rint(ASTRONAUT @ np.array([0.2126, 0.7152, 0.0722])).astype(np.uint8)
    assert measures(luma)[:6] == pytest.approx(measures(ASTRONAUT)[:6], abs=0.06)


def test_sixteen_bits_say_what_eight_do():
    deep = ASTRONAUT.astype(np.uint16) * 257
    assert measures(deep) == pytest.approx(measures(ASTRONAUT), abs=1e-3)


@pytest.mark.parametrize("down", [slice(0, 360), slice(360, 720), slice(720, 1080)])
@pytest.mark.parametrize("across", [slice(0, 640), slice(640, 1280), slice(1280, 1920)])
def test_no_part_of_a_wide_frame_is_overlooked(down: slice, across: slice):
    frame = np.zeros((1080, 1920), np.uint8)
    frame[down, across] = np.random.default_rng(3).integers(0, 256, (360, 640), np.uint8)
    share_of_edges = measures(frame)[-1]
    assert 0.03 < share_of_edges < 0.3


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([(), (3,)]), st.integers(0, 3))
def test_frames_of_any_size_have_finite_measures(height: int, width: int, colours: tuple[int, ...], seed: int):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, *colours), np.uint8)
    found = measures(image)
    assert found.shape == (MEASURES,)
    assert np.isfinite(found).all()


def test_lines_farther_apart_than_they_are_long_make_no_difference():
    wide = np.zeros((480, 600, 3), np.uint8)
    wide[:, :480] = ASTRONAUT
    assert np.array_equal(measures(wide[:, :480]), measures(ASTRONAUT))


def test_a_large_frame_is_looked_at_in_few_places():
    large: Frame = np.tile(ASTRONAUT, (4, 4, 1))
    assert measures(large)[:6] == pytest.approx(measures(ASTRONAUT)[:6], abs=0.25)


def test_a_gate_is_the_network_of_its_file():
    random = np.random.default_rng(5)
    layers = (
        (random.normal(size=(6, MEASURES)), random.normal(size=6)),
        (random.normal(size=(2, 6)), random.normal(size=2)),
    )
    mean, scale = random.normal(size=MEASURES), random.uniform(1, 2, MEASURES)
    content = {
        "format_version": 2,
        "choices": ["general", "other"],
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "layers": [{"weight": weight.tolist(), "bias": bias.tolist()} for weight, bias in layers],
    }
    read = Gate.read(json.dumps(content).encode())
    measured = random.normal(size=MEASURES).astype(np.float32)
    hidden = np.maximum(layers[0][0] @ ((measured - mean) / scale) + layers[0][1], 0)
    expected = layers[1][0] @ hidden + layers[1][1]
    assert read.scores(measured) == pytest.approx(expected, abs=1e-4)
    assert read.best(measured) == ("general", "other")[expected.argmax()]
    assert Gate.read(read.written()).scores(measured) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format_version": 7}, "format version 7"),
        ({"choices": ["general"]}, "don't fit together"),
        ({"mean": [0.0]}, "don't fit together"),
        ({"scale": [0.0] * MEASURES}, "don't fit together"),
        ({"mean": [float("nan")] * MEASURES}, "don't fit together"),
        ({"layers": []}, "don't fit together"),
        ({"layers": [{"weight": "much"}]}, "can't be read"),
        ({"layers": None}, "can't be read"),
    ],
)
def test_a_wrong_gate_is_refused(change: dict[str, object], reason: str):
    content = json.loads(gate(np.ones((2, MEASURES))).written()) | change
    with pytest.raises(BundleError, match=reason):
        Gate.read(json.dumps(content).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_gate_at_all_is_refused(content: bytes):
    with pytest.raises(BundleError, match="gate can't be read"):
        Gate.read(content)


def test_a_stream_keeps_its_choice_until_another_has_been_better_for_some_frames():
    weight = np.zeros((2, MEASURES))
    weight[:, 0] = 1, -1
    one = np.eye(1, MEASURES, dtype=np.float32)[0]
    steady = Steady(gate(weight))
    shaking = [steady.choose(lambda sign=sign: sign * one) for sign in (1, -1) * 4 for _ in range(4)]
    assert set(shaking) == {"general"}
    assert {steady.choose(lambda: 3 * one) for _ in range(20)} == {"general"}
    turned = [steady.choose(lambda: -3 * one) for _ in range(20)]
    assert turned[0] == "general"
    assert turned[-1] == "untouched"
    assert turned == sorted(turned)


def test_a_stream_measures_its_first_frame_and_then_every_fourth():
    steady, seen = Steady(gate(np.ones((2, MEASURES)))), []
    for number in range(10):
        steady.choose(lambda number=number: seen.append(number) or np.zeros(MEASURES, np.float32))
    assert seen == [0, 4, 8]
