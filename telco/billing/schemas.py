"""Bodies of the billing API."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from telco.billing.cards import MOST_CARDS
from telco.billing.model import CardState
from telco.kernel.money import Tiyn, json_money
from telco.kernel.units import Unit
from telco.ledger.model import Kind
from telco.ledger.views import AccountView, BucketView, StatementEntry
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


class UnitName(StrEnum):
    """Unit of a bucket or line."""

    TENGE = "tenge"
    BYTES = "bytes"
    SECONDS = "seconds"
    MESSAGES = "messages"


_UNIT_NAMES = {
    Unit.MONEY: UnitName.TENGE,
    Unit.BYTES: UnitName.BYTES,
    Unit.SECONDS: UnitName.SECONDS,
    Unit.MESSAGES: UnitName.MESSAGES,
}


def _amount(unit: Unit, amount: int) -> str:
    return json_money(amount) if unit is Unit.MONEY else str(amount)


class BucketOut(ApiModel):
    """What a bucket of the account holds; amounts of money in tenge, others in whole units."""

    code: str
    unit: UnitName
    balance: str
    held: str
    initial: str
    valid_until: datetime | None

    @classmethod
    def of(cls, bucket: BucketView) -> BucketOut:
        return cls(
            code=bucket.code,
            unit=_UNIT_NAMES[bucket.unit],
            balance=_amount(bucket.unit, bucket.balance),
            held=_amount(bucket.unit, bucket.held),
            initial=_amount(bucket.unit, bucket.initial),
            valid_until=bucket.valid_until,
        )


class BalanceOut(ApiModel):
    """A personal account as it is now."""

    msisdn: str
    account: str
    main: MoneyOut
    available: MoneyOut
    """What all its money, less holds and with the credit limit, could pay now."""
    credit_limit: MoneyOut
    buckets: list[BucketOut]

    @classmethod
    def of(cls, msisdn: str, view: AccountView) -> BalanceOut:
        return cls(
            msisdn=msisdn,
            account=str(view.account),
            main=Tiyn(view.main),
            available=Tiyn(view.available_money),
            credit_limit=Tiyn(view.credit_limit),
            buckets=[BucketOut.of(bucket) for bucket in view.buckets],
        )


class StatementLineOut(ApiModel):
    """What an operation moved in one bucket: negative when it was taken."""

    code: str
    unit: UnitName
    amount: str


class StatementEntryOut(ApiModel):
    """One operation on the account."""

    operation: str
    at: datetime
    kind: str
    label: str
    """What it was for, such as ``voice.on_net``."""
    lines: list[StatementLineOut]
    cost: MoneyOut
    balance: MoneyOut
    """Main balance after it."""
    details: dict[str, Any]

    @classmethod
    def of(cls, entry: StatementEntry) -> StatementEntryOut:
        return cls(
            operation=entry.op_id,
            at=entry.at,
            kind=Kind(entry.kind).name.lower(),
            label=str(entry.details.get("label", entry.contra)),
            lines=[
                StatementLineOut(code=line.code, unit=_UNIT_NAMES[line.unit], amount=_amount(line.unit, line.amount))
                for line in entry.lines
            ],
            cost=Tiyn(entry.cost_tiyn),
            balance=Tiyn(entry.main_after),
            details=entry.details,
        )


class StatementOut(ApiModel):
    """The newest operations of a personal account, newest first."""

    msisdn: str
    entries: list[StatementEntryOut]
