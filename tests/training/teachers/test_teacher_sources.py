import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clearcall.errors import InputError, OutputError
from clearcall.training.teachers.config import TeacherConfig
from clearcall.training.teachers.sources import cached_path, find_weights
from clearcall.training.teachers.teacher import build_teacher, save_teacher

CONTENT = b"weights " * 500_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "clearcall" / "teachers"


@pytest.fixture
def server():
    """A server on this machine; ``files`` are what it has, ``asked`` what was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            status, headers, body = self.server.files.get(self.path, (404, {}, b"no such file"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked = {}, []
        running.address = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_file_is_downloaded_once_and_then_read_from_the_cache(server, cache):
    server.files["/models/net.pth"] = (200, {}, CONTENT)
    address = f"{server.address}/models/net.pth"
    for _ in range(2):
        path = find_weights(address, SHA256.upper())
        assert path.read_bytes() == CONTENT
        assert path == cached_path(address)
    assert server.asked == ["/models/net.pth"]
    assert list(cache.iterdir()) == [path]


def test_a_teacher_is_built_from_an_address(server, tiny, frames, tmp_path):
    save_teacher(tiny(), tmp_path / "t.safetensors", half=False)
    server.files["/t"] = (200, {}, (tmp_path / "t.safetensors").read_bytes())
    assert build_teacher(TeacherConfig(weights=f"{server.address}/t")).fingerprint == tiny().fingerprint


def test_files_of_the_same_name_from_two_places_stay_apart():
    assert cached_path("https://a.example/net.pth") != cached_path("https://b.example/net.pth")
    assert cached_path("https://a.example/%2e%2e/../a b?x=1").parent == cached_path("https://a.example/").parent


@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (404, {}, b"", "Not Found"),
        (200, {"Content-Length": "9000000"}, CONTENT, "4000000 of 9000000 bytes came|IncompleteRead"),
        (200, {}, b"\n<!DOCTYPE html><html>", "a web page came"),
        (302, {"Location": "http://example.org/net.pth"}, b"", "over https only"),
        (302, {"Location": "file:///etc/passwd"}, b"", "is not allowed"),
    ],
)
def test_a_download_that_fails_leaves_nothing_and_says_where_to_put_the_file(
    status, headers, body, said, server, cache
):
    server.files["/net.pth"] = (status, headers, body)
    address = f"{server.address}/net.pth"
    with pytest.raises(InputError, match=said) as error:
        find_weights(address)
    assert not list(cache.iterdir())
    if "https only" not in said:
        assert f"put it at {cached_path(address)}" in str(error.value)


def test_a_wrong_checksum_leaves_nothing(server, cache):
    server.files["/net.pth"] = (200, {}, CONTENT)
    with pytest.raises(InputError, match=f"has the SHA-256 {SHA256}, not {'0' * 64}"):
        find_weights(f"{server.address}/net.pth", "0" * 64)
    assert not list(cache.iterdir())


def test_offline_the_error_names_the_file_which_then_is_enough(server, cache):
    address = f"{server.address}/net.pth"
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="can't be downloaded") as error:
        find_weights(address, SHA256)
    assert str(cached_path(address)) in str(error.value)
    cached_path(address).write_bytes(CONTENT)
    assert find_weights(address, SHA256) == cached_path(address)
    cached_path(address).write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="SHA-256"):
        find_weights(address, SHA256)


@pytest.mark.parametrize("address", ["http://example.org/net.pth", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_nothing_is_fetched_but_over_https(address):
    with pytest.raises(InputError, match="over https only"):
        find_weights(address)


def test_a_missing_file_and_a_wrong_checksum_of_a_local_one(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*net\.pth"):
        find_weights(str(tmp_path / "net.pth"))
    with pytest.raises(InputError, match="There is no file"):
        find_weights(str(tmp_path))
    (tmp_path / "net.pth").write_bytes(CONTENT)
    assert find_weights(str(tmp_path / "net.pth"), SHA256) == tmp_path / "net.pth"
    with pytest.raises(InputError, match="SHA-256"):
        find_weights(str(tmp_path / "net.pth"), "1" * 64)


def test_a_cache_that_cannot_be_made_is_an_error_of_output(tmp_path, monkeypatch, server):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="can't be made"):
        find_weights(f"{server.address}/net.pth")
