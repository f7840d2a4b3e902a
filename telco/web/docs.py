"""The API's documents for people: one page, no scripts, nothing fetched from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from telco.kernel.errors import DomainError
from telco.web import openapi
from telco.web.api import PUBLIC, Api, Route
from telco.web.fields import INT64_MAX
from telco.web.problem import TITLES
from telco.web.staff import Role

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --back: #fff; --code: #f4f6f8;
        --accent: #0b57d0; --get: #0a6b3d; --post: #8a4b00; --put: #5b3a9e; --delete: #a4161a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --soft: #9aa4af; --line: #343b44; --back: #14171b; --code: #1e2329; --accent: #8ab4f8;
          --get: #62c895; --post: #e2a55c; --put: #b79cf0; --delete: #f08a8d; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--back); }
main, header { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.8rem; margin: .5rem 0; } h2 { margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; } h4 { margin: 1rem 0 .25rem; font-size: .95rem; }
a { color: var(--accent); } p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .92rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .87rem; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 6px; padding: .75rem; overflow-x: auto; }
article { border: 1px solid var(--line); border-radius: 8px; padding: 1rem; margin: 1rem 0; }
.verb { font-weight: 700; margin-right: .4rem; } .GET { color: var(--get); } .POST { color: var(--post); }
.PUT, .PATCH { color: var(--put); } .DELETE { color: var(--delete); }
nav ul { list-style: none; padding: 0; margin: .25rem 0 1rem; } nav li { overflow-wrap: anywhere; }
dl { margin: .25rem 0; } dt { margin-top: .35rem; overflow-wrap: anywhere; } dd { margin: 0 0 0 1.25rem; }
details > summary { cursor: pointer; color: var(--accent); margin-top: .75rem; }
"""

_INTRODUCTION = """
<p>Send <code>Authorization: Bearer telco_...</code> with every call; <code>telco staff add NAME --role ROLE</code>
makes a key. The examples below read it and the service's address from the shell: <code>export API_KEY=telco_...</code>
and <code>export API={api}</code></p>
<p>Amounts are strings in tenge with two decimals. Times are RFC 3339. A command that moves money or makes something
takes an <code>Idempotency-Key</code>, 1 to 100 letters, digits or .:_- of your choice: repeat the call with the same
key as often as you like, it happens once and is answered as the first time. <code>X-Ground</code> says why you read or
change somebody's data; the audit trail keeps it. <code>X-Request-Id</code> names the call in our logs; send your own,
or find ours in the answer.</p>
<p>Errors are <code>application/problem+json</code>, worded in the language of <code>Accept-Language</code> (kk, ru,
en); <a href="/problems">all codes</a>. The machine-readable description is
<a href="/openapi.json">/openapi.json</a>.</p>
"""


_ANY_ADDRESS = "http://127.0.0.1:8080"
"""Shown where the document's server is relative: the address of the demo."""
_REPEATED = re.compile(r"\^(?:(?P<digit>\\d)|\[(?P<first>[0-9A-Za-z])[^\]]*\])\{(?P<count>\d+)(?:,\d+)?\}\$")
"""A pattern that repeats one class of characters, such as ``^[0-9a-f]{64}$``: an example of it is easily made."""


def page(api: Api, document: dict[str, Any]) -> str:
    """Make the page of all routes, from the same OpenAPI document that programs read."""
    chapters = openapi.tags(api)
    server = document["servers"][0]["url"]
    introduction = _INTRODUCTION.replace("{api}", escape(_ANY_ADDRESS if server == "/" else server))
    return _frame(
        api.title,
        "".join(
            (
                f"<header><h1>{escape(api.title)} <span class=soft>{escape(api.version)}</span></h1>",
                f"<p>{escape(api.description)}</p>{introduction}</header><main><nav>",
                *(_contents(api, chapter) for chapter in chapters),
                "</nav>",
                *(part for chapter in chapters for part in _chapter(api, chapter, document)),
                "</main>",
            )
        ),
    )


def problems(kinds: Iterable[type[DomainError]]) -> str:
    """Make the page that explains error codes: where the ``type`` of a problem leads."""
    rows = (
        f"<dt id='{escape(kind.code)}'><a href='/problems/{escape(kind.code)}'><code>{escape(kind.code)}</code></a>"
        f" <span class=soft>{kind.status} {escape(TITLES.get(kind.status, ''))}</span></dt>"
        f"<dd>{escape(kind.message)}</dd>"
        for kind in sorted(kinds, key=lambda kind: kind.code)
    )
    head = "<header><h1>Errors</h1><p><a href='/docs'>The API</a> · <a href='/problems'>all codes</a></p></header>"
    return _frame("Errors", f"{head}<main><dl>{''.join(rows)}</dl></main>")


