"""LPIPS, a learned perceptual distance, where the weights of its network are on this computer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from clearcall.errors import InputError
from clearcall.frame import Frame
from clearcall.training.vision import load_torchvision

PROTOCOL = "LPIPS 0.1 with AlexNet on RGB in [-1, 1]; 0 is identical"
WEIGHTS = "alexnet-owt-7be5be79.pth"
"""torchvision's file of AlexNet; it is never downloaded here."""


def weights_file() -> Path:
    """Where PyTorch keeps, or would keep, AlexNet's weights.

    Example:
        >>> weights_file().name == WEIGHTS
        True
    """
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS


def load_lpips() -> Callable[[Frame, Frame], float]:
    """Load the network.

    Returns:
        A function of output and truth, uint8 ``(height, width, 3)`` RGB, that gives their distance, 0 for identical
        frames.

    Raises:
        InputError: The weights are not on this computer.
        MissingExtraError: torchvision isn't installed.

    References:
        R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang, "The unreasonable effectiveness of deep features as a
        perceptual metric", CVPR 2018.
    """
    if not weights_file().is_file():
        raise InputError(
            f"LPIPS needs AlexNet's weights, and {weights_file()} is not there; put torchvision's file there."
        )
    load_torchvision()
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    network = LearnedPerceptualImagePatchSimilarity("alex").eval()

    @torch.inference_mode()
    def distance(preds: Frame, target: Frame) -> float:
        found = network(_tensor(preds), _tensor(target))
        network.reset()
        return float(found)

    return distance


def _tensor(frame: Frame) -> Tensor:
    return torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
