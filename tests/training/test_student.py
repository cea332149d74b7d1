import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional

from clearcall.training.rounding import rounded, rounded_map
from clearcall.training.student import CollapsibleConv2d, Student, StudentConfig


def trained(config: StudentConfig) -> Student:
    """A student whose last layer isn't zero."""
    torch.manual_seed(0)
    student = Student(config)
    for parameter in student.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return student.eval()


@settings(deadline=None, max_examples=20)
@given(
    stride=st.sampled_from([1, 2, 4]),
    width=st.integers(4, 20),
    depth=st.sampled_from([3, 4]),
    expansion=st.sampled_from([0, 8]),
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
)
def test_output_has_the_input_s_shape_and_collapsing_changes_nothing(stride, width, depth, expansion, rows, columns):
    student = trained(StudentConfig(stride=stride, width=width, depth=depth, expansion=expansion))
    frame = torch.rand(2, 3, rows * stride, columns * stride)
    with torch.no_grad():
        sharp, collapsed = student(frame), student.collapsed()(frame)
    assert sharp.shape == frame.shape
    assert torch.allclose(sharp, collapsed, atol=1e-4)


def test_a_new_student_gives_the_frame_itself():
    frame = torch.rand(1, 3, 8, 8)
    for expansion in (0, 16):
        assert torch.equal(Student(StudentConfig(expansion=expansion))(frame), frame)


