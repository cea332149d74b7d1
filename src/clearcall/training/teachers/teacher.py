"""A teacher: a restoration network of any architecture behind one interface."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearcall.frame import Frame, check_frame, to_8_bit, to_frame
from clearcall.training.teachers.catalogue import points_of
from clearcall.training.teachers.config import TeacherConfig
from clearcall.training.teachers.ensemble import self_ensemble
from clearcall.training.teachers.features import as_map, find_modules, recorded
from clearcall.training.teachers.networks import Network, network_from_weights, new_network
from clearcall.training.teachers.sources import find_weights
from clearcall.training.teachers.tiles import restore_in_tiles
from clearcall.training.teachers.weights import read_weights, write_weights

BEHAVIOUR = "1"
"""Changes when the same weights would give other outputs; part of the fingerprint."""


_LEFT_OPEN = {"weights": "", "sha256": "", "self_ensemble": False, "precision": "32-true"}
"""What a file of weights doesn't say about its use."""


class TeacherOutput(NamedTuple):
    """What a teacher gives in one pass.

    Attributes:
        restored: (N, 3, H, W) RGB.
        features: Feature maps (N, C, h, w) by the names that were asked for.
    """

    restored: Tensor
    features: dict[str, Tensor]


class Teacher(nn.Module):
    """Restores frames: (N, 3, H, W) RGB in [0, 1] to the same shape, whatever the architecture.

    Sizes that the network can't take are padded by mirroring and cropped again. A super-resolution network is given
    the frames brought down by its scale (bicubic, antialiased), so that its output has the size of what came in.
    A teacher is frozen, stays in eval mode, computes no gradients and clamps its output, unless it is trainable. With
    ``self_ensemble`` its output is the mean over eight views.

    Example:
        >>> teacher = build_teacher(TeacherConfig(width=8, encoder=(1,), middle=1, decoder=(1,)))
        >>> output = teacher.with_features(torch.rand(1, 3, 9, 12), ["middle"])
        >>> output.restored.shape, output.features["middle"].shape
        (torch.Size([1, 3, 9, 12]), torch.Size([1, 16, 5, 6]))
    """

    def __init__(self, network: Network, config: TeacherConfig, *, trainable: bool = False) -> None:
        super().__init__()
        self.config = config
        self.trainable = trainable
        self.network = network.module
        self._wrapping = network
        self.feature_points: Mapping[str, str] = points_of(network.architecture)(network.module)
        self.requires_grad_(trainable)
        self.train(trainable)

    @property
    def scale(self) -> int:
        """1, or how many times smaller than the frame the network's input is."""
        return self._wrapping.scale

    @property
    def stride(self) -> int:
        """By how much the pixels of a frame are unshuffled."""
        return self._wrapping.stride

    @property
    def fingerprint(self) -> str:
        """SHA-256 over architecture, sizes and weights, computed each time: other outputs, other fingerprint."""
        sizes = json.dumps(getattr(self.network, "hyperparameters", {}), sort_keys=True, default=str)
        behaviour = BEHAVIOUR + " self-ensemble" * self.config.self_ensemble + " bfloat16" * self._is_rounded
        digest = hashlib.sha256(f"{behaviour} {self._wrapping.architecture} {sizes}".encode())
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def train(self, mode: bool = True) -> Teacher:
        """Go to training mode, if trainable; a frozen teacher stays in eval mode."""
        super().train(mode and self.trainable)
        return self

    def forward(self, frames: Tensor) -> Tensor:
        """Restore frames (N, 3, H, W) in [0, 1]; clamped to that range unless trainable."""
        return self_ensemble(self._as_it_is, frames) if self._sees_views else self._as_it_is(frames)

    @property
    def _sees_views(self) -> bool:
        return self.config.self_ensemble and not self.trainable

    @property
    def _is_rounded(self) -> bool:
        return self.config.precision == "bf16-mixed" and not self.trainable

    def _as_it_is(self, frames: Tensor) -> Tensor:
        """Restore frames in one pass."""
        with torch.set_grad_enabled(self.trainable and torch.is_grad_enabled()):
            # Channels last: convolutions are a third faster on a CPU.
            given = self._given(frames).contiguous(memory_format=torch.channels_last)
            with torch.autocast(frames.device.type, torch.bfloat16) if self._is_rounded else nullcontext():
                restored = self._wrapping.call(self.network, given)
            if self.stride > 1:
                restored = functional.pixel_shuffle(restored, self.stride)
            restored = restored[..., : frames.shape[-2], : frames.shape[-1]]
            return restored if self.trainable else restored.clamp(0, 1).to(frames.dtype)

    def with_features(self, frames: Tensor, points: Sequence[str]) -> TeacherOutput:
        """Restore frames and give feature maps of the same pass (with ``self_ensemble``: of the frames as they are).

        Args:
            frames: (N, 3, H, W) RGB in [0, 1].
            points: Documented names (``feature_points``) or paths of modules.

        Raises:
            RecipeError: No such point, or it gives no feature map; the right names are listed.
        """
        modules = find_modules(self.network, self.feature_points, points)
        with recorded(modules) as calls:
            restored = self._as_it_is(frames)
        restored = self(frames) if self._sees_views else restored
        given = (frames.shape[0], *self._given_size(*frames.shape[-2:]))
        return TeacherOutput(restored, {point: as_map(point, calls[point], given) for point in points})

    def feature_channels(self, points: Sequence[str]) -> dict[str, int]:
        """Channels of feature maps, found by restoring a tiny frame.

        Raises:
            RecipeError: As ``with_features``.
        """
        like = next(self.network.parameters())
        tiny = torch.zeros(1, 3, self._wrapping.shortest, self._wrapping.shortest, device=like.device, dtype=like.dtype)
        with torch.no_grad():
            features = self.with_features(tiny, points).features
        return {point: feature.shape[1] for point, feature in features.items()}

    def restore(self, frame: Frame, *, tile: int = 0, overlap: int = 32) -> Frame:
        """Restore one frame.

        Args:
            frame: uint8 HWC RGB.
            tile: Side of the tiles in which it is restored, in pixels (0: in one piece).
            overlap: Pixels that tiles share.

        Returns:
            uint8 HWC RGB of the same size.

        Raises:
            InputError: Not a frame.
            RecipeError: Tiles too small for the overlap.
        """
        check_frame(frame)
        like = next(self.network.parameters())
        planes = torch.from_numpy(to_8_bit(frame).copy()).permute(2, 0, 1)[None].to(like.device, like.dtype) / 255
        with torch.no_grad():
            restored = self._in_tiles(planes, tile, overlap) if tile else self(planes)
        return to_frame(restored[0].float().cpu().numpy())

    def _in_tiles(self, frames: Tensor, tile: int, overlap: int) -> Tensor:
        padded = _padded(frames, *self._padded_size(*frames.shape[-2:]))
        restored = restore_in_tiles(self, padded, tile=tile, overlap=overlap, unit=self._wrapping.unit)
        return restored[..., : frames.shape[-2], : frames.shape[-1]]

    def _padded_size(self, height: int, width: int) -> tuple[int, int]:
        unit, shortest = self._wrapping.unit, self._wrapping.shortest
        return max(height + -height % unit, shortest), max(width + -width % unit, shortest)

    def _given_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what the network itself is given."""
        by = self.scale * self.stride
        tall, wide = self._padded_size(height, width)
        return tall // by, wide // by

    def _given(self, frames: Tensor) -> Tensor:
        padded = _padded(frames, *self._padded_size(*frames.shape[-2:]))
        if self.scale > 1:
            size = (padded.shape[-2] // self.scale, padded.shape[-1] // self.scale)
            padded = functional.interpolate(padded, size, mode="bicubic", antialias=True).clamp(0, 1)
        return functional.pixel_unshuffle(padded, self.stride) if self.stride > 1 else padded


def build_teacher(config: TeacherConfig, *, trainable: bool = False) -> Teacher:
    """Build a teacher with its weights, or with random ones.

    Args:
        config: What a recipe says about the teacher.
        trainable: Leave it able to learn.

    Raises:
        InputError: The file of weights is missing, damaged, unsafe, or of another architecture.
        MissingExtraError: The architecture's package isn't installed.
        RecipeError: Unknown or impossible options.
    """
    if config.weights:
        path = find_weights(config.weights, config.sha256)
        network = network_from_weights(config, read_weights(path).tensors, str(path))
    else:
        network = new_network(config)
        if trainable:
            _start_as_identity(network)
    return Teacher(network, _as_found(config, network), trainable=trainable)


def _start_as_identity(network: Network) -> None:
    """Where the input is added to the last convolution's output, begin with the input itself."""
    last = getattr(network.module, "ending", None) if network.architecture == "NAFNet" else None
    if isinstance(last, nn.Conv2d):
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)