def curl(route: Route, document: dict[str, Any]) -> str:
    """Make a command that calls the route and can be pasted as it is, given ``API`` and ``API_KEY``."""
    operation = document["paths"][route.path][route.method.lower()]
    path, query = route.path, []
    for parameter in operation["parameters"]:
        value = _text(example(parameter["schema"], document))
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", value)
        elif parameter["in"] == "query" and parameter["required"]:
            query.append(f"{parameter['name']}={value}")
    url = "$API" + path + ("?" + "&".join(query) if query else "")
    lines = ["curl -sS" + (f" -X {route.method}" if route.method not in ("GET", "POST") else "") + f' "{url}"']
    if route.method == "POST" and route.body is None:
        lines[0] = f'curl -sS -X POST "{url}"'
    if route.roles != PUBLIC:
        lines.append('-H "Authorization: Bearer $API_KEY"')
    if route.idempotent:
        lines.append('-H "Idempotency-Key: example-$(date +%s)"')
    if route.audit:
        lines.append('-H "X-Ground: request 17"')
    if route.body is not None:
        content = operation["requestBody"]["content"]["application/json"]
        body = content.get("example", None) or example(content["schema"], document)
        lines.append("-H 'Content-Type: application/json'")
        lines.append("--data '" + json.dumps(body, ensure_ascii=False, indent=2).replace("'", "'\\''") + "'")
    return " \\\n  ".join(lines)


