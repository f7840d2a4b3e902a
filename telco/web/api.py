"""Routes, declared once: what a request is made of, who may send it, what it answers.

A feature's ``http.py`` writes::

    def routes(api: Api, subscribers: Subscribers) -> None:
        async def read(request: ApiRequest, msisdn: MsisdnText, history: bool = False) -> SubscriberOut:
            ...

        api.get("/v1/subscribers/{msisdn}", response=SubscriberOut, roles={Role.CLERK}, audit=True,
                summary="A subscriber", tags=["Subscribers"])(read)

A parameter of the handler that the path names is read from the path, ``body`` is the body, any other is read from the
query; annotations and defaults say how. Everything else (validation, errors, OpenAPI, the docs page, the hostile fuzz
test) follows from the declaration.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model

from telco.kernel.errors import DomainError
from telco.kernel.i18n import Language
from telco.web.staff import ANONYMOUS, Principal, Role

Handler = Callable[..., Awaitable[Any]]

PUBLIC: frozenset[Role] = frozenset()
"""Roles of a route that needs no key."""

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_MUTATING = frozenset(("POST", "PUT", "PATCH", "DELETE"))
_PARAMETERS = ConfigDict(extra="forbid", frozen=True)


class RouteError(TypeError):
    """A route is declared wrongly: a fault of the code, found when the service starts."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What a handler knows of the request, beside its parameters and body."""

    request_id: str
    actor: Principal = ANONYMOUS
    language: Language = Language.EN
    idempotency_key: str | None = None
    ground: str = ""
    """Why the caller does this, as given in ``X-Ground``; goes to the audit trail."""
    path: Mapping[str, str] = field(default_factory=dict)
    """The path's parameters as they were sent; handlers take the typed ones as arguments."""
    query: Mapping[str, str] = field(default_factory=dict)
    remote: str = ""

    @property
    def operation_id(self) -> str:
        """The id under which the command is idempotent: the caller and its Idempotency-Key, unique over all callers.

        Raises:
            RouteError: the route was not declared ``idempotent=True``.
        """
        if self.idempotency_key is None:
            raise RouteError("operation_id needs a route with idempotent=True")
        return f"http:{self.actor.principal_id}:{self.idempotency_key}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler returns when the answer is more than its value: another status, or headers such as Location."""

    value: Any
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """What a handler of a route with `files` returns: bytes to be saved under a name."""

    content: bytes
    media_type: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One declared route."""

    method: str
    path: str
    handler: Handler
    roles: frozenset[Role]
    body: TypeAdapter[Any] | None
    response: TypeAdapter[Any] | None
    path_params: type[BaseModel]
    query_params: type[BaseModel]
    repeated: frozenset[str]
    """Query parameters that may be given several times: their type is a list."""
    status: int
    idempotent: bool
    audit: bool
    max_body_bytes: int | None
    """Of a route that takes files; None for the limit of every other."""
    files: tuple[str, ...]
    """Media types of the files that it answers with; empty for JSON."""
    operation: str
    summary: str
    description: str
    tags: tuple[str, ...]
    errors: tuple[type[DomainError], ...]
    example: Any

    @property
    def template(self) -> str:
        """Method and path template: the route's name in metrics, logs and the audit trail."""
        return f"{self.method} {self.path}"

    @property
    def path_names(self) -> list[str]:
        return _PLACEHOLDER.findall(self.path)


