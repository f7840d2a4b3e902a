"""What makes no sense is refused before it reaches a batch, and said clearly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.money import MICRO
from telco.kernel.units import Unit
from telco.ledger.errors import InvalidOperationError
from telco.ledger.model import (
    MAX_ID,
    MAX_MONEY,
    MAX_QUANTITY,
    BucketSpec,
    Charge,
    Op,
    credit,
    credit_limit,
    debit,
    grant,
    price_tiyn,
    purchase,
    release,
    reserve,
    sum_charge,
    use,
)

ACCOUNT = AccountRef(0, AccountId(1))
NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
CALL = Charge(Unit.SECONDS, 60, ("voice.any",), 60, 1_000_000_000)
SPEC = BucketSpec("data.any", Unit.BYTES, 1, 10, NOW, NOW + timedelta(days=1), "plan")


def charged(charge: Charge) -> Callable[[], Op]:
    return lambda: debit(ACCOUNT, "d", charge, contra="revenue.voice")


def granted(spec: BucketSpec) -> Callable[[], Op]:
    return lambda: grant(ACCOUNT, "g", (spec,), contra="bonus.cost")


REFUSED: list[tuple[str, Callable[[], Op]]] = [
    ("op_id", lambda: debit(ACCOUNT, "", CALL, contra="revenue.voice")),
    ("op_id", lambda: debit(ACCOUNT, "x" * (MAX_ID + 1), CALL, contra="revenue.voice")),
    ("op_id", lambda: debit(ACCOUNT, "a\x00b", CALL, contra="revenue.voice")),
    ("op_id", lambda: debit(ACCOUNT, "a\x1fb", CALL, contra="revenue.voice")),
    ("op_id", lambda: debit(ACCOUNT, "\ud800", CALL, contra="revenue.voice")),
    ("hold_id", lambda: release(ACCOUNT, "r", hold_id="")),
    ("charge.quantity", charged(CALL._replace(quantity=-1))),
    ("charge.quantity", charged(CALL._replace(quantity=MAX_QUANTITY + 1))),
    ("charge.rating_unit", charged(CALL._replace(rating_unit=0))),
    ("charge.price_micro", charged(CALL._replace(price_micro=-1))),
    ("charge.fixed_tiyn", charged(CALL._replace(fixed_tiyn=-1))),
    ("charge.fixed_tiyn", charged(CALL._replace(fixed_tiyn=MAX_MONEY + 1))),
    ("charge", charged(sum_charge(MAX_MONEY + 1))),
    ("charge.allowances", charged(Charge(Unit.MONEY, 1, ("bonus",)))),
    (
        "reserve.quantity",  # wound: a request without units
        lambda: reserve(ACCOUNT, "r", CALL._replace(quantity=0), hold_id="h", hold_deadline=NOW, contra="c"),
    ),
    ("hold_deadline", lambda: use(ACCOUNT, "u", CALL, hold_id="h", reserve=CALL, contra="c")),
    ("amount", lambda: credit(ACCOUNT, "c", 0, contra="cash.card")),
    ("amount", lambda: credit(ACCOUNT, "c", -1, contra="cash.card")),
    ("amount", lambda: credit(ACCOUNT, "c", MAX_MONEY + 1, contra="cash.card")),
    ("grants", lambda: grant(ACCOUNT, "g", (), contra="bonus.cost")),
    ("grants", lambda: grant(ACCOUNT, "g", (SPEC,) * 51, contra="bonus.cost")),
    ("grants.amount", granted(SPEC._replace(amount=-1))),  # wound: a negative grant
    ("grants.amount", granted(SPEC._replace(amount=0))),
    ("grants.amount", lambda: purchase(ACCOUNT, "p", CALL, grants=(SPEC._replace(amount=-5),), contra="c")),
    ("grants.valid_until", granted(SPEC._replace(valid_until=NOW))),
    ("grants.unit", granted(SPEC._replace(code="main"))),
    ("limit", lambda: credit_limit(ACCOUNT, "l", -1)),
]


@pytest.mark.parametrize(("field", "make"), REFUSED)
def test_a_request_that_makes_no_sense_is_refused(field: str, make: Callable[[], Op]) -> None:
    with pytest.raises(InvalidOperationError) as refused:
        make()
    assert refused.value.field == field


@pytest.mark.parametrize(
    "make",
    [
        charged(sum_charge(MAX_MONEY)),
        charged(CALL._replace(quantity=0)),
        charged(CALL._replace(quantity=MAX_QUANTITY, price_micro=0)),
        lambda: credit(ACCOUNT, "x" * MAX_ID, MAX_MONEY, contra="cash.card"),
        granted(SPEC._replace(amount=MAX_QUANTITY)),
    ],
)
def test_the_limits_themselves_are_allowed(make: Callable[[], Op]) -> None:
    assert make().account == ACCOUNT


def test_a_next_portion_of_nothing_is_no_portion() -> None:
    op = use(ACCOUNT, "u", CALL, hold_id="h", reserve=CALL._replace(quantity=0), contra="c")
    assert op.reserve is None


@pytest.mark.clause("PSC-1.1.8")
@given(
    quantity=st.integers(0, 10**12),
    rating_unit=st.integers(1, 10**7),
    price_micro=st.integers(0, 10**9),
)
def test_a_price_is_units_begun_times_price_rounded_half_up_once(
    quantity: int, rating_unit: int, price_micro: int
) -> None:
    units = Decimal(quantity) / rating_unit
    begun = int(units.to_integral_value(rounding="ROUND_CEILING"))
    exact = Decimal(begun) * price_micro / MICRO
    assert price_tiyn(quantity, rating_unit, price_micro) == exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)
