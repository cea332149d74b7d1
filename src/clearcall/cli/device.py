"""The option ``--device``, the same for every command that runs a model."""

from __future__ import annotations

from typing import Annotated

import typer

DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        help="cpu, cuda, directml, coreml, onnxruntime, torch, or auto: the fastest, measured once and remembered.",
    ),
]
