"""Who the subscribers are: their data, language and users; what an employee sees of them, and the trace that leaves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from telco.db import audit
from telco.db.pool import Connection
from telco.kernel.i18n import Language, Text
from telco.kernel.ids import PartyId, SubscriberId
from telco.kernel.msisdn import Msisdn
from telco.kernel.names import clean_text
from telco.subscribers import rules, store, store_numbers, store_records, store_services
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import PartyDataError, SubscriberUnknownError
from telco.subscribers.model import (
    ActiveService,
    Application,
    Consent,
    Device,
    EditionAnswer,
    EndGround,
    NumberUse,
    Origin,
    Party,
    PartyChange,
    PartyData,
    PersonalAccount,
    PlanChange,
    SimUse,
    Subscriber,
    Subscription,
    Suspension,
)
from telco.subscribers.store import Q


@dataclass(frozen=True, slots=True)
class Card:
    """All that is kept on a subscriber, for an employee with a ground to look."""

    subscriber: Subscriber
    party: Party
    missing_data: tuple[str, ...]
    """Fields of PSC-3.2.7 that the subscriber has not given yet."""
    user_note: str | None
    acceded_at: datetime
    stop_at: datetime | None
    ended_at: datetime | None
    end_ground: EndGround | None
    accounts: list[PersonalAccount]
    numbers: list[NumberUse]
    sims: list[SimUse]
    services: list[ActiveService]
    plan_changes: list[PlanChange]
    suspensions: list[Suspension]
    consents: list[Consent]
    editions: list[EditionAnswer]
    data_changes: list[PartyChange]
    devices: list[Device]
    applications: list[Application]


@dataclass(frozen=True, slots=True)
class DataChange:
    """What a party reported changed."""

    fields: tuple[str, ...]
    late: bool


class People:
    """Use cases about persons and companies themselves."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def report_change(
        self, subscriber_id: SubscriberId, data: PartyData, origin: Origin, *, changed_on: date
    ) -> DataChange:
        """Take a subscriber's report that his data changed; `data` carries the new values, None where nothing changed.

        What was reported later than 5 working days after the change is kept as late. IIN and BIN do not change.

        Raises:
            SubscriberUnknownError
            PartyDataError, TextRefusedError, IinBinError: form of the data; a date ahead; another IIN or BIN.

        Contract: PSC-3.2.7
        """
        checked = rules.check_party(data, complete=False)

        async def body(work: Work) -> DataChange:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            party = await store.party(work.conn, subscription.party_id, lock=True)
            if (checked.kind, checked.iin_bin) != (party.data.kind, party.data.iin_bin):
                raise PartyDataError(field="iin_bin", why=Text("it never changes; another owner accedes anew"))
            if changed_on > work.today:
                raise PartyDataError(field="changed_on", why=Text("it lies ahead"))
            term = (await work.terms())["data_change_working_days"]
            late = rules.reported_late(self._desk.calendar, changed_on, work.today, term)
            fields = await store.change_party(work.conn, party, checked, changed_on=changed_on, now=work.now, late=late)
            work.outcome = f"{', '.join(fields) or 'nothing'} changed{' (late)' if late else ''}"
            work.details = {"fields": list(fields), "late": late}
            return DataChange(fields, late)

        filing = Filing("report_change", "", changed_on.isoformat(), origin, subscriber_id)
        return await self._desk.carry_out("report_change", filing, body)

    async def set_language(self, subscriber_id: SubscriberId, language: Language, origin: Origin) -> None:
        """Choose the language in which the service speaks to a number."""

        async def body(work: Work) -> None:
            await store.lock_subscription(work.conn, subscriber_id)
            await work.conn.execute(Q.set_language, subscriber_id, language)

        filing = Filing("set_language", "", language, origin, subscriber_id)
        await self._desk.carry_out("set_language", filing, body)

    async def note_user(self, subscriber_id: SubscriberId, note: str | None, origin: Origin) -> None:
        """Note to whom the subscriber lends the SIM. The user gets no rights: nothing reads this note but people.

        Contract: PSC-1.1.15
        """
        checked = None if note is None else clean_text(note, field="user_note", max_length=200)

        async def body(work: Work) -> None:
            await store.lock_subscription(work.conn, subscriber_id)
            await work.conn.execute(Q.set_user_note, subscriber_id, checked)

        filing = Filing("note_user", "", checked or "", origin, subscriber_id)
        await self._desk.carry_out("note_user", filing, body)

    async def join_group(self, subscriber_id: SubscriberId, group: str, origin: Origin, *, member: bool) -> None:
        """Put a party into a group that plans may be limited to, or take it out.

        Contract: PSC-1.1.22
        """
        group = clean_text(group, field="group", max_length=64)

        async def body(work: Work) -> None:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            query = Q.add_group_member if member else Q.remove_group_member
            await work.conn.execute(query, group, subscription.party_id)

        filing = Filing("join_group" if member else "leave_group", "", group, origin, subscriber_id)
        await self._desk.carry_out("join_group" if member else "leave_group", filing, body)

    # What employees see; each look leaves an audit row

    async def card(self, msisdn: Msisdn, origin: Origin) -> Card:
        """Read all that is kept on who uses a number or, while nobody does, used it last: money and debts outlive the
        contract. Who looked, and on what ground, is recorded with it.

        Raises:
            GroundRequiredError: no ground was given.
            SubscriberUnknownError: nobody ever used it.

        Contract: PSC-1.1.21, PSC-6.3.5, PSC-6.4
        """

        async def body(conn: Connection) -> Card:
            now = self._desk.clock.now()
            row = await conn.fetchrow(Q.last_of_number, msisdn, now)
            if row is None:
                raise SubscriberUnknownError(subscriber=msisdn)
            return await _card(conn, store.to_subscriber(row), store.to_subscription(row), now)

        return await self._desk.look("read_card", f"msisdn:{msisdn}", origin, body)

    async def numbers_of(self, party: PartyData, origin: Origin) -> list[tuple[SubscriberId, Msisdn, str]]:
        """Read the numbers in use of an IIN or BIN: subscriber, number, plan. The look is recorded.

        Contract: PSC-1.1.21
        """

        async def body(conn: Connection) -> list[tuple[SubscriberId, Msisdn, str]]:
            row = await conn.fetchrow(Q.party_by_iin_bin, party.kind, party.iin_bin)
            if row is None:
                return []
            rows = await conn.fetch(Q.numbers_of_party, row["party_id"])
            return [(r["subscription_id"], r["msisdn"], r["plan_code"]) for r in rows]

        return await self._desk.look("read_numbers", f"{party.kind}:{party.iin_bin}", origin, body)

    async def party(self, party_id: PartyId, origin: Origin) -> Party:
        """Read a party's data; the look is recorded. Contract: PSC-1.1.21"""

        async def body(conn: Connection) -> Party:
            return await store.party(conn, party_id)

        return await self._desk.look("read_party", f"party:{party_id}", origin, body)

    async def note_reading(self, conn: Connection, party_ids: Collection[PartyId], origin: Origin) -> None:
        """Record that parties' data were read, in the caller's transaction. Contract: PSC-1.1.21"""
        await audit.record_each(
            conn,
            [f"party:{party_id}" for party_id in sorted(party_ids)],
            at=self._desk.clock.now(),
            actor=origin.author,
            action="subscribers.read_party",
            ground=origin.ground,
        )


