"""What the service serves about itself: health, readiness, metrics, the OpenAPI document and its readable page."""

from __future__ import annotations

from functools import cache
from typing import Any

from aiohttp import web
from prometheus_client import REGISTRY, generate_latest
from pydantic_core import to_json

from telco.kernel.errors import DomainError
from telco.web import docs, openapi
from telco.web.api import Api
from telco.web.errors import RouteNotFoundError
from telco.web.health import Health, Readiness

_NO_SCRIPTS = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_routes(app: web.Application, api: Api, health: Health, public_url: str | None) -> None:
    """Serve the documents of `api`, made once whatever address they are asked for at, and the state of the process."""

    @cache
    def made() -> tuple[bytes, bytes]:
        document = openapi.build(api, public_url or "/")
        return to_json(document), docs.page(api, document).encode()

    async def openapi_json(_request: web.Request) -> web.Response:
        return web.Response(body=made()[0], content_type="application/json")

    async def docs_page(_request: web.Request) -> web.Response:
        return _html(made()[1])

    async def problem_list(_request: web.Request) -> web.Response:
        return _html(docs.problems(DomainError.registry.values()).encode())

    async def problem_page(request: web.Request) -> web.Response:
        kind = DomainError.registry.get(request.match_info["code"])
        if kind is None:
            raise RouteNotFoundError
        return _html(docs.problems([kind]).encode())

    app.router.add_get("/openapi.json", openapi_json)
    app.router.add_get("/docs", docs_page)
    app.router.add_get("/problems", problem_list)
    app.router.add_get("/problems/{code}", problem_page)
    app.router.add_get("/health", _alive)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/ready", _readiness(health))


def _html(page: bytes) -> web.Response:
    headers = {"Content-Security-Policy": _NO_SCRIPTS}
    return web.Response(body=page, content_type="text/html", charset="utf-8", headers=headers)


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def _metrics(_request: web.Request) -> web.Response:
    headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return web.Response(body=generate_latest(REGISTRY), headers=headers)


def _readiness(health: Health) -> Any:
    async def ready(_request: web.Request) -> web.Response:
        report = await health.report()
        status = 503 if report.status is Readiness.NOT_READY else 200
        return web.json_response({"status": report.status.value, "checks": report.checks}, status=status)

    return ready