class Api:
    """The routes of the service."""

    def __init__(self, title: str = "telco", version: str = "1", description: str = "") -> None:
        self.title = title
        self.version = version
        self.description = description
        self._routes: dict[tuple[str, str], Route] = {}

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes.values())

    def __len__(self) -> int:
        return len(self._routes)

    def get(self, path: str, **declaration: Any) -> Callable[[Handler], Handler]:
        """Declare a read; see `route`."""
        return self.route("GET", path, **declaration)

    def post(self, path: str, **declaration: Any) -> Callable[[Handler], Handler]:
        """Declare a command; see `route`."""
        return self.route("POST", path, **declaration)

    def put(self, path: str, **declaration: Any) -> Callable[[Handler], Handler]:
        """Declare a replacement; see `route`."""
        return self.route("PUT", path, **declaration)

    def patch(self, path: str, **declaration: Any) -> Callable[[Handler], Handler]:
        """Declare a change of some fields; see `route`."""
        return self.route("PATCH", path, **declaration)

    def delete(self, path: str, **declaration: Any) -> Callable[[Handler], Handler]:
        """Declare a removal; see `route`."""
        return self.route("DELETE", path, **declaration)

    def route(
        self,
        method: str,
        path: str,
        *,
        roles: Collection[Role],
        summary: str,
        tags: Sequence[str],
        body: Any = None,
        response: Any = None,
        status: int | None = None,
        idempotent: bool = False,
        audit: bool | None = None,
        max_body_bytes: int | None = None,
        files: Sequence[str] = (),
        errors: Sequence[type[DomainError]] = (),
        description: str | None = None,
        operation: str | None = None,
        example: Any = None,
    ) -> Callable[[Handler], Handler]:
        """Declare a route.

        Args:
            method: GET, POST, PUT, PATCH or DELETE.
            path: with parameters in braces: ``/v1/subscribers/{msisdn}``.
            roles: who may call; `PUBLIC` for everybody, without a key.
            summary: a line for the documents.
            tags: the chapter of the documents; the first also names the operation.
            body: the type of the body, any that pydantic knows; None for no body.
            response: the type of the answer; None for 204 without one.
            status: of success; 200, or 204 without a response.
            idempotent: needs an Idempotency-Key and answers a repetition with the first answer.
            audit: writes a row to the audit trail before it runs. By default for every method but GET; say True for a
                read of personal data, False for what the network sends (the journal is its trail).
            max_body_bytes: for a route that takes files; the service's limit by default.
            files: media types of a route that answers with a `File` instead of JSON.
            errors: what the feature may refuse, for the documents.
            description: more than a line; the handler's docstring by default.
            operation: the operationId; ``<tag>_<handler>`` by default.
            example: a body for the documents' curl line; made from the schema's examples by default.

        Raises:
            RouteError: the declaration and the handler do not fit each other.
        """

        def declare(handler: Handler) -> Handler:
            name = getattr(handler, "__name__", type(handler).__name__)
            path_params, query_params, repeated = _parameters(path, handler, name, has_body=body is not None)
            self._add(
                Route(
                    method=method,
                    path=path,
                    handler=handler,
                    roles=frozenset(roles),
                    body=None if body is None else TypeAdapter(body),
                    response=None if response is None else TypeAdapter(response),
                    path_params=path_params,
                    query_params=query_params,
                    repeated=repeated,
                    status=status or (204 if response is None and not files else 200),
                    idempotent=idempotent,
                    audit=method in _MUTATING if audit is None else audit,
                    max_body_bytes=max_body_bytes,
                    files=tuple(files),
                    operation=operation or f"{tags[0]}_{name}".lower().replace(" ", "_"),
                    summary=summary,
                    description=inspect.cleandoc(description or handler.__doc__ or ""),
                    tags=tuple(tags),
                    errors=tuple(errors),
                    example=example,
                )
            )
            return handler

        return declare

    def _add(self, route: Route) -> None:
        if (route.method, route.path) in self._routes:
            raise RouteError(f"{route.template} is declared twice")
        if any(route.operation == other.operation for other in self):
            raise RouteError(f"{route.template}: another route is called {route.operation}; give operation=")
        if route.idempotent and (route.roles == PUBLIC or route.method != "POST"):
            raise RouteError(f"{route.template}: idempotent is for POST by a known caller")
        if route.body is not None and route.method == "GET":
            raise RouteError(f"{route.template}: GET has no body")
        self._routes[route.method, route.path] = route


def _parameters(
    path: str, handler: Handler, name: str, *, has_body: bool
) -> tuple[type[BaseModel], type[BaseModel], frozenset[str]]:
    """Read the handler's signature: its path parameters, its query parameters, and which of these may repeat."""
    names = list(inspect.signature(handler).parameters.values())[1:]
    try:
        hints = get_type_hints(handler, include_extras=True)
    except NameError as error:
        raise RouteError(f"{name}: {error}; import the type at the top of its module") from error
    in_path = set(_PLACEHOLDER.findall(path))
    if has_body != any(parameter.name == "body" for parameter in names):
        raise RouteError(f"{name}: a parameter `body` and the declaration's body go together")
    if missing := in_path - {parameter.name for parameter in names}:
        raise RouteError(f"{name}: {path} names {', '.join(sorted(missing))}, the handler does not")
    fields: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    repeated: set[str] = set()
    for parameter in names:
        if parameter.name == "body":
            continue
        if parameter.name not in hints:
            raise RouteError(f"{name}: {parameter.name} has no annotation")
        hint = hints[parameter.name]
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name in in_path][parameter.name] = (hint, default)
        if _is_list(hint):
            repeated.add(parameter.name)
    return (
        create_model(f"{name}_path", __config__=_PARAMETERS, **fields[True]),
        create_model(f"{name}_query", __config__=_PARAMETERS, **fields[False]),
        frozenset(repeated),
    )


def _is_list(hint: Any) -> bool:
    """Tell whether a parameter takes several values: a list, also one that is annotated or may be absent."""
    if hasattr(hint, "__metadata__"):
        return _is_list(hint.__origin__)
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_is_list(choice) for choice in get_args(hint))
    return origin in (list, tuple, set, frozenset)
