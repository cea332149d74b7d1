"""The public runtime: load a model, sharpen frames."""

from __future__ import annotations

from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from clearcall.bundle import Bundle, Precision, bundled_models, read_bundle
from clearcall.errors import BundleError, InputError
from clearcall.frame import (
    DEPTH_STEP,
    DeepFrame,
    Frame,
    Plane,
    Planes,
    check_frame,
    check_planes,
    pad_to_multiple,
    to_8_bit,
)
from clearcall.runtime.compiled import CompiledGraphs
from clearcall.runtime.device import AUTO, CPU, candidates, check_device, open_fastest
from clearcall.runtime.engine import Engine, Graph, ONNXGraph, OpenVINOEngine
from clearcall.runtime.onnx_engine import ONNXRuntimeEngine
from clearcall.runtime.packed_graph import read_network
from clearcall.runtime.torch_engine import TORCH, TorchEngine
from clearcall.runtime.yuv import PlaneSharpener

if TYPE_CHECKING:
    from clearcall.media.colour import Colours

STRONGEST = 2.0
_COLOUR_REACH = 8
"""What taking colours from half size to full and back adds, in pixels."""

AnyFrame = TypeVar("AnyFrame", Frame, DeepFrame)


class Sharpener:
    """A loaded model that sharpens frames of any size, from any number of threads at once.

    Example:
        >>> import clearcall, numpy as np
        >>> sharpener = clearcall.load("small")
        >>> frame = np.full((48, 65, 3), 128, np.uint8)
        >>> sharpener.sharpen(frame).shape
        (48, 65, 3)
    """

    def __init__(self, bundle: Bundle, engine: Engine, planes: PlaneSharpener | None = None) -> None:
        self._bundle = bundle
        self._engine = engine
        self._planes = planes

    @property
    def name(self) -> str:
        """The model's name."""
        return self._bundle.card.name

    @property
    def device(self) -> str:
        """The hardware that the model runs on, in words."""
        return self._engine.device

    @property
    def multiple_of(self) -> int:
        """A crop gives the same result as the whole frame if it begins at a multiple of this."""
        return self._bundle.card.multiple_of

    @property
    def reach(self) -> int:
        """How many pixels away from a changed one the result can change, at most."""
        student = self._bundle.card.student
        return student["stride"] * student["depth"] + _COLOUR_REACH

    def sharpen(self, frame: AnyFrame, strength: float = 1.0) -> AnyFrame:
        """Sharpen one frame.

        Args:
            frame: uint8 (or uint16, full range) HWC RGB, of any height and width. It isn't changed.
            strength: From 0 (the frame itself) over 1 (the model's output) to 2 (exaggerated).

        Returns:
            A new frame of the same shape and type. Of a uint16 frame all bits are kept: the model's correction is
            computed on 8 bits and added.

        Raises:
            InputError: Not a frame, or a strength out of range.
        """
        check_frame(frame)
        check_strength(strength)
        if strength == 0:
            return frame.copy()
        if frame.dtype == np.uint16:
            return self._sharpen_deep(frame, strength)  # type: ignore[arg-type,return-value]  # told by dtype
        return self._sharpen_8_bit(frame, strength)  # type: ignore[arg-type,return-value]

    def is_ready(self, width: int, height: int, strength: float = 1.0, *, colours: Colours | None = None) -> bool:
        """Whether frames of a size are sharpened at once; if not, the first has to wait until the model is compiled.

        Args:
            width: Of the frames, in pixels.
            height: Of the frames, in pixels.
            strength: As for ``sharpen``.
            colours: Of planes that are to go to ``sharpen_yuv``; None for RGB.

        Example:
            >>> sharpener = load("small")
            >>> before = sharpener.is_ready(64, 36)
            >>> sharpener.prepare(64, 36)
            >>> before, sharpener.is_ready(64, 36)
            (False, True)
        """
        if strength and colours is not None and self._planes is not None and self._planes.is_possible:
            return self._planes.is_ready(width, height, colours, strength)
        multiple = self._bundle.card.multiple_of
        rows, columns = (-(-side // multiple) * multiple for side in (height, width))
        return strength == 0 or self._engine.is_ready(rows, columns, strength)

    def prepare(self, width: int, height: int, strength: float = 1.0, *, colours: Colours | None = None) -> None:
        """Compile the model for frames of a size; frames of other sizes are sharpened meanwhile by other threads.

        Args:
            width: Of the frames, in pixels.
            height: Of the frames, in pixels.
            strength: As for ``sharpen``.
            colours: Of planes that are to go to ``sharpen_yuv``; None for RGB.

        Raises:
            InputError: A strength out of range.
        """
        if colours is None:
            self.sharpen(np.zeros((height, width, 3), np.uint8), strength)
        else:
            half = np.zeros(((height + 1) // 2, (width + 1) // 2), np.uint8)
            self.sharpen_yuv(np.zeros((height, width), np.uint8), half, half, colours=colours, strength=strength)

    def sharpen_yuv(
        self,
        y: Plane,
        u: Plane,
        v: Plane,
        *,
        colours: Colours,
        strength: float = 1.0,
        out: Planes | None = None,
    ) -> Planes:
        """Sharpen one frame of 4:2:0 planes as decoders give them, without making RGB.

        Args:
            y: Luma, uint8 (height, width). Lines may be farther apart than they are long.
            u: Blue difference, uint8 (height / 2, width / 2), rounded up.
            v: Red difference, likewise.
            colours: Matrix, range and siting of the planes; what isn't specified counts as players have it.
            strength: From 0 (the frame itself) over 1 (the model's output) to 2 (exaggerated).
            out: Planes of the same shapes to write the result into; new ones are made without it. They must not
                share memory with the input.

        Returns:
            The sharpened planes; ``out`` if it was given.

        Raises:
            InputError: Planes of the wrong kind or of sizes that don't belong together, or a strength out of range.
        """
        check_planes(y, u, v)
        check_strength(strength)
        if out is not None and [plane.shape for plane in out] != [y.shape, u.shape, v.shape]:
            raise InputError("The planes to write to must have the sizes of the planes to sharpen.")
        result = (np.empty_like(y), np.empty_like(u), np.empty_like(v)) if out is None else out
        if strength == 0:
            _copy((y, u, v), result)
        elif self._planes is not None and self._planes.is_possible:
            self._planes.sharpen((y, u, v), colours, strength, result)
        else:
            from clearcall.media.colour import from_planes, from_rgb, to_planes, to_rgb

            sharp = self.sharpen(to_rgb(from_planes(y, u, v, colours)), strength)
            _copy(to_planes(from_rgb(sharp, "yuv420p", colours)), result)
        return result

    def _sharpen_8_bit(self, frame: Frame, strength: float) -> Frame:
        height, width = frame.shape[:2]
        padded = pad_to_multiple(np.ascontiguousarray(frame), self._bundle.card.multiple_of)
        sharp = self._engine.infer(padded, strength)
        return sharp if padded.shape == frame.shape else np.ascontiguousarray(sharp[:height, :width])

    def _sharpen_deep(self, frame: DeepFrame, strength: float) -> DeepFrame:
        shallow = to_8_bit(frame)
        correction = self._sharpen_8_bit(shallow, strength).astype(np.int32) - shallow
        return np.clip(frame + DEPTH_STEP * correction, 0, np.iinfo(np.uint16).max).astype(np.uint16)


def _copy(planes: Planes, targets: Planes) -> None:
    for plane, target in zip(planes, targets, strict=True):
        target[:] = plane


def check_strength(strength: float) -> None:
    """Refuse a strength out of range.

    Raises:
        InputError: Not between 0 and 2.
    """
    if not 0 <= strength <= STRONGEST:
        raise InputError(f"The strength must lie between 0 (original) and 2 (exaggerated); {strength} does not.")


def available_models() -> list[str]:
    """Names of the models that ship with clearcall.

    Example:
        >>> "small" in available_models()
        True
    """
    return list(bundled_models())


def load(
    model: str | Path = "small",
    *,
    threads: int | None = None,
    precision: Precision = "int8",
    device: str = AUTO,
) -> Sharpener:
    """Load a model.

    Args:
        model: Name of a bundled model, or the folder of a bundle.
        threads: CPU threads for one frame; None uses every core that this process may use.
        precision: ``int8`` is fast; ``float32`` is the reference that it was made from. GPUs always take the latter.
        device: ``cpu`` (OpenVINO); ``cuda``, ``directml``, ``coreml`` or ``onnxruntime`` (its own CPU kernels), all by
            ONNX Runtime; ``torch`` (PyTorch's GPU, in half precision); or ``auto``, the fastest at hand, measured
            once and remembered.

    Raises:
        BundleError: No such model (the nearest name is given), or a bundle that is damaged.
        RecipeError: No such device.
        MissingHardwareError: The device is not at hand.
        MissingExtraError: The device needs ONNX Runtime or PyTorch, which is not installed.

    Example:
        >>> load("small").name
        'small'
    """
    check_device(device)
    bundle = find_bundle(model)
    opener = _Opener(bundle, precision, threads)
    devices = candidates() if device == AUTO else [device]
    if len(devices) > 1:
        makers = {name: partial(opener.open, name) for name in devices}
        engine = open_fastest(makers, repr((bundle.card.graphs, precision, threads)))
    else:
        engine = opener.open(devices[0])
    is_openvino = isinstance(engine, OpenVINOEngine)
    return Sharpener(bundle, engine, PlaneSharpener(bundle, precision, opener.openvino) if is_openvino else None)


class _Opener:
    """Opens engines of one bundle."""

    def __init__(self, bundle: Bundle, precision: Precision, threads: int | None) -> None:
        self._bundle = bundle
        self._precision = precision
        self._threads = threads
        self._compiled = CompiledGraphs()

    def openvino(self, graph: bytes | Graph) -> OpenVINOEngine:
        return OpenVINOEngine(graph, threads=self._threads, compiled=self._compiled)

    def open(self, device: str) -> Engine:
        if device == CPU:
            return self.openvino(self._bundle.graph(self._precision))
        if device == TORCH:
            model = ONNXGraph(self._bundle.graph("float32")).model()
            return TorchEngine(read_network(model, self._bundle.card.multiple_of))
        precision: Precision = self._precision if device == "onnxruntime" else "float32"
        return ONNXRuntimeEngine(self._bundle.graph(precision), device, threads=self._threads)


def find_bundle(model: str | Path) -> Bundle:
    """Read a bundle, without loading it into an engine.

    Args:
        model: Name of a bundled model, or the folder of a bundle.

    Raises:
        BundleError: No such model, or a bundle that is damaged.

    Example:
        >>> find_bundle("small").card.name
        'small'
    """
    return read_bundle(_bundle_folder(model))


def _bundle_folder(model: str | Path) -> Path:
    bundled = bundled_models()
    if str(model) in bundled:
        return bundled[str(model)]
    if Path(model).is_dir():
        return Path(model)
    nearest = get_close_matches(str(model), bundled, n=1, cutoff=0.0)
    hint = f"; the nearest is {nearest[0]}" if nearest else ""
    raise BundleError(f"There is no model {model}: neither a folder nor one of {', '.join(bundled) or 'none'}{hint}.")