def save_teacher(teacher: Teacher, path: Path, *, half: bool = True, extra: Mapping[str, str] | None = None) -> None:
    """Write a teacher's weights as safetensors, beside and renamed; ``TeacherConfig.weights`` takes the file.

    Args:
        teacher: The teacher.
        path: The file; one that is there is replaced.
        half: As float16, half the size.
        extra: Text to keep beside the weights, such as the recipe.

    Raises:
        OutputError: The file can't be written.
    """
    config = teacher.config.model_copy(update=_LEFT_OPEN)
    metadata = {**(extra or {}), "clearcall.teacher": config.model_dump_json()}
    write_weights(path, teacher.network.state_dict(), metadata, half=half)


def _as_found(config: TeacherConfig, network: Network) -> TeacherConfig:
    """The configuration with the sizes of the file that was read."""
    found: dict[str, Any] = {"scale": network.scale, "stride": network.stride}
    if network.architecture == "NAFNet":
        sizes: Any = network.module.hyperparameters
        found |= {"width": sizes["width"], "middle": sizes["middle_blk_num"]}
        found |= {"encoder": tuple(sizes["enc_blk_nums"]), "decoder": tuple(sizes["dec_blk_nums"])}
    return config.model_copy(update=found)


def _padded(frames: Tensor, height: int, width: int) -> Tensor:
    """Grow frames to the right and below: by mirroring as far as the frame reaches, then by its edge."""
    tall, wide = frames.shape[-2:]
    mirrored = functional.pad(frames, (0, min(width - wide, wide - 1), 0, min(height - tall, tall - 1)), "reflect")
    tall, wide = mirrored.shape[-2:]
    return functional.pad(mirrored, (0, width - wide, 0, height - tall), "replicate")
