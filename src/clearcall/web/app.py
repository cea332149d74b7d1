"""The web application: the page, the models, and the exchange of offers."""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from clearcall import __version__
from clearcall.bundle import read_bundle
from clearcall.errors import InputError
from clearcall.web.control import Settings, check_settings
from clearcall.web.headers import SafeHeaders
from clearcall.web.limits import Refusal
from clearcall.web.metrics import CONTENT_TYPE, metrics_text
from clearcall.web.session import SessionSettings
from clearcall.web.switchboard import Switchboard

SDP: Final = "application/sdp"
STATIC: Final = Path(str(resources.files("clearcall"))) / "web" / "static"

Answer = Callable[[Request], Awaitable[Response]]


def create_app(
    settings: SessionSettings, *, token: str | None = None, origins: tuple[str, ...] = (), static: Path = STATIC
) -> Starlette:
    """Make the application.

    Args:
        settings: What sessions start with, and the limits.
        token: What ``/sharpen`` and ``/metrics`` ask for as a bearer token; None leaves them open.
        origins: Origins of other pages that may send offers.
        static: Folder of the built page.

    Returns:
        An ASGI application.
    """
    doors = _Doors(settings, token)
    middleware = [Middleware(SafeHeaders)]
    if origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(origins),
                allow_methods=["POST", "DELETE"],
                allow_headers=["Authorization", "Content-Type"],
                expose_headers=["Location"],
            )
        )
    return Starlette(
        routes=[*doors.routes(), *_model_routes(settings), _page(static)],
        middleware=middleware,
        lifespan=doors.lifespan,
    )


class _Doors:
    """The routes that make, end and watch sessions."""

    def __init__(self, settings: SessionSettings, token: str | None) -> None:
        self._switchboard = Switchboard(settings)
        self._limits = settings.limits
        self._token = token
        self._refused: Counter[int] = Counter()

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route("/sharpen", self._answering(self._open), methods=["POST"]),
            Route("/sharpen/{name}", self._answering(self._close), methods=["DELETE"]),
            Route("/metrics", self._answering(self._metrics)),
            Route("/health", self._health),
        ]

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """End the sessions when the server ends."""
        yield
        await self._switchboard.close_all()

    def _answering(self, answer: Answer) -> Answer:
        """Ask for the token first, and turn a refusal into its status and sentence."""

        async def answered(request: Request) -> Response:
            try:
                self._check_token(request)
                return await answer(request)
            except Refusal as refusal:
                self._refused[refusal.status] += 1
                return _refuse(refusal)

        return answered

    def _check_token(self, request: Request) -> None:
        if self._token is None:
            return
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode("latin-1"), f"Bearer {self._token}".encode()):
            raise Refusal(401, "This server asks for its token; send the header Authorization: Bearer TOKEN.")

    async def _open(self, request: Request) -> Response:
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != SDP:
            raise Refusal(415, f"An offer is sent as {SDP}; set the header Content-Type.")
        wanted = self._wanted(request)
        try:
            body = await asyncio.wait_for(self._read(request), self._limits.offer_seconds)
            offer = body.decode()
        except TimeoutError as error:
            raise Refusal(408, f"The offer took longer than {self._limits.offer_seconds:g} s to arrive.") from error
        except UnicodeDecodeError as error:
            raise Refusal(400, "The offer is not UTF-8 text; send the text of the local description.") from error
        name, answer = await self._switchboard.open(offer, wanted)
        return Response(answer, 201, {"Location": f"/sharpen/{name}"}, SDP)

    def _wanted(self, request: Request) -> Settings:
        """Model and strength of the query."""
        try:
            return check_settings(dict(request.query_params), self._switchboard.settings.models)
        except InputError as error:
            raise Refusal(422, str(error)) from error

    async def _read(self, request: Request) -> bytes:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._limits.offer_bytes:
                raise Refusal(413, f"The offer is larger than {self._limits.offer_bytes} bytes; send SDP only.")
        return body

    async def _close(self, request: Request) -> Response:
        await self._switchboard.close(request.path_params["name"])
        return Response(status_code=204)

    async def _metrics(self, _: Request) -> Response:
        return PlainTextResponse(metrics_text(self._switchboard, self._refused), media_type=CONTENT_TYPE)

    async def _health(self, _: Request) -> Response:
        return JSONResponse(
            {
                "status": "ok",
                "version": __version__,
                "sessions": len(self._switchboard.stats()),
                "sessions_limit": self._limits.sessions,
            }
        )


def _refuse(refusal: Refusal) -> Response:
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "10"}}.get(refusal.status, {})
    if refusal.status in (408, 413):
        headers = {"Connection": "close"}  # the rest of the body isn't read
    return JSONResponse({"error": str(refusal)}, refusal.status, headers)


def _model_routes(settings: SessionSettings) -> list[BaseRoute]:
    """The bundles' own files, and nothing else of their folders; the model to start with comes first."""
    names = sorted(settings.models, key=lambda name: name != settings.model)
    bundles = {name: read_bundle(Path(settings.models[name])) for name in names}
    index = [{"name": name, "files": bundle.files} for name, bundle in bundles.items()]

    async def list_models(_: Request) -> Response:
        return JSONResponse({"models": index})

    async def give_file(request: Request) -> Response:
        name, file = request.path_params["name"], request.path_params["file"]
        if not any(entry["name"] == name and file in entry["files"] for entry in index):
            return _refuse(Refusal(404, "There is no such model or file here; /models/index.json lists them."))
        path = bundles[name].folder / file
        if not path.is_file():
            return _refuse(
                Refusal(404, f"The file {file} of {name} is gone from this server; put it back, or start it again.")
            )
        kind = "application/json" if file.endswith(".json") else "application/octet-stream"
        return FileResponse(path, media_type=kind)

    return [Route("/models/index.json", list_models), Route("/models/{name}/{file}", give_file)]


def _page(static: Path) -> BaseRoute:
    if (static / "index.html").is_file():
        return Mount("/", StaticFiles(directory=static, html=True))

    async def not_built(_: Request) -> Response:
        return PlainTextResponse(
            "The page is not built in this checkout: run make web, then start clearcall serve again. "
            "The models and POST /sharpen work without it.\n",
            503,
        )

    return Route("/", not_built)
