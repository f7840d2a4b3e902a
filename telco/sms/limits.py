"""How much one number may send. The counts are in Redis, shared by all processes, and may be lost.

Each number has a bucket of tokens that refills evenly (the generic cell rate algorithm: one timestamp a number). With
Redis gone every message passes, and `available` says so until it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import redis.asyncio
import redis.exceptions
import structlog

from telco.kernel.clock import Clock
from telco.kernel.msisdn import Msisdn
from telco.sms.settings import SenderLimit

log = structlog.get_logger(__name__)

_TIMEOUT_S = 0.25
_PAUSE_S = 1.0
"""After a failure Redis is left alone for so long: messages do not wait for it one by one."""

_SCRIPT = """
local now, interval, room = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local verdicts = {}
for i, key in ipairs(KEYS) do
    local full = tonumber(redis.call('get', key) or now)
    if full < now then full = now end
    if full - now > room then
        verdicts[i] = 0
    else
        verdicts[i] = 1
        full = full + interval
        redis.call('set', key, string.format('%.0f', full), 'px', string.format('%.0f', full - now))
    end
end
return verdicts
"""


class SenderLimits:
    """Limits of one kind of traffic, such as "sms" or "ussd"."""

    def __init__(self, client: redis.asyncio.Redis | None, clock: Clock, kind: str, limit: SenderLimit) -> None:
        self.available = client is not None
        self._clock = clock
        self._prefix = f"sms:limit:{kind}:"
        self._interval_ms = 60_000 / limit.per_minute
        self._room_ms = self._interval_ms * (limit.burst - 1)
        self._script = client.register_script(_SCRIPT) if client is not None else None
        self._silent_until = 0.0

    async def allow(self, numbers: Sequence[Msisdn]) -> list[bool]:
        """Count one message of each number, in order, and say which may pass."""
        loop = asyncio.get_running_loop()
        if self._script is None or not numbers or loop.time() < self._silent_until:
            return [True] * len(numbers)
        keys = [self._prefix + number for number in numbers]
        now_ms = int(self._clock.now().timestamp() * 1000)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                verdicts = cast(list[int], await self._script(keys, [now_ms, self._interval_ms, self._room_ms]))
        except (redis.exceptions.RedisError, OSError) as error:
            if self.available:
                log.warning("sms_limits_unavailable", error=repr(error))
            self.available = False
            self._silent_until = loop.time() + _PAUSE_S
            return [True] * len(numbers)
        if not self.available:
            log.info("sms_limits_available")
        self.available = True
        return [verdict == 1 for verdict in verdicts]