def example(schema: dict[str, Any], document: dict[str, Any], depth: int = 0) -> Any:
    """Make a value that fits a schema, from its own examples where it has some."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return example(document["components"]["schemas"][name], document, depth)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("oneOf", "anyOf", "allOf"):
        if schema.get(key):
            return example(schema[key][0], document, depth)
    return _example_of_type(schema, document, depth)


def _example_of_type(schema: dict[str, Any], document: dict[str, Any], depth: int) -> Any:
    match schema.get("type"):
        case "object":
            required = set(schema.get("required", ()))
            return {
                name: example(part, document, depth + 1)
                for name, part in schema.get("properties", {}).items()
                if name in required and depth < 6
            }
        case "array":
            count = min(schema.get("minItems", 0), 3)
            return [example(schema.get("items", {}), document, depth + 1)] * count
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return True
        case "null":
            return None
    return _example_string(schema)


def _example_string(schema: dict[str, Any]) -> str:
    if match := _REPEATED.fullmatch(schema.get("pattern", "")):
        first = "1" if match["digit"] else match["first"]
        return first * int(match["count"])
    formats = {
        "date": "2026-03-01",
        "date-time": "2026-03-01T09:00:00Z",
        "uuid": "0198c5de-0000-7000-8000-000000000000",
    }
    return formats.get(schema.get("format", ""), "text").ljust(schema.get("minLength", 0), "x")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _frame(title: str, content: str) -> str:
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{content}</body></html>"
    )


def _in_chapter(api: Api, chapter: str) -> list[Route]:
    return [route for route in api if route.tags[0] == chapter]


def _contents(api: Api, chapter: str) -> str:
    items = "".join(
        f"<li><span class='verb {route.method}'>{route.method}</span>"
        f"<a href='#{escape(route.operation)}'>{escape(route.path)}</a> <span class=soft>{escape(route.summary)}</span>"
        for route in _in_chapter(api, chapter)
    )
    return f"<strong>{escape(chapter)}</strong><ul>{items}</ul>"


def _chapter(api: Api, chapter: str, document: dict[str, Any]) -> Iterator[str]:
    yield f"<section><h2>{escape(chapter)}</h2>"
    for route in _in_chapter(api, chapter):
        yield _article(route, document)
    yield "</section>"


def _article(route: Route, document: dict[str, Any]) -> str:
    operation = document["paths"][route.path][route.method.lower()]
    parts = [
        f"<article id='{escape(route.operation)}'><h3><span class='verb {route.method}'>{route.method}</span>",
        f"<code>{escape(route.path)}</code></h3><p>{escape(route.summary)}</p>",
    ]
    if route.description and route.description != route.summary:
        parts += [f"<p class=soft>{escape(paragraph)}</p>" for paragraph in route.description.split("\n\n")]
    parts.append(f"<p class=soft>{_who(route)}</p>")
    if operation["parameters"]:
        parts += ["<h4>Parameters</h4>", _parameters(operation["parameters"], document)]
    if route.body is not None:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        parts += ["<h4>Body</h4>", _fields(schema, document)]
    parts += [f"<h4>Try it</h4><pre>{escape(curl(route, document))}</pre>"]
    success = operation["responses"][str(route.status)]
    if route.files:
        parts.append(f"<p class=soft>Answers with a file: {escape(', '.join(route.files))}.</p>")
    elif "content" in success:
        schema = success["content"]["application/json"]["schema"]
        parts += [f"<details><summary>Answer {route.status}</summary>{_fields(schema, document)}</details>"]
    parts += [f"<details><summary>Errors</summary><dl>{''.join(_refusals(route))}</dl></details></article>"]
    return "".join(parts)


def _who(route: Route) -> str:
    if route.roles == PUBLIC:
        return "Needs no key."
    roles = sorted({*route.roles, *(() if route.roles == {Role.NETWORK} else (Role.ADMIN,))})
    return "Roles: " + ", ".join(escape(role) for role in roles)


def _refusals(route: Route) -> Iterator[str]:
    for kind in openapi.refusals(route):
        yield (
            f"<dt>{kind.status} <a href='/problems/{escape(kind.code)}'><code>{escape(kind.code)}</code></a></dt>"
            f"<dd class=soft>{escape(kind.message)}</dd>"
        )


def _parameters(parameters: list[dict[str, Any]], document: dict[str, Any]) -> str:
    rows = (
        f"<dt><code>{escape(parameter['name'])}</code> <span class=soft>{parameter['in']}, "
        f"{_type(parameter['schema'], document)}{'' if parameter['required'] else ', optional'}</span></dt>"
        f"<dd class=soft>{'' if parameter['in'] == 'header' else escape(parameter.get('description', ''))}</dd>"
        for parameter in parameters  # the headers are the same everywhere: the introduction explains them
    )
    return f"<dl>{''.join(rows)}</dl>"


def _fields(schema: dict[str, Any], document: dict[str, Any], depth: int = 0) -> str:
    """List the fields of an object, and those of the objects in it, three levels deep."""
    resolved = _resolved(schema, document)
    if resolved.get("type") == "array":
        return f"<p class=soft>list of</p>{_fields(resolved.get('items', {}), document, depth)}"
    if "properties" not in resolved:
        return f"<p class=soft>{_type(resolved, document)}</p>"
    required = set(resolved.get("required", ()))
    rows: list[str] = []
    for name, part in resolved["properties"].items():
        optional = "" if name in required else ", optional"
        inner = _inner(part, document)
        rows.append(
            f"<dt><code>{escape(name)}</code> <span class=soft>{_type(part, document)}{optional}</span></dt>"
            f"<dd class=soft>{escape(_description(part, document))}"
            f"{_fields(inner, document, depth + 1) if inner and depth < 3 else ''}</dd>"
        )
    return f"<dl>{''.join(rows)}</dl>"


def _inner(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any] | None:
    """Return the object that a field holds, alone, as a choice or in a list."""
    resolved = _resolved(schema, document)
    if "properties" in resolved:
        return resolved
    for choice in (*resolved.get("anyOf", ()), *resolved.get("oneOf", ()), resolved.get("items")):
        if choice and (found := _inner(choice, document)):
            return found
    return None


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        return found
    return schema


def _description(schema: dict[str, Any], document: dict[str, Any]) -> str:
    return str(schema.get("description") or _resolved(schema, document).get("description", ""))


def _type(schema: dict[str, Any], document: dict[str, Any]) -> str:
    resolved = _resolved(schema, document)
    if choices := resolved.get("anyOf") or resolved.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(choice, document) for choice in choices))
    if "enum" in resolved:
        return "one of " + ", ".join(f"<code>{escape(str(value))}</code>" for value in resolved["enum"])
    if "const" in resolved:
        return f"<code>{escape(str(resolved['const']))}</code>"
    if resolved.get("type") == "array":
        return "list of " + _type(resolved.get("items", {}), document)
    return escape(str(resolved.get("format") or resolved.get("type", "any"))) + _bounds(resolved)


def _bounds(schema: dict[str, Any]) -> str:
    """Say how long or large a value may be."""
    if "maxLength" in schema:
        return f" of {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is not None and high is not None and high < INT64_MAX:
        return f" from {low} to {high}"
    return ""
