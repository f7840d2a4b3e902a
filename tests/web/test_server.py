"""The server itself: addresses, limits, slow and broken callers, and a stop that loses nothing."""

from __future__ import annotations

import asyncio
import json
import re

import aiohttp
import pytest

from telco.web.errors import PortInUseError
from telco.web.health import Health
from telco.web.negotiation import language, request_id
from telco.web.server import start_server
from telco.web.staff import Role
from tests.web.conftest import NUMBER, Site


async def raw(site: Site, request: bytes) -> bytes:
    """Send bytes and read to the end of the connection."""
    reader, writer = await asyncio.open_connection(site.server.host, site.server.port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_port_that_is_taken_is_named(site: Site) -> None:
    with pytest.raises(PortInUseError) as refused:
        await start_server(site.app, site.server.host, site.server.port)
    assert str(refused.value) == (
        f"Another process listens on 127.0.0.1:{site.server.port}; stop it or set TELCO_HTTP_PORT."
    )
    assert (await site.call("GET", "/health"))[0] == 200, "the one that listens is not disturbed"


async def test_a_connection_that_says_nothing_is_closed(site: Site) -> None:
    assert await raw(site, b"") == b""


async def test_headers_that_trickle_are_not_waited_for(site: Site) -> None:
    assert await raw(site, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ") == b""


async def test_a_body_that_trickles_is_not_waited_for(site: Site) -> None:
    head = f"POST /v1/top-ups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.keys[Role.CASHIER]}\r\n"
    rest = "Idempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    answer = await raw(site, (head + rest).encode())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"slow_body"' in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00 this is TLS\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(100)) + b"\r\n",
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"POST /v1/top-ups HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_a_problem_too(site: Site, request_bytes: bytes) -> None:
    answer = await raw(site, request_bytes)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1\.[01] 4\d\d ", head)
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "malformed_http"
    assert b"aiohttp" not in head


async def test_a_compressed_body_is_refused(site: Site) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json", "Content-Encoding": "gzip"}
    status, body, _ = await site.call("POST", "/v1/top-ups", Role.CASHIER, data=b"\x1f\x8b", headers=headers)
    assert (status, body["code"]) == (415, "media_type")


class TestStop:
    """A stop finishes what is in flight and refuses what is new."""

    async def test_a_command_in_flight_is_answered(self, site: Site) -> None:
        site.shop.gate = asyncio.Event()
        command = asyncio.create_task(site.top_up("k1"))
        await site.shop.entered.wait()
        stop = asyncio.create_task(site.server.stop())
        while not site.health.stopping:
            await asyncio.sleep(0)
        with pytest.raises(aiohttp.ClientConnectionError):
            async with aiohttp.ClientSession() as newcomer:
                await newcomer.get(site.server.url + "/health")
        assert not command.done()
        site.shop.gate.set()
        assert (await command)[0] == 201
        await stop

    async def test_a_kept_connection_is_told_to_go_elsewhere(self, site: Site) -> None:
        site.health.stopping = True
        status, body, response = await site.call("GET", "/v1/greeting")
        assert (status, body["code"], response.headers["Connection"]) == (503, "shutting_down", "close")
        assert response.headers["Retry-After"] == "1"


class TestHealth:
    async def test_the_process_answers(self, site: Site) -> None:
        assert (await site.call("GET", "/health"))[:2] == (200, {"status": "alive"})

    async def test_ready_when_all_is_there(self, site: Site) -> None:
        status, report, _ = await site.call("GET", "/ready")
        assert (status, report) == (200, {"status": "ready", "checks": {"postgresql": "ok", "redis": "ok"}})

    async def test_what_is_missing_is_named(self) -> None:
        async def absent() -> str | None:
            return "no link is bound"

        async def broken() -> str | None:
            raise ConnectionError("postgresql://user:secret@host")

        health = Health()
        health.add("smsc", absent, required=False)
        assert (await health.report()).status == "degraded"
        health.add("postgresql", broken, required=True)
        report = await health.report()
        assert report.status == "not_ready"
        assert report.checks == {"smsc": "no link is bound", "postgresql": "failed: ConnectionError"}
        with pytest.raises(ValueError, match="smsc"):
            health.add("smsc", absent, required=False)

    async def test_a_stopping_process_is_not_ready(self) -> None:
        health = Health()
        health.stopping = True
        assert (await health.report()).status == "not_ready"

    async def test_without_its_database_the_service_says_so(self, site: Site) -> None:
        site.db.terminate()
        status, report, _ = await site.call("GET", "/ready")
        assert (status, report["status"]) == (503, "not_ready")
        status, body, _ = await site.call("GET", f"/v1/accounts/{NUMBER}", Role.CLERK)
        assert (status, body["code"]) == (503, "database_unavailable")


async def test_metrics_count_by_route_and_not_by_number(site: Site) -> None:
    await site.call("GET", f"/v1/accounts/{NUMBER}", Role.CLERK)
    await site.call("GET", "/v1/secret-path-7")
    async with site.client.get(site.server.url + "/metrics") as response:
        text = await response.text()
    assert 'telco_http_requests_total{method="GET",route="/v1/accounts/{msisdn}",status="200"}' in text
    assert 'route="(unknown)",status="404"' in text
    assert NUMBER not in text
    assert "secret-path" not in text


class TestNegotiation:
    async def test_a_sane_request_id_is_taken_over(self, site: Site) -> None:
        _, _, response = await site.call("GET", "/health", headers={"X-Request-Id": "till-7:000123"})
        assert response.headers["X-Request-Id"] == "till-7:000123"

    @pytest.mark.parametrize("header", [None, "", "short", "a b c d e f g", "x" * 101, "<script>alert(1)</script>"])
    def test_any_other_is_replaced(self, header: str | None) -> None:
        assert re.fullmatch(r"[0-9a-f-]{36}", request_id(header))

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (None, "en"),
            ("kk", "kk"),
            ("kk-KZ, ru;q=0.9", "kk"),
            ("ru;q=0.5, kk;q=0.6", "kk"),
            ("ru;q=0, en", "en"),
            ("fr, de;q=0.9", "en"),
            ("fr, *;q=0.1", "en"),
            ("RU", "ru"),
            ("ru;q=7, kk;q=x, ;;, \x00", "en"),
            ("ru," * 1000, "ru"),
        ],
    )
    def test_languages(self, header: str | None, expected: str) -> None:
        from telco.kernel.i18n import Language

        assert language(header, Language.EN) == expected
