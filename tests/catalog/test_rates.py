"""The arithmetic of a rate: rounding, sessions in parts, portions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from telco.catalog.model import Access, Portion, Service
from telco.catalog.rates import Available, Denial, Rate, affordable, cost, portion
from telco.kernel.money import MICRO, Tiyn
from telco.kernel.units import Unit

PORTIONS = {
    Access.GSM: Portion(500_000, 50_000, 1800),
    Access.UMTS: Portion(5_000_000, 200_000, 1800),
    Access.LTE: Portion(50_000_000, 1_000_000, 1800),
    Access.NR: Portion(200_000_000, 5_000_000, 1800),
}


def voice(price: int, unit: int = 60, **fields: object) -> Rate:
    """A call at `price` tiyn per `unit` seconds."""
    portions = dict.fromkeys(Access, Portion(300, 30, 600))
    return Rate(
        Service.VOICE,
        Unit.SECONDS,
        "mobile",
        "voice.mobile",
        "revenue.voice",
        ("voice.any",),
        unit,
        price * MICRO,
        portions=portions,
        **fields,  # type: ignore[arg-type]
    )


def data(price: int, unit: int = 100_000) -> Rate:
    """Data at `price` tiyn per `unit` bytes."""
    return Rate(
        Service.DATA,
        Unit.BYTES,
        "internet",
        "data.internet",
        "revenue.data",
        ("data.any",),
        unit,
        price * MICRO,
        portions=PORTIONS,
    )


@pytest.mark.clause("PSC-1.1.8")
@pytest.mark.parametrize(
    ("seconds", "unit", "price_micro", "tiyn"),
    [
        (0, 60, 1_500 * MICRO, 0),
        (1, 60, 1_500 * MICRO, 1_500),  # a minute begun is a minute: 15.00
        (60, 60, 1_500 * MICRO, 1_500),
        (61, 60, 1_500 * MICRO, 3_000),
        (61, 1, 25 * MICRO, 1_525),  # 15.00 a minute by the second: 61 * 0.25 = 15.25
        (1, 1, 18_333_333, 18),  # 11.00 a minute: 0.18333... a second
        (3, 1, 18_333_333, 55),  # 54.999999 tiyn
        (3, 1, 500_000, 2),  # 1.5 tiyn, half up
        (1, 1, 499_999, 0),
        (1, 1, 500_000, 1),
    ],
)
def test_cost_is_whole_rating_units_rounded_half_up_once(seconds: int, unit: int, price_micro: int, tiyn: int) -> None:
    assert cost(seconds, unit, price_micro) == tiyn


quantities = st.integers(0, 10**12)
units = st.integers(1, 10**7)
prices = st.integers(0, 10**12)


@given(quantities, quantities, units, prices)
def test_more_never_costs_less(one: int, more: int, unit: int, price: int) -> None:
    assert 0 <= cost(one, unit, price) <= cost(one + more, unit, price)


@given(st.integers(0, 10**6), st.integers(0, 10**6), units, st.integers(0, 10**6))
def test_whole_units_add_up(one: int, other: int, unit: int, tiyn: int) -> None:
    price = tiyn * MICRO
    total = cost((one + other) * unit, unit, price)
    assert total == cost(one * unit, unit, price) + cost(other * unit, unit, price)


@given(quantities, units, prices)
def test_cost_is_within_half_a_tiyn_of_exact(quantity: int, unit: int, price: int) -> None:
    exact = Fraction(-(-quantity // unit) * price, MICRO)
    assert abs(cost(quantity, unit, price) - exact) <= Fraction(1, 2)


@pytest.mark.clause("PSC-1.1.8")
def test_the_first_minute_is_whole_and_then_each_second() -> None:
    rate = voice(25, unit=1, minimum=60)  # 15.00 a minute
    assert [rate.billable(s) for s in (0, 1, 59, 60, 61, 150)] == [0, 60, 60, 60, 61, 150]
    assert [rate.cost(s) for s in (0, 1, 60, 61)] == [0, 1_500, 1_500, 1_525]


def test_a_connection_is_charged_once_an_event() -> None:
    rate = voice(2_000, connection=Tiyn(500))
    assert [rate.cost(s) for s in (0, 1, 60, 61)] == [0, 2_500, 2_500, 4_500]


def test_a_charge_has_the_fields_of_the_ledgers() -> None:
    charge = voice(2_000).charge(61)
    assert charge == (Unit.SECONDS, 120, ("voice.any",), 60, 2_000 * MICRO, ("trust", "main"))


@given(st.lists(st.integers(0, 10_000), max_size=10), st.integers(1, 100), st.integers(0, 120))
def test_a_session_is_rounded_as_a_whole_however_it_is_reported(parts: list[int], unit: int, minimum: int) -> None:
    rate = voice(10, unit, minimum=minimum)
    already = charged = 0
    for part in parts:
        more = rate.charge(part, already).quantity
        assert more >= 0
        charged += more
        already += part
    assert charged == rate.billable(sum(parts))


# Portions


@pytest.mark.clause("PSC-2.12")
@pytest.mark.parametrize(
    ("access", "size"),
    [(Access.GSM, 500_000), (Access.UMTS, 5_000_000), (Access.LTE, 50_000_000), (Access.NR, 200_000_000)],
)
def test_a_portion_depends_on_the_access_technology(access: Access, size: int) -> None:
    assert portion(data(100), access) == size
    assert portion(data(100), access, Available(10**12, Tiyn(0))) == size


@pytest.mark.clause("PSC-2.12")
@pytest.mark.parametrize(
    ("units_left", "money", "size"),
    [
        (100_000_000, 0, 50_000_000),  # 100 MB left: a whole portion
        (60_000_000, 0, 30_000_000),  # less than two portions: half of what is left
        (0, 20_000, 10_000_000),  # 200.00 at 1.00 per 100 kB buys 20 MB: half of it
        (1_500_000, 0, 1_000_000),  # half would be 700 kB: not below the least portion
        (700_000, 0, 700_000),  # less than the least: all of it
        (30, 0, 30),  # the last bytes of an allowance, less than a rating unit
        (30, 99, 30),  # 0.99 buys no unit of 1.00
        (0, 99, 0),
        (0, 100, 100_000),
        (0, -100, 0),
    ],
)
def test_portions_shrink_as_the_end_comes_near(units_left: int, money: int, size: int) -> None:
    assert portion(data(100), Access.LTE, Available(units_left, Tiyn(money))) == size


@pytest.mark.clause("PSC-2.12")
@given(
    st.integers(0, 10**10), st.integers(0, 10**7), st.integers(1, 10**5), st.integers(1, 10**7), st.sampled_from(Access)
)
def test_use_goes_on_while_anything_is_left_and_never_beyond(
    left: int, money: int, price: int, unit: int, access: Access
) -> None:
    rate = data(price, unit)
    within = affordable(rate, Available(left, Tiyn(money)))
    size = portion(rate, access, Available(left, Tiyn(money)))
    assert within is not None
    assert size <= within
    assert (size > 0) == (within > 0)
    assert size < 2 * PORTIONS[access].quantity + unit


@pytest.mark.clause("PSC-2.12")
def test_what_costs_nothing_gets_a_whole_portion_without_money() -> None:
    assert portion(data(0), Access.LTE, Available(0, Tiyn(0))) == 50_000_000
    assert portion(data(0), Access.LTE, Available(0, Tiyn(-5_000))) == 50_000_000


@pytest.mark.parametrize(
    ("money", "already", "size"),
    [
        (1_999, 0, 0),  # the connection (5.00) and the first minute (15.00) cost 20.00
        (2_000, 0, 60),
        (2_050, 0, 60),
        (50, 60, 2),  # later only seconds at 0.25
        (24, 60, 0),
    ],
)
def test_a_call_begins_when_its_connection_and_minimum_can_be_paid(money: int, already: int, size: int) -> None:
    rate = voice(25, unit=1, minimum=60, connection=Tiyn(500))
    assert portion(rate, Access.GSM, Available(0, Tiyn(money)), already) == size


def test_a_free_call_with_a_connection_charge_needs_its_price_once() -> None:
    rate = voice(0, connection=Tiyn(500))
    assert portion(rate, Access.GSM, Available(0, Tiyn(499))) == 0
    assert portion(rate, Access.GSM, Available(0, Tiyn(500))) == 300
    assert portion(rate, Access.GSM, Available(0, Tiyn(0)), already=300) == 300


def test_nothing_is_reserved_for_what_is_denied() -> None:
    denied = Rate(Service.VOICE, Unit.SECONDS, "x", "voice.x", "revenue.voice", denied=Denial.NOT_IN_PLAN)
    assert portion(denied, Access.LTE) == 0


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 10**9))
def test_what_is_affordable_costs_no_more_than_there_is(price: int, unit: int, money: int) -> None:
    rate = data(price, unit)
    within = affordable(rate, Available(0, Tiyn(money)))
    assert within is not None
    assume(within > 0)
    assert rate.cost(within) <= money
    assert rate.cost(within + unit) > money
