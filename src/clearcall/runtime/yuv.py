"""Sharpens 4:2:0 planes as decoders give them: no RGB is made, and half the bytes are touched."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np

from clearcall.bundle import Bundle, Precision
from clearcall.frame import Planes
from clearcall.runtime.engine import Graph, ONNXGraph, OpenVINOEngine
from clearcall.runtime.folding import Network, can_fold, channels_of, fold
from clearcall.runtime.int8_ops import AS_SHARP
from clearcall.runtime.packed_graph import build_packed, read_network, read_peaks
from clearcall.runtime.packing import Packed, Packing

if TYPE_CHECKING:
    import openvino as ov

    from clearcall.media.colour import Colours


_IDLE: Final = 4
_PAIRED: Final = 8
"""Channels of a block of which engines compute two for the price of one."""


Idle = deque[tuple[Packed, Packed]]
"""Packed pictures, before and after, that nothing uses at the moment."""


def no_idle() -> Idle:
    """A place for a few of them."""
    return deque(maxlen=_IDLE)


class PlaneSharpener:
    """A student folded into the colours of a video; one engine per kind of colours, made when it is needed.

    Args:
        bundle: The model.
        precision: Of the arithmetic.
        engine: Makes an engine of a graph.
        idle: Where packed pictures wait for their next use; models that take turns share it.
        helper: Packs half of each picture, if there is more than one core.
    """

    def __init__(
        self,
        bundle: Bundle,
        precision: Precision,
        engine: Callable[[Graph], OpenVINOEngine],
        idle: Idle | None = None,
        helper: Executor | None = None,
    ) -> None:
        self._bundle = bundle
        self._precision = precision
        self._make_engine = engine
        self._engines: dict[Colours, OpenVINOEngine] = {}
        self._lock = Lock()
        self._idle = no_idle() if idle is None else idle
        self._helper = helper

    @property
    def is_possible(self) -> bool:
        """Whether this model can work on planes at all."""
        return can_fold(self._network)

    def is_ready(self, width: int, height: int, colours: Colours, strength: float) -> bool:
        """Whether planes are sharpened at once, or the first have to wait until the graph is compiled.

        Args:
            width: Of the picture, in pixels.
            height: Of the picture, in pixels.
            colours: What its planes stand for.
            strength: As for ``sharpen``.
        """
        engine = self._engines.get(colours.specified(height))
        rows, columns = (-(-side // self._network.stride) for side in (height, width))
        return engine is not None and engine.is_ready(rows, columns, strength)

    def sharpen(self, planes: Planes, colours: Colours, strength: float, out: Planes) -> None:
        """Sharpen planes into others.

        Args:
            planes: uint8, of a 4:2:0 picture.
            colours: What they stand for.
            strength: 0 gives the picture, 1 the network's output, more exaggerates.
            out: Where the result goes; of the same shapes.
        """
        engine = self._engine(colours, planes[0].shape[0])
        buffers = self._take(planes)
        packed, sharp = buffers
        self._packing.unpack(engine.infer(self._packing.pack(planes, packed), strength, sharp), out)
        self._idle.append(buffers)
        if not self._packing.has_colours:
            for target, plane in zip(out[1:], planes[1:], strict=True):
                np.copyto(target, plane)

    def _take(self, planes: Planes) -> tuple[Packed, Packed]:
        """Two packed pictures that nothing else uses: making them anew for each frame costs a millisecond and more."""
        with suppress(IndexError):
            while True:
                packed, sharp = self._idle.pop()
                if packed.shape == self._packing.shape(planes):
                    return packed, sharp
        return self._packing.blank(planes), self._packing.blank(planes)

    @cached_property
    def _network(self) -> Network:
        model = ONNXGraph(self._bundle.graph("float32")).model()
        return read_network(model, self._bundle.card.multiple_of)

    @cached_property
    def _packing(self) -> Packing:
        network = self._network
        return Packing(network.stride, channels_of(network), has_colours=not network.is_luma, helper=self._helper)

    def _engine(self, colours: Colours, height: int) -> OpenVINOEngine:
        kind = colours.specified(height)
        with self._lock:
            if kind not in self._engines:
                self._engines[kind] = self._make_engine(_Folded(self._bundle, self._precision, self._network, kind))
            return self._engines[kind]


class _Folded:
    """The graph of a student folded into some colours."""

    def __init__(self, bundle: Bundle, precision: Precision, network: Network, colours: Colours) -> None:
        self._bundle = bundle
        self._precision = precision
        self._network = network
        self._colours = colours
        graphs = sorted((name, entry.sha256) for name, entry in bundle.card.graphs.items())
        self.digest = hashlib.sha256(repr((precision, graphs, colours)).encode()).hexdigest()

    def model(self) -> ov.Model:
        return build_packed(*self._student)

    def sized(self, height: int, width: int) -> ov.Model:
        network, peaks = self._student
        channels = network.layers[-1].bias.size
        paired = peaks is not None and channels == _PAIRED and width % 2 == 0
        model = build_packed(network, peaks, paired=paired)
        shapes = {"frame": [1, height, width, channels]}
        if paired:
            shapes[AS_SHARP] = [1, height, width // 2, 2 * channels]
        model.reshape(shapes)
        return model

    @cached_property
    def _student(self) -> tuple[Network, list[float] | None]:
        is_int8 = self._precision == "int8"
        peaks = read_peaks(ONNXGraph(self._bundle.graph("int8")).model()) if is_int8 else None
        return fold(self._network, self._colours), peaks
