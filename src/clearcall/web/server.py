"""Runs the web application: address, certificate and token are checked before anything starts."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from aiortc.rtcicetransport import parse_stun_turn_uri

from clearcall.bundle import bundled_models, read_bundle
from clearcall.errors import InputError
from clearcall.web.app import create_app
from clearcall.web.limits import Limits
from clearcall.web.memory import return_freed_frames
from clearcall.web.session import SessionSettings
from clearcall.web.transport import offer_loopback, set_bit_rates

_START_BIT_RATE: Final = 2_000_000
_MOST_CONNECTIONS: Final = 200
_SHUTDOWN_SECONDS: Final = 5


@dataclass(frozen=True)
class Door:
    """Where a server listens, and who may come in.

    Attributes:
        host: Name or address.
        port: 0 takes a free one.
        token: Asked for as a bearer token; None asks for none, on this machine's own addresses only.
        certificate: PEM file of the certificate chain.
        key: PEM file of its key.
        origins: Origins of other pages that may send offers.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    origins: tuple[str, ...] = ()


def serve(door: Door, settings: SessionSettings, on_start: Callable[[str], None], bit_rate: int = 6_000_000) -> None:
    """Serve until interrupted.

    Args:
        door: Where, and to whom.
        settings: What sessions start with, and the limits.
        on_start: Called with the server's URL once its port is taken.
        bit_rate: The most that is spent on a video that goes back, in bits per second.

    Raises:
        InputError: The door can't be opened: no token, wrong certificate, port taken.
    """
    check_door(door)
    app = create_app(settings, token=door.token, origins=door.origins)
    listening = _listen(door)
    return_freed_frames()
    set_bit_rates(min(_START_BIT_RATE, bit_rate), bit_rate)
    if is_own_address(door.host):
        offer_loopback()
    logging.getLogger("aioice").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        ssl_certfile=door.certificate,
        ssl_keyfile=door.key,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    with listening:
        on_start(f"{'https' if door.certificate else 'http'}://{shown}:{port}")
        uvicorn.Server(config).run(sockets=[listening])


def known_models(model: str) -> tuple[str, dict[str, str]]:
    """The models that a server offers: the bundled ones, and the one it was started with.

    Args:
        model: Name of a bundled model, or the folder of a bundle.

    Returns:
        The name of ``model``, and the folder of each model by its name.

    Raises:
        BundleError: A bundle that is damaged.
        InputError: There is no such model.

    Example:
        >>> known_models("small")[0]
        'small'
    """
    models = {name: str(folder) for name, folder in bundled_models().items()}
    if model in models:
        return model, models
    if not Path(model).is_dir():
        raise InputError(f"There is no model {model}: neither a folder nor one of {', '.join(models)}.")
    name = read_bundle(Path(model)).card.name
    return name, {**models, name: model}


def check_door(door: Door) -> None:
    """Refuse what would leave a server open to strangers, or can't work.

    Raises:
        InputError: What is wrong with it.

    Example:
        >>> check_door(Door(host="0.0.0.0"))
        Traceback (most recent call last):
        ...
        clearcall.errors.InputError: Others can reach 0.0.0.0: give a token that they must send \
(--token or CLEARCALL_TOKEN), or serve this machine alone with --host 127.0.0.1.
    """
    if not door.token and not is_own_address(door.host):
        raise InputError(
            f"Others can reach {door.host}: give a token that they must send (--token or CLEARCALL_TOKEN), "
            "or serve this machine alone with --host 127.0.0.1."
        )
    if (door.certificate is None) != (door.key is None):
        raise InputError("TLS needs both a certificate and its key; give --certificate and --key.")
    if door.certificate is not None and door.key is not None:
        _check_certificate(door.certificate, door.key)


def is_own_address(host: str) -> bool:
    """Whether only this machine can reach an address.

    Example:
        >>> [is_own_address(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
        [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_certificate(certificate: Path, key: Path) -> None:
    for path in (certificate, key):
        if not path.is_file():
            raise InputError(f"There is no file {path}; give the PEM files of the certificate and its key.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise InputError(
            f"{certificate} and {key} are not a certificate and its key without password ({error}); "
            "give matching PEM files."
        ) from error


def _listen(door: Door) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(door.host, door.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{door.host}:{door.port} can't be served ({reason.lower()}); is another program there? "
            "Give another --port (0 takes a free one) or --host."
        ) from error


def session_settings(
    limits: Limits,
    model: str = "small",
    strength: float = 1.0,
    ice_servers: tuple[str, ...] = (),
    device: str = "auto",
) -> SessionSettings:
    """What sessions start with, with the models that are known.

    The model is loaded once, so that what is wrong with it or the device is said before anyone calls, and the first
    session doesn't wait while ``auto`` measures.

    Raises:
        BundleError: A bundle that is damaged.
        InputError: There is no such model, or a URL is none of a STUN or TURN server.
        RecipeError: No such device.
        MissingHardwareError: The device is not at hand.
        MissingExtraError: The device needs ONNX Runtime or PyTorch, which is not installed.
    """
    for url in ice_servers:
        try:
            parse_stun_turn_uri(url)
        except ValueError as error:
            raise InputError(f"{url} is no STUN or TURN server's URL; write it as in stun:stun.example.org.") from error
    name, models = known_models(model)
    settings = SessionSettings(limits, models, name, strength, ice_servers, device)
    settings.load(name)
    return settings
