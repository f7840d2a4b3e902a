"""The staff's billing API."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from telco.billing.cards import PaymentCards
from telco.billing.errors import BatchExistsError, CardNotFoundError, CardNotReadyError, CardTermsError
from telco.billing.schemas import (
    BalanceOut,
    CardBatchIn,
    CardBatchOut,
    CardBlockIn,
    CardOut,
    PrintedCardOut,
    StatementEntryOut,
    StatementOut,
)
from telco.ledger.service import Ledger
from telco.subscribers.errors import SubscriberUnknownError
from telco.subscribers.service import Subscribers
from telco.web.api import Api, ApiRequest
from telco.web.fields import MsisdnText
from telco.web.staff import Role

_CARDS = ["Payment cards"]
_ACCOUNTS = ["Personal accounts"]
_READERS = {Role.CLERK, Role.CASHIER, Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
Serial = Annotated[str, Field(pattern=r"^[0-9]{12}$", examples=["000001000000"])]


Limit = Annotated[int, Field(ge=1, le=500)]


def routes(api: Api, cards: PaymentCards, subscribers: Subscribers, ledger: Ledger) -> None:
    """Declare the billing routes."""
    _card_routes(api, cards)
    _account_routes(api, subscribers, ledger)


def _account_routes(api: Api, subscribers: Subscribers, ledger: Ledger) -> None:
    async def balance(_: ApiRequest, msisdn: MsisdnText) -> BalanceOut:
        """The main balance, bonus balances and allowances of the account that the number spends from; after the end of
        its contract of the one that it spent from."""
        use = await subscribers.latest_use(msisdn)
        return BalanceOut.of(msisdn, await ledger.balances(use.account))

    async def statement(_: ApiRequest, msisdn: MsisdnText, limit: Limit = 50) -> StatementOut:
        """Every operation is there, with what it moved in each bucket."""
        use = await subscribers.latest_use(msisdn)
        entries = await ledger.statement(use.account, limit)
        return StatementOut(msisdn=msisdn, entries=[StatementEntryOut.of(entry) for entry in entries])

    declared = {"roles": _READERS, "tags": _ACCOUNTS, "audit": True, "errors": [SubscriberUnknownError]}
    api.get("/v1/subscribers/{msisdn}/balance", response=BalanceOut, summary="A balance", **declared)(balance)
    api.get("/v1/subscribers/{msisdn}/statement", response=StatementOut, summary="A statement", **declared)(statement)


def _card_routes(api: Api, cards: PaymentCards) -> None:
    async def make_batch(request: ApiRequest, body: CardBatchIn) -> CardBatchOut:
        """The answer holds the secret codes: they are shown this once and kept only as keyed hashes."""
        batch, printed = await cards.make_batch(
            body.reference,
            face_value=body.face_value,
            count=body.count,
            expires_on=body.expires_on,
            actor=request.actor.actor,
        )
        return CardBatchOut(
            batch_id=batch.batch_id,
            face_value=batch.face_value,
            card_count=batch.card_count,
            expires_on=batch.expires_on,
            cards=[PrintedCardOut(serial=card.serial, code=card.code) for card in printed],
        )

    async def block(request: ApiRequest, serial: Serial, body: CardBlockIn) -> CardOut:
        """A card that is used, blocked or expired already stays as it is."""
        card = await cards.block(serial, actor=request.actor.actor, reason=body.reason)
        return CardOut.model_validate(card)

    api.post(
        "/v1/card-batches",
        roles={Role.ACCOUNTANT},
        body=CardBatchIn,
        response=CardBatchOut,
        status=201,
        errors=[CardTermsError, BatchExistsError],
        summary="Make payment cards",
        tags=_CARDS,
    )(make_batch)
    api.post(
        "/v1/cards/{serial}/block",
        roles={Role.ACCOUNTANT, Role.SUPERVISOR},
        body=CardBlockIn,
        response=CardOut,
        errors=[CardNotFoundError, CardNotReadyError],
        summary="Block a payment card",
        tags=_CARDS,
    )(block)
