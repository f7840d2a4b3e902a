"""What the API shows of a subscriber: the card that an employee looks at, part by part."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from telco.kernel.i18n import Language
from telco.kernel.ids import AccountId, AccountRef
from telco.subscribers.model import (
    ApplicationState,
    Channel,
    ConsentKind,
    DeviceKind,
    EndGround,
    Ground,
    PartyKind,
    PlanChangeState,
    PlanState,
    Scope,
    ServiceState,
    SimKind,
)
from telco.web.fields import ApiModel, Id, MoneyOut


class AccountModel(ApiModel):
    """A personal account of the ledger."""

    shard: Annotated[int, Field(ge=0, le=32_767)]
    account_id: Id

    def ref(self) -> AccountRef:
        return AccountRef(self.shard, AccountId(self.account_id))


class SubscriberOut(ApiModel):
    """Who uses a number, or used it last."""

    subscriber_id: int
    contract_id: int
    party_id: int
    party_kind: PartyKind
    msisdn: str
    account: AccountModel
    brand: str
    language: Language
    device_kind: DeviceKind
    settlement: str
    plan_code: str
    plan_version: int
    plan_state: PlanState
    next_fee_at: datetime | None
    services: list[str]
    barred: list[Scope]


class NumberUseOut(ApiModel):
    """A line of the number history."""

    msisdn: str
    from_at: datetime
    until_at: datetime | None
    reason: str


class SimUseOut(ApiModel):
    """A line of the SIM history."""

    iccid: str
    imsi: str
    kind: SimKind
    from_at: datetime
    until_at: datetime | None
    reason: str
    author: str


class ServiceOut(ApiModel):
    """A service that a number has."""

    code: str
    version: int
    state: ServiceState
    third_party: bool
    switched_on_at: datetime
    until_at: datetime | None
    next_fee_at: datetime | None


class PlanChangeOut(ApiModel):
    """A plan change that happened or waits."""

    from_plan: str
    to_plan: str
    to_version: int
    requested_at: datetime
    effective_at: datetime
    cost: MoneyOut
    state: PlanChangeState


class SuspensionOut(ApiModel):
    """A suspension."""

    suspension_id: int
    ground: Ground
    scopes: list[Scope]
    reference: str
    reason: str
    author: str
    started_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str | None


class ConsentOut(ApiModel):
    """A consent, in force or withdrawn."""

    kind: ConsentKind
    version: str
    channel: Channel
    given_at: datetime
    withdrawn_at: datetime | None
    withdrawn_channel: Channel | None


class EditionAnswerOut(ApiModel):
    """What was answered to an edition of the contract."""

    edition: str
    accepted: bool
    manner: str
    channel: Channel
    answered_at: datetime


class PartyChangeOut(ApiModel):
    """A field of a subscriber's data that changed."""

    field: str
    old_value: str | None
    new_value: str
    changed_on: date
    reported_at: datetime
    late: bool


class DeviceOut(ApiModel):
    """A registered device."""

    imei: str
    registered_at: datetime


class ApplicationOut(ApiModel):
    """An application with its outcome."""

    application_id: int
    subscriber_id: int | None
    applicant: str
    kind: str
    channel: Channel
    author: str
    body: str
    registered_at: datetime
    state: ApplicationState
    outcome: str
    decided_at: datetime | None
    decided_by: str | None


class PersonalAccountOut(ApiModel):
    """A personal account of a contract."""

    account: AccountModel
    name: str
    opened_at: datetime


class PartyOut(ApiModel):
    """Who a subscriber is."""

    kind: PartyKind
    iin_bin: str
    full_name: str
    postal_address: str | None
    email: str | None
    contact_phone: str | None


class CardOut(ApiModel):
    """All that is kept on a subscriber; every look is recorded."""

    subscriber: SubscriberOut
    party: PartyOut
    missing_data: list[str]
    user_note: str | None
    acceded_at: datetime
    stop_at: datetime | None
    ended_at: datetime | None
    """The end of the contract for the number; what follows is what was last so."""
    end_ground: EndGround | None
    accounts: list[PersonalAccountOut]
    numbers: list[NumberUseOut]
    sims: list[SimUseOut]
    services: list[ServiceOut]
    plan_changes: list[PlanChangeOut]
    suspensions: list[SuspensionOut]
    consents: list[ConsentOut]
    editions: list[EditionAnswerOut]
    data_changes: list[PartyChangeOut]
    devices: list[DeviceOut]
    applications: list[ApplicationOut]
