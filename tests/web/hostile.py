"""Requests that nobody means well with, made for any route from its declaration alone.

Most begin as the example of the route's own documents and are then spoilt in one or two places, so that they get past
the first checks; the rest are arbitrary. Whatever is sent, the service answers with something below 500.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from telco.web import docs
from telco.web.api import Route

TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\x7f\x1b[31m",
    "'; drop table subscribers.subscription; --",
    '" or ""="',
    "$1",
    "%s%n%x",
    "{0} {__class__} {",
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "\u202e\u200b\ufeff",
    "\ud83d\udca5" * 40,
    "ß" * 300,
    "x" * 9000,
    "9" * 400,
    "-1",
    "0",
    "00",
    "1e999",
    "NaN",
    "-0.00",
    "0.001",
    "99999999999999999999.99",
    "null",
    "true",
    "2026-02-30",
    "0001-01-01",
    "9999-12-31",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "-P99999999999D",
    "٣٤٥",
    "77011234567",
    "+7 (701) 123-45-67",
    "112",
    "000000000000",
    "900101300017",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
)
NUMBERS = (0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 0.1, -0.0, 1e308)

EXAMPLE_NUMBER = "77011234567"
NUMBERS_IN_USE = tuple(f"7701123456{digit}" for digit in range(10))
SPOILT_HEADERS = ("Idempotency-Key", "Content-Type", "Accept-Language", "X-Request-Id", "X-Ground", "If-None-Match")
ORDINARY = {"Content-Type": "application/json", "X-Ground": "request 17"}

texts = st.sampled_from(TEXTS) | st.text(max_size=30)
scalars = texts | st.sampled_from(NUMBERS) | st.integers() | st.booleans() | st.none()
values = scalars | st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
header_texts = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=120)


@dataclass(frozen=True)
class Attack:
    """One hostile request."""

    route: Route
    path: str
    body: bytes | None
    headers: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self.route.method} {self.path!r} {self.headers} {self.body!r}"


@st.composite
def attacks(draw: st.DrawFn, routes: list[Route], document: dict[str, Any]) -> Attack:
    """Draw a request to one of `routes`; `document` is their OpenAPI document."""
    route = draw(st.sampled_from(routes))
    operation = document["paths"][route.path][route.method.lower()]
    headers = {**ORDINARY, "Idempotency-Key": draw(st.uuids()).hex}
    if draw(st.integers(0, 7)) == 0:
        headers[draw(st.sampled_from(SPOILT_HEADERS))] = draw(header_texts)
    path, body = _path(draw, route, operation, document), _body(draw, route, operation, document)
    number = draw(st.sampled_from(NUMBERS_IN_USE))  # an attack may end a contract; others go on
    path = path.replace(EXAMPLE_NUMBER, number)
    return Attack(route, path, body and body.replace(EXAMPLE_NUMBER.encode(), number.encode()), headers)


def _path(draw: st.DrawFn, route: Route, operation: dict[str, Any], document: dict[str, Any]) -> str:
    path, query = route.path, []
    for parameter in operation["parameters"]:
        good = docs.example(parameter["schema"], document)
        value = draw(texts) if draw(st.integers(0, 3)) == 0 else good
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(_text(value), safe="", errors="replace") or "%20")
        elif parameter["in"] == "query" and (parameter["required"] or draw(st.booleans())):
            query += [(parameter["name"], _text(value))] * draw(st.sampled_from((1, 1, 1, 2)))
    if draw(st.integers(0, 9)) == 0:
        query.append((draw(texts), draw(texts)))
    if not query:
        return path
    return path + "?" + "&".join(f"{quote(a, errors='replace')}={quote(b, errors='replace')}" for a, b in query)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _body(draw: st.DrawFn, route: Route, operation: dict[str, Any], document: dict[str, Any]) -> bytes | None:
    if route.body is None:
        return None
    content = operation["requestBody"]["content"]["application/json"]
    good = content.get("example") or docs.example(content["schema"], document)
    match draw(st.integers(0, 9)):
        case 0:
            return draw(st.binary(max_size=200))
        case 1:
            return _encode(draw(values))
        case 2:
            return _encode(_complete(draw, content["schema"], document, 0))
    spoilt = copy.deepcopy(good)
    for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
        spoilt = _spoil(draw, spoilt)
    return _encode(spoilt)


def _complete(draw: st.DrawFn, schema: dict[str, Any], document: dict[str, Any], depth: int) -> Any:
    """Fill every field of an object, the optional ones too, with something of its type or something hostile."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return _complete(draw, draw(st.sampled_from(choices)), document, depth)
    if "properties" in schema and depth < 5:
        return {name: _complete(draw, part, document, depth + 1) for name, part in schema["properties"].items()}
    if schema.get("type") == "array" and depth < 5:
        return [_complete(draw, schema.get("items", {}), document, depth + 1) for _ in range(draw(st.integers(0, 3)))]
    if schema.get("enum"):
        return draw(st.sampled_from(schema["enum"]))
    if draw(st.integers(0, 9)) == 0:
        return draw(scalars)
    if schema.get("type") == "integer":
        return draw(st.integers(schema.get("minimum", -3), schema.get("maximum", 2**63 - 1)))
    return docs.example(schema, document)


def _spoil(draw: st.DrawFn, value: Any) -> Any:
    """Replace, remove or add one thing somewhere in `value`."""
    if isinstance(value, dict) and value:
        name = draw(st.sampled_from(sorted(value)))
        match draw(st.integers(0, 5)):
            case 0:
                return {key: item for key, item in value.items() if key != name}
            case 1:
                return {**value, draw(texts): draw(values)}
            case 2 | 3:
                return {**value, name: draw(values)}
        return {**value, name: _spoil(draw, value[name])}
    if isinstance(value, list) and value:
        place = draw(st.integers(0, len(value) - 1))
        return [_spoil(draw, item) if place == index else item for index, item in enumerate(value)]
    return draw(values)


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def example(route: Route, document: dict[str, Any]) -> Attack:
    """Make the request that the route's documents show: the one that nobody can call hostile."""
    operation = document["paths"][route.path][route.method.lower()]
    path = route.path
    for parameter in operation["parameters"]:
        value = quote(_text(docs.example(parameter["schema"], document)), safe="")
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", value)
        elif parameter["in"] == "query" and parameter["required"]:
            path += ("&" if "?" in path else "?") + f"{parameter['name']}={value}"
    body = None
    if route.body is not None:
        content = operation["requestBody"]["content"]["application/json"]
        body = _encode(content.get("example") or docs.example(content["schema"], document))
    return Attack(route, path, body, {**ORDINARY, "Idempotency-Key": route.operation})
