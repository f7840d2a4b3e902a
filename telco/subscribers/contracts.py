"""Contracts: their editions, their personal accounts, and their end."""

from __future__ import annotations

from datetime import date, datetime

from telco.db.pool import Connection
from telco.kernel.i18n import Text
from telco.kernel.ids import AccountRef, ContractId, SubscriberId
from telco.kernel.names import clean_text
from telco.subscribers import numbers, rules, store, store_numbers, store_records, store_services
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import ChannelRefusedError, EditionError, EditionLateError, StopDateError, TermError
from telco.subscribers.model import (
    DatedTerm,
    Edition,
    EditionAnswer,
    EndGround,
    Origin,
    PersonalAccount,
    Subscription,
    by_system,
)
from telco.subscribers.store import Q


class Contracts:
    """Use cases of contracts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def set_term(self, name: str, valid_from: date, value: int, origin: Origin) -> None:
        """Set a figure that the operator or a regulator changes, from a day on: a limit, a number of days.

        Raises:
            TermError: there is no such figure, or the day is past.
        """

        async def body(work: Work) -> None:
            known = (await store.terms(work.conn, date.max)).values
            if name not in known or valid_from < work.today:
                raise TermError(name=name[:64], known=", ".join(sorted(known)))
            await work.conn.execute(Q.set_term, name, valid_from, value)
            work.details = {"term": name, "valid_from": valid_from.isoformat(), "value": value}

        await self._desk.carry_out("set_term", Filing("set_term", "contract", name[:64], origin), body)

    async def terms(self) -> list[DatedTerm]:
        """The figures in force today and those of coming days, by name and day."""
        today = self._desk.calendar.today(self._desk.clock.now())
        async with self._desk.db.acquire() as conn:
            return await store.terms_ahead(conn, today)

    # Editions

    async def publish_edition(self, name: str, url: str, sha256: bytes, origin: Origin) -> Edition:
        """Publish a changed contract; it can be refused for 30 calendar days, then silence has accepted it.

        Raises:
            EditionError: the name is used.

        Contract: PSC-2.4, PSC-6.6
        """
        name = clean_text(name, field="edition", max_length=64)
        url = clean_text(url, field="url", max_length=400)

        async def body(work: Work) -> Edition:
            term = (await work.terms())["edition_refusal_days"]
            until = rules.refusable_until(self._desk.calendar, work.now, term)
            edition = Edition(name, work.now, until, url, sha256)
            await store_records.publish_edition(work.conn, edition)
            work.details = {"edition": name, "refusable_until": until.isoformat()}
            return edition

        return await self._desk.carry_out("publish_edition", Filing("publish_edition", "contract", name, origin), body)

    async def refuse_edition(self, subscriber_id: SubscriberId, edition: str, origin: Origin) -> list[str]:
        """Refuse a changed contract in writing, which ends the contract, and return the numbers that ended.

        Raises (the first that applies):
            ChannelRefusedError: not in writing.
            SubscriberUnknownError
            EditionError: not published, or answered before.
            EditionLateError: the term of 30 calendar days is over.

        Contract: PSC-2.4, PSC-6.6
        """
        if not rules.is_written(origin):
            raise ChannelRefusedError(channel=origin.channel)

        async def body(work: Work) -> list[str]:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            refused = await store_records.edition(work.conn, edition)
            if work.now >= refused.refusable_until:
                last = self._desk.calendar.local(refused.refusable_until).date()
                raise EditionLateError(edition=edition, until=last.isoformat())
            answered = await store_records.answer_edition(
                work.conn,
                subscription.contract_id,
                edition,
                accepted=False,
                manner="written",
                channel=origin.channel,
                now=work.now,
            )
            if not answered:
                raise EditionError(edition=edition, why=Text("has been answered before"))
            return await self._end_contract(work, subscription.contract_id, EndGround.EDITION_REFUSED)

        filing = Filing("refuse_edition", "", edition[:64], origin, subscriber_id)
        return await self._desk.carry_out("refuse_edition", filing, body)

    async def count_silence(self, limit: int = 5_000) -> int:
        """Count the silence of contracts as acceptance of editions whose term is over; a job calls it until it is 0.

        Contract: PSC-2.4
        """

        async def body(conn: Connection) -> int:
            now = self._desk.clock.now()
            row = await conn.fetchrow(Q.lock_silent_edition, now)
            if row is None:
                return 0
            edition = store_records.to_edition(row)
            counted = await conn.fetch(
                Q.count_silence, edition.edition, edition.published_at, edition.refusable_until, limit
            )
            if len(counted) < limit:
                await conn.execute(Q.silence_counted, edition.edition, now)
            return max(len(counted), 1)

        return await self._desk.db.transact("subscribers.count_silence", body)

    async def editions_of(self, contract_id: ContractId) -> list[EditionAnswer]:
        """Which editions a contract accepted or refused, when and how. Contract: PSC-2.4"""
        async with self._desk.db.acquire() as conn:
            return await store_records.edition_answers(conn, contract_id)

    # Personal accounts

    async def open_account(self, subscriber_id: SubscriberId, name: str, origin: Origin) -> PersonalAccount:
        """Open one more personal account in the contract of a subscriber.

        Contract: PSC-1.1.12
        """
        name = clean_text(name, field="name", max_length=64)

        async def body(work: Work) -> PersonalAccount:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            account = await self._desk.ledger.open_account(work.conn)
            await store.add_account(work.conn, account, subscription.contract_id, name, work.now)
            work.details = {"account": str(account), "name": name}
            return PersonalAccount(account, subscription.contract_id, name, work.now)

        filing = Filing("open_account", "", name, origin, subscriber_id)
        return await self._desk.carry_out("open_account", filing, body)

    async def use_account(self, subscriber_id: SubscriberId, account: AccountRef, origin: Origin) -> None:
        """Let a number spend from another personal account of its contract; what was used before stays the old one's.

        Raises:
            SubscriberUnknownError, AccountUnknownError

        Contract: PSC-1.1.12
        """

        async def body(work: Work) -> None:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            await store.check_account(work.conn, account, subscription.contract_id)
            if account != subscription.account:
                await store_numbers.pass_on(work.conn, subscription, work.now, "another account")
            await work.conn.execute(Q.set_account, subscriber_id, account.shard, account.account_id)
            work.details = {"from": str(subscription.account), "to": str(account)}
            await work.emit("account_changed", subscriber_id, dict(work.details))

        filing = Filing("use_account", "", str(account), origin, subscriber_id)
        await self._desk.carry_out("use_account", filing, body)

    async def accounts(self, contract_id: ContractId) -> list[PersonalAccount]:
        """The personal accounts of a contract, the oldest first."""
        async with self._desk.db.acquire() as conn:
            return await store.accounts_of_contract(conn, contract_id)

    # The end

    async def refuse(self, subscriber_id: SubscriberId, origin: Origin, *, stop_at: datetime | None = None) -> datetime:
        """End a subscription on the subscriber's written refusal, now or on the date it names; returns when.

        Raises:
            ChannelRefusedError: not in writing.
            StopDateError: the date lies before the application.
            SubscriberUnknownError

        Contract: PSC-6.3.1
        """
        if not (rules.is_written(origin) or origin.manual):
            raise ChannelRefusedError(channel=origin.channel)

        async def body(work: Work) -> datetime:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            if stop_at is not None and stop_at < work.now:
                raise StopDateError(now=work.now.isoformat())
            if stop_at is None or stop_at == work.now:
                await end_subscription(work, subscription, EndGround.REFUSAL)
                return work.now
            await work.conn.execute(Q.set_stop_at, subscriber_id, stop_at)
            work.outcome = f"services stop at {stop_at.isoformat()}"
            return stop_at

        filing = Filing("refuse_contract", "", str(stop_at or "now"), origin, subscriber_id)
        return await self._desk.carry_out("refuse_contract", filing, body)

    async def end(self, subscriber_id: SubscriberId, ground: EndGround, origin: Origin) -> None:
        """End a subscription on a ground of the contract, without notice.

        Whoever finds the ground calls this: staff a breach or false data, portability a number that left, billing
        months of suspension for non-payment or of silence.

        Contract: PSC-6.2, PSC-6.3.2
        """

        async def body(work: Work) -> None:
            await end_subscription(work, await store.lock_subscription(work.conn, subscriber_id), ground)

        filing = Filing("end_contract", "", ground, origin, subscriber_id)
        await self._desk.carry_out("end_contract", filing, body)

    async def end_stopped(self, limit: int = 200) -> int:
        """End subscriptions whose date to stop has come; a job calls it. Reads do not wait for it.

        Contract: PSC-6.3.1
        """

        async def body(conn: Connection) -> int:
            work = self._desk.work(conn, by_system("contracts", "date of the application"))
            rows = await conn.fetch(Q.lock_stopping, work.now, limit)
            for row in rows:
                subscription = await store.lock_subscription(conn, row["subscription_id"])
                await end_subscription(work, subscription, EndGround.REFUSAL)
            return len(rows)

        return await self._desk.db.transact("subscribers.end_stopped", body)

    async def _end_contract(self, work: Work, contract_id: ContractId, ground: EndGround) -> list[str]:
        ended: list[str] = []
        for subscriber_id in await store.subscriptions_of_contract(work.conn, contract_id):
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            await end_subscription(work, subscription, ground)
            ended.append(subscription.msisdn)
        return ended


async def end_personal(work: Work, subscriber_id: SubscriberId, reason: str) -> None:
    """End what belongs to the subscriber and not to the number: services, plan change, devices, secret, consents."""
    conn, now = work.conn, work.now
    on = await store_services.services_on(conn, subscriber_id, now)
    await store_services.switch_off(conn, [service.service_id for service in on], now)
    await conn.fetch(Q.cancel_plan_change, subscriber_id)
    await conn.execute(Q.end_devices, subscriber_id, now, reason)
    await conn.execute(Q.delete_secret, subscriber_id)
    await conn.execute(Q.withdraw_consents_of_subscription, subscriber_id, now)


async def end_subscription(work: Work, subscription: Subscription, ground: EndGround) -> None:
    """End a subscription: its services, devices, number, card and consents of the number end with it.

    The number rests in quarantine, unless it was ported out. Debts and money stay on the personal account; billing
    hears of the end from the event, returns the one and claims the other.

    Contract: PSC-2.11, PSC-6.3.5, PSC-6.5
    """
    subscriber_id, conn, now = subscription.subscriber_id, work.conn, work.now
    await end_personal(work, subscriber_id, ground)
    await store_numbers.take_out(conn, subscriber_id, now)
    await conn.execute(Q.end_subscription, subscriber_id, now, ground)
    if ground is EndGround.PORTED_OUT:
        await store_numbers.close_number(conn, subscription.msisdn, now)
        await conn.execute(Q.port_out_number, subscription.msisdn)
    else:
        await numbers.withdraw(work, subscription.msisdn)
    await conn.execute(Q.end_idle_contract, subscription.contract_id, now)
    work.subscriber_id = subscriber_id
    await work.emit(
        "ended",
        subscriber_id,
        {
            "msisdn": subscription.msisdn,
            "ground": ground,
            "shard": subscription.account.shard,
            "account_id": subscription.account.account_id,
            "contract_id": subscription.contract_id,
        },
    )
