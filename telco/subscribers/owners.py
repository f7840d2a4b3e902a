"""Whose a personal account is, also when its contract has ended: a debt outlives the contract.

Contract: PSC-6.3.5, PSC-1.1.12
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from telco.db import queries
from telco.db.pool import Database, Record
from telco.kernel.ids import AccountId, AccountRef, ContractId, PartyId, SubscriberId
from telco.kernel.msisdn import Msisdn

_Q = queries.load("telco.subscribers", "owners.sql")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a personal account is."""

    account: AccountRef
    contract_id: ContractId
    party_id: PartyId
    subscriber_id: SubscriberId
    """The first subscription in use that spends from it; without one, the last that did, maybe another's by now."""
    msisdn: Msisdn
    in_use: bool
    """Some number still spends from it."""


@dataclass(frozen=True, slots=True)
class LatestUse:
    """Who uses a number, or used it last."""

    subscriber_id: SubscriberId
    account: AccountRef


@dataclass(frozen=True, slots=True)
class PastUse:
    """Who had a number at a moment, and on which conditions."""

    subscriber_id: SubscriberId
    account: AccountRef
    plan_code: str
    plan_version: int
    services: tuple[str, ...]
    """Codes of the additional services that were on, in their order."""


async def owners(database: Database, accounts: Collection[AccountRef], now: datetime) -> dict[AccountRef, Owner]:
    """Read whose these accounts are; accounts that no number ever spent from are left out."""
    rows = await database.fetch(
        _Q.owners, [account.shard for account in accounts], [account.account_id for account in accounts], now
    )
    return {_account(row): _owner(row) for row in rows}


async def last_owners(database: Database, msisdns: Collection[Msisdn]) -> dict[Msisdn, AccountRef]:
    """Find the account that each of these numbers spent from last; numbers that never had a user are left out."""
    rows = await database.fetch(_Q.last_owners, list(msisdns))
    return {Msisdn(row["named"]): _account(row) for row in rows}


async def last_use(database: Database, msisdn: Msisdn) -> LatestUse | None:
    """Find who used a number last; None for one that never had a user."""
    row = await database.fetchrow(_Q.last_owners, [msisdn])
    return None if row is None else LatestUse(SubscriberId(row["subscription_id"]), _account(row))


async def use_at(database: Database, msisdn: Msisdn, at: datetime) -> PastUse | None:
    """Find who had a number at a moment; None where nobody had it."""
    row = await database.fetchrow(_Q.use_at, msisdn, at)
    if row is None:
        return None
    return PastUse(
        subscriber_id=SubscriberId(row["subscription_id"]),
        account=_account(row),
        plan_code=row["plan_code"],
        plan_version=row["plan_version"],
        services=tuple(sorted(row["services"])),
    )


async def accounts_of_company(database: Database, iin_bin: str) -> list[AccountRef]:
    """List the personal accounts of every contract of a company, ended contracts too, the oldest first."""
    return [_account(row) for row in await database.fetch(_Q.accounts_of_company, iin_bin)]


def _account(row: Record) -> AccountRef:
    return AccountRef(row["shard"], AccountId(row["account_id"]))


def _owner(row: Record) -> Owner:
    return Owner(
        account=_account(row),
        contract_id=ContractId(row["contract_id"]),
        party_id=PartyId(row["party_id"]),
        subscriber_id=SubscriberId(row["subscription_id"]),
        msisdn=Msisdn(row["msisdn"]),
        in_use=row["in_use"],
    )
