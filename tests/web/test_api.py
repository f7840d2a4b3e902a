"""Requests reach handlers typed, answers leave validated, and both speak money as strings."""

from __future__ import annotations

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from telco.kernel.i18n import Translator
from telco.web.api import PUBLIC, Api, ApiRequest, RouteError
from telco.web.staff import Role
from tests.web.conftest import NUMBER, Site


async def test_a_command_answers_money_as_strings(site: Site) -> None:
    status, body, response = await site.top_up("a", "1250.50", note="  first ")
    assert status == 201
    assert body == {"msisdn": NUMBER, "amount": "1250.50", "balance": "1250.50"}
    assert response.headers["Cache-Control"] == "no-store"


async def test_parameters_are_typed_by_annotation(site: Site) -> None:
    status, body, _ = await site.call(
        "GET", "/v1/accounts/8 701 123-45-67?limit=7&code=a&code=b&colour=red", Role.CLERK
    )
    assert (status, body["msisdn"], body["amount"]) == (200, NUMBER, "0.07")


async def test_no_response_type_means_204(site: Site) -> None:
    status, body, _ = await site.call("DELETE", "/v1/entries/7", Role.CLERK)
    assert (status, body) == (204, None)


async def test_a_handler_may_add_headers_and_sees_the_language(site: Site) -> None:
    status, body, response = await site.call(
        "GET", "/v1/greeting", headers={"Accept-Language": "de, kk;q=0.5, ru;q=0.4"}
    )
    assert (status, body, response.headers["X-Greeting"]) == (200, {"hello": "kk"}, "yes")


async def test_every_wrong_field_is_named_at_once_in_the_readers_language(site: Site) -> None:
    status, body, response = await site.call(
        "POST",
        "/v1/top-ups?surprise=1",
        Role.CASHIER,
        json={"msisdn": "12", "amount": 100.5, "iin": "900101300018", "tags": ["A b"], "extra": 1},
        headers={"Idempotency-Key": "k", "Accept-Language": "ru"},
    )
    assert status == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Content-Language"] == "ru"
    assert (body["type"], body["code"], body["status"]) == ("/problems/invalid_request", "invalid_request", 422)
    assert {(field["field"], field["code"]) for field in body["fields"]} == {
        ("query.surprise", "extra_forbidden"),
        ("body.msisdn", "msisdn_format"),
        ("body.amount", "string_type"),
        ("body.iin", "iin_bin_invalid"),
        ("body.tags.0", "string_pattern_mismatch"),
        ("body.extra", "extra_forbidden"),
    }
    assert "Такого поля нет." in {field["why"] for field in body["fields"]}


async def test_a_refusal_of_the_feature_says_money_for_people_and_programs(site: Site) -> None:
    status, body, _ = await site.call(
        "POST",
        "/v1/withdrawals",
        Role.ACCOUNTANT,
        json={"msisdn": NUMBER, "amount": "1250.5"},
        headers={"Idempotency-Key": "k"},
    )
    assert status == 409
    assert body["detail"] == f"{NUMBER} has 0 KZT, which is less than 1,250.50 KZT."
    assert body["facts"] == {"msisdn": NUMBER, "available": "0.00", "wanted": "1250.50"}
    assert body["type"] == "/problems/sample_too_poor"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        (b'{"amount": NaN}', "malformed_json"),
        (b'"\\ud800"', "malformed_json"),
        (b"[" * 3000, "malformed_json"),
        (b'{"amount": "1.00", "amount": "9.00"}', "malformed_json"),
        (b"[" * 60 + b"]" * 60, "invalid_request"),
        (b'{"note": "a\\u0000b"}', "invalid_request"),
        (b'{"\\u0000": 1}', "invalid_request"),
        (b'{"amount": 123456789012345678901234567890}', "invalid_request"),
        (b"null", "invalid_request"),
        (b"[]", "invalid_request"),
    ],
)
async def test_hostile_bodies_are_refused(site: Site, body: bytes, code: str) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    status, problem, _ = await site.call("POST", "/v1/top-ups", Role.CASHIER, data=body, headers=headers)
    assert (status, problem["code"]) == ({"malformed_json": 400, "invalid_request": 422}[code], code)


