"""The types of bodies: what they take, what they refuse, and how they look on the wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from telco.kernel.money import MAX_TIYN, Tiyn, tenge
from telco.web.fields import (
    INT64_MAX,
    ApiModel,
    BinText,
    Day,
    IinText,
    Moment,
    Money,
    MsisdnText,
    PositiveMoney,
    hostile_values,
)

MONEY: TypeAdapter[Tiyn] = TypeAdapter(Money)
POSITIVE: TypeAdapter[Tiyn] = TypeAdapter(PositiveMoney)


class Paid(ApiModel):
    amount: Money


@pytest.mark.parametrize(
    ("wire", "tiyn"),
    [('"1250.00"', 125_000), ('"1250"', 125_000), ('"0.01"', 1), ('"-3.5"', -350), ('"0"', 0)],
)
def test_money_is_read_from_strings_in_tenge(wire: str, tiyn: int) -> None:
    assert MONEY.validate_json(wire) == tiyn


@pytest.mark.parametrize(
    "wire",
    [
        "1250",
        "1250.0",
        "true",
        "null",
        '"1.005"',
        '"x"',
        '""',
        '"1e999999999"',
        '"1e2"',
        '"1_0"',
        '" 1"',
        '"٣"',
        '"+1"',
        '"1."',
        '"NaN"',
    ],
)
def test_money_is_nothing_else_on_the_wire(wire: str) -> None:
    with pytest.raises(ValidationError):
        MONEY.validate_json(wire)


@pytest.mark.parametrize("wire", ['"0"', '"-0.01"'])
def test_what_is_moved_is_more_than_nothing(wire: str) -> None:
    with pytest.raises(ValidationError):
        POSITIVE.validate_json(wire)


def test_an_answer_is_made_from_tiyn_and_can_be_sent_back() -> None:
    paid = Paid(amount=tenge("12.5"))
    assert paid.model_dump_json() == '{"amount":"12.50"}'
    assert Paid.model_validate_json(paid.model_dump_json()) == paid


@given(st.integers(-MAX_TIYN, MAX_TIYN))
def test_money_comes_back_as_it_went(amount: int) -> None:
    assert MONEY.validate_json(MONEY.dump_json(Tiyn(amount))) == amount


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (MsisdnText, "8 (701) 123-45-67", "12"),
        (IinText, "900101300017", "900101300018"),  # the check digit
        (BinText, "990140000007", "990110000007"),  # the kind of body
        (Moment, "2026-03-01T00:00:00+05:00", "2026-03-01T00:00:00"),  # no zone
        (Moment, "1900-01-01T00:00:00Z", "1899-12-31T23:59:59Z"),
        (Moment, "2199-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"),
        (Moment, "1900-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        (Day, "2199-12-31", "2200-01-01"),
    ],
)
def test_both_sides_of_what_is_taken(kind: Any, good: str, bad: str) -> None:
    adapter = TypeAdapter[Any](kind)
    adapter.validate_json(json.dumps(good))
    with pytest.raises(ValidationError):
        adapter.validate_json(json.dumps(bad))


def test_moments_are_utc_inside() -> None:
    adapter: TypeAdapter[datetime] = TypeAdapter(Moment)
    assert adapter.validate_json('"2026-03-01T04:00:00+05:00"') == datetime(2026, 2, 28, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ({"a": ["x", {"b": "\x00"}]}, [("a", 1, "b")]),
        ({"\x1b": 1}, [()]),
        ("line\nline\ttab\r", []),
        ("\ud800", [()]),
        (INT64_MAX, []),
        ([INT64_MAX + 1, -INT64_MAX - 1], [(0,), (1,)]),
        ("Қазақстан 💥", []),
    ],
)
def test_hostile_values_are_found_where_they_stand(value: object, places: list[tuple[object, ...]]) -> None:
    assert [flaw.location for flaw in hostile_values(value)] == places


def test_nesting_has_a_bottom() -> None:
    deep: object = "x"
    for _ in range(10_000):
        deep = [deep]
    assert [flaw.why for flaw in hostile_values(deep)] == ["nested"]
