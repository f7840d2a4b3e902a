"""The lab's web server: the handset page, what its buttons send, and the live stream of what happens.

It listens on this machine only and takes requests of its own page only: a request of another site's page has either
another Host, or a Content-Type that browsers do not send across sites without asking.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from telco.lab.cards import CardTray
from telco.lab.feed import Change, Listener, Missed
from telco.lab.handset import Technology
from telco.lab.network import BadRequestError, Network, PhoneBusyError, UnknownPhoneError

PAGES: Final = Path(__file__).parent / "pages"
MAX_BODY_BYTES: Final = 16_384
MEGABYTE: Final = 1_000_000
KEEPALIVE_S: Final = 15.0
"""A comment is sent on an idle stream this often, so that a dead reader is noticed."""
STOP_PATIENCE_S: Final = 0.4
LOCAL_HOSTS: Final = frozenset(("127.0.0.1", "localhost", "[::1]"))

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_REFUSALS: Final[Mapping[type[Exception], int]] = {BadRequestError: 422, PhoneBusyError: 409, UnknownPhoneError: 404}
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

NETWORK = web.AppKey("network", Network)
CARDS = web.AppKey("cards", CardTray)
LINKS: web.AppKey[dict[str, str]] = web.AppKey("links", dict)
HOSTS: web.AppKey[frozenset[str]] = web.AppKey("hosts", frozenset)
STOPPING = web.AppKey("stopping", asyncio.Event)


class PortInUseError(Exception):
    """Something else listens on the page's port."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeBody(_Body):
    code: Annotated[str, Field(max_length=200)]


class AnswerBody(_Body):
    text: Annotated[str, Field(max_length=200)]


class SmsBody(_Body):
    to: Annotated[str, Field(max_length=40)]
    text: Annotated[str, Field(max_length=2_000)]


class CallBody(_Body):
    to: Annotated[str, Field(max_length=40)]
    seconds: int


class DataBody(_Body):
    megabytes: Annotated[int, Field(ge=1, le=100_000)]
    technology: Technology


B = TypeVar("B", bound=BaseModel)


async def _read(request: web.Request, model: type[B]) -> B:
    """Read a JSON body.

    Raises:
        BadRequestError: it is not what `model` says.
    """
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        raise BadRequestError(str(error)) from error


async def _dial(request: web.Request) -> None:
    request.app[NETWORK].dial(_number(request), (await _read(request, CodeBody)).code)


async def _answer(request: web.Request) -> None:
    request.app[NETWORK].answer(_number(request), (await _read(request, AnswerBody)).text)


async def _close(request: web.Request) -> None:
    request.app[NETWORK].close_dialogue(_number(request))


async def _sms(request: web.Request) -> None:
    body = await _read(request, SmsBody)
    request.app[NETWORK].send_sms(_number(request), body.to, body.text)


async def _call(request: web.Request) -> None:
    body = await _read(request, CallBody)
    request.app[NETWORK].call(_number(request), body.to, body.seconds)


async def _hang_up(request: web.Request) -> None:
    request.app[NETWORK].hang_up(_number(request))


async def _use_data(request: web.Request) -> None:
    body = await _read(request, DataBody)
    request.app[NETWORK].use_data(_number(request), body.megabytes * MEGABYTE, body.technology)


async def _stop_data(request: web.Request) -> None:
    request.app[NETWORK].stop_data(_number(request))


_ACTIONS: Final[tuple[tuple[str, str, Callable[[web.Request], Awaitable[None]]], ...]] = (
    ("POST", "ussd", _dial),
    ("POST", "ussd/answer", _answer),
    ("DELETE", "ussd", _close),
    ("POST", "sms", _sms),
    ("POST", "call", _call),
    ("DELETE", "call", _hang_up),
    ("POST", "data", _use_data),
    ("DELETE", "data", _stop_data),
)


def _number(request: web.Request) -> str:
    return request.match_info["number"]


