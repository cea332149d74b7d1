"""What works on this machine and what is missing, door by door, with how to get it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Final

from clearcall.errors import ClearcallError

_SYSTEM: Final[str] = sys.platform
_VIDEO_DEVICES: Final = Path("/sys/class/video4linux")
_LOOPBACK: Final = Path("/sys/module/v4l2loopback")
_MODULES: Final = Path("/lib/modules") / platform.release() / "modules.dep"
_SYNTHETIC: Final = "/devices/virtual/"
_OBS: Final = {"darwin": Path("/Applications/OBS.app"), "win32": Path("C:/Program Files/obs-studio")}

_ENCODERS: Final = {"H.264": "libx264", "H.265": "libx265", "VP8": "libvpx", "VP9": "libvpx-vp9", "AV1": "libsvtav1"}
_DECODERS: Final = {"H.264": "h264", "H.265": "hevc", "VP8": "vp8", "VP9": "vp9", "AV1": "libdav1d", "JPEG": "mjpeg"}

_GPU_RUNTIMES: Final = {
    "linux": "for an NVIDIA card: its driver (nvidia-smi lists the card), then pip uninstall onnxruntime and "
    "pip install 'onnxruntime-gpu[cuda,cudnn]'",
    "darwin": "pip install 'clearcall[onnxruntime]' brings Core ML",
    "win32": "for any card with DirectX 12: pip uninstall onnxruntime and pip install onnxruntime-directml",
}
_LASTING: Final = (
    "to have it after every start: v4l2loopback in /etc/modules-load.d/clearcall.conf, and in "
    "/etc/modprobe.d/clearcall.conf the line: options "
)


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
        sharpener.prepare(16, 16)
    except (ClearcallError, ImportError, RuntimeError) as error:
        remedy = "install clearcall again: pip install --force-reinstall clearcall"
        return Finding("model", State.BROKEN, str(error), remedy, is_core=True)
    return Finding("model", State.WORKS, f"{sharpener.name} on {sharpener.device} (OpenVINO)", is_core=True)


def _gpu() -> Finding:
    """Whether a GPU can do the work; what can use one is a build of ONNX Runtime made for it, or PyTorch."""
    import clearcall
    from clearcall.runtime.device import CPU, candidates

    remedy = _GPU_RUNTIMES.get(_SYSTEM, _GPU_RUNTIMES["linux"])
    devices = [device for device in candidates() if device != CPU]
    if not devices:
        seen = "no ONNX Runtime for a GPU is installed, nor PyTorch beside one; the CPU does the work"
        return Finding("GPU", State.MISSING, seen, f"not needed; {remedy}")
    try:
        seen = clearcall.load(device=devices[0]).device
    except (ClearcallError, ImportError) as error:
        return Finding("GPU", State.BROKEN, f"{error} The CPU does the work.", remedy)
    if seen.startswith("cpu by PyTorch"):
        return Finding("GPU", State.BROKEN, "PyTorch can't use the GPU; the CPU does the work", remedy)
    return Finding("GPU", State.WORKS, seen)


def _codecs() -> Finding:
    import av

    lacks = [
        f"{verb} {', '.join(missing)}"
        for verb, wanted in (("read", _DECODERS), ("write", _ENCODERS))
        if (missing := [name for name, codec in wanted.items() if codec not in av.codecs_available])
    ]
    if lacks:
        remedy = "install PyAV's own wheel: pip install --force-reinstall --only-binary av av"
        return Finding("codecs", State.MISSING, f"PyAV can't {' nor '.join(lacks)}", remedy)
    return Finding("codecs", State.WORKS, f"{', '.join(_ENCODERS)} (PyAV {av.__version__})")


def _camera() -> Finding:
    from clearcall.runtime.camera import list_cameras, permission_hint

    cameras = [name for name in list_cameras() if not _is_virtual(name)]
    if not cameras:
        return Finding(
            "camera",
            State.MISSING,
            "no camera device",
            "plug one in; give a virtual machine the USB device, a container --device /dev/video0"
            if _SYSTEM == "linux"
            else f"plug one in; if there is one: {permission_hint()}",
        )
    if _SYSTEM != "linux":
        return Finding("camera", State.WORKS, ", ".join(cameras), f"if no picture comes: {permission_hint()}")
    allowed = [name for name in cameras if _is_allowed(name)]
    if not allowed:
        return Finding("camera", State.BROKEN, f"{', '.join(cameras)}: permission denied", permission_hint())
    return Finding("camera", State.WORKS, ", ".join(allowed))


def _screen() -> Finding:
    if _SYSTEM == "linux" and not os.environ.get("DISPLAY"):
        return Finding("screen capture", State.MISSING, "DISPLAY is not set", "start in a desktop session under X11")
    if os.environ.get("XDG_SESSION_TYPE") == "wayland":
        return Finding(
            "screen capture", State.MISSING, "a Wayland session hides its screen", "log in with an X11 session"
        )
    hint = "if it stays black: allow it under System Settings > Privacy & Security > Screen Recording"
    seen = os.environ.get("DISPLAY") or "the desktop"
    return Finding("screen capture", State.WORKS, seen, hint if _SYSTEM == "darwin" else "")


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
        if _OBS.get(_SYSTEM, Path()).exists():
            return Finding(door, State.WORKS, "OBS Studio is installed", "start its virtual camera once")
        return Finding(door, State.MISSING, "OBS Studio is not installed", virtual_camera_hint())
    lasting = f"{_LASTING}{MODPROBE.removeprefix('sudo modprobe ')}"
    again = f"sudo modprobe -r v4l2loopback, then {MODPROBE}; {lasting}"
    if not _LOOPBACK.is_dir():
        return Finding(door, State.MISSING, *_loopback_not_loaded(lasting))
    devices = [f"/dev/{path.name}" for path in sorted(_VIDEO_DEVICES.glob("video*")) if _is_virtual(path.name)]
    if not devices:
        return Finding(door, State.MISSING, "v4l2loopback has no device", again)
    named = ", ".join(devices)
    if not _has_exclusive_caps():
        seen = f"{named} without exclusive_caps: browsers and Zoom won't list it"
        return Finding(door, State.BROKEN, seen, again)
    return _may_be_written(door, devices)


def _loopback_not_loaded(lasting: str) -> tuple[str, str]:
    """What is seen and its remedy where v4l2loopback isn't loaded: it may have to be installed first."""
    from clearcall.runtime.sink import MODPROBE, virtual_camera_hint

    if _has_loopback():
        key = "if its key is rejected (Secure Boot): sudo mokutil --import /var/lib/dkms/mok.pub, then restart"
        return "the module v4l2loopback is installed but not loaded", f"{MODPROBE}; {key}; {lasting}"
    return "the module v4l2loopback is not installed", f"{virtual_camera_hint()}; {lasting}"


def _may_be_written(door: str, devices: list[str]) -> Finding:
    from clearcall.runtime.camera import permission_hint

    allowed = [name for name in devices if _is_allowed(name)]
    if not allowed:
        return Finding(door, State.BROKEN, f"{', '.join(devices)}: permission denied", permission_hint())
    return Finding(door, State.WORKS, ", ".join(allowed))


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


def _is_allowed(device: str) -> bool:
    return os.access(device, os.R_OK | os.W_OK)


def _has_loopback() -> bool:
    """Whether the running kernel has v4l2loopback, loaded or not."""
    try:
        return "v4l2loopback.ko" in _MODULES.read_text(encoding="utf-8")
    except OSError:
        return False


def _has_exclusive_caps() -> bool:
    try:
        return "Y" in (_LOOPBACK / "parameters" / "exclusive_caps").read_text()
    except OSError:
        return False
