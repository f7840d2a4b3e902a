"""What happens between the socket and a feature's handler, in the order that `telco.web.errors` documents."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from telco.db import audit
from telco.db.pool import LOST_CONNECTION, Connection, Database, DatabaseUnavailableError
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError
from telco.kernel.i18n import Language
from telco.kernel.names import TextRefusedError, clean_text
from telco.web.api import PUBLIC, Answer, ApiRequest, File, Route
from telco.web.errors import (
    MalformedJsonError,
    MediaTypeError,
    NotAuthenticatedError,
    NotPermittedError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    RequestTimeoutError,
    TooManyRequestsError,
)
from telco.web.fields import hostile_values
from telco.web.idempotency import Claim, Fingerprint, Idempotency, StoredAnswer, parse_key
from telco.web.limits import RateLimiter
from telco.web.problem import (
    FieldRefusal,
    ProblemWriter,
    RequestRefused,
    from_flaws,
    from_validation,
    invalid,
    repeated_parameter,
)
from telco.web.staff import ANONYMOUS, Authenticator, Principal
from telco.web.uploads import read_body

log = structlog.get_logger(__name__)

JSON = "application/json"
MAX_GROUND_CHARACTERS = 200
_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")
"""What has no place in the name of a file that we give out."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may cost."""

    max_body_bytes: int = 262_144
    body_timeout_s: float = 10.0
    """From the end of the headers to the end of the body."""
    handler_timeout_s: float = 30.0
    """For the feature's work; the lease of an Idempotency-Key is twice this."""
    header_timeout_s: float = 10.0
    """From the opening of a connection to the end of its first request's headers."""
    max_header_bytes: int = 8_190
    """For the request line, and for each header."""
    max_headers: int = 64
    idle_timeout_s: float = 75.0
    """For a kept connection between two requests."""
    shutdown_timeout_s: float = 35.0
    """For requests in flight when the service stops; longer than `handler_timeout_s`."""


@dataclass(frozen=True, slots=True)
class _Input:
    """A request's validated parameters and body."""

    path: BaseModel
    query: BaseModel
    body: Any
    parts: Mapping[str, object]
    """What the fingerprint is taken of: the parameters, and the fields of the body as they were sent."""


