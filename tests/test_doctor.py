"""``clearcall doctor``: every door, found or missing, and its exit status."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import clearcall
from clearcall import doctor
from clearcall.cli.app import app
from clearcall.doctor import State
from clearcall.errors import BundleError, OutputError
from clearcall.runtime import camera, device, display, sink

DOORS = {
    "model",
    "GPU",
    "codecs",
    "camera",
    "screen capture",
    "preview window",
    "virtual camera: extra",
    "virtual camera: device",
    "web server",
    "browser page",
    "WebRTC",
    "training",
}


@pytest.fixture
def loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Linux with v4l2loopback loaded, one device of it, and a real camera."""
    (tmp_path / "module/parameters").mkdir(parents=True)
    (tmp_path / "module/parameters/exclusive_caps").write_text("Y,N,N\n")
    (tmp_path / "sys").mkdir()
    for name, bus in (("video0", "pci0000:00"), ("video10", "virtual")):
        device = tmp_path / "devices" / bus / name
        device.mkdir(parents=True)
        (tmp_path / "sys" / name).symlink_to(device)
    monkeypatch.setattr(doctor, "_SYSTEM", "linux")
    monkeypatch.setattr(doctor, "_LOOPBACK", tmp_path / "module")
    monkeypatch.setattr(doctor, "_VIDEO_DEVICES", tmp_path / "sys")
    monkeypatch.setattr(os, "access", lambda name, mode: True)
    return tmp_path


def test_every_door_is_looked_at_and_what_is_missing_has_a_remedy():
    findings = doctor.examine()
    assert {finding.door for finding in findings} == DOORS
    assert all(finding.remedy for finding in findings if finding.state is not State.WORKS)
    assert [finding.door for finding in findings if finding.is_core] == ["model"]


def test_json_and_table_say_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    as_json = CliRunner().invoke(app, ["doctor", "--json"])
    table = CliRunner().invoke(app, ["doctor"])
    assert (as_json.exit_code, table.exit_code) == (0, 0)
    for finding in json.loads(as_json.stdout):
        assert re.search(rf"^{finding['door']} +{finding['state']} ", table.stdout, re.MULTILINE)
        assert finding["remedy"] in table.stdout


def test_a_model_that_does_not_load_is_the_only_failure(monkeypatch: pytest.MonkeyPatch):
    def broken() -> None:
        raise BundleError("The bundle is damaged; install clearcall again.")

    monkeypatch.setattr(clearcall, "load", broken)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)[0]["state"] == "broken"


OPTIONS = 'v4l2loopback devices=1 video_nr=10 exclusive_caps=1 card_label="clearcall"'


def test_a_loopback_device_is_found(loopback: Path):
    finding = doctor._virtual_camera_device()
    assert (finding.state, finding.seen, finding.remedy) == (State.WORKS, "/dev/video10", "")


def test_a_loopback_device_that_may_not_be_written(loopback: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda name, mode: name != "/dev/video10")
    finding = doctor._virtual_camera_device()
    assert (finding.state, finding.seen) == (State.BROKEN, "/dev/video10: permission denied")
    assert "usermod -aG video" in finding.remedy


def test_a_loopback_without_exclusive_caps_is_not_enough(loopback: Path):
    (loopback / "module/parameters/exclusive_caps").write_text("N,N\n")
    finding = doctor._virtual_camera_device()
    assert finding.state is State.BROKEN
    assert f"modprobe -r v4l2loopback, then sudo modprobe {OPTIONS};" in finding.remedy


def test_a_loopback_module_without_devices(loopback: Path):
    (loopback / "sys/video10").unlink()
    finding = doctor._virtual_camera_device()
    assert (finding.state, finding.seen) == (State.MISSING, "v4l2loopback has no device")
    assert f"modprobe -r v4l2loopback, then sudo modprobe {OPTIONS};" in finding.remedy


def test_no_loopback_module(loopback: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "_LOOPBACK", loopback / "absent")
    monkeypatch.setattr(doctor, "_MODULES", loopback / "modules.dep")
    finding = doctor._virtual_camera_device()
    assert finding.seen == "the module v4l2loopback is not installed"
    assert "sudo apt install v4l2loopback-dkms linux-headers-$(uname -r)" in finding.remedy
    assert f"sudo modprobe {OPTIONS}" in finding.remedy
    assert finding.remedy.endswith(f"the line: options {OPTIONS}")


def test_a_loopback_module_that_is_only_installed(loopback: Path, monkeypatch: pytest.MonkeyPatch):
    (loopback / "modules.dep").write_text("updates/dkms/v4l2loopback.ko.zst: kernel/drivers/media/videodev.ko.zst\n")
    monkeypatch.setattr(doctor, "_LOOPBACK", loopback / "absent")
    monkeypatch.setattr(doctor, "_MODULES", loopback / "modules.dep")
    finding = doctor._virtual_camera_device()
    assert finding.seen == "the module v4l2loopback is installed but not loaded"
    assert finding.remedy.startswith(f"sudo modprobe {OPTIONS};")
    assert "apt install" not in finding.remedy


