"""Bodies of the instalments' API."""

from __future__ import annotations

import base64
from datetime import date, datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from telco.billing.instalments.bureau import BureauFile
from telco.billing.instalments.model import AgreementState, PortOutAnswer, PortOutRefusal, Sale, Standing
from telco.catalog.bonus import DevicePlan
from telco.catalog.http import NamesOut
from telco.kernel.money import Tiyn, to_decimal
from telco.subscribers.model import Channel
from telco.web.fields import ApiModel, Code, Money, MoneyOut, PositiveMoney, text

Ground = Annotated[str, text(200, field="ground"), Field(examples=["application of 2 March, passport shown"])]
AgreementNumber = Annotated[
    str, StringConstraints(pattern=r"^DIA-[0-9]{4}-[0-9]{7}$"), Field(examples=["DIA-2026-0000001"])
]


class DevicePlanOut(ApiModel):
    """Terms on which devices are sold by instalments."""

    code: str
    version: int
    name: NamesOut
    months: list[int]
    """Numbers of parts that may be chosen, one a month."""
    down_percent: str
    """The least down payment, of the price."""
    least_price: MoneyOut
    most_price: MoneyOut
    return_days: int
    """Days after the sale in which the device may be brought back."""
    consent_version: str
    """Of the consent to exchange credit history that signing gives."""

    @classmethod
    def of(cls, plan: DevicePlan) -> DevicePlanOut:
        return cls(
            code=plan.code,
            version=plan.version,
            name=NamesOut.of(plan.name),
            months=sorted(plan.months),
            down_percent=f"{to_decimal(plan.down_basis_points).normalize():f}",
            least_price=plan.least_price,
            most_price=plan.most_price,
            return_days=plan.return_days,
            consent_version=plan.consent_version,
        )


class DevicePlansOut(ApiModel):
    plans: list[DevicePlanOut]


class SaleIn(ApiModel):
    """A device that is sold by instalments, with the consent to exchange credit history."""

    plan: Code = Field(examples=["device-standard"])
    """Of the catalogue's device plans."""
    device: Annotated[str, text(100, field="device")] = Field(examples=["Galaxy A55 128 GB"])
    imei: Annotated[str, StringConstraints(pattern=r"^[0-9]{15}$")] = Field(examples=["490154203237518"])
    price: PositiveMoney
    down_payment: Money
    months: Annotated[int, Field(ge=1, le=60)] = Field(examples=[12])
    ground: Ground
    """How the subscriber identified himself."""

    def sale(self) -> Sale:
        return Sale(self.plan, self.device, self.imei, self.price, self.down_payment, self.months)


class GroundIn(ApiModel):
    """What a command is done on."""

    ground: Ground


class PartOut(ApiModel):
    part_no: int
    """0 is the down payment."""
    due_on: date
    amount: MoneyOut
    posted_at: datetime | None
    cancelled_at: datetime | None


class AgreementOut(ApiModel):
    """A device agreement with its parts."""

    number: str
    msisdn: str
    account: str
    plan: str
    plan_version: int
    device: str
    imei: str
    price: MoneyOut
    down_payment: MoneyOut
    months: int
    signed_at: datetime
    consent_version: str
    consent_channel: Channel
    consent_at: datetime
    state: AgreementState
    closed_at: datetime | None
    close_reason: str | None
    open_rest: MoneyOut
    parts: list[PartOut]

    @classmethod
    def of(cls, standing: Standing) -> AgreementOut:
        agreement = standing.agreement
        return cls(
            number=agreement.number,
            msisdn=agreement.msisdn,
            account=str(agreement.account),
            plan=agreement.plan_code,
            plan_version=agreement.plan_version,
            device=agreement.device,
            imei=agreement.imei,
            price=agreement.price,
            down_payment=agreement.down_payment,
            months=agreement.months,
            signed_at=agreement.signed_at,
            consent_version=agreement.consent_version,
            consent_channel=agreement.consent_channel,
            consent_at=agreement.consent_at,
            state=agreement.state,
            closed_at=agreement.closed_at,
            close_reason=agreement.close_reason,
            open_rest=standing.open_rest,
            parts=[
                PartOut(
                    part_no=part.part_no,
                    due_on=part.due_on,
                    amount=part.amount,
                    posted_at=part.posted_at,
                    cancelled_at=part.cancelled_at,
                )
                for part in standing.parts
            ],
        )


class AgreementsOut(ApiModel):
    agreements: list[AgreementOut]


class PortOutOut(ApiModel):
    """Whether a number may be ported out now."""

    msisdn: str
    allowed: bool
    refusals: list[PortOutRefusal]
    owed: MoneyOut
    detail: str
    """What is owed, each with its reference."""

    @classmethod
    def of(cls, answer: PortOutAnswer) -> PortOutOut:
        return cls(
            msisdn=answer.msisdn,
            allowed=answer.allowed,
            refusals=list(answer.refusals),
            owed=Tiyn(answer.owed),
            detail=answer.detail,
        )


class BureauFileOut(ApiModel):
    file_id: int
    bureau: str
    day: date
    name: str
    records: int
    made_at: datetime
    sent_at: datetime | None
    receipt: str | None
    attempts: int
    last_error: str | None

    @classmethod
    def of(cls, file: BureauFile) -> BureauFileOut:
        return cls.model_validate(file)


class BureauFilesOut(ApiModel):
    files: list[BureauFileOut]


class BureauContentOut(ApiModel):
    """A file for a credit bureau, in Base64."""

    name: str
    content: str

    @classmethod
    def of(cls, file: BureauFile, content: bytes) -> BureauContentOut:
        return cls(name=file.name, content=base64.b64encode(content).decode())
