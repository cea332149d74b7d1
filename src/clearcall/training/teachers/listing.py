"""What teachers there are: how large, under which licence, with which feature points; known without building any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from clearcall.training.teachers.catalogue import FAMILIES, NONCOMMERCIAL_EXTRA


@dataclass(frozen=True)
class ListedTeacher:
    """One teacher of the list. Its figures are counted again by the tests.

    Attributes:
        name: The architecture, and which size.
        parameters: Numbers that it has learnt.
        macs: Multiply-accumulates of its convolutions and matrix products for one frame of 256 x 256 pixels as
            displayed.
        points: Documented feature points, in the order in which they are computed.
        recipe: What ``[teacher]`` of a recipe says for this size, beside ``weights``.
    """

    name: str
    parameters: int
    macs: int
    points: tuple[str, ...]
    recipe: dict[str, Any] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        """The name in a recipe."""
        return self.name.partition(",")[0]

    @property
    def licence(self) -> str:
        """Of the authors' code and checkpoints."""
        return FAMILIES[self.architecture].licence

    @property
    def source(self) -> str:
        """Where the authors publish both."""
        return FAMILIES[self.architecture].source

    @property
    def extra(self) -> str:
        """The extra of clearcall that brings the architecture."""
        return FAMILIES[self.architecture].extra

    def record(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "name": self.name,
            "architecture": self.architecture,
            "parameters": self.parameters,
            "macs": self.macs,
            "licence": self.licence,
            "commercial_use": self.extra != NONCOMMERCIAL_EXTRA,
            "extra": self.extra,
            "source": self.source,
            "points": list(self.points),
            "recipe": self.recipe,
        }


def _numbered(name: str, count: int) -> Iterator[str]:
    return (f"{name}{index + 1}" for index in range(count))


def _nafnet_points(levels: int) -> tuple[str, ...]:
    return ("intro", *_numbered("encoder", levels), "middle", *_numbered("decoder", levels))


_SWINIR_POINTS = ("shallow", *_numbered("stage", 6), "body")

TEACHERS = (
    ListedTeacher("nafnet", 1_612_963, 5_162_315_776, _nafnet_points(3)),
    ListedTeacher(
        "nafnet, published width 32",
        17_111_907,
        15_956_027_392,
        _nafnet_points(4),
        {"encoder": [1, 1, 1, 28], "middle": 1, "decoder": [1, 1, 1, 1]},
    ),
    ListedTeacher(
        "restormer",
        26_126_644,
        154_882_031_616,
        (
            "patch_embed",
            *_numbered("encoder_level", 3),
            "latent",
            "decoder_level3",
            "decoder_level2",
            "decoder_level1",
            "refinement",
        ),
        {"architecture": "restormer"},
    ),
    ListedTeacher("swinir", 11_504_163, 800_296_796_160, _SWINIR_POINTS, {"architecture": "swinir"}),
    ListedTeacher(
        "swinir, scale 2", 11_752_487, 204_222_431_232, _SWINIR_POINTS, {"architecture": "swinir", "scale": 2}
    ),
    ListedTeacher(
        "mprnet",
        20_127_073,
        759_411_071_616,
        (
            *(
                f"stage{stage}_{part}{level}"
                for stage in (1, 2)
                for part in ("encoder", "decoder")
                for level in (1, 2, 3)
            ),
            *_numbered("stage3_block", 3),
        ),
        {"architecture": "mprnet"},
    ),
)
"""The four families, at the sizes that clearcall trains or that their authors published."""
