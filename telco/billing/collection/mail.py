"""What debtors are told by e-mail, each thing once.

Contract: PSC-3.1.4, PSC-3.1.4-1, PSC-7.6
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from telco.billing.collection.dunning import TOPICS
from telco.billing.collection.model import Action, Channel
from telco.db.outbox import Dispatcher, OutboxEvent
from telco.db.pool import Connection, Database
from telco.email.model import OutgoingEmail
from telco.email.service import Email
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.money import Money


class DebtMail:
    """Consumes what collection tells by e-mail and stores the messages."""

    def __init__(self, database: Database, translator: Translator, email: Email) -> None:
        self._database = database
        self._translator = translator
        self._email = email

    def subscribe_to(self, outbox: Dispatcher) -> None:
        for topic in TOPICS.values():
            outbox.subscribe(topic, self.on_event)

    async def on_event(self, event: OutboxEvent) -> None:
        """Write to a debtor whose step goes by e-mail; other channels have readers of their own."""
        payload = event.payload
        if payload["channel"] != Channel.EMAIL:
            return
        language = Language(payload["language"])
        message = OutgoingEmail(
            recipient=payload["email"],
            subject=self._translator.render(Text("Invoice {number}", number=payload["number"]), language),
            body=self._translator.render(said(event.topic, payload), language),
            reference=f"debt:{payload['debt_id']}",
        )

        async def body(connection: Connection) -> None:
            await self._email.enqueue(connection, message, dedupe_key=f"{event.topic}:{payload['op_id']}")

        await self._database.transact("collection.mail", body)


def said(topic: str, payload: Mapping[str, Any]) -> Text:
    """The sentence of a reminder or notice; what was found after the end has a day to be paid by, as a reminder has."""
    number, money = payload["number"], Money(payload["amount"])
    if topic == TOPICS[Action.NOTICE] and payload["answer_until"] is not None:
        return Text(
            "Notice of overdue debt: invoice {number}, {money}. If you neither pay nor object by {day}, the debt counts"
            " as acknowledged.",
            number=number,
            money=money,
            day=_day(payload["answer_until"]),
        )
    if payload["overdue"]:
        return Text("Invoice {number} is overdue: {money}. Pay it.", number=number, money=money)
    return Text("Invoice {number}: pay {money} by {day}.", number=number, money=money, day=_day(payload["due_on"]))


def _day(text: str) -> str:
    return f"{date.fromisoformat(text):%d.%m.%Y}"
