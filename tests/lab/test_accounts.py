"""How operations of a statement become lines beside a phone."""

from __future__ import annotations

from typing import Any

import pytest

from telco.lab.accounts import allowance, line, lines, what


def _entry(operation: str, label: str, *moved: tuple[str, str], kind: str = "use", **details: str) -> dict[str, Any]:
    return {
        "operation": operation,
        "at": "2026-03-02T06:00:00Z",
        "kind": kind,
        "label": label,
        "lines": [{"code": unit, "unit": unit, "amount": amount} for unit, amount in moved],
        "details": details,
    }


def test_the_portions_of_a_session_are_one_line() -> None:
    statement = [
        _entry("s1:2", "data.internet", ("tenge", "-15.00"), request="s1"),
        _entry("card", "topup.card", ("tenge", "500.00"), kind="credit", serial="000001000000"),
        _entry("s1:1", "data.internet", ("bytes", "-3000"), ("tenge", "-0.50"), request="s1"),
    ]
    session, card = lines(statement)
    assert (session["id"], session["what"], session["sign"]) == ("s1", "data", "down")
    assert (session["money"], session["parts"]) == ("15.50", [{"unit": "bytes", "amount": -3000}])  # 15.00 + 0.50
    assert (card["what"], card["sign"], card["money"], card["parts"]) == ("card", "up", "500.00", [])


def test_a_fee_that_brings_allowances_is_money_down() -> None:
    fee = _entry("fee", "fee.plan", ("tenge", "-2990.00"), ("seconds", "6000"), kind="purchase")
    shown = line("fee", [fee])
    assert (shown["sign"], shown["money"], shown["parts"]) == ("down", "2990.00", [{"unit": "seconds", "amount": 6000}])


def test_an_included_message_has_no_money() -> None:
    shown = line("m", [_entry("m", "sms.on_net", ("messages", "-1"), to="77010000001")])
    assert (shown["money"], shown["sign"], shown["peer"], shown["what"]) == (None, "down", "77010000001", "sms")


@pytest.mark.parametrize(
    ("kind", "label", "expected"),
    [
        ("use", "voice.on_net", "voice"),
        ("debit", "sms.mobile", "sms"),
        ("credit", "topup.card", "card"),
        ("credit", "cash.terminal", "topup"),
        ("debit", "trust.price", "trust"),
        ("debit", "content.horoscope", "service"),
        ("expire", "breakage", "expiry"),
        ("reverse", "voice.on_net", "reversal"),
        ("debit", "something.new", "other"),
    ],
)
def test_an_operation_is_named_by_its_kind_and_label(kind: str, label: str, expected: str) -> None:
    assert what(kind, label) == expected


def test_quantities_are_whole_and_money_stays_text() -> None:
    bucket = {"code": "data.any", "unit": "bytes", "balance": "700", "initial": "1000", "valid_until": None}
    assert allowance(bucket) == {"code": "data.any", "unit": "bytes", "left": 700, "initial": 1000, "until": None}
    bonus = {"code": "bonus", "unit": "tenge", "balance": "12.50", "initial": "100.00", "valid_until": None}
    assert allowance(bonus) == {"code": "bonus", "unit": "money", "left": "12.50", "initial": 0, "until": None}