class Pipeline:
    """Carries requests to handlers and their results back."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        authenticator: Authenticator,
        limiter: RateLimiter,
        idempotency: Idempotency,
        problems: ProblemWriter,
        limits: Limits,
        secret: bytes,
    ) -> None:
        """`secret` keys the fingerprints of idempotent requests."""
        self._db = db
        self._clock = clock
        self._authenticator = authenticator
        self._limiter = limiter
        self._idempotency = idempotency
        self._problems = problems
        self._limits = limits
        self._secret = secret

    async def carry(self, route: Route, request: web.Request, request_id: str, language: Language) -> web.Response:
        """Answer one request of `route`.

        Raises:
            RequestRefused, DomainError: what the caller turns into a problem.
        """
        most_bytes = route.max_body_bytes or self._limits.max_body_bytes
        if (request.content_length or 0) > most_bytes:
            raise PayloadTooLargeError(limit_bytes=most_bytes)
        actor = await self._admit(route, request)
        key = parse_key(request.headers.get("Idempotency-Key")) if route.idempotent else None
        api_request = ApiRequest(
            request_id=request_id,
            actor=actor,
            language=language,
            idempotency_key=key,
            ground=_ground(request),
            path=request.match_info,
            query=request.query,
            remote=request.remote or "",
        )
        given = await self._read(route, request)
        if key is not None:
            return await self._once(route, api_request, key, given)
        if route.audit:
            await self._db.transact("web.audit", lambda conn: self._record(conn, route, request.path, api_request))
        return _response(await self._run(route, api_request, given))

    async def _admit(self, route: Route, request: web.Request) -> Principal:
        if route.roles == PUBLIC:
            return ANONYMOUS
        try:
            actor = await self._authenticator.authenticate(request.headers.get("Authorization"))
        except LOST_CONNECTION as error:
            raise DatabaseUnavailableError from error
        if actor is None:
            raise RequestRefused(NotAuthenticatedError(), headers={"WWW-Authenticate": "Bearer"})
        structlog.contextvars.bind_contextvars(actor=actor.name)
        if actor.rate_limit_per_s is not None:
            wait_s = await self._limiter.admit(str(actor.principal_id), actor.rate_limit_per_s)
            if wait_s:
                raise TooManyRequestsError(limit_per_s=actor.rate_limit_per_s, retry_after_s=wait_s)
        if not actor.may(route.roles):
            raise NotPermittedError(roles=", ".join(sorted(route.roles)))
        return actor

    async def _read(self, route: Route, request: web.Request) -> _Input:
        """Read parameters and body and report every wrong field of both at once."""
        document, raw = None, b""
        if route.body is not None:
            raw = await self._read_body(request, route.max_body_bytes or self._limits.max_body_bytes)
            document = _parse_json(raw)
        path = {name: request.match_info[name] for name in route.path_names}
        query, wrong = _query(route, request)
        for part, values in (("path", path), ("query", query), ("body", document)):
            wrong += from_flaws(part, hostile_values(values))
        if wrong:
            raise invalid(wrong)
        path_params = _validate("path", route.path_params.model_validate, path, wrong)
        query_params = _validate("query", route.query_params.model_validate, query, wrong)
        body = None
        if route.body is not None:
            body = _validate("body", partial(route.body.validate_json, strict=True), raw, wrong)
        if wrong:
            raise invalid(wrong)
        parts: dict[str, object] = {f"path.{name}": value for name, value in path.items()}
        parts |= {f"query.{name}": value for name, value in query.items()}
        parts |= {f"body.{k}": v for k, v in document.items()} if isinstance(document, dict) else {"body": document}
        return _Input(path_params, query_params, body, parts)

    async def _read_body(self, request: web.Request, most_bytes: int) -> bytes:
        if (
            request.content_type != JSON
            or (request.charset or "utf-8").lower() not in ("utf-8", "utf8")
            or request.headers.get("Content-Encoding", "identity").lower() != "identity"
        ):
            raise MediaTypeError
        return await read_body(request, most_bytes=most_bytes, timeout_s=self._limits.body_timeout_s)

    async def _once(self, route: Route, request: ApiRequest, key: str, given: _Input) -> web.Response:
        """Run the command under its key, or answer as the first time."""
        fingerprint = Fingerprint.of(route.template, given.parts, self._secret)

        async def begin(conn: Connection) -> Claim | StoredAnswer:
            claim = await self._idempotency.begin(conn, request.actor.principal_id, key, fingerprint)
            if isinstance(claim, Claim) and route.audit:
                await self._record(conn, route, _concrete(route, request), request)
            return claim

        claim = await self._begin(begin)
        if isinstance(claim, StoredAnswer):
            return _response(claim, replayed=True)
        try:
            answer = await self._run(route, request, given)
        except DomainError as error:
            answer = self._refusal(error, request)
        except BaseException:
            await asyncio.shield(self._give_back(claim))
            raise
        try:
            await self._idempotency.finish(claim, answer)
        except LOST_CONNECTION:  # the command is done; a repetition runs it again and gets the same result
            log.warning("idempotency_answer_not_kept", route=route.template, exc_info=True)
        return _response(answer)

    async def _begin(self, begin: Any) -> Claim | StoredAnswer:
        try:
            claim: Claim | StoredAnswer = await self._db.transact("web.begin_request", begin)
        except LOST_CONNECTION as error:
            raise DatabaseUnavailableError from error
        return claim

    async def _give_back(self, claim: Claim) -> None:
        try:
            await self._idempotency.release(claim)
        except LOST_CONNECTION:
            log.warning("idempotency_lease_left", exc_info=True)

    async def _run(self, route: Route, request: ApiRequest, given: _Input) -> StoredAnswer:
        """Call the handler and put its result in the declared form."""
        arguments = {**_fields(given.path), **_fields(given.query)}
        if route.body is not None:
            arguments["body"] = given.body
        timeout_s = self._limits.handler_timeout_s
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                result = await route.handler(request, **arguments)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise RequestTimeoutError(timeout_s=round(timeout_s), retry_after_s=1) from None
        except LOST_CONNECTION as error:
            raise _lost(route) from error
        return _answer(route, result)

    def _refusal(self, error: DomainError, request: ApiRequest) -> StoredAnswer:
        """Put a feature's refusal in the form that a repetition gets, request id and language included."""
        response = self._problems.answer(RequestRefused(error), request.language, request.request_id)
        body = response.body
        assert isinstance(body, bytes)
        headers = {name: value for name, value in response.headers.items() if name != "Content-Type"}
        return StoredAnswer(response.status, response.content_type, headers, body)

    async def _record(self, conn: Connection, route: Route, subject: str, request: ApiRequest) -> None:
        details: dict[str, object] = {"request_id": request.request_id, "remote": request.remote}
        if request.idempotency_key is not None:
            details["idempotency_key"] = request.idempotency_key
        await audit.record(
            conn,
            at=self._clock.now(),
            actor=request.actor.actor,
            action=route.template,
            subject=subject,
            ground=request.ground,
            details=details,
        )