def test_correction_is_shuffled_as_the_pixel_shuffle_paper_says():
    student = trained(StudentConfig(stride=2))
    frame = torch.rand(1, 3, 4, 4)
    low = student.correction(frame)[0].detach().numpy()
    full = (student(frame) - frame)[0].detach().numpy()
    for colour, row, column in np.ndindex(3, 4, 4):
        channel = colour * 4 + (row % 2) * 2 + column % 2
        assert full[colour, row, column] == pytest.approx(low[channel, row // 2, column // 2], abs=1e-5)


def test_collapsible_block_keeps_gradients_for_both_weights():
    block = CollapsibleConv2d(4, 4, kernel=3, expansion=8)
    block(torch.rand(1, 4, 6, 6)).square().sum().backward()
    assert block.wide.grad.abs().sum() > 0
    assert block.narrow.grad.abs().sum() > 0


def test_parameter_count_is_that_of_inference():
    plain = Student(StudentConfig(expansion=0))
    assert plain.parameter_count == sum(p.numel() for p in plain.parameters())
    assert Student(StudentConfig(expansion=64)).parameter_count == plain.parameter_count


@pytest.mark.parametrize("wrong", [{"stride": 3}, {"depth": 5}, {"width": 0}, {"colour": "green"}])
def test_impossible_students_are_refused(wrong):
    with pytest.raises(ValidationError):
        StudentConfig(**wrong)


NANO = StudentConfig(stride=4, width=16, depth=3, margin=4, colour="luma")


def test_a_student_of_luma_corrects_all_colours_alike_and_sees_luma_alone():
    torch.manual_seed(0)
    student = Student(NANO)
    torch.nn.init.normal_(student.layers[-1].weight, std=0.1)
    degraded = torch.rand(1, 3, 16, 24)
    correction = student(degraded) - degraded
    assert correction.abs().max() > 0.01
    assert torch.allclose(correction[:, :1].expand_as(correction), correction, atol=1e-6)
    # Colours whose luma stays the same, by BT.709's weights of red and green.
    other = degraded + torch.tensor([0.7152, -0.2126, 0.0]).reshape(1, 3, 1, 1) * 0.1
    assert torch.allclose(student(other) - other, correction, atol=1e-5)


@pytest.mark.parametrize("expansion", [0, 8])
def test_a_wide_first_kernel_keeps_the_size(expansion):
    student = Student(NANO.model_copy(update={"expansion": expansion}))
    frame = torch.rand(1, 3, 16, 24)
    assert student(frame).shape == frame.shape
    assert torch.allclose(student.collapsed()(frame), student(frame), atol=1e-5)
    assert student.parameter_count == 6960


@pytest.mark.parametrize("expansion", [0, 16])
def test_a_new_student_s_maps_follow_detail_not_brightness(expansion):
    torch.manual_seed(3)
    student = Student(StudentConfig(expansion=expansion))
    frame = torch.rand(1, 3, 32, 32)
    for dim, bright in zip(student.hidden(frame), student.hidden(frame + 0.4), strict=True):
        inner = (slice(None), slice(None), slice(3, -3), slice(3, -3))  # padding sees the frame's edge
        assert torch.allclose(dim[inner], bright[inner], atol=1e-4)
        assert 0.2 < float((dim > 0).float().mean()) < 0.9


def test_rounded_weights_are_those_of_the_8_bit_graph_and_are_learnt():
    from onnx import numpy_helper

    from clearcall.training.graph import int8_graph

    student = trained(StudentConfig(width=8, depth=3))
    constants = {item.name: numpy_helper.to_array(item) for item in int8_graph(student, [1.0, 1.0]).graph.initializer}
    held = constants["weight1"] * constants["weight_scale1"].reshape(-1, 1, 1, 1)
    plain = student.layers[1].weight
    assert np.allclose(rounded(plain).detach().numpy(), held, atol=1e-7)
    exact, frame = student(torch.ones(1, 3, 16, 16)), torch.ones(1, 3, 16, 16)
    student.rounds = True
    assert 0 < (student(frame) - exact).abs().max() < 0.2
    student(frame).sum().backward()
    assert plain.grad.abs().max() > 0
    assert not student.collapsed().rounds


def test_rounded_maps_are_whole_levels_of_their_largest_value_and_are_learnt():
    maps = torch.rand(2, 3, 8, 8).mul(7).requires_grad_()
    found = rounded_map(maps)
    levels = found.detach() / (maps.detach().max() / 255)
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert torch.allclose(found, maps, atol=7 / 255)
    found.sum().backward()
    assert torch.equal(maps.grad, torch.ones_like(maps))
    assert torch.equal(rounded_map(torch.zeros(1, 1, 2, 2)), torch.zeros(1, 1, 2, 2))


def test_a_student_of_luma_rounds_the_kernels_that_weigh_colours_as_its_graph_does():
    from onnx import numpy_helper

    from clearcall.training.graph import int8_graph

    student = trained(StudentConfig(width=8, depth=3, colour="luma"))
    constants = {item.name: numpy_helper.to_array(item) for item in int8_graph(student, [1.0, 1.0]).graph.initializer}
    held = torch.from_numpy(constants["weight0"] * constants["weight_scale0"].reshape(-1, 1, 1, 1)).float()
    found = rounded(student.layers[0].weight * student.luma)
    assert torch.allclose(found, held, atol=1e-6)


def test_a_settled_student_holds_the_weights_of_the_8_bit_graph():
    student = trained(StudentConfig(width=8, depth=3))
    frame = torch.rand(1, 3, 16, 16)
    settled = student.settled()
    assert not torch.equal(settled(frame), student(frame))
    assert all(
        torch.allclose(rounded(old.weight), new.weight) and torch.allclose(rounded(new.weight), new.weight, atol=1e-7)
        for old, new in zip(student.layers, settled.layers, strict=True)
    )


def test_a_settled_student_of_luma_does_to_grey_what_its_rounded_kernels_do():
    student = trained(StudentConfig(width=8, depth=3, colour="luma"))
    grey = torch.rand(1, 1, 16, 16).expand(1, 3, 16, 16)
    first = student.layers[0]
    wanted = functional.conv2d(grey, rounded(first.weight * student.luma), first.bias, first.stride, first.padding)
    found = student.settled().layers[0](student.seen(grey))
    assert torch.allclose(found, wanted, atol=1e-5)
