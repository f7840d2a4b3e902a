"""SQL of the instalments' own tables; takes a connection, never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from telco.billing.instalments.model import (
    Agreement,
    AgreementId,
    AgreementState,
    Part,
    Sale,
    Standing,
)
from telco.db import queries
from telco.db.pool import Connection, Record
from telco.kernel.ids import AccountId, AccountRef, ContractId, PartyId, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.subscribers.model import Channel, Origin, Subscriber

Q = queries.load("telco.billing.instalments")


@dataclass(frozen=True, slots=True)
class DuePart:
    """A part whose day has come, with what posting it needs."""

    agreement_id: AgreementId
    number: str
    part_no: int
    months: int
    due_on: date
    amount: Tiyn
    account: AccountRef
    subscriber_id: SubscriberId
    msisdn: Msisdn


def agreement_of(row: Record) -> Agreement:
    return Agreement(
        agreement_id=AgreementId(row["agreement_id"]),
        number=row["number"],
        request_id=row["request_id"],
        subscriber_id=SubscriberId(row["subscriber_id"]),
        party_id=PartyId(row["party_id"]),
        contract_id=ContractId(row["contract_id"]),
        msisdn=Msisdn(row["msisdn"]),
        account=_account(row),
        plan_code=row["plan_code"],
        plan_version=row["plan_version"],
        device=row["device"],
        imei=row["imei"],
        price=Tiyn(row["price_tiyn"]),
        down_payment=Tiyn(row["down_tiyn"]),
        months=row["months"],
        signed_at=row["signed_at"],
        signed_on=row["signed_on"],
        signed_by=row["signed_by"],
        consent_version=row["consent_version"],
        consent_channel=Channel(row["consent_channel"]),
        consent_at=row["consent_at"],
        state=AgreementState(row["state"]),
        closed_at=row["closed_at"],
        closed_by=row["closed_by"],
        close_reason=row["close_reason"],
    )


def _account(row: Record) -> AccountRef:
    return AccountRef(row["shard"], AccountId(row["account_id"]))


async def insert_agreement(
    conn: Connection,
    *,
    number: str,
    request_id: str,
    subscriber: Subscriber,
    sale: Sale,
    plan_version: int,
    parts: Sequence[Part],
    consent_version: str,
    origin: Origin,
    now: datetime,
    today: date,
) -> Agreement:
    """Write an agreement and its schedule."""
    row = await conn.fetchrow(
        Q.insert_agreement,
        number,
        request_id,
        subscriber.subscriber_id,
        subscriber.party_id,
        subscriber.contract_id,
        subscriber.msisdn,
        *subscriber.account,
        sale.plan_code,
        plan_version,
        sale.device,
        sale.imei,
        sale.price,
        sale.down_payment,
        sale.months,
        now,
        today,
        origin.author,
        consent_version,
        origin.channel,
    )
    assert row is not None
    agreement = agreement_of(row)
    await conn.execute(
        Q.insert_parts,
        agreement.agreement_id,
        [part.part_no for part in parts],
        [part.due_on for part in parts],
        [part.amount for part in parts],
    )
    return agreement


async def standings(conn: Connection, agreements: Sequence[Agreement]) -> list[Standing]:
    """Read the parts of agreements, keeping their order."""
    rows = await conn.fetch(Q.parts_of, [agreement.agreement_id for agreement in agreements])
    parts: dict[int, list[Part]] = {}
    for row in rows:
        part = Part(
            row["part_no"],
            row["due_on"],
            Tiyn(row["amount_tiyn"]),
            row["posted_at"],
            row["op_id"],
            row["cancelled_at"],
        )
        parts.setdefault(row["agreement_id"], []).append(part)
    return [Standing(agreement, tuple(parts.get(agreement.agreement_id, ()))) for agreement in agreements]


async def open_rests(conn: Connection, accounts: Collection[AccountRef]) -> list[tuple[str, AccountRef, Tiyn]]:
    """What is still to come of the agreements of accounts: number, account, rest."""
    shards = [account.shard for account in accounts]
    rows = await conn.fetch(Q.open_rests, shards, [account.account_id for account in accounts])
    return [(row["number"], _account(row), Tiyn(row["rest"])) for row in rows]


async def due_parts(conn: Connection, today: date, limit: int) -> list[DuePart]:
    """Lock parts whose day has come, the oldest first."""
    return [
        DuePart(
            agreement_id=AgreementId(row["agreement_id"]),
            number=row["number"],
            part_no=row["part_no"],
            months=row["months"],
            due_on=row["due_on"],
            amount=Tiyn(row["amount_tiyn"]),
            account=_account(row),
            subscriber_id=SubscriberId(row["subscriber_id"]),
            msisdn=Msisdn(row["msisdn"]),
        )
        for row in await conn.fetch(Q.due_parts, today, limit)
    ]


async def mark_posted(conn: Connection, at: datetime, posted: Sequence[tuple[AgreementId, int, str]]) -> None:
    """Note with which operation parts were posted."""
    await conn.execute(Q.mark_posted, at, *(list(column) for column in zip(*posted, strict=True)))


async def close(
    conn: Connection, agreement: Agreement, state: AgreementState, at: datetime, author: str, reason: str
) -> Agreement:
    row = await conn.fetchrow(Q.close, agreement.agreement_id, state, at, author, reason)
    assert row is not None
    return agreement_of(row)
