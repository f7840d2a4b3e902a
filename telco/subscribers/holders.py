"""Whose a personal account is, while its numbers are in use and after the last has ended.

Money outlives numbers: a refund, a debt or a compensation is a matter of the party that signed the contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from telco.catalog.model import Settlement
from telco.db import queries
from telco.db.pool import Connection
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountId, AccountRef, ContractId, PartyId
from telco.kernel.msisdn import Msisdn
from telco.subscribers.model import EndGround, PartyKind

_Q = queries.load("telco.subscribers", "holders.sql")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a personal account is. What is said of a number is of one in use, else of the one that ended last."""

    account: AccountRef
    contract_id: ContractId
    party_id: PartyId
    party_kind: PartyKind
    iin_bin: str
    full_name: str
    contact_phone: str | None
    numbers: int
    """How many numbers spend from it now."""
    msisdn: Msisdn | None
    language: Language
    settlement: Settlement
    joined_at: datetime | None
    """When that number joined its plan."""
    ended_at: datetime | None
    """When the last number ended; None while one is in use, or when all went to other accounts."""
    ground: EndGround | None


async def account_holder(conn: Connection, account: AccountRef) -> Holder | None:
    """Read whose an account is; None where there is no such personal account."""
    row = await conn.fetchrow(_Q.account_holder, account.shard, account.account_id)
    if row is None:
        return None
    return Holder(
        account=account,
        contract_id=row["contract_id"],
        party_id=row["party_id"],
        party_kind=PartyKind(row["party_kind"]),
        iin_bin=row["iin_bin"],
        full_name=row["full_name"],
        contact_phone=row["contact_phone"],
        numbers=row["numbers"],
        msisdn=row["msisdn"],
        language=Language(row["language"] or Language.RU),
        settlement=Settlement(row["settlement"] or Settlement.PREPAID),
        joined_at=row["plan_joined_at"],
        ended_at=row["ended_at"],
        ground=None if row["end_ground"] is None else EndGround(row["end_ground"]),
    )


async def accounts_by_number(conn: Connection, msisdn: Msisdn, iin_bin: str) -> list[AccountRef]:
    """Find the personal accounts of a party from which a number was ever used, the newest first.

    A number goes to somebody else after its quarantine, so the party decides which of its users is meant.
    """
    rows = await conn.fetch(_Q.accounts_by_number, msisdn, iin_bin)
    newest = sorted(rows, key=lambda row: row["subscription_id"], reverse=True)
    return [AccountRef(row["shard"], AccountId(row["account_id"])) for row in newest]


async def origins_in_use(conn: Connection, account: AccountRef) -> frozenset[str]:
    """Return the origins of buckets that numbers in use still have: their plans' and services'."""
    rows = await conn.fetch(_Q.origins_in_use, account.shard, account.account_id)
    return frozenset(row["origin"] for row in rows)


async def contract_accounts(conn: Connection, contract_id: ContractId) -> list[AccountRef]:
    """Return the personal accounts of a contract. Contract: PSC-1.1.12"""
    rows = await conn.fetch(_Q.contract_accounts, contract_id)
    return [AccountRef(row["shard"], AccountId(row["account_id"])) for row in rows]
