"""Errors as ``application/problem+json`` (RFC 9457), made from `DomainError` and nothing else.

``type`` is ``/problems/<code>``, an address that answers with what the code means; ``title`` says the class of the
status and ``detail`` the sentence of the error, both in the reader's language; ``fields`` names what is wrong in the
request; ``request_id`` finds the log lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from aiohttp import web
from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails, to_json, to_jsonable_python

from telco.kernel.errors import DomainError
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.money import Money, json_money
from telco.web.errors import InvalidRequestError
from telco.web.fields import Flaw

CONTENT_TYPE = "application/problem+json"
MAX_FIELDS = 50
_MAX_SHOWN_CHARACTERS = 100

TITLES: Mapping[int, str] = {
    400: "The request cannot be read",
    401: "Not authenticated",
    403: "Not permitted",
    404: "Not found",
    405: "Method not allowed",
    408: "The request did not arrive in time",
    409: "The request conflicts with the present state",
    413: "The request is too large",
    415: "Wrong media type",
    422: "The request is not valid",
    429: "Too many requests",
    500: "Internal error",
    503: "Temporarily unavailable",
}
"""Titles by HTTP status; a status without its own takes that of its class (400 or 500)."""

_WHY: Mapping[str, str] = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field.",
    "string_type": "This must be a string.",
    "string_too_short": "This must have at least {min_length} character(s).",
    "string_too_long": "This must have at most {max_length} character(s).",
    "string_pattern_mismatch": "This must match {pattern}.",
    "int_type": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_from_float": "This must be a whole number.",
    "int_parsing_size": "This value is out of range.",
    "bool_type": "This must be true or false.",
    "bool_parsing": "This must be true or false.",
    "greater_than": "This must be greater than {gt}.",
    "greater_than_equal": "This must be at least {ge}.",
    "less_than": "This must be less than {lt}.",
    "less_than_equal": "This must be at most {le}.",
    "enum": "This must be one of: {expected}.",
    "literal_error": "This must be one of: {expected}.",
    "list_type": "This must be a list.",
    "dict_type": "This must be an object.",
    "model_type": "This must be an object.",
    "model_attributes_type": "This must be an object.",
    "too_short": "This must have at least {min_length} item(s).",
    "too_long": "This must have at most {max_length} item(s).",
    "date_type": "This must be a date like 2026-03-01.",
    "date_parsing": "This must be a date like 2026-03-01.",
    "date_from_datetime_parsing": "This must be a date like 2026-03-01.",
    "datetime_type": "This must be a time with its zone, like 2026-03-01T09:00:00Z.",
    "datetime_parsing": "This must be a time with its zone, like 2026-03-01T09:00:00Z.",
    "datetime_from_date_parsing": "This must be a time with its zone, like 2026-03-01T09:00:00Z.",
    "timezone_aware": "This must be a time with its zone, like 2026-03-01T09:00:00Z.",
    "control_characters": "This must not have control characters.",
    "out_of_range": "This value is out of range.",
    "nested": "This is nested too deep.",
    "repeated": "This parameter is given more than once.",
}
"""What pydantic's and our own refusals mean, as sentences for the translator; others appear as pydantic words them."""


class FieldProblem(BaseModel):
    """One wrong field."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    field: str
    """Where: ``body.owner.iin``, ``query.limit``, ``path.msisdn``."""
    code: str
    """What kind of refusal; stable."""
    why: str
    """What is expected, in the reader's language."""


class Problem(BaseModel):
    """The body of every error (RFC 9457)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    """``/problems/<code>``: what the error is; stable, and an address that explains it."""
    title: str
    """The class of the error, in the reader's language."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong and what to do, in the reader's language."""
    code: str
    """The last part of ``type``."""
    request_id: str
    """Names the request in the service's logs."""
    fields: list[FieldProblem] = []
    """The wrong fields of the request, all of them."""
    facts: dict[str, Any] = {}
    """The figures of ``detail``, for programs: money as strings in tenge."""


