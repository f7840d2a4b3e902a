"""Events become short messages to subscribers, each once.

A consumer of the outbox gets an event at least once; the message's `dedupe_key` is made from what happened, so that the
second time queues nothing. Who acted by SMS himself has read the answer and is not told again.

What nobody asked for at that moment waits for the hours in which subscribers may be told. What has become untrue while
it waited, for the morning or for the SMSC, is withdrawn.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from babel import Locale

from telco.catalog.catalogue import Catalogue
from telco.db.outbox import Dispatcher, OutboxEvent
from telco.db.pool import Connection
from telco.kernel.clock import Clock
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.money import Money, tenge
from telco.kernel.msisdn import Msisdn
from telco.kernel.units import Unit
from telco.sms import wording
from telco.sms.command import Codes, Line
from telco.sms.model import OutboundKind, Outgoing
from telco.sms.runner import Runner
from telco.subscribers.model import Channel, Ground, PartyKind, Scope, Subscriber
from telco.subscribers.service import Subscribers

SOON = timedelta(hours=24)
"""How long a notice about the present is worth delivering."""
LONG = timedelta(days=3)

USAGE = ("session:", "event:")
"""How the ledger's operations of charging begin: the network reports what is being used."""
ANSWERED = frozenset({Channel.SMS, Channel.USSD})
"""Channels whose command has told its outcome already."""


class Notice(NamedTuple):
    """What one event tells one subscriber."""

    lines: tuple[Line, ...]
    valid_for: timedelta = SOON
    at_once: bool = False
    """Whether it leaves at any hour: it tells what somebody has just done, or what happens to who is using services."""
    about: str | None = None
    """Under what it is withdrawn once it is no longer true: see `UNTRUE`."""


Event = Mapping[str, Any]
EnqueueAll = Callable[[Connection, Sequence[Outgoing]], Awaitable[object]]
"""Queues messages in the caller's transaction: `SmsService.enqueue_all`."""
Withdraw = Callable[[Connection, Sequence[str]], Awaitable[None]]
"""Takes back what was queued about some matters and still waits: `SmsService.withdraw`."""
Daytime = Callable[[Connection], Awaitable[datetime]]
"""Tells from when on subscribers may be told what they did not ask for: `Collection.sms_from`."""
Writer = Callable[["Notices", Event, Subscriber], Notice | None]


