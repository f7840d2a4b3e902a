"""The ledger's words: what a bucket holds, what an operation asks for, what comes of it.

Operations are built by the functions below (`debit`, `reserve`, ...), which refuse what makes no sense before it
reaches a batch. The types are named tuples because tens of thousands a second are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from telco.kernel.ids import AccountRef
from telco.kernel.money import MICRO, Tiyn
from telco.kernel.units import Unit
from telco.ledger.errors import InvalidOperationError

MAIN = "main"
DEFAULT_MONEY = ("trust", "bonus", MAIN)
"""Money buckets that may pay unless a charge names others; among them priority and end decide."""

MAX_QUANTITY = 10**15
"""Of any unit in one operation: a petabyte, thirty million years of seconds."""
MAX_MONEY = Tiyn(9 * 10**12)
"""Tiyn in one operation: 90 billion tenge. Priced in micro-tiyn it still fits in 64 bits."""
MAX_ID = 128
"""Characters of an operation's, a hold's or an operator account's id."""
MAX_GRANTS = 50
NO_DETAILS: Mapping[str, object] = MappingProxyType({})
NOWHERE = "ledger.none"
"""The operator's account of operations that move nothing."""


class Kind(IntEnum):
    """What an operation does. The numbers are stored; never renumber them."""

    DEBIT = 1
    RESERVE = 2
    USE = 3
    RELEASE = 4
    CREDIT = 5
    PURCHASE = 6
    EXPIRE = 7
    REVERSE = 8
    CREDIT_LIMIT = 9
    DRAIN = 10


class Status(IntEnum):
    """What came of an operation. The numbers are stored; never renumber them.

    Several may apply; the one that is told is the first of `PRECEDENCE`.
    """

    OK = 0
    INSUFFICIENT_FUNDS = 1
    UNKNOWN_ACCOUNT = 2
    CONFLICT = 3
    """The id was used for another request; `Outcome.conflict_field` says what differs."""
    UNKNOWN_HOLD = 4
    HOLD_EXISTS = 5
    NOT_DUE = 6
    """A sweep came for a hold that was prolonged meanwhile."""
    UNKNOWN_OPERATION = 7
    NOT_REVERSIBLE = 8
    """Nothing was moved, or it is a reversal itself."""
    ALREADY_REVERSED = 9
    SPENT = 10
    """What the reversed operation gave was used meanwhile; only a forced reversal takes it back."""


PRECEDENCE = (
    Status.UNKNOWN_ACCOUNT,
    Status.CONFLICT,
    Status.HOLD_EXISTS,
    Status.UNKNOWN_HOLD,
    Status.NOT_DUE,
    Status.UNKNOWN_OPERATION,
    Status.NOT_REVERSIBLE,
    Status.ALREADY_REVERSED,
    Status.SPENT,
    Status.INSUFFICIENT_FUNDS,
    Status.OK,
)
"""Results in the order in which they are told. An unknown account comes first and is the only one not remembered;
a repeated id is answered with its first result before the account is looked at."""


class BucketSpec(NamedTuple):
    """A bucket that a grant creates; for code "main", what it adds to the main balance."""

    code: str
    unit: Unit
    amount: int
    priority: int
    valid_from: datetime
    valid_until: datetime | None
    origin: str


class Charge(NamedTuple):
    """What is to be paid, in service units.

    Buckets named in `allowances` pay first, in `unit`. What is left is rounded up to `rating_unit` and priced at
    `price_micro` micro-tiyn each, half up to a tiyn, once per event; `fixed_tiyn` comes on top. Buckets named in
    `money` pay that. Among buckets priority decides, then the earliest end.

    Contract: PSC-1.1.8, PSC-2.7
    """

    unit: Unit
    quantity: int
    allowances: tuple[str, ...] = ()
    rating_unit: int = 1
    price_micro: int = MICRO
    money: tuple[str, ...] = DEFAULT_MONEY
    fixed_tiyn: int = 0


