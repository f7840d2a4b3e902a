"""The lab's way to the service over HTTP: what network elements and the operator's staff send. No other way exists.

Requests that move money carry their own id, so that one that got no answer is sent again as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import TracebackType
from typing import Any, Final

import aiohttp

from telco.kernel.msisdn import Msisdn

TIMEOUT_S: Final = 10.0
ATTEMPTS: Final = 3
RETRY_PAUSE_S: Final = 0.2
"""First pause before a request is sent again; doubled each time."""

_GIVEN: Final = frozenset(("granted", "final"))
_BUSY: Final = frozenset((429, 502, 503, 504))


class ServiceUnreachableError(Exception):
    """The service did not answer, or not with anything that can be read."""


class ServiceRefusedError(Exception):
    """The service refused: `status` and `code` of its problem document, `detail` its sentence."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


class Key(StrEnum):
    """Whose API key a request carries."""

    NETWORK = "network"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage that is about to begin. `service` is voice, data or sms; `access` the generation of the radio network."""

    request_id: str
    msisdn: Msisdn
    service: str
    other: str = ""
    access: int = 4
    requested: int | None = None

    def body(self) -> dict[str, Any]:
        """Return it as the charging API takes it."""
        body: dict[str, Any] = {
            "request_id": self.request_id,
            "msisdn": self.msisdn,
            "service": self.service,
            "access": self.access,
        }
        if self.other:
            body["other"] = self.other
        if self.requested is not None:
            body["requested"] = self.requested
        return body


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer of charging: `granted` in the service's unit, `cost` the tenge taken by this request."""

    result: str
    granted: int
    cost: Decimal

    @property
    def given(self) -> bool:
        return self.result in _GIVEN

    @property
    def final(self) -> bool:
        """Whether this is all that is left."""
        return self.result == "final"


class ServiceClient:
    """A client of the service at `base_url`, with a key for each of the lab's two roles."""

    def __init__(self, base_url: str, keys: Mapping[Key, str]) -> None:
        self.base_url = base_url.rstrip("/")
        self._keys = dict(keys)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ServiceClient:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    # ---- charging ----

    async def event(self, usage: Usage) -> Grant:
        """Charge something at once."""
        return await self._charge("/charging/v1/events", usage.body())

    async def start(self, usage: Usage) -> Grant:
        """Begin a session and reserve its first portion."""
        return await self._charge("/charging/v1/sessions", usage.body())

    async def update(self, session_id: str, seq: int, used: int) -> Grant:
        """Report what was used since the last report and reserve the next portion."""
        return await self._charge(f"/charging/v1/sessions/{session_id}/update", {"seq": seq, "used": used})

    async def release(self, session_id: str, seq: int, used: int) -> Grant:
        """Report the last use and end the session."""
        return await self._charge(f"/charging/v1/sessions/{session_id}/release", {"seq": seq, "used": used})

    async def _charge(self, path: str, body: dict[str, Any]) -> Grant:
        answer = await self._ask("POST", path, Key.NETWORK, body=body)
        return Grant(answer["result"], answer["granted"], Decimal(answer["cost"]))

    # ---- the operator's staff ----

    async def read(self, path: str, *, ground: str = "", **query: str) -> Any:
        """Read something with the staff's key; `ground` says why personal data are looked at."""
        headers = {"X-Ground": ground} if ground else {}
        return await self._ask("GET", path, Key.STAFF, query=query, headers=headers)

    async def command(self, path: str, body: dict[str, Any]) -> Any:
        """Send a command with the staff's key. Those used here carry their own id in the body."""
        return await self._ask("POST", path, Key.STAFF, body=body)

    async def _ask(
        self,
        method: str,
        path: str,
        key: Key,
        *,
        body: dict[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request until it is answered, at most `ATTEMPTS` times.

        Raises:
            ServiceUnreachableError: no answer, or one that is not the service's.
            ServiceRefusedError: the service answered with a problem.
        """
        pause_s = RETRY_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._ask_once(method, path, key, body, query, headers)
            except ServiceUnreachableError:
                if attempt == ATTEMPTS:
                    raise
            except ServiceRefusedError as refused:
                if refused.status not in _BUSY or attempt == ATTEMPTS:
                    raise
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise AssertionError("unreachable")

    async def _ask_once(
        self,
        method: str,
        path: str,
        key: Key,
        body: dict[str, Any] | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> Any:
        assert self._session is not None, "the client is used inside `async with`"
        sent = {"Authorization": f"Bearer {self._keys[key]}", "Accept-Language": "en", **(headers or {})}
        try:
            async with self._session.request(
                method, self.base_url + path, json=body, params=query, headers=sent
            ) as response:
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ServiceUnreachableError(f"{method} {path}: {error}") from error
        if response.ok:
            return answer
        problem = answer if isinstance(answer, dict) else {}
        code = str(problem.get("type", "")).rpartition("/")[2] or str(problem.get("code", "refused"))
        raise ServiceRefusedError(response.status, code, str(problem.get("detail", "")))