class Notices:
    """Consumes events and queues what subscribers are to be told."""

    def __init__(
        self,
        clock: Clock,
        translator: Translator,
        subscribers: Subscribers,
        catalogue: Callable[[], Catalogue],
        enqueue: EnqueueAll,
        withdraw: Withdraw,
        daytime: Daytime,
        codes: Codes | None = None,
    ) -> None:
        self._clock = clock
        self._runner = Runner(translator)
        self._subscribers = subscribers
        self._catalogue = catalogue
        self._enqueue = enqueue
        self._withdraw = withdraw
        self._codes = codes or Codes()
        self.daytime = daytime

    def subscribe_to(self, outbox: Dispatcher) -> None:
        """Take every topic that somebody is told of, or that makes untrue what somebody is to be told."""
        for topic in sorted(WRITERS.keys() | UNTRUE.keys()):
            outbox.subscribe_batch(topic, self.on_events)

    async def on_events(self, connection: Connection, events: Sequence[OutboxEvent]) -> None:
        """Tell everybody whom events concern, with the transaction that marks them, and withdraw what they end.

        Contract: PSC-3.2.3, PSC-3.1.2
        """
        readers = await self._readers(connection, [event.payload for event in events if event.topic in WRITERS])
        ended = {
            UNTRUE[event.topic](event.payload): place for place, event in enumerate(events) if event.topic in UNTRUE
        }
        written = [
            _Written(event, reader, notice)
            for place, event in enumerate(events)
            if event.topic in WRITERS
            for reader in readers[_about(event.payload)]
            if (notice := WRITERS[event.topic](self, event.payload, reader)) is not None
            and (notice.about is None or ended.get(notice.about, place) <= place)
        ]
        if ended:
            await self._withdraw(connection, list(ended))
        waits = any(not one.notice.at_once for one in written)
        day = await self.daytime(connection) if waits else None
        await self._enqueue(connection, [self._message(one, None if one.notice.at_once else day) for one in written])

    def _message(self, written: _Written, not_before: datetime | None) -> Outgoing:
        event, reader, notice = written
        return Outgoing(
            reader.msisdn,
            "\n".join(self._runner.say(line, reader.language) for line in notice.lines),
            self._codes.root,
            OutboundKind.NOTICE,
            f"{event.topic}:{_cause(event)}:{reader.subscriber_id}",
            notice.valid_for,
            not_before,
            notice.about,
        )

    async def _readers(self, connection: Connection, payloads: Sequence[Event]) -> Mapping[_About, list[Subscriber]]:
        """The numbers that events are about; a personal account may serve several.

        Who got a number by re-registration is told nothing of an account that its former holder has kept.

        Contract: PSC-3.1.5.9
        """
        abouts = {_about(payload) for payload in payloads}
        found: dict[_About, list[Subscriber]] = {about: [] for about in abouts}
        if ids := {about.subscriber_id for about in abouts if about.subscriber_id is not None}:
            by_id = await self._subscribers.find_by_ids(ids)
            found.update((about, [by_id[about.subscriber_id]]) for about in abouts if about.subscriber_id in by_id)
        if accounts := {about.account for about in abouts if about.account is not None and not about.subscriber_id}:
            by_account = await self._subscribers.find_by_accounts(accounts)
            found.update((_About(account=account), readers) for account, readers in by_account.items())
        if msisdns := {about.msisdn for about in abouts if about.msisdn is not None}:
            by_msisdn = await self._subscribers.find_many(msisdns)
            found.update((_About(msisdn=msisdn), [reader]) for msisdn, reader in by_msisdn.items())
        moved = [
            (about, about.account, reader)
            for about, readers in found.items()
            for reader in readers
            if about.account is not None and about.account != reader.account
        ]
        accounts = {account for _, account, _ in moved}
        holders = await self._subscribers.accounts.holders(connection, list(accounts)) if accounts else {}
        for about, account, reader in moved:
            if account not in holders or holders[account].contract_id != reader.contract_id:
                found[about] = []
        return found

    # What each event says

    def _threshold(self, event: Event, reader: Subscriber) -> Notice | None:
        """A volume at 80 %, used up; a low balance. Contract: PSC-3.2.3, PSC-2.7, FUP-2

        Who is using services is told at once, at any hour: the price changes, or services will stop. A balance that a
        fee has lowered can wait.
        """
        if event["level"] == "low":
            low = Text("Your balance is low: {money}. Top up in time.", money=Money(event["left"]))
            return Notice((low,), at_once=event["op_id"].startswith(USAGE), about=_low(event))
        unit = Unit(event["unit"])
        kind = self._catalogue().allowance_types.get(event["code"])
        if unit is Unit.MONEY or kind is None:
            return None
        name = kind.names.of(reader.language)
        if event["level"] == "80":
            left = wording.quantity(unit, event["left"])
            return Notice((Text("{name}: 80% used, {left} left.", name=name, left=left),), at_once=True)
        plan = self._catalogue().plan_version(reader.plan_code, reader.plan_version)
        if plan.fair_use is not None and plan.fair_use.allowance == event["code"]:
            slow = Text("{name}: used up. The speed is lowered until the next period.", name=name)
            return Notice((slow,), at_once=True)
        return Notice((Text("{name}: used up. From now on the price of your plan applies.", name=name),), at_once=True)

    def _fee_taken(self, event: Event, reader: Subscriber) -> Notice | None:
        """A subscription fee was taken. Contract: PSC-1.1.2, PSC-3.2.4"""
        amount = tenge(Decimal(event["amount"]))
        if not amount or (event["first"] and event["kind"] == "service"):
            return None  # the first fee of a service is part of the answer that switched it on
        name = self._name(event["kind"], event["code"], event["version"], reader.language)
        lines: list[Line] = [Text("{name}: fee {money} taken.", name=name, money=Money(amount))]
        if event["next_fee_at"]:
            lines.append(Text("Next fee: {day}", day=self._day(event["next_fee_at"])))
        return Notice(tuple(lines), LONG, at_once=_asked(event))

    def _fee_not_taken(self, event: Event, reader: Subscriber) -> Notice:
        """Not enough money for a fee. Contract: PSC-3.1.5.1, PSC-3.2.5"""
        name = self._name(event["kind"], event["code"], event["version"], reader.language)
        money = Money(tenge(Decimal(event["amount"])))
        unpaid = Text("{name}: not enough money for the fee of {money}. Top up.", name=name, money=money)
        return Notice((unpaid,), LONG, at_once=_asked(event), about=_fee(event))

    def _credited(self, event: Event, _reader: Subscriber) -> Notice | None:
        """Money came; who sent the card's code by SMS has read it in the answer. Contract: PSC-1.1.10, PSC-4.1"""
        if str(event.get("request_id", "")).startswith("sms:"):
            return None
        amount, balance = Money(event["amount"]), Money(event["balance"])
        lines = (Text("Topped up by {money}.", money=amount), Text("Balance: {money}", money=balance))
        return Notice(lines, LONG, at_once=True)

    def _instalment_posted(self, event: Event, _reader: Subscriber) -> Notice:
        """A part of a device's price was taken on its day. Contract: PSC-3.2.12"""
        money = Money(event["amount"])
        taken = Text(
            "Device instalment {part} of {of}: {money} taken.", part=event["part"], of=event["of"], money=money
        )
        return Notice((taken,), LONG)

    def _plan_changed(self, event: Event, reader: Subscriber) -> Notice:
        name = self._name("plan", event["plan"], event["version"], reader.language)
        return Notice((Text("Your plan is now {plan}.", plan=name),), LONG, at_once=_asked(event))

    def _service_on(self, event: Event, reader: Subscriber) -> Notice | None:
        """Somebody else switched it on for the subscriber. Contract: PSC-3.1.11"""
        if event["channel"] in ANSWERED:
            return None
        switched = Text("{service} is on.", service=self._service(event["code"], reader.language))
        return Notice((switched,), LONG, at_once=True)

    def _service_off(self, event: Event, reader: Subscriber) -> Notice | None:
        if event["channel"] in ANSWERED:
            return None
        switched = Text("{service} is off.", service=self._service(event["code"], reader.language))
        return Notice((switched,), LONG, at_once=True)

    def _suspended(self, event: Event, reader: Subscriber) -> Notice:
        """Services were stopped or limited. Contract: PSC-3.1.5"""
        lines: tuple[Line, ...]
        if event["ground"] == Ground.MONEY and event.get("reference"):
            lines = (Text("Outgoing services are stopped: invoice {number} is unpaid.", number=event["reference"]),)
        elif event["ground"] == Ground.MONEY:
            lines = (Text("Outgoing services are stopped: not enough money. Top up."),)
        elif Scope.FULL in event["scopes"]:
            lines = (Text("Services to your number are suspended."), self._helpdesk(reader))
        else:
            lines = (Text("Some of your services are limited."), self._helpdesk(reader))
        return Notice(lines, LONG, at_once=_asked(event), about=_suspension(event))

    def _resumed(self, event: Event, _reader: Subscriber) -> Notice | None:
        """Services are back only when no suspension forbids them; who has paid for it waits to hear so.

        Contract: PSC-3.1.5
        """
        if event["barred"]:
            return None
        at_once = _asked(event) or event["ground"] == Ground.MONEY
        return Notice((Text("Your services are available again."),), LONG, at_once, _served(event))

    def _acceded(self, event: Event, reader: Subscriber) -> Notice:
        """A new subscriber learns his number, plan and the menu. Contract: PSC-2.3, PSC-2.5"""
        plan = self._catalogue().plan_version(reader.plan_code, reader.plan_version).name.of(reader.language)
        return Notice(
            (
                Text("Welcome! Your number: +{number}. Plan: {plan}.", number=event["msisdn"], plan=plan),
                Text("Menu: *{root}#", root=self._codes.root),
                self._helpdesk(reader),
            ),
            LONG,
            at_once=True,
        )

    def _number_changed(self, event: Event, _reader: Subscriber) -> Notice:
        """Contract: PSC-2.11"""
        return Notice((Text("Your new number: +{number}.", number=event["to"]),), LONG, at_once=True)

    def _sim_swapped(self, _event: Event, reader: Subscriber) -> Notice:
        """Contract: PSC-1.1.28"""
        swapped = Text("The SIM of your number was replaced. Not by you? Call us.")
        return Notice((swapped, self._helpdesk(reader)), LONG, at_once=True)

    def _application_decided(self, event: Event, _reader: Subscriber) -> Notice:
        """Contract: PSC-1.1.7"""
        number = event["application_id"]
        if event["state"] == "done":
            return Notice((Text("Your application No. {number} is granted.", number=number),), LONG)
        return Notice((Text("Your application No. {number} is refused.", number=number),), LONG)

    def _limit_decided(self, event: Event, _reader: Subscriber) -> Notice:
        """What became of the credit limit that was asked for. Contract: PSC-3.2.6"""
        money = Money(event["limit"])
        if event["state"] == "granted":
            return Notice((Text("Your credit limit is {money}.", money=money),), LONG)
        return Notice((Text("The credit limit of {money} was not granted.", money=money),), LONG)

    def _email_failed(self, _event: Event, reader: Subscriber) -> Notice:
        """A message did not reach the registered address, which may be out of date. Contract: PSC-3.2.7"""
        return Notice(
            (Text("Our e-mail to you could not be delivered. Check your address."), self._helpdesk(reader)), LONG
        )

    def _silence_warned(self, event: Event, _reader: Subscriber) -> Notice:
        """Nobody has used the number for almost as long as ends the contract. Contract: PSC-6.3.4"""
        day = f"{date.fromisoformat(event['ends_on']):%d.%m.%Y}"
        warning = Text("Your number has not been used for long. Use it before {day}, or the contract ends.", day=day)
        return Notice((warning,), LONG)

    def _roaming_entered(self, event: Event, reader: Subscriber) -> Notice:
        """On arrival in a partner's country: a debt may arise there. Contract: PSC-3.1.2, PSC-3.2.5"""
        territories: Mapping[str, str] = Locale(reader.language.value).territories
        country = territories.get(event["country"], event["country"])
        return Notice(
            (
                Text("Welcome! You are in roaming: {country}. Calls, SMS and data are charged.", country=country),
                Text("Usage there is not controlled in real time: a debt may arise and has to be paid."),
                Text("Helpdesk: {number}", number=self._codes.helpdesk_from_anywhere),
            ),
            at_once=True,
        )

    def _invoice_issued(self, event: Event, reader: Subscriber) -> Notice | None:
        """What of a new invoice is to be paid and by when; a company is given the document. Contract: PSC-3.2.4"""
        if event["open"] <= 0 or reader.party_kind is PartyKind.COMPANY:
            return None
        notice = Text(
            "Invoice {number} is issued: pay {money} by {day}.",
            number=event["number"],
            money=Money(event["open"]),
            day=f"{date.fromisoformat(event['due_on']):%d.%m.%Y}",
        )
        return Notice((notice,), LONG, about=_invoice(event))

    def _invoice_reminder(self, event: Event, _reader: Subscriber) -> Notice | None:
        """What is to be paid and by when, or that it is overdue. Contract: PSC-3.1.4"""
        if event["channel"] != Channel.SMS:
            return None
        money = Money(event["amount"])
        if event["overdue"]:
            text = Text("Invoice {number} is overdue: {money}. Pay it.", number=event["number"], money=money)
        else:
            day = f"{date.fromisoformat(event['due_on']):%d.%m.%Y}"
            text = Text("Invoice {number}: pay {money} by {day}.", number=event["number"], money=money, day=day)
        return Notice((text,), about=_debt(event))

    def _invoice_lowered(self, event: Event, _reader: Subscriber) -> Notice:
        """A credit note took something off an invoice. Contract: PSC-3.1.4-1"""
        money = Money(event["amount"])
        return Notice(
            (Text("Invoice {number} is lowered by {money}.", number=event["invoice_number"], money=money),), LONG
        )

    def _overdue_notice(self, event: Event, _reader: Subscriber) -> Notice | None:
        """From this notice the term runs after which the debt counts as acknowledged. Contract: PSC-3.1.4-1"""
        if event["channel"] != Channel.SMS or event["answer_until"] is None:
            return None
        notice = Text(
            "Notice of overdue debt: invoice {number}, {money}. If you neither pay nor object by {day}, the debt counts"
            " as acknowledged.",
            number=event["number"],
            money=Money(event["amount"]),
            day=f"{date.fromisoformat(event['answer_until']):%d.%m.%Y}",
        )
        return Notice((notice, Text("To object, send OBJECT.")), LONG, about=_debt(event))

    def _helpdesk(self, reader: Subscriber) -> Text:
        return Text("Helpdesk: {number}, free.", number=self._codes.helpdesk_of(reader))

    def _name(self, kind: str, code: str, version: int, language: Language) -> str:
        catalogue = self._catalogue()
        item = catalogue.plan_version(code, version) if kind == "plan" else catalogue.service_version(code, version)
        return item.name.of(language)

    def _service(self, code: str, language: Language) -> str:
        versions = self._catalogue().service_versions.get(code)
        return versions[-1].name.of(language) if versions else code

    def _day(self, moment: str) -> str:
        return wording.day(datetime.fromisoformat(moment), self._clock.now())


