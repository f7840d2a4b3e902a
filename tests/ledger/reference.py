"""The ledger as a few pages of plain Python: what `telco.ledger` must answer, one operation after the other.

Written from docs/ledger.md, not from the SQL; slow where that makes it obvious.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from math import ceil, floor
from typing import Any

from telco.kernel.units import Unit
from telco.ledger.model import MAIN, BucketSpec, Charge, Kind, Line, Op, Outcome, Status

MONEY_LEVELS = "low"


@dataclass
class Bucket:
    number: int
    code: str
    unit: Unit
    balance: int
    initial: int
    priority: int
    valid_from: datetime
    valid_until: datetime | None
    origin: str
    held: int = 0
    told: set[str] = field(default_factory=set)

    def valid(self, now: datetime) -> bool:
        return self.valid_from <= now and (self.valid_until is None or now < self.valid_until)


@dataclass
class Hold:
    deadline: datetime
    kept: dict[int, int]


@dataclass
class Posting:
    """What an operation that went through moved, by bucket."""

    op: Op
    moved: dict[int, int]
    granted: dict[int, int]
    reversed: bool = False


def price(charge: Charge, quantity: int) -> int:
    """Units begun times price, half up once."""
    begun = ceil(Fraction(quantity, charge.rating_unit))
    return floor(Fraction(begun * charge.price_micro, 1_000_000) + Fraction(1, 2))


class Account:
    """One personal account."""

    def __init__(self, opened: datetime, low_mark: int | None) -> None:
        self.main = Bucket(0, MAIN, Unit.MONEY, 0, 0, 100, opened, None, "opening")
        self.buckets: dict[int, Bucket] = {0: self.main}
        self.closed: dict[int, Bucket] = {}
        self.last_number = 0
        self.credit_limit = 0
        self.low_mark = low_mark
        self.holds: dict[str, Hold] = {}
        self.answers: dict[str, tuple[Op, Outcome]] = {}
        self.postings: dict[str, Posting] = {}
        self.notices: list[tuple[int, str, str]] = []

    def answer(self, op: Op, now: datetime) -> Outcome:
        """Carry an operation out, or answer it again."""
        if op.op_id in self.answers:
            first, outcome = self.answers[op.op_id]
            if _identity(first) == _identity(op):
                return outcome._replace(replayed=True)
            return Outcome(op.op_id, Status.CONFLICT, False, (), 0, 0, None, 0)
        outcome = self._decide(op, now)
        self.answers[op.op_id] = (op, outcome)
        return outcome

    def _decide(self, op: Op, now: datetime) -> Outcome:
        match op.kind:
            case Kind.REVERSE:
                return self._refused(op, self._reverse(op))
            case Kind.EXPIRE | Kind.DRAIN:
                return self._take_back(op, now)
            case Kind.CREDIT_LIMIT:
                assert op.charge is not None
                self.credit_limit = op.charge.quantity
                return self._refused(op, Status.OK)
            case Kind.RESERVE if op.hold_id in self.holds:
                return self._refused(op, Status.HOLD_EXISTS)
            case Kind.RELEASE if op.hold_id not in self.holds:
                return self._refused(op, Status.UNKNOWN_HOLD)
            case Kind.RELEASE if op.if_due and self.holds[op.hold_id or ""].deadline > now:
                return self._refused(op, Status.NOT_DUE)
        return self._settle(op, now)

    def _refused(self, op: Op, status: Status) -> Outcome:
        return Outcome(op.op_id, status, False, (), 0, 0, None, self.main.balance)

    def _settle(self, op: Op, now: datetime) -> Outcome:
        given_back: dict[int, int] = {}
        if op.kind in (Kind.USE, Kind.RELEASE) and op.hold_id in self.holds:
            given_back = self.holds[op.hold_id or ""].kept
        free = {bucket.number: self._free(bucket, given_back.get(bucket.number, 0), now) for bucket in self._in_order()}
        taken, cost, short = self._allocate(op.charge, None, free)
        if short and op.kind in (Kind.DEBIT, Kind.PURCHASE) and not op.forced:
            return self._refused(op, Status.INSUFFICIENT_FUNDS)
        granted, kept = self._reserve(op, free)
        if op.kind is Kind.RESERVE and granted == 0:
            return self._refused(op, Status.INSUFFICIENT_FUNDS)

        charged = [Line(self.buckets[number].code, self.buckets[number].unit, amount) for number, amount in taken]
        posting = Posting(op, {}, {})
        for number, amount in taken:
            self._move(number, -amount, op, posting.moved)
        for number, amount in given_back.items():
            self.buckets[number].held -= amount
        if op.hold_id is not None:
            self.holds.pop(op.hold_id, None)
        if granted:
            assert op.hold_id is not None
            assert op.hold_deadline is not None
            for number, amount in kept.items():
                self.buckets[number].held += amount
            self.holds[op.hold_id] = Hold(op.hold_deadline, kept)
        self._grant(op, posting)
        self.postings[op.op_id] = posting
        self._watch_main(op, sum(posting.moved.values()))
        hold_id = op.hold_id if granted else None
        return Outcome(
            op.op_id, Status.OK, False, tuple(charged), cost, granted, hold_id, self.main.balance, max(short, 0)
        )

    def _in_order(self) -> list[Bucket]:
        def order(bucket: Bucket) -> tuple[Any, ...]:
            endless = bucket.valid_until is None
            return (bucket.priority, endless, bucket.valid_until or bucket.valid_from, bucket.number)

        return sorted(self.buckets.values(), key=order)

    def _free(self, bucket: Bucket, given_back: int, now: datetime) -> int:
        limit = self.credit_limit if bucket.number == 0 else 0
        free = max(0, bucket.balance - bucket.held + given_back + limit)
        return free if bucket.valid(now) else min(free, given_back)

    def _allocate(
        self, charge: Charge | None, quantity: int | None, free: dict[int, int]
    ) -> tuple[list[tuple[int, int]], int, int]:
        """Take `charge` out of `free`; what is short falls on the main balance. Lines, cost, short."""
        if charge is None:
            return [], 0, 0
        rest = charge.quantity if quantity is None else quantity
        lines: dict[int, int] = {}
        for bucket in self._in_order():
            if bucket.unit == charge.unit and bucket.code in charge.allowances:
                part = min(rest, free[bucket.number])
                rest -= _take(lines, free, bucket.number, part)
        cost = due = charge.fixed_tiyn + price(charge, rest)
        for bucket in self._in_order():
            if bucket.unit is Unit.MONEY and bucket.code in charge.money:
                due -= _take(lines, free, bucket.number, min(due, free[bucket.number]))
        lines[0] = lines.pop(0, 0) + due  # last, and with what is not there
        return [(number, amount) for number, amount in lines.items() if amount], cost, due

    def _reserve(self, op: Op, free: dict[int, int]) -> tuple[int, dict[int, int]]:
        charge = op.reserve
        if charge is None:
            return 0, {}

        def affordable(quantity: int) -> bool:
            return self._allocate(charge, quantity, dict(free))[2] == 0

        granted = charge.quantity if op.forced or affordable(charge.quantity) else 0
        if granted == 0 and op.partial and affordable(0):
            in_allowances = sum(
                free[bucket.number]
                for bucket in self.buckets.values()
                if bucket.unit == charge.unit and bucket.code in charge.allowances
            )
            few, many = 0, ceil(Fraction(charge.quantity, charge.rating_unit)) + 1
            while many - few > 1:  # the most whole units that money affords
                middle = (few + many) // 2
                if affordable(in_allowances + middle * charge.rating_unit):
                    few = middle
                else:
                    many = middle
            granted = in_allowances + few * charge.rating_unit
        lines, _, _ = self._allocate(charge, granted, free) if granted else ([], 0, 0)
        return granted, dict(lines)

    def _move(self, number: int, amount: int, op: Op, moved: dict[int, int]) -> None:
        bucket = self.buckets[number]
        bucket.balance += amount
        moved[number] = moved.get(number, 0) + amount
        if bucket.unit is not Unit.MONEY and amount < 0:
            used_up, mostly = bucket.balance <= 0, bucket.balance * 5 <= bucket.initial
            if used_up and "100" not in bucket.told:
                self.notices.append((number, "100", op.op_id))
                bucket.told |= {"80", "100"}
            elif mostly and "80" not in bucket.told:
                self.notices.append((number, "80", op.op_id))
                bucket.told.add("80")

    def _grant(self, op: Op, posting: Posting) -> None:
        for spec in op.grants:
            number = 0
            if spec.code == MAIN:
                self.main.balance += spec.amount
            else:
                self.last_number = number = self.last_number + 1
                self.buckets[number] = _bucket(number, spec)
            posting.granted[number] = posting.granted.get(number, 0) + spec.amount

    def _watch_main(self, op: Op, _: int) -> None:
        posting = self.postings[op.op_id]
        change = posting.moved.get(0, 0) + posting.granted.get(0, 0)
        if self.low_mark is None:
            return
        if self.main.balance >= self.low_mark:
            self.main.told.discard(MONEY_LEVELS)
        elif change < 0 and MONEY_LEVELS not in self.main.told:
            self.main.told.add(MONEY_LEVELS)
            self.notices.append((0, "low", op.op_id))

    def _take_back(self, op: Op, now: datetime) -> Outcome:
        total, posting = 0, Posting(op, {}, {})
        for number, bucket in list(self.buckets.items()):
            ended = bucket.valid_until is not None and bucket.valid_until <= now
            due = ended if op.kind is Kind.EXPIRE else bucket.origin == op.target
            if number == 0:
                continue
            if due:
                left = bucket.balance - bucket.held
                total += left
                bucket.balance -= left
                if left:
                    posting.moved[number] = -left
            endless = bucket.valid_until is None and (op.kind is Kind.EXPIRE or due)
            if bucket.balance == 0 and bucket.held == 0 and (ended or endless):
                self.closed[number] = self.buckets.pop(number)
        self.postings[op.op_id] = posting
        return Outcome(op.op_id, Status.OK, False, (), 0, total, None, self.main.balance)

    def _reverse(self, op: Op) -> Status:
        if op.target not in self.answers:
            return Status.UNKNOWN_OPERATION
        posting = self.postings.get(op.target or "")
        if posting is None or not (posting.moved or posting.granted):
            return Status.NOT_REVERSIBLE
        if posting.reversed:
            return Status.ALREADY_REVERSED
        change: dict[int, int] = {}
        for moved in (posting.moved, posting.granted):
            for number, amount in moved.items():
                change[number] = change.get(number, 0) - amount
        everything = {**self.closed, **self.buckets}
        for number in change:
            if number in self.closed:
                self.buckets[number] = self.closed.pop(number)
        spent = any(
            amount < 0 and everything[number].balance - everything[number].held + amount < 0
            for number, amount in change.items()
        )
        if spent and not op.forced:
            return Status.SPENT
        for number, amount in change.items():
            self.buckets[number].balance += amount
        posting.reversed = True
        if self.low_mark is not None and self.main.balance >= self.low_mark:
            self.main.told.discard(MONEY_LEVELS)
        return Status.OK


def _take(lines: dict[int, int], free: dict[int, int], number: int, amount: int) -> int:
    free[number] -= amount
    lines[number] = lines.get(number, 0) + amount
    return amount


def _bucket(number: int, spec: BucketSpec) -> Bucket:
    return Bucket(
        number,
        spec.code,
        spec.unit,
        spec.amount,
        spec.amount,
        spec.priority,
        spec.valid_from,
        spec.valid_until,
        spec.origin,
    )


def _identity(op: Op) -> Op:
    """A request without its moments."""
    grants: Iterable[BucketSpec] = (spec._replace(valid_from=_NO_TIME, valid_until=None) for spec in op.grants)
    return op._replace(hold_deadline=None, grants=tuple(grants))


_NO_TIME = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
