"""LPIPS, a learned perceptual distance, where the weights of its network are on this computer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from clearcall.errors import InputError
from clearcall.frame import Frame
from clearcall.training.vision import load_torchvision


def load_lpips(alexnet: Path) -> Callable[[Frame, Frame], float]:
    """Load the network, LPIPS 0.1 on AlexNet.

    Args:
        alexnet: torchvision's weights of AlexNet, in the folder where PyTorch keeps such files.

    Returns:
        A function of output and truth, uint8 ``(height, width, 3)`` RGB, that gives their distance, 0 for identical
        frames.

    Raises:
        InputError: The file is missing, or no weights of AlexNet.
        MissingExtraError: torchvision isn't installed.

    References:
        R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang, "The unreasonable effectiveness of deep features as a
        perceptual metric", CVPR 2018.
    """
    if not alexnet.is_file():
        raise InputError(f"LPIPS needs torchvision's weights of AlexNet, and {alexnet} is not there; put them there.")
    load_torchvision()
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    try:
        network = LearnedPerceptualImagePatchSimilarity("alex").eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(
            f"{alexnet} holds no weights of AlexNet ({error}); remove it, or put torchvision's there."
        ) from error

    @torch.inference_mode()
    def distance(preds: Frame, target: Frame) -> float:
        found = network(_tensor(preds), _tensor(target))
        network.reset()
        return float(found)

    return distance


def _tensor(frame: Frame) -> Tensor:
    return torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
