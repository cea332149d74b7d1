"""Reads and writes files of weights; never runs code that a file may hold."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clearcall.errors import InputError
from clearcall.media.atomic import atomic_output
from clearcall.training.vision import load_spandrel


@dataclass(frozen=True)
class StoredWeights:
    """Tensors by name, as float32 where they are of floating point, and the text that stood beside them."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_weights(path: Path) -> StoredWeights:
    """Read the weights of a ``.safetensors``, ``.pth`` or ``.pt`` file, told apart by content.

    Wrappers (``params``, ``params_ema``, ``state_dict``, ...) and prefixes (``module.``) are taken off.

    Raises:
        InputError: Damaged, a pickle that would run code, no weights in it, or weights that aren't finite.
    """
    with path.open("rb") as file:
        head = file.read(9)
    content, metadata = _read_safetensors(path) if head[8:] == b"{" else (_read_pickle(path), {})
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds a {type(content).__name__}; expected tensors by name (a state dict).")
    tensors = load_spandrel().canonicalize_state_dict(dict(content))
    _check_tensors(path, tensors)
    return StoredWeights({name: _single(tensor) for name, tensor in tensors.items()}, metadata)


def write_weights(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, half: bool) -> None:
    """Write weights as safetensors, beside and renamed.

    Args:
        path: The file; one that is there is replaced.
        tensors: Weights by name.
        metadata: Text that goes beside them.
        half: Store floating point as float16 (half the size), where all values fit into it.

    Raises:
        OutputError: The file can't be written.
    """
    stored = {name: _stored(tensor, half) for name, tensor in tensors.items()}
    with atomic_output(path, force=True) as unfinished:
        save_file(stored, unfinished, metadata=dict(metadata))


def _single(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _stored(tensor: Tensor, half: bool) -> Tensor:
    # A copy each, since safetensors refuses tensors that share memory.
    single = tensor.detach().cpu().clone().contiguous()
    if half and single.is_floating_point() and single.abs().nan_to_num().amax() < torch.finfo(torch.float16).max:
        return single.half()
    return single


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is a damaged safetensors file ({error}); get it again.") from error


def _read_pickle(path: Path) -> Any:
    try:
        with path.open("rb") as file:  # not the path: torch.load would judge it by its suffix
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named is None:
            raise InputError(_damaged(path, "a pickle of another kind")) from error
        raise InputError(
            f"{path} holds more than tensors: it wants to call {named[1]}, which could run any code, so it was not "
            "opened; expected a file of weights alone (a state dict)."
        ) from error
    except (RuntimeError, ValueError, EOFError, KeyError, OSError, TypeError, IndexError, AttributeError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise InputError(_damaged(path, reason)) from error


def _damaged(path: Path, reason: str) -> str:
    return f"{path} is not a checkpoint or is damaged ({reason}); expected a .pth, .pt or .safetensors file of weights."


def _check_tensors(path: Path, tensors: Mapping[str, Any]) -> None:
    if not tensors:
        raise InputError(f"{path} holds no weights; expected tensors by name (a state dict).")
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise InputError(f"{path}: {name} is a {type(tensor).__name__}; expected tensors only (a state dict).")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"{path}: {name} holds values that are not finite; get another checkpoint.")
