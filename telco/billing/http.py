"""The staff's billing API."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from telco.billing.cards import PaymentCards
from telco.billing.errors import BatchExistsError, CardNotFoundError, CardNotReadyError, CardTermsError
from telco.billing.schemas import CardBatchIn, CardBatchOut, CardBlockIn, CardOut, PrintedCardOut
from telco.web.api import Api, ApiRequest
from telco.web.staff import Role

_TAGS = ["Payment cards"]
Serial = Annotated[str, Field(pattern=r"^[0-9]{12}$", examples=["000001000000"])]


def routes(api: Api, cards: PaymentCards) -> None:
    """Declare the billing routes."""

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
        tags=_TAGS,
    )(make_batch)
    api.post(
        "/v1/cards/{serial}/block",
        roles={Role.ACCOUNTANT, Role.SUPERVISOR},
        body=CardBlockIn,
        response=CardOut,
        errors=[CardNotFoundError, CardNotReadyError],
        summary="Block a payment card",
        tags=_TAGS,
    )(block)
