"""``clearcall serve`` as an HTTP server: who may come in, what is refused and how, and what is served."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from webrtc_peer import PATIENCE, PROGRAM, Served, served

from clearcall.bundle import bundled_models
from clearcall.cli.app import app
from clearcall.errors import ClearcallError, InputError
from clearcall.web.app import STATIC
from clearcall.web.limits import Limits, Refusal
from clearcall.web.offer import check_offer
from clearcall.web.server import Door, check_door, known_models, session_settings
from clearcall.web.tracks import LipSync
from clearcall.web.transport import DecodeQueue, is_key_frame

REFUSALS = range(400, 500)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("serve"), "--idle", "2", "--sessions", "2") as one:
        yield one


@pytest.fixture(scope="module")
def offer() -> str:
    async def make() -> str:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.createDataChannel("clearcall")
        peer.addTransceiver("video", "sendrecv")
        peer.addTransceiver("audio", "sendrecv")
        await peer.setLocalDescription(await peer.createOffer())
        sdp = str(peer.localDescription.sdp)
        await peer.close()
        return sdp

    return asyncio.run(make())


def sentence(body: bytes) -> str:
    text = json.loads(body)["error"]
    assert text.endswith(".")
    assert 20 < len(text) < 300
    return str(text)


def test_every_answer_isolates_and_allows_no_other_host(server: Served) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/models/index.json"),
        ("GET", "/no"),
        ("PUT", "/x"),
    ):
        _, headers, _ = server.request(method, path)
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http" not in policy
        assert "unsafe-inline" not in policy


def test_page_is_served_or_says_how_to_build_it(server: Served) -> None:
    status, headers, body = server.request("GET", "/")
    if (STATIC / "index.html").is_file():
        assert status == 200
        assert headers["content-type"].startswith("text/html")
    else:
        assert status == 503
        assert b"make web" in body


def test_models_are_served_as_their_cards_say(server: Served) -> None:
    index = json.loads(server.request("GET", "/models/index.json")[2])["models"]
    assert {entry["name"] for entry in index} == set(bundled_models())
    for entry in index:
        status, headers, body = server.request("GET", f"/models/{entry['name']}/card.json")
        assert (status, headers["content-type"]) == (200, "application/json")
        for graph in json.loads(body)["graphs"].values():
            assert graph["file"] in entry["files"]
            status, _, content = server.request("GET", f"/models/{entry['name']}/{graph['file']}")
            assert status == 200
            assert hashlib.sha256(content).hexdigest() == graph["sha256"]


@pytest.mark.parametrize(
    "path",
    ["/models/none/card.json", "/models/small/other.onnx", "/models/small/..%2f..%2fbundle.py", "/models/../bundle.py"],
)
def test_nothing_but_the_bundles_files_is_served(server: Served, path: str) -> None:
    assert server.request("GET", path)[0] == 404


def test_a_model_whose_file_is_deleted_while_the_server_runs_is_told(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundled_models()["deblur"], tmp_path / "own"))
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"name": "own"}))
    with served(tmp_path, "--model", str(folder)) as server:
        path = f"/models/own/{card['graphs']['float32']['file']}"
        assert server.request("GET", path)[0] == 200
        (folder / card["graphs"]["float32"]["file"]).unlink()
        status, _, body = server.request("GET", path)
        assert status == 404
        assert "is gone" in sentence(body)


def test_wrong_requests_are_refused_with_a_clear_status(server: Served, offer: str) -> None:
    wanted = {
        415: server.request("POST", "/sharpen", offer.encode(), {"Content-Type": "application/json"}),
        413: server.offer(offer + "a=x\r\n" * 20_000),
        400: server.offer("good morning"),
        422: server.offer(offer.replace("m=video", "m=text")),
        404: server.request("DELETE", "/sharpen/nobody"),
        405: server.request("PATCH", "/sharpen", b""),
    }
    for status, (got, _, body) in wanted.items():
        assert got == status, body
    for status in (400, 404, 413, 415, 422):
        sentence(wanted[status][2])
    assert server.metric('requests_refused_total{status="415"}') >= 1


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (lambda s: s.replace("a=sendrecv", "a=sendonly"), 422, "sendrecv"),
        (lambda s: s.replace("VP8/90000", "AV1/90000").replace("H264/90000", "AV2/90000"), 422, "VP8 and H.264"),
        (lambda s: s.replace("a=ice-ufrag", "a=ice-other"), 422, "ICE"),
        (lambda s: s.replace("a=fingerprint", "a=finger"), 422, "fingerprint"),
        (lambda s: s + s[s.index("m=video") :], 422, "too many media"),
        (lambda s: s + "a=candidate:1 1 udp 1 192.0.2.9 9 typ host\r\n" * 100, 422, "candidates"),
        (lambda s: s.replace("VP8/90000", "VP8/fast"), 400, "damaged"),
        (lambda s: s.replace("packetization-mode=1", "packetization-mode"), 400, "damaged"),
        (lambda s: s[: len(s) // 3], 422, ""),
        (lambda s: "", 400, "not an SDP offer"),
        (lambda s: s.replace("v=0", "v=1"), 400, "not an SDP offer"),
    ],
)
def test_offers_that_cannot_be_used_say_why(
    server: Served, offer: str, change: Callable[[str], str], status: int, words: str
) -> None:
    got, _, body = server.offer(change(offer))
    assert got == status, body
    assert words in sentence(body)


@pytest.mark.parametrize("query", ["?model=none", "?strength=9", "?strength=much", "?volume=3", "?strength=nan"])
def test_wrong_settings_in_the_query_are_refused(server: Served, offer: str, query: str) -> None:
    status, _, body = server.offer(offer, query)
    assert status == 422
    sentence(body)


def test_not_text_is_refused(server: Served) -> None:
    status, _, body = server.offer(b"v=0\r\nm=\xff\xfe\x00")
    assert status == 400
    assert "UTF-8" in sentence(body)


def test_sessions_are_limited_and_come_free_again(server: Served, offer: str) -> None:
    wait_until(lambda: server.health()["sessions"] == 0)
    taken = [server.offer(offer) for _ in range(2)]
    assert [status for status, _, _ in taken] == [201, 201]
    status, headers, body = server.offer(offer)
    assert status == 503
    assert int(headers["retry-after"]) > 0
    assert "2 sessions" in sentence(body)
    place = taken[0][1]["location"]
    assert server.request("DELETE", place)[0] == 204
    assert server.request("DELETE", place)[0] == 404
    status, headers, answer = server.offer(offer)
    assert status == 201
    assert headers["content-type"].startswith("application/sdp")
    assert answer.startswith(b"v=0")
    wait_until(lambda: server.health()["sessions"] == 0)


def test_body_that_never_ends_is_cut(server: Served) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
        line.sendall(
            b"POST /sharpen HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 500\r\n\r\nv=0\r\n"
        )
        assert b" 408 " in line.recv(100)


def test_fuzzed_offers_are_refused_and_leave_nothing(server: Served, offer: str) -> None:
    """A thousand damaged offers; ``benchmarks/fuzz_offers.py`` times them, too."""
    wait_until(lambda: server.health()["sessions"] == 0)
    dice = random.Random(5)  # noqa: S311 - repeatable, not secret
    opened = server.metric("sessions_opened_total")
    memory = 0
    for number in range(1000):
        if number == 200:
            memory = server.resident_bytes()
        status, headers, _ = server.offer(damage(offer, dice))
        if status == 201:
            assert server.request("DELETE", headers["location"])[0] == 204
        else:
            assert status in REFUSALS
    assert server.metric("sessions_opened_total") - opened < 1000
    assert server.health()["sessions"] == 0
    assert server.resident_bytes() - memory < 20 * 2**20


def damage(offer: str, dice: random.Random) -> bytes:
    """Cut, repeat, swap and overwrite pieces of an offer."""
    content = bytearray(offer.encode())
    for _ in range(dice.randint(1, 6)):
        start = dice.randrange(len(content) + 1)
        piece = content[start : start + dice.randint(1, 60)]
        match dice.randrange(4):
            case 0:
                del content[start : start + len(piece)]
            case 1:
                content[start:start] = piece * dice.randint(1, 5)
            case 2:
                content[start:start] = dice.randbytes(dice.randint(1, 9))
            case _:
                content = content[: max(start, 1)]
    return bytes(content)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=400), cut=st.integers(0, 4000), at=st.integers(0, 4000))
def test_any_text_is_checked_or_refused(offer: str, text: str, cut: int, at: int) -> None:
    for sdp in (text, f"v=0\r\nm={text}", offer[:at] + text + offer[at + cut :]):
        try:
            check_offer(sdp, Limits())
        except Refusal as refusal:
            assert refusal.status in (400, 422)


def test_token_is_asked_for(tmp_path: Path, offer: str) -> None:
    with served(tmp_path, "--token", "s3cret ü", "--host", "0.0.0.0") as guarded:  # noqa: S104
        server = Served(guarded.url.replace("0.0.0.0", "127.0.0.1"), guarded.process, guarded.log)  # noqa: S104
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
            status, answer_headers, body = server.offer(offer, **headers)
            assert status == 401
            assert answer_headers["www-authenticate"] == "Bearer"
            sentence(body)
        assert server.request("GET", "/metrics")[0] == 401
        assert server.request("GET", "/health")[0] == 200
        token = {"Authorization": "Bearer s3cret ü".encode().decode("latin-1")}
        assert server.offer(offer, **token)[0] == 201
        assert server.request("GET", "/metrics", headers=token)[0] == 200


def test_other_pages_may_send_offers_only_where_allowed(tmp_path: Path, server: Served) -> None:
    asked = {"Origin": "https://call.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in server.request("OPTIONS", "/sharpen", headers=asked)[1]
    with served(tmp_path, "--allow-origin", "https://call.example") as open_server:
        headers = open_server.request("OPTIONS", "/sharpen", headers=asked)[1]
        assert headers["access-control-allow-origin"] == "https://call.example"
        asked["Origin"] = "https://evil.example"
        headers = open_server.request("OPTIONS", "/sharpen", headers=asked)[1]
        assert "access-control-allow-origin" not in headers


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("tls")
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    day = timedelta(days=1)
    built = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


def test_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    chain, key = certificate
    with served(tmp_path, "--certificate", str(chain), "--key", str(key)) as server:
        assert server.url.startswith("https://127.0.0.1:")
        address = server.url.replace("127.0.0.1", "localhost") + "/health"
        trusting = ssl.create_default_context(cafile=str(chain))
        with urllib.request.urlopen(address, timeout=PATIENCE, context=trusting) as answer:  # noqa: S310 - our own
            assert json.load(answer)["status"] == "ok"


def test_door_that_strangers_could_use_or_that_cannot_work_is_refused(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    chain, key = certificate
    other = tmp_path / "other.pem"
    other.write_text("-----BEGIN NONSENSE-----")
    doors = {
        "token": Door(host="192.0.2.2"),
        "both": Door(certificate=chain),
        "no file": Door(certificate=tmp_path / "none.pem", key=key),
        "matching": Door(certificate=chain, key=other),
    }
    for words, door in doors.items():
        with pytest.raises(InputError, match=words):
            check_door(door)
    check_door(Door(host="192.0.2.2", token="secret"))  # noqa: S106
    check_door(Door(host="::1", certificate=chain, key=key))


def test_port_in_use_is_one_sentence(server: Served) -> None:
    port = server.url.rsplit(":", 1)[1]
    ended = subprocess.run(
        [*PROGRAM, "serve", "--port", port], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == InputError.exit_status
    assert ended.stderr.count("\n") == 1
    assert "in use" in ended.stderr
    assert "--port" in ended.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--host", "0.0.0.0"],  # noqa: S104
        ["--host", "no.such.host.invalid", "--token", "t"],
        ["--model", "none"],
        ["--device", "toaster"],
        ["--device", "directml"],
        ["--largest", "big"],
        ["--largest", "0x5"],
        ["--ice-server", "example.org"],
        ["--key", "key.pem"],
    ],
)
def test_wrong_options_are_one_sentence(options: list[str]) -> None:
    result = CliRunner().invoke(app, ["serve", "--port", "0", *options])
    assert isinstance(result.exception, ClearcallError)
    assert str(result.exception).endswith(".")


def test_interrupt_ends_the_server_cleanly(tmp_path: Path, offer: str) -> None:
    with served(tmp_path) as server:
        assert server.offer(offer)[0] == 201
        server.process.send_signal(2)
        assert server.process.wait(PATIENCE) in (0, 130)


def test_own_bundle_is_offered_by_its_name(tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "mine"
    shutil.copytree(bundled_models()["small"], folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "name": "mine"}))
    name, models = known_models(str(folder))
    assert name == "mine"
    assert models["mine"] == str(folder)
    assert session_settings(Limits(), str(folder)).model == "mine"


def test_sessions_run_on_the_device_that_was_asked_for() -> None:
    assert session_settings(Limits(), device="onnxruntime").load("small").device.startswith("onnxruntime")
    assert not session_settings(Limits(), device="cpu").load("small").device.startswith("onnxruntime")


def lip_sync(interval: float, delay: float, packet: float) -> LipSync:
    sync = LipSync()
    sync.packet_seconds = packet
    for _ in range(9):
        sync.note_interval(interval)
        sync.note_delay(delay)
    return sync


def test_lip_sync_never_holds_both_nor_long() -> None:
    for delay in (0.0, 0.02, 0.05, 0.1, 5.0):
        for interval in (1 / 60, 1 / 30, 1 / 10):
            for packet in (0.02, 0.06):
                sync = lip_sync(interval, delay, packet)
                assert not (sync.audio_hold and sync.video_hold)
                assert max(sync.audio_hold, sync.video_hold) <= 0.25
                lead = 2 * packet + sync.audio_hold - (interval + delay + 0.01 + sync.video_hold)
                assert abs(lead) < 0.006 or delay > 1
    assert lip_sync(1 / 30, 0.0, 0.0).video_hold == 0, "there is no sound to wait for"


def test_one_late_frame_does_not_move_the_sound() -> None:
    sync = lip_sync(1 / 30, 0.02, 0.02)
    before = sync.audio_hold
    sync.note_delay(3.0)
    assert sync.audio_hold == before


def test_decode_queue_starts_again_from_a_key_frame() -> None:
    from dataclasses import dataclass
    from threading import Event

    @dataclass
    class Thing:
        name: str = "VP8"
        data: bytes = b"\x01"

    lost = Event()
    waiting = DecodeQueue(lost)
    for _ in range(10):
        waiting.put((Thing(), Thing()))
    assert waiting.qsize() == 10
    waiting.put((Thing(), Thing()))
    assert waiting.qsize() == 0
    assert lost.is_set()
    waiting.put((Thing(), Thing()))
    assert waiting.qsize() == 0, "nothing can be decoded before a key frame"
    waiting.put((Thing(), Thing(data=b"\x00")))
    waiting.put((Thing(), Thing()))
    waiting.put(None)
    assert waiting.qsize() == 3


def test_key_frames_are_told_from_others() -> None:
    assert not is_key_frame("VP8", b"")
    assert is_key_frame("H264", b"\0\0\0\1\x67\x42\0\0\0\1\x65\x88")
    assert not is_key_frame("H264", b"\0\0\0\1\x41\x9a")


def wait_until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
