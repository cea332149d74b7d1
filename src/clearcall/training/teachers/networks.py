"""Builds restoration networks: new ones from sizes, known ones from their weights, both by spandrel's classes."""

from __future__ import annotations

import importlib
import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from clearcall.errors import InputError, MissingExtraError, RecipeError, require
from clearcall.training.teachers.catalogue import FAMILIES, NONCOMMERCIAL_EXTRA, Family
from clearcall.training.teachers.channel_norm import use_channel_norms
from clearcall.training.teachers.config import STRIDES, TeacherConfig
from clearcall.training.vision import load_spandrel

COLOURS = 3
_NAMED = 3
"""So many names of tensors are given in an error."""
_FAILURES = (RuntimeError, ValueError, KeyError, AssertionError, ArithmeticError, IndexError, TypeError, AttributeError)
"""What building a network from weights or sizes that don't belong to it may raise."""


@dataclass(frozen=True)
class Network:
    """A network and what is needed to run it.

    Attributes:
        architecture: spandrel's name.
        module: The network itself.
        call: From the network and frames (N, 3 * stride^2, H, W) to restored frames, ``scale`` times as large.
        scale: 1, or the factor of a super-resolution network.
        stride: Pixels are unshuffled by this much before the network and shuffled after it.
        multiple_of: Sides of what the network is given must be multiples of this.
        minimum: Shortest side that the network takes.
    """

    architecture: str
    module: nn.Module
    call: Callable[[nn.Module, Tensor], Tensor]
    scale: int
    stride: int
    multiple_of: int
    minimum: int

    @property
    def unit(self) -> int:
        """Sides of frames as displayed must be multiples of this."""
        return self.multiple_of * self.stride * self.scale

    @property
    def shortest(self) -> int:
        """Shortest side of frames as displayed; a multiple of ``unit``."""
        return max(1, math.ceil(self.minimum / self.multiple_of)) * self.unit


def new_network(config: TeacherConfig) -> Network:
    """Build a network with random weights.

    Raises:
        RecipeError: Unknown or impossible options.
        MissingExtraError: The architecture's package isn't installed.
    """
    family = FAMILIES[config.architecture]
    network_class = _import(family)
    options = {**_default_options(config, family), **_checked_options(config, network_class)}
    try:
        module = network_class(**options)
        # Read back at once, so that what is built now can also be loaded later.
        network = _describe(_architecture(family).load(module.state_dict()))
        if config.options:
            _try(network)
    except _FAILURES as error:
        raise RecipeError(f"teacher.options don't fit {config.architecture}: {_reason(error)}.") from error
    if config.scale not in (1, network.scale):
        raise RecipeError(f"teacher.options upscale by {network.scale}, and teacher.scale says {config.scale}.")
    return network


def network_from_weights(config: TeacherConfig, tensors: Mapping[str, Tensor], origin: str) -> Network:
    """Build the network that weights belong to.

    Args:
        config: Which architecture is expected.
        tensors: Weights by name.
        origin: Where they come from, for errors.

    Raises:
        InputError: Weights of another architecture, missing or additional ones, or not from RGB to RGB.
        MissingExtraError: The architecture's package isn't installed.
    """
    found = _detect(tensors)
    if config.architecture == "spandrel":
        if found is None:
            raise InputError(f"{origin}: {_unknown(tensors)}.")
        expected = found
    else:
        expected = _architecture(FAMILIES[config.architecture])
        if found is not None and found.id != expected.id:
            raise InputError(
                f"{origin} holds weights of {found.name}, and {expected.name} was expected; "
                f"set teacher.architecture to {_our_name(found.id)!r} or give another file."
            )
    try:
        descriptor = expected.load(dict(tensors))
    except _FAILURES as error:
        raise InputError(f"{origin} doesn't hold the weights of {expected.name}: {_reason(error)}.") from error
    _check_purpose(descriptor, origin)
    if config.scale not in (1, descriptor.scale):
        raise InputError(f"{origin} upscales by {descriptor.scale}, and teacher.scale says {config.scale}.")
    return _describe(descriptor)


def _import(family: Family) -> Any:
    load_spandrel()
    warnings.filterwarnings("ignore", message="torch.meshgrid")  # SwinIR's own call, right as it is
    try:
        require(family.package, family.extra)
    except MissingExtraError as error:
        raise MissingExtraError(f"{error} (licence of {family.identifier}: {family.licence}).") from error
    return getattr(importlib.import_module(f"{family.package}.architectures.{family.identifier}"), family.identifier)


def _architecture(family: Family) -> Any:
    _import(family)
    return _registry()[family.identifier].architecture