class _Written(NamedTuple):
    """What an event tells one of those whom it concerns."""

    event: OutboxEvent
    reader: Subscriber
    notice: Notice


class _About(NamedTuple):
    """Whom an event concerns: one number, for the sake of an account where it names one, or all that spend from one."""

    subscriber_id: SubscriberId | None = None
    account: AccountRef | None = None
    msisdn: Msisdn | None = None


def _about(payload: Event) -> _About:
    account = AccountRef(payload["shard"], payload["account_id"]) if "account_id" in payload else None
    if account is not None or "subscriber_id" in payload:
        return _About(payload.get("subscriber_id"), account)
    return _About(msisdn=payload["msisdn"])


def _asked(event: Event) -> bool:
    """Whether it followed from what somebody did at that moment, and not from the work of a job."""
    return bool(event.get("asked", False))


def _cause(event: OutboxEvent) -> str:
    """What happened, as an id: the same whenever the same thing is reported."""
    payload = event.payload
    if event.topic == "ledger.threshold":
        keys = ("shard", "account_id", "bucket_id", "level", "op_id")
        return ":".join(str(payload[key]) for key in keys)
    if event.topic == "billing.invoice_issued":
        return str(payload["invoice_id"])
    if "op_id" in payload:
        return str(payload["op_id"])
    return str(event.event_id)


