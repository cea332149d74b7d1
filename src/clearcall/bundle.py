"""Model bundles: a folder with ONNX graphs and one JSON card; all that training and runtime share.

A graph takes ``frame``, uint8 (1, H, W, 3) RGB with sides that ``multiple_of`` divides, and gives ``sharp`` of the
same shape and type. Everything between (scaling, residual, rounding, clamping) is inside the graph.

A bundle of format 2 has several sets of weights for the same network, *experts* for kinds of links, and a *gate*:
a small JSON file by which the runtime tells from a frame which of them it needs. One without experts is written in
format 1.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from clearcall.errors import BundleError, OutputError

FORMAT_VERSION = 2
PLAIN_VERSION = 1
"""The format of a bundle without experts, which older readers know as well."""
CARD = "card.json"

Precision = Literal["int8", "float32"]


@dataclass(frozen=True)
class GraphFile:
    """One file of a bundle (a graph, or the gate) and its checksum."""

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a bundle says about itself.

    Attributes:
        format_version: Version of this format; a reader refuses the ones it doesn't know.
        name: The model's name.
        description: One sentence on what the model is for.
        licence: SPDX name of the weights' licence.
        parameters: Number of weights and biases that work on a frame (each expert has as many).
        multiple_of: Height and width of a frame must be multiples of this.
        student: Stride, width, depth and margin of the network, and its channels: 3, or 1 for luma alone.
        graphs: The ONNX files by precision; of a bundle with experts those of the one for all links.
        experts: Further ONNX files, by the expert's name and precision.
        gate: The file by which frames are told apart; there is one where there are experts.
        training: Where the weights come from: data, degradation, losses, steps.
        scores: Figures measured by training and export, by name.
        protocol: How the scores were measured.
    """

    format_version: int
    name: str
    description: str = ""
    licence: str = "MIT"
    parameters: int
    multiple_of: int
    student: dict[str, int]
    graphs: dict[Precision, GraphFile]
    experts: dict[str, dict[Precision, GraphFile]] = field(default_factory=dict)
    gate: GraphFile | None = None
    training: dict[str, str | int | float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    protocol: str = ""


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_table(value: object, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(holds(entry) for entry in value.values())


def _is_file(value: object, suffix: str) -> bool:
    if not _is_table(value, _is_text):
        return False
    file, sha256 = (value.get(key, "") for key in ("file", "sha256"))  # type: ignore[attr-defined]  # a table
    name = rf"[A-Za-z0-9][A-Za-z0-9._-]*\.{suffix}"
    return bool(re.fullmatch(name, file) and re.fullmatch(r"[0-9a-f]{64}", sha256))


def _are_graphs(value: object) -> bool:
    names: set[str] = {"int8", "float32"}
    return _is_table(value, lambda entry: _is_file(entry, "onnx")) and value.keys() <= names  # type: ignore[attr-defined]


_RULES: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "format_version": (_is_whole, "a whole number"),
    "name": (_is_text, "text"),
    "description": (_is_text, "text"),
    "licence": (_is_text, "text"),
    "parameters": (_is_whole, "a whole number"),
    "multiple_of": (lambda value: _is_whole(value) and 1 <= value <= 16, "a whole number from 1 to 16"),
    "student": (lambda value: _is_table(value, _is_whole), "whole numbers by name"),
    "graphs": (_are_graphs, "the file (NAME.onnx) and sha256 of int8, float32 or both"),
    "experts": (
        lambda value: _is_table(value, _are_graphs),
        "by expert the file (NAME.onnx) and sha256 of int8, float32 or both",
    ),
    "gate": (lambda value: value is None or _is_file(value, "json"), "the file (NAME.json) and sha256 of the gate"),
    "training": (lambda value: _is_table(value, lambda entry: _is_text(entry) or _is_number(entry)), "values by name"),
    "scores": (lambda value: _is_table(value, _is_number), "numbers by name"),
    "protocol": (_is_text, "text"),
}
"""What each entry of a card must be. Checked by hand: to import a library for it takes longer than to load a model."""
_OPTIONAL: Final = {"description", "licence", "experts", "gate", "training", "scores", "protocol"}


def _read_card(values: Mapping[str, Any]) -> Card:
    """Make a card of what its file holds; entries of other names are ignored.

    Raises:
        ValueError: What is wrong with an entry.
    """
    for name, (is_right, needed) in _RULES.items():
        if name not in values:
            if name not in _OPTIONAL:
                raise ValueError(f"{name}, which is missing")
        elif not is_right(values[name]):
            raise ValueError(f"{name}, which must be {needed}")
    known = {name: values[name] for name in _RULES if name in values}
    experts = {name: _files(graphs) for name, graphs in known.get("experts", {}).items()}
    gate = known.get("gate")
    if bool(experts) != bool(gate):
        raise ValueError("gate, which a bundle has if, and only if, it has experts")
    return Card(**known | {"graphs": _files(values["graphs"]), "experts": experts, "gate": gate and GraphFile(**gate)})


def _files(graphs: Mapping[Precision, Mapping[str, str]]) -> dict[Precision, GraphFile]:
    return {precision: GraphFile(entry["file"], entry["sha256"]) for precision, entry in graphs.items()}


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose card has been read."""

    folder: Path
    card: Card

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all its files: the card, the graphs, and those of experts and the gate where there are some."""
        sets = [self.card.graphs, *self.card.experts.values()]
        gate = [self.card.gate] if self.card.gate else []
        return (CARD, *(entry.file for entry in [*(one for graphs in sets for one in graphs.values()), *gate]))

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
        return self._content(entry)

    def gate(self) -> bytes:
        """The bytes of the gate's file, checked against the card.

        Raises:
            BundleError: The bundle has no experts, the file is missing, or its checksum differs.
        """
        if self.card.gate is None:
            raise BundleError(f"The bundle {self.folder} has no experts, so it needs no gate.")
        return self._content(self.card.gate)

    def expert(self, name: str) -> Bundle:
        """One expert as a bundle of its own, without others.

        Raises:
            BundleError: No such expert.
        """
        if name not in self.card.experts:
            known = ", ".join(self.card.experts) or "none"
            raise BundleError(f"The bundle {self.folder} has no expert {name}; it has: {known}.")
        return self._alone(self.card.experts[name])

    def without_experts(self) -> Bundle:
        """The weights for all links alone."""
        return self._alone(self.card.graphs)

    def _alone(self, graphs: dict[Precision, GraphFile]) -> Bundle:
        return replace(self, card=replace(self.card, graphs=graphs, experts={}, gate=None))

    def _content(self, entry: GraphFile) -> bytes:
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
    if version not in (PLAIN_VERSION, FORMAT_VERSION):
        raise BundleError(
            f"The bundle {folder} has format version {version}; this clearcall reads versions {PLAIN_VERSION} and "
            f"{FORMAT_VERSION}: use a matching clearcall or export the bundle again."
        )
    try:
        return Bundle(folder=folder, card=_read_card(values))
    except ValueError as error:
        raise BundleError(f"The bundle's card {path} is wrong at {error}; export the bundle again.") from error


Graphs = Mapping[Precision, bytes]
"""The ONNX files of one set of weights."""


def write_bundle(
    folder: Path,
    card: Card,
    graphs: Graphs,
    *,
    experts: Mapping[str, Graphs] | None = None,
    gate: bytes = b"",
    force: bool = False,
) -> Bundle:
    """Write a bundle beside its place and move it there when it is complete.

    Args:
        folder: The bundle's folder.
        card: The card; its version, ``graphs``, ``experts`` and ``gate`` are filled in here.
        graphs: The ONNX files by precision.
        experts: The ONNX files of experts, by name and precision.
        gate: Content of the gate's file; needed if there are experts.
        force: Replace a bundle that is there already.

    Raises:
        OutputError: The folder exists (without ``force``) or can't be written.
    """
    if folder.exists() and not force:
        raise OutputError(f"{folder} exists already; give another name or use --force.")
    if folder.exists() and not (folder / CARD).exists():
        raise OutputError(f"{folder} exists and is not a model bundle; it is left alone, give another name.")
    contents: dict[str, bytes] = {}

    def enter(file: str, content: bytes) -> GraphFile:
        contents[file] = content
        return GraphFile(file, _digest(content))

    def enter_all(name: str, of_name: Graphs) -> dict[Precision, GraphFile]:
        return {precision: enter(f"{name}.{precision}.onnx", content) for precision, content in of_name.items()}

    card = replace(
        card,
        format_version=FORMAT_VERSION if experts else PLAIN_VERSION,
        graphs=enter_all(card.name, graphs),
        experts={name: enter_all(f"{card.name}-{name}", of_name) for name, of_name in (experts or {}).items()},
        gate=enter(f"{card.name}.gate.json", gate) if experts else None,
    )
    contents[CARD] = _written(card)
    try:
        _put_in_place(folder, contents)
    except OSError as error:
        raise OutputError(f"The bundle {folder} can't be written: {error.strerror}.") from error
    return Bundle(folder=folder, card=card)


def _written(card: Card) -> bytes:
    entries = asdict(card)
    if not card.experts:
        del entries["experts"], entries["gate"]
    return (json.dumps(entries, indent=2, ensure_ascii=False) + "\n").encode()


def _put_in_place(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        unfinished.chmod(0o755)
        for file, content in contents.items():
            (unfinished / file).write_bytes(content)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def bundled_models() -> dict[str, Path]:
    """The bundles that ship with clearcall, by name.

    Example:
        >>> "small" in bundled_models()
        True
    """
    root = Path(__file__).parent / "bundles"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CARD}"))}


def bundle_path(model: str | Path) -> Path:
    """Where a bundle is: the folder of a bundled model if that is its name, else the path as it is given.

    Example:
        >>> bundle_path("small") == bundled_models()["small"], bundle_path("some/folder").as_posix()
        (True, 'some/folder')
    """
    return bundled_models().get(str(model), Path(model))