def _lost(route: Route) -> DomainError:
    return DatabaseUnavailableError() if route.method == "GET" else OutcomeUnknownError(retry_after_s=1)


def _ground(request: web.Request) -> str:
    given = request.headers.get("X-Ground", "")
    try:
        return clean_text(given, field="X-Ground", max_length=MAX_GROUND_CHARACTERS) if given else ""
    except TextRefusedError:
        return ""


def _concrete(route: Route, request: ApiRequest) -> str:
    path = route.path
    for name in route.path_names:
        path = path.replace(f"{{{name}}}", request.path[name])
    return path


def _parse_json(raw: bytes) -> Any:
    try:
        document = from_json(raw, allow_inf_nan=False, cache_strings="keys")
        json.loads(raw, object_pairs_hook=_check_names)  # of a repeated name pydantic would take the last (RFC 8259, 4)
    except ValueError as error:
        raise MalformedJsonError(why=str(error)[:200]) from None
    return document


def _check_names(pairs: list[tuple[str, object]]) -> None:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"the name {name[:40]!r} stands twice in an object")
        names.add(name)


def _query(route: Route, request: web.Request) -> tuple[dict[str, object], list[FieldRefusal]]:
    values: dict[str, object] = {}
    wrong: list[FieldRefusal] = []
    for name in dict.fromkeys(request.query):
        given = request.query.getall(name)
        if name in route.repeated:
            values[name] = given
        else:
            values[name] = given[0]
            if len(given) > 1:
                wrong.append(repeated_parameter(name))
    return values, wrong


def _validate(part: str, validate: Any, value: object, wrong: list[FieldRefusal]) -> Any:
    try:
        return validate(value)
    except ValidationError as error:
        wrong += from_validation(part, error.errors(include_url=False, include_input=False))
        return None


def _fields(model: BaseModel) -> dict[str, Any]:
    return {name: getattr(model, name) for name in type(model).model_fields}


def _answer(route: Route, result: Any) -> StoredAnswer:
    """Validate a handler's result against the declared response; a mismatch is our fault and answers 500."""
    status, headers = route.status, {}
    if isinstance(result, Answer):
        status, headers, result = result.status or status, dict(result.headers), result.value
    if isinstance(result, File):
        disposition = f'attachment; filename="{_FILE_NAME.sub("_", result.name)}"'
        return StoredAnswer(status, result.media_type, {**headers, "Content-Disposition": disposition}, result.content)
    if route.response is None:
        return StoredAnswer(status, JSON, headers, b"")
    value = route.response.validate_python(result, from_attributes=True)
    return StoredAnswer(status, JSON, headers, route.response.dump_json(value))


def _response(answer: StoredAnswer, *, replayed: bool = False) -> web.Response:
    headers = {**answer.headers, "Cache-Control": "no-store"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    if not answer.body:
        return web.Response(status=answer.status, headers=headers)
    return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type, headers=headers)
