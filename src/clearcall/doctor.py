"""What works on this machine and what is missing, door by door, with how to get it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np

from clearcall.errors import ClearcallError
from clearcall.runtime.quiet import load_openvino

_SYSTEM: Final[str] = sys.platform
_VIDEO_DEVICES: Final = Path("/sys/class/video4linux")
_LOOPBACK: Final = Path("/sys/module/v4l2loopback")
_SYNTHETIC: Final = "/devices/virtual/"


class State(StrEnum):
    """How a door stands."""

    WORKS = "works"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """What is known of one door.

    Attributes:
        door: What it is, in a word or two.
        state: Whether it works.
        seen: What was found.
        remedy: How to get what is missing; empty where nothing is.
        is_core: Whether nothing at all works without it.
    """

    door: str
    state: State
    seen: str
    remedy: str = ""
    is_core: bool = False


def examine() -> list[Finding]:
    """Look at every door; nothing is changed, and no camera is switched on.

    Returns:
        A finding per door, the core first.

    Example:
        >>> examine()[0].door
        'model'
    """
    checks: tuple[Callable[[], Finding], ...] = (
        _model,
        _gpu,
        _codecs,
        _camera,
        _screen,
        _window,
        _virtual_camera_library,
        _virtual_camera_device,
        _server,
        _page,
        _webrtc,
        _training,
    )
    return [check() for check in checks]


def _model() -> Finding:
    import clearcall

    try:
        sharpener = clearcall.load()
        sharpener.sharpen(np.zeros((16, 16, 3), np.uint8))
    except (ClearcallError, ImportError, RuntimeError) as error:
        remedy = "install clearcall again: pip install --force-reinstall clearcall"
        return Finding("model", State.BROKEN, str(error), remedy, is_core=True)
    return Finding("model", State.WORKS, f"{sharpener.name} on {sharpener.device} (OpenVINO)", is_core=True)


def _gpu() -> Finding:
    ov = load_openvino()

    core = ov.Core()
    names = [str(core.get_property(name, "FULL_DEVICE_NAME")) for name in core.available_devices if name != "CPU"]
    if names:
        return Finding("GPU", State.WORKS, f"OpenVINO sees {', '.join(names)}")
    return Finding(
        "GPU",
        State.MISSING,
        "OpenVINO sees no GPU; the CPU does the work",
        "not needed; for an Intel GPU: sudo apt install intel-opencl-icd, and be in the group render",
    )


def _codecs() -> Finding:
    import av

    wanted = {"H.264": "libx264", "H.265": "libx265", "VP8": "libvpx", "VP9": "libvpx-vp9", "AV1": "libsvtav1"}
    missing = [name for name, encoder in wanted.items() if encoder not in av.codecs_available]
    if missing:
        remedy = "install PyAV's own wheel: pip install --force-reinstall --only-binary av av"
        return Finding("codecs", State.MISSING, f"PyAV can't write {', '.join(missing)}", remedy)
    return Finding("codecs", State.WORKS, f"{', '.join(wanted)} (PyAV {av.__version__})")


def _camera() -> Finding:
    from clearcall.runtime.camera import list_cameras, permission_hint

    cameras = [name for name in list_cameras() if not _is_virtual(name)]
    if not cameras:
        return Finding(
            "camera",
            State.MISSING,
            "no camera device",
            "plug one in (in a virtual machine or container: pass the device through)",
        )
    if _SYSTEM == "linux" and not any(os.access(name, os.R_OK | os.W_OK) for name in cameras):
        return Finding("camera", State.BROKEN, f"{', '.join(cameras)}: permission denied", permission_hint())
    hint = "" if _SYSTEM == "linux" else permission_hint()
    return Finding("camera", State.WORKS, ", ".join(cameras), f"if no picture comes: {hint}" if hint else "")


def _screen() -> Finding:
    if _SYSTEM == "linux" and not os.environ.get("DISPLAY"):
        return Finding("screen capture", State.MISSING, "DISPLAY is not set", "start in a desktop session under X11")
    if os.environ.get("XDG_SESSION_TYPE") == "wayland":
        return Finding(
            "screen capture", State.MISSING, "a Wayland session hides its screen", "log in with an X11 session"
        )
    return Finding("screen capture", State.WORKS, os.environ.get("DISPLAY") or "the desktop")


def _window() -> Finding:
    from clearcall.runtime.display import PreviewWindow

    try:
        with PreviewWindow() as window:
            window.refresh()
    except ClearcallError as error:
        seen, _, remedy = str(error).partition("; ")
        return Finding("preview window", State.MISSING, seen, remedy.rstrip("."))
    return Finding("preview window", State.WORKS, "Tk opens a window")


def _virtual_camera_library() -> Finding:
    return _extra("virtual camera: extra", ("pyvirtualcam",), "virtual-camera", " (GPL-2.0)")


def _virtual_camera_device() -> Finding:
    from clearcall.runtime.sink import MODPROBE, virtual_camera_hint

    door = "virtual camera: device"
    if _SYSTEM != "linux":
        return Finding(door, State.WORKS, "OBS's virtual camera, if OBS is installed", virtual_camera_hint())
    if not _LOOPBACK.is_dir():
        return Finding(door, State.MISSING, "the module v4l2loopback is not loaded", virtual_camera_hint())
    devices = [f"/dev/{path.name}" for path in sorted(_VIDEO_DEVICES.glob("video*")) if _is_virtual(path.name)]
    if not devices:
        return Finding(
            door, State.MISSING, "v4l2loopback has no device", f"sudo modprobe -r v4l2loopback, then {MODPROBE}"
        )
    if not _has_exclusive_caps():
        return Finding(
            door,
            State.BROKEN,
            f"{', '.join(devices)} without exclusive_caps: browsers and Zoom won't list it",
            f"sudo modprobe -r v4l2loopback, then {MODPROBE}",
        )
    return Finding(door, State.WORKS, ", ".join(devices))


def _server() -> Finding:
    return _extra("web server", ("starlette", "uvicorn"), "serve")


def _page() -> Finding:
    page = Path(str(resources.files("clearcall"))) / "web" / "static" / "index.html"
    if page.is_file():
        return Finding("browser page", State.WORKS, "the page and its module are there")
    return Finding(
        "browser page", State.MISSING, "the page is not built", "run make web in the repository, or install a wheel"
    )


def _webrtc() -> Finding:
    return _extra("WebRTC", ("aiortc",), "serve")


def _training() -> Finding:
    return _extra("training", ("torch", "lightning"), "train")


def _extra(door: str, packages: tuple[str, ...], extra: str, licence: str = "") -> Finding:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        remedy = f"pip install 'clearcall[{extra}]'{licence}"
        return Finding(door, State.MISSING, f"{', '.join(missing)} not installed", remedy)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return Finding(door, State.WORKS, versions)


def _is_virtual(device: str) -> bool:
    """Whether a video device of Linux is a loopback, not hardware."""
    return _SYNTHETIC in str((_VIDEO_DEVICES / Path(device).name).resolve())


def _has_exclusive_caps() -> bool:
    try:
        return "Y" in (_LOOPBACK / "parameters" / "exclusive_caps").read_text()
    except OSError:
        return False
