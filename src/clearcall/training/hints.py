"""Hints: a student starts with what the layers of a wider one do, layer by layer, in closed form.

FitNets train a student's layers to predict a teacher's before they train it on the task (Romero et al., "FitNets:
Hints for Thin Deep Nets", ICLR 2015). Where the teacher is a student of the same shape and only wider, that first stage
is a problem of least squares for each layer: some channels are kept, and the weights are those that come nearest to
them from what the layers before give (He, Zhang and Sun, "Channel Pruning for Accelerating Very Deep Neural
Networks", ICCV 2017). What a ReLU cuts off needn't be met (Zhang et al., "Accelerating Very Deep Convolutional
Networks for Classification and Detection", TPAMI 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearcall.errors import RecipeError
from clearcall.training.student import Student

ROUNDS = 10
"""How often the weights before a ReLU are fitted again to what it lets through."""
RIDGE = 1e-4
"""Added to the diagonal of the normal equations, relative to it."""


def take_hints(student: Student, wide: Student, squares: Sequence[Tensor]) -> None:
    """Give a student the weights with which its layers come nearest to those of a wider one.

    Args:
        student: Whose weights are replaced; plain convolutions.
        wide: A trained one of the same stride, depth and colours, at least as wide; plain convolutions, too.
        squares: Degraded pictures, each (N, 3, H, W) in [0, 1], on which the two are compared.

    Raises:
        RecipeError: The two don't fit together.

    Example:
        >>> from clearcall.training.student import StudentConfig
        >>> wide, student = (Student(StudentConfig(width=width)) for width in (16, 4))
        >>> nn.init.normal_(wide.layers[-1].weight, std=0.05).shape
        torch.Size([12, 16, 3, 3])
        >>> frame = torch.rand(4, 3, 32, 32)
        >>> take_hints(student, wide, [frame])
        >>> (student(frame) - wide(frame)).square().mean() < (frame - wide(frame)).square().mean()
        tensor(True)
    """
    _check(student, wide)
    with torch.no_grad():
        ours, theirs = [student.seen(each) for each in squares], [wide.seen(each) for each in squares]
        for index, (own, other) in enumerate(zip(student.layers[:-1], wide.layers[:-1], strict=True)):
            aims = [other(maps) for maps in theirs]
            theirs = [functional.relu(aim) for aim in aims]
            kept = _worthiest(theirs, wide.layers[index + 1], student.config.width)
            _fit(own, ours, [aim[:, kept] for aim in aims], ROUNDS)
            ours = [functional.relu(own(maps)) for maps in ours]
        _fit(student.layers[-1], ours, [wide.layers[-1](maps) for maps in theirs], 0)


def _check(student: Student, wide: Student) -> None:
    own, other = student.config, wide.config
    if own.expansion:
        raise RecipeError("Hints are for plain convolutions; set student.expansion to 0, or leave [hints] out.")
    if other.width < own.width or (own.stride, own.depth, own.colour) != (other.stride, other.depth, other.colour):
        raise RecipeError(
            f"A student of {own} can't take hints from one of {other}; "
            "hints.wide must be at least as wide, and alike in stride, depth and colour."
        )


def _worthiest(maps: Sequence[Tensor], following: nn.Module, count: int) -> Tensor:
    """The channels that move the next layer most: how much they vary, times how much that is weighed."""
    varying = torch.cat([each.transpose(0, 1).flatten(1) for each in maps], 1).std(1)
    weighed = following.get_parameter("weight").square().sum((0, 2, 3)).sqrt()
    return (varying * weighed).topk(count).indices


def _fit(layer: nn.Module, inputs: Sequence[Tensor], aims: Sequence[Tensor], rounds: int) -> None:
    """Set a convolution's weight and bias so that its outputs come nearest to the aims, or their ReLUs do."""
    squares = [_design(layer, each) for each in inputs]
    wanted = [aim.flatten(2).transpose(1, 2).flatten(0, 1) for aim in aims]
    normal = sum((each.T @ each for each in squares), torch.zeros(())).double()
    normal = normal + torch.diag(RIDGE * normal.diagonal() + 1e-9)
    found = _solved(normal, squares, wanted)
    for _ in range(rounds):
        passed = [(each @ found).clamp(max=0) for each in squares]
        reached = [torch.where(aim > 0, aim, ours) for aim, ours in zip(wanted, passed, strict=True)]
        found = _solved(normal, squares, reached)
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    weight.copy_(found[:-1].T.reshape(weight.shape))
    bias.copy_(found[-1])


def _design(layer: nn.Module, maps: Tensor) -> Tensor:
    """What a convolution multiplies, a row for each of its outputs' places, and a one for its bias."""
    assert isinstance(layer, nn.Conv2d)  # noqa: S101  # plain, as was checked
    kernel = (layer.kernel_size[0], layer.kernel_size[1])
    patches = functional.unfold(maps, kernel, padding=layer.padding[0], stride=layer.stride[0])  # type: ignore[arg-type]
    rows = patches.transpose(1, 2).flatten(0, 1)
    return torch.cat([rows, torch.ones_like(rows[:, :1])], 1)


def _solved(normal: Tensor, squares: Sequence[Tensor], aims: Sequence[Tensor]) -> Tensor:
    moments = sum((each.T @ aim for each, aim in zip(squares, aims, strict=True)), torch.zeros(())).double()
    found: Tensor = torch.linalg.solve(normal, moments)
    return found.float()
