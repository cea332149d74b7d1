"""Model bundles: a folder with ONNX graphs and one JSON card; all that training and runtime share.

A graph takes ``frame``, uint8 (1, H, W, 3) RGB with sides that ``multiple_of`` divides, and gives ``sharp`` of the
same shape and type. Everything between (scaling, residual, rounding, clamping) is inside the graph.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clearcall.errors import BundleError, OutputError

FORMAT_VERSION = 1
CARD = "card.json"

Precision = Literal["int8", "float32"]


class GraphFile(BaseModel):
    """One ONNX file of a bundle and its checksum."""

    model_config = ConfigDict(frozen=True)

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Card(BaseModel):
    """What a bundle says about itself.

    Attributes:
        format_version: Version of this format; a reader refuses the ones it doesn't know.
        name: The model's name.
        description: One sentence on what the model is for.
        licence: SPDX name of the weights' licence.
        parameters: Number of weights and biases.
        multiple_of: Height and width of a frame must be multiples of this.
        student: Stride, width, depth and margin of the network, and its channels: 3, or 1 for luma alone.
        graphs: The ONNX files by precision.
        training: Where the weights come from: data, degradation, losses, steps.
        scores: Figures measured by training and export, by name.
        protocol: How the scores were measured.
    """

    model_config = ConfigDict(frozen=True)

    format_version: int
    name: str
    description: str = ""
    licence: str = "MIT"
    parameters: int
    multiple_of: int = Field(ge=1, le=16)
    student: dict[str, int]
    graphs: dict[Precision, GraphFile]
    training: dict[str, str | int | float] = {}
    scores: dict[str, float] = {}
    protocol: str = ""


class Bundle(BaseModel):
    """A bundle on disk whose card has been read."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    card: Card

    def graph(self, precision: Precision = "int8") -> bytes:
        """The bytes of one ONNX file, checked against the card.

        Raises:
            BundleError: No graph of this precision, the file is missing, or its checksum differs.
        """
        try:
            entry = self.card.graphs[precision]
        except KeyError:
            known = ", ".join(self.card.graphs)
            raise BundleError(f"The bundle {self.folder} has no {precision} graph; it has: {known}.") from None
        path = self.folder / entry.file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"The bundle's file {path} can't be read: {error.strerror}; export it again.") from error
        if _digest(content) != entry.sha256:
            raise BundleError(
                f"The bundle's file {path} is damaged: its checksum is not the card's; copy or export it again."
            )
        return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_bundle(folder: Path) -> Bundle:
    """Read the card of a bundle.

    Raises:
        BundleError: No card, not JSON, of another format version, or with impossible values.
    """
    path = folder / CARD
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(f"{folder} is not a model bundle: {path} can't be read ({error.strerror}).") from error
    except ValueError as error:
        raise BundleError(f"The bundle's card {path} is not valid JSON ({error}); export the bundle again.") from error
    version = values.get("format_version") if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        raise BundleError(
            f"The bundle {folder} has format version {version}; this clearcall reads version {FORMAT_VERSION}: "
            "use a matching clearcall or export the bundle again."
        )
    try:
        return Bundle(folder=folder, card=Card.model_validate(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"The bundle's card {path} is wrong at {where}: {first['msg'].lower()}.") from error


def write_bundle(folder: Path, card: Card, graphs: Mapping[Precision, bytes], *, force: bool = False) -> Bundle:
    """Write a bundle beside its place and move it there when it is complete.

    Args:
        folder: The bundle's folder.
        card: The card; its ``graphs`` are filled in here.
        graphs: The ONNX files by precision.
        force: Replace a bundle that is there already.

    Raises:
        OutputError: The folder exists (without ``force``) or can't be written.
    """
    if folder.exists() and not force:
        raise OutputError(f"{folder} exists already; give another name or use --force.")
    if folder.exists() and not (folder / CARD).exists():
        raise OutputError(f"{folder} exists and is not a model bundle; it is left alone, give another name.")
    files = {precision: f"{card.name}.{precision}.onnx" for precision in graphs}
    entries = {p: GraphFile(file=files[p], sha256=_digest(content)) for p, content in graphs.items()}
    card = card.model_copy(update={"graphs": entries})
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            unfinished.chmod(0o755)
            for precision, content in graphs.items():
                (unfinished / files[precision]).write_bytes(content)
            (unfinished / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
            if folder.exists():
                shutil.rmtree(folder)
            unfinished.replace(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"The bundle {folder} can't be written: {error.strerror}.") from error
    return Bundle(folder=folder, card=card)


def bundled_models() -> dict[str, Path]:
    """The bundles that ship with clearcall, by name.

    Example:
        >>> "small" in bundled_models()
        True
    """
    root = Path(str(resources.files("clearcall"))) / "bundles"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CARD}"))}
