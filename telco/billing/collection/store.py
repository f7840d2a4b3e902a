"""The feature's own tables. Takes a connection, never commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from telco.billing.collection.model import (
    Action,
    CaseId,
    Channel,
    DayUnit,
    Debt,
    DebtId,
    DebtKind,
    DebtState,
    Objection,
    ObjectionId,
    Posting,
    Row,
    Step,
    StepTaken,
    StepVersion,
    Terms,
)
from telco.billing.collection.rules import Decision
from telco.billing.invoicing.model import Bill, Change, InvoiceId
from telco.db import queries
from telco.db.pool import Connection, Record
from telco.kernel.ids import AccountId, AccountRef, SubscriberId
from telco.kernel.money import Tiyn

Q = queries.load("telco.billing.collection")

# Figures and steps


async def terms(conn: Connection, days: Collection[date]) -> dict[date, Terms]:
    """Read the figures in force on each of these days."""
    found: dict[date, dict[str, int]] = defaultdict(dict)
    for row in await conn.fetch(Q.terms, sorted(set(days))):
        found[row["day"]][row["name"]] = row["value"]
    return {day: Terms(**values) for day, values in found.items()}


async def step_versions(conn: Connection) -> list[StepVersion]:
    return [
        StepVersion(
            Step(
                row["code"],
                Action(row["action"]),
                row["offset_days"],
                DayUnit(row["unit"]),
                Channel(row["channel"]),
            ),
            row["valid_from"],
            row["enabled"],
            row["set_by"],
        )
        for row in await conn.fetch(Q.steps)
    ]


def steps_for(versions: Iterable[StepVersion], due_on: date) -> list[Step]:
    """The steps that hold for debts due on a day: of each the newest version that is not later, if it is enabled."""
    newest: dict[str, StepVersion] = {}
    for version in versions:
        known = newest.get(version.step.code)
        if version.valid_from <= due_on and (known is None or known.valid_from < version.valid_from):
            newest[version.step.code] = version
    return [version.step for version in newest.values() if version.enabled]


# Debts


async def enrol(conn: Connection, bills: Sequence[Bill], post_on: Sequence[date], *, now: datetime) -> list[int]:
    """Begin debts that are not known yet, and again those that were paid and are not any more; returns their ids."""
    rows = await conn.fetch(
        Q.enrol,
        [bill.account.shard for bill in bills],
        [bill.account.account_id for bill in bills],
        [bill.invoice_id for bill in bills],
        [bill.number for bill in bills],
        [bill.subscriber_id for bill in bills],
        [bill.due_on for bill in bills],
        [bill.total for bill in bills],
        [bill.penalty_part for bill in bills],
        list(post_on),
        now,
        now,
    )
    return [row["debt_id"] for row in rows]


async def lock_due(conn: Connection, now: datetime, limit: int) -> list[Debt]:
    return [debt_of(row) for row in await conn.fetch(Q.lock_due, now, limit)]


async def lock_of_account(conn: Connection, account: AccountRef) -> list[Debt]:
    return [debt_of(row) for row in await conn.fetch(Q.lock_of_account, *account)]


async def lock_overdue(conn: Connection, after: int, limit: int) -> list[Debt]:
    return [debt_of(row) for row in await conn.fetch(Q.lock_overdue, after, limit)]


async def lock_debt(conn: Connection, debt_id: int) -> Debt | None:
    row = await conn.fetchrow(Q.lock_debt, debt_id)
    return None if row is None else debt_of(row)


async def lock_of_invoice(conn: Connection, invoice_id: InvoiceId) -> Debt | None:
    row = await conn.fetchrow(Q.lock_of_invoice, invoice_id)
    return None if row is None else debt_of(row)


async def save_debts(conn: Connection, debts: Sequence[Debt]) -> None:
    if debts:
        await conn.execute(
            Q.save_debts,
            *_columns(
                debts,
                "debt_id",
                "case_id",
                "state",
                "closed_at",
                "next_at",
                "noticed_on",
                "answer_until",
                "acknowledged_at",
                "suspended_at",
                "post_on",
                "penalty",
                "notice_again",
            ),
        )


def _columns(items: Sequence[object], *names: str) -> list[list[Any]]:
    return [[getattr(item, name) for item in items] for name in names]


def debt_of(row: Record) -> Debt:
    return Debt(
        DebtId(row["debt_id"]),
        None if row["case_id"] is None else CaseId(row["case_id"]),
        AccountRef(row["shard"], AccountId(row["account_id"])),
        DebtKind(row["kind"]),
        row["invoice_id"],
        row["number"],
        SubscriberId(row["subscriber_id"]),
        row["due_on"],
        Tiyn(row["total_tiyn"]),
        Tiyn(row["penalty_part_tiyn"]),
        row["opened_at"],
        row["round"],
        DebtState(row["state"]),
        row["closed_at"],
        row["next_at"],
        row["noticed_on"],
        row["answer_until"],
        row["acknowledged_at"],
        row["suspended_at"],
        row["post_on"],
        Tiyn(row["penalty_tiyn"]),
        row["notice_again"],
    )


# Steps that were taken


async def taken_of(conn: Connection, debts: Collection[int]) -> dict[int, list[StepTaken]]:
    found: dict[int, list[StepTaken]] = defaultdict(list)
    for row in await conn.fetch(Q.taken_of, list(debts)):
        found[row["debt_id"]].append(
            StepTaken(
                row["step"],
                Action(row["action"]),
                row["due_on"],
                row["taken_at"],
                Channel(row["channel"]),
                row["outcome"],
            )
        )
    return found


class Taking(NamedTuple):
    """A step that is taken of a debt now, and the channel that reaches the debtor."""

    debt: Debt
    decision: Decision
    channel: Channel


async def take_steps(conn: Connection, takings: Sequence[Taking], now: datetime) -> None:
    if takings:
        await conn.execute(
            Q.take_steps,
            [taking.debt.debt_id for taking in takings],
            [taking.debt.round for taking in takings],
            [taking.decision.step.code for taking in takings],
            [taking.decision.step.action for taking in takings],
            [taking.decision.due_on for taking in takings],
            [taking.channel for taking in takings],
            ["lapsed" if taking.decision.lapsed else "done" for taking in takings],
            now,
        )


# Cases


async def open_cases(conn: Connection, accounts: Collection[AccountRef], now: datetime) -> dict[AccountRef, CaseId]:
    """Read the open case of each account, made where there is none."""
    wanted = sorted(set(accounts))
    rows = await conn.fetch(
        Q.open_cases, [account.shard for account in wanted], [account.account_id for account in wanted], now
    )
    return {AccountRef(row["shard"], AccountId(row["account_id"])): CaseId(row["case_id"]) for row in rows}


async def settle_cases(conn: Connection, cases: Iterable[CaseId | None], now: datetime) -> None:
    """Close cases that have no overdue debt any more, and note where services are not suspended any more."""
    wanted = sorted({case for case in cases if case is not None})
    if wanted:
        await conn.fetch(Q.lock_cases, wanted)
        await conn.execute(Q.settle_cases, wanted, now)


# Objections


async def disputed(conn: Connection, debts: Collection[int]) -> dict[int, bool]:
    """Which debts have an objection that waits, and whether it was made in time."""
    return {row["debt_id"]: row["in_time"] for row in await conn.fetch(Q.disputed, list(debts))}


def objection_of(row: Record) -> Objection:
    return Objection(
        ObjectionId(row["objection_id"]),
        DebtId(row["debt_id"]),
        row["registered_at"],
        row["channel"],
        row["author"],
        row["body"],
        row["in_time"],
        row["decided_at"],
        row["decided_by"],
        row["upheld"],
        row["decision"],
    )


# Penalties


class NewPosting(NamedTuple):
    debt_id: DebtId
    amount: Tiyn
    op_id: str


async def add_postings(conn: Connection, postings: Sequence[NewPosting], through: date, now: datetime) -> None:
    await conn.execute(
        Q.add_posting,
        [posting.debt_id for posting in postings],
        [posting.amount for posting in postings],
        [posting.op_id for posting in postings],
        through,
        now,
    )


def posting_of(row: Record) -> Posting:
    return Posting(row["through"], Tiyn(row["amount_tiyn"]), row["posted_at"], row["reversed_at"])


# Debts found later


async def found_changes(conn: Connection, debts: Collection[int]) -> dict[int, list[Change]]:
    found: dict[int, list[Change]] = defaultdict(list)
    for row in await conn.fetch(Q.found_payments, list(debts)):
        found[row["debt_id"]].append(Change(row["paid_on"], Tiyn(row["amount_tiyn"])))
    return found


# Lists


async def rows(conn: Connection, query: str, day: date, after: int, limit: int) -> list[Row]:
    return [
        Row(
            DebtId(row["debt_id"]),
            None if row["case_id"] is None else CaseId(row["case_id"]),
            row["day"],
            row["data"],
            row["withdrawn_on"],
        )
        for row in await conn.fetch(query, day, after, limit)
    ]
