"""Named intermediate feature maps of a network, taken by hooks while it runs once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from clearcall.errors import RecipeError

_NEAREST = 3
_SHRINKAGES = (1, 2, 3, 4, 8, 16)
"""How many times smaller than the frame a grid of tokens may be, each way."""


def find_modules(network: nn.Module, documented: Mapping[str, str], points: Sequence[str]) -> dict[str, nn.Module]:
    """Find the modules whose outputs are feature points.

    Args:
        network: The network.
        documented: Names of points and the paths of their modules.
        points: Documented names, or paths such as ``encoders.0.1``.

    Raises:
        RecipeError: An unknown name; the nearest ones are listed.
    """
    modules = dict(network.named_modules())
    found = {}
    for point in points:
        path = documented.get(point, point)
        if not path or path not in modules:
            raise RecipeError(_unknown(point, documented, modules))
        found[point] = modules[path]
    return found


def _unknown(point: str, documented: Mapping[str, str], modules: Mapping[str, nn.Module]) -> str:
    names = get_close_matches(point, documented, n=_NEAREST, cutoff=0.6)
    paths = get_close_matches(point, list(filter(None, modules)), n=_NEAREST, cutoff=0.0)
    nearest = ", ".join(dict.fromkeys([*names, *paths]))
    return f"{point!r} is not a feature point; the nearest are {nearest} (documented: {', '.join(documented)})."


@contextmanager
def recorded(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, list[object]]]:
    """Keep what modules give, call by call, while the block runs.

    A tensor is copied at once: a later in-place operation must not change it.
    """
    outputs: dict[str, list[object]] = {name: [] for name in modules}

    def keep(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            outputs[name].append(output.clone() if isinstance(output, Tensor) else output)

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def as_map(point: str, calls: Sequence[object], given: tuple[int, int, int]) -> Tensor:
    """Make one feature map (N, C, h, w) of what a module gave.

    Args:
        point: The feature point, for errors.
        calls: What the module gave in each of its calls: maps (N, C, h, w), or tokens (N, h * w, C). A module called
            twice saw the upper and the lower half of the frame, one called four times its quarters (MPRNet).
        given: Number, height and width of the frames that the network was given.

    Raises:
        RecipeError: The module wasn't run, or gives no feature map.
    """
    if not calls:
        raise RecipeError(f"The feature point {point!r} isn't run by itself; name one of its parts, as {point}.0.")
    if not all(isinstance(call, Tensor) and call.ndim in (3, 4) for call in calls):
        raise RecipeError(f"The feature point {point!r} gives no feature map but {_kind(calls[0])}; name another one.")
    maps = [_grid(point, call, *given) for call in calls if isinstance(call, Tensor)]
    return _joined(point, maps)


def _kind(output: object) -> str:
    return f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"


def _grid(point: str, feature: Tensor, frames: int, height: int, width: int) -> Tensor:
    if feature.ndim == 4 and feature.shape[0] == frames:
        return feature
    count, tokens, channels = (feature if feature.ndim == 3 else feature.flatten(2)).shape
    for by in _SHRINKAGES if count == frames else ():
        if height % by == 0 and width % by == 0 and tokens == (height // by) * (width // by):
            return feature.transpose(1, 2).reshape(count, channels, height // by, width // by)
    raise RecipeError(f"The feature point {point!r} gives {_kind(feature)}, which is no grid; name another one.")


def _joined(point: str, maps: Sequence[Tensor]) -> Tensor:
    same = len({part.shape for part in maps}) == 1
    if len(maps) == 1:
        return maps[0]
    if len(maps) == 2 and same:
        return torch.cat(list(maps), 2)
    if len(maps) == 4 and same:
        return torch.cat([torch.cat(list(maps[:2]), 3), torch.cat(list(maps[2:]), 3)], 2)
    raise RecipeError(f"The module at {point!r} runs {len(maps)} times in a pass, so it has no one feature map.")
