"""The feature's own tables: parties, contracts, subscriptions, sheets. Takes a connection, never commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from telco.catalog.model import Settlement
from telco.db import queries
from telco.db.pool import Connection, Record
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountId, AccountRef, ContractId, PartyId, SubscriberId
from telco.kernel.msisdn import Msisdn
from telco.subscribers.errors import (
    AccountUnknownError,
    ContractUnknownError,
    NumberNotFreeError,
    SheetDiffersError,
    SubscriberUnknownError,
    violations,
)
from telco.subscribers.model import (
    DatedTerm,
    DeviceKind,
    EndGround,
    Party,
    PartyChange,
    PartyData,
    PartyKind,
    PersonalAccount,
    PlanState,
    RegistrationSheet,
    Scope,
    Subscriber,
    Subscription,
    SubscriptionState,
    Terms,
)

Q = queries.load("telco.subscribers")

_DEVICE_KINDS = {kind.value: kind for kind in DeviceKind}
_LANGUAGES = {language.value: language for language in Language}
_PARTY_KINDS = {kind.value: kind for kind in PartyKind}
_PLAN_STATES = {state.value: state for state in PlanState}
_SCOPES = {scope.value: scope for scope in Scope}
_SETTLEMENTS = {settlement.value: settlement for settlement in Settlement}
_STATES = {state.value: state for state in SubscriptionState}


# The hot read


async def find_many(conn: Connection, msisdns: Collection[str], now: datetime) -> dict[Msisdn, Subscriber]:
    """Read the subscribers of these numbers; numbers not in use are left out."""
    rows = await conn.fetch(Q.find_many, list(msisdns), now)
    return {row["msisdn"]: to_subscriber(row) for row in rows}


async def find_by_ids(conn: Connection, ids: Collection[int], now: datetime) -> dict[SubscriberId, Subscriber]:
    rows = await conn.fetch(Q.find_by_ids, list(ids), now)
    return {row["subscription_id"]: to_subscriber(row) for row in rows}


async def find_by_accounts(
    conn: Connection, accounts: Collection[AccountRef], now: datetime
) -> dict[AccountRef, list[Subscriber]]:
    shards, numbers = [account.shard for account in accounts], [account.account_id for account in accounts]
    found: dict[AccountRef, list[Subscriber]] = {account: [] for account in accounts}
    for row in await conn.fetch(Q.find_by_accounts, shards, numbers, now):
        subscriber = to_subscriber(row)
        found[subscriber.account].append(subscriber)
    return found


def to_subscriber(row: Record) -> Subscriber:
    return Subscriber(
        subscriber_id=row["subscription_id"],
        contract_id=row["contract_id"],
        party_id=row["party_id"],
        party_kind=_PARTY_KINDS[row["party_kind"]],
        msisdn=row["msisdn"],
        account=to_account(row),
        state=_STATES[row["state"]],
        brand=row["brand"],
        language=_LANGUAGES[row["language"]],
        device_kind=_DEVICE_KINDS[row["device_kind"]],
        settlement=_SETTLEMENTS[row["settlement"]],
        plan_code=row["plan_code"],
        plan_version=row["plan_version"],
        plan_state=_PLAN_STATES[row["plan_state"]],
        next_fee_at=row["next_fee_at"],
        services=frozenset(row["services"]),
        barred=frozenset(_SCOPES[scope] for scope in row["barred"]),
    )


def to_account(row: Record) -> AccountRef:
    return AccountRef(row["shard"], AccountId(row["account_id"]))


# Subscriptions


async def lock_subscription(conn: Connection, subscriber_id: SubscriberId) -> Subscription:
    """Lock a subscription in use until the transaction ends.

    Raises:
        SubscriberUnknownError: never was, or ended.
    """
    row = await conn.fetchrow(Q.lock_subscription, subscriber_id)
    if row is None:
        raise SubscriberUnknownError(subscriber=str(subscriber_id))
    return to_subscription(row)


async def subscription(conn: Connection, subscriber_id: SubscriberId) -> Subscription:
    """Read a subscription in use.

    Raises:
        SubscriberUnknownError
    """
    row = await conn.fetchrow(Q.subscription, subscriber_id)
    if row is None:
        raise SubscriberUnknownError(subscriber=str(subscriber_id))
    return to_subscription(row)


def to_subscription(row: Record) -> Subscription:
    return Subscription(
        subscriber_id=row["subscription_id"],
        contract_id=row["contract_id"],
        party_id=row["party_id"],
        party_kind=_PARTY_KINDS[row["party_kind"]],
        msisdn=row["msisdn"],
        account=to_account(row),
        state=_STATES[row["state"]],
        brand=row["brand"],
        language=_LANGUAGES[row["language"]],
        device_kind=_DEVICE_KINDS[row["device_kind"]],
        region=row["region"],
        settlement=_SETTLEMENTS[row["settlement"]],
        plan_code=row["plan_code"],
        plan_version=row["plan_version"],
        plan_state=_PLAN_STATES[row["plan_state"]],
        plan_joined_at=row["plan_joined_at"],
        plan_until=row["plan_until"],
        period_anchor=row["period_anchor"],
        period_index=row["period_index"],
        period_start=row["period_start"],
        next_fee_at=row["next_fee_at"],
        fee_attempt=row["fee_attempt"],
        user_note=row["user_note"],
        acceded_at=row["acceded_at"],
        stop_at=row["stop_at"],
        ended_at=row["ended_at"],
        end_ground=EndGround(row["end_ground"]) if row["end_ground"] is not None else None,
    )


async def change_owner(
    conn: Connection,
    subscriber_id: SubscriberId,
    contract_id: ContractId,
    party: Party,
    account: AccountRef,
    sheet: RegistrationSheet,
) -> Subscription:
    """A subscription passes to another party, as its sheet says."""
    row = await conn.fetchrow(
        Q.change_owner,
        subscriber_id,
        contract_id,
        party.party_id,
        party.data.kind,
        account.shard,
        account.account_id,
        sheet.language,
        sheet.device_kind,
        sheet.region,
        sheet.user_note,
    )
    return to_subscription(_present(row))


class Payer(NamedTuple):
    """Who pays a fee, from which account."""

    msisdn: Msisdn
    language: Language
    account: AccountRef
    settlement: Settlement


def to_payer(row: Record) -> Payer:
    return Payer(
        msisdn=row["msisdn"],
        language=_LANGUAGES[row["language"]],
        account=to_account(row),
        settlement=_SETTLEMENTS[row["settlement"]],
    )


async def add_subscription(
    conn: Connection,
    *,
    contract_id: ContractId,
    party: Party,
    account: AccountRef,
    msisdn: Msisdn,
    brand: str,
    language: Language,
    device_kind: DeviceKind,
    region: str | None,
    settlement: Settlement,
    plan: tuple[str, int],
    user_note: str | None,
    now: datetime,
    today: date,
) -> Subscription:
    """Begin a subscription whose plan waits for its first fee.

    Raises:
        NumberNotFreeError: the number serves another subscription, or is not in the pool.
    """
    not_free = NumberNotFreeError(msisdn=msisdn)
    with violations({"subscription_msisdn_key": not_free, "subscription_msisdn_fkey": not_free}):
        row = await conn.fetchrow(
            Q.add_subscription,
            contract_id,
            party.party_id,
            party.data.kind,
            account.shard,
            account.account_id,
            msisdn,
            brand,
            language,
            device_kind,
            region,
            settlement,
            *plan,
            now,
            today,
            user_note,
        )
    return to_subscription(_present(row))


def _present(row: Record | None) -> Record:
    assert row is not None  # an insert that raises nothing returns its row
    return row


# Parties, contracts, accounts


async def lock_party(conn: Connection, data: PartyData, now: datetime) -> Party:
    """Lock the party of that IIN or BIN, registering it if it is new.

    The lock makes every command that counts or adds a party's numbers wait for the one before. Contract: FUP-11
    """
    row = await conn.fetchrow(
        Q.lock_party,
        data.kind,
        data.iin_bin,
        data.full_name,
        data.postal_address,
        data.email,
        data.contact_phone,
        now,
    )
    return to_party(_present(row))


async def party(conn: Connection, party_id: PartyId, *, lock: bool = False) -> Party:
    row = await conn.fetchrow(Q.lock_party_by_id if lock else Q.party_by_id, party_id)
    return to_party(_present(row))


def to_party(row: Record) -> Party:
    data = PartyData(
        kind=_PARTY_KINDS[row["kind"]],
        iin_bin=row["iin_bin"],
        full_name=row["full_name"],
        postal_address=row["postal_address"],
        email=row["email"],
        contact_phone=row["contact_phone"],
    )
    return Party(row["party_id"], data, row["registered_at"])


async def change_party(
    conn: Connection, known: Party, data: PartyData, *, changed_on: date, now: datetime, late: bool
) -> tuple[str, ...]:
    """Write new data of a party with its history and return the names of the fields that changed.

    Contract: PSC-3.2.7
    """
    fields = ("full_name", "postal_address", "email", "contact_phone")
    changed = tuple(f for f in fields if getattr(data, f) is not None and getattr(data, f) != getattr(known.data, f))
    if not changed:
        return ()
    present = [getattr(data, f) if f in changed else getattr(known.data, f) for f in fields]
    await conn.execute(Q.update_party, known.party_id, *present)
    await conn.execute(
        Q.add_party_changes,
        known.party_id,
        list(changed),
        [getattr(known.data, f) for f in changed],
        [getattr(data, f) for f in changed],
        changed_on,
        now,
        late,
    )
    return changed


async def party_changes(conn: Connection, party_id: PartyId, limit: int) -> list[PartyChange]:
    return [PartyChange(**row) for row in await conn.fetch(Q.party_changes, party_id, limit)]


async def count_numbers(conn: Connection, party_id: PartyId) -> int:
    count: int = await conn.fetchval(Q.count_numbers, party_id)
    return count


async def party_groups(conn: Connection, party_id: PartyId) -> frozenset[str]:
    return frozenset(row["group_code"] for row in await conn.fetch(Q.party_groups, party_id))


async def add_contract(conn: Connection, party_id: PartyId, now: datetime) -> ContractId:
    contract_id: int = await conn.fetchval(Q.add_contract, party_id, now)
    return ContractId(contract_id)


async def lock_contract(conn: Connection, contract_id: ContractId, party_id: PartyId) -> None:
    """Lock an open contract of the party.

    Raises:
        ContractUnknownError: another party's, ended or none.
    """
    if await conn.fetchval(Q.lock_contract, contract_id, party_id) is None:
        raise ContractUnknownError(contract_id=contract_id)


async def add_account(conn: Connection, account: AccountRef, contract_id: ContractId, name: str, now: datetime) -> None:
    await conn.execute(Q.add_account, account.shard, account.account_id, contract_id, name, now)


async def check_account(conn: Connection, account: AccountRef, contract_id: ContractId) -> None:
    """Make sure that a personal account belongs to a contract.

    Raises:
        AccountUnknownError
    """
    if not await conn.fetchval(Q.account_of_contract, account.shard, account.account_id, contract_id):
        raise AccountUnknownError(account=str(account))


async def accounts_of_contract(conn: Connection, contract_id: ContractId) -> list[PersonalAccount]:
    return [_personal_account(row) for row in await conn.fetch(Q.accounts_of_contract, contract_id)]


async def accounts_of_party(conn: Connection, party_id: PartyId) -> list[PersonalAccount]:
    return [_personal_account(row) for row in await conn.fetch(Q.accounts_of_party, party_id)]


def _personal_account(row: Record) -> PersonalAccount:
    return PersonalAccount(to_account(row), row["contract_id"], row["name"], row["opened_at"])


async def subscriptions_of_contract(conn: Connection, contract_id: ContractId) -> list[SubscriberId]:
    return [row["subscription_id"] for row in await conn.fetch(Q.subscriptions_of_contract, contract_id)]


# Registration sheets


async def sheet(conn: Connection, request_id: str) -> Record | None:
    """Read what a sheet or message gave when it was first registered."""
    return await conn.fetchrow(Q.sheet, request_id)


async def add_sheet(
    conn: Connection,
    *,
    request_id: str,
    sha256: bytes,
    subscriber_id: SubscriberId,
    edition: str,
    channel: str,
    signed_at: datetime,
    author: str,
    body: Mapping[str, Any],
) -> None:
    """Keep the proof of accession.

    Raises:
        SheetDiffersError: the same id came at the same moment with other contents.
    """
    with violations({"registration_sheet_pkey": SheetDiffersError(request_id=request_id)}):
        await conn.execute(
            Q.add_sheet, request_id, sha256, subscriber_id, edition, channel, signed_at, author, dict(body)
        )


# Figures in force


async def terms(conn: Connection, today: date) -> Terms:
    """Read the figures in force on a day."""
    rows: Sequence[Record] = await conn.fetch(Q.terms, today)
    return Terms({row["name"]: row["value"] for row in rows})


async def terms_ahead(conn: Connection, today: date) -> list[DatedTerm]:
    """Read the figures in force on a day and those of later days, by name and day."""
    return [DatedTerm(row["name"], row["valid_from"], row["value"]) for row in await conn.fetch(Q.terms_ahead, today)]
