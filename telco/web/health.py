"""``/health``: the process answers. ``/ready``: what it needs is there, and if not, what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from telco.db.pool import Database

CHECK_TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""Returns None when all is well, or what is missing, as a sentence without secrets."""


class Readiness(StrEnum):
    """What ``/ready`` says."""

    READY = "ready"
    DEGRADED = "degraded"
    """Something is missing without which most things still work: 200, so that charging goes on."""
    NOT_READY = "not_ready"
    """Something is missing without which nothing works, or the process is stopping: 503."""


@dataclass(frozen=True, slots=True)
class _Registered:
    check: Check
    required: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The state of the process and of each thing it needs: ``"ok"`` or what is missing."""

    status: Readiness
    checks: dict[str, str]


class Health:
    """The checks of ``/ready``; features add their own: ``health.add("smsc", check, required=False)``."""

    def __init__(self) -> None:
        self._checks: dict[str, _Registered] = {}
        self.stopping = False

    def add(self, name: str, check: Check, *, required: bool) -> None:
        """Ask `check` at every ``/ready``; `required` when the service can do nothing without it."""
        if name in self._checks:
            raise ValueError(f"there is already a check named {name}")
        self._checks[name] = _Registered(check, required)

    async def report(self) -> Report:
        """Run every check at once, each with its own time limit."""
        answers = await asyncio.gather(*(_ask(name, entry.check) for name, entry in self._checks.items()))
        checks = dict(zip(self._checks, answers, strict=True))
        missing = [name for name, answer in checks.items() if answer != "ok"]
        if self.stopping:
            return Report(Readiness.NOT_READY, {"process": "is about to stop", **checks})
        if any(self._checks[name].required for name in missing):
            return Report(Readiness.NOT_READY, checks)
        return Report(Readiness.DEGRADED if missing else Readiness.READY, checks)


async def _ask(name: str, check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check() or "ok"
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:g} s"
    except Exception as error:  # a check that breaks is a thing that is missing
        log.warning("readiness_check_failed", check=name, error=str(error))
        return f"failed: {type(error).__name__}"


def database_check(db: Database) -> Check:
    """Ask PostgreSQL for an answer."""

    async def check() -> str | None:
        await db.fetchval("select 1")
        return None

    return check


def redis_check(redis: Redis) -> Check:
    """Ask Redis for an answer."""

    async def check() -> str | None:
        try:
            await redis.ping()
        except (RedisError, OSError):
            return "unreachable: USSD dialogues, one-time codes and rate limits do not work"
        return None

    return check
