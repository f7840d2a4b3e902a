"""The OpenAPI 3.1 document, made from the routes and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from telco.kernel.errors import DomainError
from telco.kernel.money import json_money
from telco.web import errors
from telco.web.api import PUBLIC, Api, Route
from telco.web.problem import CONTENT_TYPE, TITLES, Problem
from telco.web.staff import Role

REF = "#/components/schemas/{model}"
JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_Mode = Literal["validation", "serialization"]
Schemas = dict[tuple[str, _Mode], dict[str, Any]]

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": (
        "Names this request: 1 to 100 letters, digits or .:_- of your choice. The same request under the same key gets"
        " the first answer, with the header Idempotency-Replayed."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": r"^[0-9A-Za-z.:_-]{1,100}$"},
}
_GROUND = {
    "name": "X-Ground",
    "in": "header",
    "required": False,
    "description": "Why you read or change this; kept in the audit trail. Some routes refuse a call without it.",
    "schema": {"type": "string", "maxLength": 200},
}


class _SchemaGenerator(GenerateJsonSchema):
    """Writes defaults as they stand on the wire: pydantic shows those of a body as they are inside."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        default = made.get("default")
        if made.get("type") == "string" and isinstance(default, int):  # money: tiyn inside, a string outside
            made["default"] = json_money(default)
        return made


def build(api: Api, server_url: str) -> dict[str, Any]:
    """Make the document of `api` as served at `server_url`."""
    schemas, components = _schemas(api)
    paths: dict[str, dict[str, Any]] = {}
    for route in api:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": JSON_SCHEMA_DIALECT,
        "info": {"title": api.title, "version": api.version, "description": api.description},
        "servers": [{"url": server_url}],
        "tags": [{"name": name} for name in tags(api)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "telco_<id>_<secret>"},
            },
        },
    }


def tags(api: Api) -> list[str]:
    """Name the chapters, in the order in which routes were declared."""
    return list(dict.fromkeys(route.tags[0] for route in api))


def _schemas(api: Api) -> tuple[Schemas, dict[str, Any]]:
    """Make every schema at once, so that types of the same name in two features get names apart."""
    inputs: list[tuple[str, _Mode, TypeAdapter[Any]]] = [("problem", "serialization", TypeAdapter(Problem))]
    for route in api:
        if route.body is not None:
            inputs.append((f"{route.operation}:body", "validation", route.body))
        if route.response is not None:
            inputs.append((f"{route.operation}:response", "serialization", route.response))
        for part, model in (("path", route.path_params), ("query", route.query_params)):
            for name in model.model_fields:
                adapter: TypeAdapter[Any] = TypeAdapter(_annotated(model, name))
                inputs.append((f"{route.operation}:{part}.{name}", "validation", adapter))
    made, definitions = TypeAdapter.json_schemas(inputs, ref_template=REF, schema_generator=_SchemaGenerator)
    schemas = {(str(key), mode): dict(schema) for (key, mode), schema in made.items()}
    return schemas, dict(definitions.get("$defs", {}))


def _annotated(model: type[BaseModel], name: str) -> Any:
    return model.__annotations__[name]


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "tags": list(route.tags),
        "parameters": list(_parameters(route, schemas)),
        "responses": _responses(route, schemas),
    }
    if route.description:
        operation["description"] = route.description
    if route.body is not None:
        schema = schemas[f"{route.operation}:body", "validation"]
        content: dict[str, Any] = {"schema": schema}
        if route.example is not None:
            content["example"] = route.example
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if route.roles == PUBLIC:
        operation["security"] = []
    else:
        operation["security"] = [{"apiKey": []}]
        operation["x-roles"] = sorted({*route.roles, *(() if route.roles == {Role.NETWORK} else (Role.ADMIN,))})
    return operation


def _parameters(route: Route, schemas: Schemas) -> Iterable[dict[str, Any]]:
    for part, model in (("path", route.path_params), ("query", route.query_params)):
        for name, field in model.model_fields.items():
            schema = dict(schemas[f"{route.operation}:{part}.{name}", "validation"])
            if not field.is_required() and isinstance(field.default, str | int | bool):
                schema["default"] = field.default
            parameter = {"name": name, "in": part, "required": field.is_required(), "schema": schema}
            description = field.description or schema.pop("description", None)
            yield {**parameter, "description": description} if description else parameter
    if route.idempotent:
        yield _IDEMPOTENCY_KEY
    if route.audit:
        yield _GROUND


def _responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done."}
    if route.response is not None:
        schema = schemas[f"{route.operation}:response", "serialization"]
        success["content"] = {"application/json": {"schema": schema}}
    elif route.files:
        success["content"] = {media: {"schema": {"type": "string", "format": "binary"}} for media in route.files}
    codes: dict[int, list[str]] = {}
    for error in refusals(route):
        codes.setdefault(error.status, []).append(error.code)
    problem = {CONTENT_TYPE: {"schema": schemas["problem", "serialization"]}}
    refused = {
        str(status): {"description": f"{TITLES.get(status, 'Refused')}: {', '.join(names)}", "content": problem}
        for status, names in sorted(codes.items())
    }
    return {str(route.status): success, **refused}


def refusals(route: Route) -> list[type[DomainError]]:
    """List what the route may refuse, the HTTP face's own errors first, in the order of precedence."""
    found: list[type[DomainError]] = [errors.ShuttingDownError, errors.PayloadTooLargeError]
    if route.roles != PUBLIC:
        found += [errors.NotAuthenticatedError, errors.TooManyRequestsError, errors.NotPermittedError]
    if route.idempotent:
        found.append(errors.IdempotencyKeyMissingError)
    if route.body is not None:
        found += [errors.SlowBodyError, errors.MediaTypeError, errors.MalformedJsonError]
    if route.body is not None or route.path_params.model_fields or route.query_params.model_fields:
        found.append(errors.InvalidRequestError)
    if route.idempotent:
        found += [errors.IdempotencyKeyReusedError, errors.RequestInProgressError]
    return [*found, *route.errors, errors.InternalError]
