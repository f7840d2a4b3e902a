"""SQL of billing's own tables; takes a connection, never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from telco.billing.model import (
    Activation,
    ActivationStatus,
    BatchId,
    Card,
    CardBatch,
    CardState,
    TrustId,
    TrustPayment,
)
from telco.db import queries
from telco.db.pool import Connection, Database, Record
from telco.kernel.ids import AccountId, AccountRef, SubscriberId
from telco.kernel.money import Tiyn

_Q = queries.load("telco.billing")
_ATTEMPT_LOCK = 0x7E1CA


@dataclass(frozen=True, slots=True)
class Attempt:
    """The first answer to a request to activate a card."""

    code_hash: bytes
    activation: Activation


async def insert_batch(
    connection: Connection,
    request_id: str,
    face_value: Tiyn,
    count: int,
    expires_on: date,
    created_at: datetime,
    created_by: str,
) -> BatchId | None:
    """Record a batch; None when the request already made one."""
    batch_id = await connection.fetchval(
        _Q.insert_batch, request_id, face_value, count, expires_on, created_at, created_by
    )
    return BatchId(batch_id) if batch_id is not None else None


async def insert_cards(connection: Connection, batch_id: BatchId, cards: Sequence[tuple[str, bytes]]) -> None:
    """Record cards by serial and hash of their code."""
    await connection.execute(_Q.insert_cards, batch_id, [serial for serial, _ in cards], [code for _, code in cards])


async def find_batch(database: Database, batch_id: BatchId) -> CardBatch | None:
    row = await database.fetchrow(_Q.find_batch, batch_id)
    if row is None:
        return None
    return CardBatch(
        BatchId(row["batch_id"]),
        Tiyn(row["face_value_tiyn"]),
        row["card_count"],
        row["expires_on"],
        row["created_at"],
        row["created_by"],
    )


async def lock_card_by_code(connection: Connection, code_hash: bytes) -> Card | None:
    return _card(await connection.fetchrow(_Q.lock_card_by_code, code_hash))


async def find_card(database: Database, serial: str) -> Card | None:
    return _card(await database.fetchrow(_Q.find_card, serial))


async def lock_card_by_serial(connection: Connection, serial: str) -> Card | None:
    return _card(await connection.fetchrow(_Q.lock_card_by_serial, serial))


def _card(row: Record | None) -> Card | None:
    if row is None:
        return None
    return Card(
        serial=row["serial"],
        batch_id=BatchId(row["batch_id"]),
        face_value=Tiyn(row["face_value_tiyn"]),
        expires_on=row["expires_on"],
        state=CardState(row["state"]),
        used_by=row["used_by"],
        used_at=row["used_at"],
        block_reason=row["block_reason"],
    )


async def mark_card_used(connection: Connection, serial: str, used_by: SubscriberId, used_at: datetime) -> None:
    await connection.execute(_Q.mark_card_used, serial, used_by, used_at)


async def block_card(connection: Connection, serial: str, reason: str) -> None:
    await connection.execute(_Q.block_card, serial, reason)


async def lock_attempts(connection: Connection, subscriber_id: SubscriberId) -> None:
    await connection.execute(_Q.lock_attempts, _ATTEMPT_LOCK, subscriber_id)


async def find_attempt(connection: Connection, subscriber_id: SubscriberId, request_id: str) -> Attempt | None:
    row = await connection.fetchrow(_Q.find_attempt, subscriber_id, request_id)
    if row is None:
        return None
    activation = Activation(
        ActivationStatus(row["status"]),
        face_value=Tiyn(row["face_value_tiyn"]),
        balance=Tiyn(row["balance_tiyn"]),
        trust_repaid=Tiyn(row["trust_repaid_tiyn"]),
        replayed=True,
    )
    return Attempt(row["code_hash"], activation)


async def wrong_attempts(
    connection: Connection, subscriber_id: SubscriberId, since: datetime
) -> tuple[int, datetime | None]:
    """Count wrong codes since a moment, and say when the oldest of them was."""
    row = await connection.fetchrow(_Q.wrong_attempts, subscriber_id, since)
    return (row["wrong"], row["oldest"]) if row is not None else (0, None)


async def insert_attempt(
    connection: Connection,
    subscriber_id: SubscriberId,
    request_id: str,
    code_hash: bytes,
    at: datetime,
    serial: str | None,
    activation: Activation,
) -> None:
    await connection.execute(
        _Q.insert_attempt,
        subscriber_id,
        request_id,
        code_hash,
        at,
        activation.status,
        serial,
        activation.face_value,
        activation.trust_repaid,
        activation.balance,
    )


async def insert_trust(
    connection: Connection,
    account: AccountRef,
    subscriber_id: SubscriberId,
    request_id: str,
    amount: Tiyn,
    price: Tiyn,
    given_at: datetime,
    usable_until: datetime,
) -> TrustId:
    return TrustId(
        await connection.fetchval(
            _Q.insert_trust,
            account.shard,
            account.account_id,
            subscriber_id,
            request_id,
            amount,
            price,
            given_at,
            usable_until,
        )
    )


async def find_trust_request(connection: Connection, subscriber_id: SubscriberId, request_id: str) -> datetime | None:
    until: datetime | None = await connection.fetchval(_Q.find_trust_request, subscriber_id, request_id)
    return until


async def open_trusts(connection: Connection, accounts: Collection[AccountRef]) -> set[AccountRef]:
    """Return those of the accounts that have an open trust payment."""
    rows = await connection.fetch(
        _Q.open_trusts, [account.shard for account in accounts], [account.account_id for account in accounts]
    )
    return {AccountRef(row["shard"], AccountId(row["account_id"])) for row in rows}


async def lock_open_trust(connection: Connection, account: AccountRef) -> TrustPayment | None:
    row = await connection.fetchrow(_Q.lock_open_trust, account.shard, account.account_id)
    if row is None:
        return None
    consumed = row["consumed_tiyn"]
    return TrustPayment(
        TrustId(row["trust_id"]),
        row["subscriber_id"],
        Tiyn(row["amount_tiyn"]),
        Tiyn(row["price_tiyn"]),
        row["given_at"],
        row["usable_until"],
        row["ended_at"],
        Tiyn(consumed) if consumed is not None else None,
    )


async def end_trust(connection: Connection, trust_id: TrustId, ended_at: datetime, consumed: Tiyn) -> None:
    await connection.execute(_Q.end_trust, trust_id, ended_at, consumed)


async def repay_trust(connection: Connection, trust_id: TrustId, repaid_at: datetime) -> None:
    await connection.execute(_Q.repay_trust, trust_id, repaid_at)


async def due_trusts(database: Database, now: datetime, limit: int) -> list[AccountRef]:
    """Return the accounts whose trust payment is past its last moment."""
    rows = await database.fetch(_Q.due_trusts, now, limit)
    return [AccountRef(row["shard"], AccountId(row["account_id"])) for row in rows]
