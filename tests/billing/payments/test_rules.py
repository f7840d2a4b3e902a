"""What payers and providers write, read strictly."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.billing.payments import rules
from telco.billing.payments.model import Standing
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.money import json_money


@pytest.mark.parametrize(
    ("text", "tiyn"),
    [("1", 100), ("0.01", 1), ("500.5", 50050), ("500.00", 50000), ("9999999999.99", 999999999999)],
)
def test_sums(text: str, tiyn: int) -> None:
    assert rules.parse_sum(text) == tiyn


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.00", "-1", "-0.01", "+1", "1,5", "1.", ".5", "1.234", "1e3", "NaN", "inf", "1_0", " 1", "٣", "=1+1",
     "10000000000", "9" * 400],
)  # fmt: skip
def test_what_is_no_sum(text: str) -> None:
    assert rules.parse_sum(text) is None


@given(st.integers(1, 10**12 - 1))
def test_every_sum_that_we_write_is_read_back(tiyn: int) -> None:
    assert rules.parse_sum(json_money(tiyn)) == tiyn


@given(st.text(max_size=60))
def test_no_text_breaks_a_parser(text: str) -> None:
    rules.parse_sum(text)
    rules.parse_txn_date(text)
    rules.named_in_purpose(text)
    named = rules.normal_name(text)
    assert rules.normal_name(named) == named


def test_times_are_on_the_clocks_of_kazakhstan() -> None:
    assert rules.parse_txn_date("20260302110000") == datetime(2026, 3, 2, 6, tzinfo=UTC)
    for text in ("20260230110000", "2026030211000", "202603021100000", "00010101000000", "2026-03-02 11:0", ""):
        assert rules.parse_txn_date(text) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("2:417", AccountRef(2, AccountId(417))),
        ("8 (701) 222-33-44", "77012223344"),
        ("99999:1", None),
        ("2:" + "9" * 19, None),
        ("7" * 40, None),
        ("=cmd|' /C calc'!A0", None),
    ],
)
def test_numbers_and_accounts(text: str, named: object) -> None:
    assert rules.parse_named(text) == named


@pytest.mark.parametrize(
    ("purpose", "found"),
    [
        ("Оплата за связь 8 701 222 33 44", ["77012223344"]),
        ("Пополнение +77012223344, тел. 87012223344", ["77012223344"]),
        ("л/с 2:417", ["2:417"]),
        ("за 87012223344 и 87012223355", ["77012223344", "77012223355"]),
        ("ИИН 900101300017, счет KZ127012223344567890, договор 12-345678901", []),
        ("№123 от 02.03.2026 на сумму 1000.00", []),
        ("", []),
        ("770122233445566", []),
    ],
)
def test_a_purpose_names_numbers_and_accounts(purpose: str, found: list[str]) -> None:
    assert rules.named_in_purpose(purpose) == found


def test_every_refusal_has_its_result_code() -> None:
    assert set(rules.STANDING_REASONS) == set(rules.DOCUMENT_REASONS) == set(Standing)
    assert set(rules.RESULTS.values()) == {0, 1, 4, 5, 7, 300}