WRITERS: Mapping[str, Writer] = {
    "ledger.threshold": Notices._threshold,
    "billing.credited": Notices._credited,
    "billing.invoice_issued": Notices._invoice_issued,
    "billing.invoice_lowered": Notices._invoice_lowered,
    "billing.credit_limit_decided": Notices._limit_decided,
    "email.failed": Notices._email_failed,
    "billing.instalment_posted": Notices._instalment_posted,
    "subscribers.fee_taken": Notices._fee_taken,
    "subscribers.fee_not_taken": Notices._fee_not_taken,
    "subscribers.plan_changed": Notices._plan_changed,
    "subscribers.service_on": Notices._service_on,
    "subscribers.service_off": Notices._service_off,
    "subscribers.suspended": Notices._suspended,
    "subscribers.resumed": Notices._resumed,
    "subscribers.acceded": Notices._acceded,
    "subscribers.number_changed": Notices._number_changed,
    "subscribers.sim_swapped": Notices._sim_swapped,
    "subscribers.silence_warned": Notices._silence_warned,
    "subscribers.application_decided": Notices._application_decided,
    "charging.roaming_entered": Notices._roaming_entered,
    "collection.reminder": Notices._invoice_reminder,
    "collection.notice": Notices._overdue_notice,
}
"""Who writes the notice of which topic."""


# What notices are about: an event that says the opposite names the same


def _invoice(event: Event) -> str:
    return f"invoice:{event['invoice_id']}"


def _debt(event: Event) -> str:
    return f"debt:{event['debt_id']}"


def _fee(event: Event) -> str:
    """The fee of a number's plan, whichever it is by now, or of a service."""
    what = event["kind"] if event["kind"] == "plan" else f"service:{event['code']}"
    return f"fee:{event['subscriber_id']}:{what}"


def _fee_of_service(event: Event) -> str:
    return _fee({**event, "kind": "service"})


def _suspension(event: Event) -> str:
    return f"suspension:{event['suspension_id']}"


def _served(event: Event) -> str:
    return f"served:{event['subscriber_id']}"


def _low(event: Event) -> str:
    return f"low:{event['shard']}:{event['account_id']}"


UNTRUE: Mapping[str, Callable[[Event], str]] = {
    "billing.invoice_paid": _invoice,
    "billing.credited": _low,
    "collection.closed": _debt,
    "subscribers.fee_taken": _fee,
    "subscribers.service_off": _fee_of_service,
    "subscribers.suspended": _served,
    "subscribers.resumed": _suspension,
}
"""What an event makes untrue of what waits to be told."""
