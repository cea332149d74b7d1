"""The teacher families: where they come from, their licence, published sizes and feature points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

NONCOMMERCIAL_EXTRA = "teachers-noncommercial"


@dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        identifier: spandrel's name of the architecture, of its module and of its class.
        package: The package that has it.
        extra: The extra of clearcall that installs the package.
        licence: Of the authors' code and checkpoints.
        source: Where the authors publish code and checkpoints.
        points: From a network to its documented feature points: name to module path.
        published: Sizes of the authors' checkpoint for restoration; an option of the recipe replaces one.
    """

    identifier: str
    package: str
    extra: str
    licence: str
    source: str
    points: Callable[[Any], dict[str, str]]
    published: Mapping[str, Any] = field(default_factory=dict)


def _nafnet_points(network: Any) -> dict[str, str]:
    levels = range(len(network.encoders))
    return {
        "intro": "intro",
        **{f"encoder{level + 1}": f"encoders.{level}" for level in levels},
        "middle": "middle_blks",
        **{f"decoder{level + 1}": f"decoders.{level}" for level in levels},
    }


def _restormer_points(_network: Any) -> dict[str, str]:
    encoder = [f"encoder_level{level}" for level in (1, 2, 3)]
    decoder = [f"decoder_level{level}" for level in (3, 2, 1)]
    return {name: name for name in ("patch_embed", *encoder, "latent", *decoder, "refinement")}


def _swinir_points(network: Any) -> dict[str, str]:
    stages = {f"stage{index + 1}": f"layers.{index}" for index in range(len(network.layers))}
    return {"shallow": "conv_first", **stages, "body": "conv_after_body"}


def _mprnet_points(_network: Any) -> dict[str, str]:
    points = {
        f"stage{stage}_{part}{level}": f"stage{stage}_{part}.{part}_level{level}"
        for stage in (1, 2)
        for part in ("encoder", "decoder")
        for level in (1, 2, 3)
    }
    return points | {f"stage3_block{index}": f"stage3_orsnet.orb{index}" for index in (1, 2, 3)}


def points_of(identifier: str) -> Callable[[Any], dict[str, str]]:
    """What finds the feature points of a network, by spandrel's name of its architecture.

    Example:
        >>> points_of("Restormer")(None)["latent"]
        'latent'
    """
    return next((family.points for family in FAMILIES.values() if family.identifier == identifier), _own_parts)


def _own_parts(network: Any) -> dict[str, str]:
    """Points of an architecture that has no documented ones: its parts, those of lists one by one."""
    points = {}
    for name, part in network.named_children():
        is_list = type(part).__name__ == "ModuleList"
        paths = [f"{name}.{index}" for index in range(len(part))] if is_list else [name]
        points.update({path: path for path in paths})
    return points


FAMILIES: Mapping[str, Family] = {
    "nafnet": Family(
        identifier="NAFNet",
        package="spandrel",
        extra="train",
        licence="MIT",
        source="github.com/megvii-research/NAFNet",
        points=_nafnet_points,
    ),
    "restormer": Family(
        identifier="Restormer",
        package="spandrel_extra_arches",
        extra=NONCOMMERCIAL_EXTRA,
        licence="Academic Public License (non-commercial)",
        source="github.com/swz30/Restormer",
        points=_restormer_points,
    ),
    "swinir": Family(
        identifier="SwinIR",
        package="spandrel",
        extra="train",
        licence="Apache-2.0",
        source="github.com/JingyunLiang/SwinIR",
        points=_swinir_points,
        published={
            "img_size": 64,
            "embed_dim": 180,
            "depths": [6] * 6,
            "num_heads": [6] * 6,
            "window_size": 8,
            "mlp_ratio": 2.0,
        },
    ),
    "mprnet": Family(
        identifier="MPRNet",
        package="spandrel_extra_arches",
        extra=NONCOMMERCIAL_EXTRA,
        licence="Academic Public License (non-commercial)",
        source="github.com/swz30/MPRNet",
        points=_mprnet_points,
        published={"n_feat": 96, "scale_unetfeats": 48, "scale_orsnetfeats": 32},
    ),
}
