"""What a recipe says about its teacher; read without PyTorch."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

ARCHITECTURES = ("nafnet", "restormer", "swinir", "mprnet", "spandrel")
STRIDES = (1, 2, 4)

Blocks = Annotated[int, Field(ge=1, le=64)]
Precision = Literal["32-true", "bf16-mixed"]
Option = bool | int | float | str | list[int]


class TeacherConfig(BaseModel):
    """Which network teaches, and where its weights come from.

    Attributes:
        architecture: ``nafnet``, ``restormer``, ``swinir``, ``mprnet``, or ``spandrel`` for whatever spandrel
            recognises in the file.
        weights: A file of the authors, of others or of ``clearcall train teacher``, or an https address; empty for
            random weights, to be trained. Sizes are those of the file, whatever is said here.
        sha256: Checksum of the file, checked if given.
        stride: ``nafnet`` works on frames whose pixels are unshuffled by this much (Shi et al., CVPR 2016): all
            published checkpoints have 1, more is much cheaper.
        width: Channels of ``nafnet`` at its highest resolution.
        encoder: Blocks of ``nafnet`` in each level down.
        middle: Blocks of ``nafnet`` at its lowest resolution.
        decoder: Blocks of ``nafnet`` in each level up, lowest resolution first.
        options: Sizes of the other architectures that differ from the published ones, by the names of their authors.
        scale: Upscaling of a super-resolution network (2, 3, 4); read from the file if there is one.
        self_ensemble: Teach with the mean over eight mirrored and turned views of each frame: better by some tenths of
            a dB, and eight times as slow. Feature maps are those of the frame as it is.
        precision: ``32-true``, or ``bf16-mixed``: convolutions of a teacher that teaches in bfloat16, twice as fast on
            CPUs and GPUs that have it; outputs change by fractions of a level.

    Example:
        >>> TeacherConfig(architecture="swinir", options={"embed_dim": 12}).weights
        ''
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str = "nafnet"
    weights: str = ""
    sha256: str = Field(default="", pattern=r"^([0-9a-fA-F]{64})?$")
    stride: int = 1
    width: int = Field(default=32, ge=2, le=512)
    encoder: tuple[Blocks, ...] = Field(default=(2, 1, 1), min_length=1, max_length=6)
    middle: Blocks = 2
    decoder: tuple[Blocks, ...] = Field(default=(1, 1, 2), min_length=1, max_length=6)
    options: dict[str, Option] = Field(default_factory=dict)
    scale: int = Field(default=1, ge=1, le=8)
    self_ensemble: bool = False
    precision: Precision = "32-true"

    @field_validator("architecture")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ARCHITECTURES:
            nearest = get_close_matches(name.lower(), ARCHITECTURES, n=1, cutoff=0.0)[0]
            raise ValueError(f"there is no teacher {name!r}; the nearest of {', '.join(ARCHITECTURES)} is {nearest!r}")
        return name

    @field_validator("stride")
    @classmethod
    def _allowed(cls, stride: int) -> int:
        if stride not in STRIDES:
            raise ValueError(f"stride must be 1, 2 or 4, not {stride}")
        return stride

    @model_validator(mode="after")
    def _consistent(self) -> TeacherConfig:
        if len(self.encoder) != len(self.decoder):
            raise ValueError(
                f"encoder has {len(self.encoder)} levels and decoder {len(self.decoder)}; give both as many"
            )
        if self.options and self.architecture in ("nafnet", "spandrel"):
            where = "width, encoder, middle and decoder" if self.architecture == "nafnet" else "its file"
            raise ValueError(f"options are not for {self.architecture}, whose sizes come from {where}")
        if self.architecture == "spandrel" and not self.weights:
            raise ValueError("architecture spandrel needs weights: a file in which it recognises a network")
        if self.stride != 1 and self.architecture != "nafnet":
            raise ValueError(f"stride is for nafnet only; leave it out for {self.architecture}")
        return self
