"""What is remembered between two messages of a subscriber: in Redis, for a short while, and it may be lost.

A USSD dialogue lives 180 s after its last step, a question asked by SMS ten minutes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from telco.kernel.errors import DomainError
from telco.kernel.ids import uuid7
from telco.kernel.msisdn import Msisdn
from telco.sms.model import UssdRequest

DIALOGUE_IDLE_S = 180
QUESTION_LIVES_S = 600
REPEATED_BEGIN_S = 30
"""Within this a begin with the same session and text is the gateway's repetition, not another wish."""
REDIS_TIMEOUT_S = 0.5
"""How long a step may wait for Redis before it goes on without."""

_CLAIM = """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
redis.call('HSETNX', KEYS[1], 'claim', ARGV[1])
return redis.call('HMGET', KEYS[1], 'claim', 'question')
"""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class DialoguesUnavailableError(DomainError):
    """Menus do not work at the moment. Dial the whole code at once, or try again later."""

    code = "dialogues_unavailable"
    status = 503


@dataclass(slots=True)
class Dialogue:
    """Where a USSD dialogue stands: at a place of the menu, with what has been typed for its command so far."""

    dialogue_id: str = field(default_factory=lambda: uuid7().hex)
    step: int = 0
    path: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    question: dict[str, Any] | None = None
    """What the question that awaits a yes remembered."""
    pages: list[str] = field(default_factory=list)
    page: int = 0
    final: bool = False
    """Whether the pages are a command's answer: nothing can be chosen there any more."""

    @property
    def request_id(self) -> str:
        """Stable for a step: the id of what the step does."""
        return f"ussd:{self.dialogue_id}:{self.step}"


@dataclass(frozen=True, slots=True)
class Pending:
    """What an SMS asked for and what an answer to it continues."""

    command: str
    values: list[str]
    asked_by: int
    """The message that was answered with the question; the same message again gets the same question."""
    shown: str
    state: dict[str, Any] | None = None
    """What the question remembered; None while an argument is awaited."""


class Dialogues:
    """Dialogues and questions of all subscribers.

    Every method raises `DialoguesUnavailableError` when Redis is gone.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._claim = redis.register_script(_CLAIM)

    @classmethod
    def connect(cls, url: str, timeout_s: float = REDIS_TIMEOUT_S) -> Dialogues:
        """Use the Redis at `url`; it need not be there yet."""
        return cls(Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s))

    async def close(self) -> None:
        await self._redis.aclose()

    async def first_id(self, request: UssdRequest) -> str:
        """Return the id of a dialogue that begins by changing something.

        The gateway's repetition of the same begin gets the same id, so that nothing is done twice.
        """
        key = f"telco:ussd:begin:{request.msisdn}:{request.session_id[:64]}:{_digest(request.text)}"
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(key, uuid7().hex, nx=True, ex=REPEATED_BEGIN_S)
        pipe.get(key)
        _, dialogue_id = await self._guard(pipe.execute())
        return _text(dialogue_id)

    async def load(self, msisdn: Msisdn, session_id: str) -> Dialogue | None:
        """Return the live dialogue of a session, or None when it has timed out."""
        stored = await self._guard(self._redis.get(_session_key(msisdn, session_id)))
        return Dialogue(**json.loads(stored)) if stored else None

    async def save(self, msisdn: Msisdn, session_id: str, dialogue: Dialogue) -> None:
        """Keep a dialogue for another idle limit."""
        text = json.dumps(asdict(dialogue))
        await self._guard(self._redis.set(_session_key(msisdn, session_id), text, ex=DIALOGUE_IDLE_S))

    async def end(self, msisdn: Msisdn, session_id: str) -> None:
        await self._guard(self._redis.delete(_session_key(msisdn, session_id)))

    async def ask(self, msisdn: Msisdn, pending: Pending) -> None:
        """Remember a question; a newer one takes its place."""
        key = _question_key(msisdn)
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(key)
        pipe.hset(key, "question", json.dumps(asdict(pending)))
        pipe.expire(key, QUESTION_LIVES_S)
        await self._guard(pipe.execute())

    async def pending(self, msisdn: Msisdn, message_id: int) -> Pending | None:
        """Return the question that awaits an answer; one that another message has answered awaits none."""
        fields = self._redis.hmget(_question_key(msisdn), ["claim", "question"])
        claim, question = await self._guard(fields)
        if question is None or (claim is not None and _text(claim) != str(message_id)):
            return None
        return Pending(**json.loads(question))

    async def answer(self, msisdn: Msisdn, message_id: int) -> Pending | None:
        """Take the question for a message that answers it; only that message, however often, gets it."""
        found = await self._guard(self._claim(keys=[_question_key(msisdn)], args=[str(message_id)]))
        if not found or _text(found[0]) != str(message_id):
            return None
        return Pending(**json.loads(found[1]))

    async def forget(self, msisdn: Msisdn) -> None:
        """Drop a question."""
        await self._guard(self._redis.delete(_question_key(msisdn)))

    async def _guard(self, operation: Awaitable[T]) -> T:
        try:
            return await operation
        except (RedisError, OSError) as error:
            log.warning("dialogues_unavailable", error=repr(error))
            raise DialoguesUnavailableError from error


def _text(stored: str | bytes) -> str:
    return stored.decode() if isinstance(stored, bytes) else stored


def _session_key(msisdn: Msisdn, session_id: str) -> str:
    return f"telco:ussd:{msisdn}:{session_id[:64]}"


def _question_key(msisdn: Msisdn) -> str:
    return f"telco:question:{msisdn}"


def _digest(typed: str) -> str:
    return hashlib.sha256(typed.encode("utf-8", "replace")).hexdigest()[:16]


def first_id_without_redis(request: UssdRequest, now: datetime) -> str:
    """The same as `Dialogues.first_id` as far as it can be known without Redis.

    Session numbers come round again, so the id holds for the minute only: a gateway's repetition within it is
    recognised, one over its edge is not.
    """
    minute = int(now.timestamp()) // 60
    return f"{request.msisdn}.{request.session_id[:64]}.{_digest(request.text)}.{minute}"
