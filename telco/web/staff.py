"""Who may call the API: staff and machines by API key, and what their roles allow.

A key is ``telco_<key id>_<secret>`` with 256 random bits of secret. It is shown once, when it is made; the database has
its SHA-256 keyed with the service's pepper, so neither a copy of the database nor the pepper alone opens anything.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from telco.db import queries
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError

CACHE_TTL = timedelta(seconds=5)
"""How long a revoked key may still work in a process that has not heard of it."""
CACHE_KEYS = 10_000

_Q = queries.load("telco.web")
_KEY = re.compile(r"telco_([0-9a-z]{12})_([0-9a-f]{64})")
_NAME = re.compile(r"[^\W_][\w .@-]{0,63}")
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class Role(StrEnum):
    """What a caller is for. A route names the roles that may use it; `admin` may use every one but the network's."""

    CLERK = "clerk"
    """Accedes subscribers, changes plans and services."""
    CASHIER = "cashier"
    """Takes money."""
    ACCOUNTANT = "accountant"
    """Invoices, refunds, reversals, write-offs."""
    SUPERVISOR = "supervisor"
    """Approves what a clerk may not do alone."""
    AUDITOR = "auditor"
    """Reads everything, changes nothing."""
    NETWORK = "network"
    """The operator's network elements: charging."""
    ADMIN = "admin"
    """Catalogue, staff, settings."""


class PrincipalNameError(DomainError):
    """`{name}` cannot name a caller: 1 to 64 letters, digits, spaces or ._@- that begin with a letter or digit."""

    code = "principal_name"
    status = 422
    name: str


class PrincipalExistsError(DomainError):
    """There is already a caller named {name}; give the new one another name, or make it a new key."""

    code = "principal_exists"
    status = 409
    name: str


class PrincipalUnknownError(DomainError):
    """There is no caller named {name}."""

    code = "principal_unknown"
    status = 404
    name: str


class RoleUnknownError(DomainError):
    """There is no role {role}; the roles are {known}."""

    code = "role_unknown"
    status = 422
    role: str
    known: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who calls the API."""

    principal_id: int
    name: str
    roles: frozenset[Role]
    rate_limit_per_s: int | None = None

    def may(self, roles: frozenset[Role]) -> bool:
        """Tell whether one of `roles` is held; `admin` stands for every role that people have."""
        return bool(self.roles & roles) or (Role.ADMIN in self.roles and roles != {Role.NETWORK})

    @property
    def actor(self) -> str:
        """How the audit trail and the journal name this caller."""
        return f"staff:{self.name}"


ANONYMOUS = Principal(0, "anonymous", frozenset())
"""The caller of a public route."""


def parse_roles(names: Iterable[str]) -> frozenset[Role]:
    """Read roles by name.

    Raises:
        RoleUnknownError: no such role.
    """
    known = {role.value: role for role in Role}
    for name in names:
        if name not in known:
            raise RoleUnknownError(role=name[:40], known=", ".join(known))
    return frozenset(known[name] for name in names)


def digest_of(key: str, pepper: str) -> bytes:
    """Return what is stored of a key: SHA-256, keyed with the pepper."""
    return hmac.new(pepper.encode(), key.encode(), hashlib.sha256).digest()


async def create_principal(
    conn: Connection,
    name: str,
    roles: Iterable[Role],
    *,
    pepper: str,
    now: datetime,
    rate_limit_per_s: int | None = None,
) -> str:
    """Make a caller with its first key, in the caller's transaction, and return the key: it cannot be read again.

    Raises:
        PrincipalNameError, PrincipalExistsError: the name cannot be taken.
    """
    if not _NAME.fullmatch(name):
        raise PrincipalNameError(name=name[:64])
    principal_id = await conn.fetchval(
        _Q.insert_principal, name, sorted(role.value for role in roles), rate_limit_per_s, now
    )
    if principal_id is None:
        raise PrincipalExistsError(name=name)
    return await _create_key(conn, principal_id, pepper, now)


async def create_key(conn: Connection, name: str, *, pepper: str, now: datetime) -> str:
    """Make one more key for a caller, so that an old one can be replaced without a gap.

    Raises:
        PrincipalUnknownError: there is no such caller.
    """
    return await _create_key(conn, await _principal_id(conn, name), pepper, now)


async def _create_key(conn: Connection, principal_id: int, pepper: str, now: datetime) -> str:
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    key = f"telco_{key_id}_{secrets.token_hex(32)}"
    await conn.execute(_Q.insert_key, key_id, principal_id, digest_of(key, pepper), now, None)
    return key


async def disable_principal(conn: Connection, name: str, *, now: datetime) -> int:
    """Shut a caller out, with every key; return its id, so that caches can forget it.

    Raises:
        PrincipalUnknownError: there is no such caller.
    """
    principal_id = await _principal_id(conn, name)
    await conn.execute(_Q.disable_principal, principal_id, now)
    await conn.execute(_Q.revoke_keys, principal_id, now)
    return principal_id


async def revoke_keys(conn: Connection, name: str, *, now: datetime) -> int:
    """Revoke every key of a caller, who may be given a new one; return its id.

    Raises:
        PrincipalUnknownError: there is no such caller.
    """
    principal_id = await _principal_id(conn, name)
    await conn.execute(_Q.revoke_keys, principal_id, now)
    return principal_id


async def _principal_id(conn: Connection, name: str) -> int:
    row = await conn.fetchrow(_Q.find_principal, name)
    if row is None:
        raise PrincipalUnknownError(name=name[:64])
    return int(row["principal_id"])


@dataclass(frozen=True, slots=True)
class _Cached:
    principal: Principal
    until: datetime


class Authenticator:
    """Tells who holds a key, from a small cache of keys that worked lately or from the database."""

    def __init__(self, db: Database, clock: Clock, pepper: str) -> None:
        self._db = db
        self._clock = clock
        self._pepper = pepper
        self._cache: OrderedDict[bytes, _Cached] = OrderedDict()

    async def authenticate(self, header: str | None) -> Principal | None:
        """Return whose key the ``Authorization`` header carries, or None.

        The digest is compared in constant time; the cache is keyed by it, so no key stays in memory.
        """
        scheme, _, key = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        match = _KEY.fullmatch(key.strip())
        if match is None:
            return None
        digest, now = digest_of(match[0], self._pepper), self._clock.now()
        cached = self._cache.get(digest)
        if cached is not None and now < cached.until:
            return cached.principal
        return await self._look_up(match[1], digest, now)

    async def _look_up(self, key_id: str, digest: bytes, now: datetime) -> Principal | None:
        self._cache.pop(digest, None)
        row = await self._db.fetchrow(_Q.find_key, key_id, now)
        stored: bytes = row["digest"] if row is not None else b"\0" * len(digest)
        if not hmac.compare_digest(stored, digest) or row is None:
            return None
        known = {role.value for role in Role}
        principal = Principal(
            row["principal_id"],
            row["name"],
            frozenset(Role(role) for role in row["roles"] if role in known),
            row["rate_limit_per_s"],
        )
        until = min(now + CACHE_TTL, row["expires_at"] or datetime.max.replace(tzinfo=now.tzinfo))
        self._cache[digest] = _Cached(principal, until)
        while len(self._cache) > CACHE_KEYS:
            self._cache.popitem(last=False)
        return principal

    def invalidate(self, principal_id: int) -> None:
        """Forget a caller at once, after its keys or roles changed in this process."""
        for digest in [key for key, entry in self._cache.items() if entry.principal.principal_id == principal_id]:
            del self._cache[digest]