@pytest.mark.parametrize("copies", [True, "1", 1.5, None])
async def test_a_number_is_written_as_a_number(site: Site, copies: object) -> None:
    body = {"msisdn": NUMBER, "amount": "1.00", "copies": copies}
    status, problem, _ = await site.call(
        "POST", "/v1/top-ups", Role.CASHIER, json=body, headers={"Idempotency-Key": "k"}
    )
    assert status == 422
    assert [field["field"] for field in problem["fields"]] == ["body.copies"]


async def test_an_unknown_error_is_logged_with_an_id_and_answered_with_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    status, body, _ = await site.call("GET", "/v1/broken", Role.CLERK)
    assert (status, body["code"]) == (500, "internal_error")
    assert "ZeroDivisionError" not in str(body)
    assert body["facts"]["error_id"] in body["detail"]


async def test_unknown_addresses_and_methods(site: Site) -> None:
    status, body, _ = await site.call("GET", "/v2/nothing%00")
    assert (status, body["code"]) == (404, "not_found")
    status, body, response = await site.call("PATCH", "/v1/top-ups")
    assert (status, body["code"], response.headers["Allow"]) == (405, "method_not_allowed", "POST")


async def test_the_openapi_document_is_valid_and_whole(site: Site) -> None:
    status, document, _ = await site.call("GET", "/openapi.json")
    assert status == 200
    OpenAPIV31SpecValidator(document).validate()
    operation = document["paths"]["/v1/top-ups"]["post"]
    assert operation["operationId"] == "money_top_up"
    assert {parameter["name"] for parameter in operation["parameters"]} == {"Idempotency-Key", "X-Ground"}
    assert operation["x-roles"] == ["admin", "cashier"]
    assert set(operation["responses"]) >= {"201", "400", "401", "403", "409", "413", "422", "429", "500", "503"}
    schema = document["components"]["schemas"]["TopUp"]["properties"]["amount"]
    assert (schema["type"], schema["description"]) == ("string", "How much.")
    limit = next(
        parameter
        for parameter in document["paths"]["/v1/accounts/{msisdn}"]["get"]["parameters"]
        if parameter["name"] == "limit"
    )
    assert (limit["required"], limit["schema"]["maximum"], limit["schema"]["default"]) == (False, 100, 10)


async def test_every_text_of_the_http_face_is_translated(site: Site, translator: Translator) -> None:
    from telco.kernel.errors import DomainError
    from telco.kernel.i18n import Language
    from telco.web import problem

    ours = {kind.message for kind in DomainError.registry.values() if kind.__module__.startswith("telco.web")}
    texts = {*ours, *problem.TITLES.values(), *problem._WHY.values()}
    missing = {(text, language) for text in texts for language in Language if not translator.knows(text, language)}
    assert missing == set()


class TestDeclarations:
    """A wrong declaration is found when the service starts, with the route's name."""

    async def handler(self, request: ApiRequest) -> None: ...

    async def with_body(self, request: ApiRequest, body: dict[str, str]) -> None: ...

    async def untyped(self, request: ApiRequest, limit) -> None:  # type: ignore[no-untyped-def]
        ...

    def declare(self, method: str, path: str, handler: object, **extra: object) -> None:
        arguments = {"roles": {Role.CLERK}, "summary": "x", "tags": ["x"], **extra}
        Api().route(method, path, **arguments)(handler)  # type: ignore[arg-type]

    def test_path_and_handler_agree(self) -> None:
        with pytest.raises(RouteError, match="names msisdn"):
            self.declare("GET", "/{msisdn}", self.handler)

    def test_body_and_handler_agree(self) -> None:
        with pytest.raises(RouteError, match="body"):
            self.declare("POST", "/x", self.with_body)
        with pytest.raises(RouteError, match="body"):
            self.declare("POST", "/x", self.handler, body=dict)

    def test_parameters_have_types(self) -> None:
        with pytest.raises(RouteError, match="limit has no annotation"):
            self.declare("GET", "/x", self.untyped)

    def test_idempotent_needs_a_known_caller(self) -> None:
        with pytest.raises(RouteError, match="known caller"):
            self.declare("POST", "/x", self.handler, roles=PUBLIC, idempotent=True)

    def test_routes_are_unique(self) -> None:
        api = Api()
        api.get("/x", roles=PUBLIC, summary="x", tags=["x"])(self.handler)
        with pytest.raises(RouteError, match="declared twice"):
            api.get("/x", roles=PUBLIC, summary="x", tags=["x"])(self.handler)
        with pytest.raises(RouteError, match="operation"):
            api.get("/y", roles=PUBLIC, summary="x", tags=["x"])(self.handler)