def _registry() -> Any:
    """All of spandrel's architectures and those of the extra, where installed; its own list is left alone."""
    registry = load_spandrel().MAIN_REGISTRY.copy()
    try:
        registry.add(*require("spandrel_extra_arches", NONCOMMERCIAL_EXTRA).EXTRA_REGISTRY, ignore_duplicates=True)
    except MissingExtraError:
        return registry
    return registry


def _detect(tensors: Mapping[str, Tensor]) -> Any | None:
    supported = _registry().architectures("detection")
    return next((known.architecture for known in supported if known.detect(dict(tensors))), None)


def _our_name(identifier: str) -> str:
    return next((name for name, family in FAMILIES.items() if family.identifier == identifier), "spandrel")


def _unknown(tensors: Mapping[str, Tensor]) -> str:
    names = ", ".join(sorted(tensors)[:_NAMED])
    hint = "" if "Restormer" in _registry() else f"; for Restormer and MPRNet install clearcall[{NONCOMMERCIAL_EXTRA}]"
    return f"no architecture that spandrel knows has these {len(tensors)} tensors ({names}, ...){hint}"


def _default_options(config: TeacherConfig, family: Family) -> dict[str, Any]:
    if config.architecture == "nafnet":
        return {
            "img_channel": COLOURS * config.stride**2,
            "width": config.width,
            "middle_blk_num": config.middle,
            "enc_blk_nums": list(config.encoder),
            "dec_blk_nums": list(config.decoder),
        }
    options = dict(family.published)
    if config.architecture == "swinir" and config.scale > 1:
        options |= {"img_size": 64, "upscale": config.scale, "upsampler": "pixelshuffle"}
    return options


def _checked_options(config: TeacherConfig, network_class: Any) -> dict[str, Any]:
    known = list(signature(network_class).parameters)
    for name in config.options:
        if name not in known:
            nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise RecipeError(
                f"teacher.options.{name} is not an option of {config.architecture}; the nearest is {nearest} "
                f"(all: {', '.join(known)})."
            )
    return dict(config.options)


def _describe(descriptor: Any) -> Network:
    """Our record of a network that spandrel has built."""
    module, needs = descriptor.model, descriptor.size_requirements
    multiple, stride = needs.multiple_of, 1
    if descriptor.architecture.id == "NAFNet":
        multiple, stride = module.padder_size, math.isqrt(descriptor.input_channels // COLOURS)
        use_channel_norms(module)
    elif descriptor.architecture.id == "SwinIR":
        # Whole windows, so that the network pads nothing by itself and tiles keep to the same windows.
        multiple = math.lcm(multiple, module.window_size * module.start_unshuffle)
    # spandrel's call would cut the graph of the gradient; this is what it calls inside.
    call = descriptor._call_fn
    name = descriptor.architecture.id
    return Network(name, module, call, descriptor.scale, stride, multiple, needs.minimum)


def _try(network: Network) -> None:
    """Run the network once: some sizes only fail then."""
    side = network.shortest // (network.scale * network.stride)
    with torch.no_grad():
        network.call(network.module.eval(), torch.zeros(1, COLOURS * network.stride**2, side, side))


def _check_purpose(descriptor: Any, origin: str) -> None:
    name, purpose = descriptor.architecture.name, descriptor.purpose
    if purpose not in ("Restoration", "SR"):
        raise InputError(
            f"{origin} holds {name} for {purpose}; expected a network for restoration or super-resolution."
        )
    channels = {descriptor.input_channels, descriptor.output_channels}
    allowed = {COLOURS * stride**2 for stride in STRIDES} if name == "NAFNet" else {COLOURS}
    if len(channels) != 1 or not channels <= allowed:
        raise InputError(
            f"{origin} holds {name} from {descriptor.input_channels} to {descriptor.output_channels} channels; "
            "expected RGB to RGB."
        )
    if descriptor.size_requirements.square:
        raise InputError(f"{origin} holds {name} for square frames only; expected a network for frames of any shape.")


def _reason(error: Exception) -> str:
    """One clause about weights or sizes that don't fit."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if "loading state_dict" not in lines[0]:
        return lines[0].rstrip(".")
    return "; ".join(_clauses(lines[1:]))


def _clauses(lines: list[str]) -> list[str]:
    """PyTorch's list of what doesn't fit, with the first few names of each kind."""
    clauses = []
    sizes = [line for line in lines if line.startswith("size mismatch for ")]
    for line in lines:
        names = re.findall(r'"([^"]+)"', line)
        if line.startswith("Missing"):
            clauses.append(f"{_few(names)} missing")
        elif line.startswith("Unexpected"):
            clauses.append(f"{_few(names)} unexpected")
    for line in sizes[:_NAMED]:
        name, *shapes = re.findall(r"(?<=size mismatch for )[^:]+|(?<=Size\()\[[^]]*\]", line)
        clauses.append(f"{name} is {shapes[0]}, expected {shapes[1]}")
    return clauses or lines[:1]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
