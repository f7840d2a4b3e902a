"""The access log and the counters: one line and one count for every request, by the route's template."""

from __future__ import annotations

import asyncio
from types import TracebackType

import structlog
from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram

log = structlog.get_logger("telco.access")

_QUIET = frozenset(("/health", "/ready", "/metrics"))

_REQUESTS = Counter("telco_http_requests_total", "HTTP requests answered", ["method", "route", "status"])
_SECONDS = Histogram(
    "telco_http_request_seconds",
    "Time from the end of the headers to the answer",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_IN_FLIGHT = Gauge("telco_http_requests_in_flight", "HTTP requests being worked on")

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Access:
    """Watches one request: ``with Access(request) as access: ... access.answered(response)``."""

    def __init__(self, request: web.Request) -> None:
        resource = request.match_info.route.resource
        self._request = request
        self._route = resource.canonical if resource is not None else "(unknown)"
        self._method = request.method if request.method in _METHODS else "(other)"
        self._code: str | None = None
        self._response: web.StreamResponse | None = None

    def refused(self, code: str) -> None:
        """Note the error that the answer carries."""
        self._code = code

    def answered(self, response: web.StreamResponse) -> None:
        """Note the answer."""
        self._response = response

    def __enter__(self) -> Access:
        self._started = asyncio.get_running_loop().time()
        _IN_FLIGHT.inc()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        _IN_FLIGHT.dec()
        seconds = asyncio.get_running_loop().time() - self._started
        status = self._response.status if self._response is not None else 0  # 0: the caller went away
        _REQUESTS.labels(self._method, self._route, str(status)).inc()
        _SECONDS.labels(self._method, self._route).observe(seconds)
        fields = {"error_code": self._code} if self._code is not None else {}
        write = log.debug if self._route in _QUIET else log.info
        write(
            "http_request",
            method=self._method,
            route=self._route,
            path=self._request.path,
            status=status,
            duration_ms=round(seconds * 1000, 1),
            remote=self._request.remote,
            **fields,
        )