class Op(NamedTuple):
    """One operation on one account. `op_id` is its caller's, unique per account: the same again is answered alike."""

    account: AccountRef
    op_id: str
    kind: Kind
    contra: str
    charge: Charge | None = None
    reserve: Charge | None = None
    hold_id: str | None = None
    hold_deadline: datetime | None = None
    partial: bool = False
    forced: bool = False
    if_due: bool = False
    grants: tuple[BucketSpec, ...] = ()
    grant_contra: str | None = None
    target: str | None = None
    details: Mapping[str, object] = NO_DETAILS


class Line(NamedTuple):
    """What one bucket gave: its code, unit and the amount."""

    code: str
    unit: Unit
    amount: int


class Outcome(NamedTuple):
    """What came of an operation. A refusal is an outcome like any other.

    `charged` lists what each bucket gave, in the order in which they paid, the main balance last; `cost_tiyn` is the
    money in it and `forced_tiyn` the part of that money which was not available and drove the main balance down.
    `granted_quantity` is what the reserve holds now (for a drain or an expiry: what was taken back); with nothing
    granted there is no hold and `hold_id` is None.
    """

    op_id: str
    status: Status
    replayed: bool
    charged: tuple[Line, ...]
    cost_tiyn: int
    granted_quantity: int
    hold_id: str | None
    main_after: int
    forced_tiyn: int = 0
    conflict_field: str | None = None


def sum_charge(amount: int, *, money: tuple[str, ...] = DEFAULT_MONEY) -> Charge:
    """A plain sum of money, in tiyn."""
    return Charge(Unit.MONEY, amount, (), 1, MICRO, money)


