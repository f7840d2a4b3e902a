"""The HTTP server: an application made of routes, and its start and stop."""

from __future__ import annotations

import asyncio
import errno
from datetime import timedelta
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from pydantic_core import to_json
from redis.asyncio import Redis

from telco.db.pool import LOST_CONNECTION, Database, DatabaseUnavailableError
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError
from telco.kernel.i18n import Language, Translator
from telco.kernel.ids import uuid7
from telco.web import negotiation, pages
from telco.web.access import Access
from telco.web.api import Api, Route
from telco.web.errors import (
    InternalError,
    MethodNotAllowedError,
    PayloadTooLargeError,
    PortInUseError,
    RequestTimeoutError,
    RouteNotFoundError,
    ShuttingDownError,
)
from telco.web.health import Health
from telco.web.idempotency import Idempotency
from telco.web.limits import RateLimiter
from telco.web.pipeline import Limits, Pipeline
from telco.web.problem import CONTENT_TYPE, TITLES, Problem, ProblemWriter, RequestRefused
from telco.web.staff import Authenticator

log = structlog.get_logger(__name__)

LINGER_S = 2.0
"""How long the rest of a refused body is read and dropped, so that its sender gets to read the answer."""
SERVER_NAME = "telco"

AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
HEALTH = web.AppKey("health", Health)
LIMITS = web.AppKey("limits", Limits)
API = web.AppKey("api", Api)


def create_app(
    api: Api,
    *,
    db: Database,
    redis: Redis,
    clock: Clock,
    translator: Translator,
    pepper: str,
    health: Health | None = None,
    limits: Limits | None = None,
    default_language: Language = Language.EN,
    public_url: str | None = None,
) -> web.Application:
    """Make the application that serves `api`, its documents, health and metrics.

    Args:
        pepper: keys the digests of API keys and of idempotent requests; a secret of the installation.
        health: the checks of ``/ready``; empty by default.
        public_url: how callers reach the service, for the documents; by default they name none.
    """
    limits = limits or Limits()
    health = health or Health()
    problems = ProblemWriter(translator)
    authenticator = Authenticator(db, clock, pepper)
    idempotency = Idempotency(db, clock, timedelta(seconds=2 * limits.handler_timeout_s))
    pipeline = Pipeline(
        db=db,
        clock=clock,
        authenticator=authenticator,
        limiter=RateLimiter(redis),
        idempotency=idempotency,
        problems=problems,
        limits=limits,
        secret=pepper.encode(),
    )
    front = _Front(pipeline, problems, health, limits, default_language)
    app = web.Application(middlewares=[front.middleware], client_max_size=limits.max_body_bytes)
    app[AUTHENTICATOR], app[HEALTH], app[LIMITS], app[API] = authenticator, health, limits, api
    for route in api:
        app.router.add_route(route.method, route.path, front.handler(route))
    pages.add_routes(app, api, health, public_url)
    return app


