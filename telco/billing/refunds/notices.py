"""What applicants are told by SMS, on the phone that they left: their own number may be gone.

Contract: PSC-6.4, PSC-7.7
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any

from telco.billing.refunds.model import PayoutWay
from telco.db.outbox import Dispatcher, OutboxEvent
from telco.db.pool import Connection, Database
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.money import Money
from telco.kernel.msisdn import Msisdn, MsisdnFormatError, parse_msisdn

Send = Callable[[Connection, Msisdn, str, str], Awaitable[None]]
"""Queues a message in the caller's transaction: to whom, the text, and a key under which it is queued once."""


class RefundNotices:
    """Consumes the refunds' events and queues what applicants are to be told."""

    def __init__(self, database: Database, translator: Translator, send: Send) -> None:
        self._database = database
        self._translator = translator
        self._send = send

    def subscribe_to(self, outbox: Dispatcher) -> None:
        """Take every step that an applicant is told of."""
        for topic in _SENTENCES:
            outbox.subscribe(topic, self.on_event)

    async def on_event(self, event: OutboxEvent) -> None:
        """Tell the applicant of a step, where a phone is known that can be reached."""
        sentence = _SENTENCES[event.topic](event.payload)
        if sentence is None or not event.payload["contact_phone"]:
            return
        try:
            phone = parse_msisdn(event.payload["contact_phone"])
        except MsisdnFormatError:
            return  # what people give as a phone is not always one
        text = self._translator.render(sentence, Language(event.payload["language"]))
        key = f"{event.topic}:{event.payload['refund_id']}"
        await self._database.transact("refunds.notice", lambda connection: self._send(connection, phone, text, key))


def _registered(event: Mapping[str, Any]) -> Text:
    day = f"{date.fromisoformat(event['pay_by']):%d.%m.%Y}"
    return Text(
        "Your application {reference} for a refund is registered. It will be paid by {day} at the latest.",
        reference=event["reference"],
        day=day,
    )


def _refused(event: Mapping[str, Any]) -> Text:
    return Text(
        "Your application {reference} for a refund is refused. Call us to hear why.", reference=event["reference"]
    )


def _nothing_left(event: Mapping[str, Any]) -> Text:
    return Text(
        "Your application {reference} for a refund: nothing is left after all charges.", reference=event["reference"]
    )


def _ordered(event: Mapping[str, Any]) -> Text | None:
    """Who is paid by the bank hears of it when it is paid."""
    if event["way"] != PayoutWay.CASH:
        return None
    return Text(
        "Your refund {reference} of {money} waits for you at our cash desk.",
        reference=event["reference"],
        money=Money(event["amount"]),
    )


def _paid(event: Mapping[str, Any]) -> Text:
    return Text(
        "Your refund {reference} is paid: {money}.",
        reference=event["reference"],
        money=Money(event["amount"]),
    )


def _returned(event: Mapping[str, Any]) -> Text:
    return Text(
        "Your refund {reference} came back: {money} is on your personal account again. Apply with the right details.",
        reference=event["reference"],
        money=Money(event["amount"]),
    )


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], Text | None]] = {
    "refunds.registered": _registered,
    "refunds.refused": _refused,
    "refunds.nothing_left": _nothing_left,
    "refunds.ordered": _ordered,
    "refunds.paid": _paid,
    "refunds.returned": _returned,
}
