"""Bodies of the billing API."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from telco.billing.cards import MOST_CARDS
from telco.billing.model import CardState
from telco.web.fields import ApiModel, MoneyOut, PositiveMoney, text


class CardBatchIn(ApiModel):
    """Cards to make, all of one face value."""

    reference: Annotated[str, text(64, field="reference"), Field(examples=["print-order-17"])]
    """The caller's own name for the batch: the same again is refused, since codes are shown once."""
    face_value: PositiveMoney
    count: Annotated[int, Field(ge=1, le=MOST_CARDS, examples=[10])]
    expires_on: Annotated[date, Field(examples=["2028-12-31"])]
    """Their last day, in Kazakhstan."""


class PrintedCardOut(ApiModel):
    """A card to be printed."""

    serial: str
    code: str
    """The secret code, shown this once."""


class CardBatchOut(ApiModel):
    """A batch as it was made."""

    batch_id: int
    face_value: MoneyOut
    card_count: int
    expires_on: date
    cards: list[PrintedCardOut]


class CardBlockIn(ApiModel):
    """Why a card is refused from now on."""

    reason: Annotated[str, text(200, field="reason"), Field(examples=["stolen on the way to the shop"])]


class CardOut(ApiModel):
    """A card; never its code."""

    serial: str
    face_value: MoneyOut
    expires_on: date
    state: CardState
    used_by: int | None
    used_at: datetime | None
    block_reason: str | None