class _Front:
    """The outermost layer: names every request, times and logs it, and turns every error into a problem."""

    def __init__(
        self, pipeline: Pipeline, problems: ProblemWriter, health: Health, limits: Limits, default_language: Language
    ) -> None:
        self._pipeline = pipeline
        self._problems = problems
        self._health = health
        self._limits = limits
        self._default_language = default_language
        self._patience_s = limits.body_timeout_s + limits.handler_timeout_s + 5

    def handler(self, route: Route) -> Any:
        """Make the aiohttp handler of a route."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._pipeline.carry(
                route, request, request[negotiation.REQUEST_ID], request[negotiation.LANGUAGE]
            )

        return handle

    @web.middleware
    async def middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        request_id = negotiation.request_id(request.headers.get("X-Request-Id"))
        language = negotiation.language(request.headers.get("Accept-Language"), self._default_language)
        request[negotiation.REQUEST_ID], request[negotiation.LANGUAGE] = request_id, language
        with structlog.contextvars.bound_contextvars(request_id=request_id), Access(request) as access:
            try:
                response = await self._answer(request, handler)
            except RequestRefused as refused:
                response = self._problems.answer(refused, language, request_id)
                access.refused(refused.error.code)
            except DomainError as error:
                response = self._problems.answer(RequestRefused(error), language, request_id)
                access.refused(error.code)
            if isinstance(response, web.Response) and response.status in (408, 413):
                response.force_close()  # what is left of the body is not worth reading
            response.headers["X-Request-Id"] = request_id
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Server"] = SERVER_NAME
            access.answered(response)
        return response

    async def _answer(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Carry the request and name whatever went wrong.

        Raises:
            RequestRefused, DomainError: the only two ways out but an answer.
        """
        if self._health.stopping:
            raise RequestRefused(ShuttingDownError(retry_after_s=1), headers={"Connection": "close"})
        try:
            async with asyncio.timeout(self._patience_s) as patience:
                response: web.StreamResponse = await handler(request)
        except (RequestRefused, DomainError):
            raise
        except web.HTTPException as error:
            raise self._from_aiohttp(error, request) from None
        except LOST_CONNECTION as error:
            if isinstance(error, TimeoutError) and patience.expired():
                raise RequestTimeoutError(timeout_s=round(self._patience_s), retry_after_s=1) from None
            raise DatabaseUnavailableError from error
        except Exception:
            error_id = str(uuid7())
            log.exception("http_internal_error", error_id=error_id, route=_template(request))
            raise InternalError(error_id=error_id) from None
        return response

    def _from_aiohttp(self, error: web.HTTPException, request: web.Request) -> RequestRefused:
        if isinstance(error, web.HTTPMethodNotAllowed):
            allowed = ", ".join(sorted(error.allowed_methods))
            return RequestRefused(
                MethodNotAllowedError(method=request.method[:20], allowed=allowed), headers={"Allow": allowed}
            )
        if isinstance(error, web.HTTPNotFound):
            return RequestRefused(RouteNotFoundError())
        if isinstance(error, web.HTTPRequestEntityTooLarge):
            return RequestRefused(PayloadTooLargeError(limit_bytes=self._limits.max_body_bytes))
        raise error


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(unknown)"


class _Connection(RequestHandler):
    """A connection that is closed when its first request does not come, and whose broken requests get a problem."""

    header_timeout_s: float = 10.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(self.header_timeout_s, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, _message: str | None = None
    ) -> web.StreamResponse:
        """Answer what is not HTTP as we understand it; headers over the limit end here too."""
        log.info("http_malformed_request", status=status, error=type(exc).__name__, remote=request.remote)
        problem = Problem(
            type="/problems/malformed_http",
            title=TITLES[400],
            status=status,
            detail="The request is not HTTP/1.1 as this service reads it, or its headers are too large.",
            code="malformed_http",
            request_id=str(uuid7()),
        )
        response = web.Response(
            status=status, body=to_json(problem), content_type=CONTENT_TYPE, headers={"Server": SERVER_NAME}
        )
        response.force_close()
        return response


class _ConnectionFactory(web.Server):
    """aiohttp's server, with our connections."""

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _ConnectionFactory(made.request_handler, request_factory=made.request_factory, **self._kwargs)


class RunningServer:
    """A started server."""

    def __init__(self, runner: web.AppRunner, health: Health, host: str, port: int) -> None:
        self._runner = runner
        self._health = health
        self.host = host
        self.port = port

    @property
    def url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:8080``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def stop(self) -> None:
        """Refuse what is new, finish what is in flight, close."""
        self._health.stopping = True
        await self._runner.cleanup()
        log.info("http_stopped", url=self.url)


async def start_server(app: web.Application, host: str, port: int) -> RunningServer:
    """Listen on `host` and `port` (0 for any free one).

    Raises:
        PortInUseError: another process listens there.
    """
    limits = app[LIMITS]
    _Connection.header_timeout_s = limits.header_timeout_s
    runner = _Runner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=limits.shutdown_timeout_s,
        keepalive_timeout=limits.idle_timeout_s,
        max_line_size=limits.max_header_bytes,
        max_field_size=limits.max_header_bytes,
        max_headers=limits.max_headers,
        auto_decompress=False,
        lingering_time=min(LINGER_S, limits.body_timeout_s),
    )
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host=host, port=port) from None
        raise
    server = RunningServer(runner, app[HEALTH], host, site.port)
    log.info("http_started", url=server.url, routes=len(app[API]))
    return server
