"""VGG-19 up to the deepest layer asked for, with the weights of torchvision or of a file.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
"""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearcall.errors import InputError, RecipeError
from clearcall.training.teachers.weights import read_weights
from clearcall.training.vision import load_torchvision

TORCHVISION = "torchvision"
"""The weights that torchvision publishes and downloads."""

# Offline, a download that breaks off or is altered, and whatever the reader of a damaged file stumbles over.
_UNREADABLE = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, pickle.PickleError)

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))


def _convolutions() -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Every layer: its name; torchvision's number of its convolution; channels in and out."""
    number, inputs = 0, 3
    for block, (outputs, count) in enumerate(_BLOCKS, 1):
        for place in range(1, count + 1):
            yield f"relu{block}_{place}", (number, inputs, outputs)
            number, inputs = number + 2, outputs
        number += 1


_LAYERS = dict(_convolutions())
LAYERS = tuple(_LAYERS)
"""The names of the layers, from ``relu1_1`` to ``relu5_4``."""


def deepest_layer(names: Collection[str]) -> str:
    """The deepest of some layers.

    Raises:
        RecipeError: A name is not a layer of VGG-19; the nearest is named.

    Example:
        >>> deepest_layer({"relu3_4", "relu1_2"})
        'relu3_4'
        >>> deepest_layer({"relu3_5"})
        Traceback (most recent call last):
        ...
        clearcall.errors.RecipeError: relu3_5 is not a layer of VGG-19; the nearest is relu3_4.
    """
    for name in names:
        if name not in LAYERS:
            nearest = get_close_matches(name, LAYERS, n=1, cutoff=0.0)[0]
            raise RecipeError(f"{name} is not a layer of VGG-19; the nearest is {nearest}.")
    return max(names, key=LAYERS.index)


class VGG19(nn.Module):
    """The feature maps of VGG-19, frozen; layers deeper than asked for aren't computed.

    The weights are buffers that stay out of ``state_dict``, so that a checkpoint doesn't carry them.

    Args:
        layers: Names from ``LAYERS``.
        weights: ``"torchvision"``, or a file in torchvision's naming (``features.0.weight``, ...), .safetensors or
            .pth, that may stop after the deepest layer asked for.

    Raises:
        RecipeError: An unknown layer.
        InputError: The weights can't be had, or are not those of VGG-19, or don't reach the deepest layer.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layers: Collection[str], weights: str = TORCHVISION) -> None:
        super().__init__()
        deepest = deepest_layer(layers)
        self.wanted = frozenset(layers)
        self.computed = LAYERS[: LAYERS.index(deepest) + 1]
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        for name, (kernel, bias) in read_layers(weights, deepest).items():
            # Channels last is what the convolutions of CPUs and tensor cores are fastest in.
            kernel = kernel.contiguous(memory_format=torch.channels_last)  # noqa: PLW2901
            self.register_buffer(f"{name}_kernel", kernel, persistent=False)
            self.register_buffer(f"{name}_bias", bias, persistent=False)

    @property
    def smallest_side(self) -> int:
        """Height and width must be at least this many pixels, or nothing is left at the deepest layer."""
        return 1 << sum(_follows_pool(name) for name in self.computed)

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Features of (N, 3, H, W) RGB in [0, 1]: for each layer (N, channels, H / 2^k, W / 2^k) after its ReLU."""
        maps = ((frames - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        features = {}
        for name in self.computed:
            if _follows_pool(name):
                maps = functional.max_pool2d(maps, 2)
            kernel, bias = self.get_buffer(f"{name}_kernel"), self.get_buffer(f"{name}_bias")
            maps = functional.conv2d(maps, kernel, bias, padding=1).relu_()
            if name in self.wanted:
                features[name] = maps
        return features


def _follows_pool(layer: str) -> bool:
    return layer.endswith("_1") and layer != "relu1_1"


def read_layers(source: str, deepest: str) -> dict[str, tuple[Tensor, Tensor]]:
    """Kernel and bias of each layer up to the deepest one, float32.

    Raises:
        InputError: See ``VGG19``.
    """
    state = _published() if source == TORCHVISION else _from_file(Path(source))
    _check_network(state, source, deepest)
    tensors = [_tensor(state, key, shape, source) for key, shape in shapes(deepest).items()]
    return dict(zip(LAYERS, zip(tensors[::2], tensors[1::2], strict=True), strict=False))


def shapes(deepest: str) -> dict[str, tuple[int, ...]]:
    """Names, as torchvision gives them, and shapes of the tensors up to a layer.

    Example:
        >>> shapes("relu1_1")
        {'features.0.weight': (64, 3, 3, 3), 'features.0.bias': (64,)}
    """
    found: dict[str, tuple[int, ...]] = {}
    for name in LAYERS[: LAYERS.index(deepest) + 1]:
        number, inputs, outputs = _LAYERS[name]
        found |= {f"features.{number}.weight": (outputs, inputs, 3, 3), f"features.{number}.bias": (outputs,)}
    return found


def _published() -> Mapping[str, Tensor]:
    """The ImageNet weights of torchvision, from PyTorch's cache or downloaded into it."""
    published = load_torchvision().models.VGG19_Weights.IMAGENET1K_V1
    try:
        state: Mapping[str, Tensor] = published.get_state_dict(
            progress=False, check_hash=True, map_location="cpu", weights_only=True
        )
    except _UNREADABLE as error:
        file = Path(torch.hub.get_dir(), "checkpoints", published.url.rpartition("/")[2])
        raise InputError(
            f"VGG-19's ImageNet weights could not be had from torchvision ({error!r}); put them at {file}, or name a "
            f"file that holds VGG-19 weights instead of {TORCHVISION!r}."
        ) from error
    return state


def _from_file(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise InputError(f"{path}: no such file of VGG-19 weights; check the path.")
    return read_weights(path).tensors


def _check_network(state: Mapping[str, Tensor], source: str, deepest: str) -> None:
    """Refuse what isn't VGG-19, or stops before the deepest layer."""
    names = {str(number): name for name, (number, _, _) in _LAYERS.items()}
    found = {key.split(".")[1] for key in state if key.startswith("features.") and key.endswith(".weight")}
    if "0" not in found or not found <= names.keys():
        raise InputError(
            f"{source} doesn't hold VGG-19 in torchvision's naming (features.0.weight, features.2.weight, "
            "features.5.weight, ...); name a file that does."
        )
    reached = max((names[number] for number in found), key=LAYERS.index)
    if LAYERS.index(reached) < LAYERS.index(deepest):
        raise InputError(
            f"{source} reaches only to {reached}, and {deepest} is asked for; ask for layers up to {reached}, or give "
            "weights that go deeper."
        )


def _tensor(state: Mapping[str, Tensor], key: str, shape: tuple[int, ...], source: str) -> Tensor:
    found = tuple(state[key].shape) if key in state else "missing"
    if found != shape:
        raise InputError(f"{source}: {key} should be {shape} and is {found}; name a file of VGG-19 weights.")
    return state[key].detach().float()