def _action(act: Callable[[web.Request], Awaitable[None]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Make a handler of an action: 202, for what comes of it is told on the stream."""

    async def handle(request: web.Request) -> web.Response:
        await act(request)
        return web.json_response({}, status=202)

    return handle


def snapshot(app: web.Application) -> dict[str, Any]:
    """Everything the page shows."""
    return {
        "handsets": [phone.snapshot() for phone in app[NETWORK].phones],
        "cards": app[CARDS].snapshot(),
        "links": app[LINKS],
    }


async def _events(request: web.Request) -> web.StreamResponse:
    """Stream a snapshot, then every change (server-sent events, HTML living standard, section 9.2)."""
    app = request.app
    response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    with app[NETWORK].feed.listen() as listener, contextlib.suppress(ConnectionResetError):  # the reader may go
        await response.write(_event("snapshot", snapshot(app)))
        while not app[STOPPING].is_set():
            await response.write(await _next(app, listener))
    return response


async def _next(app: web.Application, listener: Listener) -> bytes:
    """Wait for what the stream says next; a comment when there is nothing for a while."""
    try:
        async with asyncio.timeout(KEEPALIVE_S):
            change = await listener.next()
    except TimeoutError:
        return b": still here\n\n"
    if isinstance(change, Missed) or change.part in ("handsets", "stop"):
        return _event("snapshot", snapshot(app))
    return _event("change", {"number": change.number, "part": change.part, "value": change.value})


def _event(name: str, value: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def _file(path: Path) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Make a handler of one of the page's own files, read once."""
    body, kind = path.read_bytes(), _TYPES[path.suffix]

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return handle


def _problem(status: int, code: str) -> web.Response:
    return web.json_response({"code": code}, status=status, headers=_HEADERS)


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse other sites' requests, say what is wrong as JSON, protect the page by headers."""
    if _host_name(request.host) not in request.app[HOSTS]:
        return _problem(403, "foreign_host")
    if request.method in ("POST", "DELETE") and request.content_type != "application/json":
        return _problem(415, "not_json")
    try:
        response = await handler(request)
    except tuple(_REFUSALS) as refused:
        return _problem(_REFUSALS[type(refused)], str(getattr(refused, "code", "bad_request")))
    except web.HTTPException as error:
        return _problem(error.status, "bad_request")
    if not response.prepared:
        response.headers.update(_HEADERS)
    return response


def _host_name(host: str) -> str:
    """Return the Host header without its port."""
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and name else host


def create_app(
    network: Network, cards: CardTray, links: Mapping[str, str], hosts: frozenset[str] = LOCAL_HOSTS
) -> web.Application:
    """Make the application of the handset page.

    Args:
        links: addresses shown at the foot of the page, by the key of their name.
        hosts: names by which browsers may reach the page.
    """
    app = web.Application(middlewares=[_guard], client_max_size=MAX_BODY_BYTES)
    app[NETWORK], app[CARDS], app[LINKS], app[HOSTS] = network, cards, dict(links), hosts
    app[STOPPING] = asyncio.Event()
    app.router.add_get("/", _file(PAGES / "index.html"))
    for path in sorted(PAGES.rglob("*")):
        if path.suffix in _TYPES and path.name != "index.html":
            app.router.add_get(f"/static/{path.relative_to(PAGES).as_posix()}", _file(path))
    app.router.add_get("/api/events", _events)
    for method, action, act in _ACTIONS:
        app.router.add_route(method, f"/api/handsets/{{number}}/{action}", _action(act))
    app.on_shutdown.append(_end_streams)
    return app


async def _end_streams(app: web.Application) -> None:
    app[STOPPING].set()
    app[NETWORK].feed.publish(Change("", "stop", None))


class LabServer:
    """The page's web server."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_PATIENCE_S)
        self._host = host
        self._port = port

    async def start(self) -> str:
        """Listen and return the page's address; port 0 takes a free one.

        Raises:
            PortInUseError: something else listens there.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortInUseError(
                f"Port {self._port} of {self._host} is taken: another demo may be running. "
                "Stop it, or set TELCO_LAB_PORT to a free port."
            ) from error
        port = self._runner.addresses[0][1]
        return f"http://{self._host}:{port}/"

    async def stop(self) -> None:
        """End the streams, then the server."""
        await self._runner.cleanup()
