"""How often a caller may call, counted in Redis over all processes."""

from __future__ import annotations

import asyncio

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

PAUSE_AFTER_FAILURE_S = 1.0
"""While Redis is gone it is asked once in this time, so that no request waits for it."""

_UNLIMITED = Counter("telco_http_rate_limit_skipped_total", "Requests let through uncounted because Redis was gone")

# The window opens with a caller's first call and closes a second later.
_COUNT = """
local n = redis.call('incr', KEYS[1])
if n == 1 then redis.call('pexpire', KEYS[1], 1000) end
return n
"""


class RateLimiter:
    """Counts calls per caller and second. With Redis gone every call is let through: money is guarded elsewhere."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._count = redis.register_script(_COUNT)
        self._ask_again_at = 0.0

    async def admit(self, caller: str, limit_per_s: int) -> int:
        """Count a call and return 0, or the seconds to wait when the caller has used this second up."""
        now = asyncio.get_running_loop().time()
        if now < self._ask_again_at:
            _UNLIMITED.inc()
            return 0
        try:
            used = int(await self._count(keys=[f"web:rate:{caller}"]))
        except (RedisError, OSError) as error:
            self._ask_again_at = now + PAUSE_AFTER_FAILURE_S
            _UNLIMITED.inc()
            log.warning("rate_limit_skipped", reason=str(error))
            return 0
        return 1 if used > limit_per_s else 0
