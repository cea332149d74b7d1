"""Checkpoints: one safetensors file each, with everything that isn't a tensor as JSON in its header.

A checkpoint is Lightning's dictionary (weights, optimiser, schedule, loops, callbacks) taken apart: tensors become
named tensors of the file, the rest one JSON text with their places. Reading one runs no code. A file is written beside
its place and renamed, and the one that stood there is kept as ``previous-...``, so a kill at any moment leaves a whole
one.
"""

from __future__ import annotations

import json
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from clearcall.errors import InputError
from clearcall.training.recipe import Recipe
from clearcall.training.student import Student

FORMAT = "clearcall checkpoint 2"
_LENGTH_BYTES = 8
"""A safetensors file begins with the length of its header, little-endian."""
SUFFIX = ".safetensors"
LAST = f"last{SUFFIX}"
BEST = f"best{SUFFIX}"
PREFIX = "network."
OLD_PREFIX = "student."
"""Of format 1, which was Lightning's own: a ``.ckpt`` file."""


class CheckpointWarning(UserWarning):
    """A checkpoint was damaged and the one before it was taken."""


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint beside its place, then move it there; what was there is kept as the previous one.

    Args:
        path: The file, as in ``last.safetensors``.
        content: Nested dictionaries, lists and tuples of tensors, numbers, texts and None.
    """
    tensors: dict[str, Tensor] = {}
    state = json.dumps(_taken_apart(content, tensors))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, unfinished, {"format": FORMAT, "state": state})
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        _keep_previous(path)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _keep_previous(path: Path) -> None:
    """Give the present file a second name before the new one takes its place."""
    if path.name == LAST and path.exists():
        spare = path.with_name(f".previous.{os.getpid()}.tmp")
        spare.unlink(missing_ok=True)
        spare.hardlink_to(path)
        spare.replace(previous(path))


def previous(path: Path) -> Path:
    """Where the checkpoint before this one is kept.

    Example:
        >>> previous(Path("runs/small/checkpoints/last.safetensors")).name
        'previous-last.safetensors'
    """
    return path.with_name(f"previous-{path.name}")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code that it may hold; format 1 (Lightning's ``.ckpt``) is read, too.

    Raises:
        InputError: No such file, cut off, or not a checkpoint of clearcall.
    """
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path}; train one first with: clearcall train RECIPE --data DIR")
    try:
        return _read_format_1(path) if path.suffix == ".ckpt" else _read(path)
    except (SafetensorError, pickle.UnpicklingError, KeyError, RuntimeError, ValueError, EOFError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is not a checkpoint that clearcall can read ({reason}).") from error


def _read(path: Path) -> dict[str, Any]:
    # Read at once: a run that goes on puts a newer file in its place, and safetensors opens a path more than once.
    whole = path.read_bytes()
    tensors = load(whole)
    length = int.from_bytes(whole[:_LENGTH_BYTES], "little")
    header = json.loads(whole[_LENGTH_BYTES : _LENGTH_BYTES + length]).get("__metadata__", {})
    if header.get("format") != FORMAT:
        raise ValueError(f"it says {header.get('format', 'nothing')!r} where {FORMAT!r} is expected")
    content: dict[str, Any] = _put_together(json.loads(header["state"]), tensors)
    return content


def _read_format_1(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    weights = content["state_dict"].items()
    content["state_dict"] = {name.replace(OLD_PREFIX, PREFIX, 1): weight for name, weight in weights}
    return content


def _taken_apart(value: Any, tensors: dict[str, Tensor]) -> Any:
    """What JSON can hold of a value; tensors are put aside under numbers."""
    if isinstance(value, Tensor):
        name = f"{len(tensors):05}"
        # A copy of its own: safetensors refuses tensors that share memory, as averaged and current weights may.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_taken_apart(key, tensors), _taken_apart(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_taken_apart(item, tensors) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint can't hold a {type(value).__name__}")


def _put_together(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_put_together(key, tensors): _put_together(item, tensors) for key, item in content}
    items = [_put_together(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items


class SafetensorsIO(CheckpointIO):
    """Lets Lightning write and read checkpoints in this format; a damaged last one gives way to the previous."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; see ``write_checkpoint``."""
        write_checkpoint(Path(path), checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint, or the one before it.

        Raises:
            InputError: Neither can be read.
        """
        try:
            return read_checkpoint(Path(path))
        except InputError as error:
            before = previous(Path(path))
            if not before.exists():
                raise
            warnings.warn(f"{error} The one before it is taken: {before}.", CheckpointWarning, stacklevel=2)
            return read_checkpoint(before)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


def load_student(path: Path) -> tuple[Student, Recipe]:
    """Read the student of a checkpoint.

    Returns:
        The student in eval mode with the averaged weights, and its recipe.

    Raises:
        InputError: Not a checkpoint of a student, weights that don't fit or aren't finite.
    """
    content = read_checkpoint(path)
    recipe = checkpoint_recipe(content, path)
    if recipe.trains != "student":
        raise InputError(f"{path} holds a teacher; name the checkpoint of a student.")
    student = Student(recipe.student)
    load_weights(student, content, path)
    return student.eval(), recipe


def checkpoint_recipe(content: dict[str, Any], path: Path) -> Recipe:
    """The recipe that a checkpoint was trained by.

    Raises:
        InputError: There is none, or this version doesn't know its keys.
    """
    try:
        return Recipe.model_validate_json(content["recipe"])
    except (KeyError, ValidationError) as error:
        raise InputError(f"{path} holds no recipe that this version of clearcall can read.") from error


def load_weights(network: torch.nn.Module, content: dict[str, Any], path: Path) -> None:
    """Put the (averaged) weights of a checkpoint into a network.

    Raises:
        InputError: Weights that don't fit, or aren't finite.
    """
    state = content.get("state_dict", {})
    weights = {name.removeprefix(PREFIX): weight for name, weight in state.items() if name.startswith(PREFIX)}
    if not all(torch.isfinite(weight).all() for weight in weights.values()):
        raise InputError(f"{path} holds weights that are not finite; take an earlier checkpoint.")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"The weights of {path} don't fit the network of its recipe ({reason}).") from error