class FieldRefusal(NamedTuple):
    """One wrong field, before it is put in words."""

    location: tuple[str | int, ...]
    code: str
    why: Text


@dataclass(slots=True)
class RequestRefused(Exception):  # noqa: N818  (carries an error to its answer; it is not one more error)
    """A `DomainError` together with the wrong fields and the headers that go with its answer."""

    error: DomainError
    fields: list[FieldRefusal] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


def sentence(error: DomainError) -> Text:
    """Return the error's sentence with its values as people read them."""
    return Text(error.message, **{name: _spoken(value) for name, value in error.fields.items()})


def facts(error: DomainError) -> dict[str, Any]:
    """Return the error's values as JSON carries them."""
    return {name: _plain(value) for name, value in error.fields.items()}


def _spoken(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def _plain(value: object) -> Any:
    if isinstance(value, Money):
        return json_money(value.tiyn)
    return to_jsonable_python(value, fallback=str, inf_nan_mode="strings")


def from_validation(part: str, errors: Sequence[ErrorDetails]) -> list[FieldRefusal]:
    """Turn pydantic's refusals of `part` (body, path, query) into fields with a sentence each."""
    return [_from_pydantic(part, error) for error in errors]


def from_flaws(part: str, flaws: Iterable[Flaw]) -> list[FieldRefusal]:
    """Turn what no field can mean into fields with a sentence each."""
    return [FieldRefusal((part, *flaw.location), flaw.why, Text(_WHY[flaw.why])) for flaw in flaws]


def _from_pydantic(part: str, error: ErrorDetails) -> FieldRefusal:
    location = (part, *error["loc"])
    context = error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, DomainError):
        return FieldRefusal(location, cause.code, sentence(cause))
    known = _WHY.get(error["type"])
    why = Text(_literal(error["msg"])) if known is None else Text(known, **context)
    return FieldRefusal(location, error["type"], why)


def _literal(text: str) -> str:
    """Keep braces in foreign text from being read as placeholders."""
    return text[:300].replace("{", "{{").replace("}", "}}")


class ProblemWriter:
    """Writes errors in the reader's language."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator

    def body(self, refused: RequestRefused, language: Language, request_id: str) -> Problem:
        """Make the body of an error's answer."""
        error = refused.error
        fallback = 500 if error.status >= 500 else 400
        title = TITLES.get(error.status, TITLES[fallback])
        return Problem(
            type=f"/problems/{error.code}",
            title=self._translator.render(Text(title), language),
            status=error.status,
            detail=self._translator.render(sentence(error), language),
            code=error.code,
            request_id=request_id,
            fields=[self._field(flaw, language) for flaw in refused.fields[:MAX_FIELDS]],
            facts=facts(error),
        )

    def _field(self, refusal: FieldRefusal, language: Language) -> FieldProblem:
        name = ".".join(_shown(part) for part in refusal.location)[:300]
        return FieldProblem(field=name, code=refusal.code, why=self._translator.render(refusal.why, language))

    def answer(self, refused: RequestRefused, language: Language, request_id: str) -> web.Response:
        """Make the HTTP answer of an error."""
        problem = self.body(refused, language, request_id)
        headers = {"Content-Language": language.value, "Cache-Control": "no-store", **refused.headers}
        retry_after = refused.error.fields.get("retry_after_s")
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        return web.Response(status=problem.status, body=to_json(problem), content_type=CONTENT_TYPE, headers=headers)


def _shown(part: str | int) -> str:
    return "".join(character if character.isprintable() else "?" for character in str(part)[:_MAX_SHOWN_CHARACTERS])


def invalid(fields: Sequence[FieldRefusal]) -> RequestRefused:
    """Refuse a request for its wrong fields."""
    return RequestRefused(InvalidRequestError(count=len(fields)), list(fields))


def repeated_parameter(name: str) -> FieldRefusal:
    """Refuse a query parameter that is given more than once."""
    return FieldRefusal(("query", name), "repeated", Text(_WHY["repeated"]))
