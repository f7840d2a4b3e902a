"""The arithmetic of invoices: VAT, periods, the settlement term; the database reckons as the rules do."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telco.billing.invoicing import rules
from telco.billing.invoicing.model import InvoiceLine
from telco.db.pool import Database
from telco.kernel.money import Tiyn, tenge
from telco.kernel.units import Unit


@pytest.mark.parametrize(
    ("gross", "rate", "vat"),
    [
        ("1160", "0.16", "160"),
        ("1120", "0.12", "120"),
        ("0.01", "0.16", "0"),  # 0.00138
        ("0.03", "0.16", "0"),  # 0.00414
        ("0.04", "0.16", "0.01"),  # 0.00552
        ("8990", "0.16", "1240"),
        ("8990", "0.12", "963.21"),  # 963.2142...
        ("-1160", "0.16", "-160"),
        ("-0.04", "0.16", "-0.01"),
        ("100", "0", "0"),
    ],
)
def test_vat_is_in_the_price(gross: str, rate: str, vat: str) -> None:
    assert rules.vat_in(tenge(gross), Decimal(rate)) == tenge(vat)


@given(st.integers(0, 9 * 10**12), st.sampled_from(["0.05", "0.12", "0.16", "0.125", "0.2"]))
def test_vat_is_rounded_half_up_once(gross: int, rate: str) -> None:
    exact = Decimal(gross) * Decimal(rate) / (1 + Decimal(rate))
    assert rules.vat_in(Tiyn(gross), Decimal(rate)) == int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    assert rules.vat_in(Tiyn(-gross), Decimal(rate)) == -rules.vat_in(Tiyn(gross), Decimal(rate))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**15), 10**15), st.integers(0, 500_000)), min_size=1, max_size=200))
async def test_the_database_reckons_vat_as_the_rule_does(database: Database, cases: list[tuple[int, int]]) -> None:
    rows = await database.fetch(
        "select invoicing.vat_v1(g, m) as vat"
        " from unnest($1::bigint[], $2::int[]) with ordinality c (g, m, n) order by n",
        [gross for gross, _ in cases],
        [millionths for _, millionths in cases],
    )
    expected = [rules.vat_in(Tiyn(gross), Decimal(millionths) / rules.MILLIONTHS) for gross, millionths in cases]
    assert [row["vat"] for row in rows] == expected


@pytest.mark.clause("PSC-1.1.26")
@pytest.mark.parametrize(
    ("joined", "starts"),
    [
        (date(2026, 1, 28), [(1, 28), (2, 28), (3, 28), (4, 28)]),
        (date(2026, 1, 29), [(1, 29), (2, 28), (3, 29), (4, 29)]),
        (date(2026, 1, 30), [(1, 30), (2, 28), (3, 30), (4, 30)]),
        (date(2026, 1, 31), [(1, 31), (2, 28), (3, 31), (4, 30)]),
        (date(2028, 1, 31), [(1, 31), (2, 29), (3, 31), (4, 30)]),  # a leap year
    ],
)
def test_periods_return_to_the_day_of_joining(joined: date, starts: list[tuple[int, int]]) -> None:
    periods = [rules.period(joined, number) for number in range(4)]
    assert [(start.month, start.day) for start, _ in periods] == starts
    assert all(periods[n][1] == periods[n + 1][0] for n in range(3))


@given(st.dates(date(2000, 1, 1), date(2090, 12, 31)), st.integers(0, 60))
def test_periods_follow_each_other_without_gap_or_overlap(joined: date, number: int) -> None:
    start, end = rules.period(joined, number)
    assert rules.period(joined, number + 1)[0] == end
    assert timedelta(days=28) <= end - start <= timedelta(days=31)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(0, 60)), min_size=1, max_size=100))
async def test_the_database_reckons_periods_as_the_rule_does(database: Database, cases: list[tuple[date, int]]) -> None:
    rows = await database.fetch(
        "select (d + make_interval(months => n))::date as start"
        " from unnest($1::date[], $2::int[]) with ordinality c (d, n, o) order by o",
        [joined for joined, _ in cases],
        [number for _, number in cases],
    )
    assert [row["start"] for row in rows] == [rules.period(joined, number)[0] for joined, number in cases]


@pytest.mark.clause("PSC-1.1.17")
def test_the_settlement_term_is_thirty_days_after_the_period() -> None:
    assert rules.due_on(date(2026, 4, 2)) == date(2026, 5, 2)
    assert rules.due_on(date(2026, 2, 28)) == date(2026, 3, 30)


def line(number: int, amount: int, rate: str | None, vat: int = 0) -> InvoiceLine:
    given_rate = None if rate is None else Decimal(rate)
    return InvoiceLine(number, "c", "l", None, None, 1, None, Unit.MONEY, Tiyn(amount), given_rate, Tiyn(vat))


def test_an_invoice_is_lowered_by_what_is_left_of_each_line() -> None:
    """Of 1160.00 and 580.00 at 16 % and 580.00 without, 1160.00 go: half of each. The VAT left is 120.00."""
    lines = [line(1, 116_000, "0.16", 16_000), line(2, 58_000, "0.16", 8_000), line(3, 58_000, None)]
    taken = rules.credited(lines, Tiyn(116_000))
    assert [(part.amount, part.vat) for part in taken] == [(58_000, 8_000), (29_000, 4_000), (29_000, 0)]


@given(
    st.lists(
        st.tuples(st.integers(-5_000, 1_000_000), st.sampled_from(["0.12", "0.16", None])), min_size=1, max_size=8
    ).filter(lambda lines: sum(amount for amount, _ in lines) > 0),
    st.data(),
)
def test_parts_take_back_the_whole_to_the_tiyn(amounts: list[tuple[int, str | None]], data: st.DataObject) -> None:
    lines = [line(number, amount, rate) for number, (amount, rate) in enumerate(amounts, 1)]
    for rate in ("0.12", "0.16"):  # as an invoice has it: worked out once for the rate, here on its first line
        of_rate = [each for each in lines if each.vat_rate == Decimal(rate)]
        if of_rate:
            vat = rules.vat_in(Tiyn(sum(each.amount for each in of_rate)), Decimal(rate))
            lines[lines.index(of_rate[0])] = replace(of_rate[0], vat=vat)
    while left := sum(each.amount for each in lines):
        amount = data.draw(st.sampled_from([left, (left + 1) // 2]))
        taken = rules.credited(lines, Tiyn(amount))
        assert sum(part.amount for part in taken) == amount
        lines = [
            replace(each, amount=Tiyn(each.amount - part.amount), vat=Tiyn(each.vat - part.vat))
            for each, part in zip(lines, taken, strict=True)
        ]
        for rate in ("0.12", "0.16"):
            of_rate = [each for each in lines if each.vat_rate == Decimal(rate)]
            gross = Tiyn(sum(each.amount for each in of_rate))
            assert sum(each.vat for each in of_rate) == rules.vat_in(gross, Decimal(rate))
    assert [(each.amount, each.vat) for each in lines] == [(0, 0)] * len(lines)
