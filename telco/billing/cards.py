"""Payment cards: made in batches, activated once by their secret code.

Of a code only a keyed hash (HMAC-SHA-256 with the service's pepper) is kept: a copy of the database tops nothing up.

Contract: PSC-1.1.10, PSC-4.1
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from telco.billing import rules, store
from telco.billing.errors import (
    BatchExistsError,
    CardNotFoundError,
    CardNotReadyError,
    CardTermsError,
    RequestReusedError,
)
from telco.billing.invoicing.service import Invoicing
from telco.billing.model import Activation, ActivationStatus, BatchId, Card, CardBatch, CardState, PrintedCard
from telco.billing.topups import TopUp, TopUps
from telco.billing.trust import TrustPayments
from telco.db import audit
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.money import Tiyn, json_money
from telco.ledger.service import Ledger
from telco.subscribers.model import Subscriber

CODE_DIGITS = 14
MOST_CARDS = 100_000
LEAST_FACE_VALUE = Tiyn(100)
CARDS_ACCOUNT = "cash.card"
"""The operator's account on the other side of a card: money taken when the card was sold."""


class PaymentCards:
    """Use cases of payment cards."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        trust: TrustPayments,
        invoicing: Invoicing,
        pepper: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._topups = TopUps(clock, ledger, trust, invoicing)
        self._pepper = pepper

    async def make_batch(
        self, request_id: str, *, face_value: Tiyn, count: int, expires_on: date, actor: str
    ) -> tuple[CardBatch, list[PrintedCard]]:
        """Make `count` cards and return them with their codes: the only time that these are in clear.

        Raises:
            CardTermsError: no cards, too many, no value, or an end that is not after today.
            BatchExistsError: the request made its batch before; its codes cannot be shown again.
        """
        now = self._clock.now()
        valid = 1 <= count <= MOST_CARDS and face_value >= LEAST_FACE_VALUE and expires_on > self._calendar.today(now)
        if not valid:
            raise CardTermsError(most_cards=MOST_CARDS)

        async def body(connection: Connection) -> tuple[CardBatch, list[PrintedCard]]:
            batch_id = await store.insert_batch(connection, request_id, face_value, count, expires_on, now, actor)
            if batch_id is None:
                raise BatchExistsError(request_id=request_id)
            cards = [PrintedCard(_serial(batch_id, number), _code()) for number in range(count)]
            await store.insert_cards(connection, batch_id, self._hashed(cards))
            await audit.record(
                connection,
                at=now,
                actor=actor,
                action="billing.make_card_batch",
                subject=f"card_batch:{batch_id}",
                ground="cards to print",
                details={"count": count, "face_value": json_money(face_value), "expires_on": expires_on.isoformat()},
            )
            return CardBatch(batch_id, face_value, count, expires_on, now, actor), cards

        return await self._database.transact("billing.make_batch", body)

    async def activate(self, subscriber: Subscriber, code: str, request_id: str) -> Activation:
        """Top up the subscriber's account by a card's face value, once.

        The card is marked used and the money credited in one transaction. The same request again gets the first answer.
        An open trust payment is repaid from the top-up.

        Raises:
            RequestReusedError: the request was made before with another code.

        Contract: PSC-1.1.10, PSC-3.1.5.4, PSC-3.1.6, PSC-4.1
        """
        code_hash = self._hash("".join(filter(str.isdigit, code)))

        async def body(connection: Connection) -> Activation:
            await store.lock_attempts(connection, subscriber.subscriber_id)
            earlier = await store.find_attempt(connection, subscriber.subscriber_id, request_id)
            if earlier is not None:
                if not hmac.compare_digest(earlier.code_hash, code_hash):
                    raise RequestReusedError(request_id=request_id)
                return earlier.activation
            return await self._activate(connection, subscriber, code_hash, request_id)

        return await self._database.transact("billing.activate_card", body)

    async def _activate(
        self, connection: Connection, subscriber: Subscriber, code_hash: bytes, request_id: str
    ) -> Activation:
        now = self._clock.now()
        window_start = now - rules.WRONG_CODES_WINDOW
        wrong, oldest = await store.wrong_attempts(connection, subscriber.subscriber_id, window_start)
        card = await store.lock_card_by_code(connection, code_hash)
        state = self._state(card) if card is not None else None
        status = rules.decide_activation(state, wrong_before=wrong)
        match status:
            case ActivationStatus.CREDITED:
                assert card is not None
                activation = await self._credit(connection, subscriber, card, request_id)
            case ActivationStatus.COMMAND_BLOCKED:
                assert oldest is not None
                return Activation(status, blocked_until=oldest + rules.WRONG_CODES_WINDOW)
            case ActivationStatus.WRONG_CODE:
                activation = Activation(status, tries_left=rules.WRONG_CODES_ALLOWED - wrong - 1)
            case _:
                activation = Activation(status)
        serial = card.serial if card is not None else None
        await store.insert_attempt(connection, subscriber.subscriber_id, request_id, code_hash, now, serial, activation)
        return activation

    async def _credit(self, connection: Connection, subscriber: Subscriber, card: Card, request_id: str) -> Activation:
        now = self._clock.now()
        await store.mark_card_used(connection, card.serial, subscriber.subscriber_id, now)
        top_up = TopUp(
            account=subscriber.account,
            subscriber_id=subscriber.subscriber_id,
            msisdn=subscriber.msisdn,
            amount=card.face_value,
            op_id=f"card:{card.serial}",
            contra=CARDS_ACCOUNT,
            channel="card",
            reference=card.serial,
            request_id=request_id,
            label="topup.card",
            details={"serial": card.serial},
        )
        credited = await self._topups.credit(connection, top_up)
        return Activation(
            ActivationStatus.CREDITED,
            face_value=card.face_value,
            balance=credited.balance,
            trust_repaid=credited.trust_repaid,
        )

    async def find(self, serial: str) -> Card | None:
        """Read a card by its serial, as it is today; never its code. Contract: PSC-1.1.10"""
        card = await store.find_card(self._database, serial)
        return None if card is None else replace(card, state=self._state(card))

    async def block(self, serial: str, *, actor: str, reason: str) -> Card:
        """Refuse a lost or stolen card from now on.

        Raises:
            CardNotFoundError: no such card.
            CardNotReadyError: it is used, blocked or expired already.

        Contract: PSC-3.1.5.4
        """

        async def body(connection: Connection) -> Card:
            card = await store.lock_card_by_serial(connection, serial)
            if card is None:
                raise CardNotFoundError(serial=serial)
            state = self._state(card)
            if state is not CardState.READY:
                raise CardNotReadyError(serial=serial, state=state)
            await store.block_card(connection, serial, reason)
            await audit.record(
                connection,
                at=self._clock.now(),
                actor=actor,
                action="billing.block_card",
                subject=f"card:{serial}",
                ground=reason,
            )
            blocked = await store.lock_card_by_serial(connection, serial)
            assert blocked is not None
            return blocked

        return await self._database.transact("billing.block_card", body)

    def _state(self, card: Card) -> CardState:
        return rules.card_state(card.state, expires_on=card.expires_on, today=self._calendar.today(self._clock.now()))

    def _hash(self, code: str) -> bytes:
        return hmac.digest(self._pepper, code.encode(), hashlib.sha256)

    def _hashed(self, cards: Sequence[PrintedCard]) -> list[tuple[str, bytes]]:
        return [(card.serial, self._hash(card.code)) for card in cards]


def _serial(batch_id: BatchId, number: int) -> str:
    return f"{batch_id:06d}{number:06d}"


def _code() -> str:
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
