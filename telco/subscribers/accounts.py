"""What other features do to every number of personal accounts at once, in their own transaction.

Billing suspends, resumes and ends by account: one statement for many, and together with what it notes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from telco.db import outbox, queries
from telco.db.pool import Connection, Record
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountId, AccountRef, ContractId, SubscriberId
from telco.kernel.msisdn import Msisdn
from telco.subscribers import rules, store
from telco.subscribers.contracts import end_subscription
from telco.subscribers.desk import Desk
from telco.subscribers.model import EndGround, Ground, Origin, PartyKind

_Q = queries.load("telco.subscribers", "accounts.sql")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who answers for a personal account: the party of its contract, also when its numbers ended or went elsewhere."""

    account: AccountRef
    contract_id: ContractId
    party_kind: PartyKind
    iin_bin: str
    full_name: str
    postal_address: str | None
    email: str | None
    contact_phone: str | None
    subscriber_id: SubscriberId | None
    """Its oldest number in use or the last that was; None where no number ever spent from it."""
    msisdn: Msisdn | None
    language: Language
    in_use: bool
    """Whether a number spends from it. The last that did may have another holder by now: nothing is told to it."""


@dataclass(frozen=True, slots=True)
class OpenSuspension:
    """A suspension in force, as far as its author needs it to check himself."""

    suspension_id: int
    subscriber_id: SubscriberId
    account: AccountRef
    reference: str


class Accounts:
    """Use cases on all numbers of accounts. Each joins the caller's transaction and may be repeated without harm."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def suspend(
        self, conn: Connection, wanted: Sequence[tuple[AccountRef, str]], ground: Ground, origin: Origin, *, reason: str
    ) -> int:
        """Suspend every number of the accounts, each account under its reference; returns how many suspensions began.

        Contract: PSC-3.1.5
        """
        now = self._desk.clock.now()
        scopes = sorted(rules.check_suspension(ground, (), "", origin, now, None))
        rows = await conn.fetch(
            _Q.suspend_accounts,
            [account.shard for account, _ in wanted],
            [account.account_id for account, _ in wanted],
            [reference for _, reference in wanted],
            ground,
            scopes,
            reason,
            origin.author,
            now,
        )
        events = [
            _event(
                "subscribers.suspended",
                row,
                {
                    "msisdn": row["msisdn"],
                    "language": row["language"],
                    "suspension_id": row["suspension_id"],
                    "ground": ground,
                    "scopes": scopes,
                    "reference": row["reference"],
                    "ends_at": None,
                    "asked": not origin.automatic,
                },
            )
            for row in rows
        ]
        await outbox.emit_many(conn, events, at=now)
        return len(rows)

    async def resume(
        self, conn: Connection, references: Iterable[str], ground: Ground, origin: Origin, *, reason: str
    ) -> int:
        """End the suspensions on a ground under these references; returns how many ended.

        A number is served again only when no other suspension forbids it.

        Contract: PSC-3.1.5
        """
        now = self._desk.clock.now()
        ended = await conn.fetch(_Q.resume_references, ground, sorted(references), now, origin.author, reason)
        if not ended:
            return 0
        numbers = sorted({row["subscription_id"] for row in ended})
        left = {row["subscription_id"]: row for row in await conn.fetch(_Q.still_barred, numbers, now)}
        events = [
            _event(
                "subscribers.resumed",
                row,
                {
                    "suspension_id": row["suspension_id"],
                    "ground": ground,
                    "reference": row["reference"],
                    "barred": list(left[row["subscription_id"]]["barred"]),
                    "asked": not origin.automatic,
                },
            )
            for row in ended
        ]
        await outbox.emit_many(conn, events, at=now)
        return len(ended)

    async def end(self, conn: Connection, account: AccountRef, ground: EndGround, origin: Origin) -> list[SubscriberId]:
        """End every number of an account on a ground of the contract; returns which. Contract: PSC-6.3.3"""
        work = self._desk.work(conn, origin)
        rows = await conn.fetch(_Q.in_use_of_account, account.shard, account.account_id)
        for row in rows:
            await end_subscription(work, await store.lock_subscription(conn, row["subscription_id"]), ground)
        return [SubscriberId(row["subscription_id"]) for row in rows]

    async def holders(self, conn: Connection, accounts: Sequence[AccountRef]) -> dict[AccountRef, Holder]:
        """Read who answers for each of the accounts; the caller writes the audit row where a person looks at it."""
        rows = await conn.fetch(
            _Q.holders, [account.shard for account in accounts], [account.account_id for account in accounts]
        )
        return {holder.account: holder for holder in map(_holder, rows)}


async def suspended_by(conn: Connection, ground: Ground, author: str, after: int, limit: int) -> list[OpenSuspension]:
    """Read suspensions in force that `author` made on a ground, from beyond an id, so that he can check himself."""
    return [
        OpenSuspension(
            row["suspension_id"],
            SubscriberId(row["subscription_id"]),
            AccountRef(row["shard"], AccountId(row["account_id"])),
            row["reference"],
        )
        for row in await conn.fetch(_Q.open_on_ground, ground, after, author, limit)
    ]


def _event(topic: str, row: Record, payload: dict[str, object]) -> tuple[str, str, dict[str, object]]:
    subscriber_id = row["subscription_id"]
    return topic, f"subscriber:{subscriber_id}", {"subscriber_id": subscriber_id, **payload}


def _holder(row: Record) -> Holder:
    return Holder(
        account=AccountRef(row["shard"], AccountId(row["account_id"])),
        contract_id=ContractId(row["contract_id"]),
        party_kind=PartyKind(row["party_kind"]),
        iin_bin=row["iin_bin"],
        full_name=row["full_name"],
        postal_address=row["postal_address"],
        email=row["email"],
        contact_phone=row["contact_phone"],
        subscriber_id=None if row["subscription_id"] is None else SubscriberId(row["subscription_id"]),
        msisdn=None if row["msisdn"] is None else Msisdn(row["msisdn"]),
        language=Language(row["language"] or Language.RU),
        in_use=bool(row["in_use"]),
    )