async def _card(conn: Connection, subscriber: Subscriber, subscription: Subscription, now: datetime) -> Card:
    subscriber_id = subscriber.subscriber_id
    party = await store.party(conn, subscriber.party_id)
    return Card(
        subscriber=subscriber,
        party=party,
        missing_data=missing_data(party.data),
        user_note=subscription.user_note,
        acceded_at=subscription.acceded_at,
        stop_at=subscription.stop_at,
        ended_at=subscription.ended_at,
        end_ground=subscription.end_ground,
        accounts=await store.accounts_of_contract(conn, subscriber.contract_id),
        numbers=await store_numbers.number_history(conn, subscriber_id),
        sims=await store_numbers.sim_history(conn, subscriber_id),
        services=await store_services.services_on(conn, subscriber_id, now),
        plan_changes=await store_services.plan_changes(conn, subscriber_id, 20),
        suspensions=await store_records.suspensions(conn, subscriber_id, 50),
        consents=await store_records.consents(conn, subscriber.party_id, subscriber_id),
        editions=await store_records.edition_answers(conn, subscriber.contract_id),
        data_changes=await store.party_changes(conn, subscriber.party_id, 20),
        devices=await store_records.devices(conn, subscriber_id),
        applications=await store_records.applications(conn, subscriber_id, 50),
    )


def missing_data(data: PartyData) -> tuple[str, ...]:
    """Which fields a subscriber who acceded by a short message still has to give. Contract: PSC-3.2.7"""
    return tuple(f for f in ("postal_address", "email", "contact_phone") if getattr(data, f) is None)
