"""To whom what is written about a personal account is addressed, also after the end of its contract."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from telco.db import queries
from telco.db.pool import Connection
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountId, AccountRef, ContractId, PartyId
from telco.kernel.msisdn import Msisdn
from telco.subscribers.model import PartyData, PartyKind

_Q = queries.load("telco.subscribers", "addressees.sql")


@dataclass(frozen=True, slots=True)
class Addressee:
    """The contract and party of a personal account, its first number unless all passed to others, and its language."""

    account: AccountRef
    contract_id: ContractId
    contract_opened_at: datetime
    party_id: PartyId
    party: PartyData
    msisdn: Msisdn | None
    language: Language


async def addressee(connection: Connection, account: AccountRef) -> Addressee | None:
    """Return whose an account is; the caller records who looked, when somebody did. Contract: PSC-1.1.12"""
    row = await connection.fetchrow(_Q.addressee, account.shard, account.account_id)
    if row is None:
        return None
    return Addressee(
        account,
        ContractId(row["contract_id"]),
        row["opened_at"],
        PartyId(row["party_id"]),
        PartyData(
            PartyKind(row["kind"]),
            row["iin_bin"],
            row["full_name"],
            row["postal_address"],
            row["email"],
            row["contact_phone"],
        ),
        None if row["msisdn"] is None else Msisdn(row["msisdn"]),
        Language(row["language"] or Language.RU),
    )


async def company_accounts(
    connection: Connection, after: AccountRef | None, since: datetime, limit: int
) -> list[AccountRef]:
    """Return companies' accounts beyond `after`, in order, of contracts that were in force at `since` or later."""
    shard, account_id = after or (-1, 0)
    rows = await connection.fetch(_Q.company_accounts, shard, account_id, since, limit)
    return [AccountRef(row["shard"], AccountId(row["account_id"])) for row in rows]