def price_tiyn(quantity: int, rating_unit: int, price_micro: int) -> int:
    """Return the price of `quantity` in tiyn: rating units begun times price, half up, once. Contract: PSC-1.1.8"""
    return (-(-quantity // rating_unit) * price_micro + MICRO // 2) // MICRO


def debit(
    account: AccountRef,
    op_id: str,
    charge: Charge,
    *,
    contra: str,
    forced: bool = False,
    details: Mapping[str, object] = NO_DETAILS,
) -> Op:
    """Charge an event at once; `forced` lets the main balance go below what is available (roaming, overrun).

    Contract: PSC-3.1.1, PSC-3.2.5
    """
    _check_id("op_id", op_id)
    _check_charge("charge", charge)
    return _op(account, op_id, _DEBIT, contra, charge, forced=forced, details=details)


def reserve(
    account: AccountRef,
    op_id: str,
    charge: Charge,
    *,
    hold_id: str,
    hold_deadline: datetime,
    contra: str,
    partial: bool = False,
    forced: bool = False,
    details: Mapping[str, object] = NO_DETAILS,
) -> Op:
    """Hold a portion until it is used, released or its deadline passes; `partial` takes what there is, if anything.

    A request without units is the caller's to size (a default portion); zero is refused here.

    Contract: PSC-2.12
    """
    _check_id("op_id", op_id)
    _check_id("hold_id", hold_id)
    _check_charge("reserve", charge)
    if charge.quantity == 0:
        raise InvalidOperationError(field="reserve.quantity", why="must be at least 1")
    return _op(account, op_id, _RESERVE, contra, None, charge, hold_id, hold_deadline, partial, forced, details)


def use(
    account: AccountRef,
    op_id: str,
    charge: Charge,
    *,
    hold_id: str,
    contra: str,
    reserve: Charge | None = None,
    hold_deadline: datetime | None = None,
    partial: bool = True,
    details: Mapping[str, object] = NO_DETAILS,
) -> Op:
    """Charge what was used of a hold and, with `reserve`, hold the next portion under the same id.

    The whole hold is given back first, so a new grant replaces the old one. Usage has happened: what is not available
    is forced onto the main balance and told as `forced_tiyn`; a hold that is gone changes nothing of that. When the
    next portion cannot be granted, `granted_quantity` is 0 and no hold is left.

    Contract: PSC-2.12
    """
    _check_id("op_id", op_id)
    _check_id("hold_id", hold_id)
    _check_charge("charge", charge)
    if reserve is not None:
        _check_charge("reserve", reserve)
        if reserve.quantity == 0:
            reserve = None
        elif hold_deadline is None:
            raise InvalidOperationError(field="hold_deadline", why="is missing for the next portion")
    return _op(account, op_id, _USE, contra, charge, reserve, hold_id, hold_deadline, partial, False, details)


def release(
    account: AccountRef,
    op_id: str,
    *,
    hold_id: str,
    if_due: bool = False,
    details: Mapping[str, object] = NO_DETAILS,
) -> Op:
    """Give a hold back unused; with `if_due` only if its deadline has passed."""
    _check_id("op_id", op_id)
    _check_id("hold_id", hold_id)
    return Op(account, op_id, Kind.RELEASE, NOWHERE, hold_id=hold_id, if_due=if_due, details=details)


def credit(
    account: AccountRef,
    op_id: str,
    amount: int,
    *,
    contra: str,
    details: Mapping[str, object] = NO_DETAILS,
) -> Op:
    """Add money to the main balance, from the operator's account `contra` ("cash.card"). Contract: PSC-4.1"""
    _check_id("op_id", op_id)
    if not 0 < amount <= MAX_MONEY:
        raise InvalidOperationError(field="amount", why=f"must be 1 to {MAX_MONEY} tiyn")
    spec = BucketSpec(MAIN, Unit.MONEY, amount, 0, _ALWAYS, None, contra)
    return Op(account, op_id, Kind.CREDIT, contra, grants=(spec,), grant_contra=contra, details=details)


def grant(
    account: AccountRef,
    op_id: str,
    grants: tuple[BucketSpec, ...],
    *,
    contra: str,
    details: Mapping[str, object] = NO_DETAILS,
) -> Op:
    """Create buckets of money or allowances for nothing, at the cost of `contra` ("bonus.cost")."""
    _check_id("op_id", op_id)
    _check_grants(grants)
    if not grants:
        raise InvalidOperationError(field="grants", why="must name at least one bucket")
    return Op(account, op_id, Kind.CREDIT, contra, grants=grants, grant_contra=contra, details=details)


def purchase(
    account: AccountRef,
    op_id: str,
    charge: Charge,
    *,
    grants: tuple[BucketSpec, ...],
    contra: str,
    grant_contra: str = "allowances.granted",
    forced: bool = False,
    details: Mapping[str, object] = NO_DETAILS,
) -> Op:
    """Take a price and grant what it buys, at once: no money, no grants. Contract: PSC-3.2.5"""
    _check_id("op_id", op_id)
    _check_charge("charge", charge)
    _check_grants(grants)
    return Op(
        account,
        op_id,
        Kind.PURCHASE,
        contra,
        charge,
        forced=forced,
        grants=grants,
        grant_contra=grant_contra,
        details=details,
    )


def expire(account: AccountRef, op_id: str, *, contra: str = "breakage") -> Op:
    """Take back what is left in buckets whose time is over."""
    _check_id("op_id", op_id)
    return Op(account, op_id, Kind.EXPIRE, contra)


def drain(
    account: AccountRef, op_id: str, *, origin: str, contra: str, details: Mapping[str, object] = NO_DETAILS
) -> Op:
    """Take back what is left in the buckets of one origin (an ended service, bonuses at the contract's end).

    Contract: PSC-6.5
    """
    _check_id("op_id", op_id)
    _check_id("origin", origin)
    return Op(account, op_id, Kind.DRAIN, contra, target=origin, details=details)


def reverse(
    account: AccountRef,
    op_id: str,
    *,
    target: str,
    forced: bool = False,
    details: Mapping[str, object] = NO_DETAILS,
) -> Op:
    """Post the exact opposite of operation `target`, once. What it gave must still be there, unless `forced`.

    Contract: PSC-3.1.8
    """
    _check_id("op_id", op_id)
    _check_id("target", target)
    return Op(account, op_id, Kind.REVERSE, NOWHERE, forced=forced, target=target, details=details)


def credit_limit(account: AccountRef, op_id: str, limit: int, *, details: Mapping[str, object] = NO_DETAILS) -> Op:
    """Let the main balance go down to `-limit` tiyn. Contract: PSC-3.2.6"""
    _check_id("op_id", op_id)
    if not 0 <= limit <= MAX_MONEY:
        raise InvalidOperationError(field="limit", why=f"must be 0 to {MAX_MONEY} tiyn")
    return Op(account, op_id, Kind.CREDIT_LIMIT, NOWHERE, Charge(Unit.MONEY, limit, (), 1, 0, ()), details=details)


_MAX_MICRO = MAX_MONEY * MICRO
_ALWAYS = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
_DEBIT, _RESERVE, _USE = Kind.DEBIT, Kind.RESERVE, Kind.USE
_new = tuple.__new__


def _op(
    account: AccountRef,
    op_id: str,
    kind: Kind,
    contra: str,
    charge: Charge | None = None,
    reserve: Charge | None = None,
    hold_id: str | None = None,
    hold_deadline: datetime | None = None,
    partial: bool = False,
    forced: bool = False,
    details: Mapping[str, object] = NO_DETAILS,
) -> Op:
    """Make an operation of the hot kinds at a third of the price of calling its class."""
    return _new(
        Op,
        (
            account,
            op_id,
            kind,
            contra,
            charge,
            reserve,
            hold_id,
            hold_deadline,
            partial,
            forced,
            False,
            (),
            None,
            None,
            details,
        ),
    )


def _check_id(field: str, value: str) -> None:
    if not 0 < len(value) <= MAX_ID or not value.isprintable():
        raise InvalidOperationError(field=field, why=f"must be 1 to {MAX_ID} printable characters")


def _check_charge(field: str, charge: Charge) -> None:
    unit, quantity, allowances, rating_unit, price_micro, _, fixed_tiyn = charge
    if not (
        0 <= quantity <= MAX_QUANTITY
        and rating_unit >= 1
        and price_micro >= 0
        and 0 <= fixed_tiyn <= MAX_MONEY
        and -(-quantity // rating_unit) * price_micro <= _MAX_MICRO
        and not (allowances and unit == Unit.MONEY)
    ):
        raise _wrong_charge(field, charge)


def _wrong_charge(field: str, charge: Charge) -> InvalidOperationError:
    """Say what is wrong with a charge."""
    if not 0 <= charge.quantity <= MAX_QUANTITY:
        return InvalidOperationError(field=f"{field}.quantity", why=f"must be 0 to {MAX_QUANTITY}")
    if charge.rating_unit < 1:
        return InvalidOperationError(field=f"{field}.rating_unit", why="must be at least 1")
    if charge.price_micro < 0:
        return InvalidOperationError(field=f"{field}.price_micro", why="must not be negative")
    if not 0 <= charge.fixed_tiyn <= MAX_MONEY:
        return InvalidOperationError(field=f"{field}.fixed_tiyn", why=f"must be 0 to {MAX_MONEY} tiyn")
    if charge.unit == Unit.MONEY and charge.allowances:
        return InvalidOperationError(field=f"{field}.allowances", why="cannot pay a sum of money")
    return InvalidOperationError(field=field, why=f"must not cost more than {MAX_MONEY} tiyn")


def _check_grants(grants: tuple[BucketSpec, ...]) -> None:
    if len(grants) > MAX_GRANTS:
        raise InvalidOperationError(field="grants", why=f"must be at most {MAX_GRANTS}")
    for spec in grants:
        _check_id("grants.code", spec.code)
        _check_id("grants.origin", spec.origin)
        if not 0 < spec.amount <= (MAX_MONEY if spec.unit == Unit.MONEY else MAX_QUANTITY):
            raise InvalidOperationError(field="grants.amount", why="must be positive and within limits")
        if spec.valid_until is not None and spec.valid_until <= spec.valid_from:
            raise InvalidOperationError(field="grants.valid_until", why="must be after valid_from")
        if spec.code == MAIN and spec.unit != Unit.MONEY:
            raise InvalidOperationError(field="grants.unit", why="of the main balance is money")
