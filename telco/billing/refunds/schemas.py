"""Bodies of the API of money back."""

from __future__ import annotations

import base64
from datetime import date, datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from telco.billing.payments.schemas import FileContent
from telco.billing.refunds.model import (
    AnswerKind,
    BankAnswer,
    Compensation,
    EndedAccount,
    NewRefund,
    Payee,
    PayoutWay,
    Refund,
    RefundFile,
    RefundKind,
    RefundState,
)
from telco.kernel.ids import AccountId, AccountRef
from telco.subscribers.model import Channel
from telco.web.fields import ApiModel, Day, MoneyOut, MsisdnText, PositiveMoney, text

Named = Annotated[str, text(32, field="named"), Field(examples=["77011234567"])]
IinBin = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$"), Field(examples=["900101300017"])]
Iban = Annotated[str, StringConstraints(min_length=20, max_length=32), Field(examples=["KZ86125KZT5004100100"])]
OurIban = Annotated[
    str, StringConstraints(pattern=r"^KZ[0-9]{2}[0-9A-Z]{16}$"), Field(examples=["KZ87345KZT1234567890"])
]
Bic = Annotated[str, StringConstraints(pattern=r"^[A-Z]{4}KZ[0-9A-Z]{2,5}$"), Field(examples=["HSBKKZKX"])]
Kbe = Annotated[str, StringConstraints(pattern=r"^[12][1-9]$"), Field(examples=["19"])]
Ground = Annotated[str, text(300, field="ground"), Field(examples=["application 17 of 2 March 2026"])]
Decision = Annotated[str, text(300, field="decision"), Field(examples=["identity and account checked"])]
Document = Annotated[str, text(40, field="document"), Field(examples=["17"])]
Incident = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$"), Field(examples=["INC-2026-17"])
]


def _account(value: str) -> AccountRef:
    shard, account_id = value.split(":")
    return AccountRef(int(shard), AccountId(int(account_id)))


class RefundIn(ApiModel):
    """A written application for money back."""

    named: Named
    """The number or personal account that it is about."""
    iin_bin: IinBin
    """Of who applies: a person's IIN, a company's BIN."""
    way: PayoutWay
    iban: Iban | None = None
    """Where the bank is to pay it; none for a cash desk."""
    bic: Bic | None = None
    kbe: Kbe | None = None
    """The payee's code (КБе), for a bank; left out: what the IIN or BIN tells."""
    amount: PositiveMoney | None = None
    """Left out: all that is left."""
    contact_phone: MsisdnText | None = None
    channel: Channel = Channel.OFFICE
    ground: Ground
    """The paper or letter that it came with."""

    def to_new(self, actor: str, request_id: str) -> NewRefund:
        return NewRefund(
            named=self.named,
            iin_bin=self.iin_bin,
            payee=Payee(self.way, self.iban, self.bic, self.kbe),
            amount=self.amount,
            contact_phone=self.contact_phone,
            channel=self.channel,
            ground=self.ground,
            actor=actor,
            request_id=request_id,
        )


class RefundOut(ApiModel):
    """A refund as it stands."""

    refund_id: int
    reference: str
    kind: RefundKind
    account: str
    named: str
    applicant: str
    iin_bin: str
    contact_phone: str | None
    channel: Channel
    registered_at: datetime
    registered_by: str
    ground: str
    asked: MoneyOut | None
    way: PayoutWay
    iban: str | None
    kbe: str | None
    """The payee's code as it was stated; the IIN or BIN tells it otherwise."""
    not_before: date
    """The first day on which it may be paid."""
    pay_by: date
    """The last day on which it is in time."""
    state: RefundState
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None
    amount: MoneyOut | None
    """What has left the personal account."""
    ordered_at: datetime | None
    file_id: int | None
    paid_on: date | None
    payout_ref: str | None
    returned_at: datetime | None
    return_reason: str | None

    @classmethod
    def of(cls, refund: Refund) -> RefundOut:
        payee = refund.payee
        own = {"account": str(refund.account), "way": payee.way, "iban": payee.iban, "kbe": payee.kbe}
        rest = {name: getattr(refund, name) for name in cls.model_fields if name not in own}
        return cls.model_validate(own | rest)


class RefundsOut(ApiModel):
    refunds: list[RefundOut]


class DecisionIn(ApiModel):
    """Why it is approved or refused."""

    decision: Decision


class PaidIn(ApiModel):
    """What the bank says of an order."""

    paid_on: Day
    document: Document


class ReturnIn(ApiModel):
    """Why the money is put back."""

    reason: Annotated[str, text(300, field="reason"), Field(examples=["the payee's account is closed"])]


class RefundFileIn(ApiModel):
    """From which of our accounts the bank is to pay."""

    iban: OurIban


class RefundFileOut(ApiModel):
    """Payment orders for the bank's client program."""

    file_id: int
    iban: str
    made_on: date
    made_at: datetime
    made_by: str
    orders: int
    total: MoneyOut
    content: str
    """The file in Base64: ``1CClientBankExchange`` 1.03, Windows-1251."""

    @classmethod
    def of(cls, file: RefundFile) -> RefundFileOut:
        content = base64.b64encode(file.content).decode("ascii")
        return cls(content=content, **{name: getattr(file, name) for name in cls.model_fields if name != "content"})


class BankAnswerIn(ApiModel):
    """A bank's statement, ``1CClientBankExchange`` 1.03, as the bank wrote it."""

    file_name: Annotated[str, text(100, field="file_name"), Field(examples=["kl_to_1c.txt"])]
    content: FileContent


class AnswerLineOut(ApiModel):
    kind: AnswerKind
    document: str
    amount: MoneyOut
    refund_id: int | None


class BankAnswerOut(ApiModel):
    """What the statement says of our orders."""

    lines: list[AnswerLineOut]
    replayed: bool
    """The same file was taken before."""

    @classmethod
    def of(cls, answer: BankAnswer) -> BankAnswerOut:
        return cls(lines=[AnswerLineOut.model_validate(line) for line in answer.lines], replayed=answer.replayed)


class EndedAccountOut(ApiModel):
    """An ended personal account with money on it."""

    account: str
    ended_at: datetime
    ground: str
    balance: MoneyOut

    @classmethod
    def of(cls, ended: EndedAccount) -> EndedAccountOut:
        return cls(account=str(ended.account), ended_at=ended.ended_at, ground=ended.ground, balance=ended.balance)


class EndedAccountsOut(ApiModel):
    accounts: list[EndedAccountOut]


AccountText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}:[0-9]{1,18}$"), Field(examples=["2:417"])]


class CompensationIn(ApiModel):
    """Money for proven direct loss."""

    account: AccountText
    incident: Incident
    happened_on: Day
    loss: PositiveMoney
    """The direct loss proven for the incident in all."""
    amount: PositiveMoney
    ground: Ground
    evidence: Annotated[str, text(1000, field="evidence"), Field(examples=["act 3, receipts 1 to 4"])]

    @property
    def account_ref(self) -> AccountRef:
        return _account(self.account)


class CompensationOut(ApiModel):
    compensation_id: int
    incident: str
    happened_on: date
    account: str
    loss: MoneyOut
    amount: MoneyOut
    limit: MoneyOut
    """By the figure in force on the incident's day."""
    ground: str
    evidence: str
    granted_at: datetime
    granted_by: str

    @classmethod
    def of(cls, compensation: Compensation) -> CompensationOut:
        rest = {name: getattr(compensation, name) for name in cls.model_fields if name != "account"}
        return cls(account=str(compensation.account), **rest)


class CompensationsOut(ApiModel):
    compensations: list[CompensationOut]
