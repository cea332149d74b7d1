"""``clearcall serve``: the page in the browser, and WebRTC sessions that this machine sharpens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearcall.cli.device import DeviceOption
from clearcall.errors import RecipeError, require


def serve(  # noqa: PLR0913 - each is an option of the command
    *,
    host: Annotated[str, typer.Option(help="Address to serve; other than this machine's own needs a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    model: Annotated[str, typer.Option(help="A bundled model's name, or the path of a bundle.")] = "small",
    device: DeviceOption = "auto",
    strength: Annotated[float, typer.Option(min=0.0, max=2.0, help="What WebRTC sessions start with.")] = 1.0,
    token: Annotated[
        str | None, typer.Option(envvar="CLEARCALL_TOKEN", help="What WebRTC peers must send as bearer token.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file of a TLS certificate, for https.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file of its key.")] = None,
    sessions: Annotated[int, typer.Option(min=1, max=1000, help="WebRTC sessions at once.")] = 8,
    largest: Annotated[str, typer.Option(metavar="WxH", help="Larger frames go on as they came.")] = "1920x1088",
    offer_bytes: Annotated[int, typer.Option(min=1024, max=2**20, help="Largest offer.")] = 65_536,
    idle: Annotated[float, typer.Option(min=1.0, help="Seconds without a frame that end a session.")] = 30.0,
    bit_rate: Annotated[
        int, typer.Option(min=500, max=50_000, help="Most that is spent on a video that goes back, kbit/s.")
    ] = 6000,
    ice_server: Annotated[list[str] | None, typer.Option(metavar="URL", help="STUN or TURN server.")] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="Another page's origin that may send offers.")
    ] = None,
) -> None:
    """Serve the page for the browser, and sharpen WebRTC calls that are sent here (needs the serve extra)."""
    for module in ("aiortc", "starlette", "uvicorn"):
        require(module, extra="serve")
    from clearcall.web import server
    from clearcall.web.limits import Limits

    width, height = _size(largest)
    limits = Limits(sessions, width, height, offer_bytes, idle_seconds=idle)
    server.serve(
        server.Door(host, port, token, certificate, key, tuple(allow_origin or ())),
        server.session_settings(limits, model, strength, tuple(ice_server or ()), device),
        on_start=lambda url: typer.echo(f"clearcall is at {url} (Ctrl-C ends it)"),
        bit_rate=1000 * bit_rate,
    )


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) * int(height)):
        raise RecipeError(f"A size is given as WxH, as in 1920x1080; {text} is not.")
    return int(width), int(height)
