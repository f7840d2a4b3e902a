"""``Idempotency-Key``: the first answer to a request is the answer to every repetition of it.

A key belongs to the caller. It is taken before the command runs and holds a lease; the answer is stored when the
command is done. What a crash leaves behind is a lease that runs out: the repetition then takes the key over and runs
the command again, which is safe because commands are idempotent by `ApiRequest.operation_id`, made from the same key.
Nothing is therefore lost and nothing done twice, whichever of the two transactions the crash fell between.

Answers 5xx, 408, 425 and 429 are not kept: they say nothing of the command, and the repetition runs again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from telco.db import queries
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.web.errors import IdempotencyKeyMissingError, IdempotencyKeyReusedError, RequestInProgressError

KEEP_FOR = timedelta(days=3)
"""How long a repetition gets the first answer."""

_Q = queries.load("telco.web")
_KEY = re.compile(r'"([0-9A-Za-z.:_-]{1,100})"|([0-9A-Za-z.:_-]{1,100})')
_NOT_KEPT = frozenset((408, 425, 429))


def parse_key(header: str | None) -> str:
    """Read the header, as the draft standard writes it (a quoted string) or plain.

    Raises:
        IdempotencyKeyMissingError: absent, or not 1 to 100 of the allowed characters.
    """
    match = _KEY.fullmatch(header.strip()) if header is not None else None
    if match is None:
        raise IdempotencyKeyMissingError
    return match[1] or match[2]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a request asks, as keyed hashes: enough to tell that, and where, another one differs; nothing to read."""

    route: str
    request_hash: bytes
    field_hashes: dict[str, str]

    @classmethod
    def of(cls, route: str, parts: Mapping[str, object], secret: bytes) -> Fingerprint:
        """Take the fingerprint of a request: `parts` are its parameters and the fields of its body, by name."""
        hashes = {name: _hash(value, secret) for name, value in parts.items()}
        whole = hmac.new(secret, json.dumps([route, hashes], sort_keys=True).encode(), hashlib.sha256).digest()
        return cls(route, whole, hashes)

    def differs_in(self, route: str, field_hashes: Mapping[str, str]) -> str:
        """Name what differs from the request that used the key first."""
        if route != self.route:
            return f"the address, which was {route}"
        names = {
            name
            for name in {*self.field_hashes, *field_hashes}
            if self.field_hashes.get(name) != field_hashes.get(name)
        }
        return ", ".join(sorted(name[:60] for name in names)[:10])


def _hash(value: object, secret: bytes) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hmac.new(secret, canonical.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was sent."""

    status: int
    content_type: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_kept(self) -> bool:
        """Whether the answer is the command's result rather than a trouble of the moment."""
        return self.status < 500 and self.status not in _NOT_KEPT


@dataclass(frozen=True, slots=True)
class Claim:
    """A key held by an attempt."""

    principal_id: int
    key: str
    attempt: int


class Idempotency:
    """The table of keys and first answers."""

    def __init__(self, db: Database, clock: Clock, lease: timedelta) -> None:
        """`lease` must be longer than any command may take: afterwards another attempt may begin."""
        self._db = db
        self._clock = clock
        self._lease = lease

    async def begin(
        self, conn: Connection, principal_id: int, key: str, fingerprint: Fingerprint
    ) -> Claim | StoredAnswer:
        """Take the key, or return the first answer.

        Raises:
            IdempotencyKeyReusedError: the key named another request.
            RequestInProgressError: another attempt holds it.
        """
        now = self._clock.now()
        attempt = await conn.fetchval(
            _Q.begin_request,
            principal_id,
            key,
            fingerprint.route,
            fingerprint.request_hash,
            fingerprint.field_hashes,
            now + self._lease,
            now,
        )
        if attempt is not None:
            return Claim(principal_id, key, attempt)
        row = await conn.fetchrow(_Q.read_request, principal_id, key)
        if row is None:  # deleted as too old between the two statements
            raise RequestInProgressError(key=key, retry_after_s=1)
        if row["request_hash"] != fingerprint.request_hash:
            raise IdempotencyKeyReusedError(key=key, differs=fingerprint.differs_in(row["route"], row["field_hashes"]))
        if row["state"] == "in_progress":
            raise RequestInProgressError(key=key, retry_after_s=self._wait_s(row["lease_until"], now))
        return StoredAnswer(row["status"], row["content_type"], row["headers"], row["body"])

    def _wait_s(self, lease_until: datetime, now: datetime) -> int:
        """Most commands end at once: ask again soon, but not later than the lease runs out."""
        return max(1, min(2, math.ceil((lease_until - now).total_seconds())))

    async def finish(self, claim: Claim, answer: StoredAnswer) -> None:
        """Keep the answer, or give the key back if the answer is not the command's result."""
        if not answer.is_kept:
            await self.release(claim)
            return
        async with self._db.acquire() as conn:
            await conn.execute(
                _Q.finish_request,
                claim.principal_id,
                claim.key,
                claim.attempt,
                answer.status,
                answer.content_type,
                answer.headers,
                answer.body,
            )

    async def release(self, claim: Claim) -> None:
        """Give the key back: the next attempt runs the command again."""
        async with self._db.acquire() as conn:
            await conn.execute(_Q.release_request, claim.principal_id, claim.key, claim.attempt, self._clock.now())


async def delete_old(db: Database, now: datetime, at_once: int = 10_000) -> int:
    """Forget keys older than `KEEP_FOR`, `at_once` in a statement so that locks are short; return how many."""
    deleted = 0
    while True:
        async with db.acquire() as conn:
            done = await conn.execute(_Q.delete_old_requests, now - KEEP_FOR, at_once)
        count = int(done.rsplit(" ", 1)[-1])
        deleted += count
        if count < at_once:
            return deleted
