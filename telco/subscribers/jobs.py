"""Scheduled work of subscribers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from telco.db.jobs import Job
from telco.subscribers.service import Subscribers
from telco.subscribers.silence import Silence

_OFTEN = timedelta(minutes=5)
_HOURLY = timedelta(hours=1)
_NIGHTLY = timedelta(days=1)
MAX_ROUNDS = 1_000


def jobs(subscribers: Subscribers) -> list[Job]:
    """Return the jobs: each looks for what is due now, so a run that was missed loses nothing.

    Reads never wait for them: a suspension, pack or reservation past its end counts as ended at once.

    Contract: PSC-1.1.22, PSC-2.4, PSC-2.11, PSC-6.3.1, PSC-6.3.4
    """
    return [
        _job("subscribers.lapse_plans", _OFTEN, subscribers.plans.lapse),
        _job("subscribers.end_stopped", _OFTEN, subscribers.contracts.end_stopped),
        _job("subscribers.end_services", _OFTEN, subscribers.services.end_lapsed),
        _job("subscribers.end_suspensions", _OFTEN, subscribers.suspensions.end_lapsed),
        _job("subscribers.free_numbers", _HOURLY, subscribers.numbers.free_stale),
        _job("subscribers.count_silence", _HOURLY, subscribers.contracts.count_silence),
        Job("subscribers.silent_numbers", _NIGHTLY, _silent_numbers(subscribers.silence)),
    ]


def _silent_numbers(silence: Silence) -> Callable[[datetime], Awaitable[dict[str, object]]]:
    """Numbers that nobody uses: count the new ones, warn, end; in this order, so that nobody ends unwarned."""

    async def run(_: datetime) -> dict[str, object]:
        return {
            "counted": await _all(silence.count_new),
            "warned": await _all(silence.warn),
            "ended": await _all(silence.end_silent),
            "forgotten": await silence.forget_ended(),
        }

    return run


def _job(name: str, interval: timedelta, batch: Callable[[], Awaitable[int]]) -> Job:
    async def run(_: datetime) -> dict[str, object]:
        return {"done": await _all(batch)}

    return Job(name, interval, run)


async def _all(batch: Callable[[], Awaitable[int]]) -> int:
    """Work in batches until one finds nothing, with a bound."""
    done = 0
    for _round in range(MAX_ROUNDS):
        count = await batch()
        if count == 0:
            break
        done += count
    return done