def test_elsewhere_the_virtual_camera_is_that_of_obs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "_SYSTEM", "darwin")
    monkeypatch.setattr(sink, "_SYSTEM", "darwin")
    monkeypatch.setattr(doctor, "_OBS", {"darwin": tmp_path / "absent"})
    assert doctor._virtual_camera_device().state is State.MISSING
    assert "install OBS Studio" in doctor._virtual_camera_device().remedy
    monkeypatch.setattr(doctor, "_OBS", {"darwin": tmp_path})
    assert doctor._virtual_camera_device().state is State.WORKS


def test_cameras(loopback: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(camera, "list_cameras", lambda: ["/dev/video0", "/dev/video1", "/dev/video10"])
    monkeypatch.setattr(os, "access", lambda name, mode: name == "/dev/video0")
    assert (doctor._camera().state, doctor._camera().seen) == (State.WORKS, "/dev/video0")
    monkeypatch.setattr(os, "access", lambda name, mode: False)
    assert doctor._camera().state is State.BROKEN
    assert "usermod -aG video" in doctor._camera().remedy
    monkeypatch.setattr(camera, "list_cameras", lambda: ["/dev/video10"])
    assert doctor._camera().seen == "no camera device"
    assert "--device /dev/video0" in doctor._camera().remedy


@pytest.mark.parametrize(("system", "place"), [("darwin", "Privacy & Security > Camera"), ("win32", "desktop apps")])
def test_cameras_elsewhere_name_the_permission(system: str, place: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "_SYSTEM", system)
    monkeypatch.setattr(camera, "_SYSTEM", system)
    for cameras, state in ([], State.MISSING), (["FaceTime"], State.WORKS):
        monkeypatch.setattr(camera, "list_cameras", lambda cameras=cameras: cameras)
        assert doctor._camera().state is state
        assert place in doctor._camera().remedy


@pytest.mark.parametrize(
    ("system", "command"),
    [("linux", "onnxruntime-gpu[cuda,cudnn]"), ("darwin", "clearcall[onnxruntime]"), ("win32", "onnxruntime-directml")],
)
def test_without_a_gpu_runtime_its_command_is_named(system: str, command: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "_SYSTEM", system)
    monkeypatch.setattr(device, "candidates", lambda: ["cpu"])
    assert doctor._gpu().state is State.MISSING
    assert command in doctor._gpu().remedy


def test_a_gpu_runtime_must_start(monkeypatch: pytest.MonkeyPatch):
    """What is installed here has no CUDA: the real error, and what to do."""
    monkeypatch.setattr(device, "candidates", lambda: ["cpu", "cuda"])
    finding = doctor._gpu()
    assert finding.state is State.BROKEN
    assert "The device cuda is not at hand" in finding.seen
    assert "nvidia-smi" in finding.remedy
    monkeypatch.setattr(device, "candidates", lambda: ["cpu", "onnxruntime"])
    assert doctor._gpu().state is State.WORKS
    assert doctor._gpu().seen.startswith("onnxruntime by ONNX Runtime")


def test_pytorch_without_its_gpu_is_no_gpu(monkeypatch: pytest.MonkeyPatch):
    """A driver is there, and PyTorch was built for the CPU alone."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device, "candidates", lambda: ["cpu", "torch"])
    assert doctor._gpu().state is State.BROKEN
    assert "PyTorch can't use the GPU" in doctor._gpu().seen


def test_screens(loopback: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    monkeypatch.setenv("DISPLAY", ":1")
    assert doctor._screen().state is State.WORKS
    monkeypatch.setenv("XDG_SESSION_TYPE", "wayland")
    assert "Wayland" in doctor._screen().seen
    monkeypatch.delenv("DISPLAY")
    assert "DISPLAY" in doctor._screen().seen


def test_a_window_that_does_not_open_has_its_reason_and_remedy(monkeypatch: pytest.MonkeyPatch):
    def refuse() -> None:
        raise OutputError("There is no display; start this in a desktop session.")

    monkeypatch.setattr(display, "PreviewWindow", refuse)
    finding = doctor._window()
    assert (finding.seen, finding.remedy) == ("There is no display", "start this in a desktop session")


def test_missing_extras_name_their_command():
    finding = doctor._extra("door", ("json", "absent_package"), "some")
    assert (finding.state, finding.seen) == (State.MISSING, "absent_package not installed")
    assert finding.remedy == "pip install 'clearcall[some]'"


def test_the_page_is_looked_for_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor.resources, "files", lambda _: tmp_path)
    assert doctor._page().state is State.MISSING
    page = tmp_path / "web" / "static" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<html>")
    assert doctor._page().state is State.WORKS


def test_codecs_that_pyav_lacks_are_named(monkeypatch: pytest.MonkeyPatch):
    import av

    there = set(av.codecs_available)
    monkeypatch.setattr(av, "codecs_available", there - {"libx265", "libsvtav1"})
    assert doctor._codecs().seen == "PyAV can't write H.265, AV1"
    monkeypatch.setattr(av, "codecs_available", there - {"libx265", "mjpeg"})
    assert doctor._codecs().seen == "PyAV can't read JPEG nor write H.265"
    assert "pip install --force-reinstall --only-binary av av" in doctor._codecs().remedy
