"""What is kept beside the subscription itself: applications, consents, editions, suspensions, devices."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from telco.db.pool import Connection, Record
from telco.kernel.i18n import Text
from telco.kernel.ids import AccountRef, ContractId, PartyId, SubscriberId
from telco.kernel.msisdn import Msisdn
from telco.subscribers.errors import (
    ApplicationUnknownError,
    DeviceKnownError,
    EditionError,
    NoEditionError,
    SuspensionOpenError,
    SuspensionUnknownError,
    violations,
)
from telco.subscribers.model import (
    CONSENTS_BY_NUMBER,
    Application,
    ApplicationId,
    ApplicationState,
    Channel,
    Consent,
    ConsentHolder,
    ConsentKind,
    Device,
    Edition,
    EditionAnswer,
    Ground,
    Party,
    Scope,
    Suspension,
    SuspensionId,
)
from telco.subscribers.store import Q, to_party

_BY_NUMBER = [kind.value for kind in CONSENTS_BY_NUMBER]


# The register of applications


async def add_application(
    conn: Connection,
    *,
    subscriber_id: SubscriberId | None,
    party_id: PartyId | None,
    applicant: str,
    kind: str,
    channel: Channel,
    author: str,
    body: str,
    now: datetime,
    state: ApplicationState,
    outcome: str,
    decided_by: str | None,
) -> ApplicationId:
    """Register an application; one that is decided at once carries its outcome.

    Contract: PSC-1.1.7
    """
    decided = state is not ApplicationState.REGISTERED
    application_id: int = await conn.fetchval(
        Q.add_application,
        subscriber_id,
        party_id,
        applicant,
        kind,
        channel,
        author,
        body,
        now,
        state,
        outcome,
        now if decided else None,
        decided_by if decided else None,
    )
    return ApplicationId(application_id)


async def decide_application(
    conn: Connection,
    application_id: ApplicationId,
    state: ApplicationState,
    outcome: str,
    now: datetime,
    author: str,
) -> Application:
    """Give an open application its outcome, once.

    Raises:
        ApplicationUnknownError: unknown, or decided already.
    """
    row = await conn.fetchrow(Q.decide_application, application_id, state, outcome, now, author)
    if row is None:
        raise ApplicationUnknownError(application_id=application_id)
    return _to_application(row)


async def applications(conn: Connection, subscriber_id: SubscriberId, limit: int) -> list[Application]:
    return [_to_application(row) for row in await conn.fetch(Q.applications, subscriber_id, limit)]


async def open_applications(conn: Connection, limit: int) -> list[Application]:
    return [_to_application(row) for row in await conn.fetch(Q.open_applications, limit)]


def _to_application(row: Record) -> Application:
    return Application(
        application_id=ApplicationId(row["application_id"]),
        subscriber_id=row["subscription_id"],
        applicant=row["applicant"],
        kind=row["kind"],
        channel=Channel(row["channel"]),
        author=row["author"],
        body=row["body"],
        registered_at=row["registered_at"],
        state=ApplicationState(row["state"]),
        outcome=row["outcome"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
    )


# Consents


async def give_consents(
    conn: Connection,
    party_id: PartyId,
    subscriber_id: SubscriberId | None,
    kinds: Collection[ConsentKind],
    *,
    version: str,
    channel: Channel,
    now: datetime,
) -> list[ConsentKind]:
    """Record consents and return those that were not in force already.

    Contract: PSC-3.1.13, PSC-3.2.10
    """
    rows = await conn.fetch(Q.give_consents, party_id, subscriber_id, list(kinds), version, channel, _BY_NUMBER, now)
    return [ConsentKind(row["kind"]) for row in rows]


async def withdraw_consent(
    conn: Connection,
    party_id: PartyId,
    subscriber_id: SubscriberId,
    kind: ConsentKind,
    *,
    now: datetime,
    channel: Channel,
) -> bool:
    """End a consent; False where none was in force."""
    return bool(await conn.fetch(Q.withdraw_consent, party_id, subscriber_id, kind, now, channel))


async def consents(conn: Connection, party_id: PartyId, subscriber_id: SubscriberId) -> list[Consent]:
    rows = await conn.fetch(Q.consents, party_id, subscriber_id)
    return [
        Consent(
            kind=ConsentKind(row["kind"]),
            version=row["version"],
            channel=Channel(row["channel"]),
            given_at=row["given_at"],
            withdrawn_at=row["withdrawn_at"],
            withdrawn_channel=row["withdrawn_channel"] and Channel(row["withdrawn_channel"]),
            subscriber_id=row["subscription_id"],
        )
        for row in rows
    ]


async def consent_holders(conn: Connection, account: AccountRef, kind: ConsentKind) -> list[ConsentHolder]:
    rows = await conn.fetch(Q.consent_holders, account.shard, account.account_id, kind)
    return [
        ConsentHolder(
            SubscriberId(row["subscription_id"]), row["given_at"], row["acceded_at"], row["iin_bin"], row["person"]
        )
        for row in rows
    ]


async def holding(conn: Connection, kind: ConsentKind, ids: Collection[SubscriberId]) -> set[SubscriberId]:
    return {SubscriberId(row["subscription_id"]) for row in await conn.fetch(Q.holding, kind, list(ids))}


async def has_consent(conn: Connection, party_id: PartyId, subscriber_id: SubscriberId, kind: ConsentKind) -> bool:
    return bool(await conn.fetchval(Q.has_consent, party_id, subscriber_id, kind))


async def consenting_parties(
    conn: Connection, party_ids: Collection[PartyId], kind: ConsentKind
) -> dict[PartyId, Party]:
    parties = map(to_party, await conn.fetch(Q.consenting_parties, list(party_ids), kind))
    return {party.party_id: party for party in parties}


# Editions of the contract


async def publish_edition(conn: Connection, edition: Edition) -> None:
    """Publish an edition.

    Raises:
        EditionError: its name is used.
    """
    known = EditionError(edition=edition.edition, why=Text("is already published"))
    with violations({"edition_pkey": known}):
        await conn.execute(
            Q.publish_edition,
            edition.edition,
            edition.published_at,
            edition.refusable_until,
            edition.url,
            edition.sha256,
        )


async def current_edition(conn: Connection, now: datetime) -> Edition:
    """Read the newest edition.

    Raises:
        NoEditionError: none is published.
    """
    row = await conn.fetchrow(Q.current_edition, now)
    if row is None:
        raise NoEditionError()
    return to_edition(row)


async def edition(conn: Connection, name: str) -> Edition:
    """Read an edition by name.

    Raises:
        EditionError: not published.
    """
    row = await conn.fetchrow(Q.edition, name)
    if row is None:
        raise EditionError(edition=name, why=Text("is not published"))
    return to_edition(row)


def to_edition(row: Record) -> Edition:
    return Edition(
        edition=row["edition"],
        published_at=row["published_at"],
        refusable_until=row["refusable_until"],
        url=row["url"],
        sha256=row["sha256"],
    )


async def answer_edition(
    conn: Connection,
    contract_id: ContractId,
    edition_name: str,
    *,
    accepted: bool,
    manner: str,
    channel: Channel,
    now: datetime,
) -> bool:
    """Keep a contract's answer; False where it had answered before: the first answer stands.

    Contract: PSC-2.4
    """
    answer = "accepted" if accepted else "refused"
    row = await conn.fetchrow(Q.answer_edition, contract_id, edition_name, answer, manner, channel, now)
    return row is not None


async def edition_answers(conn: Connection, contract_id: ContractId) -> list[EditionAnswer]:
    rows = await conn.fetch(Q.edition_answers, contract_id)
    return [
        EditionAnswer(
            edition=row["edition"],
            accepted=row["answer"] == "accepted",
            manner=row["manner"],
            channel=Channel(row["channel"]),
            answered_at=row["answered_at"],
        )
        for row in rows
    ]


# Suspensions


def to_suspension(row: Record) -> Suspension:
    return Suspension(
        suspension_id=SuspensionId(row["suspension_id"]),
        subscriber_id=row["subscription_id"],
        ground=Ground(row["ground"]),
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        reference=row["reference"],
        reason=row["reason"],
        author=row["author"],
        started_at=row["started_at"],
        ends_at=row["ends_at"],
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
        end_reason=row["end_reason"],
    )


async def add_suspension(
    conn: Connection,
    subscriber_id: SubscriberId,
    ground: Ground,
    scopes: frozenset[Scope],
    *,
    reference: str,
    reason: str,
    author: str,
    now: datetime,
    ends_at: datetime | None,
) -> Suspension:
    """Begin a suspension.

    Raises:
        SuspensionOpenError: one on the same ground with the same reference is in force.
    """
    await conn.execute(Q.end_stale_suspension, subscriber_id, ground, reference, now)
    with violations({"suspension_open_key": SuspensionOpenError(reference=reference)}):
        row = await conn.fetchrow(
            Q.add_suspension,
            subscriber_id,
            ground,
            sorted(scopes),
            reference,
            reason,
            author,
            now,
            ends_at,
        )
    assert row is not None
    return to_suspension(row)


async def lock_suspension(conn: Connection, suspension_id: SuspensionId) -> Suspension:
    """Lock an open suspension.

    Raises:
        SuspensionUnknownError
    """
    row = await conn.fetchrow(Q.lock_suspension, suspension_id)
    if row is None:
        raise SuspensionUnknownError(suspension_id=suspension_id)
    return to_suspension(row)


async def open_suspension(
    conn: Connection, subscriber_id: SubscriberId, ground: Ground, reference: str
) -> Suspension | None:
    row = await conn.fetchrow(Q.open_suspension, subscriber_id, ground, reference)
    return None if row is None else to_suspension(row)


async def end_suspension(
    conn: Connection, suspension_id: SuspensionId, *, now: datetime, author: str, reason: str
) -> Suspension:
    row = await conn.fetchrow(Q.end_suspension, suspension_id, now, author, reason)
    assert row is not None
    return to_suspension(row)


async def suspensions(conn: Connection, subscriber_id: SubscriberId, limit: int) -> list[Suspension]:
    return [to_suspension(row) for row in await conn.fetch(Q.suspensions, subscriber_id, limit)]


async def in_force(conn: Connection, subscriber_id: SubscriberId, now: datetime) -> list[Suspension]:
    return [to_suspension(row) for row in await conn.fetch(Q.suspensions_in_force, subscriber_id, now)]


# Devices


async def register_device(
    conn: Connection, imei: str, party_id: PartyId, subscriber_id: SubscriberId, now: datetime
) -> None:
    """Register a device.

    Raises:
        DeviceKnownError: registered to this or another number.
    """
    with violations({"device_open_key": DeviceKnownError(imei=imei)}):
        await conn.execute(Q.register_device, imei, party_id, subscriber_id, now)


async def devices(conn: Connection, subscriber_id: SubscriberId) -> list[Device]:
    return [
        Device(row["imei"], row["party_id"], row["subscription_id"], row["registered_at"])
        for row in await conn.fetch(Q.devices, subscriber_id)
    ]


async def msisdn_of_imsi(conn: Connection, imsi: str) -> Msisdn | None:
    """Which number a card in use identifies."""
    found: str | None = await conn.fetchval(Q.msisdn_of_imsi, imsi)
    return None if found is None else Msisdn(found)
